/*
 * reg.c: opening, transactions, statements, errors. See reg.h for what holds.
 *
 * A new registry is built as registry.db.new and moved into place under a lock
 * on the directory, so registry.db is never seen half made: an empty or short
 * file is damage, and is reported as such.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/reg_priv.h"
#include "util/cleanup.h"

#define BUSY_TIMEOUT_MS 20000

/* ---- errors ---- */

static int status_of(sqlite3 *db, int rc)
{
	int sys = db ? sqlite3_system_errno(db) : 0;

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return VGPU_E_BUSY;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH: return VGPU_E_NOT_PERMITTED;
	case SQLITE_FULL: return VGPU_E_NO_SPACE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return VGPU_E_CORRUPT;
	case SQLITE_NOMEM: return VGPU_E_NOMEM;
	case SQLITE_CONSTRAINT: return VGPU_E_EXISTS;
	case SQLITE_TOOBIG: return VGPU_E_TOO_BIG;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN: return sys ? vgpu_status_from_errno(sys) : VGPU_E_IO;
	default: return VGPU_E_INTERNAL;
	}
}

int reg_sqlite_err(struct vgpu_err *err, sqlite3 *db, int rc, const char *path, const char *what)
{
	const char *words = db ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
	int status = status_of(db, rc);
	int sys = db ? sqlite3_system_errno(db) : 0;
	int r;

	if (status == VGPU_E_IO || status == VGPU_E_NO_SPACE || (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_IOERR)
		r = vgpu_err_set(err, status, "%s: %s: %s%s%s", path, what, words, sys ? ": " : "", sys ? strerror(sys) : "");
	else
		r = vgpu_err_set(err, status, "%s: %s: %s%s", path, what, words,
				 status == VGPU_E_CORRUPT ? "; the file is left as it is" : "");
	if (err)
		err->sys_errno = sys;
	return r;
}

int reg_fail(struct registry *reg, struct vgpu_err *err, int rc, const char *what)
{
	return reg_sqlite_err(err, reg->db, rc, reg->path, what);
}

/* ---- statements ---- */

sqlite3_stmt *reg_query(struct registry *reg, enum reg_query q, struct vgpu_err *err)
{
	if (!reg->stmt[q]) {
		int rc = sqlite3_prepare_v3(reg->db, reg_sql[q], -1, SQLITE_PREPARE_PERSISTENT, &reg->stmt[q], NULL);

		if (rc != SQLITE_OK) {
			reg_fail(reg, err, rc, "preparing a statement");
			return NULL;
		}
	}
	reg_done(reg->stmt[q]);
	return reg->stmt[q];
}

void reg_done(sqlite3_stmt *s)
{
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
}

int reg_step(struct registry *reg, sqlite3_stmt *s, const char *what, struct vgpu_err *err)
{
	int rc = sqlite3_step(s), r;

	if (rc == SQLITE_ROW)
		return 1;
	r = rc == SQLITE_DONE ? 0 : reg_fail(reg, err, rc, what);
	reg_done(s);
	return r;
}

int reg_run(struct registry *reg, enum reg_query q, const char *what, struct vgpu_err *err, const char *fmt, ...)
{
	sqlite3_stmt *s = reg_query(reg, q, err);
	va_list ap;
	int r;

	if (!s)
		return err ? -err->status : -VGPU_E_INTERNAL;
	va_start(ap, fmt);
	for (int i = 1; *fmt; fmt++, i++) {
		if (*fmt == 't')
			sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
		else
			sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
	}
	va_end(ap);
	while ((r = reg_step(reg, s, what, err)) > 0)
		;
	return r;
}

const char *reg_text(sqlite3_stmt *s, int col)
{
	const char *t = (const char *)sqlite3_column_text(s, col);

	return t ? t : "";
}

/* ---- transactions ---- */

int reg_begin(struct registry *reg, struct vgpu_err *err)
{
	int r;

	if (reg->in_txn)
		return vgpu_err_set(err, VGPU_E_INTERNAL, "a transaction is open already");
	r = reg_run(reg, REG_Q_BEGIN, "beginning a change", err, "");
	reg->in_txn = r == 0;
	return r;
}

void reg_rollback(struct registry *reg)
{
	if (!sqlite3_get_autocommit(reg->db))
		reg_run(reg, REG_Q_ROLLBACK, "taking a change back", NULL, "");
	reg->in_txn = false;
}

int reg_commit(struct registry *reg, struct vgpu_err *err)
{
	int r;

	/* Some failures (a full disk) make SQLite roll back by itself: then there is nothing to commit. */
	if (sqlite3_get_autocommit(reg->db)) {
		reg->in_txn = false;
		return vgpu_err_set(err, VGPU_E_INTERNAL, "%s: nothing to commit: the change was rolled back", reg->path);
	}
	r = reg_run(reg, REG_Q_COMMIT, "writing", err, "");
	if (r)
		reg_rollback(reg);
	reg->in_txn = false;
	return r;
}

int reg_enter(struct registry *reg, bool *own_out, struct vgpu_err *err)
{
	*own_out = !reg->in_txn;
	return *own_out ? reg_begin(reg, err) : 0;
}

int reg_leave(struct registry *reg, bool own, int r, struct vgpu_err *err)
{
	if (!own)
		return r;
	if (!r)
		return reg_commit(reg, err);
	reg_rollback(reg);
	return r;
}

int reg_touch(struct registry *reg, struct vgpu_err *err)
{
	reg->dirty = true;
	return reg_run(reg, REG_Q_GENERATION_UP, "counting a change", err, "");
}

static int read_int(struct registry *reg, enum reg_query q, int64_t *out, struct vgpu_err *err)
{
	sqlite3_stmt *s = reg_query(reg, q, err);
	int r;

	if (!s)
		return err ? -err->status : -VGPU_E_INTERNAL;
	r = reg_step(reg, s, "reading", err);
	if (r <= 0)
		return r ? r : vgpu_err_set(err, VGPU_E_CORRUPT, "%s: a counter is missing", reg->path);
	*out = sqlite3_column_int64(s, 0);
	reg_done(s);
	return 0;
}

int reg_generation(struct registry *reg, uint64_t *gen_out, struct vgpu_err *err)
{
	int64_t version, gen;
	struct vgpu_err local;
	int r;

	if (!err)
		err = &local;
	r = read_int(reg, REG_Q_DATA_VERSION, &version, err);
	if (r)
		return r;
	if (version != reg->data_version || reg->dirty) {
		r = read_int(reg, REG_Q_GENERATION, &gen, err);
		if (r)
			return r;
		reg->data_version = version;
		reg->generation = (uint64_t)gen;
		reg->dirty = reg->in_txn;
	}
	*gen_out = reg->generation;
	return 0;
}

/* ---- opening ---- */

static int make_dirs(const char *dir, struct vgpu_err *err)
{
	char *path = strdup(dir);
	int r = 0;

	if (!path)
		return vgpu_err_set(err, VGPU_E_NOMEM, "%s: out of memory", dir);
	for (char *p = path + 1; !r; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = 0;
		/* Everybody may look, whatever the umask. */
		if (mkdir(path, 0755) == 0)
			chmod(path, 0755);
		else if (errno != EEXIST)
			r = vgpu_err_errno(err, "making the state directory %s", path);
		*p = c;
		if (!c)
			break;
	}
	free(path);
	return r;
}

static const char *sibling(const char *path, const char *suffix, char *buf, size_t n)
{
	snprintf(buf, n, "%s%s", path, suffix);
	return buf;
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -1 : st.st_size;
}

static int exec_pragmas(sqlite3 *db, const char *path, const char *sql, struct vgpu_err *err)
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : reg_sqlite_err(err, db, rc, path, "opening");
}

/* Fills the file tmp with an empty registry. */
static int build_new(const char *tmp, struct vgpu_err *err)
{
	static const char *const litter[] = { "", "-journal", "-wal", "-shm" };
	char name[4096 + 16];
	sqlite3 *db = NULL;
	int fd, rc, version, r;

	for (size_t i = 0; i < ARRAY_SIZE(litter); i++)
		unlink(sibling(tmp, litter[i], name, sizeof(name)));
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return vgpu_err_errno(err, "making the registry %s", tmp);
	/* Everybody may look (SQLite gives -wal and -shm the same mode), whatever the umask. */
	if (fchmod(fd, 0644)) {
		close(fd);
		return vgpu_err_errno(err, "%s: setting its mode", tmp);
	}
	close(fd);
	rc = sqlite3_open_v2(tmp, &db, SQLITE_OPEN_READWRITE, NULL);
	if (rc != SQLITE_OK)
		r = reg_sqlite_err(err, db, rc, tmp, "making the registry");
	else
		r = exec_pragmas(db, tmp, "PRAGMA synchronous = FULL", err);
	if (!r)
		r = reg_schema_upgrade(db, tmp, &version, err);
	if (!r)
		r = exec_pragmas(db, tmp, "PRAGMA journal_mode = WAL", err);
	rc = sqlite3_close(db);
	if (!r && rc != SQLITE_OK)
		r = vgpu_err_set(err, VGPU_E_IO, "%s: closing: %s", tmp, sqlite3_errstr(rc));
	if (r)
		for (size_t i = 0; i < ARRAY_SIZE(litter); i++)
			unlink(sibling(tmp, litter[i], name, sizeof(name)));
	return r;
}

static int create_locked(const char *path, int dirfd, struct vgpu_err *err)
{
	char tmp[4096 + 8], wal[4096 + 8];
	int r;

	if (access(path, F_OK) == 0)
		return 0; /* somebody was quicker */
	sibling(path, "-wal", wal, sizeof(wal));
	if (size_of(wal) > 0)
		return vgpu_err_set(err, VGPU_E_CORRUPT,
				    "%s is missing, but its log %s is there: put the file back, or move the log away to begin anew",
				    path, wal);
	unlink(wal);
	unlink(sibling(path, "-shm", wal, sizeof(wal)));
	sibling(path, ".new", tmp, sizeof(tmp));
	r = build_new(tmp, err);
	if (r)
		return r;
	if (rename(tmp, path))
		return vgpu_err_errno(err, "making the registry %s", path);
	if (fsync(dirfd))
		return vgpu_err_errno(err, "making the registry %s: syncing its directory", path);
	return 0;
}

static int create(const char *dir, const char *path, struct vgpu_err *err)
{
	int cleanup_close fd = -1;
	int r = make_dirs(dir, err);

	if (r)
		return r;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return vgpu_err_errno(err, "opening the state directory %s", dir);
	if (flock(fd, LOCK_EX))
		return vgpu_err_errno(err, "locking the state directory %s", dir);
	return create_locked(path, fd, err);
}

/* What can be seen without SQLite, which might leave files beside a damaged one. */
static int check_header(const char *path, struct vgpu_err *err)
{
	static const char magic[16] = "SQLite format 3";
	char head[100];
	int cleanup_close fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return vgpu_err_errno(err, "opening the registry %s", path);
	n = pread(fd, head, sizeof(head), 0);
	if (n < 0)
		return vgpu_err_errno(err, "reading the registry %s", path);
	if (n < (ssize_t)sizeof(head))
		return vgpu_err_set(err, VGPU_E_CORRUPT,
				    "%s: is damaged: %zd bytes are too short for a registry; it is left as it is", path, n);
	if (memcmp(head, magic, sizeof(magic)))
		return vgpu_err_set(err, VGPU_E_CORRUPT, "%s: is damaged or not a registry; it is left as it is", path);
	return 0;
}

/* SQLite's report has several lines; ours has one. */
static int damaged(const struct registry *reg, const char *report, struct vgpu_err *err)
{
	char line[200];

	snprintf(line, sizeof(line), "%s", report);
	for (char *p = line; *p; p++)
		if (*p == '\n')
			*p = ' ';
	return vgpu_err_set(err, VGPU_E_CORRUPT, "%s: is damaged: %s; it is left as it is", reg->path, line);
}

static int quick_check(struct registry *reg, struct vgpu_err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(reg->db, "PRAGMA quick_check(1)", -1, &s, NULL), r = 0;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc != SQLITE_ROW)
		r = reg_fail(reg, err, rc, "checking");
	else if (strcmp(reg_text(s, 0), "ok"))
		r = damaged(reg, reg_text(s, 0), err);
	sqlite3_finalize(s);
	return r;
}

static int check_and_upgrade(struct registry *reg, unsigned flags, struct vgpu_err *err)
{
	int r = reg_schema_check(reg->db, reg->path, &reg->version, err);

	if (!r)
		r = quick_check(reg, err);
	if (r || reg->version == reg_schema_latest())
		return r;
	if (flags & REG_F_READONLY)
		return vgpu_err_set(err, VGPU_E_VERSION,
				    "%s: has schema version %d, this program reads %d: open it for writing once, it is then brought up to date",
				    reg->path, reg->version, reg_schema_latest());
	return reg_schema_upgrade(reg->db, reg->path, &reg->version, err);
}

static int open_db(struct registry *reg, const char *name, int flags, struct vgpu_err *err)
{
	int rc = sqlite3_open_v2(name, &reg->db, flags, NULL);

	if (rc != SQLITE_OK)
		return reg_fail(reg, err, rc, "opening");
	sqlite3_extended_result_codes(reg->db, 1);
	sqlite3_busy_timeout(reg->db, BUSY_TIMEOUT_MS);
	/* trusted_schema: nothing in the file is called as a function. */
	return exec_pragmas(reg->db, reg->path,
			    "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
			    "PRAGMA cell_size_check = ON", err);
}

static void close_db(struct registry *reg, bool untouched)
{
	for (size_t i = 0; i < REG_Q_COUNT; i++) {
		sqlite3_finalize(reg->stmt[i]);
		reg->stmt[i] = NULL;
	}
	if (reg->db && untouched)
		sqlite3_db_config(reg->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(reg->db);
	reg->db = NULL;
}

/* Also for reading only, where the file may be written: the last one to close then tidies the log away. */
static int open_writable(struct registry *reg, unsigned flags, struct vgpu_err *err)
{
	char wal[4096 + 8];
	/* A log that waits to be written back must not be, as long as we may refuse the file. */
	bool had_wal = size_of(sibling(reg->path, "-wal", wal, sizeof(wal))) > 0;
	int r = open_db(reg, reg->path, SQLITE_OPEN_READWRITE, err);

	if (!r && sqlite3_db_readonly(reg->db, "main") == 1)
		r = vgpu_err_set(err, VGPU_E_NOT_PERMITTED, "%s: is not writable for this user", reg->path);
	if (!r)
		r = check_and_upgrade(reg, flags, err);
	if (!r && (flags & REG_F_READONLY))
		r = exec_pragmas(reg->db, reg->path, "PRAGMA query_only = ON", err);
	if (r)
		close_db(reg, had_wal);
	return r;
}

/* file: URI with everything escaped that a URI could read otherwise. */
static char *immutable_uri(const char *path)
{
	struct vgpu_buf b = VGPU_BUF_INIT;

	vgpu_buf_str(&b, "file:");
	for (const char *p = path; *p; p++) {
		if (strchr("%?#", *p))
			vgpu_buf_printf(&b, "%%%02x", (unsigned char)*p);
		else
			vgpu_buf_add(&b, p, 1);
	}
	vgpu_buf_str(&b, "?immutable=1");
	if (b.failed)
		vgpu_buf_free(&b);
	return b.data;
}

static int open_readonly(struct registry *reg, struct vgpu_err *err)
{
	char wal[4096 + 8];
	char *cleanup_free uri = NULL;
	struct vgpu_err first = VGPU_ERR_INIT;
	int r = open_db(reg, reg->path, SQLITE_OPEN_READONLY, &first);

	if (!r)
		r = check_and_upgrade(reg, REG_F_READONLY, &first);
	if (!r)
		return 0;
	/* Without a log, and where none can be made (read-only file system, foreign directory), the file alone is all. */
	if ((first.status != VGPU_E_CORRUPT && first.status != VGPU_E_VERSION) &&
	    size_of(sibling(reg->path, "-wal", wal, sizeof(wal))) <= 0 && (uri = immutable_uri(reg->path))) {
		close_db(reg, true);
		r = open_db(reg, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
		if (!r)
			r = check_and_upgrade(reg, REG_F_READONLY, err);
	} else if (err) {
		*err = first;
	}
	if (r)
		close_db(reg, true);
	return r;
}

static int open_existing(struct registry *reg, unsigned flags, struct vgpu_err *err)
{
	int r = check_header(reg->path, err);

	if (r)
		return r;
	if ((flags & REG_F_READONLY) && access(reg->path, W_OK))
		return open_readonly(reg, err);
	return open_writable(reg, flags, err);
}

static char *path_of(const char *dir)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	vgpu_buf_printf(&b, "%.*s/registry.db", (int)n, dir);
	if (b.failed)
		vgpu_buf_free(&b);
	return b.data;
}

int reg_open(struct registry **out, const char *dir, unsigned flags, struct vgpu_err *err)
{
	struct registry *reg;
	struct vgpu_err local;
	int r = 0;

	if (!err)
		err = &local;
	if (strlen(dir) == 0 || strlen(dir) > 4000)
		return vgpu_err_set(err, VGPU_E_INVALID, "'%s' can't be a state directory", dir);
	reg = calloc(1, sizeof(*reg));
	if (!reg || !(reg->path = path_of(dir))) {
		free(reg);
		return vgpu_err_set(err, VGPU_E_NOMEM, "opening the registry in %s: out of memory", dir);
	}
	reg->data_version = -1;
	if (access(reg->path, F_OK) && errno == ENOENT) {
		if (!(flags & REG_F_CREATE) || (flags & REG_F_READONLY))
			r = vgpu_err_set(err, VGPU_E_NOT_FOUND, "there is no registry at %s", reg->path);
		else
			r = create(dir, reg->path, err);
	}
	if (!r)
		r = open_existing(reg, flags, err);
	if (r) {
		reg_close(reg);
		return r;
	}
	*out = reg;
	return 0;
}

void reg_close(struct registry *reg)
{
	if (!reg)
		return;
	if (reg->db && reg->in_txn)
		reg_rollback(reg);
	close_db(reg, false);
	free(reg->path);
	free(reg);
}

const char *reg_path(const struct registry *reg)
{
	return reg->path;
}

int reg_version(const struct registry *reg)
{
	return reg->version;
}

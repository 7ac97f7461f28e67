/* Registries that are damaged, foreign, older, newer or not writable: refused or brought up, never harmed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state/reg_priv.h"
#include "t/lib/tap.h"
#include "util/sys.h"

static struct vgpu_err err;
static char dir[300], file[400];

static void fresh(const char *name, unsigned devices)
{
	struct reg_create c = REG_CREATE_INIT;
	struct registry *reg;
	struct vgpu_device d;

	snprintf(dir, sizeof(dir), "%s/%s", test_tmpdir(), name);
	snprintf(file, sizeof(file), "%s/registry.db", dir);
	if (reg_open(&reg, dir, REG_F_CREATE, &err))
		bail("%s", err.text);
	while (devices--)
		if (reg_device_create(reg, &c, &d, &err))
			bail("%s", err.text);
	reg_close(reg);
}

static void exec_sql(const char *sql)
{
	sqlite3 *db;
	char *msg = NULL;

	if (sqlite3_open(file, &db) || sqlite3_exec(db, sql, NULL, NULL, &msg))
		bail("%s: %s", sql, msg ? msg : "cannot open");
	sqlite3_close(db);
}

static char *contents(size_t *n)
{
	char *text;

	if (vgpu_read_file(file, 1 << 24, &text, n, &err))
		bail("%s", err.text);
	return text;
}

/* Opening fails with the status, says so, and leaves every byte as it was. */
static void refused(unsigned flags, int status, const char *words, const char *what)
{
	struct registry *reg = NULL;
	size_t n0, n1;
	char *before = contents(&n0), *after, wal[410];
	int r = reg_open(&reg, dir, flags, &err);

	is_int(r, -status, "%s is refused", what);
	has_string(err.text, words, "… with words: %s", err.text);
	has_string(err.text, file, "… that name the file");
	after = contents(&n1);
	ok(n0 == n1 && memcmp(before, after, n0) == 0, "… and the file is as it was");
	snprintf(wal, sizeof(wal), "%s-wal", file);
	ok(access(wal, F_OK) != 0, "… with nothing beside it");
	free(before);
	free(after);
	if (!r)
		reg_close(reg);
}

static void test_damage(void)
{
	struct stat st;
	int fd;

	fresh("empty", 1);
	if (truncate(file, 0))
		bail("truncate");
	refused(REG_F_CREATE, VGPU_E_CORRUPT, "damaged", "an empty file");
	fresh("short", 1);
	if (truncate(file, 3000))
		bail("truncate");
	refused(REG_F_CREATE, VGPU_E_CORRUPT, "", "a file cut inside its first page");
	fresh("cut", 3);
	stat(file, &st);
	if (truncate(file, st.st_size - 4096))
		bail("truncate");
	refused(REG_F_CREATE, VGPU_E_CORRUPT, "left as it is", "a file that lost its last page");
	fresh("text", 1);
	fd = open(file, O_WRONLY | O_TRUNC);
	if (write(fd, "this is not a database, but it is long enough to have a header that could be one; so let us see what happens", 108) != 108)
		bail("write");
	close(fd);
	refused(REG_F_CREATE, VGPU_E_CORRUPT, "not a registry", "a text file");
	refused(REG_F_READONLY, VGPU_E_CORRUPT, "not a registry", "a text file, read-only,");
	fresh("scribble", 20);
	fd = open(file, O_WRONLY);
	stat(file, &st);
	for (off_t at = 4096; at < st.st_size; at += 4096) {
		char junk[600];

		memset(junk, 0xa5, sizeof(junk));
		if (pwrite(fd, junk, sizeof(junk), at) != sizeof(junk))
			bail("pwrite");
	}
	close(fd);
	refused(REG_F_CREATE, VGPU_E_CORRUPT, "left as it is", "a file scribbled over");
	fresh("foreign", 1);
	exec_sql("PRAGMA application_id = 1");
	refused(REG_F_CREATE, VGPU_E_CORRUPT, "not a registry", "another program's database");
	fresh("newer", 1);
	exec_sql("PRAGMA user_version = 99");
	refused(REG_F_CREATE, VGPU_E_VERSION, "newer", "a newer schema");
	refused(REG_F_READONLY, VGPU_E_VERSION, "newer", "a newer schema, read-only,");
}

/* A registry as schema version 1 had it, with content. */
static void make_old(int version)
{
	static int n;
	sqlite3 *db;
	int v;

	snprintf(dir, sizeof(dir), "%s/old%d-%d", test_tmpdir(), version, n++);
	snprintf(file, sizeof(file), "%s/registry.db", dir);
	mkdir(dir, 0755);
	if (sqlite3_open(file, &db) || reg_schema_upgrade_to(db, file, version, &v, &err))
		bail("%s", err.text);
	sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
	sqlite3_close(db);
	is_int(v, version, "a registry of schema version %d", version);
	exec_sql("INSERT INTO device VALUES ('GPU-00000000-0000-4000-8000-000000000001', '0000:05:00.0', 7, 'T4', '123', 1);"
		 "INSERT INTO device_override VALUES ('GPU-00000000-0000-4000-8000-000000000001', 'sm_count', '3');"
		 "INSERT INTO setting VALUES ('a', 'b')");
}

static void check_old(void)
{
	struct vgpu_device devs[VGPU_MAX_DEVICES];
	struct registry *reg;
	char *v = NULL;
	size_t n = 0;

	is_int(reg_open(&reg, dir, REG_F_READONLY, &err), -VGPU_E_VERSION, "read-only it can't be brought up: %s", err.text);
	is_int(reg_open(&reg, dir, 0, &err), 0, "opened for writing it is brought up to date");
	is_int(reg_version(reg), reg_schema_latest(), "… to the latest version");
	is_int(reg_devices(reg, devs, &n, &err), 0, "its devices can be read");
	ok(n == 1 && devs[0].minor == 7 && devs[0].sm_count == 3, "… and are what they were");
	is_string(devs[0].name, "Tesla T4", "… with their profile");
	reg_setting_get(reg, "a", &v, &err);
	is_string(v, "b", "settings, too");
	free(v);
	is_int(reg_device_remove(reg, devs[0].uuid, &err), 0, "and it can be changed");
	reg_close(reg);
	is_int(reg_open(&reg, dir, REG_F_READONLY, &err), 0, "now it opens read-only");
	reg_close(reg);
}

static void test_migration(void)
{
	struct registry *reg;

	for (int v = 1; v < reg_schema_latest(); v++) {
		make_old(v);
		check_old();
	}
	make_old(1);
	/* A step that fails takes the whole migration back. */
	exec_sql("CREATE TABLE profile_copy (x)");
	is_int(reg_open(&reg, dir, 0, &err), -VGPU_E_INTERNAL, "a migration that can't be done: %s", err.text);
	has_string(err.text, "migration 3", "… says which");
	exec_sql("DROP TABLE profile_copy");
	is_int(reg_open(&reg, dir, 0, &err), 0, "without the obstacle it goes through, from the start");
	reg_close(reg);
}

/* Runs fn as an ordinary user; its exit status. */
static int as_nobody(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgid(65534) || setuid(65534))
			_exit(99);
		_exit(fn());
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int read_as_nobody(void)
{
	struct vgpu_device devs[VGPU_MAX_DEVICES];
	struct registry *reg;
	size_t n;
	int r = reg_open(&reg, dir, REG_F_READONLY, &err);

	if (r) {
		diag("%s", err.text);
		return -r;
	}
	r = reg_devices(reg, devs, &n, &err);
	if (r)
		diag("%s", err.text);
	return r ? -r : n == 2 ? 0 : 98;
}

static int write_as_nobody(void)
{
	struct registry *reg;

	return -reg_open(&reg, dir, 0, &err);
}

static void test_permissions(void)
{
	struct registry *reg;

	if (geteuid()) {
		skip("needs root to become another user");
		return;
	}
	umask(077);
	fresh("perm", 2);
	umask(022);
	chmod(test_tmpdir(), 0755);
	is_int(as_nobody(read_as_nobody), 0, "another user reads, with nobody else there");
	if (reg_open(&reg, dir, 0, &err))
		bail("%s", err.text);
	is_int(as_nobody(read_as_nobody), 0, "another user reads beside an open one");
	is_int(as_nobody(write_as_nobody), VGPU_E_NOT_PERMITTED, "another user does not write");
	reg_close(reg);
}

static void test_orphan_log(void)
{
	struct registry *reg;
	char wal[500];
	int fd;

	fresh("orphan", 1);
	snprintf(wal, sizeof(wal), "%s-wal", file);
	unlink(file);
	fd = open(wal, O_WRONLY | O_CREAT, 0644);
	if (write(fd, "x", 1) != 1)
		bail("write");
	close(fd);
	is_int(reg_open(&reg, dir, REG_F_CREATE, &err), -VGPU_E_CORRUPT, "a log without its registry: %s", err.text);
	ok(access(wal, F_OK) == 0 && access(file, F_OK) != 0, "… is left alone");
	unlink(wal);
	is_int(reg_open(&reg, dir, REG_F_CREATE, &err), 0, "once it is away a new one is made");
	reg_close(reg);
}

static void test_bad_dirs(void)
{
	struct registry *reg;
	char path[500];
	int fd;

	snprintf(path, sizeof(path), "%s/plain", test_tmpdir());
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	close(fd);
	ok(reg_open(&reg, path, REG_F_CREATE, &err) < 0, "a file as the state directory: %s", err.text);
	ok(reg_open(&reg, "", REG_F_CREATE, &err) < 0, "no state directory: %s", err.text);
}

int main(void)
{
	plan_lazy();
	test_damage();
	test_migration();
	test_permissions();
	test_orphan_log();
	test_bad_dirs();
	return 0;
}

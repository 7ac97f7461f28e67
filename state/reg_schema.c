/*
 * reg_schema.c: the schema as numbered migrations. Migration N brings
 * user_version from N-1 to N; a new registry runs them all, so that there is
 * one way to today's schema. A landed migration is never edited: add one.
 * doc/registry.md describes the tables.
 */
#include <stdio.h>

#include "state/reg_priv.h"

struct migration {
	const char *about;
	const char *sql;
};

static const struct migration migrations[] = {
	{ "devices, what is set on them, settings",
	  "CREATE TABLE counter (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID;"
	  "INSERT INTO counter (name, value) VALUES ('generation', 1);"
	  "CREATE TABLE device ("
	  "  uuid TEXT PRIMARY KEY NOT NULL,"
	  "  pci TEXT UNIQUE NOT NULL,"
	  "  minor INTEGER UNIQUE NOT NULL CHECK (minor BETWEEN 0 AND 247),"
	  "  profile TEXT NOT NULL,"
	  "  serial TEXT NOT NULL,"
	  "  created_us INTEGER NOT NULL"
	  ") WITHOUT ROWID;"
	  "CREATE TABLE device_override ("
	  "  uuid TEXT NOT NULL REFERENCES device (uuid) ON DELETE CASCADE,"
	  "  key TEXT NOT NULL,"
	  "  value TEXT NOT NULL,"
	  "  PRIMARY KEY (uuid, key)"
	  ") WITHOUT ROWID;"
	  "CREATE TABLE setting (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;" },
	{ "event log",
	  "CREATE TABLE event ("
	  "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	  "  time_us INTEGER NOT NULL,"
	  "  uuid TEXT NOT NULL,"
	  "  kind TEXT NOT NULL,"
	  "  text TEXT NOT NULL"
	  ");"
	  "CREATE INDEX event_uuid ON event (uuid, id);" },
	{ "copies of the profiles in use, so that a lost profile file changes no device",
	  "CREATE TABLE profile_copy ("
	  "  profile TEXT NOT NULL,"
	  "  key TEXT NOT NULL,"
	  "  value TEXT NOT NULL,"
	  "  PRIMARY KEY (profile, key)"
	  ") WITHOUT ROWID;" },
	{ "what a device remembers of its errors; MIG instances",
	  "CREATE TABLE device_counter ("
	  "  uuid TEXT NOT NULL REFERENCES device (uuid) ON DELETE CASCADE,"
	  "  name TEXT NOT NULL,"
	  "  value INTEGER NOT NULL,"
	  "  PRIMARY KEY (uuid, name)"
	  ") WITHOUT ROWID;"
	  "CREATE TABLE device_page ("
	  "  uuid TEXT NOT NULL REFERENCES device (uuid) ON DELETE CASCADE,"
	  "  addr INTEGER NOT NULL,"
	  "  time_us INTEGER NOT NULL,"
	  "  cause INTEGER NOT NULL,"
	  "  pending INTEGER NOT NULL,"
	  "  PRIMARY KEY (uuid, addr)"
	  ") WITHOUT ROWID;"
	  "CREATE TABLE mig_gpu ("
	  "  uuid TEXT NOT NULL REFERENCES device (uuid) ON DELETE CASCADE,"
	  "  gi INTEGER NOT NULL,"
	  "  profile INTEGER NOT NULL,"
	  "  start INTEGER NOT NULL,"
	  "  PRIMARY KEY (uuid, gi)"
	  ") WITHOUT ROWID;"
	  "CREATE TABLE mig_compute ("
	  "  uuid TEXT NOT NULL,"
	  "  gi INTEGER NOT NULL,"
	  "  ci INTEGER NOT NULL,"
	  "  profile INTEGER NOT NULL,"
	  "  start INTEGER NOT NULL,"
	  "  mig_uuid TEXT UNIQUE NOT NULL,"
	  "  PRIMARY KEY (uuid, gi, ci),"
	  "  FOREIGN KEY (uuid, gi) REFERENCES mig_gpu (uuid, gi) ON DELETE CASCADE"
	  ") WITHOUT ROWID;" },
};

int reg_schema_latest(void)
{
	return (int)ARRAY_SIZE(migrations);
}

static int pragma_int(sqlite3 *db, const char *path, const char *sql, int *out, struct vgpu_err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	if (rc != SQLITE_ROW)
		return reg_sqlite_err(err, db, rc, path, "reading the schema's version");
	return 0;
}

int reg_schema_check(sqlite3 *db, const char *path, int *version_out, struct vgpu_err *err)
{
	int version = 0, id = 0, r;

	r = pragma_int(db, path, "PRAGMA user_version", &version, err);
	if (!r)
		r = pragma_int(db, path, "PRAGMA application_id", &id, err);
	if (r)
		return r;
	if (id != REG_APPLICATION_ID)
		return vgpu_err_set(err, VGPU_E_CORRUPT,
				    "%s: is an SQLite database, but not a registry of vgpufs; it is left as it is", path);
	if (version > reg_schema_latest())
		return vgpu_err_set(err, VGPU_E_VERSION,
				    "%s: has schema version %d, this program knows up to %d: it was written by a newer vgpufs; nothing was changed",
				    path, version, reg_schema_latest());
	if (version < 1)
		return vgpu_err_set(err, VGPU_E_CORRUPT, "%s: has schema version %d, the first one is 1", path, version);
	*version_out = version;
	return 0;
}

static int run(sqlite3 *db, const char *path, const char *sql, struct vgpu_err *err)
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : reg_sqlite_err(err, db, rc, path, "changing the schema");
}

static int migrate(sqlite3 *db, const char *path, int to, int *version_out, struct vgpu_err *err)
{
	int version = 0, r;
	char sql[96];

	/* Read inside the transaction: another process may have done it meanwhile. */
	r = pragma_int(db, path, "PRAGMA user_version", &version, err);
	for (; !r && version < to; version++) {
		r = run(db, path, migrations[version].sql, err);
		if (r)
			return vgpu_err_wrap(err, "migration %d (%s)", version + 1, migrations[version].about);
		snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d",
			 REG_APPLICATION_ID, version + 1);
		r = run(db, path, sql, err);
	}
	if (!r)
		*version_out = version;
	return r;
}

int reg_schema_upgrade_to(sqlite3 *db, const char *path, int version, int *version_out, struct vgpu_err *err)
{
	int r = run(db, path, "BEGIN IMMEDIATE", err);

	if (r)
		return r;
	r = migrate(db, path, version, version_out, err);
	if (!r)
		r = run(db, path, "COMMIT", err);
	if (r && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

int reg_schema_upgrade(sqlite3 *db, const char *path, int *version_out, struct vgpu_err *err)
{
	return reg_schema_upgrade_to(db, path, reg_schema_latest(), version_out, err);
}

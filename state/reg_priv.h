/* reg_priv.h: what the reg_*.c files share. Stays in this folder. */
#ifndef VGPU_STATE_REG_PRIV_H
#define VGPU_STATE_REG_PRIV_H

#include <sqlite3.h>

#include "state/reg.h"

enum reg_query {
#define Q(name, text) REG_Q_##name,
#include "state/reg_sql.def"
#undef Q
	REG_Q_COUNT
};

extern const char *const reg_sql[REG_Q_COUNT];

/* sqlite3 application_id of our files: "vGPU". */
#define REG_APPLICATION_ID 0x76475055

struct registry {
	sqlite3 *db;
	sqlite3_stmt *stmt[REG_Q_COUNT];
	char *path;
	int version;
	bool in_txn;           /* between reg_begin and reg_commit/reg_rollback */
	int64_t data_version;  /* as of the last look; -1: none yet */
	uint64_t generation;   /* belongs to data_version */
	bool dirty;            /* this connection changed something since that look */
};

/* The one place that maps SQLite's result codes; text is "path: what: sqlite's words". */
int reg_sqlite_err(struct vgpu_err *err, sqlite3 *db, int rc, const char *path, const char *what);
int reg_fail(struct registry *reg, struct vgpu_err *err, int rc, const char *what);

/* Ready to bind and step; NULL and err on failure. Reset it with reg_done. */
sqlite3_stmt *reg_query(struct registry *reg, enum reg_query q, struct vgpu_err *err);
/* 1: a row, 0: the end, negative: failure. The statement is reset unless there is a row. */
int reg_step(struct registry *reg, sqlite3_stmt *s, const char *what, struct vgpu_err *err);
void reg_done(sqlite3_stmt *s);
/* Binds by format (t: const char * or NULL, i: int64_t) and runs to the end. */
int reg_run(struct registry *reg, enum reg_query q, const char *what, struct vgpu_err *err, const char *fmt, ...);

/* A transaction unless one is open; *own_out says whether reg_leave has to end it. */
int reg_enter(struct registry *reg, bool *own_out, struct vgpu_err *err);
/* Commits when r is 0, else rolls back (only an own one). Answers r or the commit's failure. */
int reg_leave(struct registry *reg, bool own, int r, struct vgpu_err *err);
/* To be called in each transaction that changes devices or settings. */
int reg_touch(struct registry *reg, struct vgpu_err *err);

/* Newest version that this program knows. */
int reg_schema_latest(void);
/* Makes the schema in an empty database, or brings an older one up; *version_out: what it is then. */
int reg_schema_upgrade(sqlite3 *db, const char *path, int *version_out, struct vgpu_err *err);
/* As above but only up to `version` (for the tests of migrations). */
int reg_schema_upgrade_to(sqlite3 *db, const char *path, int version, int *version_out, struct vgpu_err *err);
/* user_version and whether it is ours at all. */
int reg_schema_check(sqlite3 *db, const char *path, int *version_out, struct vgpu_err *err);

/* Column text, "" for NULL. */
const char *reg_text(sqlite3_stmt *s, int col);

#endif

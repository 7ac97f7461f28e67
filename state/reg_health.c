/* reg_health.c: what a device remembers of its errors over mounts: counters, and pages of memory that were taken out of use. */
#include <string.h>
#include <time.h>

#include "state/reg_priv.h"

int reg_counter_add(struct registry *reg, const char *uuid, const char *name, uint64_t n, struct vgpu_err *err)
{
	bool own;
	int r = reg_enter(reg, &own, err);

	if (r)
		return r;
	return reg_leave(reg, own, reg_run(reg, REG_Q_COUNTER_ADD, "counting an error", err, "tti", uuid, name, (int64_t)n), err);
}

int reg_counters(struct registry *reg, const char *uuid, void (*fn)(void *arg, const char *name, uint64_t value), void *arg,
		 struct vgpu_err *err)
{
	sqlite3_stmt *s = reg_query(reg, REG_Q_COUNTERS, err);
	int r;

	if (!s)
		return err ? -err->status : -VGPU_E_INTERNAL;
	sqlite3_bind_text(s, 1, uuid, -1, SQLITE_TRANSIENT);
	while ((r = reg_step(reg, s, "reading counters", err)) > 0)
		fn(arg, reg_text(s, 0), (uint64_t)sqlite3_column_int64(s, 1));
	return r;
}

int reg_counters_clear(struct registry *reg, const char *uuid, struct vgpu_err *err)
{
	bool own;
	int r = reg_enter(reg, &own, err);

	if (r)
		return r;
	return reg_leave(reg, own, reg_run(reg, REG_Q_COUNTER_CLEAR, "clearing counters", err, "t", uuid), err);
}

int reg_page_add(struct registry *reg, const char *uuid, const struct reg_page *p, struct vgpu_err *err)
{
	bool own;
	int r = reg_enter(reg, &own, err);

	if (r)
		return r;
	return reg_leave(reg, own, reg_run(reg, REG_Q_PAGE_ADD, "retiring a page", err, "tiii", uuid, (int64_t)p->addr,
					   (int64_t)p->time_us, (int64_t)p->cause), err);
}

int reg_pages(struct registry *reg, const char *uuid, void (*fn)(void *arg, const struct reg_page *p), void *arg, struct vgpu_err *err)
{
	sqlite3_stmt *s = reg_query(reg, REG_Q_PAGES, err);
	int r;

	if (!s)
		return err ? -err->status : -VGPU_E_INTERNAL;
	sqlite3_bind_text(s, 1, uuid, -1, SQLITE_TRANSIENT);
	while ((r = reg_step(reg, s, "reading retired pages", err)) > 0) {
		struct reg_page p = { (uint64_t)sqlite3_column_int64(s, 0), (uint64_t)sqlite3_column_int64(s, 1),
				      (unsigned)sqlite3_column_int(s, 2), sqlite3_column_int(s, 3) != 0 };

		fn(arg, &p);
	}
	return r;
}

int reg_pages_retire(struct registry *reg, const char *uuid, bool forget, struct vgpu_err *err)
{
	bool own;
	int r = reg_enter(reg, &own, err);

	if (r)
		return r;
	return reg_leave(reg, own, reg_run(reg, forget ? REG_Q_PAGE_CLEAR : REG_Q_PAGE_RETIRE, "retiring pages", err, "t", uuid), err);
}

/* reg_log.c: the event log and the settings of other parts. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "state/reg_priv.h"

#define KIND_MAX 32
#define TEXT_MAX 1024
#define KEY_MAX_LEN 255
#define VALUE_MAX 65536

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int reg_event_add(struct registry *reg, const char *uuid, const char *kind, const char *text, struct vgpu_err *err)
{
	char cut[TEXT_MAX + 1];
	size_t n = strlen(text);
	bool own;
	int r;

	if (!*kind || strlen(kind) > KIND_MAX)
		return vgpu_err_set(err, VGPU_E_INVALID, "event kind '%s': 1 to %d characters are allowed", kind, KIND_MAX);
	if (n > TEXT_MAX) {
		n = TEXT_MAX;
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--; /* not in the middle of a character */
	}
	memcpy(cut, text, n);
	cut[n] = 0;
	r = reg_enter(reg, &own, err);
	if (r)
		return r;
	r = reg_run(reg, REG_Q_EVENT_ADD, "adding an event", err, "ittt",
		    (int64_t)now_us(), uuid ? uuid : "", kind, cut);
	if (!r)
		r = reg_run(reg, REG_Q_EVENT_TRIM, "dropping old events", err, "i", (int64_t)REG_MAX_EVENTS);
	return reg_leave(reg, own, r, err);
}

int reg_events(struct registry *reg, const char *uuid, uint64_t after, size_t limit,
	       void (*fn)(void *arg, const struct reg_event *e), void *arg, struct vgpu_err *err)
{
	sqlite3_stmt *s = reg_query(reg, REG_Q_EVENTS, err);
	int r;

	if (!s)
		return err ? -err->status : -VGPU_E_INTERNAL;
	sqlite3_bind_int64(s, 1, after > INT64_MAX ? INT64_MAX : (int64_t)after);
	sqlite3_bind_text(s, 2, uuid, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 3, limit && limit < INT64_MAX ? (int64_t)limit : -1);
	while ((r = reg_step(reg, s, "reading the events", err)) > 0) {
		struct reg_event e = {
			.id = (uint64_t)sqlite3_column_int64(s, 0),
			.time_us = (uint64_t)sqlite3_column_int64(s, 1),
			.uuid = reg_text(s, 2),
			.kind = reg_text(s, 3),
			.text = reg_text(s, 4),
		};

		fn(arg, &e);
	}
	return r;
}

int reg_setting_get(struct registry *reg, const char *key, char **value_out, struct vgpu_err *err)
{
	sqlite3_stmt *s = reg_query(reg, REG_Q_SETTING_GET, err);
	char *value = NULL;
	int r;

	if (!s)
		return err ? -err->status : -VGPU_E_INTERNAL;
	sqlite3_bind_text(s, 1, key, -1, SQLITE_TRANSIENT);
	r = reg_step(reg, s, "reading a setting", err);
	if (r < 0)
		return r;
	if (r > 0) {
		value = strdup(reg_text(s, 0));
		reg_done(s);
		if (!value)
			return vgpu_err_set(err, VGPU_E_NOMEM, "setting %s: out of memory", key);
	}
	*value_out = value;
	return 0;
}

int reg_setting_set(struct registry *reg, const char *key, const char *value, struct vgpu_err *err)
{
	bool own;
	int r;

	if (!*key || strlen(key) > KEY_MAX_LEN)
		return vgpu_err_set(err, VGPU_E_INVALID, "setting '%.40s': a key has 1 to %d characters", key, KEY_MAX_LEN);
	if (value && strlen(value) > VALUE_MAX)
		return vgpu_err_set(err, VGPU_E_TOO_BIG, "setting %s: its value is longer than %d bytes", key, VALUE_MAX);
	r = reg_enter(reg, &own, err);
	if (r)
		return r;
	if (value)
		r = reg_run(reg, REG_Q_SETTING_SET, "storing a setting", err, "tt", key, value);
	else
		r = reg_run(reg, REG_Q_SETTING_DEL, "removing a setting", err, "t", key);
	if (!r)
		r = reg_touch(reg, err);
	return reg_leave(reg, own, r, err);
}

int reg_settings(struct registry *reg, const char *prefix,
		 void (*fn)(void *arg, const char *key, const char *value), void *arg, struct vgpu_err *err)
{
	sqlite3_stmt *s = reg_query(reg, REG_Q_SETTINGS, err);
	int r;

	if (!s)
		return err ? -err->status : -VGPU_E_INTERNAL;
	sqlite3_bind_text(s, 1, prefix, -1, SQLITE_TRANSIENT);
	while ((r = reg_step(reg, s, "reading the settings", err)) > 0)
		fn(arg, reg_text(s, 0), reg_text(s, 1));
	return r;
}

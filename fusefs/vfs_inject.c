/*
 * vfs_inject.c: faults on demand, written to devices/<n>/inject:
 *
 *   xid NUMBER                          what xid.def says of it
 *   off-bus                             the device falls off the bus: xid 79
 *   ecc single|double [COUNT] [dram|sram]
 *   throttle REASON[,REASON…]|none
 *   clear                               as if nothing had been injected
 *
 * What lasts (a lost device, counters over a device's life, pages) is in the
 * registry before the writer is answered; then contexts end, and monitors hear
 * of it. So libcuda's errors, NVML and events tell the same story.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fusefs/vfs_mon.h"
#include "fusefs/vfs_sess.h"
#include "state/reg.h"
#include "util/log.h"
#include "util/sys.h"

enum effect { REPORT, CONTEXTS, RESET, OFF_BUS };
enum kind { INJECT_XID, INJECT_ECC, INJECT_THROTTLE, INJECT_CLEAR };

struct xid {
	unsigned number;
	enum effect effect;
	int status;
	const char *text;
};

static const struct xid xids[] = {
#define X(number, effect, status, text) { number, effect, VGPU_##status, text },
#include "fusefs/xid.def"
#undef X
};

static const struct {
	const char *word;
	unsigned bits;
} reasons[] = {
	{ "none", 0 },
	{ "hw_slowdown", VGP_THROTTLE_HW_SLOWDOWN },
	{ "hw_thermal", VGP_THROTTLE_HW_SLOWDOWN | VGP_THROTTLE_HW_THERMAL },
	{ "hw_power_brake", VGP_THROTTLE_HW_SLOWDOWN | VGP_THROTTLE_HW_POWER_BRAKE },
	{ "sw_thermal", VGP_THROTTLE_SW_THERMAL },
	{ "sw_power", VGP_THROTTLE_SW_POWER },
};

static const char *const counter_names[4] = { "ecc_dram_corrected", "ecc_dram_uncorrected", "ecc_sram_corrected", "ecc_sram_uncorrected" };

struct injection {
	struct vfs_deed deed;
	fuse_req_t req;
	size_t len;               /* of the write that is answered */
	char uuid[48];
	uint32_t key;
	enum kind kind;
	struct xid xid;           /* XID, and of a double bit error; number 0: none */
	unsigned counter;         /* ECC: index into vfs_devlive.ecc */
	uint64_t count;
	struct reg_page page;     /* addr 0: none */
	unsigned throttle;
	char text[160];           /* for the event log */
	uint64_t token, deadline; /* of the workers' answers */
	unsigned waiting;         /* workers that have not said that their contexts are gone */
	bool ready;               /* else nothing is missing any more */
	struct injection *next;
};

/* Whoever has written is answered when programs feel it, or after this long. */
#define PATIENCE_NS 1000000000ull

/* ---- reading what was written ---- */

static struct xid xid_of(unsigned number)
{
	for (size_t i = 0; i < ARRAY_SIZE(xids); i++)
		if (xids[i].number == number)
			return xids[i];
	return (struct xid){ number, REPORT, 0, "unknown" };
}

/* A number that is all of the word. */
static bool number(const char *word, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(word, &end, 10);
	return *word >= '0' && *word <= '9' && !*end && !errno && *out <= max;
}

static int read_xid(struct injection *in, char *const *w, unsigned n, struct vgpu_err *err)
{
	uint64_t v;

	if (n != 2 || !number(w[1], 65535, &v) || !v)
		return vgpu_err_set(err, VGPU_E_INVALID, "xid NUMBER, like xid 79");
	in->kind = INJECT_XID;
	in->xid = xid_of((unsigned)v);
	return 0;
}

static int read_ecc(struct injection *in, char *const *w, unsigned n, struct vgpu_err *err)
{
	bool twice, sram = false;
	unsigned i = 2;

	if (n < 2 || (strcmp(w[1], "single") && strcmp(w[1], "double")))
		return vgpu_err_set(err, VGPU_E_INVALID, "ecc single|double [COUNT] [dram|sram]");
	twice = strcmp(w[1], "double") == 0;
	in->count = 1;
	if (i < n && number(w[i], 1000000000, &in->count))
		i++;
	if (i < n && (strcmp(w[i], "dram") == 0 || strcmp(w[i], "sram") == 0))
		sram = strcmp(w[i++], "sram") == 0;
	if (i < n || !in->count)
		return vgpu_err_set(err, VGPU_E_INVALID, "ecc %s: COUNT from 1 on, then dram or sram; not '%s'", w[1], i < n ? w[i] : "0");
	in->kind = INJECT_ECC;
	in->counter = (sram ? 2u : 0u) + (twice ? 1u : 0u);
	if (twice)
		in->xid = xid_of(48);
	return 0;
}

static int read_throttle(struct injection *in, char *const *w, unsigned n, struct vgpu_err *err)
{
	char *save = NULL;

	if (n != 2)
		return vgpu_err_set(err, VGPU_E_INVALID, "throttle REASON[,REASON…], or none");
	in->kind = INJECT_THROTTLE;
	for (char *word = strtok_r(w[1], ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(reasons) && strcmp(reasons[i].word, word))
			i++;
		if (i == ARRAY_SIZE(reasons))
			return vgpu_err_set(err, VGPU_E_INVALID,
					    "throttle: '%s' is none of none, hw_slowdown, hw_thermal, hw_power_brake, sw_thermal, sw_power", word);
		in->throttle |= reasons[i].bits;
	}
	return 0;
}

static int parse(struct injection *in, char *text, struct vgpu_err *err)
{
	char *w[5], *save = NULL;
	unsigned n = 0;

	for (char *p = strtok_r(text, " \t", &save); p && n < ARRAY_SIZE(w); p = strtok_r(NULL, " \t", &save))
		w[n++] = p;
	if (n && strcmp(w[0], "xid") == 0)
		return read_xid(in, w, n, err);
	if (n && strcmp(w[0], "ecc") == 0)
		return read_ecc(in, w, n, err);
	if (n && strcmp(w[0], "throttle") == 0)
		return read_throttle(in, w, n, err);
	if (n == 1 && strcmp(w[0], "off-bus") == 0) {
		in->kind = INJECT_XID;
		in->xid = xid_of(79);
		return 0;
	}
	if (n == 1 && strcmp(w[0], "clear") == 0) {
		in->kind = INJECT_CLEAR;
		return 0;
	}
	return vgpu_err_set(err, VGPU_E_INVALID, "'%s' is none of xid, off-bus, ecc, throttle, clear", n ? w[0] : "");
}

/* ---- what lasts: in the helper ---- */

static int store(struct registry *reg, const struct injection *in, struct vgpu_err *err)
{
	static const struct reg_kv clear[] = { { "lost", NULL } };
	struct reg_kv lost = { "lost", in->xid.effect == OFF_BUS ? "1" : "2" };
	int r = reg_event_add(reg, in->uuid, in->kind == INJECT_CLEAR ? "clear" : "fault", in->text, err);

	if (!r && in->kind == INJECT_ECC)
		r = reg_counter_add(reg, in->uuid, counter_names[in->counter], in->count, err);
	if (!r && in->page.addr)
		r = reg_page_add(reg, in->uuid, &in->page, err);
	if (!r && in->xid.number && in->xid.effect >= RESET)
		r = reg_device_set(reg, in->uuid, &lost, 1, err);
	if (!r && in->kind == INJECT_CLEAR)
		r = reg_device_set(reg, in->uuid, clear, 1, err);
	if (!r && in->kind == INJECT_CLEAR)
		r = reg_counters_clear(reg, in->uuid, err);
	if (!r && in->kind == INJECT_CLEAR)
		r = reg_pages_retire(reg, in->uuid, true, err);
	return r;
}

static int work(struct registry *reg, struct vfs_deed *d, struct vgpu_err *err)
{
	int r = reg_begin(reg, err);

	if (r)
		return r;
	r = store(reg, (struct injection *)d, err);
	if (!r)
		return reg_commit(reg, err);
	reg_rollback(reg);
	return r;
}

/* ---- what follows: in the serving thread ---- */

unsigned vfs_end_contexts(struct vfs *v, uint32_t key, int status, uint64_t token)
{
	unsigned told = 0;

	for (uint32_t i = 0; i < v->st->sess_high; i++) {
		const struct vfs_sess *s = &v->st->sess[i];
		struct vfs_live_sess *l = v->sess[i];

		for (unsigned d = 0; l && s->attached && d < s->n_devices; d++) {
			struct vgp_ctl m = { .op = VGP_CTL_LOST, .session = s->id, .device = d, .status = (uint32_t)status,
					     .value = token };

			if (!vfs_key_is(v, s->dev_key[d], key) || !vfs_sess_on(s, d))
				continue;
			/* one that can't be told ends whole */
			if (vgpu_send_fds(l->ctl.fd, &m, sizeof(m), NULL, 0, MSG_DONTWAIT) < 0) {
				vfs_sess_dead(v, i, EIO, true);
				break;
			}
			told++;
		}
	}
	return told;
}

static void report_xid(struct vfs *v, struct vfs_devlive *l, const struct vgpu_device *d, const struct xid *x)
{
	l->xid_last = x->number;
	l->xid_count++;
	vfs_event_add(v, d, VGP_EVENT_XID, x->number);
	log_warn("Xid (PCI:%s): %u, %s (injected)", d->pci, x->number, x->text);
}

static void clear_live(struct vfs_devlive *l)
{
	memset(l->ecc, 0, sizeof(l->ecc));
	memset(l->ecc_life, 0, sizeof(l->ecc_life));
	l->n_pages = 0;
	l->throttle = 0;
	l->xid_last = 0;
	l->xid_count = 0;
}

static void count_ecc(struct vfs *v, struct vfs_devlive *l, const struct vgpu_device *d, const struct injection *in)
{
	l->ecc[in->counter] += in->count;
	l->ecc_life[in->counter] += in->count;
	if (in->page.addr && l->n_pages < VFS_MAX_PAGES) {
		l->page[l->n_pages].addr = in->page.addr;
		l->page[l->n_pages].time_us = in->page.time_us;
		l->page[l->n_pages].cause = in->page.cause;
		l->page[l->n_pages++].pending = 1;
	}
	vfs_event_add(v, d, in->counter & 1 ? VGP_EVENT_ECC_DOUBLE : VGP_EVENT_ECC_SINGLE, in->count);
}

static void happen(struct vfs *v, const struct injection *in)
{
	int at = vfs_devset_find(&v->src.devs, in->key);
	struct vfs_devlive *l = vfs_devlive(v, in->key);
	const struct vgpu_device *d;

	if (at < 0 || !l)
		return;
	d = &v->src.devs.dev[at];
	if (in->kind == INJECT_ECC)
		count_ecc(v, l, d, in);
	if (in->kind == INJECT_CLEAR)
		clear_live(l);
	if (in->kind == INJECT_THROTTLE) {
		l->throttle = in->throttle;
		vfs_event_add(v, d, VGP_EVENT_CLOCK, d->clock_khz);
	}
	if (in->xid.number)
		report_xid(v, l, d, &in->xid);
	vfs_telemetry_changed(v, in->key);
}

/* Before the tree shows a lost device: the Xid's status is the first that contexts hear of. */
static void written(struct vfs *v, struct vfs_deed *d)
{
	struct injection *in = (struct injection *)d;

	if (!in->xid.number || in->xid.effect < CONTEXTS)
		return;
	in->token = vgpu_now_ns();
	in->deadline = in->token + PATIENCE_NS;
	in->next = v->faults;
	v->faults = in;
	in->waiting = vfs_end_contexts(v, in->key, in->xid.status, in->token);
}

static void finish(struct vfs *v, struct injection *in)
{
	struct injection **at = (struct injection **)&v->faults;

	while (*at && *at != in)
		at = &(*at)->next;
	if (*at)
		*at = in->next;
	fuse_reply_write(in->req, in->len);
	free(in);
}

void vfs_inject_gone(struct vfs *v, uint64_t token)
{
	for (struct injection *in = v->faults; token && in; in = in->next) {
		if (in->token != token || !in->waiting)
			continue;
		if (--in->waiting == 0 && in->ready)
			finish(v, in);
		return;
	}
}

void vfs_inject_tick(struct vfs *v, uint64_t now_ns)
{
	struct injection *next;

	for (struct injection *in = v->faults; in; in = next) {
		next = in->next;
		if (in->ready && now_ns >= in->deadline)
			finish(v, in);
	}
}

static void done(struct vfs *v, struct vfs_deed *d, int status)
{
	struct injection *in = (struct injection *)d;

	if (status) {
		fuse_reply_err(in->req, vgpu_status_to_errno(-status));
		free(in);
		return;
	}
	happen(v, in);
	in->ready = true;
	if (!in->waiting)
		finish(v, in);
}

/* Some page that has not been hit yet. */
static void choose_page(struct injection *in, const struct vgpu_device *d, const struct vfs_devlive *l)
{
	uint64_t pages = d->memory_total / 4096;

	in->page.addr = (1 + (l ? l->ecc_life[in->counter] + l->n_pages : 0) * 0x9e3779b1ull % (pages - 1)) * 4096;
	in->page.time_us = vfs_epoch_us();
	in->page.cause = 1;
}

/* Whether that can happen to this device. */
static int check(struct vfs *v, struct injection *in, const struct vgpu_device *d, struct vgpu_err *err)
{
	if (d->lost == 1 && in->kind != INJECT_CLEAR)
		return vgpu_err_set(err, VGPU_E_OFF_BUS, "the device has fallen off the bus: only clear is left");
	if (in->kind == INJECT_ECC && !(d->ecc_supported && d->ecc_mode))
		return vgpu_err_set(err, VGPU_E_NOT_SUPPORTED, "ecc: the device has no ECC, or it is off");
	if (in->kind == INJECT_ECC && in->counter == 1)
		choose_page(in, d, vfs_devlive(v, in->key));
	return 0;
}

void vfs_inject(struct vfs *v, fuse_req_t req, int dev, const char *text, size_t len)
{
	struct injection *in = calloc(1, sizeof(*in));
	struct vgpu_err err = VGPU_ERR_INIT;
	char words[128];
	int r;

	if (!in) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	snprintf(words, sizeof(words), "%s", text);
	in->deed.work = work;
	in->deed.written = written;
	in->deed.done = done;
	in->req = req;
	in->len = len;
	in->key = v->src.devs.key[dev];
	snprintf(in->uuid, sizeof(in->uuid), "%s", v->src.devs.dev[dev].uuid);
	r = parse(in, words, &err);
	if (!r)
		r = check(v, in, &v->src.devs.dev[dev], &err);
	snprintf(in->text, sizeof(in->text), "injected: %s%s%s%s", text, in->xid.number ? " (" : "", in->xid.number ? in->xid.text : "",
		 in->xid.number ? ")" : "");
	if (!r && !vfs_devs_do(v, &in->deed))
		r = vgpu_err_set(&err, VGPU_E_NOMEM, "out of memory");
	if (r) {
		log_info("inject: %s", err.text);
		fuse_reply_err(req, vgpu_status_to_errno(-r));
		free(in);
	}
}

/* ---- what the file reads as ---- */

void vfs_live_injected(void *arg, uint32_t key, struct vgpu_buf *b)
{
	struct vfs *v = arg;
	int at = vfs_devset_find(&v->src.devs, key);
	const struct vfs_devlive *l = vfs_devlive(v, key);
	bool any = false;

	if (at < 0 || !l)
		return;
	if (v->src.devs.dev[at].lost)
		vgpu_buf_str(b, v->src.devs.dev[at].lost == 1 ? "off-bus\n" : "needs reset\n");
	if (l->xid_last)
		vgpu_buf_printf(b, "xid %llu\n", (unsigned long long)l->xid_last);
	for (unsigned i = 0; i < 4; i++)
		if (l->ecc[i] || l->ecc_life[i])
			vgpu_buf_printf(b, "ecc %s %llu %s (life: %llu)\n", i & 1 ? "double" : "single", (unsigned long long)l->ecc[i],
					i & 2 ? "sram" : "dram", (unsigned long long)l->ecc_life[i]);
	for (size_t i = 1; i < ARRAY_SIZE(reasons); i++) {
		unsigned slow = VGP_THROTTLE_HW_SLOWDOWN, own = reasons[i].bits & ~slow;

		/* a slowdown that no other reason explains is its own */
		if (own ? l->throttle & own : (l->throttle & (slow | VGP_THROTTLE_HW_THERMAL | VGP_THROTTLE_HW_POWER_BRAKE)) == slow) {
			vgpu_buf_printf(b, "%s%s", any ? "," : "throttle ", reasons[i].word);
			any = true;
		}
	}
	if (any)
		vgpu_buf_str(b, "\n");
}

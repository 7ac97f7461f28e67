/*
 * vfs_acct.c: what workers hold and how busy they are. A device's memory is
 * given out here: no worker uses a byte that was not granted, and the sum over
 * all workers is never above the device's memory_total.
 *
 * What is held stands in the state memfd, so a new daemon knows it. A message
 * that the dying one had read but not acted on is made good by ADOPT: the
 * worker repeats a RESERVE that has no answer (its number tells whether it was
 * counted), and says by USAGE what it holds; where that is less, twice without
 * a grant in between, a RELEASE was lost.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fusefs/vfs_check.h"
#include "fusefs/vfs_mon.h"
#include "fusefs/vfs_sess.h"
#include "util/log.h"
#include "util/sys.h"

enum { MODE_EXCLUSIVE_THREAD = 1, MODE_PROHIBITED = 2, MODE_EXCLUSIVE_PROCESS = 3 }; /* compute_mode */

static uint64_t used_of(struct vfs *v, uint32_t key)
{
	const struct vfs_devset *set = &v->src.devs;
	int whole = set->n_mig ? vfs_devset_find(set, key) : -1;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < v->st->sess_high; i++) {
		const struct vfs_sess *s = &v->st->sess[i];

		if (s->phase != VFS_SESS_RUNNING && s->phase != VFS_SESS_SPAWNING)
			continue;
		for (uint32_t d = 0; d < s->n_devices && d < VGPU_MAX_DEVICES; d++)
			if (s->held[d] && (s->dev_key[d] == key || (whole >= 0 && vfs_devset_owner(set, s->dev_key[d]) == whole)))
				sum += s->held[d];
	}
	return sum;
}

static void answer(struct vfs *v, struct vfs_live_sess *l, struct vgp_ctl *m)
{
	/* A worker that does not read what it asked for is beyond help. */
	if (vgpu_send_fds(l->ctl.fd, m, sizeof(*m), NULL, 0, MSG_DONTWAIT) < 0 && errno == EAGAIN)
		vfs_sess_dead(v, l->slot, EIO, true);
}

static void on_reserve(struct vfs *v, struct vfs_live_sess *l, const struct vgp_ctl *m)
{
	struct vfs_sess *s = &v->st->sess[l->slot];
	struct vgp_ctl out = { .op = VGP_CTL_GRANT, .session = s->id, .device = m->device, .value2 = m->value2 };
	int at = m->device < s->n_devices ? vfs_devset_owner(&v->src.devs, s->dev_key[m->device]) : -1;

	if (at < 0) {
		out.status = m->device < s->n_devices ? VGPU_E_DEVICE_LOST : VGPU_E_INVALID_DEVICE;
	} else if (!vfs_sess_may(s, m->device)) {
		out.status = VGPU_E_NOT_PERMITTED;
	} else if (m->value2 && m->value2 == s->last_reserve) {
		out.value = m->value; /* repeated: it has been counted */
	} else {
		int mig = vfs_devset_mig(&v->src.devs, s->dev_key[m->device]);
		uint64_t used = mig >= 0 ? vfs_mig_used(v, mig) : used_of(v, s->dev_key[m->device]);
		uint64_t total = mig >= 0 ? v->src.devs.mig[mig].memory_total : v->src.devs.dev[at].memory_total;

		if (used > total || m->value > total - used) {
			out.status = VGPU_E_NOMEM;
		} else {
			s->held[m->device] += m->value;
			s->use[m->device].peak = MAX(s->use[m->device].peak, s->held[m->device]);
			s->last_reserve = m->value2;
			l->less[m->device] = 0;
			out.value = m->value;
		}
	}
	answer(v, l, &out);
}

/* What keeps a session off a device, 0: nothing. */
static int refusal(struct vfs *v, const struct vfs_sess *s, int at, unsigned index)
{
	const struct vgpu_device *d = &v->src.devs.dev[at];
	uint32_t key = s->dev_key[index];

	if (!vfs_sess_may(s, index))
		return VGPU_E_NOT_PERMITTED;
	if (d->lost)
		return d->lost == 1 ? VGPU_E_OFF_BUS : VGPU_E_RESET_REQUIRED;
	if (d->drain && !vfs_sess_on(s, index))
		return VGPU_E_UNAVAILABLE;
	/* a device that is divided is used through its instances */
	if (d->compute_mode == MODE_PROHIBITED || (d->mig_mode && key == v->src.devs.key[at]))
		return VGPU_E_UNAVAILABLE;
	if (d->compute_mode == MODE_EXCLUSIVE_THREAD || d->compute_mode == MODE_EXCLUSIVE_PROCESS)
		for (uint32_t i = 0; i < v->st->sess_high; i++) {
			const struct vfs_sess *o = &v->st->sess[i];

			for (unsigned k = 0; o != s && o->attached && k < o->n_devices; k++)
				if (vfs_sess_on(o, k) && o->dev_key[k] == key &&
				    (!s->client_pid || o->client_pid != s->client_pid))
					return VGPU_E_UNAVAILABLE;
		}
	return 0;
}

/* A context wants to be on a device: where compute mode and the device's state are looked at. */
static void on_attach(struct vfs *v, struct vfs_live_sess *l, const struct vgp_ctl *m)
{
	struct vfs_sess *s = &v->st->sess[l->slot];
	struct vgp_ctl out = { .op = VGP_CTL_GRANT, .session = s->id, .device = m->device, .value2 = m->value2 };
	int at = m->device < s->n_devices ? vfs_devset_owner(&v->src.devs, s->dev_key[m->device]) : -1;

	if (at < 0) {
		out.status = m->device < s->n_devices ? VGPU_E_DEVICE_LOST : VGPU_E_INVALID_DEVICE;
	} else if (!m->value2 || m->value2 != s->last_attach) {
		out.status = (uint32_t)refusal(v, s, at, m->device);
		if (!out.status && !vfs_sess_on(s, m->device)) {
			s->use[m->device].since_us = vfs_epoch_us();
			s->use[m->device].busy_ns = 0;
			s->use[m->device].peak = s->held[m->device];
			s->last_attach = m->value2;
			s->attached |= 1ull << m->device;
			vfs_telemetry_changed(v, s->dev_key[m->device]);
		}
	}
	answer(v, l, &out);
}

static void leave(struct vfs *v, uint32_t slot, unsigned d)
{
	struct vfs_sess *s = &v->st->sess[slot];

	if (!(s->attached >> d & 1))
		return;
	vfs_acct_leave(v, slot, d);
	s->attached &= ~(1ull << d);
	if (v->sess[slot])
		v->sess[slot]->rate[d] = 0;
	vfs_telemetry_changed(v, s->dev_key[d]);
}

void vfs_acct_leave_all(struct vfs *v, uint32_t slot)
{
	for (unsigned d = 0; d < VGPU_MAX_DEVICES; d++)
		leave(v, slot, d);
}

static uint64_t per_second(uint64_t bytes, uint64_t span_ns)
{
	return (uint64_t)((double)bytes * 1e9 / (double)span_ns);
}

static void on_usage(struct vfs *v, struct vfs_live_sess *l, const struct vgp_ctl *m)
{
	struct vfs_sess *s = &v->st->sess[l->slot];

	if (m->span_ns) {
		l->rate[m->device] = (unsigned)MIN(1000ull, m->value2 / (m->span_ns / 1000 + 1));
		l->link[m->device][0] = per_second((uint64_t)m->to_KiB << 10, m->span_ns);
		l->link[m->device][1] = per_second((uint64_t)m->from_KiB << 10, m->span_ns);
		l->rate_at[m->device] = vgpu_now_ns();
	}
	s->use[m->device].busy_ns += m->value2;
	vfs_telemetry_link(v, s->dev_key[m->device], (uint64_t)m->to_KiB << 10, (uint64_t)m->from_KiB << 10);
	if (!m->contexts)
		leave(v, l->slot, m->device); /* a DETACH was lost */
	if (m->value >= s->held[m->device]) {
		l->less[m->device] = 0;
	} else if (l->less[m->device] == m->value + 1) {
		s->held[m->device] = m->value;
		l->less[m->device] = 0;
	} else {
		l->less[m->device] = m->value + 1;
	}
}

/* What counts against the memory of a session's device. */
static uint64_t used_by(struct vfs *v, uint32_t key)
{
	int mig = vfs_devset_mig(&v->src.devs, key);

	return mig >= 0 ? vfs_mig_used(v, mig) : used_of(v, key);
}

static void on_message(struct vfs *v, struct vfs_live_sess *l, const struct vgp_ctl *m)
{
	struct vfs_sess *s = &v->st->sess[l->slot];
	struct vgp_ctl out = { .op = VGP_CTL_TOTALS, .session = s->id, .device = m->device, .value2 = m->value2 };

	if (m->op == VGP_CTL_RESERVE || m->op == VGP_CTL_ATTACH) {
		(m->op == VGP_CTL_RESERVE ? on_reserve : on_attach)(v, l, m);
		return;
	}
	if (m->device >= s->n_devices) {
		log_warn("worker %u names device %u of %u, ignoring", s->worker_pid, m->device, s->n_devices);
		return;
	}
	switch (m->op) {
	case VGP_CTL_RELEASE:
		s->held[m->device] -= m->value < s->held[m->device] ? m->value : s->held[m->device];
		break;
	case VGP_CTL_GONE:
		vfs_inject_gone(v, m->value);
		break;
	case VGP_CTL_DETACH:
		leave(v, l->slot, m->device);
		break;
	case VGP_CTL_USAGE:
		on_usage(v, l, m);
		break;
	case VGP_CTL_QUERY:
		out.value = used_by(v, s->dev_key[m->device]);
		answer(v, l, &out);
		break;
	default:
		log_warn("message %u of worker %u is unknown, ignoring", m->op, s->worker_pid);
	}
}

static void on_report(struct vfs *v, struct vfs_live_sess *l, const struct vgp_ctl *m, const char *text, size_t n)
{
	const struct vfs_sess *s = &v->st->sess[l->slot];

	if (m->device < s->n_devices && m->value == n)
		vfs_check_report(v, s, s->dev_key[m->device], text, n);
}

void vfs_acct_ready(struct vfs *v, struct vfs_watch *w, uint32_t events)
{
	struct vfs_live_sess *l = container_of(w, struct vfs_live_sess, ctl);
	int fds[VGPU_MAX_FDS], nfds;

	/* bounded: one worker must not keep the others waiting */
	for (int i = 0; i < 16 && w->fd >= 0; i++) {
		struct {
			struct vgp_ctl m;
			char text[VGP_CTL_TEXT_MAX];
		} in;
		ssize_t n = vgpu_recv_fds(w->fd, &in, sizeof(in), fds, &nfds, MSG_DONTWAIT);

		for (int k = 0; n >= 0 && k < nfds; k++)
			close(fds[k]);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n == 0 || (n < 0 && errno != EMSGSIZE)) {
			vfs_watch_close(v, w); /* its end comes from super */
			return;
		}
		if (n == sizeof(in.m))
			on_message(v, l, &in.m);
		else if (n > (ssize_t)sizeof(in.m) && in.m.op == VGP_CTL_REPORT)
			on_report(v, l, &in.m, in.text, (size_t)n - sizeof(in.m));
	}
}

void vfs_acct_adopt(struct vfs *v, struct vfs_live_sess *l)
{
	struct vfs_sess *s = &v->st->sess[l->slot];
	struct vgp_ctl m = { .op = VGP_CTL_ADOPT, .session = s->id };

	if (vgpu_send_fds(l->ctl.fd, &m, sizeof(m), NULL, 0, MSG_DONTWAIT) < 0)
		log_warn("worker %u: ADOPT: %s, ignoring", s->worker_pid, strerror(errno));
}

/* ---- what the tree shows ---- */

uint64_t vfs_sess_memory(void *arg, uint32_t key)
{
	return used_of(arg, key);
}

unsigned vfs_sess_utilization(void *arg, uint32_t key)
{
	struct vfs *v = arg;
	int at = vfs_devset_find(&v->src.devs, key);

	return at >= 0 ? v->util[at] : 0;
}

/* One line per session that uses the device: process, bytes. */
void vfs_sess_clients(void *arg, uint32_t key, struct vgpu_buf *b)
{
	struct vfs *v = arg;

	for (uint32_t i = 0; i < v->st->sess_high; i++) {
		const struct vfs_sess *s = &v->st->sess[i];

		if (s->phase != VFS_SESS_RUNNING)
			continue;
		for (uint32_t d = 0; d < s->n_devices && d < VGPU_MAX_DEVICES; d++)
			if (vfs_key_is(v, s->dev_key[d], key) && (vfs_sess_on(s, d) || s->held[d]))
				vgpu_buf_printf(b, "%u %llu\n", s->client_pid, (unsigned long long)s->held[d]);
	}
}

unsigned vfs_sess_count(void *arg)
{
	struct vfs *v = arg;
	unsigned n = 0;

	for (uint32_t i = 0; i < v->st->sess_high; i++)
		n += v->st->sess[i].phase == VFS_SESS_RUNNING;
	return n;
}

/* Loads of all sessions, added up: two that are busy at once make no more than 100 %. */
static void measure(struct vfs *v, uint64_t now)
{
	unsigned rate[VGPU_MAX_DEVICES] = { 0 };

	memset(v->link, 0, sizeof(v->link));
	for (uint32_t i = 0; i < v->st->sess_high; i++) {
		struct vfs_live_sess *l = v->sess[i];
		const struct vfs_sess *s = &v->st->sess[i];

		for (unsigned d = 0; l && s->attached && d < s->n_devices; d++) {
			unsigned r = s->attached >> d & 1 ? vfs_sess_rate(l, d, now) : 0;
			uint64_t to = vfs_sess_link(l, d, 0, now), from = vfs_sess_link(l, d, 1, now);
			int at = r || to || from ? vfs_devset_owner(&v->src.devs, s->dev_key[d]) : -1;
			int mig = at >= 0 ? vfs_devset_mig(&v->src.devs, s->dev_key[d]) : -1;

			/* an instance keeps its share of the device busy */
			if (mig >= 0)
				r = r * v->src.devs.mig_at[mig].slices / VGPU_MIG_SLICES;
			if (at < 0)
				continue;
			rate[at] += r;
			v->link[at][0] += to;
			v->link[at][1] += from;
		}
	}
	for (size_t i = 0; i < v->src.devs.n; i++)
		v->util[i] = MIN(100u, (rate[i] + 5) / 10);
}

void vfs_sess_tick(struct vfs *v)
{
	uint64_t now = vgpu_now_ns(), span = now - v->last_tick;

	v->last_tick = now;
	if (v->ends.n)
		vfs_sess_retry_ends(v);
	for (uint32_t i = 0; i < v->st->sess_high; i++) {
		const struct vfs_sess *s = &v->st->sess[i];

		if (v->sess[i] && s->phase == VFS_SESS_DEAD && v->st->handles[s->handle].by_socket)
			vfs_handle_drop(v, s->handle); /* no RELEASE will do it */
	}
	vfs_inject_tick(v, now);
	measure(v, now);
	vfs_telemetry_tick(v, span);
}

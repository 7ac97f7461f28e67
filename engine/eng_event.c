/*
 * eng_event.c: time stamps of events, and commands on single values in device
 * memory. An event is only a number that the client chose; it comes to be with
 * its first record.
 */
#include <string.h>

#include "engine/eng_priv.h"

int eng_q_EVENT_RECORD(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	uint32_t id = c->c.a.EVENT_RECORD.event;
	uint64_t *ns;
	bool kept = true;

	pthread_mutex_lock(&e->tab_lock);
	ns = vgpu_htab_get(&e->events, id);
	if (!ns) {
		ns = e->events.n < ENG_EVENTS_MAX ? malloc(sizeof(*ns)) : NULL;
		kept = ns && vgpu_htab_put(&e->events, id, ns);
		if (!kept)
			free(ns);
	}
	if (kept)
		*ns = vgpu_now_ns();
	pthread_mutex_unlock(&e->tab_lock);
	if (!kept)
		eng_fault(q->ctx, VGPU_E_NOMEM, 0, "too many events");
	return ENG_DONE;
}

int eng_do_EVENT_TIME(struct eng *e, struct eng_call *c)
{
	uint64_t *ns;

	pthread_mutex_lock(&e->tab_lock);
	ns = vgpu_htab_get(&e->events, c->cmd.a.EVENT_TIME.event);
	c->reply.r.EVENT_TIME.ns = ns ? *ns : 0;
	pthread_mutex_unlock(&e->tab_lock);
	return 0;
}

/* ---- values ---- */

static bool value_ok(struct eng *e, struct eng_queue *q, const char *what, uint64_t addr, uint32_t width)
{
	if (width != 4 && width != 8) {
		eng_fault(q->ctx, VGPU_E_PROTOCOL, addr, "%s: a value of %u bytes", what, width);
		return false;
	}
	if (addr % width) {
		eng_fault(q->ctx, VGPU_E_MISALIGNED, addr, "%s: 0x%llx is not aligned to %u", what, (unsigned long long)addr, width);
		return false;
	}
	if (!eng_mem_inside(e, addr, width)) {
		eng_fault(q->ctx, VGPU_E_ILLEGAL_ADDRESS, addr, "%s: 0x%llx is not device memory", what, (unsigned long long)addr);
		return false;
	}
	return true;
}

static void value_fault(struct eng_queue *q, const char *what, uint64_t addr)
{
	eng_fault(q->ctx, VGPU_E_ILLEGAL_ADDRESS, addr, "%s: 0x%llx is not allocated", what, (unsigned long long)addr);
}

int eng_q_VALUE_WRITE(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	const struct vgp_args_VALUE_WRITE *a = &c->c.a.VALUE_WRITE;

	if (!value_ok(e, q, "VALUE_WRITE", a->addr, a->width_B))
		return ENG_DONE;
	eng_check_written(e, a->addr, a->width_B);
	if (be_guard_enter()) {
		value_fault(q, "VALUE_WRITE", c->c.a.VALUE_WRITE.addr);
		return ENG_DONE;
	}
	/* seq_cst: a kernel or the program that sees it sees all that the queue did before */
	if (a->width_B == 4)
		__atomic_store_n((uint32_t *)a->addr, (uint32_t)a->value, __ATOMIC_SEQ_CST);
	else
		__atomic_store_n((uint64_t *)a->addr, a->value, __ATOMIC_SEQ_CST);
	be_guard_leave();
	return ENG_DONE;
}

/* 1: holds, 0: not yet, -status: can't be read. */
static __attribute__((noinline)) int value_holds(const struct vgp_args_VALUE_WAIT *a)
{
	uint64_t v;
	bool wide = a->width_B == 8;

	if (be_guard_enter())
		return -VGPU_E_ILLEGAL_ADDRESS;
	v = wide ? __atomic_load_n((uint64_t *)a->addr, __ATOMIC_SEQ_CST) : __atomic_load_n((uint32_t *)a->addr, __ATOMIC_SEQ_CST);
	be_guard_leave();
	switch (a->op) {
	case VGP_VALUE_GEQ:
		return wide ? (int64_t)(v - a->value) >= 0 : (int32_t)((uint32_t)v - (uint32_t)a->value) >= 0;
	case VGP_VALUE_EQ:
		return wide ? v == a->value : (uint32_t)v == (uint32_t)a->value;
	case VGP_VALUE_AND:
		return ((wide ? v : (uint32_t)v) & a->value) != 0;
	default: /* NOR */
		return wide ? ~(v | a->value) != 0 : (uint32_t)~((uint32_t)v | (uint32_t)a->value) != 0;
	}
}

int eng_q_VALUE_WAIT(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	struct eng_value_wait w = { .q = q, .a = c->c.a.VALUE_WAIT };
	bool kept;
	int r;

	if (!value_ok(e, q, "VALUE_WAIT", w.a.addr, w.a.width_B))
		return ENG_DONE;
	if (w.a.op > VGP_VALUE_NOR) {
		eng_fault(q->ctx, VGPU_E_PROTOCOL, w.a.addr, "VALUE_WAIT: comparison %u does not exist", w.a.op);
		return ENG_DONE;
	}
	r = value_holds(&w.a);
	if (r < 0)
		value_fault(q, "VALUE_WAIT", w.a.addr);
	if (r)
		return ENG_DONE;
	w.token = eng_queue_block(q, ENG_B_VALUE);
	pthread_mutex_lock(&e->wait_lock);
	kept = vgpu_vec_push(&e->values, w);
	__atomic_store_n(&e->n_values, (uint32_t)e->values.n, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&e->wait_lock);
	if (kept)
		eng_monitor_wake(e);
	else
		eng_fault(q->ctx, VGPU_E_NOMEM, 0, "VALUE_WAIT: out of memory");
	return eng_queue_blocked(e, q, w.token);
}

/* On the monitor: looks at each waited for value once. */
void eng_values_poll(struct eng *e)
{
	size_t i = 0;

	for (;;) {
		struct eng_value_wait w;
		bool over;
		int r;

		pthread_mutex_lock(&e->wait_lock);
		if (i >= e->values.n) {
			pthread_mutex_unlock(&e->wait_lock);
			return;
		}
		w = e->values.v[i];
		pthread_mutex_unlock(&e->wait_lock);

		pthread_mutex_lock(&w.q->lock);
		over = w.q->blocked != ENG_B_VALUE || w.q->token != w.token;
		pthread_mutex_unlock(&w.q->lock);
		r = over ? 1 : value_holds(&w.a);
		if (r == 0) {
			i++;
			continue;
		}
		/* only this thread removes, so that i is still ours */
		pthread_mutex_lock(&e->wait_lock);
		vgpu_vec_swap_remove(&e->values, i);
		__atomic_store_n(&e->n_values, (uint32_t)e->values.n, __ATOMIC_SEQ_CST);
		pthread_mutex_unlock(&e->wait_lock);
		if (over)
			continue;
		if (r < 0)
			value_fault(w.q, "VALUE_WAIT", w.a.addr);
		eng_queue_resume(e, w.q, w.token);
	}
}

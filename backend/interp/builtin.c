/*
 * builtin.c: the functions that the device runtime provides to programs:
 * vprintf, __assertfail, malloc, free.
 *
 * The engine's callbacks may take locks, so the memory guard is off while
 * they run: a fault there would be the engine's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interp/interp.h"

static void set_int_result(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t v)
{
	const struct in_arg *a;

	if (!i->call->n_rets)
		return;
	a = &i->call->rets[0];
	if (a->kind == IN_ARG_ROW)
		in_row(w, a->row)[lane] = v;
	else
		memcpy(in_lane_local(w, lane) + in_cur(w)->frame->lbase[lane] + a->off, &v, MIN(a->size, 8u));
}

static int run_vprintf(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	for_lanes(l, m) {
		uint64_t fmt = in_arg_value(w, &i->call->args[0], l, 8);
		uint64_t args = in_arg_value(w, &i->call->args[1], l, 8);
		int n;

		if (in_printf(w, i, l, fmt, args, &n))
			return IN_FAULT;
		set_int_result(w, i, l, (uint32_t)n);
	}
	return IN_NEXT;
}

/* A device string for a message: cut at cap, "?" where it can't be read. */
static void copy_string(struct in_warp *w, uint32_t lane, uint64_t addr, char *to, size_t cap)
{
	size_t n = 0;

	for (; n + 1 < cap; n++) {
		const uint8_t *p = in_generic(w, lane, addr + n, 1, false);

		if (!p) {
			if (!n)
				to[n++] = '?';
			break;
		}
		if (!*p)
			break;
		to[n] = (char)*p;
	}
	to[n] = '\0';
}

static int run_assertfail(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const struct in_call *c = i->call;
	uint32_t l = (uint32_t)__builtin_ctz(m);
	const uint32_t *b = w->blk->ctaid;
	char msg[200], file[200], func[200];

	copy_string(w, l, in_arg_value(w, &c->args[0], l, 8), msg, sizeof(msg));
	copy_string(w, l, in_arg_value(w, &c->args[1], l, 8), file, sizeof(file));
	copy_string(w, l, in_arg_value(w, &c->args[3], l, 8), func, sizeof(func));
	return in_fault(w, i, l, VGPU_E_ASSERT, 0, "%s:%u: %s: block: [%u,%u,%u], thread: [%u,%u,%u] Assertion `%s` failed.",
			file, (uint32_t)in_arg_value(w, &c->args[2], l, 4), func, b[0], b[1], b[2],
			(uint32_t)w->tid[0][l], (uint32_t)w->tid[1][l], (uint32_t)w->tid[2][l], msg);
}

static int run_malloc(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const struct be_services *s = w->blk->s;

	be_guard_leave();
	for_lanes(l, m) {
		uint64_t size = in_arg_value(w, &i->call->args[0], l, 8);

		set_int_result(w, i, l, s->heap_alloc ? s->heap_alloc(s->cookie, size) : 0);
	}
	be_guard_tls.armed = 1;
	return IN_NEXT;
}

static int run_free(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const struct be_services *s = w->blk->s;

	be_guard_leave();
	for_lanes(l, m) {
		uint64_t addr = in_arg_value(w, &i->call->args[0], l, 8);

		if (addr && s->heap_free)
			s->heap_free(s->cookie, addr);
	}
	be_guard_tls.armed = 1;
	return IN_NEXT;
}

in_fn in_builtin_find(const char *name, uint32_t *n_args_out, uint32_t *n_rets_out)
{
	static const struct {
		const char *name;
		in_fn fn;
		uint32_t n_args, n_rets;
	} all[] = {
		{ "vprintf", run_vprintf, 2, 1 },
		{ "__assertfail", run_assertfail, 5, 0 },
		{ "malloc", run_malloc, 1, 1 },
		{ "free", run_free, 1, 0 },
	};

	for (size_t k = 0; k < ARRAY_SIZE(all); k++) {
		if (strcmp(all[k].name, name))
			continue;
		*n_args_out = all[k].n_args;
		*n_rets_out = all[k].n_rets;
		return all[k].fn;
	}
	return NULL;
}

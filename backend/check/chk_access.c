/*
 * chk_access.c: every access of a checked kernel: may it be there, was what it
 * reads ever written, and does it conflict with another thread's. What may not
 * be ends the kernel, as without the checker; the others are reported only.
 *
 * Read without having been written is an element (of a vector: each) of whose
 * bytes none was: compilers copy structures with their padding, and what was
 * written in part is mostly that.
 */
#include "backend/check/chk_priv.h"

enum place { PLACE_OTHER, PLACE_GLOBAL, PLACE_SHARED, PLACE_LOCAL };

/* What an instruction does to the memory that it names. */
struct act {
	bool reads, writes, strong, atomic;
	bool acquires, releases;
	uint32_t elem_B;               /* 0: all of it is one element */
};

struct access {
	struct in_warp *w;
	const struct in_insn *i;
	uint32_t n;
	struct act act;
};

struct spot {
	enum place place;
	uint64_t addr, off;            /* the program's address; shared, local: the offset that it means */
	bool known;                    /* counts as written */
};

static struct act act_of(const struct in_insn *i, bool write)
{
	struct act a = { .reads = !write, .writes = write, .strong = i->order != IR_ORD_WEAK };

	switch (i->ir ? i->ir->op : IR_OP_ld) {
	case IR_OP_ld:
	case IR_OP_ldu:
		a.elem_B = i->size;
		a.acquires = a.strong;
		break;
	case IR_OP_st:
		a.releases = a.strong;
		break;
	case IR_OP_atom:
	case IR_OP_red:
		a = (struct act){ .reads = i->ir->atom != IR_ATOM_EXCH, .writes = true, .strong = true, .atomic = true,
				  .acquires = true, .releases = true, .elem_B = i->size };
		break;
	case IR_OP_cp:
		if (i->ir->mode == IR_MODE_NONE)
			break;
		/* fall through */
	case IR_OP_mbarrier:
		a = (struct act){ .writes = true, .strong = true, .atomic = true, .acquires = true, .releases = true };
		break;
	}
	return a;
}

bool chk_has_value(const struct in_insn *i)
{
	return i->ir && i->ir->op == IR_OP_st;
}

uint8_t chk_value(const struct in_warp *w, const struct in_insn *i, uint32_t lane, uint32_t k)
{
	uint32_t row = i->n_vec > 1 ? i->vec[k / i->size] : i->b;

	return (uint8_t)(in_row(w, row)[lane] >> (8 * (k % i->size)));
}

/* ---- may it be there? ---- */

static bool shared_inside(const struct be_block *b, uint64_t off, uint64_t n, struct chk_extent *x)
{
	uint64_t dyn = IN_SHARED_RESERVED + (uint64_t)b->k->shared_static;

	*x = (struct chk_extent){ IN_SHARED_RESERVED, b->l->shared_dyn ? dyn + b->l->shared_dyn : b->k->shared_end };
	if (off + n <= IN_SHARED_RESERVED)
		return b->k->chk->system_shared;
	return off >= IN_SHARED_RESERVED && (off + n <= b->k->shared_end || (off >= dyn && off + n <= dyn + b->l->shared_dyn));
}

static enum place place_of(const struct in_warp *w, uint32_t lane, const uint8_t *p)
{
	const struct be_block *b = w->blk;
	uint64_t a = (uint64_t)(uintptr_t)p;

	if (a - b->s->window < b->s->window_size)
		return PLACE_GLOBAL;
	if (a - (uint64_t)(uintptr_t)b->shared < b->shared_B)
		return PLACE_SHARED;
	if (b->local_B && a - (uint64_t)(uintptr_t)in_lane_local(w, lane) < b->local_B)
		return PLACE_LOCAL;
	return PLACE_OTHER;
}

static bool find_spot(const struct access *a, uint32_t lane, uint64_t addr, uint8_t *p, struct spot *s, struct chk_extent *x)
{
	const struct be_block *b = a->w->blk;

	*s = (struct spot){ .addr = addr, .known = true, .place = place_of(a->w, lane, p) };
	switch (s->place) {
	case PLACE_GLOBAL:
		return chk_mem_inside(chk_memory(b->chk->c), addr, a->n, &s->known);
	case PLACE_SHARED:
		s->off = (uint64_t)(p - b->shared);
		return shared_inside(b, s->off, a->n, x);
	case PLACE_LOCAL:
		s->off = (uint64_t)(p - in_lane_local(a->w, lane));
		return chk_local_inside(a->w, lane, s->off, a->n, x);
	default:
		return true;
	}
}

static const char *space_name(const struct in_insn *i, enum place place)
{
	uint8_t space = i->space;

	if (place == PLACE_SHARED || space == IR_SPACE_SHARED || space == IR_SPACE_SHARED_CLUSTER)
		return "shared";
	if (place == PLACE_LOCAL || space == IR_SPACE_LOCAL || space == IR_SPACE_PARAM_FUNC)
		return "local";
	if (space == IR_SPACE_PARAM)
		return "param";
	return space == IR_SPACE_CONST ? "constant" : "global";
}

static struct chk_site site(const struct access *a, uint32_t lane, enum place place, uint64_t addr)
{
	return (struct chk_site){
		.w = a->w, .i = a->i, .lane = lane, .space = space_name(a->i, place), .addr = addr, .n = a->n,
		.write = a->act.writes, .atomic = a->act.atomic,
	};
}

/* One that may not be; x: of shared and local memory. */
static int illegal(const struct access *a, uint32_t lane, const struct spot *s, bool misaligned, const struct chk_extent *x,
		   uint32_t others)
{
	struct chk_site at = site(a, lane, s->place, s->addr);
	bool global = at.space[0] != 's' && at.space[0] != 'l';

	at.others = others;
	chk_is_new(a->w, misaligned ? CHK_KIND_ALIGN : CHK_KIND_BOUNDS);
	chk_report(&at, misaligned ? CHK_KIND_ALIGN : CHK_KIND_BOUNDS, global ? NULL : x);
	return in_fault(a->w, a->i, lane, misaligned ? VGPU_E_MISALIGNED : VGPU_E_ILLEGAL_ADDRESS, s->addr,
			"%s __%s__ %s of %u bytes at 0x%llx", misaligned ? "misaligned" : "illegal", at.space,
			a->act.writes ? "write" : "read", a->n, (unsigned long long)s->addr);
}

/* ---- was it written, does it conflict? ---- */

static bool any_written(const struct access *a, uint32_t lane, const struct spot *s, uint32_t k, uint32_t n)
{
	const struct chk_byte *y;

	switch (s->place) {
	case PLACE_GLOBAL:
		return chk_mem_any_written(chk_memory(a->w->blk->chk->c), s->addr + k, n);
	case PLACE_LOCAL:
		return chk_local_any_written(a->w, lane, s->off + k, n);
	case PLACE_SHARED:
		y = a->w->blk->chk->shared + s->off + k;
		for (uint32_t j = 0; j < n; j++)
			if (y[j].written)
				return true;
		return s->off < IN_SHARED_RESERVED;
	default:
		return true;
	}
}

/*
 * Elements that matter. A load of global memory is made where it is needed; of
 * the others only what is certainly used counts, and no rows of matrices.
 */
static uint32_t elements(const struct access *a, const struct spot *s)
{
	unsigned op = a->i->ir ? a->i->ir->op : 0;

	if (s->place == PLACE_GLOBAL || a->act.atomic)
		return ~0u;
	return op == IR_OP_ld || op == IR_OP_ldu ? a->w->blk->k->chk->used[chk_pc(a->w)] : 0;
}

static void check_written(const struct access *a, uint32_t lane, const struct spot *s)
{
	uint32_t e = a->act.elem_B && a->n % a->act.elem_B == 0 ? a->act.elem_B : a->n, which = elements(a, s);

	for (uint32_t k = 0; k < a->n && which; k += e, which >>= 1) {
		struct chk_site at;

		if (!(which & 1))
			continue;
		if (a->i->n_vec > 1 && a->n > e && a->i->vec[k / e] == IN_NOROW)
			continue;      /* nobody wants that element */
		if (any_written(a, lane, s, k, e))
			continue;
		if (!chk_is_new(a->w, CHK_KIND_UNINIT))
			return;
		at = site(a, lane, s->place, s->addr + k);
		at.n = e;
		at.write = false;
		chk_report(&at, CHK_KIND_UNINIT, NULL);
		return;
	}
}

static void mark(const struct access *a, uint32_t lane, const struct spot *s)
{
	switch (s->place) {
	case PLACE_GLOBAL:
		if (!s->known)
			chk_mem_mark(chk_memory(a->w->blk->chk->c), s->addr, a->n);
		break;
	case PLACE_LOCAL:
		chk_local_mark(a->w, lane, s->off, a->n);
		break;
	case PLACE_SHARED:
		for (uint32_t k = 0; k < a->n; k++)
			a->w->blk->chk->shared[s->off + k].written = true;
		break;
	default:
		break;
	}
}

/* Of an access of several lanes, off: where each is. */
static void check_race(const struct access *a, uint32_t lane, const struct spot *s, const uint64_t *off)
{
	uint8_t value[64];
	struct chk_shared r = {
		.w = a->w, .i = a->i, .lane = lane, .off = (uint32_t)s->off, .n = a->n, .reads = a->act.reads, .writes = a->act.writes,
		.strong = a->act.strong, .all_off = off,
	};

	if (chk_has_value(a->i) && a->n <= sizeof(value)) {
		for (uint32_t k = 0; k < a->n; k++)
			value[k] = chk_value(a->w, a->i, lane, k);
		r.value = value;
	}
	chk_race(&r);
}

/* Shared memory of a cluster is everybody's in it: who touches it isn't followed. */
static bool is_followed(const struct access *a, const struct spot *s)
{
	return s->place != PLACE_OTHER && (s->place != PLACE_SHARED || !a->w->blk->cluster);
}

static void look(const struct access *a, uint32_t lane, const struct spot *s, const uint64_t *off)
{
	bool init = (s->place != PLACE_GLOBAL || !s->known) && is_followed(a, s);

	if (a->act.reads && init)
		check_written(a, lane, s);
	if (a->act.acquires)
		chk_acquire(a->w, lane, s->addr);
	if (s->place == PLACE_SHARED && is_followed(a, s))
		check_race(a, lane, s, off);
	if (a->act.releases)
		chk_release(a->w, lane, s->addr);
	if (a->act.writes && init)
		mark(a, lane, s);
}

/* ---- from the interpreter ---- */

static bool may_be_shared(const struct in_insn *i)
{
	return i->space == IR_SPACE_SHARED || i->space == IR_SPACE_GENERIC || i->space == IR_SPACE_SHARED_CLUSTER;
}

/* What an access that landed nowhere should have been in: of local memory, or shared. */
static void meant(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, struct chk_extent *x)
{
	if (i->space == IR_SPACE_LOCAL || i->space == IR_SPACE_PARAM_FUNC)
		chk_local_inside(w, lane, addr, n, x);
	else
		shared_inside(w->blk, addr, n, x);
}

enum in_placed chk_resolve(struct in_warp *w, const struct in_insn *i, uint32_t m, uint32_t n, bool write, uint8_t *p[WARP])
{
	struct access a = { .w = w, .i = i, .n = n, .act = act_of(i, write) };
	struct chk_extent x = { 0, 0 }, bad_x = { 0, 0 };
	struct spot s[WARP], none = { 0 };
	uint32_t bad = 0, unaligned = 0, first;
	uint64_t off[WARP];

	for_lanes(l, m) {
		uint64_t addr = in_addr(w, i, l);
		bool ok;

		p[l] = in_resolve_lane(w, i, l, addr, n, write);
		ok = p[l] && find_spot(&a, l, addr, p[l], &s[l], &x);
		if (!p[l]) {
			s[l] = none;
			s[l].addr = addr;
			meant(w, i, l, addr, n, &x);
		}
		if (!ok && !bad)
			bad_x = x;
		bad |= (uint32_t)!ok << l;
		unaligned |= (uint32_t)((addr & (n - 1)) != 0) << l;
		off[l] = s[l].off;
	}
	if (unlikely(bad | unaligned)) {
		/* as without the checker: the first lane's, and alignment first */
		first = (uint32_t)__builtin_ctz(bad | unaligned);
		illegal(&a, first, &s[first], unaligned >> first & 1, &bad_x,
			(uint32_t)__builtin_popcount(unaligned >> first & 1 ? unaligned : bad & ~unaligned) - 1);
		return IN_REPORTED;
	}
	if (may_be_shared(i))
		chk_tick(w, in_cur(w)->mask | m);
	for_lanes(l, m)
		look(&a, l, &s[l], off);
	return IN_PLACED;
}

int chk_bad(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, uint32_t align, bool write)
{
	struct access a = { .w = w, .i = i, .n = n, .act = act_of(i, write) };
	struct spot s = { .addr = addr };
	struct chk_extent x;

	meant(w, i, lane, addr, n, &x);
	return illegal(&a, lane, &s, addr & (align - 1), &x, 0);
}

int chk_access_at(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, bool write, uint8_t *p)
{
	struct access a = { .w = w, .i = i, .n = n, .act = act_of(i, write) };
	struct chk_extent x = { 0, 0 };
	struct spot s;

	if (!find_spot(&a, lane, addr, p, &s, &x))
		return illegal(&a, lane, &s, false, &x, 0);
	if (may_be_shared(i))
		chk_tick(w, ALL_LANES);
	look(&a, lane, &s, NULL);
	return 0;
}

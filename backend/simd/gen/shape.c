/*
 * shape.c: the shape of every register (gen.h) in a world: a fixed point over
 * all instructions, registers by registers (not by place). World 0, where
 * lanes never disagree, is optimistic; in world 1 registers that lanes may
 * write apart (gen_reg.blend) are V.
 *
 * A widening of a 32-bit pattern is exact only if no lane wraps. Where ranges
 * don't prove that, world 0 assumes it and gen_split_guards puts a check in
 * front, which leads to world 1, where such a value is V.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/affine.h"

struct shapes {
	struct gen *g;
	struct gen_func *f;
	struct gen_shp *shp;
	unsigned world;
	bool changed;
	unsigned round;
};

/* After so many rounds ranges that still grow say nothing more. */
#define WIDEN_ROUND 4

static unsigned op_bits(const struct ir_insn *i, unsigned n)
{
	switch (i->op) {
	case IR_OP_cvt: return ir_type_bits(i->stype);
	case IR_OP_shl: case IR_OP_shr: return n ? 32 : ir_type_bits(i->type);
	case IR_OP_mad: return i->mode == IR_MODE_WIDE && n == 2 ? 2 * ir_type_bits(i->type) : ir_type_bits(i->type);
	default: return ir_type_bits(i->type);
	}
}

unsigned gen_op_bits(const struct ir_insn *i, unsigned n)
{
	return op_bits(i, n);
}

/* ---- special registers ---- */

static struct gen_shp range_u(int64_t lo, int64_t hi)
{
	struct gen_shp s = gen_shp_u();

	s.lo = lo;
	s.hi = hi;
	return s;
}

static bool shape_known(const struct gen *g)
{
	return g->f->block[0] != 0;
}

static struct gen_shp pattern_shape(struct gen *g, const int64_t *c, unsigned align, int64_t lo, int64_t hi)
{
	struct gen_shp s = { .shape = GEN_P, .align = (uint8_t)align, .lo = lo, .hi = hi };
	bool same = true;

	for (unsigned l = 1; l < g->W; l++)
		same &= c[l] == c[0];
	s.pat = same ? NULL : gen_pattern(g, c, NULL);
	if (!s.pat)
		s.shape = same ? GEN_U : GEN_V;
	return s;
}

/*
 * The thread index: of lane l of a gang that begins at thread t0 (a multiple
 * of W) it is (t0 + l) / below % dim. A pattern where the gang's lanes begin
 * at a multiple of below * dim, or don't leave one row.
 */
static struct gen_shp tid_shape(struct gen *g, unsigned dim)
{
	const uint32_t *b = g->f->block;
	uint32_t below = dim == 0 ? 1 : dim == 1 ? b[0] : b[0] * b[1], n = b[dim];
	int64_t c[SD_MAX_W];

	if (!shape_known(g))
		return gen_shp_v();
	if (n == 1)
		return gen_shp_const(0, 32);
	if (below % g->W == 0)
		return range_u(0, n - 1);
	if (below < g->W && g->W % below == 0 && (below * n) % g->W == 0) {
		/* base: t0 / below % n, a multiple of W / below */
		for (unsigned l = 0; l < g->W; l++)
			c[l] = l / below;
		return pattern_shape(g, c, (unsigned)__builtin_ctz(g->W / below), 0, n - 1);
	}
	if (g->W % (below * n) == 0 && below * n < g->W) {
		for (unsigned l = 0; l < g->W; l++)
			c[l] = l / below % n;
		return pattern_shape(g, c, 63, 0, n - 1);
	}
	return gen_shp_v();
}

static struct gen_shp sreg_shape(struct gen *g, uint32_t sreg)
{
	int64_t c[SD_MAX_W], max = INT32_MAX;

	switch (sreg) {
	case IR_SREG_tid_x: return tid_shape(g, 0);
	case IR_SREG_tid_y: return tid_shape(g, 1);
	case IR_SREG_tid_z: return tid_shape(g, 2);
	case IR_SREG_laneid:
		for (unsigned l = 0; l < g->W; l++)
			c[l] = l % 32;
		return pattern_shape(g, c, 63, 0, 31);
	case IR_SREG_ntid_x: case IR_SREG_ntid_y: case IR_SREG_ntid_z:
		if (shape_known(g))
			return gen_shp_const(g->f->block[sreg - IR_SREG_ntid_x], 32);
		return range_u(1, 1024);
	case IR_SREG_ctaid_x: case IR_SREG_ctaid_y: case IR_SREG_ctaid_z:
		if (g->f->small_grid)
			max = (((int64_t)1 << 31) / (shape_known(g) ? g->f->block[sreg - IR_SREG_ctaid_x] : 1024)) - 1;
		return range_u(0, max);
	case IR_SREG_nctaid_x: case IR_SREG_nctaid_y: case IR_SREG_nctaid_z:
		if (g->f->small_grid)
			max = ((int64_t)1 << 31) / (shape_known(g) ? g->f->block[sreg - IR_SREG_nctaid_x] : 1024);
		return range_u(1, MIN(max, (int64_t)INT32_MAX));
	case IR_SREG_warpid:
		if (g->W > 32) {
			for (unsigned l = 0; l < g->W; l++)
				c[l] = l / 32;
			return pattern_shape(g, c, (unsigned)__builtin_ctz(g->W / 32), 0, 31);
		}
		return range_u(0, 31);
	case IR_SREG_lanemask_eq: case IR_SREG_lanemask_le: case IR_SREG_lanemask_lt: case IR_SREG_lanemask_ge:
	case IR_SREG_lanemask_gt:
		return gen_shp_v();
	default:
		return gen_shp_u();
	}
}

/* ---- operands ---- */

/* Offsets in shared memory, parameters and frames are known when the code is made. */
static bool known_symbol(struct gen *g, const struct gen_insn *x, const struct ir_opnd *o, uint64_t *value)
{
	const struct ir_sym *y;

	*value = 0;
	if (o->sym_local) {
		if (in_place(x->inst->in, o->sym, value) == IN_PLACE_FRAME)
			*value = gen_local_of(g->f, x->inst, o->sym);
		*value += (uint64_t)o->off;
		return true;
	}
	y = &g->m->syms[o->sym];
	if (y->kind != IR_SYM_VAR || g->m->vars[y->index].space != IR_SPACE_SHARED)
		return false;
	*value = g->f->ik->shared_off[y->index] + (uint64_t)o->off;
	return true;
}

/* The low bits of a wider register, as a conversion or a store reads them (insn.c cuts values alike: a pattern's lanes become V). */
static struct gen_shp low_part(struct gen_shp s, unsigned bits)
{
	struct gen_shp w;

	if (s.shape == GEN_BOTTOM)
		return s;
	if (s.known)
		return gen_shp_const(s.c, bits);
	if (s.shape == GEN_P)
		s = gen_shp_v();
	gen_shp_wide(&w, bits);
	if (s.lo < w.lo || s.hi > w.hi)
		gen_shp_wide(&s, bits);
	return s;
}

struct gen_shp gen_opnd_shape(struct gen *g, const struct gen_shp *shp, const struct gen_insn *x, const struct ir_opnd *o, unsigned bits)
{
	struct gen_shp s;
	uint64_t value;

	switch (o->kind) {
	case IR_OPND_REG:
		s = shp[gen_reg_of(x->inst, o->reg)];
		return bits && bits < g->f->regs.v[gen_reg_of(x->inst, o->reg)].bits ? low_part(s, bits) : s;
	case IR_OPND_IMM: return gen_shp_const(o->imm, bits);
	case IR_OPND_SREG: return sreg_shape(g, (uint32_t)o->imm);
	case IR_OPND_SYM:
		if (known_symbol(g, x, o, &value))
			return gen_shp_const(value, bits);
		break;
	}
	s = gen_shp_u();
	gen_shp_wide(&s, 64);
	return s;
}

/* ---- instructions ---- */

static void set(struct shapes *x, uint32_t r, struct gen_shp s)
{
	const struct gen_reg *reg = &x->f->regs.v[r];
	struct gen_shp old = x->shp[r], n;

	if (s.shape == GEN_BOTTOM)
		return;
	if (s.shape == GEN_U && s.lo == INT64_MIN && s.hi == INT64_MAX)
		gen_shp_wide(&s, reg->bits);
	if (x->world && reg->blend && s.shape != GEN_V) {
		struct gen_shp v = gen_shp_v();

		v.lo = s.lo;
		v.hi = s.hi;
		s = v;
	}
	n = gen_shp_join(&old, &s, reg->bits);
	if (x->round > WIDEN_ROUND && (n.lo != old.lo || n.hi != old.hi) && old.shape != GEN_BOTTOM)
		gen_shp_wide(&n, reg->bits);
	n.lazy = old.lazy;
	if (n.shape != old.shape || n.known != old.known || n.align != old.align || n.pat != old.pat || n.lo != old.lo || n.hi != old.hi) {
		x->shp[r] = n;
		x->changed = true;
	}
}

static void set_v(void *arg, uint32_t r)
{
	set(arg, r, gen_shp_v());
}

static bool sources(struct shapes *x, const struct gen_insn *t, struct gen_aff *s)
{
	memset(s, 0, IR_MAX_SRC * sizeof(*s));
	for (unsigned n = 0; n < t->i->n_src; n++) {
		s[n].s = gen_opnd_shape(x->g, x->shp, t, &t->i->src[n], op_bits(t->i, n));
		if (s[n].s.shape == GEN_BOTTOM)
			return false;
	}
	return true;
}

static bool all_shape(const struct gen_aff *s, unsigned n, enum gen_shape most)
{
	for (unsigned k = 0; k < n; k++)
		if (s[k].s.shape > most)
			return false;
	return true;
}

/* ---- ranges of values of any shape ---- */

static void clamp_range(struct gen_shp *s, unsigned bits, __int128 lo, __int128 hi)
{
	struct gen_shp all;

	gen_shp_wide(&all, bits);
	if (lo < all.lo || hi > all.hi)
		return;
	s->lo = (int64_t)lo;
	s->hi = (int64_t)hi;
}

/* All lanes' values are multiples of 1 << the answer. */
static unsigned lane_align(const struct gen *g, const struct gen_shp *s)
{
	unsigned a = s->align;

	for (unsigned l = 0; s->shape == GEN_P && l < g->W; l++) {
		if (s->pat->c[l])
			a = MIN(a, (unsigned)__builtin_ctzll((uint64_t)s->pat->c[l]));
		if (s->pat->k[l])
			a = 0;
	}
	return a;
}

static void product(struct gen_shp *r, unsigned bits, const struct gen_shp *a, const struct gen_shp *b)
{
	__int128 x[4] = { (__int128)a->lo * b->lo, (__int128)a->lo * b->hi, (__int128)a->hi * b->lo, (__int128)a->hi * b->hi };
	__int128 lo = x[0], hi = x[0];

	for (int n = 1; n < 4; n++) {
		lo = x[n] < lo ? x[n] : lo;
		hi = x[n] > hi ? x[n] : hi;
	}
	clamp_range(r, bits, lo, hi);
}

/* What an integer instruction's operands say of its result; nothing is fine. */
static void find_range(struct shapes *x, const struct ir_insn *i, const struct gen_aff *s, struct gen_shp *r)
{
	enum ir_type_class tc = ir_type_class(i->type);
	unsigned bits = ir_type_bits(i->type), a0, a1;
	const struct gen_shp *a = &s[0].s, *b = &s[1].s;

	if ((tc != IR_TC_BITS && tc != IR_TC_UINT && tc != IR_TC_SINT) || i->n_src < 1)
		return;
	gen_shp_wide(r, bits);
	a0 = lane_align(x->g, a);
	a1 = i->n_src > 1 ? lane_align(x->g, b) : 0;
	switch (i->op) {
	case IR_OP_and:
		if (a->lo >= 0 || b->lo >= 0)
			clamp_range(r, bits, 0, a->lo < 0 ? b->hi : b->lo < 0 ? a->hi : MIN(a->hi, b->hi));
		r->align = (uint8_t)MAX(a0, a1);
		break;
	case IR_OP_shr:
		if (!b->known || b->c >= bits)
			break;
		if (a->lo >= 0 || tc == IR_TC_SINT)
			clamp_range(r, bits, a->lo >> b->c, a->hi >> b->c);
		else if (b->c)
			clamp_range(r, bits, 0, ((__int128)1 << (bits - b->c)) - 1);
		break;
	case IR_OP_shl:
		if (!b->known || b->c >= bits)
			break;
		clamp_range(r, bits, a->lo * ((__int128)1 << b->c), a->hi * ((__int128)1 << b->c));
		r->align = (uint8_t)MIN(a0 + b->c, 62ull);
		break;
	case IR_OP_add:
		clamp_range(r, bits, (__int128)a->lo + b->lo, (__int128)a->hi + b->hi);
		r->align = (uint8_t)MIN(a0, a1);
		break;
	case IR_OP_sub:
		clamp_range(r, bits, (__int128)a->lo - b->hi, (__int128)a->hi - b->lo);
		r->align = (uint8_t)MIN(a0, a1);
		break;
	case IR_OP_mul:
		if (i->mode == IR_MODE_LO)
			product(r, bits, a, b);
		if (i->mode == IR_MODE_LO)
			r->align = (uint8_t)MIN(a0 + a1, 62u);
		break;
	case IR_OP_bfe:
		if (tc == IR_TC_UINT && i->n_src > 2 && s[2].s.known && s[2].s.c && s[2].s.c < bits)
			clamp_range(r, bits, 0, ((__int128)1 << s[2].s.c) - 1);
		break;
	case IR_OP_cvt:
		if (ir_type_bits(i->stype) < bits && ir_type_class(i->stype) == IR_TC_UINT && !i->flags)
			clamp_range(r, bits, 0, ((__int128)1 << ir_type_bits(i->stype)) - 1);
		break;
	}
}

/* Results that need nothing but operands. */
static struct gen_shp value_shape(struct shapes *x, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;
	struct gen_aff s[IR_MAX_SRC], r;
	bool unproven;

	if (!sources(x, t, s))
		return (struct gen_shp){ 0 };
	if (i->op == IR_OP_addc || i->op == IR_OP_subc || i->op == IR_OP_madc) {
		struct gen_shp cc = x->shp[t->inst->cc];

		if (cc.shape == GEN_BOTTOM)
			return cc;
		if (cc.shape != GEN_U)
			return gen_shp_v();
	}
	if (all_shape(s, i->n_src, GEN_P) && gen_affine(x->g, i, s, false, x->world == 0, &unproven, &r))
		return r.s;
	if (i->op == IR_OP_selp && s[2].s.shape == GEN_U && s[0].s.shape != GEN_V && s[1].s.shape != GEN_V)
		return gen_shp_join(&s[0].s, &s[1].s, 64);
	r.s = all_shape(s, i->n_src, GEN_U) && gen_elem_has(x->g, i) ? gen_shp_u() : gen_shp_v();
	find_range(x, i, s, &r.s);
	return r.s;
}

/* cvta and mov of an address. */
static struct gen_shp local_generic(struct shapes *x)
{
	int64_t c[SD_MAX_W] = { 0 }, k[SD_MAX_W];
	struct gen_shp s = { .shape = GEN_P };

	for (unsigned l = 0; l < x->g->W; l++)
		k[l] = l;
	gen_shp_wide(&s, 64);
	s.pat = gen_pattern(x->g, c, k);
	if (!s.pat)
		s.shape = GEN_V;
	return s;
}

static struct gen_shp move_shape(struct shapes *x, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;
	struct gen_shp s = gen_opnd_shape(x->g, x->shp, t, &i->src[0], ir_type_bits(i->type));

	if (i->op == IR_OP_cvta && i->space == IR_SPACE_LOCAL && x->f->granule)
		return s;
	if (i->op == IR_OP_cvta && i->space == IR_SPACE_LOCAL && s.shape != GEN_BOTTOM)
		return s.shape == GEN_U && !(i->flags & IR_F_TO) ? local_generic(x) : gen_shp_v();
	if (i->op == IR_OP_cvta && i->space != IR_SPACE_GLOBAL && i->space != IR_SPACE_CONST) {
		s.known = false;
		s.align = 0;
		gen_shp_wide(&s, 64);
	}
	return s;
}

static struct gen_shp load_shape(struct shapes *x, const struct gen_insn *t)
{
	const struct ir_opnd *a = &t->i->src[0];
	uint64_t off;
	uint8_t space = t->i->space;

	if (a->mem_base == IR_BASE_SYM && a->sym_local)
		return in_place(t->inst->in, a->sym, &off) == IN_PLACE_FRAME ? gen_shp_v() : gen_shp_u();
	if (space == IR_SPACE_LOCAL || space == IR_SPACE_PARAM_FUNC || gen_is_local(x->f, t))
		return gen_shp_v();
	if (a->mem_base != IR_BASE_REG)
		return gen_shp_u();
	if (x->shp[gen_reg_of(t->inst, a->reg)].shape == GEN_BOTTOM)
		return (struct gen_shp){ 0 };
	return x->shp[gen_reg_of(t->inst, a->reg)].shape == GEN_U ? gen_shp_u() : gen_shp_v();
}

static void see_load(struct shapes *x, const struct gen_insn *t)
{
	const struct ir_opnd *d = &t->i->dst[0], *a = &t->i->src[0];
	struct gen_shp s = load_shape(x, t);

	for (unsigned k = 0; k < MAX(t->i->vec, 1u); k++) {
		const struct ir_opnd *e = d->kind == IR_OPND_VEC ? &d->vec[k] : d;
		uint32_t slot = GEN_NONE;

		if (a->mem_base == IR_BASE_SYM && a->sym_local)
			slot = gen_slot_of(x->f, t->inst, a->sym, (uint64_t)a->off + k * ir_type_size(t->i->type), ir_type_size(t->i->type));
		if (e->kind == IR_OPND_REG)
			set(x, gen_reg_of(t->inst, e->reg), slot != GEN_NONE ? x->shp[slot] : s);
	}
}

static void see_store(struct shapes *x, const struct gen_insn *t)
{
	const struct ir_opnd *a = &t->i->src[0], *v = &t->i->src[1];

	if (a->mem_base != IR_BASE_SYM || !a->sym_local)
		return;
	for (unsigned k = 0; k < MAX(t->i->vec, 1u); k++) {
		const struct ir_opnd *e = v->kind == IR_OPND_VEC ? &v->vec[k] : v;
		unsigned size = ir_type_size(t->i->type);
		uint32_t slot = gen_slot_of(x->f, t->inst, a->sym, (uint64_t)a->off + k * size, size);

		if (slot != GEN_NONE)
			set(x, slot, gen_opnd_shape(x->g, x->shp, t, e, 8 * size));
	}
}

static bool is_coll(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_shfl: case IR_OP_vote: case IR_OP_match: case IR_OP_redux: case IR_OP_activemask: case IR_OP_elect:
		return true;
	default:
		return false;
	}
}

bool gen_is_coll(const struct ir_insn *i)
{
	return is_coll(i);
}

bool gen_is_meeting(const struct ir_insn *i)
{
	if (i->op == IR_OP_bar || i->op == IR_OP_barrier)
		return i->mode == IR_MODE_WARP;
	return i->flags & IR_F_SYNC && (is_coll(i) || gen_is_row(i));
}

static void see_coll(struct shapes *x, const struct gen_insn *t)
{
	struct gen_aff s[IR_MAX_SRC];
	enum gen_shape k[IR_MAX_SRC];

	if (!sources(x, t, s))
		return;
	for (unsigned n = 0; n < t->i->n_src; n++)
		k[n] = s[n].s.shape;
	for (unsigned d = 0; d < t->i->n_dst; d++)
		if (t->i->dst[d].kind == IR_OPND_REG) {
			struct gen_shp r = gen_shp_v();

			if (gen_coll_shape(x->g, t->i, d, k) == GEN_U)
				r = gen_shp_u();
			set(x, gen_reg_of(t->inst, t->i->dst[d].reg), r);
		}
}

/* {a, b} = c and c = {a, b} */
static void see_vec_move(struct shapes *x, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;
	bool u = true;

	if (i->src[0].kind == IR_OPND_VEC) {
		for (unsigned k = 0; k < i->src[0].n_vec; k++) {
			struct gen_shp s = gen_opnd_shape(x->g, x->shp, t, &i->src[0].vec[k], 64);

			if (s.shape == GEN_BOTTOM)
				return;
			u &= s.shape == GEN_U;
		}
		if (i->dst[0].kind == IR_OPND_REG)
			set(x, gen_reg_of(t->inst, i->dst[0].reg), u ? gen_shp_u() : gen_shp_v());
		return;
	}
	for (unsigned k = 0; k < i->dst[0].n_vec; k++) {
		struct gen_shp s = gen_opnd_shape(x->g, x->shp, t, &i->src[0], ir_type_bits(i->type));

		if (i->dst[0].vec[k].kind == IR_OPND_REG && s.shape != GEN_BOTTOM)
			set(x, gen_reg_of(t->inst, i->dst[0].vec[k].reg), s.shape == GEN_U ? gen_shp_u() : gen_shp_v());
	}
}

static void see_value(struct shapes *x, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;
	struct gen_shp s = i->op == IR_OP_mov || i->op == IR_OP_cvta ? move_shape(x, t) : value_shape(x, t);

	if (s.shape == GEN_BOTTOM)
		return;
	if (i->guard) {
		struct gen_shp p = x->shp[gen_reg_of(t->inst, i->guard - 1)];

		if (p.shape == GEN_BOTTOM)
			return;
		if (p.shape != GEN_U)
			s = gen_shp_v();
	}
	for (unsigned d = 0; d < i->n_dst; d++)
		if (i->dst[d].kind == IR_OPND_REG) {
			if (d)
				s = s.shape == GEN_U ? gen_shp_u() : gen_shp_v();
			set(x, gen_reg_of(t->inst, i->dst[d].reg), s);
		}
	if (i->flags & IR_F_CC)
		set(x, t->inst->cc, s.shape == GEN_U && gen_elem_has(x->g, i) ? gen_shp_u() : gen_shp_v());
}

static void see_synthetic(struct shapes *x, const struct gen_insn *t)
{
	struct gen_shp s = t->src == GEN_NONE ? gen_shp_const(t->imm, x->f->regs.v[t->dst].bits) : x->shp[t->src];

	if (t->kind != GEN_I_MOVE && s.shape != GEN_BOTTOM)
		s = s.shape == GEN_U ? gen_shp_u() : gen_shp_v();
	set(x, t->dst, s);
}

static void see_insn(struct shapes *x, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;
	bool vec = i && ((i->n_dst && i->dst[0].kind == IR_OPND_VEC) || (i->n_src && i->src[0].kind == IR_OPND_VEC));

	if (t->kind != GEN_I_IR)
		see_synthetic(x, t);
	else if (i->op == IR_OP_ld || i->op == IR_OP_ldu)
		see_load(x, t);
	else if (i->op == IR_OP_st)
		see_store(x, t);
	else if (i->op == IR_OP_mov && vec)
		see_vec_move(x, t);
	else if (is_coll(i))
		see_coll(x, t);
	else if (gen_is_row(i) || i->op == IR_OP_atom || vec)
		gen_defs(x->f, t, set_v, x);
	else
		see_value(x, t);
}

/* What runs as the interpreter's instruction: any operand kind, any effect. */
bool gen_is_row(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_call: case IR_OP_mbarrier: case IR_OP_ldmatrix: case IR_OP_stmatrix: case IR_OP_movmatrix: case IR_OP_mma:
	case IR_OP_wmma: case IR_OP_tex: case IR_OP_tld4: case IR_OP_suld: case IR_OP_sust: case IR_OP_sured: case IR_OP_txq:
	case IR_OP_suq: case IR_OP_cp: case IR_OP_isspacep: case IR_OP_istypep: case IR_OP_createpolicy:
		return true;
	default:
		return false;
	}
}

/* ---- NaNs that aren't canonical yet ---- */

/* The result of f32 arithmetic: a NaN's bits are the canonical ones. */
static bool makes_f32(const struct ir_insn *i)
{
	if (i->type != IR_T_F32)
		return false;
	switch (i->op) {
	case IR_OP_add: case IR_OP_sub: case IR_OP_mul: case IR_OP_fma: case IR_OP_mad: case IR_OP_div: case IR_OP_rcp:
	case IR_OP_sqrt: case IR_OP_rsqrt: case IR_OP_sin: case IR_OP_cos: case IR_OP_lg2: case IR_OP_ex2: case IR_OP_tanh:
	case IR_OP_neg: case IR_OP_abs: case IR_OP_min: case IR_OP_max:
		return true;
	default:
		return false;
	}
}

/* Reads an f32 operand as a number: the bits of a NaN make no difference. */
bool gen_reads_number(const struct ir_insn *i, unsigned n)
{
	if (i->op == IR_OP_setp)
		return i->type == IR_T_F32 && n < 2;
	if (i->op == IR_OP_cvt)
		return i->stype == IR_T_F32 && i->type != IR_T_F32 && ir_type_class(i->type) != IR_TC_FLOAT &&
		       ir_type_class(i->type) != IR_TC_PACKED && ir_type_class(i->type) != IR_TC_BITS;
	return makes_f32(i) && !(i->flags & (IR_F_XORSIGN | IR_F_ABS)) && i->op != IR_OP_copysign && n < 3;
}

static bool is_copy(const struct gen_insn *t, uint32_t *src, unsigned *n)
{
	*n = 0;
	if (t->kind == GEN_I_MOVE) {
		if (t->src != GEN_NONE)
			src[(*n)++] = t->src;
		return true;
	}
	if (t->kind != GEN_I_IR || t->i->n_dst != 1 || t->i->dst[0].kind != IR_OPND_REG)
		return false;
	if (t->i->op == IR_OP_mov && t->i->src[0].kind == IR_OPND_REG)
		src[(*n)++] = gen_reg_of(t->inst, t->i->src[0].reg);
	else if (t->i->op == IR_OP_selp && t->i->src[0].kind == IR_OPND_REG && t->i->src[1].kind == IR_OPND_REG)
		for (unsigned k = 0; k < 2; k++)
			src[(*n)++] = gen_reg_of(t->inst, t->i->src[k].reg);
	else
		return t->i->op == IR_OP_mov && t->i->src[0].kind == IR_OPND_IMM;
	return true;
}

/* A constant that is no NaN may stand with lazy ones. */
static bool copies_number(const struct gen_insn *t)
{
	uint64_t c = t->kind == GEN_I_MOVE ? t->imm : t->i->src[0].imm;

	return (c & 0x7fffffffu) <= 0x7f800000u;
}

struct not_lazy {
	struct gen_func *f;
	struct gen_shp *shp;
	bool changed;
};

static void clear_lazy(void *arg, uint32_t r)
{
	struct not_lazy *x = arg;

	x->changed |= x->shp[r].lazy;
	x->shp[r].lazy = false;
}

static void see_lazy(struct not_lazy *x, const struct gen_insn *t)
{
	uint32_t src[2];
	unsigned n;
	bool ok;

	if (t->kind == GEN_I_IR && t->i->op == IR_OP_st)
		ok = false;
	else if (is_copy(t, src, &n)) {
		ok = n || copies_number(t);
		for (unsigned k = 0; k < n; k++)
			ok &= x->shp[src[k]].lazy;
	} else {
		ok = t->kind == GEN_I_IR && makes_f32(t->i);
	}
	if (!ok)
		gen_defs(x->f, t, clear_lazy, x);
}

static void find_lazy(struct gen_func *f, struct gen_shp *shp)
{
	struct not_lazy x = { .f = f, .shp = shp };

	for (size_t r = 0; r < f->regs.n; r++)
		shp[r].lazy = f->regs.v[r].bits == 32;
	/* live at the start: zero */
	do {
		x.changed = false;
		for (uint32_t k = 0; k < f->n_order; k++)
			for (size_t n = 0; n < f->blocks.v[f->order[k]].insns.n; n++)
				see_lazy(&x, &f->blocks.v[f->order[k]].insns.v[n]);
	} while (x.changed);
	for (uint32_t k = 0; k < f->n_order; k++)
		if (f->blocks.v[f->order[k]].term == GEN_T_BAR)
			gen_defs(f, &f->blocks.v[f->order[k]].bar, clear_lazy, &x);
}

/* ---- the fixed point ---- */

static void see_block(struct shapes *x, const struct gen_block *b)
{
	for (size_t n = 0; n < b->insns.n; n++)
		see_insn(x, &b->insns.v[n]);
	if (b->term == GEN_T_BAR) {
		const struct ir_insn *i = b->bar.i;

		for (unsigned d = 0; d < i->n_dst; d++)
			if (i->dst[d].kind == IR_OPND_REG)
				set(x, gen_reg_of(b->bar.inst, i->dst[d].reg), gen_shp_u());
	}
}

int gen_shapes(struct gen *g, struct gen_func *f, unsigned world)
{
	struct shapes x = { .g = g, .f = f, .world = world };

	free(f->shp[world]);
	f->shp[world] = x.shp = calloc(f->regs.n + 1, sizeof(*x.shp));
	if (!x.shp)
		return vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name);
	/* read before written: zero */
	for (uint32_t r = 0; r < f->regs.n; r++)
		if (gen_in(f->blocks.v[0].live_in, r))
			x.shp[r] = gen_shp_const(0, f->regs.v[r].bits);
	do {
		x.changed = false;
		for (uint32_t k = 0; k < f->n_order; k++)
			see_block(&x, &f->blocks.v[f->order[k]]);
		x.round++;
	} while (x.changed && x.round < 1000);
	for (uint32_t r = 0; r < f->regs.n; r++)
		if (x.shp[r].shape == GEN_BOTTOM)
			x.shp[r] = world && f->regs.v[r].blend ? gen_shp_v() : gen_shp_u();
	find_lazy(f, x.shp);
	return 0;
}

/* ---- guards ---- */

static bool needs_guard(struct shapes *x, const struct gen_insn *t)
{
	struct gen_aff s[IR_MAX_SRC], r;
	bool unproven = false;

	if (t->kind != GEN_I_IR || (t->i->op != IR_OP_cvt && !(t->i->mode == IR_MODE_WIDE)))
		return false;
	return sources(x, t, s) && all_shape(s, t->i->n_src, GEN_P) && gen_affine(x->g, t->i, s, false, true, &unproven, &r) && unproven;
}

/*
 * One check covers all later widenings of the same register in the same way,
 * if it is written in one place. (It isn't read before that: what is, is zero
 * at first, and zero and a pattern are together a vector.)
 */
struct checked {
	uint32_t reg, block;
	bool sign;
};

static bool is_signed_widening(const struct ir_insn *i)
{
	return ir_type_class(i->op == IR_OP_cvt ? i->stype : i->type) == IR_TC_SINT;
}

int gen_split_at(struct gen_func *f, uint32_t b, size_t n)
{
	struct gen_block rest = f->blocks.v[b], *old;

	memset(&rest.insns, 0, sizeof(rest.insns));
	memset(&rest.preds, 0, sizeof(rest.preds));
	rest.live_in = rest.live_out = NULL;
	for (size_t k = n; k < f->blocks.v[b].insns.n; k++)
		if (!vgpu_vec_push(&rest.insns, f->blocks.v[b].insns.v[k]))
			return -VGPU_E_NOMEM;
	if (!vgpu_vec_push(&f->blocks, rest))
		return -VGPU_E_NOMEM;
	old = &f->blocks.v[b];
	old->insns.n = n;
	old->term = GEN_T_BR;
	old->succ[0] = (uint32_t)f->blocks.n - 1;
	old->n_succ = 1;
	f->blocks.v[f->blocks.n - 1].guard = false;
	return 0;
}

/* True when the block was split behind the last instruction looked at. */
static int guard_block(struct shapes *x, uint32_t b, struct checked *done, size_t *n_done, size_t max_done)
{
	struct gen_func *f = x->f;

	for (size_t n = 0; n < f->blocks.v[b].insns.n; n++) {
		struct gen_insn *t = &f->blocks.v[b].insns.v[n];
		uint32_t reg;
		bool covered = false;

		if (t->ref || !needs_guard(x, t))
			continue;
		reg = t->i->src[0].kind == IR_OPND_REG ? gen_reg_of(t->inst, t->i->src[0].reg) : GEN_NONE;
		for (size_t k = 0; k < *n_done; k++)
			covered |= done[k].reg == reg && reg != GEN_NONE && f->regs.v[reg].n_defs == 1 &&
				   done[k].sign == is_signed_widening(t->i) && gen_dominates(f, done[k].block, b);
		t->ref = covered ? GEN_GUARD_COVERED : GEN_GUARD_HERE;
		if (covered)
			continue;
		if (*n_done < max_done && t->i->n_src == 1)
			done[(*n_done)++] = (struct checked){ reg, b, is_signed_widening(t->i) };
		else if (*n_done < max_done && t->i->src[1].kind == IR_OPND_IMM)
			done[(*n_done)++] = (struct checked){ reg, b, is_signed_widening(t->i) };
		if (n == 0) {
			f->blocks.v[b].guard = true;
			continue;
		}
		if (gen_split_at(f, b, n))
			return -1;
		f->blocks.v[f->blocks.n - 1].guard = true;
		return 1;
	}
	return 0;
}

/* Puts every widening that needs a check at the start of a block; 1: blocks were split, flow and shapes are out of date. */
int gen_split_guards(struct gen *g, struct gen_func *f)
{
	struct shapes x = { .g = g, .f = f, .shp = f->shp[0], .world = 0 };
	struct checked done[256];
	size_t n_done = 0;
	bool split = false;

	for (uint32_t k = 0; k < f->n_order; k++) {
		uint32_t b = f->order[k];
		int r;

		while ((r = guard_block(&x, b, done, &n_done, ARRAY_SIZE(done))) > 0) {
			split = true;
			b = (uint32_t)f->blocks.n - 1;
			/* dominance of a new block is its first part's */
			f->blocks.v[b].rpo = f->blocks.v[f->order[k]].rpo;
			f->blocks.v[b].idom = f->blocks.v[f->order[k]].idom;
		}
		if (r < 0)
			return vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name);
	}
	return split;
}

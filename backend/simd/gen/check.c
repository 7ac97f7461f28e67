/*
 * check.c: is an access naturally aligned, and inside of its space? For
 * patterns in world 0 the check is a few scalar instructions; where ranges
 * prove it, nothing. In world 1 only the lanes that execute count.
 */
#include <string.h>

#include "backend/simd/gen/emit.h"

/* Lanes further apart than this aren't looked at by their base alone. */
#define NEAR ((int64_t)1 << 40)

void gen_unlikely(struct gen_emit *e, val bad, LLVMBasicBlockRef cold, LLVMBasicBlockRef on)
{
	struct gen *g = e->g;
	val br = LLVMBuildCondBr(g->b, bad, cold, on);
	LLVMMetadataRef md[] = {
		LLVMMDStringInContext2(g->cx, "branch_weights", 14),
		LLVMValueAsMetadata(LLVMConstInt(g->i32, 1, 0)), LLVMValueAsMetadata(LLVMConstInt(g->i32, 1000000, 0)),
	};

	LLVMSetMetadata(br, LLVMGetMDKindIDInContext(g->cx, "prof", 4),
			LLVMMetadataAsValue(g->cx, LLVMMDNodeInContext2(g->cx, md, 3)));
}

static val load_ctx(struct gen_emit *e, size_t off, LLVMTypeRef t)
{
	val v = gen_load_ctx(e, off, t);

	LLVMSetMetadata(v, LLVMGetMDKindIDInContext(e->g->cx, "invariant.load", 14), LLVMMDNodeInContext(e->g->cx, NULL, 0));
	return v;
}

static int64_t edge(const struct gen *g, const int64_t *c, bool max)
{
	int64_t m = c[0];

	for (unsigned l = 1; l < g->W; l++)
		m = max ? MAX(m, c[l]) : MIN(m, c[l]);
	return m;
}

static const int64_t *lanes_c(const struct gen_aff *a)
{
	static const int64_t zero[SD_MAX_W];

	return a->s.shape == GEN_P ? a->s.pat->c : zero;
}

static bool is_spread(const struct gen *g, const struct gen_aff *a, unsigned align)
{
	const int64_t *c = lanes_c(a);
	int64_t lo = edge(g, c, false), hi = edge(g, c, true);

	if (lo < -NEAR || hi > NEAR)
		return true;
	for (unsigned l = 0; l < g->W; l++)
		if ((c[l] - c[0]) % align)
			return true;
	return false;
}

/*
 * OR of (address ^ base) over lanes between which all others lie: those of the
 * least and the greatest K. What is between two addresses of the window is in
 * it; lanes' C and the displacement are small against what surrounds it.
 */
static val window_bits(struct gen_emit *e, const struct gen_aff *a, int64_t off, unsigned align, val win)
{
	struct gen *g = e->g;
	val base = LLVMBuildAdd(g->b, a->u, LLVMConstInt(g->i64, (uint64_t)(lanes_c(a)[0] - off / align * align), 1), ""), all = NULL, low;
	uint64_t bits = 0;
	int64_t k[2];

	if (a->s.shape != GEN_P || !a->s.pat->has_k)
		return LLVMBuildXor(g->b, base, win, "");
	k[0] = edge(g, a->s.pat->k, false);
	k[1] = edge(g, a->s.pat->k, true);
	for (unsigned n = 0; n < 2; n++) {
		val x = base;

		if (k[n])
			x = LLVMBuildAdd(g->b, x, LLVMBuildMul(g->b, a->k, LLVMConstInt(g->i64, (uint64_t)k[n], 1), ""), "");
		x = LLVMBuildXor(g->b, x, win, "");
		all = all ? LLVMBuildOr(g->b, all, x, "") : x;
	}
	/* lanes in between are aligned when k times the least bit of any K is */
	for (unsigned l = 0; l < g->W; l++)
		bits |= (uint64_t)a->s.pat->k[l];
	low = LLVMBuildMul(g->b, a->k, LLVMConstInt(g->i64, bits & -bits, 0), "");
	return LLVMBuildOr(g->b, all, LLVMBuildAnd(g->b, low, LLVMConstInt(g->i64, align - 1, 0), ""), "");
}

static val active(struct gen_emit *e, val v, unsigned n)
{
	struct gen *g = e->g;

	return e->m.full ? v : LLVMBuildSelect(g->b, e->m.v[n], v, LLVMConstNull(LLVMTypeOf(v)), "");
}

static val addr_group(struct gen_emit *e, const struct gen_aff *a, const struct gen_val *v, unsigned n)
{
	struct gen_val p = { .shape = a->s.shape, .pat = a->s.pat, .u = a->u, .k = a->k };

	return a->s.shape == GEN_V ? v->v[n] : gen_group(e->g, &p, 64, n);
}

static val any_bit(struct gen *g, val v)
{
	val b = LLVMBuildICmp(g->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "");

	if (gen_lanes(v) == 1)
		return b;
	b = gen_mask_bits(g, b);
	return LLVMBuildICmp(g->b, LLVMIntNE, b, LLVMConstNull(LLVMTypeOf(b)), "");
}

/* May all lanes be looked at together? */
static bool is_plain(const struct gen_emit *e, const struct gen_aff *a)
{
	return a->s.shape == GEN_U || (a->s.shape == GEN_P && e->m.full);
}

/* Addresses: inside of the window and aligned. */
static val check_window(struct gen_emit *e, int64_t off, unsigned align, const struct gen_aff *a, const struct gen_val *v)
{
	struct gen *g = e->g;
	val win = load_ctx(e, offsetof(struct sd_ctx, win_base), g->i64);
	val mask = load_ctx(e, offsetof(struct sd_ctx, win_mask), g->i64), all = NULL;

	mask = LLVMBuildOr(g->b, mask, LLVMConstInt(g->i64, align - 1, 0), "");
	if (is_plain(e, a) && !is_spread(g, a, align))
		return any_bit(g, LLVMBuildAnd(g->b, window_bits(e, a, off, align, win), mask, ""));
	for (unsigned n = 0; n < g->NG; n++) {
		val x = active(e, LLVMBuildXor(g->b, addr_group(e, a, v, n), gen_splat(g, win), ""), n);

		all = all ? LLVMBuildOr(g->b, all, x, "") : x;
	}
	return any_bit(g, LLVMBuildAnd(g->b, all, gen_splat(g, mask), ""));
}

/* Of a group's lanes: is it not in lo … lo + size, or not aligned relative to lo? */
static val outside(struct gen *g, unsigned stride, unsigned align, val addr, val lo, val size)
{
	val off = LLVMBuildSub(g->b, addr, lo, "");
	val last = LLVMBuildSub(g->b, size, LLVMConstInt(g->i64, stride, 0), "");
	val bad = LLVMBuildICmp(g->b, LLVMIntUGT, off, gen_splat(g, last), "");

	if (align > 1)
		bad = LLVMBuildOr(g->b, bad, LLVMBuildICmp(g->b, LLVMIntNE, LLVMBuildAnd(g->b, off, gen_const(g, off, 64, align - 1), ""),
							    LLVMConstNull(LLVMTypeOf(off)), ""), "");
	return bad;
}

/* Addresses in lo … lo + size, and aligned relative to lo. */
static val check_range(struct gen_emit *e, unsigned stride, unsigned align, const struct gen_aff *a, const struct gen_val *v, val lo, val size)
{
	struct gen *g = e->g;
	val all[GEN_MAX_NG];

	if (is_plain(e, a) && !is_spread(g, a, align) && !(a->s.shape == GEN_P && a->s.pat->has_k)) {
		int64_t min = edge(g, lanes_c(a), false), span = edge(g, lanes_c(a), true) - min + stride;
		val off = LLVMBuildSub(g->b, LLVMBuildAdd(g->b, a->u, LLVMConstInt(g->i64, (uint64_t)min, 1), ""), lo, "");
		val last = LLVMBuildSub(g->b, size, LLVMConstInt(g->i64, (uint64_t)span, 1), "");
		val bad = LLVMBuildICmp(g->b, LLVMIntUGT, off, last, "");

		bad = LLVMBuildOr(g->b, bad, LLVMBuildICmp(g->b, LLVMIntSLT, last, LLVMConstNull(g->i64), ""), "");
		if (align > 1)
			bad = LLVMBuildOr(g->b, bad, any_bit(g, LLVMBuildAnd(g->b, off, LLVMConstInt(g->i64, align - 1, 0), "")), "");
		return bad;
	}
	for (unsigned n = 0; n < g->NG; n++)
		all[n] = active(e, outside(g, stride, align, addr_group(e, a, v, n), gen_splat(g, lo), size), n);
	return gen_any(g, all, false);
}

static val ptr_int(struct gen_emit *e, size_t off)
{
	return LLVMBuildPtrToInt(e->g->b, load_ctx(e, off, e->g->ptr), e->g->i64, "");
}

/* Where each lane's own local memory begins. */
static val own_base(struct gen_emit *e, unsigned n)
{
	struct gen *g = e->g;
	val step = load_ctx(e, offsetof(struct sd_ctx, local_stride), g->i64), l[SD_MAX_W];

	for (unsigned k = 0; k < g->G; k++)
		l[k] = LLVMConstInt(g->i64, n * g->G + k, 0);
	return LLVMBuildAdd(g->b, LLVMBuildMul(g->b, gen_splat(g, step), LLVMConstVector(l, g->G), ""),
			    gen_splat(g, ptr_int(e, offsetof(struct sd_ctx, local))), "");
}

/* Addresses in each lane's own local memory. */
static val check_own(struct gen_emit *e, unsigned stride, unsigned align, const struct gen_aff *a, const struct gen_val *v)
{
	struct gen *g = e->g;
	val size = LLVMConstInt(g->i64, e->f->local_B, 0), all[GEN_MAX_NG];

	for (unsigned n = 0; n < g->NG; n++)
		all[n] = active(e, outside(g, stride, align, addr_group(e, a, v, n), own_base(e, n), size), n);
	return gen_any(g, all, false);
}

static val shared_size(struct gen_emit *e)
{
	return gen_cut(e->g, load_ctx(e, offsetof(struct sd_ctx, shared_B), e->g->i32), 64);
}

/* The parameters are read only. */
static bool may_be_param(const struct gen_emit *e, const struct gen_insn *t, unsigned stride)
{
	return t->i->op == IR_OP_ld && e->g->entry->param_bytes >= stride;
}

/* Is there local memory that a generic address may lead to? */
static bool has_own(const struct gen_emit *e)
{
	return e->f->local_B && !e->f->granule;
}

/* Each lane may be in another space: what is left of `bad` are those that are in none. */
static val check_lanes(struct gen_emit *e, const struct gen_insn *t, unsigned stride, unsigned align, const struct gen_aff *a,
		       const struct gen_val *v)
{
	struct gen *g = e->g;
	val mask = load_ctx(e, offsetof(struct sd_ctx, win_mask), g->i64), lo[4], size[4], all = NULL;
	unsigned spaces = 2;

	lo[0] = gen_splat(g, LLVMBuildAnd(g->b, load_ctx(e, offsetof(struct sd_ctx, win_base), g->i64), mask, ""));
	size[0] = LLVMBuildNeg(g->b, mask, "");
	lo[1] = gen_splat(g, ptr_int(e, offsetof(struct sd_ctx, shared)));
	size[1] = shared_size(e);
	if (may_be_param(e, t, stride)) {
		lo[spaces] = gen_splat(g, ptr_int(e, offsetof(struct sd_ctx, params)));
		size[spaces++] = LLVMConstInt(g->i64, g->entry->param_bytes, 0);
	}
	if (has_own(e))
		size[spaces++] = LLVMConstInt(g->i64, e->f->local_B, 0);
	for (unsigned n = 0; n < g->NG; n++) {
		val bad = NULL;

		if (has_own(e))
			lo[spaces - 1] = own_base(e, n);
		for (unsigned k = 0; k < spaces; k++) {
			val out = gen_mask_bits(g, active(e, outside(g, stride, align, addr_group(e, a, v, n), lo[k], size[k]), n));

			bad = bad ? LLVMBuildAnd(g->b, bad, out, "") : out;
		}
		all = all ? LLVMBuildOr(g->b, all, bad, "") : bad;
	}
	return LLVMBuildICmp(g->b, LLVMIntNE, all, LLVMConstNull(LLVMTypeOf(all)), "");
}

val gen_check_block(struct gen_emit *e, const struct gen_insn *t, unsigned stride, const struct gen_aff *a, const struct gen_val *v)
{
	struct gen *g = e->g;
	unsigned align = MIN(stride, 16u);
	val bad;

	if (a->s.shape == GEN_V)
		return check_lanes(e, t, stride, align, a, v);
	bad = check_range(e, stride, align, a, v, ptr_int(e, offsetof(struct sd_ctx, shared)), shared_size(e));
	if (has_own(e))
		bad = LLVMBuildAnd(g->b, bad, check_own(e, stride, align, a, v), "");
	if (may_be_param(e, t, stride))
		bad = LLVMBuildAnd(g->b, bad, check_range(e, stride, align, a, v, ptr_int(e, offsetof(struct sd_ctx, params)),
							  LLVMConstInt(g->i64, g->entry->param_bytes, 0)), "");
	return bad;
}

/* The offset that the operand's register and displacement make: what ranges say of it. */
static bool offset_range(struct gen_emit *e, const struct gen_insn *t, int64_t *lo, int64_t *hi)
{
	const struct ir_opnd *o = &t->i->src[0];
	const struct gen_shp *s;
	uint64_t off = 0;

	if (o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_REG) {
		s = &e->f->shp[e->world][gen_reg_of(t->inst, o->reg)];
		if (s->lo < INT32_MIN || s->hi > INT32_MAX)
			return false;
		*lo = s->lo + o->off;
		*hi = s->hi + o->off;
		return true;
	}
	if (o->mem_base == IR_BASE_NONE) {
		*lo = *hi = o->off;
		return true;
	}
	if (o->sym_local) {
		in_place(t->inst->in, o->sym, &off);
		if (in_place(t->inst->in, o->sym, &off) == IN_PLACE_FRAME)
			off = gen_local_of(e->f, t->inst, o->sym);
	} else {
		const struct ir_sym *y = &e->g->m->syms[o->sym];

		if (y->kind != IR_SYM_VAR || e->g->m->vars[y->index].space != IR_SPACE_SHARED)
			return false;
		off = e->f->ik->shared_off[y->index];
	}
	*lo = *hi = (int64_t)off + o->off;
	return true;
}

static bool is_aligned(struct gen_emit *e, const struct gen_insn *t, int64_t lo, int64_t hi, unsigned align)
{
	const struct ir_opnd *o = &t->i->src[0];
	const struct gen_shp *s;

	if (align == 1)
		return true;
	if (lo == hi)
		return lo % align == 0;
	s = &e->f->shp[e->world][gen_reg_of(t->inst, o->reg)];
	if (o->off % align || (s->align < 63 && ((uint64_t)1 << s->align) % align))
		return false;
	for (unsigned l = 0; s->shape == GEN_P && l < e->g->W; l++)
		if (s->pat->c[l] % align || s->pat->k[l])
			return false;
	return true;
}

/* What the space that is meant has at least, in bytes, when the code is made. */
static uint64_t known_size(const struct gen_emit *e, uint8_t space)
{
	switch (space) {
	case IR_SPACE_SHARED: return IN_SHARED_RESERVED + (uint64_t)e->f->ik->shared_static;
	case IR_SPACE_PARAM: return e->g->entry->param_bytes;
	default: return e->f->local_B;
	}
}

uint8_t gen_space_of(const struct gen_insn *t)
{
	const struct ir_opnd *o = &t->i->src[0];
	uint8_t space = t->i->space;
	uint64_t off;

	if (o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_SYM && o->sym_local)
		switch (in_place(t->inst->in, o->sym, &off)) {
		case IN_PLACE_FRAME: return IR_SPACE_LOCAL;
		case IN_PLACE_PARAM: return IR_SPACE_PARAM;
		default: return IR_SPACE_SHARED;
		}
	if (space == IR_SPACE_PARAM && !t->inst->in->ir->is_entry)
		return IR_SPACE_PARAM_FUNC;
	return space;
}

static uint8_t space_of(const struct gen_emit *e, const struct gen_insn *t)
{
	return e->f->granule && gen_is_local(e->f, t) ? IR_SPACE_LOCAL : gen_space_of(t);
}

/* Offsets in a thread's local memory. */
static val check_local(struct gen_emit *e, const struct gen_insn *t, unsigned stride, unsigned align)
{
	struct gen *g = e->g;
	const struct ir_opnd *o = &t->i->src[0];
	struct gen_aff a = { 0 };
	struct gen_val x;

	if (o->kind != IR_OPND_MEM || o->mem_base != IR_BASE_REG)
		return LLVMConstInt(g->i1, 1, 0);
	gen_read_bits(e, gen_reg_of(t->inst, o->reg), &x);
	if (x.shape != GEN_V) {
		struct gen_val p = x;

		gen_as_v(g, &p, gen_bits(p.u), &x);
	}
	for (unsigned n = 0; n < g->NG; n++) {
		x.v[n] = gen_cut(g, x.v[n], 64);
		x.v[n] = LLVMBuildAdd(g->b, x.v[n], gen_const(g, x.v[n], 64, (uint64_t)o->off), "");
	}
	a.s.shape = GEN_V;
	return check_range(e, stride, align, &a, &x, LLVMConstInt(g->i64, 0, 0), LLVMConstInt(g->i64, e->f->local_B, 0));
}

/* The displacement, when it makes no difference to whether an address is in the window: then one check serves many. */
static int64_t small_off(const struct gen_insn *t)
{
	const struct ir_opnd *o = &t->i->src[0];

	return o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_REG && o->off > -65536 && o->off < 65536 ? o->off : 0;
}

/* ---- one check for all accesses of a block by the same register ---- */

#define COVER_MAX 4096             /* bytes between the first and the last of them */

static uint32_t base_of(const struct gen_insn *t)
{
	const struct ir_opnd *o = &t->i->src[0];

	return o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_REG ? gen_reg_of(t->inst, o->reg) : GEN_NONE;
}

static bool is_access(const struct gen_emit *e, const struct gen_insn *t, uint8_t space, uint32_t reg)
{
	/* a masked one needn't be one */
	if (t->kind != GEN_I_IR || t->masked)
		return false;
	switch (t->i->op) {
	case IR_OP_ld: case IR_OP_ldu: case IR_OP_st: case IR_OP_atom: case IR_OP_red:
		return t->i->n_src && base_of(t) == reg && space_of(e, t) == space;
	default:
		return false;
	}
}

struct written {
	uint32_t reg;
	bool found;
};

static void see_written(void *arg, uint32_t r)
{
	struct written *w = arg;

	w->found |= r == w->reg;
}

static bool writes(const struct gen_emit *e, const struct gen_insn *t, uint32_t reg)
{
	struct written w = { reg, false };

	gen_defs(e->f, t, see_written, &w);
	return w.found;
}

/* What a check covers, relative to the address of the access that it stands before. */
struct cover {
	int64_t before;            /* bytes in front of it */
	uint64_t size;             /* all together */
	unsigned align;
};

static unsigned bytes_of(const struct gen_insn *t)
{
	return ir_type_size(t->i->type) * MAX(t->i->vec, 1u);
}

/*
 * A block's instructions run all or none, so an access that is wrong is one even when it is noticed earlier: the check
 * before the first access by a register serves those that follow.
 */
static struct cover cover_from(struct gen_emit *e, const struct gen_insn *t, uint8_t space, unsigned stride)
{
	const struct gen_block *b = &e->f->blocks.v[e->block];
	int64_t at = t->i->src[0].off, lo = at, hi = at + stride;
	struct cover covered = { 0, stride, MIN(stride, 16u) };
	unsigned align = covered.align;
	/* what is looked at for some lanes stands for no others */
	uint32_t reg = t->masked ? GEN_NONE : base_of(t);

	e->covered.now = 0;
	e->covered.reg = reg;
	e->covered.space = space;
	for (size_t n = (size_t)(t - b->insns.v); reg != GEN_NONE && n < b->insns.n; n++) {
		const struct gen_insn *x = &b->insns.v[n];

		if (is_access(e, x, space, reg)) {
			int64_t off = x->i->src[0].off, end = off + bytes_of(x);
			unsigned own = MIN(bytes_of(x), 16u);

			lo = MIN(lo, off);
			hi = MAX(hi, end);
			align = MAX(align, own);
			if ((off - at) % own || (off - at) % align || hi - lo > COVER_MAX)
				break;
			e->covered.last = x;
			e->covered.now = e->now;
			covered = (struct cover){ at - lo, (uint64_t)(hi - lo), align };
		}
		if (writes(e, x, reg))
			break;
	}
	return covered;
}

static bool is_covered(const struct gen_emit *e, const struct gen_insn *t, uint8_t space)
{
	return e->covered.now == e->now && e->covered.space == space && is_access(e, t, space, e->covered.reg) && t <= e->covered.last;
}

/* The same lanes' addresses, that many bytes further on. */
static void move_by(struct gen_emit *e, int64_t by, struct gen_aff *a, struct gen_val *v)
{
	struct gen *g = e->g;

	if (!by)
		return;
	if (a->s.shape != GEN_V)
		a->u = LLVMBuildAdd(g->b, a->u, LLVMConstInt(g->i64, (uint64_t)by, 1), "");
	for (unsigned n = 0; a->s.shape == GEN_V && n < g->NG; n++)
		v->v[n] = LLVMBuildAdd(g->b, v->v[n], gen_const(g, v->v[n], 64, (uint64_t)by), "");
}

static val check_block_space(struct gen_emit *e, const struct gen_insn *t, uint8_t space, unsigned stride, const struct gen_aff *a,
			     const struct gen_val *v, val base, val size)
{
	struct cover c = cover_from(e, t, space, stride);
	struct gen_aff at = *a;
	struct gen_val vt = *v;

	move_by(e, -c.before, &at, &vt);
	return check_range(e, (unsigned)c.size, c.align, &at, &vt, base, size);
}

val gen_check(struct gen_emit *e, const struct gen_insn *t, unsigned stride, const struct gen_aff *a, const struct gen_val *v)
{
	struct gen *g = e->g;
	unsigned align = MIN(stride, 16u);
	uint8_t space = space_of(e, t);
	int64_t lo, hi;
	val base, size;

	/* the parameters are read only */
	if (space == IR_SPACE_PARAM && t->i->op != IR_OP_ld && t->i->op != IR_OP_ldu)
		return LLVMConstInt(g->i1, 1, 0);
	if (space != IR_SPACE_SHARED && space != IR_SPACE_PARAM && space != IR_SPACE_LOCAL && space != IR_SPACE_PARAM_FUNC)
		return check_window(e, small_off(t), align, a, v);
	if (offset_range(e, t, &lo, &hi) && lo >= 0 && (uint64_t)hi + stride <= known_size(e, space) && is_aligned(e, t, lo, hi, align))
		return NULL;
	if (is_covered(e, t, space))
		return NULL;
	switch (space) {
	case IR_SPACE_SHARED:
		base = ptr_int(e, offsetof(struct sd_ctx, shared));
		size = shared_size(e);
		break;
	case IR_SPACE_PARAM:
		base = ptr_int(e, offsetof(struct sd_ctx, params));
		size = LLVMConstInt(g->i64, g->entry->param_bytes, 0);
		break;
	default:
		/* each thread's own: what isn't proven goes the long way unless the offset is plain */
		if (!e->f->granule)
			return check_local(e, t, stride, align);
		base = LLVMConstInt(g->i64, 0, 0);
		size = LLVMConstInt(g->i64, e->f->local_B, 0);
	}
	return check_block_space(e, t, space, stride, a, v, base, size);
}

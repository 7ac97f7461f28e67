/*
 * atom.c: atom and red, lanes in order, each as the interp backend's atom.c
 * does it: sequentially consistent instructions of the host; in shared memory,
 * which one thread of the host uses at a time, plain loads and stores.
 *
 * Lanes with addresses of their own are a loop over addresses and operands
 * laid out in memory, which leaves the vectors that live across where they
 * are. In shared memory a group's addresses are read at once and taken apart in
 * registers, and those of a small gang never go to memory: a read behind a
 * lane's write waits for it where the two places differ by a multiple of 4 KB,
 * as places on the stack and in shared memory may.
 *
 * One address for all lanes: integer operations that associate are combined in
 * registers to one operation, with a prefix sum for the old values if they are
 * wanted; of others the lanes' steps run on a copy, and one compare-and-swap
 * publishes them.
 */
#include "backend/simd/gen/atom.h"
#include "util/compiler.h"

#define UNROLL 8
#define REGS_LANES 64              /* of a gang whose lanes' addresses stay in registers */

bool gen_atom_has(const struct gen *g, const struct ir_insn *i)
{
	enum ir_type_class tc = ir_type_class(i->type);
	unsigned bits = ir_type_bits(i->type);

	if (i->vec > 1)
		return false;
	if (i->type == IR_T_F64)
		return i->atom == IR_ATOM_ADD;
	if (i->type == IR_T_F32)
		return i->atom == IR_ATOM_ADD || i->atom == IR_ATOM_MIN || i->atom == IR_ATOM_MAX || i->atom == IR_ATOM_EXCH;
	if (i->type == IR_T_B16)
		return i->atom == IR_ATOM_CAS || i->atom == IR_ATOM_EXCH;
	if ((tc != IR_TC_BITS && tc != IR_TC_UINT && tc != IR_TC_SINT) || (bits != 32 && bits != 64))
		return false;
	switch (i->atom) {
	case IR_ATOM_AND: case IR_ATOM_OR: case IR_ATOM_XOR: case IR_ATOM_CAS: case IR_ATOM_EXCH:
	case IR_ATOM_ADD: case IR_ATOM_INC: case IR_ATOM_DEC: case IR_ATOM_MIN: case IR_ATOM_MAX:
		return true;
	}
	return false;
}

/* ---- one operation on memory ---- */

val atom_pointer(struct atom *t, val addr)
{
	return LLVMBuildIntToPtr(t->g->b, addr, t->g->ptr, "");
}

val atom_load(struct atom *t, val p)
{
	val v = LLVMBuildLoad2(t->g->b, t->t, p, "");

	LLVMSetAlignment(v, t->bits / 8);
	return v;
}

static val compare_and_swap(struct atom *t, val p, val old, val new)
{
	return LLVMBuildAtomicCmpXchg(t->g->b, p, old, new, LLVMAtomicOrderingSequentiallyConsistent,
				      LLVMAtomicOrderingSequentiallyConsistent, 0);
}

void atom_retry_begin(struct atom *t, struct atom_retry *r, val p)
{
	struct gen *g = t->g;
	LLVMBasicBlockRef before = LLVMGetInsertBlock(g->b);
	val first = atom_load(t, p);

	LLVMSetOrdering(first, LLVMAtomicOrderingMonotonic);
	r->p = p;
	r->loop = LLVMAppendBasicBlockInContext(g->cx, g->fn, "");
	LLVMBuildBr(g->b, r->loop);
	LLVMPositionBuilderAtEnd(g->b, r->loop);
	r->old = LLVMBuildPhi(g->b, t->t, "");
	LLVMAddIncoming(r->old, &first, &before, 1);
}

void atom_retry_end(struct atom *t, struct atom_retry *r, val new)
{
	struct gen *g = t->g;
	LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b), done = LLVMAppendBasicBlockInContext(g->cx, g->fn, "");
	val x = compare_and_swap(t, r->p, r->old, new), seen = LLVMBuildExtractValue(g->b, x, 0, "");

	LLVMAddIncoming(r->old, &seen, &here, 1);
	LLVMBuildCondBr(g->b, LLVMBuildExtractValue(g->b, x, 1, ""), done, r->loop);
	LLVMPositionBuilderAtEnd(g->b, done);
}

static bool rmw_op(const struct ir_insn *i, LLVMAtomicRMWBinOp *op)
{
	bool s = atom_is_signed(i);

	switch (i->atom) {
	case IR_ATOM_EXCH: *op = LLVMAtomicRMWBinOpXchg; return true;
	case IR_ATOM_ADD: *op = LLVMAtomicRMWBinOpAdd; break;
	case IR_ATOM_AND: *op = LLVMAtomicRMWBinOpAnd; break;
	case IR_ATOM_OR: *op = LLVMAtomicRMWBinOpOr; break;
	case IR_ATOM_XOR: *op = LLVMAtomicRMWBinOpXor; break;
	case IR_ATOM_MIN: *op = s ? LLVMAtomicRMWBinOpMin : LLVMAtomicRMWBinOpUMin; break;
	case IR_ATOM_MAX: *op = s ? LLVMAtomicRMWBinOpMax : LLVMAtomicRMWBinOpUMax; break;
	case IR_ATOM_INC: *op = LLVMAtomicRMWBinOpUIncWrap; break;
	case IR_ATOM_DEC: *op = LLVMAtomicRMWBinOpUDecWrap; break;
	default: return false;
	}
	return !atom_is_float(i);
}

val atom_one(struct atom *t, val addr, val b, val c)
{
	struct gen *g = t->g;
	val p = atom_pointer(t, addr), old;
	LLVMAtomicRMWBinOp op;
	struct atom_retry r;

	if (t->a->shared) {
		old = atom_load(t, p);
		LLVMSetAlignment(LLVMBuildStore(g->b, atom_compute(t, old, b, c, addr), p), t->bits / 8);
		return old;
	}
	if (rmw_op(t->a->i, &op))
		return LLVMBuildAtomicRMW(g->b, op, p, b, LLVMAtomicOrderingSequentiallyConsistent, 0);
	if (t->a->i->atom == IR_ATOM_CAS)
		return LLVMBuildExtractValue(g->b, compare_and_swap(t, p, b, c), 0, "");
	atom_retry_begin(t, &r, p);
	atom_retry_end(t, &r, atom_compute(t, r.old, b, c, addr));
	return r.old;
}

/* ---- lanes in order ---- */

struct count {
	LLVMBasicBlockRef loop;
	val i, carry;
};

static void count_begin(struct atom *t, struct count *n, val carry)
{
	struct gen *g = t->g;
	LLVMBasicBlockRef before = LLVMGetInsertBlock(g->b);
	val zero = LLVMConstInt(g->i64, 0, 0);

	n->loop = LLVMAppendBasicBlockInContext(g->cx, g->fn, "");
	LLVMBuildBr(g->b, n->loop);
	LLVMPositionBuilderAtEnd(g->b, n->loop);
	n->i = LLVMBuildPhi(g->b, g->i64, "");
	LLVMAddIncoming(n->i, &zero, &before, 1);
	n->carry = carry ? LLVMBuildPhi(g->b, LLVMTypeOf(carry), "") : NULL;
	if (carry)
		LLVMAddIncoming(n->carry, &carry, &before, 1);
}

static void count_end(struct atom *t, struct count *n, unsigned step, unsigned end, val carry)
{
	struct gen *g = t->g;
	LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b), done = LLVMAppendBasicBlockInContext(g->cx, g->fn, "");
	val next = LLVMBuildAdd(g->b, n->i, LLVMConstInt(g->i64, step, 0), "");
	val more = LLVMBuildICmp(g->b, LLVMIntULT, next, LLVMConstInt(g->i64, end, 0), "");

	LLVMAddIncoming(n->i, &next, &here, 1);
	if (carry)
		LLVMAddIncoming(n->carry, &carry, &here, 1);
	LLVMBuildCondBr(g->b, more, n->loop, done);
	LLVMPositionBuilderAtEnd(g->b, done);
}

/* Few instructions, none of them a loop. */
bool atom_is_short(const struct atom *t)
{
	return t->a->shared && (!atom_is_float(t->a->i) || t->a->i->atom == IR_ATOM_EXCH);
}

/* The offset of a group's lane l: two are taken out of the vector at once. */
static val lane_offset(struct atom *t, unsigned l)
{
	struct gen *g = t->g;
	val two = LLVMBuildExtractElement(g->b, t->offs, LLVMConstInt(g->i32, l / 2, 0), "");

	return l % 2 ? LLVMBuildLShr(g->b, two, LLVMConstInt(g->i64, 32, 0), "") :
		       LLVMBuildAnd(g->b, two, LLVMConstInt(g->i64, UINT32_MAX, 0), "");
}

static LLVMTypeRef offsets_type(const struct gen *g)
{
	return LLVMVectorType(g->i64, g->G / 2);
}

static val lanes_in_regs(struct atom *t, atom_body body, val carry)
{
	struct gen *g = t->g;

	for (unsigned n = 0; n < g->NG; n++) {
		t->offs = LLVMBuildBitCast(g->b, t->addr_v.v[n], offsets_type(g), "");
		for (unsigned l = 0; l < g->G; l++) {
			t->off = lane_offset(t, l);
			carry = body(t, LLVMConstInt(g->i64, n * g->G + l, 0), carry);
		}
	}
	t->off = NULL;
	return carry;
}

static val all_lanes(struct atom *t, atom_body body, val carry)
{
	bool offsets = t->a->base && t->addrs;
	struct gen *g = t->g;
	unsigned unroll = atom_is_short(t) ? offsets ? g->G : UNROLL : 1;
	struct count n;

	count_begin(t, &n, carry);
	carry = n.carry;
	for (unsigned u = 0; u < unroll; u++) {
		val lane = u ? LLVMBuildOr(g->b, n.i, LLVMConstInt(g->i64, u, 0), "") : n.i;

		if (offsets && unroll == g->G) {
			if (u == 0)
				t->offs = LLVMBuildLoad2(g->b, offsets_type(g), coll_at(g, g->i32, t->addrs, lane), "");
			t->off = lane_offset(t, u);
		}
		carry = body(t, lane, carry);
	}
	t->off = NULL;
	count_end(t, &n, unroll, g->W, carry);
	return carry;
}

static val warp_lanes(struct atom *t, atom_body body, val lanes, val base, val carry)
{
	struct gen *g = t->g;
	struct coll_loop l;
	val lane, next, none = LLVMConstInt(g->i32, 0, 0);

	coll_loop_begin(g, &l, lanes, &carry, carry ? 1 : 0);
	lane = LLVMBuildZExt(g->b, l.lane, g->i64, "");
	if (base)
		lane = LLVMBuildOr(g->b, lane, base, "");
	next = body(t, lane, carry ? l.phi[0] : NULL);
	coll_loop_end(g, &l, &next, none);
	return carry ? l.phi[0] : NULL;
}

val atom_lanes(struct atom *t, atom_body body, val carry)
{
	struct gen *g = t->g;
	struct count n;
	val m;

	if (t->in_regs)
		return lanes_in_regs(t, body, carry);
	if (!t->masks)
		return all_lanes(t, body, carry);
	if (g->n_warps == 1)
		return warp_lanes(t, body, LLVMBuildLoad2(g->b, g->i32, t->masks, ""), NULL, carry);
	count_begin(t, &n, carry);
	m = LLVMBuildLoad2(g->b, g->i32, coll_at(g, g->i32, t->masks, n.i), "");
	carry = warp_lanes(t, body, m, LLVMBuildShl(g->b, n.i, LLVMConstInt(g->i64, 5, 0), ""), n.carry);
	count_end(t, &n, 1, g->n_warps, carry);
	return carry;
}

/* ---- operands by lane in memory ---- */

static unsigned group_align(const struct atom *t, unsigned bits)
{
	unsigned n = t->g->G * bits / 8;

	return n > 64 ? 64 : n;
}

static val group_at(struct atom *t, val p, unsigned bits, unsigned n)
{
	struct gen *g = t->g;

	return coll_at(g, LLVMIntTypeInContext(g->cx, bits), p, LLVMConstInt(g->i64, n * g->G, 0));
}

static void lay_out(struct atom *t, const struct gen_val *v, unsigned have, unsigned bits, val *one_out, val *all_out)
{
	struct gen *g = t->g;

	if (v->shape == GEN_U) {
		*one_out = gen_cut(g, v->u, bits);
		return;
	}
	*all_out = coll_scratch(g, LLVMIntTypeInContext(g->cx, bits), g->W);
	for (unsigned n = 0; n < g->NG; n++) {
		val x = gen_cut(g, gen_group(g, v, have, n), bits);

		LLVMSetAlignment(LLVMBuildStore(g->b, x, group_at(t, *all_out, bits, n)), group_align(t, bits));
	}
}

val atom_operand(struct atom *t, val one_, val all, LLVMTypeRef type, val lane)
{
	if (one_ || !all)
		return one_;
	return LLVMBuildLoad2(t->g->b, type, coll_at(t->g, type, all, lane), "");
}

void atom_keep_old(struct atom *t, val lane, val old)
{
	if (t->olds)
		LLVMBuildStore(t->g->b, old, coll_at(t->g, t->t, t->olds, lane));
}

/* Addresses as offsets from the base, which take half the memory. */
static void find_offsets(struct atom *t)
{
	struct gen *g = t->g;

	t->addr_v.shape = GEN_V;
	for (unsigned n = 0; n < g->NG; n++)
		t->addr_v.v[n] = gen_cut(g, LLVMBuildSub(g->b, gen_group(g, &t->a->addr, 64, n), gen_splat(g, t->a->base), ""), 32);
}

static void keep_groups(struct atom *t, const struct gen_val *v, unsigned have, val *one_out, struct gen_val *groups_out)
{
	struct gen *g = t->g;

	if (v->shape == GEN_U) {
		*one_out = gen_cut(g, v->u, t->bits);
		return;
	}
	groups_out->shape = GEN_V;
	for (unsigned n = 0; n < g->NG; n++)
		groups_out->v[n] = gen_cut(g, gen_group(g, v, have, n), t->bits);
}

/* So few lanes that each has its own code. */
static bool fits_in_regs(const struct atom *t)
{
	const struct gen_atom *a = t->a;

	return !t->g->quick && atom_is_short(t) && a->base && a->addr.shape != GEN_U && a->m.full && t->g->W <= REGS_LANES;
}

void atom_lay_out(struct atom *t)
{
	struct gen *g = t->g;
	struct gen_atom *a = t->a;
	val groups[GEN_MAX_NG];

	t->in_regs = fits_in_regs(t);
	if (a->base && a->addr.shape != GEN_U)
		find_offsets(t);
	if (t->in_regs) {
		keep_groups(t, &a->b, a->b_bits, &t->b, &t->b_v);
		if (a->i->atom == IR_ATOM_CAS)
			keep_groups(t, &a->c, a->c_bits, &t->c, &t->c_v);
	} else {
		if (t->addr_v.shape == GEN_V)
			lay_out(t, &t->addr_v, 32, 32, &t->addr, &t->addrs);
		else
			lay_out(t, &a->addr, 64, 64, &t->addr, &t->addrs);
		lay_out(t, &a->b, a->b_bits, t->bits, &t->b, &t->bs);
		if (a->i->atom == IR_ATOM_CAS)
			lay_out(t, &a->c, a->c_bits, t->bits, &t->c, &t->cs);
	}
	if (a->wanted)
		t->olds = coll_scratch(g, t->t, g->W);
	if (a->m.full)
		return;
	t->masks = coll_scratch(g, g->i32, g->n_warps);
	for (unsigned n = 0; n < g->NG; n++)
		groups[n] = gen_mask_group(g, &a->m, n);
	for (unsigned w = 0; w < g->n_warps; w++)
		LLVMBuildStore(g->b, gen_warp_bits(g, groups, w), coll_at(g, g->i32, t->masks, LLVMConstInt(g->i64, w, 0)));
}

void atom_put_away(struct atom *t)
{
	val all[] = { t->addrs, t->bs, t->cs, t->olds, t->masks };

	for (unsigned n = 0; n < ARRAY_SIZE(all); n++)
		if (all[n])
			coll_scratch_end(t->g, all[n]);
}

static void load_olds(struct atom *t)
{
	struct gen *g = t->g;

	t->a->dst.shape = GEN_V;
	for (unsigned n = 0; n < g->NG && t->olds; n++) {
		val v = LLVMBuildLoad2(g->b, gen_int_type(g, t->bits, g->G), group_at(t, t->olds, t->bits, n), "");

		LLVMSetAlignment(v, group_align(t, t->bits));
		/* lanes that took no part were never written */
		t->a->dst.v[n] = t->masks ? LLVMBuildFreeze(g->b, v, "") : v;
	}
}

/* ---- addresses of their own ---- */

static val lane_address(struct atom *t, val lane)
{
	struct gen *g = t->g;

	if (t->off)
		return LLVMBuildAdd(g->b, t->a->base, t->off, "");
	if (!t->a->base || !t->addrs)
		return atom_operand(t, t->addr, t->addrs, g->i64, lane);
	return LLVMBuildAdd(g->b, t->a->base, gen_cut(g, atom_operand(t, NULL, t->addrs, g->i32, lane), 64), "");
}

/* lane: a constant where groups are in registers. */
static val lane_operand(struct atom *t, val one_, val all, const struct gen_val *groups, val lane)
{
	struct gen *g = t->g;
	unsigned l;

	if (groups->shape != GEN_V)
		return atom_operand(t, one_, all, t->t, lane);
	l = (unsigned)LLVMConstIntGetZExtValue(lane);
	return LLVMBuildExtractElement(g->b, groups->v[l / g->G], LLVMConstInt(g->i32, l % g->G, 0), "");
}

static val lane_alone(struct atom *t, val lane, val carry)
{
	val addr = lane_address(t, lane);
	val b = lane_operand(t, t->b, t->bs, &t->b_v, lane), c = lane_operand(t, t->c, t->cs, &t->c_v, lane);

	atom_keep_old(t, lane, atom_one(t, addr, b, c));
	return carry;
}

static enum atom_ftz find_ftz(const struct gen_atom *a)
{
	if (a->shared || a->i->space == IR_SPACE_SHARED || a->i->space == IR_SPACE_SHARED_CLUSTER)
		return ATOM_NO_FTZ;
	return a->i->space == IR_SPACE_GLOBAL ? ATOM_FTZ : ATOM_FTZ_BY_ADDRESS;
}

void atom_do_lanes(struct atom *t)
{
	atom_lanes(t, lane_alone, NULL);
}

void atom_init(struct atom *t, struct gen *g, struct gen_atom *a)
{
	*t = (struct atom){ .g = g, .a = a, .bits = ir_type_bits(a->i->type), .ftz = find_ftz(a) };
	t->t = LLVMIntTypeInContext(g->cx, t->bits);
}

bool gen_atom(struct gen *g, struct gen_atom *a)
{
	struct atom t;
	bool uniform = a->addr.shape == GEN_U;
	val old;

	if (!gen_atom_has(g, a->i))
		return false;
	atom_init(&t, g, a);
	if (uniform && atom_combines(a->i)) {
		old = atom_one_address(&t);
		if (a->wanted)
			atom_prefixes(&t, old);
		return true;
	}
	atom_lay_out(&t);
	if (uniform)
		atom_one_address(&t);
	else
		atom_do_lanes(&t);
	if (a->wanted)
		load_olds(&t);
	atom_put_away(&t);
	return true;
}

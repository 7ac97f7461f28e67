/* decode_mem.c: decoding of what touches memory or computes addresses. */
#include <string.h>

#include "backend/interp/fast.h"

static uint64_t low_bits(unsigned n)
{
	return n >= 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

/* Rows of a scalar or vector operand; a 128-bit element counts as two of 64. */
static bool element_rows(struct in_dec *d, const struct ir_opnd *o, bool dst, uint8_t type, uint32_t rows[16], unsigned *n_out)
{
	const struct ir_opnd *e = o->kind == IR_OPND_VEC ? o->vec : o;
	unsigned n = o->kind == IR_OPND_VEC ? o->n_vec : 1, k = 0;

	if (n > 8)
		return !in_refuse(d, "a vector of that length is not implemented");
	for (unsigned j = 0; j < n; j++) {
		if (dst && (e[j].kind == IR_OPND_SINK || e[j].kind == IR_OPND_NONE)) {
			rows[k++] = IN_NOROW;
			if (type == IR_T_B128)
				rows[k++] = IN_NOROW;
			continue;
		}
		rows[k++] = dst ? in_dst(d, &e[j]) : in_src(d, &e[j], type);
		if (type != IR_T_B128)
			continue;
		if (e[j].kind != IR_OPND_REG)
			return !in_refuse(d, "a 128-bit operand must be a register");
		rows[k] = rows[k - 1] + 1;
		k++;
	}
	*n_out = k;
	return true;
}

static bool access_size(struct in_dec *d, uint32_t *size_out)
{
	uint8_t t = d->ir->type;
	uint32_t size = t == IR_T_B128 ? 8 : ir_type_size(t);

	*size_out = size;
	if (t == IR_T_PRED || !size || size > 8 || ir_type_bits(t) % 8)
		return !in_refuse(d, "memory access of that type is not implemented");
	return true;
}

static uint64_t load_mask(const struct in_dec *d, const struct ir_opnd *o)
{
	if (o->kind != IR_OPND_VEC)
		return d->ir->type == IR_T_B128 ? UINT64_MAX : low_bits(in_reg_bits(d, o));
	for (unsigned k = 0; k < o->n_vec; k++)
		if (o->vec[k].kind == IR_OPND_REG)
			return d->ir->type == IR_T_B128 ? UINT64_MAX : low_bits(in_reg_bits(d, &o->vec[k]));
	return UINT64_MAX;
}

static uint32_t *keep_rows(struct in_dec *d, const uint32_t *rows, unsigned n)
{
	uint32_t *p = in_own(d->k, n * sizeof(*p));

	if (p)
		memcpy(p, rows, n * sizeof(*p));
	else
		d->nomem = true;
	return p;
}

static in_fn ld_runner(const struct in_dec *d, unsigned n, bool uniform)
{
	bool weak = d->ir->order == IR_ORD_WEAK;

	if (n > 1)
		return weak ? d->k->fast->ld_vec : in_run_ld_vec;
	return uniform ? in_run_ld_param : weak ? d->k->fast->ld : in_run_ld;
}

static in_fn st_runner(const struct in_dec *d, unsigned n)
{
	bool weak = d->ir->order == IR_ORD_WEAK;

	if (n > 1)
		return weak ? d->k->fast->st_vec : in_run_st_vec;
	return weak ? d->k->fast->st : in_run_st;
}

static void decode_ld(struct in_dec *d)
{
	const struct ir_insn *ir = d->ir;
	uint32_t rows[16], size;
	struct in_where w;
	struct in_insn *i;
	bool uniform;
	unsigned n;

	if (!access_size(d, &size) || !in_where(d, &ir->src[0], ir->space, &w) ||
	    !element_rows(d, &ir->dst[0], true, ir->type, rows, &n))
		return;
	uniform = (w.space == IR_SPACE_PARAM || w.space == IR_SPACE_CONST) && w.a & IN_CONST_ROW;
	if (n * size > 32) {
		in_refuse(d, "a vector of that length is not implemented");
		return;
	}
	if (n == 1 && rows[0] == IN_NOROW)
		rows[0] = d->f->scratch_row;
	i = in_emit(d, ld_runner(d, n, uniform));
	in_set_where(i, &w);
	i->size = size;
	i->sign = ir_type_class(ir->type) == IR_TC_SINT;
	i->mask = load_mask(d, &ir->dst[0]);
	i->order = ir->order;
	i->d = rows[0];
	i->n_vec = (uint8_t)n;
	if (n > 1)
		i->vec = keep_rows(d, rows, n);
}

static void decode_st(struct in_dec *d)
{
	const struct ir_insn *ir = d->ir;
	uint32_t rows[16], size;
	struct in_where w;
	struct in_insn *i;
	unsigned n;

	if (!access_size(d, &size) || !in_where(d, &ir->src[0], ir->space, &w) ||
	    !element_rows(d, &ir->src[1], false, ir->type, rows, &n))
		return;
	if (n * size > 32) {
		in_refuse(d, "a vector of that length is not implemented");
		return;
	}
	i = in_emit(d, st_runner(d, n));
	in_set_where(i, &w);
	i->size = size;
	i->order = ir->order;
	i->b = rows[0];
	i->n_vec = (uint8_t)n;
	if (n > 1)
		i->vec = keep_rows(d, rows, n);
}

static void decode_atom_wide(struct in_dec *d, in_fn fn, const struct in_where *w)
{
	const struct ir_insn *ir = d->ir;
	bool cas = ir->atom == IR_ATOM_CAS;
	uint32_t hi[2];
	struct in_insn *i;

	if (ir->src[1].kind != IR_OPND_REG || (cas && ir->src[2].kind != IR_OPND_REG) || ir->dst[0].kind != IR_OPND_REG) {
		in_refuse(d, "a 128-bit operand must be a register");
		return;
	}
	i = in_emit(d, fn);
	in_set_where(i, w);
	i->d = in_dst(d, &ir->dst[0]);
	i->d2 = i->d + 1;
	i->b = in_src(d, &ir->src[1], ir->type);
	i->c = cas ? in_src(d, &ir->src[2], ir->type) : i->b;
	hi[0] = i->b + 1;
	hi[1] = i->c + 1;
	i->vec = keep_rows(d, hi, 2);
}

static bool is_float(uint8_t type)
{
	return ir_type_class(type) == IR_TC_FLOAT || ir_type_class(type) == IR_TC_PACKED;
}

static void decode_atom_vec(struct in_dec *d, in_fn fn, const struct in_where *w)
{
	const struct ir_insn *ir = d->ir;
	uint32_t rows[32], n_src, n_dst = 0;
	struct in_insn *i;

	if (ir->n_dst) {
		if (!element_rows(d, &ir->dst[0], true, ir->type, rows, &n_dst))
			return;
	} else {
		n_dst = ir->vec;
		for (unsigned k = 0; k < n_dst && k < 16; k++)
			rows[k] = IN_NOROW;
	}
	if (n_dst > 8 || !element_rows(d, &ir->src[1], false, ir->type, rows + n_dst, &n_src))
		return;
	if (n_src != n_dst || n_src != ir->vec) {
		in_refuse(d, "its vectors have different lengths");
		return;
	}
	i = in_emit(d, fn);
	in_set_where(i, w);
	i->size = ir_type_size(ir->type);
	i->sign = is_float(ir->type);
	i->n_vec = (uint8_t)n_src;
	i->vec = keep_rows(d, rows, n_src + n_dst);
}

static void decode_atom(struct in_dec *d)
{
	const struct ir_insn *ir = d->ir;
	in_fn fn = in_atom_select(ir);
	struct in_where w;
	struct in_insn *i;
	uint32_t b, c;

	if (!fn) {
		in_refuse(d, "it is not implemented");
		return;
	}
	if (!in_where(d, &ir->src[0], ir->space, &w))
		return;
	if (ir->type == IR_T_B128) {
		decode_atom_wide(d, fn, &w);
		return;
	}
	if (ir->vec > 1) {
		decode_atom_vec(d, fn, &w);
		return;
	}
	b = in_src(d, &ir->src[1], ir->type);
	c = ir->atom == IR_ATOM_CAS ? in_src(d, &ir->src[2], ir->type) : b;
	i = in_emit(d, fn);
	in_set_where(i, &w);
	i->size = ir_type_size(ir->type);
	i->sign = is_float(ir->type);
	i->d = ir->n_dst && ir->dst[0].kind == IR_OPND_REG ? in_dst(d, &ir->dst[0]) : IN_NOROW;
	i->b = b;
	i->c = c;
}

static void decode_cp_copy(struct in_dec *d)
{
	const struct ir_insn *ir = d->ir;
	const struct ir_opnd *n = ir->n_src > 2 ? &ir->src[2] : NULL;
	bool pred = n && n->kind == IR_OPND_REG && d->f->ir->regs[n->reg].type == IR_T_PRED;
	/* A 64-bit register in that place is a cache policy. */
	bool sized = n && n->kind != IR_OPND_NONE && !pred && !(n->kind == IR_OPND_REG && in_reg_bits(d, n) == 64);
	struct in_where to, from;
	struct in_insn *i;
	uint32_t e;

	if (ir->extra != 4 && ir->extra != 8 && ir->extra != 16) {
		in_refuse(d, "its size must be 4, 8 or 16");
		return;
	}
	if (!in_where(d, &ir->src[0], ir->space, &to) ||
	    !in_where(d, &ir->src[1], ir->space2 ? ir->space2 : IR_SPACE_GLOBAL, &from))
		return;
	if (from.frame_base || from.addr32) {
		in_refuse(d, "its source must be a global address");
		return;
	}
	e = pred || sized ? in_src(d, n, IR_T_U32) : in_const(d, ir->extra);
	i = in_emit(d, in_run_cp_async);
	in_set_where(i, &to);
	i->size = ir->extra;
	i->d = from.a;
	i->mask = (uint64_t)from.off;
	i->target = from.space;
	i->e = e;
	i->sign = pred;
}

static void decode_cp(struct in_dec *d)
{
	struct in_where w;
	struct in_insn *i;

	switch (d->ir->mode) {
	case IR_MODE_NONE:
		decode_cp_copy(d);
		return;
	case IR_MODE_COMMIT:
	case IR_MODE_WAIT_GROUP:
	case IR_MODE_WAIT_ALL:
		in_emit(d, in_run_nop);
		return;
	case IR_MODE_ARRIVE:
		if (!in_where(d, &d->ir->src[0], d->ir->space, &w))
			return;
		i = in_emit(d, in_run_mbar_cp_arrive);
		in_set_where(i, &w);
		i->size = 8;
		return;
	}
	in_refuse(d, "it is not implemented");
}

static void decode_mbarrier(struct in_dec *d)
{
	const struct ir_insn *ir = d->ir;
	in_fn fn = in_mbar_select(ir);
	bool mem = ir->mode != IR_MODE_PENDING_COUNT;
	struct in_where w = { .a = IN_CONST_ROW };
	struct in_insn *i;
	uint32_t b = 0, c;

	if (!fn) {
		in_refuse(d, "it is not implemented");
		return;
	}
	if (mem && !in_where(d, &ir->src[0], ir->space, &w))
		return;
	if (!mem)
		w.a = in_src(d, &ir->src[0], IR_T_B64);
	/* An arrival without a count is one arrival. */
	b = mem && ir->n_src > 1 ? in_src(d, &ir->src[1], IR_T_NONE) : in_const(d, 1);
	c = in_const(d, 0);
	i = in_emit(d, fn);
	in_set_where(i, &w);
	i->size = 8;
	i->b = b;
	i->c = c;
	i->d = ir->n_dst ? in_dst(d, &ir->dst[0]) : d->f->scratch_row;
}

static void decode_address(struct in_dec *d, in_fn fn, uint8_t space, bool symbol_space)
{
	const struct ir_insn *ir = d->ir;
	uint32_t b = ir->n_src > 1 ? in_src(d, &ir->src[1], IR_T_U32) : IN_CONST_ROW;
	struct in_where w;
	struct in_insn *i;

	if (!in_where(d, &ir->src[0], symbol_space ? IR_SPACE_GENERIC : space, &w))
		return;
	i = in_emit(d, fn);
	in_set_where(i, &w);
	/* cvta.param of a .func's parameter: the frame's */
	if (!(w.frame_base && (space == IR_SPACE_PARAM || space == IR_SPACE_LOCAL || space == IR_SPACE_PARAM_FUNC)))
		i->space = space == IR_SPACE_PARAM && !d->f->ir->is_entry ? IR_SPACE_PARAM_FUNC : space;
	i->addr32 = false;
	i->b = b;
	i->d = in_dst(d, &ir->dst[0]);
}

static void decode_stack(struct in_dec *d)
{
	const struct ir_insn *ir = d->ir;
	bool alloca_ = ir->op == IR_OP_alloca;
	uint32_t a = ir->n_src ? in_src(d, &ir->src[0], ir->type) : IN_CONST_ROW;
	uint32_t b = alloca_ && ir->n_src > 1 ? in_src(d, &ir->src[1], IR_T_U32) : in_const(d, 8);
	struct in_insn *i = in_emit(d, alloca_ ? in_run_alloca : ir->op == IR_OP_stacksave ? in_run_stacksave :
				    in_run_stackrestore);

	d->k->uses_local = true;
	i->a = a;
	i->b = b;
	if (ir->n_dst)
		i->d = in_dst(d, &ir->dst[0]);
}

static void decode_isspacep(struct in_dec *d)
{
	uint32_t a = in_src(d, &d->ir->src[0], IR_T_U64);
	struct in_insn *i = in_emit(d, in_run_isspacep);

	i->a = a;
	i->space = d->ir->space;
	i->d = in_dst(d, &d->ir->dst[0]);
}

/* The value doesn't matter: nothing here has a cache to advise. */
static void decode_policy(struct in_dec *d)
{
	uint32_t zero = in_const(d, 0);
	struct in_insn *i = in_emit(d, in_run_mov);

	i->a = zero;
	i->d = in_dst(d, &d->ir->dst[0]);
}

bool in_decode_mem(struct in_dec *d)
{
	switch (d->ir->op) {
	case IR_OP_ld:
	case IR_OP_ldu: decode_ld(d); return true;
	case IR_OP_st: decode_st(d); return true;
	case IR_OP_atom:
	case IR_OP_red: decode_atom(d); return true;
	case IR_OP_cp: decode_cp(d); return true;
	case IR_OP_mbarrier: decode_mbarrier(d); return true;
	case IR_OP_cvta: decode_address(d, d->k->fast->cvta, d->ir->space, true); return true;
	case IR_OP_mapa: decode_address(d, in_run_mapa, d->ir->space, false); return true;
	case IR_OP_getctarank: decode_address(d, in_run_getctarank, d->ir->space, false); return true;
	case IR_OP_isspacep: decode_isspacep(d); return true;
	case IR_OP_alloca:
	case IR_OP_stacksave:
	case IR_OP_stackrestore: decode_stack(d); return true;
	case IR_OP_createpolicy: decode_policy(d); return true;
	case IR_OP_membar:
	case IR_OP_fence: in_emit(d, in_run_fence); return true;
	case IR_OP_prefetch:
	case IR_OP_prefetchu:
	case IR_OP_discard:
	case IR_OP_applypriority: in_emit(d, in_run_nop); return true;
	}
	return false;
}

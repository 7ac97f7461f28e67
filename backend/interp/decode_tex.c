/* decode_tex.c: decoding of textures and surfaces: tex, tld4, suld, sust, sured, txq, suq. */
#include <string.h>

#include "backend/interp/interp.h"
#include "backend/tex.h"

/* How coordinates stand in the vector: an array's layer comes first. */
static const struct {
	uint8_t shape, dims;
	bool layer;
} shapes[] = {
	[IR_SHAPE_1D] = { TEX_1D, 1, false }, [IR_SHAPE_2D] = { TEX_2D, 2, false }, [IR_SHAPE_3D] = { TEX_3D, 3, false },
	[IR_SHAPE_A1D] = { TEX_A1D, 1, true }, [IR_SHAPE_A2D] = { TEX_A2D, 2, true }, [IR_SHAPE_CUBE] = { TEX_CUBE, 3, false },
	[IR_SHAPE_ACUBE] = { TEX_ACUBE, 3, true },
};

static struct in_tex *new_tex(struct in_dec *d)
{
	struct in_tex *t = in_own(d->k, sizeof(*t));

	if (!t) {
		d->nomem = true;
		return NULL;
	}
	t->layer = t->lod = t->resident = IN_NOROW;
	for (int k = 0; k < 4; k++)
		t->d[k] = t->v[k] = IN_NOROW;
	for (int k = 0; k < 3; k++)
		t->x[k] = t->dx[k] = t->dy[k] = t->off[k] = IN_NOROW;
	t->gather = -1;
	return t;
}

/* Element k of a vector, or the only one of a scalar. */
static const struct ir_opnd *element(const struct ir_opnd *o, unsigned k)
{
	if (o->kind == IR_OPND_VEC)
		return k < o->n_vec ? &o->vec[k] : NULL;
	return k ? NULL : o;
}

static bool rows_of(struct in_dec *d, const struct ir_opnd *o, unsigned n, uint32_t *rows, const char *what)
{
	for (unsigned k = 0; k < n; k++) {
		const struct ir_opnd *e = element(o, k);

		if (!e)
			return !in_refuse(d, what);
		rows[k] = in_src(d, e, IR_T_B32);
	}
	return true;
}

static bool decode_coords(struct in_dec *d, struct in_tex *t)
{
	const struct ir_insn *ir = d->ir;
	const struct ir_opnd v = { .kind = IR_OPND_VEC, .n_vec = ir->src[0].n_vec, .vec = ir->src[0].vec };
	uint32_t rows[4];
	unsigned dims, first;

	if (ir->shape >= ARRAY_SIZE(shapes) || !shapes[ir->shape].dims)
		return !in_refuse(d, "textures of several samples are not implemented");
	t->shape = shapes[ir->shape].shape;
	dims = shapes[ir->shape].dims;
	first = shapes[ir->shape].layer;
	if (!rows_of(d, &v, first + dims, rows, "it has too few coordinates"))
		return false;
	if (first)
		t->layer = rows[0];
	for (unsigned k = 0; k < dims; k++)
		t->x[k] = rows[first + k];
	return true;
}

/* The texture: its handle in a register, or a variable that has it. */
static bool decode_handle(struct in_dec *d, struct in_where *w)
{
	struct ir_opnd o = d->ir->src[0];

	/* its vector is the coordinates */
	o.n_vec = 0;
	o.vec = NULL;
	if (d->ir->flags & IR_F_SAMPLER)
		return !in_refuse(d, "a sampler apart from the texture is not implemented");
	if (!in_where(d, &o, IR_SPACE_GENERIC, w))
		return false;
	if (o.mem_base == IR_BASE_SYM && (w->frame_base || w->space != IR_SPACE_GLOBAL))
		return !in_refuse(d, "only .global texture and surface variables are implemented");
	return true;
}

static struct in_insn *emit(struct in_dec *d, in_fn fn, const struct in_tex *t, const struct in_where *w)
{
	struct in_insn *i = in_emit(d, fn);

	in_set_where(i, w);
	i->tex = t;
	return i;
}

static bool decode_results(struct in_dec *d, const struct ir_opnd *o, uint32_t rows[4])
{
	if (o->kind == IR_OPND_VEC && o->n_vec > 4)
		return !in_refuse(d, "a vector of that length is not implemented");
	for (unsigned k = 0; k < 4; k++) {
		const struct ir_opnd *e = element(o, k);

		if (e && e->kind == IR_OPND_REG)
			rows[k] = in_dst(d, e);
	}
	return true;
}

static bool is_float_reg(const struct in_dec *d, const struct ir_opnd *o)
{
	return o->kind == IR_OPND_REG && ir_type_class(d->f->ir->regs[o->reg].type) == IR_TC_FLOAT;
}

/* What may stand behind: offsets, then a value to compare depths with. */
static bool decode_offsets(struct in_dec *d, struct in_tex *t, unsigned at)
{
	const struct ir_insn *ir = d->ir;
	unsigned dims = shapes[ir->shape].dims;
	const struct ir_opnd *o = &ir->src[at];

	if (at >= ir->n_src)
		return true;
	if (at + 1 < ir->n_src || (o->kind != IR_OPND_VEC && (dims > 1 || is_float_reg(d, o))))
		return !in_refuse(d, "depth comparison is not implemented");
	return rows_of(d, o, dims, t->off, "it has too few offsets");
}

static void decode_sample(struct in_dec *d)
{
	const struct ir_insn *ir = d->ir;
	struct in_tex *t = new_tex(d);
	unsigned at = 1, dims;
	struct in_where w;

	if (!t || !decode_coords(d, t) || !decode_handle(d, &w))
		return;
	dims = shapes[ir->shape].dims;
	t->int_coords = ir->stype == IR_T_S32;
	t->result = ir->type == IR_T_F16X2 ? TEX_RF16X2 : ir->type == IR_T_F16 ? TEX_RF16 : TEX_R32;
	if (ir->op == IR_OP_tld4) {
		t->gather = (int8_t)(ir->mode - IR_MODE_COMP_R);
		if (dims == 1 || t->shape == TEX_3D) {
			in_refuse(d, "it gathers from two-dimensional textures only");
			return;
		}
	} else if (ir->mode == IR_MODE_LEVEL) {
		t->lod_mode = TEX_LOD;
		if (!rows_of(d, &ir->src[at++], 1, &t->lod, "it has no level"))
			return;
	} else if (ir->mode == IR_MODE_GRAD) {
		t->lod_mode = TEX_GRAD;
		if (!rows_of(d, &ir->src[at], dims, t->dx, "it has too few gradients") ||
		    !rows_of(d, &ir->src[at + 1], dims, t->dy, "it has too few gradients"))
			return;
		at += 2;
	}
	if (!decode_offsets(d, t, at) || !decode_results(d, &ir->dst[0], t->d))
		return;
	if (ir->n_dst > 1 && ir->dst[1].kind == IR_OPND_REG)
		t->resident = in_dst(d, &ir->dst[1]);
	emit(d, in_run_tex, t, &w);
}

static bool decode_surface(struct in_dec *d, struct in_tex *t, struct in_where *w)
{
	const struct ir_insn *ir = d->ir;

	if (!decode_coords(d, t) || !decode_handle(d, w))
		return false;
	if (t->shape == TEX_CUBE || t->shape == TEX_ACUBE)
		return !in_refuse(d, "surfaces have no such geometry");
	t->oob = ir->flags & IR_F_ZERO ? TEX_OOB_ZERO : ir->flags & IR_F_CLAMP ? TEX_OOB_CLAMP : TEX_OOB_TRAP;
	t->formatted = ir->flags & IR_F_FORMATTED;
	t->elem_B = (uint8_t)ir_type_size(ir->type);
	t->n_vec = ir->vec;
	if (t->n_vec > 4 || (!t->formatted && t->elem_B * t->n_vec > 16))
		return !in_refuse(d, "an access of more than 16 bytes is not implemented");
	return true;
}

static void decode_suld(struct in_dec *d)
{
	struct in_tex *t = new_tex(d);
	struct in_where w;

	if (t && decode_surface(d, t, &w) && decode_results(d, &d->ir->dst[0], t->d))
		emit(d, in_run_suld, t, &w);
}

static void decode_sust(struct in_dec *d)
{
	static const uint8_t reds[] = {
		[IR_ATOM_ADD] = TEX_RED_ADD, [IR_ATOM_MIN] = TEX_RED_MIN, [IR_ATOM_MAX] = TEX_RED_MAX, [IR_ATOM_AND] = TEX_RED_AND,
		[IR_ATOM_OR] = TEX_RED_OR,
	};
	const struct ir_insn *ir = d->ir;
	struct in_tex *t = new_tex(d);
	struct in_where w;

	if (!t || !decode_surface(d, t, &w) || !rows_of(d, &ir->src[1], t->n_vec, t->v, "its value is too short"))
		return;
	t->store = ir->type == IR_T_F32 ? TEX_STORE_F32 : ir->type == IR_T_U32 ? TEX_STORE_U32 : ir->type == IR_T_S32 ? TEX_STORE_S32 :
		   TEX_STORE_RAW;
	t->is_signed = ir->type == IR_T_S32 || ir->type == IR_T_S64;
	if (ir->op == IR_OP_sured)
		t->red = reds[ir->atom];
	emit(d, in_run_sust, t, &w);
}

static void decode_query(struct in_dec *d)
{
	static const uint8_t queries[IR_MODE_COUNT] = {
		[IR_MODE_Q_WIDTH] = 1 + TEX_Q_WIDTH, [IR_MODE_Q_HEIGHT] = 1 + TEX_Q_HEIGHT, [IR_MODE_Q_DEPTH] = 1 + TEX_Q_DEPTH,
		[IR_MODE_Q_CHANNEL_DATA_TYPE] = 1 + TEX_Q_CHAN_TYPE, [IR_MODE_Q_CHANNEL_ORDER] = 1 + TEX_Q_CHAN_ORDER,
		[IR_MODE_Q_NORMALIZED_COORDS] = 1 + TEX_Q_NORMALIZED, [IR_MODE_Q_ARRAY_SIZE] = 1 + TEX_Q_ARRAY_SIZE,
		[IR_MODE_Q_NUM_MIPMAP_LEVELS] = 1 + TEX_Q_LEVELS, [IR_MODE_Q_NUM_SAMPLES] = 1 + TEX_Q_SAMPLES,
		[IR_MODE_Q_FILTER_MODE] = 1 + TEX_Q_FILTER, [IR_MODE_Q_ADDR_MODE_0] = 1 + TEX_Q_ADDR_0,
		[IR_MODE_Q_ADDR_MODE_1] = 1 + TEX_Q_ADDR_1, [IR_MODE_Q_ADDR_MODE_2] = 1 + TEX_Q_ADDR_2,
		[IR_MODE_Q_MEMORY_LAYOUT] = 1 + TEX_Q_LAYOUT,
	};
	const struct ir_insn *ir = d->ir;
	struct in_tex *t = new_tex(d);
	struct in_where w;
	struct in_insn *i;

	if (!t || !decode_handle(d, &w))
		return;
	if (!queries[ir->mode]) {
		in_refuse(d, "that query is not implemented");
		return;
	}
	t->query = (uint8_t)(queries[ir->mode] - 1);
	if (ir->flags & IR_F_LEVEL && !rows_of(d, &ir->src[1], 1, &t->lod, "it has no level"))
		return;
	i = emit(d, in_run_txq, t, &w);
	i->d = in_dst(d, &ir->dst[0]);
}

bool in_decode_tex(struct in_dec *d)
{
	switch (d->ir->op) {
	case IR_OP_tex:
	case IR_OP_tld4: decode_sample(d); return true;
	case IR_OP_suld: decode_suld(d); return true;
	case IR_OP_sust:
	case IR_OP_sured: decode_sust(d); return true;
	case IR_OP_txq:
	case IR_OP_suq: decode_query(d); return true;
	}
	return false;
}

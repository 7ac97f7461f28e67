/*
 * place.c: registers of the function being emitted: their places in each
 * world, values on their way between blocks, worlds, and the gang's frame.
 */
#include <string.h>

#include "backend/simd/gen/emit.h"

LLVMTypeRef gen_mask_type(struct gen *g)
{
	return LLVMVectorType(g->isa == SD_ISA_AVX512 ? g->i1 : g->i32, g->G);
}

val gen_mask_pack(struct gen *g, val m)
{
	return g->isa == SD_ISA_AVX512 ? m : LLVMBuildSExt(g->b, m, gen_mask_type(g), "");
}

val gen_mask_unpack(struct gen *g, val m)
{
	if (g->isa == SD_ISA_AVX512)
		return m;
	return LLVMBuildICmp(g->b, LLVMIntSLT, m, LLVMConstNull(LLVMTypeOf(m)), "");
}

/* How a group of a V register is stored. */
static LLVMTypeRef group_type(struct gen *g, unsigned bits)
{
	return bits == 1 ? gen_mask_type(g) : gen_int_type(g, bits, g->G);
}

static val pack(struct gen *g, val v, unsigned bits)
{
	return bits == 1 ? gen_mask_pack(g, v) : v;
}

static val unpack(struct gen *g, val v, unsigned bits)
{
	return bits == 1 ? gen_mask_unpack(g, v) : v;
}

/* At the top of the function, whatever is being emitted. */
val gen_alloca(struct gen_emit *e, LLVMTypeRef t)
{
	LLVMBasicBlockRef here = LLVMGetInsertBlock(e->g->b);
	val first = LLVMGetFirstInstruction(e->entry), a;

	if (first)
		LLVMPositionBuilderBefore(e->g->b, first);
	else
		LLVMPositionBuilderAtEnd(e->g->b, e->entry);
	a = LLVMBuildAlloca(e->g->b, t, "");
	if (LLVMGetTypeKind(t) == LLVMVectorTypeKind)
		LLVMSetAlignment(a, 64);
	LLVMPositionBuilderAtEnd(e->g->b, here);
	return a;
}

static struct gen_place *place(struct gen_emit *e, unsigned world, uint32_t r)
{
	struct gen_place *p = &e->place[world][r];
	const struct gen_shp *s = &e->f->shp[world][r];
	unsigned bits = e->f->regs.v[r].bits;

	if (s->shape == GEN_V) {
		for (unsigned n = 0; n < e->g->NG && !p->v[n]; n++)
			p->v[n] = gen_alloca(e, group_type(e->g, bits));
		return p;
	}
	if (!p->u)
		p->u = gen_alloca(e, gen_int_type(e->g, bits, 1));
	if (s->shape == GEN_P && s->pat->has_k && !p->k)
		p->k = gen_alloca(e, gen_int_type(e->g, bits, 1));
	return p;
}

static void load(struct gen_emit *e, unsigned world, uint32_t r, struct gen_val *out)
{
	struct gen *g = e->g;
	const struct gen_shp *s = &e->f->shp[world][r];
	const struct gen_place *p = place(e, world, r);
	unsigned bits = e->f->regs.v[r].bits;
	LLVMTypeRef t = gen_int_type(g, bits, 1);

	memset(out, 0, sizeof(*out));
	out->shape = s->shape;
	if (s->shape == GEN_V) {
		for (unsigned n = 0; n < g->NG; n++)
			out->v[n] = unpack(g, LLVMBuildLoad2(g->b, group_type(g, bits), p->v[n], ""), bits);
		return;
	}
	out->u = s->known ? LLVMConstInt(t, s->c, 0) : LLVMBuildLoad2(g->b, t, p->u, "");
	if (s->shape == GEN_P) {
		out->pat = s->pat;
		if (s->pat->has_k)
			out->k = LLVMBuildLoad2(g->b, t, p->k, "");
	}
}

void gen_as_v(struct gen *g, const struct gen_val *x, unsigned bits, struct gen_val *out)
{
	struct gen_val v = { .shape = GEN_V };

	for (unsigned n = 0; n < g->NG; n++)
		v.v[n] = gen_group(g, x, bits, n);
	*out = v;
}

static void store(struct gen_emit *e, unsigned world, uint32_t r, const struct gen_val *x)
{
	struct gen *g = e->g;
	const struct gen_shp *s = &e->f->shp[world][r];
	const struct gen_place *p = place(e, world, r);
	unsigned bits = e->f->regs.v[r].bits;

	if (s->shape == GEN_V) {
		for (unsigned n = 0; n < g->NG; n++)
			LLVMBuildStore(g->b, pack(g, gen_group(g, x, bits, n), bits), p->v[n]);
		return;
	}
	if (x->shape != s->shape || (s->shape == GEN_P && x->pat != s->pat)) {
		/* the analysis and the code disagree: a bug that must not go on silently */
		e->failed = true;
		return;
	}
	if (!s->known)
		LLVMBuildStore(g->b, x->u, p->u);
	if (s->shape == GEN_P && s->pat->has_k)
		LLVMBuildStore(g->b, x->k, p->k);
}

void gen_read(struct gen_emit *e, uint32_t r, struct gen_val *out)
{
	if (e->stamp[r] != e->now) {
		load(e, e->world, r, &e->cur[r]);
		e->stamp[r] = e->now;
	}
	*out = e->cur[r];
}

static val canonical(struct gen *g, val v)
{
	val f = gen_as_float(g, v);

	return LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealUNO, f, f, ""), gen_const(g, v, 32, 0x7fffffffu), v, "");
}

val gen_exact(struct gen_emit *e, uint32_t r, val v)
{
	return e->f->shp[e->world][r].lazy && e->f->regs.v[r].bits == 32 ? canonical(e->g, v) : v;
}

void gen_read_bits(struct gen_emit *e, uint32_t r, struct gen_val *out)
{
	gen_read(e, r, out);
	if (!e->f->shp[e->world][r].lazy || e->f->regs.v[r].bits != 32 || out->shape == GEN_P)
		return;
	if (out->shape == GEN_U)
		out->u = canonical(e->g, out->u);
	for (unsigned n = 0; out->shape == GEN_V && n < e->g->NG; n++)
		out->v[n] = canonical(e->g, out->v[n]);
}

static bool is_live_out(const struct gen_emit *e, uint32_t r)
{
	return gen_in(e->f->blocks.v[e->block].live_out, r);
}

void gen_write(struct gen_emit *e, uint32_t r, const struct gen_val *x)
{
	struct gen *g = e->g;
	unsigned bits = e->f->regs.v[r].bits;
	struct gen_val n = *x, old;

	if (e->world && e->f->regs.v[r].blend && !e->m.full && e->f->blocks.v[e->block].div) {
		gen_read(e, r, &old);
		n = (struct gen_val){ .shape = GEN_V };
		for (unsigned k = 0; k < g->NG; k++)
			n.v[k] = LLVMBuildSelect(g->b, e->m.v[k], gen_group(g, x, bits, k), gen_group(g, &old, bits, k), "");
	}
	e->cur[r] = n;
	e->stamp[r] = e->now;
	if (is_live_out(e, r))
		store(e, e->world, r, &n);
}

void gen_put(struct gen_emit *e, uint32_t r, const struct gen_val *x)
{
	store(e, e->world, r, x);
}

bool gen_can_return(const struct gen_emit *e, uint32_t r)
{
	const struct gen_shp *a = &e->f->shp[1][r], *b = &e->f->shp[0][r];

	if (b->shape == GEN_V)
		return true;
	return a->shape == b->shape && a->pat == b->pat && a->known == b->known && (!a->known || a->c == b->c);
}

void gen_move_world(struct gen_emit *e, uint32_t r, unsigned from, unsigned to)
{
	struct gen_val x;
	bool lazy = e->f->shp[from][r].lazy && !e->f->shp[to][r].lazy;

	load(e, from, r, &x);
	if (lazy && x.shape == GEN_U)
		x.u = canonical(e->g, x.u);
	for (unsigned n = 0; lazy && x.shape == GEN_V && n < e->g->NG; n++)
		x.v[n] = canonical(e->g, x.v[n]);
	store(e, to, r, &x);
}

/* ---- the frame ---- */

/* mask: what is there was made by gen_mask_pack(), which gen_widen_masks() can't see by itself. */
static void frame_slot(struct gen_emit *e, val slot, bool mask, bool save, val frame, uint32_t *at)
{
	struct gen *g = e->g;
	LLVMTypeRef t = LLVMGetAllocatedType(slot);
	uint64_t size = LLVMABISizeOfType(LLVMGetModuleDataLayout(g->mod), t);
	val off, p, v;

	*at = (uint32_t)vgpu_align_up(*at, MIN(size, 64ull));
	off = LLVMConstInt(g->i64, *at, 0);
	p = LLVMBuildGEP2(g->b, g->i8, frame, &off, 1, "");
	if (save) {
		v = LLVMBuildStore(g->b, LLVMBuildLoad2(g->b, t, slot, ""), p);
	} else {
		v = LLVMBuildLoad2(g->b, t, p, "");
		LLVMBuildStore(g->b, v, slot);
		if (mask)
			gen_note_mask(g, v);
	}
	LLVMSetAlignment(v, (unsigned)MIN(size & -size, 64ull));
	*at += (uint32_t)size;
}

static void frame_slots(struct gen_emit *e, const val *slots, unsigned n, bool masks, bool save, val frame, uint32_t *at)
{
	for (unsigned k = 0; k < n; k++)
		if (slots[k])
			frame_slot(e, slots[k], masks, save, frame, at);
}

void gen_frame_masks(struct gen_emit *e, const val *slots, unsigned n, bool save, val frame, uint32_t *at)
{
	frame_slots(e, slots, n, true, save, frame, at);
}

void gen_frame_reg(struct gen_emit *e, unsigned world, uint32_t r, bool save, val frame, uint32_t *at)
{
	const struct gen_place *p = place(e, world, r);

	if (e->f->shp[world][r].known)
		return;
	frame_slots(e, &p->u, 1, false, save, frame, at);
	frame_slots(e, &p->k, 1, false, save, frame, at);
	frame_slots(e, p->v, e->g->NG, e->f->regs.v[r].bits == 1, save, frame, at);
}

/* What is read before it is written is zero. */
void gen_zero_places(struct gen_emit *e)
{
	for (unsigned w = 0; w < 2; w++)
		for (uint32_t r = 0; r < e->f->regs.n; r++) {
			struct gen_val z = { .shape = GEN_U, .u = LLVMConstInt(gen_int_type(e->g, e->f->regs.v[r].bits, 1), 0, 0) };
			const struct gen_place *p;

			if (!gen_in(e->f->blocks.v[0].live_in, r))
				continue;
			p = place(e, w, r);
			if (e->f->shp[w][r].shape == GEN_P) {
				LLVMBuildStore(e->g->b, z.u, p->u);
				e->failed = true;   /* a pattern that zero is no case of */
			} else {
				store(e, w, r, &z);
			}
		}
}

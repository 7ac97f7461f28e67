/* sreg.c: special registers: constants of the lane, of the block's shape, and what the context says of the launch. */
#include <string.h>

#include "backend/simd/gen/emit.h"

/* First thread of the gang. */
static val first_thread(struct gen_emit *e)
{
	struct gen *g = e->g;

	return LLVMBuildMul(g->b, gen_load_of_gang(e, offsetof(struct sd_ctx, gang), g->i32), LLVMConstInt(g->i32, g->W, 0), "");
}

static void tid(struct gen_emit *e, unsigned dim, const struct gen_shp *s, struct gen_val *out)
{
	struct gen *g = e->g;
	const uint32_t *b = e->f->block;
	uint32_t below = dim == 0 ? 1 : dim == 1 ? b[0] : b[0] * b[1];
	val t, p;

	out->shape = s->shape;
	out->pat = s->pat;
	if (s->shape == GEN_V && b[0]) {
		for (unsigned n = 0; n < g->NG; n++) {
			val l[SD_MAX_W];

			for (unsigned k = 0; k < g->G; k++)
				l[k] = LLVMConstInt(g->i32, n * g->G + k, 0);
			t = LLVMBuildAdd(g->b, gen_splat(g, first_thread(e)), LLVMConstVector(l, g->G), "");
			t = LLVMBuildUDiv(g->b, t, gen_const(g, t, 32, below), "");
			out->v[n] = LLVMBuildURem(g->b, t, gen_const(g, t, 32, b[dim]), "");
		}
		return;
	}
	if (s->shape == GEN_V) {
		p = gen_load_const(e, offsetof(struct sd_ctx, tid) + dim * sizeof(void *), g->ptr);
		for (unsigned n = 0; n < g->NG; n++) {
			val o = LLVMConstInt(g->i64, 4 * n * g->G, 0);

			out->v[n] = LLVMBuildLoad2(g->b, gen_int_type(g, 32, g->G), LLVMBuildGEP2(g->b, g->i8, p, &o, 1, ""), "");
			LLVMSetAlignment(out->v[n], 4);
		}
		return;
	}
	if (s->known || (s->shape == GEN_P && s->align == 63)) {
		out->u = LLVMConstInt(g->i32, s->known ? s->c : 0, 0);
		return;
	}
	t = LLVMBuildUDiv(g->b, first_thread(e), LLVMConstInt(g->i32, below, 0), "");
	out->u = LLVMBuildURem(g->b, t, LLVMConstInt(g->i32, b[dim], 0), "");
}

static uint32_t lanemask(uint32_t sreg, unsigned l)
{
	uint32_t eq = 1u << l;

	switch (sreg) {
	case IR_SREG_lanemask_eq: return eq;
	case IR_SREG_lanemask_le: return eq | (eq - 1);
	case IR_SREG_lanemask_lt: return eq - 1;
	case IR_SREG_lanemask_ge: return ~(eq - 1);
	default: return ~(eq | (eq - 1));
	}
}

static void lane_consts(struct gen_emit *e, uint32_t sreg, struct gen_val *out)
{
	struct gen *g = e->g;

	out->shape = GEN_V;
	for (unsigned n = 0; n < g->NG; n++) {
		val l[SD_MAX_W];

		for (unsigned k = 0; k < g->G; k++)
			l[k] = LLVMConstInt(g->i32, lanemask(sreg, (n * g->G + k) % 32), 0);
		out->v[n] = LLVMConstVector(l, g->G);
	}
}

static val high(struct gen *g, val x)
{
	return LLVMBuildTrunc(g->b, LLVMBuildLShr(g->b, x, LLVMConstInt(g->i64, 32, 0), ""), g->i32, "");
}

static val uniform_sreg(struct gen_emit *e, uint32_t sreg)
{
	struct gen *g = e->g;
	val v;

#define CTX(f) gen_load_const(e, offsetof(struct sd_ctx, f), g->i32)
	switch (sreg) {
	case IR_SREG_ntid_x: case IR_SREG_ntid_y: case IR_SREG_ntid_z:
		if (e->f->block[0])
			return LLVMConstInt(g->i32, e->f->block[sreg - IR_SREG_ntid_x], 0);
		return gen_load_const(e, offsetof(struct sd_ctx, ntid) + 4 * (sreg - IR_SREG_ntid_x), g->i32);
	case IR_SREG_ctaid_x: case IR_SREG_ctaid_y: case IR_SREG_ctaid_z:
		if (sreg == IR_SREG_ctaid_x && e->ctaid_x)
			return LLVMBuildLoad2(g->b, g->i32, e->ctaid_x, "");
		return gen_load_const(e, offsetof(struct sd_ctx, ctaid) + 4 * (sreg - IR_SREG_ctaid_x), g->i32);
	case IR_SREG_nctaid_x: case IR_SREG_nctaid_y: case IR_SREG_nctaid_z:
		return gen_load_const(e, offsetof(struct sd_ctx, nctaid) + 4 * (sreg - IR_SREG_nctaid_x), g->i32);
	case IR_SREG_warpid:
		return LLVMBuildMul(g->b, CTX(gang), LLVMConstInt(g->i32, g->n_warps, 0), "");
	case IR_SREG_nwarpid: return CTX(n_warps);
	case IR_SREG_smid: return CTX(smid);
	case IR_SREG_nsmid: return CTX(nsmid);
	case IR_SREG_gridid: return gen_load_const(e, offsetof(struct sd_ctx, grid_id), g->i64);
	case IR_SREG_clock: return LLVMBuildTrunc(g->b, gen_call_rt(e, offsetof(struct sd_calls, clock), g->i64, NULL, 0), g->i32, "");
	case IR_SREG_clock_hi: return high(g, gen_call_rt(e, offsetof(struct sd_calls, clock), g->i64, NULL, 0));
	case IR_SREG_clock64: return gen_call_rt(e, offsetof(struct sd_calls, clock), g->i64, NULL, 0);
	case IR_SREG_globaltimer: return gen_call_rt(e, offsetof(struct sd_calls, globaltimer), g->i64, NULL, 0);
	case IR_SREG_globaltimer_lo:
		return LLVMBuildTrunc(g->b, gen_call_rt(e, offsetof(struct sd_calls, globaltimer), g->i64, NULL, 0), g->i32, "");
	case IR_SREG_globaltimer_hi: return high(g, gen_call_rt(e, offsetof(struct sd_calls, globaltimer), g->i64, NULL, 0));
	case IR_SREG_envreg1: return high(g, gen_load_const(e, offsetof(struct sd_ctx, coop_workspace), g->i64));
	case IR_SREG_envreg2: return LLVMBuildTrunc(g->b, gen_load_const(e, offsetof(struct sd_ctx, coop_workspace), g->i64), g->i32, "");
	case IR_SREG_dynamic_smem_size: return CTX(shared_dyn);
	case IR_SREG_total_smem_size:
		return LLVMBuildSub(g->b, CTX(shared_B), LLVMConstInt(g->i32, IN_SHARED_RESERVED, 0), "");
	case IR_SREG_aggr_smem_size: return CTX(shared_B);
	case IR_SREG_reserved_smem_offset_end: case IR_SREG_reserved_smem_offset_cap:
		return LLVMConstInt(g->i32, IN_SHARED_RESERVED, 0);
	case IR_SREG_reserved_smem_offset_1: return LLVMConstInt(g->i32, IN_SHARED_RESERVED_1, 0);
	/* a cluster of one */
	case IR_SREG_clusterid_x: case IR_SREG_clusterid_y: case IR_SREG_clusterid_z:
		return uniform_sreg(e, IR_SREG_ctaid_x + (sreg - IR_SREG_clusterid_x));
	case IR_SREG_nclusterid_x: case IR_SREG_nclusterid_y: case IR_SREG_nclusterid_z:
		return uniform_sreg(e, IR_SREG_nctaid_x + (sreg - IR_SREG_nclusterid_x));
	case IR_SREG_cluster_nctaid_x: case IR_SREG_cluster_nctaid_y: case IR_SREG_cluster_nctaid_z:
	case IR_SREG_cluster_nctarank:
		return LLVMConstInt(g->i32, 1, 0);
	default:
		v = LLVMConstInt(g->i32, 0, 0);
		return v;
	}
#undef CTX
}

void gen_sreg(struct gen_emit *e, uint32_t sreg, struct gen_val *out)
{
	struct gen *g = e->g;
	struct ir_opnd o = { .kind = IR_OPND_SREG, .imm = sreg };
	struct gen_shp s = gen_opnd_shape(g, NULL, NULL, &o, 32);

	memset(out, 0, sizeof(*out));
	switch (sreg) {
	case IR_SREG_tid_x: case IR_SREG_tid_y: case IR_SREG_tid_z:
		tid(e, sreg - IR_SREG_tid_x, &s, out);
		return;
	case IR_SREG_laneid:
		out->shape = GEN_P;
		out->pat = s.pat;
		out->u = LLVMConstInt(g->i32, 0, 0);
		return;
	case IR_SREG_lanemask_eq: case IR_SREG_lanemask_le: case IR_SREG_lanemask_lt: case IR_SREG_lanemask_ge:
	case IR_SREG_lanemask_gt:
		lane_consts(e, sreg, out);
		return;
	}
	out->shape = s.shape;
	out->pat = s.pat;
	out->u = uniform_sreg(e, sreg);
}

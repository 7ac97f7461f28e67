/*
 * row.c: short blocks, one after the other in one call: what a call costs is
 * more than many a block does. Only code without loops, that never waits; the
 * run time says how many blocks there are (sd_ctx.more).
 */
#include "backend/simd/gen/emit.h"

static bool reads_smid(const struct gen_block *b)
{
	for (size_t n = 0; n < b->insns.n; n++) {
		const struct ir_insn *i = b->insns.v[n].i;

		for (unsigned s = 0; b->insns.v[n].kind == GEN_I_IR && s < i->n_src; s++)
			if (i->src[s].kind == IR_OPND_SREG && i->src[s].imm == IR_SREG_smid)
				return true;
	}
	return false;
}

static bool is_short(const struct gen_emit *e)
{
	const struct gen_func *f = e->f;

	if (f->loops.n || !e->has[0] || f->only_masked)
		return false;
	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		if (b->term == GEN_T_BAR || b->term == GEN_T_SLEEP || reads_smid(b))
			return false;
	}
	return true;
}

static size_t ctaid_x(void)
{
	return offsetof(struct sd_ctx, ctaid);
}

void gen_row_of_blocks(struct gen_emit *e)
{
	if (!is_short(e))
		return;
	e->ctaid_x = gen_alloca(e, e->g->i32);
	LLVMBuildStore(e->g->b, gen_load_ctx(e, ctaid_x(), e->g->i32), e->ctaid_x);
}

void gen_next_block(struct gen_emit *e, LLVMBasicBlockRef start)
{
	struct gen *g = e->g;
	LLVMBasicBlockRef next;
	val more, x, off = LLVMConstInt(g->i64, ctaid_x(), 0), zero = LLVMConstNull(g->i32), one = LLVMConstInt(g->i32, 1, 0);

	/* the interpreter's instructions are told of each block by itself */
	if (!e->ctaid_x || e->has_rows) {
		LLVMBuildBr(g->b, e->done);
		return;
	}
	next = gen_new_bb(e, "next");
	more = gen_load_ctx(e, offsetof(struct sd_ctx, more), g->i32);
	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, more, zero, ""), e->done, next);
	gen_at(e, next);
	gen_store_ctx(e, offsetof(struct sd_ctx, more), LLVMBuildSub(g->b, more, one, ""));
	x = LLVMBuildAdd(g->b, LLVMBuildLoad2(g->b, g->i32, e->ctaid_x, ""), one, "");
	LLVMBuildStore(g->b, x, e->ctaid_x);
	/* a fault, which the compiler knows nothing of, is this block's: written now */
	LLVMSetVolatile(LLVMBuildStore(g->b, x, LLVMBuildInBoundsGEP2(g->b, g->i8, g->ctx, &off, 1, "")), 1);
	LLVMBuildBr(g->b, start);
}

/*
 * turn.c: the gangs of a block take turns in the code. While they do the same,
 * that is, come to a barrier that all threads of the block have to come to, or
 * end, one call runs them all: a gang saves its frame and the next one goes on
 * where this one began; when the last one has come, the first one goes on
 * behind the barrier. Through the run time each turn would be a call, and its
 * accounts take longer than what short kernels do between two barriers.
 *
 * What does anything else answers as it would by itself. From sd_ctx (gang,
 * phase_state, phase_next) the run time learns where the others are.
 *
 * Only of world 0, whose lanes are all there, and blocks that are some whole
 * gangs; the run time says whether (sd_ctx.in_turn).
 */
#include "backend/simd/gen/emit.h"

static bool is_common(const struct ir_insn *i)
{
	return (i->op == IR_OP_bar || i->op == IR_OP_barrier) && i->mode == IR_MODE_SYNC && i->src[0].kind == IR_OPND_IMM && !i->src[0].imm &&
	       (i->n_src < 2 || i->src[1].kind == IR_OPND_NONE);
}

static unsigned gangs(const struct gen_emit *e)
{
	const uint32_t *block = e->f->block;
	uint64_t threads = (uint64_t)block[0] * block[1] * block[2];

	return threads % e->g->W ? 0 : (unsigned)(threads / e->g->W);
}

static bool is_of_use(const struct gen_emit *e)
{
	const struct gen_func *f = e->f;

	if (!e->has[0] || f->only_masked || f->yields || f->diverges || gangs(e) < 2)
		return false;
	for (uint32_t k = 0; k < f->n_order; k++)
		if (f->blocks.v[f->order[k]].term == GEN_T_BAR && is_common(f->blocks.v[f->order[k]].bar.i))
			return true;
	return false;
}

val gen_turns_begin(struct gen_emit *e)
{
	struct gen *g = e->g;

	if (!is_of_use(e))
		return LLVMGetParam(g->fn, 1);
	e->state = gen_alloca(e, g->i32);
	LLVMBuildStore(g->b, LLVMGetParam(g->fn, 1), e->state);
	e->turn = gen_new_bb(e, "turn");
	LLVMBuildBr(g->b, e->turn);
	gen_at(e, e->turn);
	return LLVMBuildLoad2(g->b, g->i32, e->state, "");
}

static void put_int(struct gen_emit *e, size_t off, val v)
{
	/* a fault, which the compiler knows nothing of, is the gang's whose number is there */
	gen_store_ctx(e, off, v);
	LLVMSetVolatile(LLVMGetLastInstruction(LLVMGetInsertBlock(e->g->b)), 1);
}

/* Gang number k, whose frame and local memory are there, goes on in the state. */
static void pass_on(struct gen_emit *e, val k, val frame, val local, val state)
{
	put_int(e, offsetof(struct sd_ctx, gang), k);
	gen_store_ctx(e, offsetof(struct sd_ctx, frame), frame);
	gen_store_ctx(e, offsetof(struct sd_ctx, local), local);
	LLVMBuildStore(e->g->b, state, e->state);
	LLVMBuildBr(e->g->b, e->turn);
}

static void to_next_gang(struct gen_emit *e, val k)
{
	struct gen *g = e->g;
	val step = gen_load_const(e, offsetof(struct sd_ctx, frame_step), g->i64);
	val stride = gen_load_const(e, offsetof(struct sd_ctx, local_stride), g->i64);
	val frame = gen_load_ctx(e, offsetof(struct sd_ctx, frame), g->ptr), local = gen_load_ctx(e, offsetof(struct sd_ctx, local), g->ptr);

	stride = LLVMBuildMul(g->b, stride, LLVMConstInt(g->i64, g->W, 0), "");
	pass_on(e, LLVMBuildAdd(g->b, k, LLVMConstInt(g->i32, 1, 0), ""), LLVMBuildGEP2(g->b, g->i8, frame, &step, 1, ""),
		LLVMBuildGEP2(g->b, g->i8, local, &stride, 1, ""), gen_load_ctx(e, offsetof(struct sd_ctx, phase_state), g->i32));
}

/* The barrier is complete. */
static void to_next_phase(struct gen_emit *e, uint32_t state)
{
	struct gen *g = e->g;
	val s = LLVMConstInt(g->i32, state, 0);

	put_int(e, offsetof(struct sd_ctx, phase_state), s);
	pass_on(e, LLVMConstNull(g->i32), gen_load_const(e, offsetof(struct sd_ctx, frame_0), g->ptr),
		gen_load_const(e, offsetof(struct sd_ctx, local_0), g->ptr), s);
}

/* On with the next gang, if this one has come where those in front of it are: in the state. What follows is for when not; last: behind the last one. */
static void take_turns(struct gen_emit *e, uint32_t state, LLVMBasicBlockRef last)
{
	struct gen *g = e->g;
	LLVMBasicBlockRef in = gen_new_bb(e, "in_turn"), first = gen_new_bb(e, "first"), other = gen_new_bb(e, "other");
	LLVMBasicBlockRef same = gen_new_bb(e, "same"), next = gen_new_bb(e, "next"), alone = gen_new_bb(e, "alone");
	val zero = LLVMConstNull(g->i32), s = LLVMConstInt(g->i32, state, 0), on = gen_load_ctx(e, offsetof(struct sd_ctx, in_turn), g->i32), k;

	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntNE, on, zero, ""), in, alone);
	gen_at(e, in);
	k = gen_load_ctx(e, offsetof(struct sd_ctx, gang), g->i32);
	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, k, zero, ""), first, other);
	gen_at(e, first);
	put_int(e, offsetof(struct sd_ctx, phase_next), s);
	LLVMBuildBr(g->b, next);
	gen_at(e, other);
	on = LLVMBuildICmp(g->b, LLVMIntEQ, gen_load_ctx(e, offsetof(struct sd_ctx, phase_next), g->i32), s, "");
	LLVMBuildCondBr(g->b, on, same, alone);
	gen_at(e, same);
	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, k, LLVMConstInt(g->i32, gangs(e) - 1, 0), ""), last, next);
	gen_at(e, next);
	to_next_gang(e, k);
	gen_at(e, alone);
}

void gen_turn_at_barrier(struct gen_emit *e, const struct gen_insn *t, uint32_t state)
{
	LLVMBasicBlockRef last, here;

	if (!e->turn || e->world || !is_common(t->i))
		return;
	last = gen_new_bb(e, "all_came");
	take_turns(e, state, last);
	here = LLVMGetInsertBlock(e->g->b);
	gen_at(e, last);
	to_next_phase(e, state);
	gen_at(e, here);
}

void gen_turn_at_end(struct gen_emit *e)
{
	if (e->turn)
		take_turns(e, SD_DONE, e->done);
}

/*
 * world.c: blocks and branches of both worlds, and the places where the
 * function waits and goes on.
 *
 * World 1. A div block has a mask of lanes that have arrived at it; it runs
 * when its turn in f->order comes, if any have. Behind the last div block of a
 * loop, the loop goes round while lanes wait at its header. Behind the last
 * block of a component (blocks that lanes run apart until they all meet) comes
 * the block where they meet, which all live lanes run.
 *
 * In a `general` function (lanes of one warp may wait for each other) all
 * blocks are one component without such an end; loops that may wait don't go
 * round by themselves, but the whole sweep over all blocks is repeated while
 * any lane is left, and lanes at a barrier are parked.
 */
#include <string.h>

#include "backend/simd/gen/emit.h"

#define SPINS_BEFORE_YIELD 32

/* ---- lanes go on ---- */

/* Lanes m end. */
static void end_lanes(struct gen_emit *e, const val *m)
{
	LLVMBuilderRef b = e->g->b;
	val live[GEN_MAX_NG], full = LLVMBuildLoad2(b, e->g->i1, e->full, "");

	gen_load_mask(e, e->live, live);
	for (unsigned n = 0; n < e->g->NG; n++)
		live[n] = LLVMBuildAnd(b, live[n], LLVMBuildNot(b, m[n], ""), "");
	gen_store_mask(e, e->live, live);
	LLVMBuildStore(b, LLVMBuildAnd(b, full, LLVMBuildNot(b, gen_any(e->g, m, false), ""), ""), e->full);
}

/* Lanes m go to block b, which runs when its turn comes. */
static void send(struct gen_emit *e, uint32_t b, const val *m)
{
	if (e->f->blocks.v[b].div)
		gen_add_mask(e, gen_block_mask(e, b), m);
}

/* The same of lanes that may have left others behind; where b is nothing but the end, its turn is now: others may wait for all that are left. */
static void send_on(struct gen_emit *e, uint32_t b, const val *m)
{
	if (gen_just_ends(&e->f->blocks.v[b]))
		end_lanes(e, m);
	else
		send(e, b, m);
}

/* ---- what comes behind a div block ---- */

static uint32_t last_of_loop(const struct gen_emit *e, const struct gen_loop *l, uint32_t comp)
{
	uint32_t last = GEN_NONE;

	for (uint32_t k = 0; k < e->f->n_order; k++)
		if (gen_in(l->blocks, e->f->order[k]) && e->f->blocks.v[e->f->order[k]].comp == comp)
			last = e->f->order[k];
	return last;
}

/* Where all lanes of a component are together again. */
static uint32_t join_of(const struct gen_emit *e, uint32_t b)
{
	while (b != GEN_NONE && e->f->blocks.v[b].div)
		b = e->f->blocks.v[b].ipdom;
	return b;
}

static LLVMBasicBlockRef next_in_comp(struct gen_emit *e, uint32_t b)
{
	const struct gen_func *f = e->f;
	uint32_t join;

	for (uint32_t k = f->blocks.v[b].pos + 1; k < f->n_order; k++)
		if (f->blocks.v[f->order[k]].comp == f->blocks.v[b].comp)
			return e->bb[1][f->order[k]];
	if (f->general)
		return e->sweep;
	join = join_of(e, b);
	return join == GEN_NONE ? e->done : e->bb[1][join];
}

/* Goes to what follows block b for lanes that it sent elsewhere; emits the loops' checks on the way. */
static void go_on(struct gen_emit *e, uint32_t b)
{
	struct gen *g = e->g;
	const struct gen_func *f = e->f;

	for (struct gen_loop *l = f->blocks.v[b].loop; l; l = l->parent) {
		LLVMBasicBlockRef on;
		val m[GEN_MAX_NG];

		if (!f->blocks.v[l->header].div || f->blocks.v[l->header].comp != f->blocks.v[b].comp ||
		    last_of_loop(e, l, f->blocks.v[b].comp) != b || (e->f->general && gen_is_soft(e->f, l)))
			continue;
		on = gen_new_bb(e, "left");
		gen_load_mask(e, gen_block_mask(e, l->header), m);
		LLVMBuildCondBr(g->b, gen_any(g, m, false), e->bb[1][l->header], on);
		gen_at(e, on);
	}
	LLVMBuildBr(g->b, next_in_comp(e, b));
}

/* From a block that all lanes run together to those that they run apart. */
static void go_apart(struct gen_emit *e, uint32_t b)
{
	const struct gen_func *f = e->f;
	const struct gen_block *k = &f->blocks.v[b];
	uint32_t first = GEN_NONE;

	for (uint32_t s = 0; s < k->n_succ; s++)
		if (f->blocks.v[k->succ[s]].div && (first == GEN_NONE || f->blocks.v[k->succ[s]].pos < f->blocks.v[first].pos))
			first = k->succ[s];
	if (first == GEN_NONE)
		first = k->succ[0];
	LLVMBuildBr(e->g->b, e->bb[1][first]);
}

/* ---- moving between worlds ---- */

static void move_live(struct gen_emit *e, const uint64_t *set, unsigned from, unsigned to)
{
	for (uint32_t r = 0; r < e->f->regs.n; r++)
		if (gen_in(set, r))
			gen_move_world(e, r, from, to);
}

static void all_live(struct gen_emit *e)
{
	val ones[GEN_MAX_NG];

	for (unsigned n = 0; n < e->g->NG; n++)
		ones[n] = LLVMConstAllOnes(LLVMVectorType(e->g->i1, e->g->G));
	gen_store_mask(e, e->live, ones);
	LLVMBuildStore(e->g->b, LLVMConstInt(e->g->i1, 1, 0), e->full);
}

/* Where block b of world 1 begins for lanes that don't want back to world 0. */
static LLVMBasicBlockRef stay_bb(struct gen_emit *e, uint32_t b)
{
	if (!e->stay[b])
		e->stay[b] = gen_new_bb(e, "stay");
	return e->stay[b];
}

/* All lanes go to block b of world 1. */
static void enter_masked(struct gen_emit *e, uint32_t b)
{
	val ones[GEN_MAX_NG];

	if (!e->has[1]) {
		gen_cross_out(e, GEN_CROSS_ENTER, b);
		return;
	}

	for (unsigned n = 0; n < e->g->NG; n++)
		ones[n] = LLVMConstAllOnes(LLVMVectorType(e->g->i1, e->g->G));
	move_live(e, e->f->blocks.v[b].live_in, 0, 1);
	all_live(e);
	if (e->f->blocks.v[b].div)
		gen_store_mask(e, gen_block_mask(e, b), ones);
	LLVMBuildBr(e->g->b, stay_bb(e, b));
}

/* For tests: every third block that a gang comes to is run masked, without need. */
static void stray(struct gen_emit *e, uint32_t b)
{
	struct gen *g = e->g;
	LLVMBasicBlockRef away = gen_new_bb(e, "astray"), on = gen_new_bb(e, "straight");
	val n = LLVMBuildAdd(g->b, LLVMBuildLoad2(g->b, g->i32, e->steps, ""), LLVMConstInt(g->i32, 1, 0), ""), go;

	LLVMBuildStore(g->b, n, e->steps);
	go = LLVMBuildURem(g->b, n, LLVMConstInt(g->i32, 3, 0), "");
	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, go, LLVMConstNull(g->i32), ""), away, on);
	gen_at(e, away);
	enter_masked(e, b);
	gen_at(e, on);
}

/* World 0: lanes disagree about the branch of b. */
static void part(struct gen_emit *e, uint32_t b, const val *p)
{
	const struct gen_block *k = &e->f->blocks.v[b];
	val not[GEN_MAX_NG];

	if (!e->has[1]) {
		gen_store_mask(e, gen_cross_slots(e), p);
		gen_cross_out(e, GEN_CROSS_PART, b);
		return;
	}
	for (uint32_t r = 0; r < e->f->regs.n; r++)
		if (gen_in(e->f->blocks.v[k->succ[0]].live_in, r) || gen_in(e->f->blocks.v[k->succ[1]].live_in, r))
			gen_move_world(e, r, 0, 1);
	all_live(e);
	for (unsigned n = 0; n < e->g->NG; n++)
		not[n] = LLVMBuildNot(e->g->b, p[n], "");
	for (unsigned s = 0; s < 2; s++)
		if (gen_just_ends(&e->f->blocks.v[k->succ[s]]))
			end_lanes(e, s ? not : p);
		else if (e->f->blocks.v[k->succ[s]].div)
			gen_store_mask(e, gen_block_mask(e, k->succ[s]), s ? not : p);
	go_apart(e, b);
}

static bool can_return(const struct gen_emit *e, uint32_t b)
{
	for (uint32_t r = 0; r < e->f->regs.n; r++)
		if (gen_in(e->f->blocks.v[b].live_in, r) && !gen_can_return(e, r))
			return false;
	return true;
}

static bool is_join(const struct gen_emit *e, uint32_t b)
{
	for (uint32_t k = 0; k < e->f->n_order; k++) {
		const struct gen_block *x = &e->f->blocks.v[e->f->order[k]];

		if (x->term == GEN_T_COND && x->ipdom == b && e->f->shp[1][x->pred_reg].shape != GEN_U)
			return true;
	}
	return false;
}

/* ---- waiting ---- */

static void save_or_restore(struct gen_emit *e, const struct gen_state *s, bool save)
{
	const struct gen_func *f = e->f;
	val frame = gen_load_ctx(e, offsetof(struct sd_ctx, frame), e->g->ptr);
	uint32_t at = 0;
	uint64_t *set = calloc(f->words, sizeof(*set));

	if (!set) {
		e->failed = true;
		return;
	}
	if (save && !s->world)
		gen_homes_at(e, s->at_end);
	/* what any block may need where lanes wait */
	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];
		bool may_wait = s->sweep && (b->div || f->order[k] == join_of(e, s->block));

		if (f->order[k] != s->block && !may_wait)
			continue;
		for (size_t w = 0; w < f->words; w++)
			set[w] |= b->live_in[w];
	}
	for (uint32_t r = 0; r < f->regs.n; r++)
		if (gen_in(set, r) && s->world)
			gen_frame_reg(e, s->world, r, save, frame, &at);
		else if (gen_in(set, r))
			gen_home(e, r, save, frame);
	free(set);
	if (s->world) {
		gen_frame_masks(e, e->live, e->g->NG, save, frame, &at);
		gen_frame_masks(e, &e->full, 1, save, frame, &at);
		for (uint32_t k = 0; k < f->n_order; k++)
			if (f->blocks.v[f->order[k]].div && (s->sweep || f->order[k] == s->block))
				gen_frame_masks(e, gen_block_mask(e, f->order[k]), e->g->NG, save, frame, &at);
		for (uint32_t k = 0; k < f->n_order && f->general; k++)
			if (f->blocks.v[f->order[k]].term == GEN_T_BAR)
				gen_frame_masks(e, gen_park_mask(e, f->order[k]), e->g->NG, save, frame, &at);
	}
	e->frame_B = MAX(e->frame_B, at);
}

static void put_live(struct gen_emit *e, size_t off, const val *m)
{
	struct gen *g = e->g;

	for (unsigned w = 0; w < g->n_warps; w++)
		gen_store_ctx(e, off + 4 * w, m ? gen_warp_bits(g, m, w) : LLVMConstInt(g->i32, 0xffffffffu, 0));
}

void gen_put_live(struct gen_emit *e)
{
	val live[GEN_MAX_NG];

	if (e->world)
		gen_load_mask(e, e->live, live);
	put_live(e, offsetof(struct sd_ctx, live), e->world ? live : NULL);
}

/* What the barrier is told. */
static void put_barrier(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen *g = e->g;
	const struct ir_insn *i = t->i;
	struct gen_val x;
	val m[GEN_MAX_NG], p[GEN_MAX_NG];

	gen_operand(e, t, &i->src[0], 32, false, &x);
	gen_store_ctx(e, offsetof(struct sd_ctx, bar_id), gen_lane(g, &x, 32, 0));
	if (i->n_src > 1 && i->src[1].kind != IR_OPND_NONE) {
		gen_operand(e, t, &i->src[1], 32, false, &x);
		gen_store_ctx(e, offsetof(struct sd_ctx, bar_count), gen_lane(g, &x, 32, 0));
	} else {
		gen_store_ctx(e, offsetof(struct sd_ctx, bar_count), LLVMConstInt(g->i32, 0, 0));
	}
	gen_store_ctx(e, offsetof(struct sd_ctx, bar_mode), LLVMConstInt(g->i32, i->mode, 0));
	gen_store_ctx(e, offsetof(struct sd_ctx, bar_op), LLVMConstInt(g->i32, i->boolop, 0));
	gen_store_ctx(e, offsetof(struct sd_ctx, fault_ref), LLVMConstInt(g->i32, gen_ref(e, t), 0));
	for (unsigned n = 0; n < g->NG; n++)
		m[n] = gen_mask_group(g, &e->m, n);
	put_live(e, offsetof(struct sd_ctx, bar_mask), m);
	if (i->mode != IR_MODE_RED)
		return;
	gen_operand(e, t, &i->src[2], 0, false, &x);
	for (unsigned n = 0; n < g->NG; n++)
		p[n] = LLVMBuildAnd(g->b, m[n], gen_group(g, &x, 1, n), "");
	put_live(e, offsetof(struct sd_ctx, bar_pred), p);
}

/* Saves, answers; and the state to go on in, of which s says where. bar: the barrier that is waited at; NULL: none. */
static uint32_t wait_state(struct gen_emit *e, enum sd_why why, struct gen_state s, const struct gen_insn *bar)
{
	struct gen *g = e->g;

	s.world = e->world;

	save_or_restore(e, &s, true);
	if (bar) {
		gen_turn_at_barrier(e, bar, (uint32_t)e->states.n + 1);
		put_barrier(e, bar);
	}
	gen_store_ctx(e, offsetof(struct sd_ctx, why), LLVMConstInt(g->i32, why, 0));
	gen_put_live(e);
	s.bb = gen_new_bb(e, "resume");
	if (!vgpu_vec_push(&e->states, s)) {
		e->failed = true;
		return 0;
	}
	LLVMBuildRet(g->b, LLVMConstInt(g->i32, e->states.n, 0));
	return (uint32_t)e->states.n;
}

static void resume(struct gen_emit *e, uint32_t n)
{
	struct gen_state s = e->states.v[n - 1];

	e->world = s.world;
	gen_at(e, s.bb);
	LLVMAddCase(e->switch_, LLVMConstInt(e->g->i32, n, 0), s.bb);
	save_or_restore(e, &s, false);
}

/* Others have their turn; then it goes on here. */
static void give_way(struct gen_emit *e, uint32_t block, bool sweep)
{
	uint32_t s = wait_state(e, SD_WHY_YIELD, (struct gen_state){ .block = block, .sweep = sweep }, NULL);

	if (!e->failed)
		resume(e, s);
}

/* After so many rounds of a loop that may wait, others have their turn. */
static void spin(struct gen_emit *e, uint32_t block, bool sweep, LLVMBasicBlockRef again)
{
	struct gen *g = e->g;
	LLVMBasicBlockRef yield = gen_new_bb(e, "yield"), on = gen_new_bb(e, "spin");
	val n = LLVMBuildLoad2(g->b, g->i32, e->spins, "");

	n = LLVMBuildAdd(g->b, n, LLVMConstInt(g->i32, 1, 0), "");
	LLVMBuildStore(g->b, n, e->spins);
	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntUGT, n, LLVMConstInt(g->i32, SPINS_BEFORE_YIELD, 0), ""), yield, on);
	gen_at(e, yield);
	give_way(e, block, sweep);
	if (!e->failed)
		LLVMBuildBr(g->b, again);
	gen_at(e, on);
}

/* At loop headers: has the launch been given up? */
static void poll(struct gen_emit *e)
{
	struct gen *g = e->g;
	LLVMBasicBlockRef stop = gen_new_bb(e, "cancelled"), on = gen_new_bb(e, "loop");
	val p = gen_load_ctx(e, offsetof(struct sd_ctx, cancel), g->ptr), v;

	LLVMSetMetadata(p, LLVMGetMDKindIDInContext(g->cx, "invariant.load", 14), LLVMMDNodeInContext(g->cx, NULL, 0));
	v = LLVMBuildLoad2(g->b, g->i32, p, "");
	LLVMSetVolatile(v, 1);
	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntNE, v, LLVMConstNull(g->i32), ""), stop, on);
	gen_at(e, stop);
	gen_store_ctx(e, offsetof(struct sd_ctx, why), LLVMConstInt(g->i32, SD_WHY_CANCEL, 0));
	LLVMBuildBr(g->b, e->gave_up);
	gen_at(e, on);
}

static void fault(struct gen_emit *e, const struct gen_insn *t, uint32_t status)
{
	struct gen *g = e->g;
	val lane = LLVMConstInt(g->i32, 0, 0), args[4];

	for (unsigned w = e->m.full ? 0 : g->n_warps; w-- > 0;) {
		val b = gen_warp_bits(g, e->m.v, w), a[] = { b, LLVMConstInt(g->i1, 0, 0) };
		val l = LLVMBuildAdd(g->b, gen_intrinsic(g, "llvm.cttz", &g->i32, 1, a, 2), LLVMConstInt(g->i32, 32 * w, 0), "");

		lane = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntNE, b, LLVMConstNull(g->i32), ""), l, lane, "");
	}
	args[0] = LLVMConstInt(g->i32, gen_ref(e, t), 0);
	args[1] = LLVMConstInt(g->i32, status, 0);
	args[2] = lane;
	args[3] = LLVMConstInt(g->i64, 0, 0);
	gen_call_rt(e, offsetof(struct sd_calls, fault), g->void_t, args, 4);
	gen_store_ctx(e, offsetof(struct sd_ctx, why), LLVMConstInt(g->i32, SD_WHY_FAULT, 0));
	LLVMBuildBr(g->b, e->gave_up);
}

/* A trap, or an index behind a branch table. */
static uint32_t fault_status(const struct gen_insn *t)
{
	return t->i->op == IR_OP_brx ? VGPU_E_INVALID_PC : VGPU_E_LAUNCH_FAILED;
}

/* bar.red's result, when the function goes on. */
static void get_barrier(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen *g = e->g;
	const struct ir_opnd *d = &t->i->dst[0];
	struct gen_val x = { .shape = GEN_U };

	if (!t->i->n_dst || d->kind != IR_OPND_REG)
		return;
	x.u = gen_load_ctx(e, offsetof(struct sd_ctx, bar_result), g->i32);
	x.u = gen_cut(g, x.u, e->f->regs.v[gen_reg_of(t->inst, d->reg)].bits);
	gen_put(e, gen_reg_of(t->inst, d->reg), &x);
}

/*
 * A gang that is the whole block, and all of whose lanes have come: nobody is left to wait for. (Barriers with numbers of
 * their own aren't in such gangs: choose_warps() saw to that.)
 */
static bool is_met(const struct gen_emit *e, const struct ir_insn *i)
{
	const uint32_t *block = e->f->block;

	return !e->f->yields && block[0] * block[1] * block[2] == e->g->W && i->mode != IR_MODE_RED && i->mode != IR_MODE_ARRIVE &&
	       (i->n_src < 2 || i->src[1].kind == IR_OPND_NONE);
}

bool gen_waits_at_end(const struct gen_emit *e, uint32_t b)
{
	const struct gen_block *k = &e->f->blocks.v[b];

	return k->term == GEN_T_SLEEP || (k->term == GEN_T_BAR && !is_met(e, k->bar.i));
}

/* Barrier at the end of b: all lanes that run here wait. */
static void barrier(struct gen_emit *e, uint32_t b)
{
	struct gen *g = e->g;
	const struct gen_block *k = &e->f->blocks.v[b];
	uint32_t to = k->succ[0], s;

	if (e->world && k->div) {
		LLVMBasicBlockRef bad = gen_new_bb(e, "apart"), ok = gen_new_bb(e, "together");
		val live[GEN_MAX_NG], diff[GEN_MAX_NG];

		gen_load_mask(e, e->live, live);
		for (unsigned n = 0; n < g->NG; n++)
			diff[n] = LLVMBuildXor(g->b, live[n], e->m.v[n], "");
		LLVMBuildCondBr(g->b, gen_any(g, diff, false), bad, ok);
		gen_at(e, bad);
		if (e->f->general) {
			gen_add_mask(e, gen_park_mask(e, b), e->m.v);
			go_on(e, b);
		} else {
			fault(e, &k->bar, VGPU_E_ILLEGAL_INSTRUCTION);
		}
		gen_at(e, ok);
	}
	if (e->world)
		send(e, to, e->m.v);
	if (is_met(e, k->bar.i)) {
		LLVMBuildBr(g->b, e->world ? e->bb[1][to] : gen_home_way(e, b, to));
		return;
	}
	s = wait_state(e, SD_WHY_BARRIER, (struct gen_state){ .block = to, .at_end = true }, &k->bar);
	if (e->failed)
		return;
	resume(e, s);
	get_barrier(e, &k->bar);
	LLVMBuildBr(g->b, e->world ? e->bb[1][to] : gen_home_way(e, b, to));
}

/* nanosleep: others first. */
static void sleep_(struct gen_emit *e, uint32_t b)
{
	const struct gen_block *k = &e->f->blocks.v[b];
	uint32_t to = k->succ[0], s;
	bool sweep = e->world && k->div;

	if (e->world)
		send(e, to, e->m.v);
	s = wait_state(e, SD_WHY_YIELD, (struct gen_state){ .block = sweep ? b : to, .sweep = sweep, .at_end = true }, NULL);
	if (e->failed)
		return;
	resume(e, s);
	if (sweep)
		go_on(e, b);
	else
		LLVMBuildBr(e->g->b, e->world ? e->bb[1][to] : gen_home_way(e, b, to));
}

/* ---- general functions: the end of a sweep ---- */

/* Lanes at the bar.red that ends b: all that are left. What they bring to it came sweep by sweep. */
static void wait_red(struct gen_emit *e, uint32_t b)
{
	struct gen *g = e->g;
	const struct gen_block *k = &e->f->blocks.v[b];
	LLVMBasicBlockRef here = gen_new_bb(e, "red"), on = gen_new_bb(e, "other");
	uint32_t first = e->f->order[0], s;

	gen_load_mask(e, gen_park_mask(e, b), e->m.v);
	e->m.full = false;
	LLVMBuildCondBr(g->b, gen_any(g, e->m.v, false), here, on);
	gen_at(e, here);
	e->now++;
	gen_add_mask(e, gen_block_mask(e, k->succ[0]), e->m.v);
	gen_store_mask(e, gen_park_mask(e, b), NULL);
	s = wait_state(e, SD_WHY_BARRIER, (struct gen_state){ .block = first, .sweep = true }, &k->bar);
	if (e->failed)
		return;
	resume(e, s);
	e->now++;
	gen_load_mask(e, gen_block_mask(e, k->succ[0]), e->m.v);
	get_barrier(e, &k->bar);
	LLVMBuildBr(g->b, e->bb[1][first]);
	gen_at(e, on);
}

/*
 * All blocks have had their turn. Lanes at some block's start: again (after a
 * while, when others have had theirs). Else those at a barrier wait; else all
 * have ended.
 */
static void sweep(struct gen_emit *e)
{
	struct gen *g = e->g;
	LLVMBasicBlockRef again = gen_new_bb(e, "again"), parked = gen_new_bb(e, "parked"), wait = gen_new_bb(e, "wait");
	val any[GEN_MAX_NG] = { 0 }, m[GEN_MAX_NG];
	uint32_t first = e->f->order[0], s, bar = GEN_NONE;

	e->world = 1;
	gen_at(e, e->sweep);
	for (uint32_t k = 0; k < e->f->n_order; k++) {
		gen_load_mask(e, gen_block_mask(e, e->f->order[k]), m);
		for (unsigned n = 0; n < g->NG; n++)
			any[n] = any[n] ? LLVMBuildOr(g->b, any[n], m[n], "") : m[n];
	}
	LLVMBuildCondBr(g->b, gen_any(g, any, false), again, parked);
	gen_at(e, again);
	poll(e);
	if (e->f->yields)
		give_way(e, first, true);
	else
		spin(e, first, true, e->bb[1][first]);
	LLVMBuildBr(g->b, e->bb[1][first]);
	gen_at(e, parked);
	memset(any, 0, sizeof(any));
	for (uint32_t k = 0; k < e->f->n_order; k++) {
		if (e->f->blocks.v[e->f->order[k]].term != GEN_T_BAR)
			continue;
		if (e->f->blocks.v[e->f->order[k]].bar.i->mode == IR_MODE_RED) {
			wait_red(e, e->f->order[k]);
			continue;
		}
		bar = bar == GEN_NONE ? e->f->order[k] : bar;
		gen_load_mask(e, gen_park_mask(e, e->f->order[k]), m);
		for (unsigned n = 0; n < g->NG; n++)
			any[n] = any[n] ? LLVMBuildOr(g->b, any[n], m[n], "") : m[n];
	}
	if (bar == GEN_NONE) {
		LLVMBuildBr(g->b, e->done);
		LLVMDeleteBasicBlock(wait);
		return;
	}
	LLVMBuildCondBr(g->b, gen_any(g, any, false), wait, e->done);
	gen_at(e, wait);
	/* only barriers of one number without a count meet here: gen_kernel saw to that */
	memcpy(e->m.v, any, sizeof(any));
	e->m.full = false;
	e->now++;
	for (uint32_t k = 0; k < e->f->n_order; k++) {
		const struct gen_block *b = &e->f->blocks.v[e->f->order[k]];

		if (b->term != GEN_T_BAR || b->bar.i->mode == IR_MODE_RED)
			continue;
		gen_load_mask(e, gen_park_mask(e, e->f->order[k]), m);
		gen_add_mask(e, gen_block_mask(e, b->succ[0]), m);
		gen_store_mask(e, gen_park_mask(e, e->f->order[k]), NULL);
	}
	s = wait_state(e, SD_WHY_BARRIER, (struct gen_state){ .block = first, .sweep = true }, &e->f->blocks.v[bar].bar);
	if (e->failed)
		return;
	resume(e, s);
	LLVMBuildBr(g->b, e->bb[1][first]);
}

/* ---- blocks ---- */

static bool is_header(const struct gen_func *f, uint32_t b)
{
	return f->blocks.v[b].loop && f->blocks.v[b].loop->header == b;
}

/* Atomics in front of it may be done behind it: it neither knows of memory nor leaves the code; or it is one that sees to that itself. */
static bool may_overtake(const struct gen *g, const struct gen_insn *t)
{
	if (t->kind != GEN_I_IR || t->i->op == IR_OP_atom || t->i->op == IR_OP_red)
		return true;
	return t->i->op == IR_OP_mov || gen_elem_has(g, t->i);
}

static bool is_arithmetic(const struct gen_emit *e, const struct gen_insn *t)
{
	return t->kind == GEN_I_IR && t->i->n_dst == 1 && t->i->dst[0].kind == IR_OPND_REG && gen_elem_has(e->g, t->i) &&
	       e->f->shp[e->world][gen_reg_of(t->inst, t->i->dst[0].reg)].shape == GEN_V;
}

/* but: not this one */
static void insns(struct gen_emit *e, uint32_t b, const struct gen_insn *but)
{
	const struct gen_block *k = &e->f->blocks.v[b];

	if (!e->world)
		gen_rows_begin(e, b);
	for (size_t n = 0; n < k->insns.n && !e->failed; n++) {
		if (&k->insns.v[n] == but || gen_rows_take(e, &k->insns.v[n]))
			continue;
		if (!may_overtake(e->g, &k->insns.v[n]))
			gen_atom_do_late(e->g, &e->late);
		gen_insn(e, &k->insns.v[n]);
		if (!e->world && is_arithmetic(e, &k->insns.v[n]))
			gen_asks_pace(e, e->g->NG);
	}
	gen_rows_end(e);
	gen_fields_end(e);
	if (!e->world)
		gen_asks_block(e, b);
	gen_atom_do_late(e->g, &e->late);
}

static void read_pred(struct gen_emit *e, const struct gen_block *k, struct gen_val *p)
{
	struct gen *g = e->g;

	gen_read(e, k->pred_reg, p);
	if (!k->neg)
		return;
	if (p->shape == GEN_U)
		p->u = LLVMBuildNot(g->b, p->u, "");
	for (unsigned n = 0; p->shape == GEN_V && n < g->NG; n++)
		p->v[n] = LLVMBuildNot(g->b, p->v[n], "");
}

/* Does world 0 ask at the end of b whether lanes agree? */
static bool may_part(const struct gen_emit *e, uint32_t b)
{
	const struct gen_block *k = &e->f->blocks.v[b];

	return k->term == GEN_T_COND && e->f->shp[0][k->pred_reg].shape != GEN_U;
}

/* Leaves for the successors where scalars tell which; here go on those that the bound lies across. */
static void branch_at_bound(struct gen_emit *e, uint32_t b, const struct gen_insn *bound)
{
	struct gen *g = e->g;
	const struct gen_block *k = &e->f->blocks.v[b];
	LLVMBasicBlockRef no = gen_new_bb(e, "no"), across = gen_new_bb(e, "across");
	val all, none;

	gen_bound_ask(e, bound, &all, &none);
	LLVMBuildCondBr(g->b, all, gen_home_way(e, b, k->succ[k->neg]), no);
	gen_at(e, no);
	LLVMBuildCondBr(g->b, none, gen_home_way(e, b, k->succ[!k->neg]), across);
	gen_at(e, across);
	if (gen_bound_is_all(e, bound))
		gen_insn(e, bound);
}

static void cond_0(struct gen_emit *e, uint32_t b, const struct gen_insn *bound)
{
	struct gen *g = e->g;
	const struct gen_block *k = &e->f->blocks.v[b];
	LLVMBasicBlockRef some = gen_new_bb(e, "some"), apart = gen_new_bb(e, "apart");
	struct gen_val p;

	if (bound)
		branch_at_bound(e, b, bound);
	read_pred(e, k, &p);
	if (p.shape == GEN_U) {
		LLVMBuildCondBr(g->b, p.u, gen_home_way(e, b, k->succ[0]), gen_home_way(e, b, k->succ[1]));
		LLVMDeleteBasicBlock(some);
		LLVMDeleteBasicBlock(apart);
		return;
	}
	/* the other half knows it by the analysis alone */
	e->failed |= !may_part(e, b);
	LLVMBuildCondBr(g->b, gen_any(g, p.v, true), gen_home_way(e, b, k->succ[0]), some);
	gen_at(e, some);
	LLVMBuildCondBr(g->b, gen_any(g, p.v, false), apart, gen_home_way(e, b, k->succ[1]));
	gen_at(e, apart);
	part(e, b, p.v);
}

static void block_0(struct gen_emit *e, uint32_t b)
{
	struct gen *g = e->g;
	const struct gen_block *k = &e->f->blocks.v[b];
	const struct gen_insn *bound;
	val assumed_wrong = NULL;

	e->world = 0;
	e->block = b;
	e->now++;
	e->m.full = true;
	gen_home_enter(e, b);
	gen_at(e, e->bb[0][b]);
	if (is_header(e->f, b)) {
		poll(e);
		if (e->f->yields)
			give_way(e, b, false);
		else if (k->loop->spins)
			spin(e, b, false, e->bb[0][b]);
	}
	if (e->f->diverges)
		stray(e, b);
	gen_fields_begin(e, b);
	if (k->guard)
		gen_guard_check(e, &k->insns.v[0], &assumed_wrong);
	gen_fields_check(e, &assumed_wrong);
	if (assumed_wrong) {
		LLVMBasicBlockRef bad = gen_new_bb(e, "wrong"), ok = gen_new_bb(e, "straight");

		LLVMBuildCondBr(g->b, assumed_wrong, bad, ok);
		gen_at(e, bad);
		enter_masked(e, b);
		gen_at(e, ok);
	}
	bound = gen_bound_of(e, b);
	insns(e, b, bound && gen_bound_is_all(e, bound) ? bound : NULL);
	switch (k->term) {
	case GEN_T_BR: LLVMBuildBr(g->b, gen_home_way(e, b, k->succ[0])); break;
	case GEN_T_COND: cond_0(e, b, bound); break;
	case GEN_T_EXIT: LLVMBuildBr(g->b, e->ended); break;
	case GEN_T_BAR: barrier(e, b); break;
	case GEN_T_SLEEP: sleep_(e, b); break;
	case GEN_T_FAULT: fault(e, &k->bar, fault_status(&k->bar)); break;
	}
}

static void cond_1(struct gen_emit *e, uint32_t b)
{
	struct gen *g = e->g;
	const struct gen_block *k = &e->f->blocks.v[b];
	val yes[GEN_MAX_NG], no[GEN_MAX_NG];
	struct gen_val p;

	read_pred(e, k, &p);
	if (p.shape == GEN_U && !k->div) {
		LLVMBasicBlockRef to[2];

		for (unsigned s = 0; s < 2; s++)
			to[s] = e->f->blocks.v[k->succ[s]].div ? gen_new_bb(e, "to") : e->bb[1][k->succ[s]];
		LLVMBuildCondBr(g->b, p.u, to[0], to[1]);
		for (unsigned s = 0; s < 2; s++)
			if (e->f->blocks.v[k->succ[s]].div) {
				gen_at(e, to[s]);
				send(e, k->succ[s], e->m.v);
				LLVMBuildBr(g->b, e->bb[1][k->succ[s]]);
			}
		return;
	}
	for (unsigned n = 0; n < g->NG; n++) {
		val c = gen_group(g, &p, 1, n);

		yes[n] = LLVMBuildAnd(g->b, e->m.v[n], c, "");
		no[n] = LLVMBuildAnd(g->b, e->m.v[n], LLVMBuildNot(g->b, c, ""), "");
	}
	send_on(e, k->succ[0], yes);
	send_on(e, k->succ[1], no);
	if (k->div)
		go_on(e, b);
	else
		go_apart(e, b);
}

static void exit_1(struct gen_emit *e, uint32_t b)
{
	if (!e->f->blocks.v[b].div) {
		LLVMBuildBr(e->g->b, e->done);
		return;
	}
	end_lanes(e, e->m.v);
	go_on(e, b);
}

/* The lanes that have come to b; none: what follows it. */
static void arrive(struct gen_emit *e, uint32_t b)
{
	struct gen *g = e->g;
	LLVMBasicBlockRef run = gen_new_bb(e, "run"), skip = gen_new_bb(e, "skip");

	gen_load_mask(e, gen_block_mask(e, b), e->m.v);
	if (e->f->blocks.v[b].meet)
		gen_meet(e, b, e->m.v);
	else
		gen_store_mask(e, gen_block_mask(e, b), NULL);
	LLVMBuildCondBr(g->b, gen_any(g, e->m.v, false), run, skip);
	gen_at(e, skip);
	go_on(e, b);
	gen_at(e, run);
}

bool gen_meets_at(const struct gen_emit *e, uint32_t b)
{
	return !e->f->blocks.v[b].div && is_join(e, b) && can_return(e, b);
}

static void block_1(struct gen_emit *e, uint32_t b)
{
	struct gen *g = e->g;
	const struct gen_block *k = &e->f->blocks.v[b];

	e->world = 1;
	e->block = b;
	e->now++;
	e->m.full = false;
	gen_at(e, e->bb[1][b]);
	if (gen_meets_at(e, b)) {
		LLVMBasicBlockRef back = gen_new_bb(e, "met");

		LLVMBuildCondBr(g->b, LLVMBuildLoad2(g->b, g->i1, e->full, ""), back, stay_bb(e, b));
		gen_at(e, back);
		move_live(e, k->live_in, 1, 0);
		if (e->has[0])
			LLVMBuildBr(g->b, gen_home_way(e, GEN_NO_BLOCK, b));
		else
			gen_cross_out(e, GEN_CROSS_MET, b);
		gen_at(e, e->stay[b]);
	} else if (e->stay[b]) {
		LLVMBuildBr(g->b, e->stay[b]);
		gen_at(e, e->stay[b]);
	}
	if (is_header(e->f, b)) {
		poll(e);
		if (e->f->yields && !e->f->general)
			give_way(e, b, k->div);
		else if (k->loop->spins && !e->f->general)
			spin(e, b, k->div, e->bb[1][b]);
	}
	if (k->div)
		arrive(e, b);
	else
		gen_load_mask(e, e->live, e->m.v);
	gen_fields_begin(e, b);
	insns(e, b, NULL);
	switch (k->term) {
	case GEN_T_BR:
		if (k->div) {
			send_on(e, k->succ[0], e->m.v);
			go_on(e, b);
		} else {
			send(e, k->succ[0], e->m.v);
			LLVMBuildBr(g->b, e->bb[1][k->succ[0]]);
		}
		break;
	case GEN_T_COND: cond_1(e, b); break;
	case GEN_T_EXIT: exit_1(e, b); break;
	case GEN_T_BAR: barrier(e, b); break;
	case GEN_T_SLEEP: sleep_(e, b); break;
	case GEN_T_FAULT: fault(e, &k->bar, fault_status(&k->bar)); break;
	}
}

/* ---- the function ---- */

/* The ways into the half that is here. */
static void ways_in(struct gen_emit *e)
{
	for (uint32_t n = 0; n < e->f->n_order; n++) {
		uint32_t b = e->f->order[n];
		val p[GEN_MAX_NG];

		e->world = e->has[1];
		if (e->has[0] && gen_meets_at(e, b)) {
			gen_cross_in(e, GEN_CROSS_MET, b);
			LLVMBuildBr(e->g->b, gen_home_way(e, GEN_NO_BLOCK, b));
		}
		if (e->has[1] && (e->f->blocks.v[b].guard || e->f->diverges || gen_fields_ask(e, b))) {
			gen_cross_in(e, GEN_CROSS_ENTER, b);
			enter_masked(e, b);
		}
		if (e->has[1] && may_part(e, b)) {
			gen_cross_in(e, GEN_CROSS_PART, b);
			gen_load_mask(e, gen_cross_slots(e), p);
			part(e, b, p);
		}
	}
}

static void start_masked(struct gen_emit *e)
{
	struct gen *g = e->g;
	val m[GEN_MAX_NG];

	for (unsigned w = 0; w < g->n_warps; w++) {
		val bits = gen_load_ctx(e, offsetof(struct sd_ctx, valid) + 4 * w, g->i32);

		for (unsigned n = 0; n < 32 / g->G; n++) {
			val b = n ? LLVMBuildLShr(g->b, bits, LLVMConstInt(g->i32, n * g->G, 0), "") : bits;

			m[w * 32 / g->G + n] = gen_mask_of_bits(g, LLVMBuildTrunc(g->b, b, LLVMIntTypeInContext(g->cx, g->G), ""));
		}
	}
	gen_store_mask(e, e->live, m);
	LLVMBuildStore(g->b, gen_any(g, m, true), e->full);
	send(e, e->f->order[0], m);
	LLVMBuildBr(g->b, e->bb[1][e->f->order[0]]);
}

int gen_emit_func(struct gen_emit *e)
{
	struct gen *g = e->g;
	LLVMBasicBlockRef start, full, masked, top;
	val is_full, state, cross[GEN_MAX_NG] = { 0 };

	e->cross = cross;
	e->entry = gen_new_bb(e, "entry");
	start = gen_new_bb(e, "start");
	top = gen_new_bb(e, "top");
	e->done = gen_new_bb(e, "done");
	e->ended = gen_new_bb(e, "ended");
	e->gave_up = gen_new_bb(e, "gave_up");
	full = gen_new_bb(e, "full");
	masked = gen_new_bb(e, "masked");
	e->sweep = gen_new_bb(e, "sweep");
	for (uint32_t k = 0; k < e->f->n_order; k++)
		for (unsigned w = 0; w < 2; w++)
			e->bb[w][e->f->order[k]] = e->has[w] ? gen_new_bb(e, w ? "m" : "f") : NULL;
	if (!gen_homes_begin(e))
		return -VGPU_E_NOMEM;
	for (unsigned n = 0; n < g->NG; n++)
		e->live[n] = gen_alloca(e, gen_mask_type(g));
	e->full = gen_alloca(e, g->i1);
	e->spins = gen_alloca(e, g->i32);
	e->steps = gen_alloca(e, g->i32);
	gen_at(e, e->entry);
	LLVMBuildBr(g->b, top);
	gen_at(e, top);
	gen_row_of_blocks(e);
	state = gen_turns_begin(e);
	LLVMBuildStore(g->b, LLVMConstInt(g->i32, 0, 0), e->spins);
	if (e->f->diverges)
		LLVMBuildStore(g->b, gen_load_ctx(e, offsetof(struct sd_ctx, gang), g->i32), e->steps);
	gen_zero_masks(e);
	e->switch_ = LLVMBuildSwitch(g->b, state, start, 8);
	gen_at(e, start);
	gen_zero_places(e);
	is_full = gen_load_ctx(e, offsetof(struct sd_ctx, full), g->i32);
	if (e->f->only_masked)
		is_full = LLVMConstNull(g->i32);
	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntNE, is_full, LLVMConstNull(g->i32), ""), full, masked);
	gen_at(e, full);
	if (e->has[0])
		LLVMBuildBr(g->b, gen_home_way(e, GEN_NO_BLOCK, e->f->order[0]));
	else
		gen_cross_leave(e, SD_CROSS);
	gen_at(e, masked);
	if (e->has[1])
		start_masked(e);
	else
		gen_cross_leave(e, SD_CROSS);
	gen_at(e, e->done);
	LLVMBuildRet(g->b, LLVMConstInt(g->i32, SD_DONE, 0));
	gen_at(e, e->gave_up);
	LLVMBuildRet(g->b, LLVMConstInt(g->i32, SD_GAVE_UP, 0));
	if (!e->has[0] || !e->has[1])
		ways_in(e);
	for (uint32_t k = 0; k < e->f->n_order && !e->failed && e->has[0]; k++)
		block_0(e, e->f->order[k]);
	for (uint32_t k = 0; k < e->f->n_order && !e->failed && e->has[1]; k++)
		block_1(e, e->f->order[k]);
	gen_at(e, e->ended);
	gen_turn_at_end(e);
	gen_next_block(e, start);
	if (e->f->general && !e->failed && e->has[1])
		sweep(e);
	else
		LLVMDeleteBasicBlock(e->sweep);
	return e->failed ? -VGPU_E_INTERNAL : 0;
}

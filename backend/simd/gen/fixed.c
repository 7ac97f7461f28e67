/*
 * fixed.c: registers whose values the compiler may come to know: those that
 * are, somewhere, computed from constants and the threads' numbers alone.
 *
 * LLVM works such floating-point arithmetic out itself, and not as the machine
 * does: an invalid operation's NaN has the other sign, and numbers that .ftz
 * takes for zeros (a mode of the processor) aren't, also when they are only
 * divided by one. So it is kept from seeing through the operands. Kernels
 * compute little of this kind. What LLVM knows by algebra alone, of operands that
 * do depend on something, stays visible, but in divisions and roots of f64.
 */
#include <stdlib.h>

#include "backend/simd/gen/coll.h"
#include "backend/simd/gen/emit.h"

struct known {
	const struct gen_func *f;
	uint8_t *known;                /* by register */
	bool here, changed;
};

static void see_use(void *arg, uint32_t r)
{
	struct known *x = arg;

	x->here &= x->known[r];
}

static void see_def(void *arg, uint32_t r)
{
	struct known *x = arg;

	x->changed |= x->here && !x->known[r];
	x->known[r] |= x->here;
}

static bool is_of_thread(uint32_t sreg)
{
	switch (sreg) {
	case IR_SREG_tid_x: case IR_SREG_tid_y: case IR_SREG_tid_z: case IR_SREG_laneid: case IR_SREG_warpid:
		return true;
	default:
		return false;
	}
}

/* It brings something that the code doesn't say. */
static bool brings(const struct gen *g, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;

	if (t->kind != GEN_I_IR)
		return false;
	if (!gen_elem_has(g, i) && !gen_is_coll(i) && i->op != IR_OP_mov)
		return true;
	for (unsigned k = 0; k < i->n_src; k++)
		if (i->src[k].kind == IR_OPND_MEM || i->src[k].kind == IR_OPND_SYM || (i->src[k].kind == IR_OPND_SREG && !is_of_thread(i->src[k].imm)))
			return true;
	return false;
}

int gen_find_fixed(struct gen *g, struct gen_func *f)
{
	struct known x = { .f = f, .known = calloc(f->regs.n + 1, 1) };

	if (!x.known)
		return vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name);
	/* read before it is written: zero */
	for (uint32_t r = 0; r < f->regs.n; r++)
		x.known[r] = gen_in(f->blocks.v[0].live_in, r);
	do {
		x.changed = false;
		for (uint32_t k = 0; k < f->n_order; k++) {
			const struct gen_block *b = &f->blocks.v[f->order[k]];

			for (size_t n = 0; n < b->insns.n; n++) {
				x.here = !brings(g, &b->insns.v[n]);
				gen_uses(f, &b->insns.v[n], see_use, &x);
				gen_defs(f, &b->insns.v[n], see_def, &x);
			}
		}
	} while (x.changed);
	for (uint32_t r = 0; r < f->regs.n; r++)
		f->regs.v[r].fixed = x.known[r];
	free(x.known);
	return 0;
}

/* Each by itself: what directed rounding is made of computes with one operand alone, too. */
static bool is_fixed(const struct gen_emit *e, const struct gen_insn *t, unsigned n)
{
	const struct ir_insn *i = t->i;

	if (i->type != IR_T_F32 && i->type != IR_T_F64)
		return false;
	/* zero by zero, which needs no more than to know that both are small numbers shifted far, and costs nothing beside the division */
	if (i->type == IR_T_F64 && (i->op == IR_OP_div || i->op == IR_OP_sqrt || i->op == IR_OP_rcp))
		return true;
	return i->src[n].kind == IR_OPND_SREG || (i->src[n].kind == IR_OPND_REG && e->f->regs.v[gen_reg_of(t->inst, i->src[n].reg)].fixed);
}

val gen_unknown(struct gen_emit *e, const struct gen_insn *t, unsigned n, val v)
{
	struct gen *g = e->g;
	unsigned bits = gen_bits(v);
	LLVMTypeRef as;
	val a;

	if ((bits != 32 && bits != 64) || !is_fixed(e, t, n))
		return v;
	a = gen_as_float(g, v);
	as = LLVMTypeOf(a);
	a = gen_intrinsic(g, "llvm.arithmetic.fence", &as, 1, &a, 1);
	return gen_as_int(g, a);
}

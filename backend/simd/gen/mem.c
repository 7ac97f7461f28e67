/*
 * mem.c: loads, stores, atomics: where an address pattern lets a group's lanes
 * be one vector access, one scalar, a wide one with a shuffle, or none of it.
 *
 * Device memory and shared memory are accessed where they are. Before that,
 * check.c makes sure that an access is aligned and inside of its space; pages
 * of the window that nothing is mapped to fault, and the run time catches it.
 */
#include <string.h>

#include "backend/simd/gen/mem.h"

/* Most elements that a wide load may span for one group, in units of G. */
#define SPAN 4

val mem_to_ptr(struct gen *g, val addr)
{
	return LLVMBuildIntToPtr(g->b, addr, g->ptr, "");
}

val mem_offset(struct gen *g, val base, int64_t off)
{
	return off ? LLVMBuildAdd(g->b, base, LLVMConstInt(g->i64, (uint64_t)off, 1), "") : base;
}

/* ---- groups ---- */

void mem_group(struct acc *x, unsigned n, struct group *r)
{
	struct gen *g = x->e->g;
	const struct gen_pat *p = x->a.s.pat;

	memset(r, 0, sizeof(*r));
	if (x->a.s.shape == GEN_V) {
		r->addr = x->v.v[n];
		return;
	}
	r->known = true;
	r->base = x->a.u;
	if (x->a.s.shape == GEN_U)
		return;
	for (unsigned l = 0; l < g->G; l++)
		r->c[l] = p->c[n * g->G + l];
	if (!p->has_k)
		return;
	for (unsigned l = 1; l < g->G; l++)
		if (p->k[n * g->G + l] != p->k[n * g->G]) {
			struct gen_val v = { .shape = GEN_P, .pat = p, .u = x->a.u, .k = x->a.k };

			r->known = false;
			r->addr = gen_group(g, &v, 64, n);
			return;
		}
	r->base = LLVMBuildAdd(g->b, r->base, LLVMBuildMul(g->b, x->a.k, LLVMConstInt(g->i64, (uint64_t)p->k[n * g->G], 1), ""), "");
}

bool mem_is_step(const struct gen *g, const struct group *r, int64_t step)
{
	for (unsigned l = 1; l < g->G; l++)
		if (r->c[l] != r->c[0] + (int64_t)l * step)
			return false;
	return r->known;
}

bool mem_is_one(const struct gen *g, const struct group *r)
{
	return mem_is_step(g, r, 0);
}

/* Offsets that are multiples of the element's size within a small span: min, and number of elements. */
bool mem_is_window(const struct acc *x, const struct group *r, int64_t *min, unsigned *n)
{
	const struct gen *g = x->e->g;
	int64_t lo = r->c[0], hi = r->c[0];

	if (!r->known)
		return false;
	for (unsigned l = 1; l < g->G; l++) {
		lo = MIN(lo, r->c[l]);
		hi = MAX(hi, r->c[l]);
	}
	hi += x->stride - x->size;
	if ((hi - lo) % x->size || (hi - lo) / x->size >= SPAN * (int64_t)g->G * MAX(x->vec, 1u))
		return false;
	for (unsigned l = 0; l < g->G; l++)
		if ((r->c[l] - lo) % x->size)
			return false;
	*min = lo;
	*n = (unsigned)((hi - lo) / x->size) + 1;
	return true;
}

val mem_lane_addr(struct acc *x, const struct group *r, unsigned l)
{
	struct gen *g = x->e->g;

	return r->known ? mem_offset(g, r->base, r->c[l]) :
			  LLVMBuildExtractElement(g->b, r->addr, LLVMConstInt(g->i32, l, 0), "");
}

/* The group's addresses as <G x i64>. */
val mem_addr_vector(struct acc *x, const struct group *r)
{
	struct gen *g = x->e->g;
	val c[SD_MAX_W];

	if (!r->known)
		return r->addr;
	for (unsigned l = 0; l < g->G; l++)
		c[l] = LLVMConstInt(g->i64, (uint64_t)r->c[l], 1);
	return LLVMBuildAdd(g->b, gen_splat(g, r->base), LLVMConstVector(c, g->G), "");
}

/* What lanes without an access read instead: as many bytes as an access may have. */
static val zeros(struct gen *g)
{
	val z = LLVMGetNamedGlobal(g->mod, "zeros");
	LLVMTypeRef t = LLVMArrayType(g->i8, 64);

	if (!z) {
		z = LLVMAddGlobal(g->mod, t, "zeros");
		LLVMSetInitializer(z, LLVMConstNull(t));
		LLVMSetGlobalConstant(z, 1);
		LLVMSetLinkage(z, LLVMPrivateLinkage);
		LLVMSetAlignment(z, 64);
	}
	return LLVMBuildPtrToInt(g->b, z, g->i64, "");
}

val mem_safe_addr(struct acc *x, const struct group *r, val m)
{
	struct gen *g = x->e->g;

	return LLVMBuildSelect(g->b, m, mem_addr_vector(x, r), gen_splat(g, zeros(g)), "");
}

static void mark(struct acc *x, val access, unsigned align)
{
	if (x->volatile_)
		LLVMSetVolatile(access, 1);
	LLVMSetAlignment(access, align);
}

val mem_load(struct acc *x, LLVMTypeRef t, val addr, unsigned align)
{
	val v = LLVMBuildLoad2(x->e->g->b, t, mem_to_ptr(x->e->g, addr), "");

	mark(x, v, align);
	return v;
}

void mem_store(struct acc *x, val v, val addr, unsigned align)
{
	mark(x, LLVMBuildStore(x->e->g->b, v, mem_to_ptr(x->e->g, addr)), align);
}

val mem_shuffle(struct gen *g, val v, const int *pick, unsigned n)
{
	val m[SD_MAX_W * 2];

	for (unsigned k = 0; k < n; k++)
		m[k] = LLVMConstInt(g->i32, (unsigned)pick[k], 0);
	return LLVMBuildShuffleVector(g->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(m, n), "");
}

bool mem_has_masked(const struct gen *g, unsigned size)
{
	return size >= 4 ? g->isa >= SD_ISA_AVX2 : g->isa == SD_ISA_AVX512;
}

void mem_fence(struct gen *g, bool acquire, uint8_t order)
{
	if (order == IR_ORD_SC)
		LLVMBuildFence(g->b, LLVMAtomicOrderingSequentiallyConsistent, 0, "");
	else if (acquire ? order == IR_ORD_ACQUIRE || order == IR_ORD_ACQ_REL || order == IR_ORD_RELAXED || order == IR_ORD_VOLATILE :
			   order == IR_ORD_RELEASE || order == IR_ORD_ACQ_REL)
		LLVMBuildFence(g->b, acquire ? LLVMAtomicOrderingAcquire : LLVMAtomicOrderingRelease, 0, "");
}

void mem_init(struct acc *x, struct gen_emit *e, const struct gen_insn *t)
{
	memset(x, 0, sizeof(*x));
	x->e = e;
	x->t = t;
	x->size = ir_type_size(t->i->type);
	x->vec = MAX(t->i->vec, 1u);
	x->stride = x->size * x->vec;
	x->volatile_ = t->i->order != IR_ORD_WEAK;
	x->local = e->f->granule && gen_is_local(e->f, t);
}

/* ---- checks ---- */

void mem_check(struct acc *x)
{
	struct gen_emit *e = x->e;
	struct gen *g = e->g;
	val bad = gen_check(e, x->t, x->stride, &x->a, &x->v);
	LLVMBasicBlockRef fault, on, maybe;

	if (!bad)
		return;
	/* what came before has happened when an access turns out to be none */
	gen_atom_do_late(g, &e->late);
	fault = gen_new_bb(e, "bad");
	on = gen_new_bb(e, "plain");
	maybe = fault;
	if (x->t->i->space == IR_SPACE_GENERIC && !x->local)
		maybe = gen_new_bb(e, "elsewhere");
	gen_unlikely(e, bad, maybe, on);
	if (maybe != fault) {
		gen_at(e, maybe);
		LLVMBuildCondBr(g->b, gen_check_block(e, x->t, x->stride, &x->a, &x->v), fault, on);
	}
	gen_at(e, fault);
	gen_store_ctx(e, offsetof(struct sd_ctx, fault_ref), LLVMConstInt(g->i32, gen_ref(e, x->t), 0));
	gen_store_ctx(e, offsetof(struct sd_ctx, why), LLVMConstInt(g->i32, SD_WHY_ACCESS, 0));
	LLVMBuildBr(g->b, e->gave_up);
	gen_at(e, on);
}

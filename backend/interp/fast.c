/*
 * fast.c: see fast.h. The lanes' addresses are computed and checked all at
 * once, then loaded from, or stored to, in one of three ways: 32 elements in a
 * row, one element for all lanes, or lane by lane.
 *
 * Checking without branches: with x the offset in a memory of size bytes, an
 * access of n bytes fits when neither x nor size - n - x is negative, for sizes
 * below 2^63. Lanes that take no part count as offset 0.
 */
#include <string.h>

#include "backend/interp/fast.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#ifndef FAST_LEVEL
#define FAST_LEVEL in_fast_base
#endif

/* From so many lanes on, arithmetic for all 32 costs less than picking them one by one. */
#define ENOUGH_LANES 12

#ifdef __clang__
#define IVDEP _Pragma("clang loop vectorize(assume_safety)")
#else
#define IVDEP _Pragma("GCC ivdep")
#endif

/* A memory as lanes see it: lane l's starts at address sub + l * sub_stride, and on the host at base + l * stride. */
struct span {
	uint64_t sub, sub_stride, size, stride;
	uint8_t *base;
};

struct place {
	uint64_t x[WARP];        /* offsets in the span */
	uint64_t stride;
	uint8_t *base;
	bool row, same;          /* elements side by side; one element for all */
};

#define AT(l) (p.base + p.x[l] + (l) * p.stride)

static inline uint64_t active(uint32_t m, uint32_t l)
{
	return -(uint64_t)(m >> l & 1);
}

static void addresses(const struct in_warp *w, const struct in_insn *i, uint64_t ea[WARP])
{
	uint64_t off = (uint64_t)i->off, keep = i->addr32 ? UINT32_MAX : UINT64_MAX;

	if (i->frame_base) {
		const uint32_t *lbase = w->g[w->cur].frame->lbase;

		for (uint32_t l = 0; l < WARP; l++)
			ea[l] = lbase[l] + off;
	} else {
		const uint64_t *a = in_row(w, i->a);

		for (uint32_t l = 0; l < WARP; l++)
			ea[l] = (a[l] + off) & keep;
	}
}

static bool fits(const uint64_t ea[WARP], const struct span *s, uint32_t n, uint32_t m, struct place *p)
{
	uint64_t last = s->size - n, bad = 0, low = 0;

	if (s->size < n || s->size >> 63)
		return false;
	for (uint32_t l = 0; l < WARP; l++) {
		uint64_t on = active(m, l), x = (ea[l] - s->sub - l * s->sub_stride) & on;

		p->x[l] = x;
		bad |= x | (last - x);
		low |= ea[l] & on;
	}
	p->base = s->base;
	p->stride = s->stride;
	return !(bad >> 63) && !(low & (n - 1));
}

static struct span local_span(const struct in_warp *w)
{
	struct be_block *b = w->blk;

	return (struct span){ .size = b->local_B, .base = b->local_B ? in_lane_local(w, 0) : NULL, .stride = b->local_B };
}

static bool find_generic(const struct in_warp *w, const uint64_t ea[WARP], uint32_t n, uint32_t m, struct place *p)
{
	struct be_block *b = w->blk;
	uint64_t first = ea[__builtin_ctz(m)];
	struct span s = { .sub = b->s->window, .size = b->s->window_size, .base = (uint8_t *)(uintptr_t)b->s->window };

	if (first - s.sub < s.size)
		return fits(ea, &s, n, m, p);
	s = (struct span){ .sub = (uint64_t)(uintptr_t)b->shared, .size = b->shared_B, .base = b->shared };
	if (first - s.sub < s.size)
		return fits(ea, &s, n, m, p);
	s = local_span(w);
	s.sub = (uint64_t)(uintptr_t)s.base;
	s.sub_stride = s.stride;
	return fits(ea, &s, n, m, p);
}

/* False: not here, or not all in one memory, or an error: the plain handler finds out. */
static bool find(const struct in_warp *w, const struct in_insn *i, uint32_t m, uint32_t n, struct place *p)
{
	struct be_block *b = w->blk;
	uint64_t ea[WARP];
	struct span s;

	addresses(w, i, ea);
	switch (i->space) {
	case IR_SPACE_GLOBAL:
	case IR_SPACE_CONST:
		s = (struct span){ .sub = b->s->window, .size = b->s->window_size, .base = (uint8_t *)(uintptr_t)b->s->window };
		break;
	case IR_SPACE_SHARED:
		s = (struct span){ .size = b->shared_B, .base = b->shared };
		break;
	case IR_SPACE_LOCAL:
	case IR_SPACE_PARAM_FUNC:
		s = local_span(w);
		break;
	case IR_SPACE_GENERIC:
		return find_generic(w, ea, n, m, p);
	default:
		return false;
	}
	return fits(ea, &s, n, m, p);
}

static enum in_placed resolve(struct in_warp *w, const struct in_insn *i, uint32_t m, uint32_t n, bool write, uint8_t *to[WARP])
{
	struct place p;

	if (!find(w, i, m, n, &p))
		return IN_CLOSER;
	for (uint32_t l = 0; l < WARP; l++)
		to[l] = AT(l);
	return IN_PLACED;
}

static void classify(struct place *p, uint32_t m, uint32_t n)
{
	uint64_t row = 0, same = 0;

	p->row = p->same = false;
	if (m != ALL_LANES || p->stride)
		return;
	for (uint32_t l = 0; l < WARP; l++) {
		same |= p->x[l] ^ p->x[0];
		row |= p->x[l] ^ (p->x[0] + l * n);
	}
	p->row = !row;
	p->same = !same;
}

#define LOAD(T, S) do { \
	if (p.row) { \
		const T *src_ = (const T *)(p.base + p.x[0]); \
		IVDEP \
		for (uint32_t l = 0; l < WARP; l++) \
			d[l] = (uint64_t)(S)src_[l] & mask; \
	} else if (p.same) { \
		uint64_t v_ = (uint64_t)(S)*(const volatile T *)(p.base + p.x[0]) & mask; \
		for (uint32_t l = 0; l < WARP; l++) \
			d[l] = v_; \
	} else if (m == ALL_LANES) { \
		for (uint32_t l = 0; l < WARP; l++) \
			d[l] = (uint64_t)(S)*(const volatile T *)AT(l) & mask; \
	} else { \
		for_lanes(l, m) \
			d[l] = (uint64_t)(S)*(const volatile T *)AT(l) & mask; \
	} } while (0)

static int ld(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t *d = in_row(w, i->d), mask = i->mask;
	struct place p;

	if (!find(w, i, m, i->size, &p))
		return in_run_ld(w, i, m);
	classify(&p, m, i->size);
	switch (i->size * 2 + i->sign) {
	case 2: LOAD(uint8_t, uint8_t); break;
	case 3: LOAD(int8_t, int64_t); break;
	case 4: LOAD(uint16_t, uint16_t); break;
	case 5: LOAD(int16_t, int64_t); break;
	case 8: LOAD(uint32_t, uint32_t); break;
	case 9: LOAD(int32_t, int64_t); break;
	default: LOAD(uint64_t, uint64_t); break;
	}
	return IN_NEXT;
}

/* Lanes that store to one place do so in order: the last one's value stays. */
#define STORE(T) do { \
	if (p.row) { \
		T *to_ = (T *)(p.base + p.x[0]); \
		IVDEP \
		for (uint32_t l = 0; l < WARP; l++) \
			to_[l] = (T)v[l]; \
	} else if (m == ALL_LANES) { \
		for (uint32_t l = 0; l < WARP; l++) \
			*(volatile T *)AT(l) = (T)v[l]; \
	} else { \
		for_lanes(l, m) \
			*(volatile T *)AT(l) = (T)v[l]; \
	} } while (0)

static void note_store(struct in_warp *w, const struct in_insn *i)
{
	if (i->space != IR_SPACE_LOCAL && i->space != IR_SPACE_PARAM_FUNC)
		w->stored = true;
}

static int st(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const uint64_t *v = in_row(w, i->b);
	struct place p;

	if (i->space == IR_SPACE_CONST || !find(w, i, m, i->size, &p))
		return in_run_st(w, i, m);
	classify(&p, m, i->size);
	note_store(w, i);
	switch (i->size) {
	case 1: STORE(uint8_t); break;
	case 2: STORE(uint16_t); break;
	case 4: STORE(uint32_t); break;
	default: STORE(uint64_t); break;
	}
	return IN_NEXT;
}

/* Vectors of 8 or 16 bytes with elements of 4 or 8 are the common ones; each is one access. */
static bool common_vec(const struct in_insn *i)
{
	uint32_t n = i->size * i->n_vec;

	return (n == 8 || n == 16) && i->size >= 4;
}

#ifdef __SSE2__
static inline __m128i chunk(const uint8_t *p, uint32_t n)
{
	return n == 16 ? *(const volatile __m128i *)p : _mm_cvtsi64_si128(*(const volatile long long *)p);
}

static int ld_vec(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t sign = i->sign && i->size == 4 ? (uint64_t)1 << 31 : 0, none[WARP], *d[4];
	uint32_t n = i->size * i->n_vec;
	struct place p;

	if (!common_vec(i) || !find(w, i, m, n, &p))
		return in_run_ld_vec(w, i, m);
	for (uint32_t k = 0; k < i->n_vec; k++)
		d[k] = i->vec[k] == IN_NOROW ? none : in_row(w, i->vec[k]);
	for_lanes(l, m) {
		uint64_t e[2];

		_mm_storeu_si128((__m128i *)e, chunk(AT(l), n));
		if (i->size == 8) {
			for (uint32_t k = 0; k < i->n_vec; k++)
				d[k][l] = e[k];
		} else {
			for (uint32_t k = 0; k < i->n_vec; k++) {
				uint64_t v = (uint32_t)(e[k / 2] >> (32 * (k & 1)));

				d[k][l] = ((v ^ sign) - sign) & i->mask;
			}
		}
	}
	return IN_NEXT;
}

static int st_vec(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint32_t n = i->size * i->n_vec;
	const uint64_t *v[4];
	struct place p;

	if (!common_vec(i) || i->space == IR_SPACE_CONST || !find(w, i, m, n, &p))
		return in_run_st_vec(w, i, m);
	note_store(w, i);
	for (uint32_t k = 0; k < i->n_vec; k++)
		v[k] = in_row(w, i->vec[k]);
	for_lanes(l, m) {
		uint64_t e[2] = { 0, 0 };

		for (uint32_t k = 0; k < i->n_vec; k++)
			e[k * i->size / 8] |= i->size == 8 ? v[k][l] : (uint64_t)(uint32_t)v[k][l] << (32 * (k & 1));
		if (n == 16)
			*(volatile __m128i *)AT(l) = _mm_set_epi64x((long long)e[1], (long long)e[0]);
		else
			*(volatile uint64_t *)AT(l) = e[0];
	}
	return IN_NEXT;
}
#else
#define ld_vec in_run_ld_vec
#define st_vec in_run_st_vec
#endif

/* Lanes m of t into d. */
static void blend(uint64_t *d, const uint64_t *t, uint32_t m)
{
	for (uint32_t l = 0; l < WARP; l++) {
		uint64_t on = active(m, l);

		d[l] = (t[l] & on) | (d[l] & ~on);
	}
}

/* Handlers of the ALU compute lanes on their own and mind no value, so lanes outside of m may be computed in vain. */
static inline int alu(struct in_warp *w, const struct in_insn *i, uint32_t m, struct alu_args *x)
{
	uint64_t all[WARP] __attribute__((aligned(64)));

	if (m == ALL_LANES || __builtin_popcount(m) < ENOUGH_LANES) {
		i->alu(x);
		return IN_NEXT;
	}
	x->d = all;
	x->mask = ALL_LANES;
	i->alu(x);
	blend(in_row(w, i->d), all, m);
	return IN_NEXT;
}

static int alu2(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	struct alu_args x;

	x.d = in_row(w, i->d);
	x.d2 = NULL;
	x.a = in_row(w, i->a);
	x.b = in_row(w, i->b);
	x.c = x.e = x.b;
	x.cc = NULL;
	x.mask = m;
	x.insn = i->ir;
	return alu(w, i, m, &x);
}

static int alu3(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	struct alu_args x;

	x.d = in_row(w, i->d);
	x.d2 = NULL;
	x.a = in_row(w, i->a);
	x.b = in_row(w, i->b);
	x.c = in_row(w, i->c);
	x.e = x.c;
	x.cc = NULL;
	x.mask = m;
	x.insn = i->ir;
	return alu(w, i, m, &x);
}

static int mov(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	if (m == ALL_LANES)
		memmove(in_row(w, i->d), in_row(w, i->a), WARP * sizeof(uint64_t));
	else
		blend(in_row(w, i->d), in_row(w, i->a), m);
	return IN_NEXT;
}

static int cvta(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t *d = in_row(w, i->d), ea[WARP], base = 0, stride = 0;
	bool to = i->ir->flags & IR_F_TO;

	switch (i->space) {
	case IR_SPACE_GLOBAL:
	case IR_SPACE_CONST:
		break;
	case IR_SPACE_SHARED:
		if (w->blk->cluster)
			return in_run_cvta(w, i, m);
		base = (uint64_t)(uintptr_t)w->blk->shared;
		break;
	case IR_SPACE_LOCAL:
	case IR_SPACE_PARAM_FUNC:
		base = (uint64_t)(uintptr_t)in_lane_local(w, 0);
		stride = w->blk->local_B;
		break;
	default:
		return in_run_cvta(w, i, m);
	}
	addresses(w, i, ea);
	for (uint32_t l = 0; l < WARP; l++)
		ea[l] = to ? ea[l] - (base + l * stride) : ea[l] + (base + l * stride);
	if (m == ALL_LANES)
		memcpy(d, ea, sizeof(ea));
	else
		blend(d, ea, m);
	return IN_NEXT;
}

const struct in_fast FAST_LEVEL = {
	.resolve = resolve, .ld = ld, .st = st, .ld_vec = ld_vec, .st_vec = st_vec, .alu2 = alu2, .alu3 = alu3, .mov = mov,
	.cvta = cvta,
};


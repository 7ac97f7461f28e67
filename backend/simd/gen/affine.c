/* affine.c: see affine.h. */
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/affine.h"

#define ALIGN_ALL 63               /* base is 0: a multiple of anything */

static int64_t wrap(int64_t x, unsigned bits)
{
	return bits >= 64 ? x : bits == 32 ? (int32_t)x : bits == 16 ? (int16_t)x : (int8_t)x;
}

const struct gen_pat *gen_pattern(struct gen *g, const int64_t *c, const int64_t *k)
{
	struct gen_pat p, *n;

	memset(&p, 0, sizeof(p));
	memcpy(p.c, c, g->W * sizeof(*c));
	for (unsigned l = 0; k && l < g->W; l++) {
		p.k[l] = k[l];
		p.has_k |= k[l] != 0;
	}
	for (size_t j = 0; j < g->f->pats.n; j++)
		if (!memcmp(g->f->pats.v[j], &p, sizeof(p)))
			return g->f->pats.v[j];
	n = malloc(sizeof(*n));
	if (!n || !vgpu_vec_push(&g->f->pats, n)) {
		free(n);
		return NULL;
	}
	*n = p;
	return n;
}

struct gen_shp gen_shp_u(void)
{
	return (struct gen_shp){ .shape = GEN_U, .lo = INT64_MIN, .hi = INT64_MAX };
}

struct gen_shp gen_shp_v(void)
{
	return (struct gen_shp){ .shape = GEN_V, .lo = INT64_MIN, .hi = INT64_MAX };
}

struct gen_shp gen_shp_const(uint64_t c, unsigned bits)
{
	struct gen_shp s = { .shape = GEN_U, .known = true };

	s.c = bits >= 64 ? c : c & (((uint64_t)1 << bits) - 1);
	s.align = s.c ? (uint8_t)__builtin_ctzll(s.c) : ALIGN_ALL;
	s.lo = s.hi = wrap((int64_t)s.c, bits);
	return s;
}

void gen_shp_wide(struct gen_shp *s, unsigned bits)
{
	int64_t max = bits >= 64 ? INT64_MAX : ((int64_t)1 << (bits - 1)) - 1;

	s->lo = -max - 1;
	s->hi = max;
}

/* Keeps the range if it fits the width; else it says nothing. */
static void fit(struct gen_shp *s, unsigned bits, __int128 lo, __int128 hi)
{
	struct gen_shp w;

	gen_shp_wide(&w, bits);
	if (lo < w.lo || hi > w.hi) {
		lo = w.lo;
		hi = w.hi;
	}
	s->lo = (int64_t)lo;
	s->hi = (int64_t)hi;
}

struct gen_shp gen_shp_join(const struct gen_shp *a, const struct gen_shp *b, unsigned bits)
{
	struct gen_shp r = *a;

	if (a->shape == GEN_BOTTOM)
		return *b;
	if (b->shape == GEN_BOTTOM)
		return *a;
	if (a->shape == GEN_V && b->shape == GEN_V) {
		r.known = false;
		r.align = MIN(a->align, b->align);
	} else if (a->shape != b->shape || (a->shape == GEN_P && a->pat != b->pat)) {
		r = gen_shp_v();
	} else {
		r.known = a->known && b->known && a->c == b->c;
		r.align = MIN(a->align, b->align);
	}
	r.lo = MIN(a->lo, b->lo);
	r.hi = MAX(a->hi, b->hi);
	r.lazy = a->lazy && b->lazy;
	(void)bits;
	return r;
}

/* ---- building ---- */

static val int_const(struct gen *g, unsigned bits, uint64_t x)
{
	return LLVMConstInt(LLVMIntTypeInContext(g->cx, bits), x, 0);
}

/* Sets shape and pattern; equal lanes make it uniform (their offset goes into the base). */
static bool set_pattern(struct gen *g, unsigned bits, const int64_t *c, const int64_t *k, bool emit, struct gen_aff *r)
{
	bool same = true;
	int64_t w[SD_MAX_W], kw[SD_MAX_W];

	for (unsigned l = 0; l < g->W; l++) {
		w[l] = wrap(c[l], bits);
		kw[l] = k ? wrap(k[l], bits) : 0;
		same &= w[l] == w[0] && kw[l] == 0;
	}
	if (!same) {
		r->s.shape = GEN_P;
		r->s.known = false;
		r->s.pat = gen_pattern(g, w, kw);
		return r->s.pat != NULL;
	}
	r->s.shape = GEN_U;
	r->s.pat = NULL;
	r->k = NULL;
	if (w[0]) {
		r->s.known = false;
		r->s.align = MIN(r->s.align, (uint8_t)__builtin_ctzll((uint64_t)w[0]));
		if (emit)
			r->u = LLVMBuildAdd(g->b, r->u, int_const(g, bits, (uint64_t)w[0]), "");
	}
	return true;
}

static const int64_t *lanes_c(const struct gen_aff *a)
{
	static const int64_t zero[SD_MAX_W];

	return a->s.shape == GEN_P ? a->s.pat->c : zero;
}

static const int64_t *lanes_k(const struct gen_aff *a)
{
	return a->s.shape == GEN_P && a->s.pat->has_k ? a->s.pat->k : NULL;
}

static bool add_sub(struct gen *g, unsigned bits, const struct gen_aff *a, const struct gen_aff *b, bool sub, bool emit, struct gen_aff *r)
{
	const int64_t *ca = lanes_c(a), *cb = lanes_c(b), *ka = lanes_k(a), *kb = lanes_k(b);
	int64_t c[SD_MAX_W], k[SD_MAX_W];

	if (kb && (sub || (ka && memcmp(ka, kb, g->W * sizeof(*ka)))))
		return false;
	memset(r, 0, sizeof(*r));
	r->s.align = MIN(a->s.align, b->s.align);
	if (a->s.known && b->s.known)
		r->s = gen_shp_const(sub ? a->s.c - b->s.c : a->s.c + b->s.c, bits);
	if (sub)
		fit(&r->s, bits, (__int128)a->s.lo - b->s.hi, (__int128)a->s.hi - b->s.lo);
	else
		fit(&r->s, bits, (__int128)a->s.lo + b->s.lo, (__int128)a->s.hi + b->s.hi);
	for (unsigned l = 0; l < g->W; l++) {
		c[l] = sub ? (int64_t)((uint64_t)ca[l] - (uint64_t)cb[l]) : (int64_t)((uint64_t)ca[l] + (uint64_t)cb[l]);
		k[l] = ka ? ka[l] : kb ? kb[l] : 0;
	}
	if (emit) {
		r->u = sub ? LLVMBuildSub(g->b, a->u, b->u, "") : LLVMBuildAdd(g->b, a->u, b->u, "");
		r->k = ka && kb ? LLVMBuildAdd(g->b, a->k, b->k, "") : ka ? a->k : b->k;
	}
	if (r->s.known && a->s.shape == GEN_U && b->s.shape == GEN_U) {
		r->s.shape = GEN_U;
		return true;
	}
	r->s.known = false;
	return set_pattern(g, bits, c, ka || kb ? k : NULL, emit, r);
}

bool gen_aff_add(struct gen *g, unsigned bits, const struct gen_aff *a, const struct gen_aff *b, bool emit, struct gen_aff *out)
{
	return add_sub(g, bits, a, b, false, emit, out);
}

/* b is uniform */
static bool times(struct gen *g, unsigned bits, const struct gen_aff *a, const struct gen_aff *b, bool emit, struct gen_aff *r)
{
	const int64_t *ca = lanes_c(a), *ka = lanes_k(a);
	int64_t c[SD_MAX_W] = { 0 }, k[SD_MAX_W] = { 0 };
	bool c_zero = true;

	for (unsigned l = 0; l < g->W; l++)
		c_zero &= !ca[l];
	memset(r, 0, sizeof(*r));
	/* only a base that is 0 is a multiple of everything */
	r->s.align = a->s.align == ALIGN_ALL || b->s.align == ALIGN_ALL ? ALIGN_ALL : (uint8_t)MIN(a->s.align + b->s.align, ALIGN_ALL - 1);
	if (a->s.known && b->s.known) {
		r->s = gen_shp_const(a->s.c * b->s.c, bits);
	} else {
		__int128 x[4] = { (__int128)a->s.lo * b->s.lo, (__int128)a->s.lo * b->s.hi, (__int128)a->s.hi * b->s.lo, (__int128)a->s.hi * b->s.hi };
		__int128 lo = x[0], hi = x[0];

		for (int n = 1; n < 4; n++) {
			lo = x[n] < lo ? x[n] : lo;
			hi = x[n] > hi ? x[n] : hi;
		}
		fit(&r->s, bits, lo, hi);
	}
	if (emit)
		r->u = LLVMBuildMul(g->b, a->u, b->u, "");
	if (a->s.shape == GEN_U) {
		r->s.shape = GEN_U;
		return true;
	}
	if (b->s.known) {
		for (unsigned l = 0; l < g->W; l++) {
			c[l] = (int64_t)((uint64_t)ca[l] * b->s.c);
			k[l] = ka ? (int64_t)((uint64_t)ka[l] * b->s.c) : 0;
		}
		r->k = a->k;
	} else if (!ka) {
		memcpy(k, ca, g->W * sizeof(*k));
		r->k = b->u;
	} else if (c_zero) {
		memcpy(k, ka, g->W * sizeof(*k));
		if (emit)
			r->k = LLVMBuildMul(g->b, a->k, b->u, "");
	} else {
		return false;
	}
	return set_pattern(g, bits, c, k, emit, r);
}

static bool mul(struct gen *g, unsigned bits, const struct gen_aff *a, const struct gen_aff *b, bool emit, struct gen_aff *r)
{
	if (b->s.shape == GEN_U)
		return times(g, bits, a, b, emit, r);
	return a->s.shape == GEN_U && times(g, bits, b, a, emit, r);
}

static int64_t most(const struct gen *g, const int64_t *c, bool max)
{
	int64_t m = c[0];

	for (unsigned l = 1; l < g->W; l++)
		m = max ? MAX(m, c[l]) : MIN(m, c[l]);
	return m;
}

/* Does base + C need no carry out of the low a bits, that is: are base's bits and C's apart? */
static bool is_apart(const struct gen *g, const struct gen_aff *a)
{
	return !lanes_k(a) && a->s.align < 62 && most(g, lanes_c(a), false) >= 0 && most(g, lanes_c(a), true) < (int64_t)1 << a->s.align;
}

static bool zero_base(const struct gen_aff *a)
{
	return a->s.align >= ALIGN_ALL && !lanes_k(a);
}

static bool shift_right(struct gen *g, unsigned bits, const struct gen_aff *a, uint64_t n, bool sign, bool emit, struct gen_aff *r)
{
	int64_t c[SD_MAX_W];

	if (a->s.shape != GEN_P || n >= bits || a->s.align < n || !(is_apart(g, a) || (zero_base(a) && most(g, lanes_c(a), false) >= 0)))
		return false;
	memset(r, 0, sizeof(*r));
	for (unsigned l = 0; l < g->W; l++)
		c[l] = lanes_c(a)[l] >> n;
	r->s.align = zero_base(a) ? ALIGN_ALL : (uint8_t)(a->s.align - n);
	if (a->s.lo >= 0 || sign)
		fit(&r->s, bits, a->s.lo >> n, a->s.hi >> n);
	else
		fit(&r->s, bits, 0, n ? ((__int128)1 << (bits - n)) - 1 : ((__int128)1 << bits));
	if (emit)
		r->u = sign ? LLVMBuildAShr(g->b, a->u, int_const(g, bits, n), "") : LLVMBuildLShr(g->b, a->u, int_const(g, bits, n), "");
	return set_pattern(g, bits, c, NULL, emit, r);
}

/* mask: low bits only, or all but low bits, of an aligned base */
static bool and_mask(struct gen *g, unsigned bits, const struct gen_aff *a, uint64_t mask, bool emit, struct gen_aff *r)
{
	uint64_t all = bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1, low = ~mask & all;
	bool keeps_low = !(mask & (mask + 1));
	unsigned n = keeps_low ? (unsigned)__builtin_popcountll(mask) : (unsigned)__builtin_popcountll(low);
	int64_t c[SD_MAX_W];

	if (a->s.shape != GEN_P || lanes_k(a) || a->s.align < n || (!keeps_low && (low & (low + 1))))
		return false;
	memset(r, 0, sizeof(*r));
	for (unsigned l = 0; l < g->W; l++)
		c[l] = lanes_c(a)[l] & (int64_t)(keeps_low ? mask : ~low);
	if (keeps_low) {
		r->s.align = ALIGN_ALL;
		fit(&r->s, bits, 0, (__int128)mask);
		if (emit)
			r->u = int_const(g, bits, 0);
	} else {
		r->s.align = a->s.align;
		gen_shp_wide(&r->s, bits);
		if (a->s.lo >= 0)
			fit(&r->s, bits, 0, a->s.hi);
		r->u = a->u;
	}
	return set_pattern(g, bits, c, NULL, emit, r);
}

/* b's bits lie below all of a's: or and xor are additions */
static bool bits_below(const struct gen *g, const struct gen_aff *a, const struct gen_aff *b)
{
	int64_t max;
	unsigned n;

	if (lanes_k(a) || lanes_k(b) || !(zero_base(b) || b->s.known))
		return false;
	max = b->s.known && b->s.shape == GEN_U ? b->s.lo : most(g, lanes_c(b), true);
	if (max < 0 || (b->s.shape == GEN_P && most(g, lanes_c(b), false) < 0))
		return false;
	n = max ? 64 - (unsigned)__builtin_clzll((uint64_t)max) : 0;
	if (a->s.align < n)
		return false;
	for (unsigned l = 0; l < g->W; l++)
		if (lanes_c(a)[l] & (((int64_t)1 << n) - 1))
			return false;
	return true;
}

/*
 * 32 bits to 64. Exact when no lane's sum wraps; the range proves that for
 * patterns without k, whose base is one lane's value less its C.
 */
static bool widen_32(struct gen *g, const struct gen_aff *a, bool sign, bool emit, bool unproven_ok, bool *unproven, struct gen_aff *r)
{
	int64_t min = most(g, lanes_c(a), false), max = most(g, lanes_c(a), true);
	/* of a vector that happens to be a pattern here nothing may be known: then the range is that of 64 bits */
	bool known = a->s.lo >= INT32_MIN && a->s.hi <= UINT32_MAX;
	bool proven = a->s.shape == GEN_U ||
		      (known && !lanes_k(a) && a->s.lo - max >= (sign ? INT32_MIN : 0) && a->s.hi - min <= INT32_MAX);

	if (!proven && zero_base(a) && min >= 0)
		proven = true;
	if (!proven && !unproven_ok)
		return false;
	*unproven |= !proven;
	*r = *a;
	if (!sign && a->s.lo < 0) {
		r->s.lo = 0;
		r->s.hi = UINT32_MAX;
	}
	if (a->s.known)
		r->s = gen_shp_const(sign ? (uint64_t)(int64_t)(int32_t)a->s.c : a->s.c, 64);
	if (emit) {
		r->u = sign ? LLVMBuildSExt(g->b, a->u, g->i64, "") : LLVMBuildZExt(g->b, a->u, g->i64, "");
		if (lanes_k(a))
			r->k = sign ? LLVMBuildSExt(g->b, a->k, g->i64, "") : LLVMBuildSExt(g->b, a->k, g->i64, "");
	}
	return true;
}

static bool narrow_32(struct gen *g, const struct gen_aff *a, bool emit, struct gen_aff *r)
{
	int64_t c[SD_MAX_W];

	memset(r, 0, sizeof(*r));
	r->s.align = a->s.align;
	fit(&r->s, 32, a->s.lo, a->s.hi);
	memcpy(c, lanes_c(a), g->W * sizeof(*c));
	if (emit) {
		r->u = LLVMBuildTrunc(g->b, a->u, g->i32, "");
		if (lanes_k(a))
			r->k = LLVMBuildTrunc(g->b, a->k, g->i32, "");
	}
	if (a->s.known) {
		r->s = gen_shp_const(a->s.c, 32);
		return true;
	}
	return set_pattern(g, 32, c, lanes_k(a), emit, r);
}

/* ---- instructions ---- */

static bool is_int(uint8_t t)
{
	enum ir_type_class c = ir_type_class(t);

	return (c == IR_TC_BITS || c == IR_TC_UINT || c == IR_TC_SINT) && ir_type_bits(t) >= 32;
}

static bool mul_wide(struct gen *g, const struct ir_insn *i, const struct gen_aff *s, bool emit, bool widen, bool *unproven, struct gen_aff *r)
{
	bool sign = ir_type_class(i->type) == IR_TC_SINT;
	struct gen_aff a, b;

	if (ir_type_bits(i->type) != 32 || !widen_32(g, &s[0], sign, emit, widen, unproven, &a) ||
	    !widen_32(g, &s[1], sign, emit, widen, unproven, &b))
		return false;
	return mul(g, 64, &a, &b, emit, r);
}

static bool cvt(struct gen *g, const struct ir_insn *i, const struct gen_aff *s, bool emit, bool widen, bool *unproven, struct gen_aff *r)
{
	unsigned to = ir_type_bits(i->type), from = ir_type_bits(i->stype);

	if (!is_int(i->type) || !is_int(i->stype) || i->flags || i->mode)
		return false;
	if (to == from) {
		*r = *s;
		return true;
	}
	if (to == 64)
		return widen_32(g, s, ir_type_class(i->stype) == IR_TC_SINT, emit, widen, unproven, r);
	return narrow_32(g, s, emit, r);
}

bool gen_affine(struct gen *g, const struct ir_insn *i, const struct gen_aff *s, bool emit, bool widen, bool *unproven, struct gen_aff *r)
{
	unsigned bits = ir_type_bits(i->type);
	struct gen_aff p, t;

	*unproven = false;
	if (!is_int(i->type) || (i->flags & ~(uint32_t)IR_F_NC))
		return false;
	switch (i->op) {
	case IR_OP_add: return add_sub(g, bits, &s[0], &s[1], false, emit, r);
	case IR_OP_sub: return add_sub(g, bits, &s[0], &s[1], true, emit, r);
	case IR_OP_mul:
		if (i->mode == IR_MODE_WIDE)
			return mul_wide(g, i, s, emit, widen, unproven, r);
		return i->mode == IR_MODE_LO && mul(g, bits, &s[0], &s[1], emit, r);
	case IR_OP_mad:
		if (i->mode == IR_MODE_WIDE)
			return mul_wide(g, i, s, emit, widen, unproven, &p) && add_sub(g, 64, &p, &s[2], false, emit, r);
		return i->mode == IR_MODE_LO && mul(g, bits, &s[0], &s[1], emit, &p) && add_sub(g, bits, &p, &s[2], false, emit, r);
	case IR_OP_shl:
		if (!s[1].s.known || s[1].s.c >= bits)
			return false;
		memset(&t, 0, sizeof(t));
		t.s = gen_shp_const((uint64_t)1 << s[1].s.c, bits);
		t.u = emit ? int_const(g, bits, (uint64_t)1 << s[1].s.c) : NULL;
		return mul(g, bits, &s[0], &t, emit, r);
	case IR_OP_shr:
		return s[1].s.known && shift_right(g, bits, &s[0], s[1].s.c, ir_type_class(i->type) == IR_TC_SINT, emit, r);
	case IR_OP_and:
		if (s[1].s.known)
			return and_mask(g, bits, &s[0], s[1].s.c, emit, r);
		return s[0].s.known && and_mask(g, bits, &s[1], s[0].s.c, emit, r);
	case IR_OP_or: case IR_OP_xor:
		if (bits_below(g, &s[0], &s[1]) || bits_below(g, &s[1], &s[0]))
			return add_sub(g, bits, &s[0], &s[1], false, emit, r);
		return false;
	case IR_OP_cvt: return cvt(g, i, s, emit, widen, unproven, r);
	default: return false;
	}
}

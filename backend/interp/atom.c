/*
 * atom.c: atom and red. Each lane's operation is one atomic operation of the
 * host on the resolved address, lanes in order, so blocks on other threads see
 * what PTX promises. Orders and scopes: the host's are always as strong as
 * asked for (sequentially consistent).
 */
#include <math.h>
#include <string.h>

#include "backend/interp/alu_fp.h"
#include "backend/interp/interp.h"

static float f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31, man = h & 0x3ff, bits;
	float f;

	if (exp == 31) {
		bits = sign | 0x7f800000 | man << 13;
	} else if (exp) {
		bits = sign | (exp + 112) << 23 | man << 13;
	} else {
		f = (float)man * 0x1p-24f;
		return sign ? -f : f;
	}
	memcpy(&f, &bits, 4);
	return f;
}

/* Round to nearest even. */
static uint16_t f32_to_f16(float f)
{
	uint32_t b, sign, man, rest, half;
	int exp, shift;

	memcpy(&b, &f, 4);
	sign = b >> 16 & 0x8000;
	exp = (int)(b >> 23 & 255) - 112;
	man = b & 0x7fffff;
	if (exp == 143)
		return man ? 0x7fff : (uint16_t)(sign | 0x7c00);
	if (exp >= 31)
		return (uint16_t)(sign | 0x7c00);
	if (exp < -10)
		return (uint16_t)sign;
	if (exp <= 0) {
		man |= 0x800000;
		shift = 14 - exp;
		exp = 0;
	} else {
		shift = 13;
	}
	half = 1u << (shift - 1);
	rest = man & ((1u << shift) - 1);
	man >>= shift;
	if (rest > half || (rest == half && (man & 1)))
		man++;
	return (uint16_t)(sign | (((uint32_t)exp << 10) + man));
}

static float bf16_to_f32(uint16_t h)
{
	uint32_t b = (uint32_t)h << 16;
	float f;

	memcpy(&f, &b, 4);
	return f;
}

static uint16_t f32_to_bf16(float f)
{
	uint32_t b;

	memcpy(&b, &f, 4);
	if ((b & 0x7fffffff) > 0x7f800000)
		return 0x7fff;
	b += 0x7fff + (b >> 16 & 1);
	return (uint16_t)(b >> 16);
}

static uint64_t bits_f32(float f)
{
	uint32_t b;

	memcpy(&b, &f, 4);
	return b;
}

static float f32_bits(uint64_t v)
{
	uint32_t b = (uint32_t)v;
	float f;

	memcpy(&f, &b, 4);
	return f;
}

static float flush(float f)
{
	return fpclassify(f) == FP_SUBNORMAL ? copysignf(0.0f, f) : f;
}

static float f_op(uint8_t op, float a, float b)
{
	switch (op) {
	case IR_ATOM_MIN:
		if (a == b)
			return signbit(a) ? a : b;
		return isnan(a) ? b : isnan(b) ? a : a < b ? a : b;
	case IR_ATOM_MAX:
		if (a == b)
			return signbit(a) ? b : a;
		return isnan(a) ? b : isnan(b) ? a : a > b ? a : b;
	default:
		return a + b;
	}
}

static uint64_t half_op(uint8_t op, bool bf, uint64_t a, uint64_t b)
{
	if (bf)
		return f32_to_bf16(f_op(op, bf16_to_f32((uint16_t)a), bf16_to_f32((uint16_t)b)));
	return f32_to_f16(f_op(op, f16_to_f32((uint16_t)a), f16_to_f32((uint16_t)b)));
}

static uint64_t f32_add(uint64_t a, uint64_t b, bool ftz)
{
	float x = f32_bits(a), y = f32_bits(b), r;

	if (!ftz) {
		r = x + y;
	} else {
		r = flush(flush(x) + flush(y));
	}
	return isnan(r) ? 0x7fffffff : bits_f32(r);
}

/* The old value's NaN passes, else the operand's. */
static uint64_t f64_add(uint64_t a, uint64_t b)
{
	return f64_out2(f64_of(a) + f64_of(b), a, b);
}

/* New value of the location for a type and operation without a host instruction of its own. */
static uint64_t compute(const struct ir_insn *ir, uint64_t old, uint64_t b, bool ftz)
{
	bool s = ir_type_class(ir->type) == IR_TC_SINT;
	unsigned bits = ir_type_bits(ir->type);

	switch (ir->type) {
	case IR_T_F32:
		return ir->atom == IR_ATOM_ADD ? f32_add(old, b, ftz) : bits_f32(f_op(ir->atom, f32_bits(old), f32_bits(b)));
	case IR_T_F64:
		return f64_add(old, b);
	case IR_T_F16:
	case IR_T_BF16:
		return half_op(ir->atom, ir->type == IR_T_BF16, old, b);
	case IR_T_F16X2:
	case IR_T_BF16X2:
		return half_op(ir->atom, ir->type == IR_T_BF16X2, old & 0xffff, b & 0xffff) |
		       half_op(ir->atom, ir->type == IR_T_BF16X2, old >> 16 & 0xffff, b >> 16 & 0xffff) << 16;
	}
	switch (ir->atom) {
	case IR_ATOM_INC: return old >= b ? 0 : old + 1;
	case IR_ATOM_DEC: return old == 0 || old > b ? b : old - 1;
	case IR_ATOM_MIN:
		if (!s)
			return old < b ? old : b;
		return bits == 32 ? ((int32_t)old < (int32_t)b ? old : b) : ((int64_t)old < (int64_t)b ? old : b);
	case IR_ATOM_MAX:
		if (!s)
			return old > b ? old : b;
		return bits == 32 ? ((int32_t)old > (int32_t)b ? old : b) : ((int64_t)old > (int64_t)b ? old : b);
	}
	return old;
}

#define CAS_LOOP(T) do { \
	T old_ = __atomic_load_n((T *)p, __ATOMIC_RELAXED), new_; \
	do \
		new_ = (T)compute(ir, old_, b, ftz); \
	while (!__atomic_compare_exchange_n((T *)p, &old_, new_, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)); \
	return old_; \
} while (0)

#define RMW(T) do { \
	T x_ = (T)b, exp_ = (T)b; \
	switch (ir->atom) { \
	case IR_ATOM_AND: return __atomic_fetch_and((T *)p, x_, __ATOMIC_SEQ_CST); \
	case IR_ATOM_OR: return __atomic_fetch_or((T *)p, x_, __ATOMIC_SEQ_CST); \
	case IR_ATOM_XOR: return __atomic_fetch_xor((T *)p, x_, __ATOMIC_SEQ_CST); \
	case IR_ATOM_EXCH: return __atomic_exchange_n((T *)p, x_, __ATOMIC_SEQ_CST); \
	case IR_ATOM_CAS: \
		__atomic_compare_exchange_n((T *)p, &exp_, (T)c, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
		return exp_; \
	case IR_ATOM_ADD: \
		if (!is_float) \
			return __atomic_fetch_add((T *)p, x_, __ATOMIC_SEQ_CST); \
	} \
	CAS_LOOP(T); \
} while (0)

/* i->sign: the type is one of floats. */
static uint64_t rmw(const struct in_insn *i, uint8_t *p, uint64_t b, uint64_t c, bool ftz)
{
	const struct ir_insn *ir = i->ir;
	bool is_float = i->sign;

	switch (i->size) {
	case 2: RMW(uint16_t);
	case 4: RMW(uint32_t);
	default: RMW(uint64_t);
	}
}

static bool in_window(const struct in_warp *w, const uint8_t *p)
{
	return (uint64_t)(uintptr_t)p - w->blk->s->window < w->blk->s->window_size;
}

/*
 * Shared memory that no other block can see is touched by one thread of the
 * host at a time: the common 32-bit operations need no locked instruction there.
 */
static bool rmw_alone(uint8_t atom, uint32_t *p, uint32_t b, uint32_t c, uint64_t *old_out)
{
	uint32_t old = *p;

	switch (atom) {
	case IR_ATOM_ADD: *p = old + b; break;
	case IR_ATOM_AND: *p = old & b; break;
	case IR_ATOM_OR: *p = old | b; break;
	case IR_ATOM_XOR: *p = old ^ b; break;
	case IR_ATOM_EXCH: *p = b; break;
	case IR_ATOM_CAS: *p = old == b ? c : old; break;
	default: return false;
	}
	*old_out = old;
	return true;
}

static int run_atom(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	bool alone = i->space == IR_SPACE_SHARED && !w->blk->cluster && i->size == 4 && !i->sign;
	const uint64_t *b = in_row(w, i->b), *c = in_row(w, i->c);
	uint64_t *d = i->d == IN_NOROW ? NULL : in_row(w, i->d);
	uint8_t *p[WARP];

	if (in_resolve(w, i, m, i->size, true, p))
		return IN_FAULT;
	for_lanes(l, m) {
		uint64_t old;

		if (!alone || !rmw_alone(i->ir->atom, (uint32_t *)p[l], (uint32_t)b[l], (uint32_t)c[l], &old))
			old = rmw(i, p[l], b[l], c[l], in_window(w, p[l]));
		if (!d)
			continue;
		d[l] = old;
		in_observe(w, (uint64_t)(uintptr_t)p[l], old);
	}
	if (d)
		w->obs_n++;
	else
		w->stored = true;
	return IN_NEXT;
}

/* atom.v2 …: element by element. vec: result rows (or none), then value rows. */
static int run_atom_vec(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint8_t *p[WARP];

	if (in_resolve(w, i, m, i->size * i->n_vec, true, p))
		return IN_FAULT;
	for_lanes(l, m)
		for (uint32_t k = 0; k < i->n_vec; k++) {
			uint64_t b = in_row(w, i->vec[i->n_vec + k])[l];
			uint64_t old = rmw(i, p[l] + k * i->size, b, 0, in_window(w, p[l]));

			if (i->vec[k] != IN_NOROW)
				in_row(w, i->vec[k])[l] = old;
		}
	w->stored = true;
	return IN_NEXT;
}

#ifdef __x86_64__
static bool cas16(uint8_t *p, uint64_t old[2], const uint64_t new[2])
{
	bool ok;

	__asm__ volatile("lock cmpxchg16b %1" : "=@ccz"(ok), "+m"(*(unsigned __int128 *)p), "+a"(old[0]), "+d"(old[1])
			 : "b"(new[0]), "c"(new[1]) : "memory");
	return ok;
}

/* d, d2: result; b, vec[0]: first value; c, vec[1]: second one. */
static int run_atom_b128(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const uint64_t *b = in_row(w, i->b), *bh = in_row(w, i->vec[0]);
	const uint64_t *c = in_row(w, i->c), *ch = in_row(w, i->vec[1]);
	uint8_t *p[WARP];

	if (in_resolve(w, i, m, 16, true, p))
		return IN_FAULT;
	w->obs_n++;
	for_lanes(l, m) {
		uint64_t old[2] = { b[l], bh[l] }, new[2] = { c[l], ch[l] };

		if (i->ir->atom == IR_ATOM_CAS) {
			cas16(p[l], old, new);
		} else {
			new[0] = b[l];
			new[1] = bh[l];
			while (!cas16(p[l], old, new))
				;
		}
		in_observe(w, (uint64_t)(uintptr_t)p[l], old[0] + 3 * old[1]);
		if (i->d == IN_NOROW)
			continue;
		in_row(w, i->d)[l] = old[0];
		in_row(w, i->d2)[l] = old[1];
	}
	return IN_NEXT;
}
#endif

static bool op_fits(const struct ir_insn *i)
{
	enum ir_type_class tc = ir_type_class(i->type);
	unsigned bits = ir_type_bits(i->type);

	switch (i->type) {
	case IR_T_F64:
		return i->atom == IR_ATOM_ADD;
	case IR_T_F32: case IR_T_F16: case IR_T_BF16: case IR_T_F16X2: case IR_T_BF16X2:
		return i->atom == IR_ATOM_ADD || i->atom == IR_ATOM_MIN || i->atom == IR_ATOM_MAX ||
		       (i->type == IR_T_F32 && i->atom == IR_ATOM_EXCH);
	case IR_T_B16:
		return i->atom == IR_ATOM_CAS || i->atom == IR_ATOM_EXCH;
	}
	if (tc != IR_TC_BITS && tc != IR_TC_UINT && tc != IR_TC_SINT)
		return false;
	if (bits != 32 && bits != 64)
		return false;
	switch (i->atom) {
	case IR_ATOM_AND: case IR_ATOM_OR: case IR_ATOM_XOR: case IR_ATOM_CAS: case IR_ATOM_EXCH:
	case IR_ATOM_ADD: case IR_ATOM_INC: case IR_ATOM_DEC: case IR_ATOM_MIN: case IR_ATOM_MAX:
		return true;
	}
	return false;
}

in_fn in_atom_select(const struct ir_insn *i)
{
	if (i->type == IR_T_B128) {
#ifdef __x86_64__
		if (i->vec <= 1 && (i->atom == IR_ATOM_CAS || i->atom == IR_ATOM_EXCH))
			return run_atom_b128;
#endif
		return NULL;
	}
	if (!op_fits(i))
		return NULL;
	if (i->vec > 1)
		return i->atom == IR_ATOM_CAS || i->atom == IR_ATOM_EXCH ? NULL : run_atom_vec;
	return run_atom;
}

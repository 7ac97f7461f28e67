/*
 * data.c: moving values between registers: mov in all its forms, packing and
 * unpacking of vectors, and the call of an arithmetic handler.
 */
#include "backend/interp/interp.h"

int in_run_alu(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	struct alu_args x = {
		.d = in_row(w, i->d),
		.d2 = i->d2 == IN_NOROW ? NULL : in_row(w, i->d2),
		.a = in_row(w, i->a),
		.b = in_row(w, i->b),
		.c = in_row(w, i->c),
		.e = in_row(w, i->e),
		.cc = in_row(w, i->target),
		.mask = m,
		.insn = i->ir,
	};

	i->alu(&x);
	return IN_NEXT;
}

/* n_vec: 2 for a 128-bit register. */
int in_run_mov(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	in_copy(in_row(w, i->d), in_row(w, i->a), m);
	if (i->n_vec == 2)
		in_copy(in_row(w, i->d2), in_row(w, i->b), m);
	return IN_NEXT;
}

int in_run_notp(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t *d = in_row(w, i->d);
	const uint64_t *a = in_row(w, i->a);

	for_lanes(l, m)
		d[l] = !(a[l] & 1);
	return IN_NEXT;
}

static uint64_t low_bits(unsigned n)
{
	return n >= 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

/*
 * mov d, {a, b, …}: size is an element's bytes; a 128-bit d has its high row
 * in d2. The element of index k lands at bit k * 8 * size.
 */
int in_run_pack(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	unsigned bits = i->size * 8;
	uint64_t *d = in_row(w, i->d);
	uint64_t *hi = i->d2 == IN_NOROW ? NULL : in_row(w, i->d2);

	for_lanes(l, m) {
		uint64_t v[2] = { 0, 0 };

		for (unsigned k = 0; k < i->n_vec; k++) {
			uint64_t x = in_row(w, i->vec[k])[l] & low_bits(bits);

			v[k * bits / 64] |= x << (k * bits % 64);
		}
		d[l] = v[0];
		if (hi)
			hi[l] = v[1];
	}
	return IN_NEXT;
}

/* mov {a, b, …}, s: IN_NOROW in vec is a sink. */
int in_run_unpack(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	unsigned bits = i->size * 8;
	const uint64_t *a = in_row(w, i->a);
	const uint64_t *hi = i->b == IN_NOROW ? NULL : in_row(w, i->b);

	for_lanes(l, m) {
		uint64_t v[2] = { a[l], hi ? hi[l] : 0 };

		for (unsigned k = 0; k < i->n_vec; k++)
			if (i->vec[k] != IN_NOROW)
				in_row(w, i->vec[k])[l] = v[k * bits / 64] >> (k * bits % 64) & low_bits(bits);
	}
	return IN_NEXT;
}

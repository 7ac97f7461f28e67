/*
 * mem_field.c: accesses that are done at once (field.c). Each lane's part of up
 * to 16 bytes is loaded or stored as one, and lanes and fields change places
 * in registers.
 *
 * A part begins and ends with bytes that are asked for, so no page is touched
 * that wouldn't be. Lanes that don't execute read zeros elsewhere.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/field.h"
#include "backend/simd/gen/mem.h"

/* ---- lanes and words change places ---- */

static val shuffle2(struct gen *g, val a, val b, const unsigned *pick, unsigned n)
{
	val m[2 * SD_MAX_W];

	for (unsigned k = 0; k < n; k++)
		m[k] = LLVMConstInt(g->i32, pick[k], 0);
	return LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(m, n), "");
}

/* n (a power of two) vectors one behind the other. */
static val concat(struct gen *g, val *v, unsigned n)
{
	unsigned pick[2 * SD_MAX_W];

	for (unsigned k = 0; k < 2 * SD_MAX_W; k++)
		pick[k] = k;
	for (; n > 1; n /= 2)
		for (unsigned k = 0; k < n / 2; k++)
			v[k] = shuffle2(g, v[2 * k], v[2 * k + 1], pick, 2 * gen_lanes(v[2 * k]));
	return v[0];
}

/*
 * Of each 16 bytes of both, the lower (upper) half, in turns by units of so many elements: what x86 does in one instruction.
 */
static val unpack(struct gen *g, val a, val b, bool upper, unsigned unit)
{
	unsigned n = gen_lanes(a), per = FIELD_PART * 8 / gen_bits(a), pick[SD_MAX_W];

	for (unsigned k = 0; k < n; k++) {
		unsigned in = k % per, from = (upper ? per / 2 : 0) + in / (2 * unit) * unit + in % unit;

		pick[k] = k - in + from + (in / unit % 2 ? n : 0);
	}
	return shuffle2(g, a, b, pick, n);
}

/*
 * Vectors of words that each have 16 bytes of one lane, and then of the next but so many, to vectors of one word of all
 * lanes in order; and back, which is the same.
 */
static void transpose(struct gen *g, const val *r, unsigned words, val *out)
{
	val half[4];

	if (words == 2) {
		out[0] = unpack(g, r[0], r[1], false, 1);
		out[1] = unpack(g, r[0], r[1], true, 1);
		return;
	}
	for (unsigned m = 0; m < 4; m++)
		half[m] = unpack(g, r[m & 2], r[(m & 2) + 1], m & 1, 1);
	for (unsigned m = 0; m < 4; m++)
		out[m] = unpack(g, half[m / 2], half[m / 2 + 2], m & 1, 2);
}

/* ---- loads ---- */

/* All that is asked for are words of 32 bits. */
static bool is_of_words(const struct field_part *p)
{
	for (unsigned k = 0; k < p->n; k++)
		if (ir_type_size(p->v[k].t->i->type) != 4 || (p->v[k].off - p->v[0].off) % 4)
			return false;
	return true;
}

/* Bits of the words that a part is seen as, and how many there are. */
static unsigned word_bits(const struct field_part *p, unsigned *n)
{
	unsigned bits = p->bytes <= 8 ? 8 * p->bytes : is_of_words(p) ? 32 : 64;

	*n = p->bytes <= 8 ? 1 : FIELD_PART * 8 / bits;
	return bits;
}

/* One lane's part of more than 8 bytes: the last 8 are always the upper half. */
static val load_lane(struct acc *x, const struct field_part *p, val addr, unsigned bits)
{
	struct gen *g = x->e->g;
	LLVMTypeRef pair = LLVMVectorType(g->i64, 2);
	val v;

	if (p->bytes == FIELD_PART) {
		v = mem_load(x, pair, addr, x->size);
	} else {
		v = LLVMBuildInsertElement(g->b, LLVMGetPoison(pair), mem_load(x, g->i64, addr, x->size), LLVMConstInt(g->i32, 0, 0), "");
		v = LLVMBuildInsertElement(g->b, v, mem_load(x, g->i64, mem_offset(g, addr, p->bytes - 8), 1), LLVMConstInt(g->i32, 1, 0), "");
	}
	return LLVMBuildBitCast(g->b, v, gen_int_type(g, bits, FIELD_PART * 8 / bits), "");
}

/* The group's parts as words. */
static void load_words(struct acc *x, const struct field_part *p, const struct group *r, val *word)
{
	struct gen *g = x->e->g;
	unsigned n, bits = word_bits(p, &n);
	val lane[SD_MAX_W], row[4];

	if (n == 1) {
		word[0] = LLVMGetPoison(gen_int_type(g, bits, g->G));
		for (unsigned l = 0; l < g->G; l++) {
			val v = mem_load(x, gen_int_type(g, bits, 1), mem_lane_addr(x, r, l), x->size);

			word[0] = LLVMBuildInsertElement(g->b, word[0], v, LLVMConstInt(g->i32, l, 0), "");
		}
		return;
	}
	for (unsigned l = 0; l < g->G; l++)
		lane[l] = load_lane(x, p, mem_lane_addr(x, r, l), bits);
	for (unsigned m = 0; m < n; m++) {
		val v[SD_MAX_W];

		for (unsigned q = 0; q < g->G / n; q++)
			v[q] = lane[q * n + m];
		row[m] = concat(g, v, g->G / n);
	}
	transpose(g, row, n, word);
}

/* Element k of a field, from the words. */
static val element(struct gen *g, const struct field_part *p, const struct field *f, unsigned k, const val *word)
{
	unsigned n, bits = word_bits(p, &n), size = ir_type_size(f->t->i->type), at = (unsigned)(f->off - p->v[0].off) + k * size;
	val v;

	if (p->bytes > 8 && at >= 8)
		at += FIELD_PART - p->bytes;
	v = word[at / (bits / 8)];
	at = at % (bits / 8) * 8;
	if (at)
		v = LLVMBuildLShr(g->b, v, gen_const(g, v, bits, at), "");
	return LLVMBuildTrunc(g->b, v, gen_int_type(g, 8 * size, g->G), "");
}

/* Of a field. */
typedef val elements[4];

static void load_apart(struct acc *x, const struct field_part *p, const struct group *r, elements *out)
{
	val word[4];

	load_words(x, p, r, word);
	for (unsigned f = 0; f < p->n; f++)
		for (unsigned k = 0; k < field_elements(&p->v[f]); k++)
			out[f][k] = element(x->e->g, p, &p->v[f], k, word);
}

/* All fields are as long as the distance between lanes would be if they lay in a row: then each field may be loaded by itself. */
static unsigned common_bytes(const struct field_part *p)
{
	for (unsigned k = 1; k < p->n; k++)
		if (p->v[k].bytes != p->v[0].bytes)
			return 0;
	return p->v[0].bytes;
}

static void load_in_a_row(struct acc *x, const struct field_part *p, val first, elements *out)
{
	struct gen *g = x->e->g;

	for (unsigned f = 0; f < p->n; f++) {
		struct group flat = { .known = true, .base = mem_offset(g, first, p->v[f].off - p->v[0].off) };
		struct acc one = *x;

		mem_init(&one, x->e, p->v[f].t);
		for (unsigned l = 0; l < g->G; l++)
			flat.c[l] = (int64_t)l * one.stride;
		mem_load_step(&one, &flat, out[f]);
	}
}

/* World 0, addresses of which nothing is known: often enough they are consecutive. */
static void load_checked(struct acc *x, const struct field_part *p, const struct group *r, elements *out)
{
	struct gen_emit *e = x->e;
	struct gen *g = e->g;
	LLVMBasicBlockRef wide, apart, end, from[2];
	val first = LLVMBuildExtractElement(g->b, r->addr, LLVMConstInt(g->i32, 0, 0), ""), c[SD_MAX_W], eq;
	elements *a = calloc(2 * p->n, sizeof(*a)), *b = a + p->n;

	if (!a) {
		e->failed = true;
		return;
	}
	wide = gen_new_bb(e, "wide");
	apart = gen_new_bb(e, "apart");
	end = gen_new_bb(e, "loaded");
	for (unsigned l = 0; l < g->G; l++)
		c[l] = LLVMConstInt(g->i64, l * common_bytes(p), 0);
	eq = LLVMBuildICmp(g->b, LLVMIntEQ, r->addr, LLVMBuildAdd(g->b, gen_splat(g, first), LLVMConstVector(c, g->G), ""), "");
	eq = gen_mask_bits(g, eq);
	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, eq, LLVMConstAllOnes(LLVMTypeOf(eq)), ""), wide, apart);
	gen_at(e, wide);
	load_in_a_row(x, p, first, a);
	from[0] = LLVMGetInsertBlock(g->b);
	LLVMBuildBr(g->b, end);
	gen_at(e, apart);
	load_apart(x, p, r, b);
	from[1] = LLVMGetInsertBlock(g->b);
	LLVMBuildBr(g->b, end);
	gen_at(e, end);
	for (unsigned f = 0; f < p->n; f++)
		for (unsigned k = 0; k < field_elements(&p->v[f]); k++) {
			val v[] = { a[f][k], b[f][k] };

			out[f][k] = LLVMBuildPhi(g->b, LLVMTypeOf(v[0]), "");
			LLVMAddIncoming(out[f][k], v, from, 2);
		}
	free(a);
}

static void load_group(struct acc *x, const struct field_part *p, unsigned n, elements *out)
{
	struct gen_emit *e = x->e;
	struct group r;

	mem_group(x, n, &r);
	if (e->m.full && !r.known && common_bytes(p)) {
		load_checked(x, p, &r, out);
		return;
	}
	if (!e->m.full) {
		r.addr = mem_safe_addr(x, &r, e->m.v[n]);
		r.known = false;
	}
	load_apart(x, p, &r, out);
}

/* The address of the part, when all of its accesses are seen to be right. */
static void take_address(struct gen_emit *e, const struct field_part *p, const struct gen_insn *first, struct acc *x)
{
	const struct gen_insn *t = p->v[0].t;

	/* in the order in which they come, and what one check says of others is said of those behind the first one only */
	mem_init(x, e, first);
	gen_address(e, first, &first->i->src[0], first->i->space, &x->a, &x->v);
	mem_check(x);
	for (unsigned k = 0; k < p->n; k++)
		if (p->v[k].t != first) {
			struct gen_covered covered = e->covered;

			mem_init(x, e, p->v[k].t);
			gen_address(e, p->v[k].t, &p->v[k].t->i->src[0], p->v[k].t->i->space, &x->a, &x->v);
			mem_check(x);
			e->covered = covered;
		}
	mem_init(x, e, t);
	gen_address(e, t, &t->i->src[0], t->i->space, &x->a, &x->v);
}

static void load_part(struct gen_emit *e, struct field_part *p)
{
	elements out[FIELD_PART];
	struct acc x;

	p->done = true;
	take_address(e, p, p->first, &x);
	for (unsigned f = 0; f < p->n; f++)
		for (unsigned k = 0; k < 4; k++)
			p->val[f][k].shape = GEN_V;
	for (unsigned n = 0; n < e->g->NG && !e->failed; n++) {
		load_group(&x, p, n, out);
		for (unsigned f = 0; f < p->n; f++)
			for (unsigned k = 0; k < field_elements(&p->v[f]); k++)
				p->val[f][k].v[n] = out[f][k];
	}
}

bool mem_load_field(struct gen_emit *e, const struct gen_insn *t, struct gen_val *out)
{
	unsigned f;
	struct field_part *p = field_part_of(e, t, &f);

	if (!p)
		return false;
	if (!p->done)
		load_part(e, p);
	memcpy(out, p->val[f], field_elements(&p->v[f]) * sizeof(*out));
	return true;
}

/* ---- stores ---- */

/* The group's words, of the elements that have come. */
static void words_of(struct gen *g, const struct field_part *p, unsigned group, val *word)
{
	unsigned n, bits = word_bits(p, &n);

	for (unsigned w = 0; w < n; w++)
		word[w] = NULL;
	for (unsigned f = 0; f < p->n; f++)
		for (unsigned k = 0; k < field_elements(&p->v[f]); k++) {
			unsigned size = ir_type_size(p->v[f].t->i->type), at = (unsigned)(p->v[f].off - p->v[0].off) + k * size;
			val v = gen_cut(g, gen_group(g, &p->val[f][k], 8 * size, group), bits), *w = &word[at / (bits / 8)];

			at = at % (bits / 8) * 8;
			if (at)
				v = LLVMBuildShl(g->b, v, gen_const(g, v, bits, at), "");
			*w = *w ? LLVMBuildOr(g->b, *w, v, "") : v;
		}
}

/* Lane l's part is block l / n of row l % n, or lane l of the only word. */
static val lane_of(struct gen *g, const val *row, unsigned n, unsigned l)
{
	int pick[4];

	if (n == 1)
		return LLVMBuildExtractElement(g->b, row[0], LLVMConstInt(g->i32, l, 0), "");
	for (unsigned k = 0; k < n; k++)
		pick[k] = (int)(l / n * n + k);
	return mem_shuffle(g, row[l % n], pick, n);
}

static void store_group(struct acc *x, const struct field_part *p, unsigned group)
{
	struct gen *g = x->e->g;
	val word[4], row[4];
	struct group r;
	unsigned n;

	word_bits(p, &n);
	words_of(g, p, group, word);
	mem_group(x, group, &r);
	if (n == 1 && mem_is_step(g, &r, p->bytes)) {
		mem_store(x, word[0], mem_offset(g, r.base, r.c[0]), x->size);
		return;
	}
	if (n == 1)
		row[0] = word[0];
	else
		transpose(g, word, n, row);
	for (unsigned l = 0; l < g->G; l++)
		mem_store(x, lane_of(g, row, n, l), mem_lane_addr(x, &r, l), x->size);
}

/* What the accesses of the part store; addresses are the same wherever in the block they are computed. */
static void store_part(struct gen_emit *e, struct field_part *p)
{
	const struct gen_insn *t = p->v[0].t;
	struct acc x;

	p->done = true;
	mem_init(&x, e, t);
	gen_address(e, t, &t->i->src[0], t->i->space, &x.a, &x.v);
	for (unsigned n = 0; n < e->g->NG; n++)
		store_group(&x, p, n);
}

bool mem_store_field(struct gen_emit *e, const struct gen_insn *t, const struct gen_val *in)
{
	unsigned f;
	struct field_part *p = field_part_of(e, t, &f);

	if (!p)
		return false;
	memcpy(p->val[f], in, field_elements(&p->v[f]) * sizeof(*in));
	if (t == p->last)
		store_part(e, p);
	return true;
}

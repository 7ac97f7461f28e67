/*
 * field.c: which accesses of a block are done at once: those to fields of one
 * structure, or to bytes of one word. Where each lane has a place of its own,
 * one access for each field would go to the same lines again and again.
 *
 * Accesses by one register belong together, as long as it isn't written.
 * Loads happen where the first of a part does, stores where the last does, and
 * what lies between must not mind: it isn't about memory, or about other
 * bytes. Of accesses by two registers that is known when the code runs only.
 * Where that is all that stands in the way, world 0 asks at the start of the
 * block, and goes to world 1, where every instruction has its turn, if what
 * the two point at overlaps. The same place in both is no matter: then they
 * are like one register.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/field.h"
#include "backend/simd/gen/mem.h"

#define OPEN 8                     /* runs at a time */

struct access {
	struct field f;
	uint32_t reg;
	uint8_t space;
	bool store, plain;
	const struct gen_pat *pat; /* NULL: not a pattern, or one with K */
	bool begin;                /* the register is what it was when the block began */
};

struct run {
	unsigned n, n_passed;
	struct access v[FIELD_RUN];
	struct access passed[FIELD_RUN];   /* loads: stores since it began */
};

/* The least distance between two lanes of a pattern. */
struct distance {
	const struct gen_pat *pat;
	int64_t least;
};

struct plan {
	struct gen_emit *e;
	struct gen_fields *out;
	unsigned world;
	bool ask;                  /* registers may be compared when the code runs */
	uint64_t *written;
	struct run open[OPEN];
	struct distance known[4];
	unsigned n_known;
};

/* ---- accesses ---- */

static bool take(struct plan *p, const struct gen_insn *t, struct access *a)
{
	const struct ir_insn *i = t->i;
	const struct ir_opnd *o;
	const struct gen_shp *s;

	memset(a, 0, sizeof(*a));
	if (t->kind != GEN_I_IR || (i->op != IR_OP_ld && i->op != IR_OP_st) || i->order != IR_ORD_WEAK)
		return false;
	o = &i->src[0];
	a->store = i->op == IR_OP_st;
	a->space = i->space;
	a->f = (struct field){ t, 0, ir_type_size(i->type) * MAX(i->vec, 1u) };
	a->reg = GEN_NONE;
	if (o->kind != IR_OPND_MEM || o->mem_base != IR_BASE_REG)
		return true;
	a->f.off = o->off;
	a->reg = gen_reg_of(t->inst, o->reg);
	s = &p->e->f->shp[p->world][a->reg];
	a->pat = s->shape == GEN_P && !s->pat->has_k ? s->pat : NULL;
	a->begin = !gen_in(p->written, a->reg);
	/* where local memory is interleaved, what lies side by side in a thread's doesn't in the host's */
	a->plain = !i->guard && !t->masked && !(p->e->f->granule && gen_is_local(p->e->f, t)) && (a->pat || s->shape == GEN_V) &&
		   ir_type_bits(i->type) >= 8 && ir_type_bits(i->type) <= 64 && i->vec <= 4 && a->f.bytes <= FIELD_PART &&
		   (i->space == IR_SPACE_GLOBAL || i->space == IR_SPACE_SHARED || i->space == IR_SPACE_CONST || i->space == IR_SPACE_GENERIC);
	return true;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int64_t least_distance(const struct gen *g, const struct gen_pat *p)
{
	int64_t c[SD_MAX_W], least = INT64_MAX;

	memcpy(c, p->c, g->W * sizeof(*c));
	qsort(c, g->W, sizeof(*c), by_value);
	for (unsigned l = 1; l < g->W; l++)
		least = MIN(least, c[l] - c[l - 1]);
	return least;
}

/* Lanes are further from each other than so many bytes. */
static bool lanes_apart(struct plan *p, const struct gen_pat *pat, int64_t bytes)
{
	struct distance *d = p->known;

	while (d < p->known + p->n_known && d->pat != pat)
		d++;
	if (d == p->known + p->n_known) {
		if (p->n_known < ARRAY_SIZE(p->known))
			p->n_known++;
		else
			d = p->known;
		*d = (struct distance){ pat, least_distance(p->e->g, pat) };
	}
	return d->least >= bytes;
}

/* No vector access holds a group's lanes. */
static bool is_scattered(struct plan *p, const struct access *a)
{
	struct gen *g = p->e->g;
	struct acc x;

	if (!a->pat)
		return !a->store;
	mem_init(&x, p->e, a->f.t);
	for (unsigned n = 0; n < g->NG; n++) {
		struct group r = { .known = true };
		int64_t min;
		unsigned len;

		memcpy(r.c, a->pat->c + n * g->G, g->G * sizeof(*r.c));
		if (mem_is_one(g, &r) || mem_is_step(g, &r, x.stride) || (!a->store && mem_is_window(&x, &r, &min, &len)))
			return false;
	}
	return true;
}

static bool is_wanted(struct plan *p, const struct access *a)
{
	return a->plain && (!a->store || (!p->world && a->pat)) && is_scattered(p, a);
}

/* ---- what may change places ---- */

static int64_t end_of(const struct access *a)
{
	return a->f.off + a->f.bytes;
}

/* Each lane's bytes of one are neither its own nor any other lane's of the other, if both registers say the same. */
static bool are_other_bytes(struct plan *p, const struct access *a, const struct access *b)
{
	return (end_of(a) <= b->f.off || end_of(b) <= a->f.off) && a->pat && a->pat == b->pat &&
	       lanes_apart(p, a->pat, MAX(end_of(a), end_of(b)) - MIN(a->f.off, b->f.off));
}

static struct field_pair *pair_of(struct gen_fields *f, uint32_t a, uint32_t b)
{
	for (unsigned n = 0; n < f->n_pairs; n++)
		if (f->pairs[n].a == a && f->pairs[n].b == b)
			return &f->pairs[n];
	if (f->n_pairs == FIELD_PAIRS)
		return NULL;
	f->pairs[f->n_pairs] = (struct field_pair){ .a = a, .b = b, .lo = { INT64_MAX, INT64_MAX }, .hi = { INT64_MIN, INT64_MIN } };
	return &f->pairs[f->n_pairs++];
}

/* It will be asked whether they are apart. */
static bool ask(struct plan *p, const struct access *a, const struct access *b)
{
	struct field_pair *q;

	if (!p->ask || p->world || !a->begin || !b->begin || !are_other_bytes(p, a, b) ||
	    (a->space != IR_SPACE_GLOBAL && a->space != IR_SPACE_GENERIC) || (b->space != IR_SPACE_GLOBAL && b->space != IR_SPACE_GENERIC))
		return false;
	if (a->reg > b->reg)
		return ask(p, b, a);
	q = pair_of(p->out, a->reg, b->reg);
	if (!q)
		return false;
	q->lo[0] = MIN(q->lo[0], a->f.off);
	q->hi[0] = MAX(q->hi[0], end_of(a));
	q->lo[1] = MIN(q->lo[1], b->f.off);
	q->hi[1] = MAX(q->hi[1], end_of(b));
	return true;
}

/* Nobody writes to it while the kernel runs. */
static bool is_constant(const struct access *a)
{
	return a->space == IR_SPACE_CONST || (a->space == IR_SPACE_PARAM && a->f.t->inst->in->ir->is_entry) ||
	       (!a->store && a->f.t->i->flags & IR_F_NC);
}

/* May the two, of which at least one is a store, change places? */
static bool may_swap(struct plan *p, const struct access *a, const struct access *b)
{
	if (is_constant(a) || is_constant(b))
		return true;
	if (a->space != b->space && a->space != IR_SPACE_GENERIC && b->space != IR_SPACE_GENERIC)
		return true;
	if (a->reg == GEN_NONE || b->reg == GEN_NONE)
		return false;
	return a->reg == b->reg && a->space == b->space ? are_other_bytes(p, a, b) : ask(p, a, b);
}

/* ---- parts ---- */

static int by_offset(const void *a, const void *b)
{
	const struct access *x = a, *y = b;

	if (x->f.off != y->f.off)
		return x->f.off < y->f.off ? -1 : 1;
	return x->f.t < y->f.t ? -1 : x->f.t > y->f.t;
}

/* Of a part whose bytes begin at lo: does each element lie within one word of 8 bytes? */
static bool is_whole(const struct field *f, int64_t lo)
{
	unsigned size = ir_type_size(f->t->i->type);

	for (unsigned k = 0; k < field_elements(f); k++)
		if ((f->off - lo + k * size) / 8 != (f->off - lo + k * size + size - 1) / 8)
			return false;
	return true;
}

/* Sizes that a part may have. Loads from 9 bytes on are two of 8, which may overlap. */
static bool is_size(unsigned bytes, bool store)
{
	return bytes == 2 || bytes == 4 || bytes == 8 || (store ? bytes == 16 : bytes > 8);
}

static void add_part(struct plan *p, const struct access *v, unsigned n, unsigned bytes)
{
	struct field_part *q;

	if (v[0].f.off == v[n - 1].f.off && v[0].f.t->i->vec <= 1)
		return;
	q = calloc(1, sizeof(*q));
	if (q)
		q->val = calloc(n, sizeof(*q->val));
	if (!q || !q->val || !vgpu_vec_push(&p->out->parts, q)) {
		free(q ? q->val : NULL);
		free(q);
		p->e->failed = true;
		return;
	}
	q->store = v[0].store;
	q->pattern = v[0].pat != NULL;
	q->n = n;
	q->bytes = bytes;
	q->first = q->last = v[0].f.t;
	for (unsigned k = 0; k < n; k++) {
		q->v[k] = v[k].f;
		p->out->of[v[k].f.t - p->out->insns] = (struct field_ref){ q, k };
		q->first = MIN(q->first, v[k].f.t);
		q->last = MAX(q->last, v[k].f.t);
	}
	p->out->n_taken += n;
}

/* How many of the n accesses make a part, and of how many bytes; 0: none. */
static unsigned part_from(const struct access *v, unsigned n, unsigned *bytes)
{
	int64_t lo = v[0].f.off, end = lo;
	unsigned best = 0;

	for (unsigned k = 0; k < MIN(n, FIELD_PART); k++) {
		/* what isn't stored must stay */
		if (v[0].store && v[k].f.off != end)
			break;
		end = MAX(end, end_of(&v[k]));
		if (end - lo > FIELD_PART || !is_whole(&v[k].f, lo))
			break;
		if (is_size((unsigned)(end - lo), v[0].store)) {
			best = k + 1;
			*bytes = (unsigned)(end - lo);
		}
	}
	return best;
}

static void close_run(struct plan *p, struct run *r)
{
	qsort(r->v, r->n, sizeof(*r->v), by_offset);
	for (unsigned k = 0; k < r->n && !p->e->failed;) {
		unsigned bytes = 0, n = part_from(&r->v[k], r->n - k, &bytes);

		if (n)
			add_part(p, &r->v[k], n, bytes);
		k += MAX(n, 1u);
	}
	r->n = r->n_passed = 0;
}

/* ---- runs ---- */

static bool is_of(const struct run *r, const struct access *a)
{
	return r->n && r->v[0].reg == a->reg && r->v[0].space == a->space && r->v[0].store == a->store;
}

/* The accesses of the run wait (stores), or later ones come before (loads): does it go on behind a? */
static bool goes_on(struct plan *p, struct run *r, const struct access *a)
{
	if (r->v[0].store) {
		for (unsigned k = 0; k < r->n; k++)
			if (!may_swap(p, &r->v[k], a))
				return false;
		return true;
	}
	if (!a->store)
		return true;
	if (r->n_passed == FIELD_RUN)
		return false;
	r->passed[r->n_passed++] = *a;
	return true;
}

static bool may_join(struct plan *p, const struct run *r, const struct access *a)
{
	if (r->n == FIELD_RUN)
		return false;
	for (unsigned k = 0; k < r->n_passed; k++)
		if (!may_swap(p, &r->passed[k], a))
			return false;
	return true;
}

static void add_access(struct plan *p, const struct access *a)
{
	struct run *mine = NULL;

	for (unsigned k = 0; k < OPEN; k++)
		if (p->open[k].n && !goes_on(p, &p->open[k], a))
			close_run(p, &p->open[k]);
	if (!is_wanted(p, a))
		return;
	for (unsigned k = 0; k < OPEN; k++)
		if (is_of(&p->open[k], a))
			mine = &p->open[k];
	if (mine && !may_join(p, mine, a))
		close_run(p, mine);
	for (unsigned k = 0; k < OPEN && !mine; k++)
		if (!p->open[k].n)
			mine = &p->open[k];
	if (mine)
		mine->v[mine->n++] = *a;
}

static void close_all(struct plan *p)
{
	for (unsigned k = 0; k < OPEN && !p->e->failed; k++)
		close_run(p, &p->open[k]);
}

static void see_written(void *arg, uint32_t reg)
{
	struct plan *p = arg;

	p->written[reg / 64] |= (uint64_t)1 << reg % 64;
	for (unsigned k = 0; k < OPEN; k++)
		if (p->open[k].n && p->open[k].v[0].reg == reg)
			close_run(p, &p->open[k]);
}

/* It isn't about memory, and doesn't leave the code. */
static bool is_no_matter(const struct gen *g, const struct gen_insn *t)
{
	return t->kind != GEN_I_IR || t->i->op == IR_OP_mov || t->i->op == IR_OP_cvta || gen_elem_has(g, t->i);
}

static void look(struct plan *p, uint32_t b)
{
	const struct gen_block *k = &p->e->f->blocks.v[b];

	for (size_t n = 0; n < k->insns.n && !p->e->failed; n++) {
		const struct gen_insn *t = &k->insns.v[n];
		struct access a;

		if (take(p, t, &a))
			add_access(p, &a);
		else if (!is_no_matter(p->e->g, t))
			close_all(p);
		gen_defs(p->e->f, t, see_written, p);
	}
	close_all(p);
}

static void free_fields(struct gen_fields *f)
{
	if (!f)
		return;
	for (size_t n = 0; n < f->parts.n; n++) {
		free(f->parts.v[n]->val);
		free(f->parts.v[n]);
	}
	vgpu_vec_free(&f->parts);
	free(f->of);
	free(f);
}

static struct gen_fields *plan(struct gen_emit *e, uint32_t b, unsigned world, bool may_ask)
{
	struct gen_fields *out = calloc(1, sizeof(*out));
	struct plan *p = calloc(1, sizeof(*p));
	uint64_t *written = calloc(e->f->words, sizeof(*written));

	if (out) {
		out->insns = e->f->blocks.v[b].insns.v;
		out->n_insns = e->f->blocks.v[b].insns.n;
		out->of = calloc(out->n_insns, sizeof(*out->of));
	}
	if (!out || !out->of || !p || !written) {
		e->failed = true;
	} else {
		p->e = e;
		p->out = out;
		p->world = world;
		p->ask = may_ask;
		p->written = written;
		look(p, b);
	}
	free(written);
	free(p);
	return out;
}

static bool has_two_accesses(const struct gen_block *k)
{
	unsigned n = 0;

	for (size_t j = 0; j < k->insns.n && n < 2; j++)
		n += k->insns.v[j].kind == GEN_I_IR && (k->insns.v[j].i->op == IR_OP_ld || k->insns.v[j].i->op == IR_OP_st);
	return n == 2;
}

/* Questions have their price, and where the answer is no, all of the block does. */
#define WORTH_ASKING 3

static struct gen_fields *best_plan(struct gen_emit *e, uint32_t b, unsigned world)
{
	struct gen_fields *f, *asked;

	if (!has_two_accesses(&e->f->blocks.v[b]))
		return NULL;
	f = plan(e, b, world, false);
	if (world || e->failed)
		return f;
	asked = plan(e, b, world, true);
	if (!e->failed && asked->n_pairs && asked->n_taken >= f->n_taken + WORTH_ASKING) {
		free_fields(f);
		return asked;
	}
	free_fields(asked);
	return f;
}

void gen_fields_begin(struct gen_emit *e, uint32_t b)
{
	e->fields = best_plan(e, b, e->world);
}

void gen_fields_end(struct gen_emit *e)
{
	free_fields(e->fields);
	e->fields = NULL;
}

bool gen_fields_ask(struct gen_emit *e, uint32_t b)
{
	struct gen_fields *f = best_plan(e, b, 0);
	bool asks = f && f->n_pairs;

	free_fields(f);
	return asks;
}

struct field_part *field_part_of(const struct gen_emit *e, const struct gen_insn *t, unsigned *field)
{
	const struct gen_fields *f = e->fields;
	const struct field_ref *r;

	if (!f || t < f->insns || t >= f->insns + f->n_insns)
		return NULL;
	r = &f->of[t - f->insns];
	if (!r->part)
		return NULL;
	*field = r->field;
	/* what is planned is the same for all tiers, but vectors of addresses are more code */
	return e->g->quick && !r->part->pattern ? NULL : r->part;
}

bool gen_is_field(const struct gen_emit *e, const struct gen_insn *t)
{
	unsigned field;

	return field_part_of(e, t, &field) != NULL;
}

/* ---- when the code runs ---- */

/* Bytes from lo to hi, of all lanes: the first one's address, and how many. */
static val first_byte(struct gen_emit *e, const struct gen_val *x, int64_t lo, int64_t hi, uint64_t *size)
{
	struct gen *g = e->g;
	int64_t min = x->pat->c[0], max = min;

	for (unsigned l = 1; l < g->W; l++) {
		min = MIN(min, x->pat->c[l]);
		max = MAX(max, x->pat->c[l]);
	}
	*size = (uint64_t)(max - min + hi - lo);
	return LLVMBuildAdd(g->b, x->u, LLVMConstInt(g->i64, (uint64_t)(min + lo), 1), "");
}

static val overlap(struct gen_emit *e, const struct field_pair *q)
{
	struct gen *g = e->g;
	struct gen_val a, b;
	uint64_t size[2];
	val at[2], bad;

	gen_read_bits(e, q->a, &a);
	gen_read_bits(e, q->b, &b);
	at[0] = first_byte(e, &a, q->lo[0], q->hi[0], &size[0]);
	at[1] = first_byte(e, &b, q->lo[1], q->hi[1], &size[1]);
	bad = LLVMBuildOr(g->b, LLVMBuildICmp(g->b, LLVMIntULT, LLVMBuildSub(g->b, at[1], at[0], ""), LLVMConstInt(g->i64, size[0], 0), ""),
			  LLVMBuildICmp(g->b, LLVMIntULT, LLVMBuildSub(g->b, at[0], at[1], ""), LLVMConstInt(g->i64, size[1], 0), ""), "");
	return LLVMBuildAnd(g->b, bad, LLVMBuildICmp(g->b, LLVMIntNE, a.u, b.u, ""), "");
}

void gen_fields_check(struct gen_emit *e, val *bad)
{
	for (unsigned n = 0; e->fields && n < e->fields->n_pairs; n++) {
		val o = overlap(e, &e->fields->pairs[n]);

		*bad = *bad ? LLVMBuildOr(e->g->b, *bad, o, "") : o;
	}
}

/*
 * atom_late.c: atomics that wait for the next ones. A lane's address comes out
 * of a vector by way of memory; what reads it at once waits for the write.
 * With several atomics in a row (a histogram of a word's bytes, say) all are
 * written out first, and are done in order afterwards.
 */
#include <stdlib.h>

#include "backend/simd/gen/atom.h"

struct late_atom {
	struct gen_atom a;
	struct atom t;
};

bool gen_atom_can_wait(const struct gen_atom *a)
{
	struct atom t = { .a = (struct gen_atom *)a };

	return a->shared && !a->wanted && a->addr.shape != GEN_U && atom_is_short(&t);
}

bool gen_atom_wait(struct gen *g, const struct gen_atom *a, struct gen_late *l)
{
	struct late_atom *x = gen_atom_has(g, a->i) ? malloc(sizeof(*x)) : NULL;

	if (!x)
		return false;
	if (l->n == GEN_LATE_MAX)
		gen_atom_do_late(g, l);
	x->a = *a;
	atom_init(&x->t, g, &x->a);
	atom_lay_out(&x->t);
	l->v[l->n++] = x;
	return true;
}

void gen_atom_do_late(struct gen *g, struct gen_late *l)
{
	for (unsigned n = 0; n < l->n; n++) {
		atom_do_lanes(&l->v[n]->t);
		atom_put_away(&l->v[n]->t);
		free(l->v[n]);
	}
	l->n = 0;
}

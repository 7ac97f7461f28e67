/* nearest.c: see nearest.h. Words are short, the lists are, too. */
#include "util/nearest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/compiler.h"

#define MAX_WORD 63

unsigned vgpu_edit_distance(const char *a, const char *b)
{
	unsigned row[MAX_WORD + 1];
	size_t na = strnlen(a, MAX_WORD), nb = strnlen(b, MAX_WORD);

	for (size_t j = 0; j <= nb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			int same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
			unsigned best = diagonal + (same ? 0 : 1);

			diagonal = row[j];
			best = MIN(best, row[j] + 1);
			row[j] = MIN(best, row[j - 1] + 1);
		}
	}
	return row[nb];
}

/* Smaller is nearer; a name that holds the word (or the other way round) counts as near. */
static unsigned score(const char *word, const char *name)
{
	unsigned d = vgpu_edit_distance(word, name);

	if (strlen(word) >= 3 && (strcasestr(name, word) || strcasestr(word, name)))
		d = MIN(d, 2u);
	return d;
}

const char *vgpu_nearest(const char *word, const char *const *names, size_t n, char *buf, size_t size)
{
	size_t best[3], found = 0, len = 0;
	unsigned limit = (unsigned)strlen(word) / 3 + 1;

	for (size_t i = 0; i < n; i++) {
		unsigned s = score(word, names[i]);
		size_t at = found < 3 ? found : 3;

		if (s > limit)
			continue;
		while (at > 0 && score(word, names[best[at - 1]]) > s)
			at--;
		if (at == 3)
			continue;
		for (size_t k = MIN(found, (size_t)2); k > at; k--)
			best[k] = best[k - 1];
		best[at] = i;
		if (found < 3)
			found++;
	}
	buf[0] = 0;
	for (size_t i = 0; i < found && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s",
					i == 0 ? "" : i + 1 == found ? " or " : ", ", names[best[i]]);
	return buf;
}

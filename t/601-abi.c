/*
 * 601-abi.c: our ABI declarations against those of the toolkit that the build found:
 * every size, offset and value of ours is theirs, and every enumerator of theirs is
 * known to us. Prototypes: 601-abi-protos.c, by compiling.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/601-abi.h"
#include "t/lib/tap.h"

#ifdef ABI_HAVE_NVIDIA
int abi_protos_compiled(void);

static void compare(void)
{
	size_t bad = 0;

	is_int(abi_n_ours, abi_n_nvidia, "as many facts on both sides");
	for (size_t i = 0; i < abi_n_ours && i < abi_n_nvidia; i++) {
		const struct abi_fact *o = &abi_facts_ours[i], *n = &abi_facts_nvidia[i];

		if (o->a == n->a && o->b == n->b)
			continue;
		bad++;
		diag("%s: ours %lld %lld, cuda.h %lld %lld", o->what, o->a, o->b, n->a, n->b);
	}
	is_int(bad, 0, "%zu sizes, offsets and values are equal", abi_n_ours);
}

static int known(const char *name)
{
	for (size_t i = 0; i < abi_n_ours; i++)
		if (!strcmp(abi_facts_ours[i].what, name))
			return 1;
	return 0;
}

/* Enumerators in the text of cuda.h: lines "    CU_… = …". */
static void missing(const char *home)
{
	char path[512], line[1024], name[128];
	unsigned seen = 0, bad = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/include/cuda.h", home);
	f = fopen(path, "r");
	if (!f) {
		ok(0, "%s can be read", path);
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %127[A-Za-z0-9_] = ", name) != 1 || !strstr(line, "=") ||
		    (strncmp(name, "CU_", 3) && strncmp(name, "CUDA_", 5)))
			continue;
		if (strspn(line, " \t") < 1 || strcspn(line, "=") < strlen(name))
			continue;
		seen++;
		if (!known(name)) {
			bad++;
			diag("not declared: %s", name);
		}
	}
	fclose(f);
	ok(seen > 700 && !bad, "each of %u enumerators of cuda.h is declared", seen);
}
#endif

int main(void)
{
	plan_lazy();
	ok(abi_n_ours > 1500, "%zu facts about our declarations", abi_n_ours);
#ifdef ABI_HAVE_NVIDIA
	compare();
	ok(abi_protos_compiled(), "the prototypes of all entry points are those of cuda.h");
	if (getenv("CUDA_HOME") && *getenv("CUDA_HOME"))
		missing(getenv("CUDA_HOME"));
#else
	skip("no CUDA toolkit to compare with");
#endif
	return 0;
}

/* mma_gold.c: see mma_gold.h. */
#include <stdio.h>
#include <string.h>

#include "t/lib/mma_gold.h"
#include "t/lib/tap.h"
#include "util/sys.h"

static char *read_all(void)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	char *text;
	size_t len;

	if (vgpu_read_file(test_src("t/data/mma-sm90.txt"), 1 << 20, &text, &len, &err))
		bail("%s", err.text);
	return text;
}

bool mma_gold(const char *spelling, unsigned variant, unsigned *count_out, uint64_t *hash_out)
{
	static char *text;
	char name[256];
	unsigned long long h;
	unsigned v;

	if (!text)
		text = read_all();
	for (const char *p = strchr(text, '\n'); p && p[1]; p = strchr(p + 1, '\n'))
		if (sscanf(p + 1, "%llx %u %255s %u", &h, count_out, name, &v) == 4 && v == variant && !strcmp(name, spelling)) {
			*hash_out = h;
			return true;
		}
	return false;
}

/*
 * fuzz.h: one source, two programs. With -DVGPU_LIBFUZZER (clang
 * -fsanitize=fuzzer) libFuzzer has main; else main replays the files and
 * folders given as arguments, so that a test can run the corpus with any
 * compiler.
 */
#ifndef VGPU_FUZZ_FUZZ_H
#define VGPU_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef VGPU_LIBFUZZER
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fuzz_replay(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char name[4096];
	uint8_t *data = NULL;
	size_t n = 0, cap = 0, got;
	FILE *f;
	int count = 0;

	while (d && (e = readdir(d))) {
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.')
			count += fuzz_replay(name);
	}
	if (d) {
		closedir(d);
		return count;
	}
	f = fopen(path, "rb");
	if (!f)
		return 0;
	do {
		if (cap - n < 4096) {
			cap = cap * 2 + 8192;
			data = realloc(data, cap);
			if (!data)
				exit(1);
		}
		got = fread(data + n, 1, cap - n, f);
		n += got;
	} while (got);
	fclose(f);
	/* exact size, so that a sanitizer sees reads behind it */
	data = realloc(data, n ? n : 1);
	if (data)
		LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 1;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++)
		count += fuzz_replay(argv[i]);
	printf("%d inputs\n", count);
	return count ? 0 : 1;
}
#endif

#endif

/*
 * fuzz_main.c: runs a fuzz target without a fuzzer.
 *
 *   TARGET FILE|DIR…                    replays each file once
 *   TARGET -t SECONDS [-s SEED] [-o DIR] FILE|DIR…
 *                                       then mutates them for that long; the input
 *                                       at hand is in DIR/current if it crashes
 */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FUZZ_MAX (1u << 18)

static uint8_t *corpus[4096];
static size_t sizes[4096], n_corpus;
static uint64_t rng = 88172645463325252ull;

static uint64_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static void add_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(FUZZ_MAX);

	if (!f || !data || n_corpus == sizeof(corpus) / sizeof(*corpus)) {
		perror(path);
		exit(2);
	}
	sizes[n_corpus] = fread(data, 1, FUZZ_MAX, f);
	corpus[n_corpus++] = data;
	fclose(f);
}

static void add(const char *path)
{
	struct stat st;
	struct dirent *e;
	char file[4096];
	DIR *d;

	if (stat(path, &st) < 0) {
		perror(path);
		exit(2);
	}
	if (!S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		add_file(file);
	}
	if (d)
		closedir(d);
}

static size_t mutate(uint8_t *buf)
{
	static const uint64_t odd[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, ~0ull, 1ull << 63 };
	size_t pick = n_corpus ? rnd() % n_corpus : 0, n = n_corpus ? sizes[pick] : 0;

	if (n)
		memcpy(buf, corpus[pick], n);
	for (uint64_t i = rnd() % 8 + 1; i; i--) {
		size_t at = n ? rnd() % n : 0, k = rnd() % 64 + 1;

		switch (rnd() % 6) {
		case 0:
			if (n)
				buf[at] ^= (uint8_t)(1u << rnd() % 8);
			break;
		case 1:
			if (n)
				buf[at] = (uint8_t)rnd();
			break;
		case 2: /* a number that often is wrong */
			if (n - at >= 8 && n >= 8)
				memcpy(buf + at, &odd[rnd() % (sizeof(odd) / sizeof(*odd))], 1u << rnd() % 4);
			break;
		case 3: /* cut out */
			if (k > n - at)
				k = n - at;
			memmove(buf + at, buf + at + k, n - at - k);
			n -= k;
			break;
		case 4: /* double a piece */
			if (k > n - at)
				k = n - at;
			if (n + k <= FUZZ_MAX) {
				memmove(buf + at + k, buf + at, n - at);
				n += k;
			}
			break;
		default: /* a piece of another input */
			if (n_corpus && n + 256 < FUZZ_MAX) {
				size_t other = rnd() % n_corpus, from = sizes[other] ? rnd() % sizes[other] : 0;
				size_t len = sizes[other] - from < 256 ? sizes[other] - from : 256;

				memmove(buf + at + len, buf + at, n - at);
				memcpy(buf + at, corpus[other] + from, len);
				n += len;
			}
		}
	}
	return n;
}

static void keep(const char *dir, const uint8_t *data, size_t n)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/current", dir);
	f = fopen(path, "wb");
	if (!f || fwrite(data, 1, n, f) != n)
		perror(path);
	if (f)
		fclose(f);
}

int main(int argc, char **argv)
{
	static uint8_t buf[FUZZ_MAX];
	const char *out = NULL;
	unsigned long runs = 0;
	int c, seconds = 0;
	time_t end;

	while ((c = getopt(argc, argv, "t:s:o:")) != -1) {
		if (c == 't')
			seconds = atoi(optarg);
		else if (c == 's')
			rng ^= strtoull(optarg, NULL, 0) * 0x9e3779b97f4a7c15ull;
		else if (c == 'o')
			out = optarg;
		else
			return 2;
	}
	for (int i = optind; i < argc; i++)
		add(argv[i]);
	for (size_t i = 0; i < n_corpus; i++) {
		/* exactly as long as the input, so that a sanitizer sees a read beyond it */
		uint8_t *exact = malloc(sizes[i] ? sizes[i] : 1);

		memcpy(exact, corpus[i], sizes[i]);
		LLVMFuzzerTestOneInput(exact, sizes[i]);
		free(exact);
	}
	printf("replayed %zu inputs\n", n_corpus);
	for (end = time(NULL) + seconds; seconds && time(NULL) < end; runs++) {
		size_t n = mutate(buf);
		uint8_t *exact = malloc(n ? n : 1);

		memcpy(exact, buf, n);
		if (out)
			keep(out, exact, n);
		LLVMFuzzerTestOneInput(exact, n);
		free(exact);
	}
	if (seconds)
		printf("%lu mutations\n", runs);
	return 0;
}

/* 630-fatbin: containers made by nvcc, choice of PTX, and damaged ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t/lib/tap.h"
#include "util/fatbin.h"
#include "util/sys.h"

static char *load(const char *name, size_t *len)
{
	struct vgpu_err e = VGPU_ERR_INIT;
	char path[300], *data;

	snprintf(path, sizeof(path), "t/data/fatbin/%s", name);
	if (vgpu_read_file(test_src(path), 1 << 20, &data, len, &e))
		bail("%s", e.text);
	return data;
}

/* Arch of the PTX that cc gets from a file, or the negative status. */
static int choose(const char *name, unsigned cc, uint32_t *flags)
{
	struct vgpu_ptx_images s;
	size_t len;
	char *data = load(name, &len);
	int r = vgpu_image_select(data, len, cc, &s, NULL);

	if (!r) {
		if (flags)
			*flags = s.list.v[0].flags;
		r = s.list.n == 1 ? (int)s.list.v[0].arch : -1000;
	}
	vgpu_ptx_images_fini(&s);
	free(data);
	return r;
}

static void test_choice(void)
{
	uint32_t flags = 99;

	is_int(choose("multi.fatbin", 75, NULL), 75, "7.5 takes compute_75");
	is_int(choose("multi.fatbin", 89, NULL), 75, "8.9 takes compute_75");
	is_int(choose("multi.fatbin", 90, NULL), 90, "9.0 takes compute_90 or 90a");
	is_int(choose("multi.fatbin", 100, NULL), 90, "10.0 takes compute_90, not 90a");
	is_int(choose("multi.fatbin", 120, &flags), 120, "12.0 takes compute_120");
	is_hex(flags, VGPU_PTX_F_ZSTD, "zstd is seen");
	is_int(choose("multi.fatbin", 130, NULL), 120, "13.0 takes compute_120");
	is_int(choose("multi.fatbin", 70, NULL), -VGPU_E_NO_BINARY, "7.0 gets nothing");
	is_int(choose("family.fatbin", 103, NULL), 100, "10.3 takes compute_100f");
	is_int(choose("family.fatbin", 120, NULL), 80, "12.0 does not take compute_100f");
	is_int(choose("lz4.fatbin", 120, &flags), 75, "LZ4 container");
	is_hex(flags, VGPU_PTX_F_LZ4, "LZ4 is seen");
	is_int(choose("raw.fatbin", 120, &flags), 75, "raw container");
	is_hex(flags, 0, "no compression is seen");
	is_int(choose("cubin.fatbin", 75, NULL), -VGPU_E_NO_BINARY, "a cubin alone is no binary for us");
}

static void test_raw_text(void)
{
	struct vgpu_ptx_images s;
	size_t len;
	char *data = load("raw.fatbin", &len);

	ok(!vgpu_image_select(data, len, 120, &s, NULL) && s.list.n == 1 &&
	   memmem(s.list.v[0].ptr, s.list.v[0].size, ".visible .entry add", 19), "raw payload is the PTX text");
	is_int(s.n_cubins, 1, "its cubin is counted");
	is_int(vgpu_image_size(data, len), len, "size of a bare fatbin");
	is_int(vgpu_image_size(data, SIZE_MAX), len, "the same without a bound");
	vgpu_ptx_images_fini(&s);
	free(data);
}

struct wrapper { uint32_t magic, version; const void *data; const void *const *parts; };

static void test_wrappers(void)
{
	size_t n1, n2;
	char *a = load("raw.fatbin", &n1), *b = load("multi.fatbin", &n2), *c = load("cubin.fatbin", &n2);
	const void *parts[] = { a, c, b, NULL }, *none[] = { NULL };
	struct wrapper w1 = { 0x466243b1, 1, a, NULL }, w2 = { 0x466243b1, 2, c, parts };
	struct wrapper w3 = { 0x466243b1, 3, a, NULL }, w4 = { 0x466243b1, 2, c, none }, w5 = { 0x466243b1, 1, NULL, NULL };
	struct vgpu_ptx_images s;

	is_int(vgpu_image_sniff(&w1, SIZE_MAX), VGPU_IMAGE_WRAPPER, "wrapper is seen");
	ok(!vgpu_image_select(&w1, SIZE_MAX, 120, &s, NULL) && s.list.n == 1 && !s.rdc, "version 1: one image");
	vgpu_ptx_images_fini(&s);
	ok(!vgpu_image_select(&w2, SIZE_MAX, 120, &s, NULL) && s.list.n == 2 && s.rdc &&
	   s.list.v[0].arch == 75 && s.list.v[1].arch == 120, "version 2: PTX of each part, in order");
	vgpu_ptx_images_fini(&s);
	void *dup = NULL;
	ok(!vgpu_image_dup(&w2, SIZE_MAX, &dup, NULL) && !vgpu_image_select(dup, SIZE_MAX, 120, &s, NULL) && s.list.n == 2 &&
	   s.list.v[1].size && (const char *)s.list.v[0].ptr != a && s.rdc, "a copy of it has the same images");
	vgpu_ptx_images_fini(&s);
	free(dup);
	ok(!vgpu_image_dup(&w1, SIZE_MAX, &dup, NULL) && !vgpu_image_select(dup, SIZE_MAX, 120, &s, NULL) && s.list.n == 1,
	   "and a copy of version 1");
	vgpu_ptx_images_fini(&s);
	free(dup);
	is_int(vgpu_image_select(&w3, SIZE_MAX, 120, &s, NULL), -VGPU_E_INVALID_IMAGE, "version 3 is refused");
	vgpu_ptx_images_fini(&s);
	is_int(vgpu_image_select(&w4, SIZE_MAX, 120, &s, NULL), -VGPU_E_NO_BINARY, "no parts: no binary");
	vgpu_ptx_images_fini(&s);
	is_int(vgpu_image_select(&w5, SIZE_MAX, 120, &s, NULL), -VGPU_E_INVALID_IMAGE, "no data is refused");
	vgpu_ptx_images_fini(&s);
	free(a);
	free(b);
	free(c);
}

static void test_other_images(void)
{
	static const char elf[8] = "\177ELF\2\1\1", junk[16] = "\1\2\3\4";
	struct vgpu_ptx_images s;
	struct vgpu_err e = VGPU_ERR_INIT;

	is_int(vgpu_image_select(elf, sizeof(elf), 120, &s, &e), -VGPU_E_NO_BINARY, "a bare cubin is no binary");
	has_string(e.text, "ELF cubin", "and the message says so");
	vgpu_ptx_images_fini(&s);
	is_int(vgpu_image_select(junk, sizeof(junk), 120, &s, NULL), -VGPU_E_INVALID_IMAGE, "junk is invalid");
	is_int(vgpu_image_select("", 1, 120, &s, NULL), -VGPU_E_INVALID_IMAGE, "an empty text is invalid");
	is_int(vgpu_image_select(NULL, 1, 120, &s, NULL), -VGPU_E_INVALID_IMAGE, "NULL is invalid");
	ok(!vgpu_image_select(".version 9.0\n", SIZE_MAX, 120, &s, NULL) && s.list.n == 1 && s.list.v[0].size == 14,
	   "PTX text up to its NUL");
	vgpu_ptx_images_fini(&s);
	is_int(vgpu_image_size("abc", 3), 3, "text without a NUL ends at the bound");
}

static void test_linked(void)
{
	struct vgpu_ptx_image in[2] = { { ".version 1", 11, 11, 0, 75 }, { "zz", 2, 100, VGPU_PTX_F_ZSTD, 90 } };
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vgpu_ptx_images s;
	int good = 1;

	vgpu_linked_print(&b, in, 2);
	is_int(vgpu_image_sniff(b.data, SIZE_MAX), VGPU_IMAGE_LINKED, "linked blob is seen");
	is_int(vgpu_image_size(b.data, SIZE_MAX), b.len, "its size");
	ok(!vgpu_image_select(b.data, b.len, 75, &s, NULL) && s.list.n == 2 && !memcmp(s.list.v[0].ptr, ".version 1", 11) &&
	   s.list.v[1].text_size == 100 && s.list.v[1].flags == VGPU_PTX_F_ZSTD, "and its parts come back");
	vgpu_ptx_images_fini(&s);
	for (size_t cut = 8; cut < b.len; cut++) {
		good &= vgpu_image_select(b.data, cut, 75, &s, NULL) != 0;
		vgpu_ptx_images_fini(&s);
	}
	ok(good, "cut blobs are refused");
	vgpu_buf_free(&b);
}

/* The image ends where an unreadable page begins: a walk beyond it is a crash. */
static void test_damage(void)
{
	size_t len, page = sysconf(_SC_PAGESIZE);
	char *data = load("multi.fatbin", &len);
	size_t room = vgpu_align_up(len, page);
	char *m = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = m + room - len;
	struct vgpu_ptx_images s;
	unsigned refused = 0, flips = 0;
	uint64_t rnd = 88172645463325252ull;

	mprotect(m + room, page, PROT_NONE);
	for (size_t cut = 0; cut < len; cut += 7) {
		memcpy(m + room - cut, data, cut);
		refused += vgpu_image_select(m + room - cut, cut, 120, &s, NULL) != 0;
		vgpu_ptx_images_fini(&s);
	}
	is_int(refused, (len + 6) / 7, "a cut container is refused at every length");
	for (int i = 0; i < 20000; i++) {
		memcpy(at, data, len);
		for (int k = 0; k < 3; k++) {
			rnd ^= rnd << 13, rnd ^= rnd >> 7, rnd ^= rnd << 17;
			at[rnd % 2 ? rnd / 2 % 80 : rnd / 2 % len] = (char)(rnd >> 40);
		}
		vgpu_image_select(at, len, 120, &s, NULL);
		for (size_t j = 0; j < s.list.n; j++)
			flips += (const char *)s.list.v[j].ptr < m || (const char *)s.list.v[j].ptr + s.list.v[j].size > m + room;
		vgpu_ptx_images_fini(&s);
	}
	is_int(flips, 0, "whatever is damaged, no image lies outside the container");
	munmap(m, room + page);
	free(data);
}

int main(void)
{
	plan_lazy();
	test_choice();
	test_raw_text();
	test_wrappers();
	test_other_images();
	test_linked();
	test_damage();
	return 0;
}

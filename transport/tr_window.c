/*
 * tr_window.c: where the shared window lies. The client picks a place that is
 * free here, tells the worker (WINDOW_MAP), and tries the next one when that
 * place is taken there. The window is inaccessible at its own address but for
 * what tr_host_map opens; the library's own accesses go through an alias.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "transport/tr_priv.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define GIB (1ull << 30)
#define TIB (1ull << 40)

/* addr 0: wherever the kernel likes. MSan and TSan leave only the third and fourth free. */
static const struct {
	uint64_t addr, size;
} candidates[] = {
	{ VGP_WINDOW_ADDR, VGP_WINDOW_SIZE },
	{ VGP_WINDOW_ADDR, TIB },
	{ 0x520000000000ull, TIB },
	{ 0x1000000000ull, 64 * GIB },
	{ VGP_WINDOW_ADDR, 64 * GIB },
	{ 0, TIB },
	{ 0, 64 * GIB },
	{ VGP_WINDOW_ADDR, 4 * GIB },
	{ 0, 4 * GIB },
	{ VGP_WINDOW_ADDR, GIB },
	{ 0, GIB },
	{ 0, 256ull << 20 },
	{ 0, 64ull << 20 },
};

/* Window and alias together may take half of what `ulimit -v` leaves. */
static uint64_t size_limit(uint64_t memfd_size)
{
	const char *preload = getenv("LD_PRELOAD");
	uint64_t limit = memfd_size;
	struct rlimit rl;

	if (getrlimit(RLIMIT_AS, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY)
		limit = MIN(limit, (uint64_t)rl.rlim_cur / 4);
	/* valgrind shadows every reservation */
	if (preload && strstr(preload, "vgpreload"))
		limit = MIN(limit, 4 * GIB);
	return limit;
}

static void *map_at(uint64_t addr, uint64_t size, int prot, int fd)
{
	int flags = MAP_NORESERVE | (fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
	void *p;

	if (addr)
		flags |= MAP_FIXED_NOREPLACE;
	p = mmap((void *)addr, size, prot, flags, fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	/* kernels before 4.17 take the address as a hint */
	if (addr && (uint64_t)p != addr) {
		munmap(p, size);
		errno = EEXIST;
		return NULL;
	}
	madvise(p, size, MADV_DONTFORK);
	madvise(p, size, MADV_DONTDUMP);
	return p;
}

/* The worker's word on a place: 0, -E_EXISTS (try another), or a failure. */
static int announce(struct tr_session *s, uint64_t addr, uint64_t size, struct vgpu_err *err)
{
	struct vgp_cmd c = { .op = VGP_OP_WINDOW_MAP, .a.WINDOW_MAP = { .addr = addr, .size = size } };
	struct vgp_reply r;

	return tr_call(s, &c, NULL, 0, &r, NULL, 0, NULL, err);
}

int tr_window_map(struct tr_session *s, int memfd, uint64_t memfd_size, struct vgpu_err *err)
{
	uint64_t limit = size_limit(memfd_size);
	struct vgpu_err why = VGPU_ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
		uint64_t size = candidates[i].size;
		void *win, *alias;
		int r;

		if (size > limit)
			continue;
		win = map_at(candidates[i].addr, size, PROT_NONE, memfd);
		if (!win)
			continue;
		alias = map_at(0, size, PROT_READ | PROT_WRITE, memfd);
		if (!alias) {
			munmap(win, size);
			continue;
		}
		r = announce(s, (uint64_t)win, size, &why);
		if (r == 0) {
			s->window = (uint64_t)win;
			s->window_size = size;
			s->alias = alias;
			s->window_mapped = true;
			return 0;
		}
		munmap(alias, size);
		munmap(win, size);
		if (r != -VGPU_E_EXISTS)
			return vgpu_err_set(err, -r, "window: %s", why.text);
	}
	return vgpu_err_set(err, VGPU_E_NOMEM, "no room for the memory window in this address space (ulimit -v?)");
}

int tr_window_reserve(struct tr_session *s, uint64_t addr, uint64_t size, struct vgpu_err *err)
{
	void *p = map_at(addr, size, PROT_NONE, -1);

	s->window = addr;
	s->window_size = size;
	if (s->engine) {
		/* an engine in this process: its own mapping is there already */
		if (p)
			munmap(p, size);
		s->window_foreign = true;
		return 0;
	}
	if (!p)
		return vgpu_err_set(err, VGPU_E_EXISTS, "window [0x%llx, +0x%llx) is taken in this address space",
				    (unsigned long long)addr, (unsigned long long)size);
	s->window_mapped = true;
	return 0;
}

void tr_window_unmap(struct tr_session *s)
{
	if (s->alias)
		munmap(s->alias, s->window_size);
	if (s->window_mapped && !s->window_foreign)
		munmap((void *)s->window, s->window_size);
	s->alias = NULL;
	s->window_mapped = false;
}

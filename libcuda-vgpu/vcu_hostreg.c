/*
 * vcu_hostreg.c: registering memory that the program has already. Its pages are
 * replaced, at their place, by window pages with the same content, which the
 * worker sees, too; unregistering puts private pages back. The device's address
 * is another one than the program's (cuMemHostGetDevicePointer).
 *
 * - Only where the window is shared (ring), and only private memory: shared
 *   memory of the program's would stop being shared with its other users.
 * - Whole pages change, so what lies beside the range in them goes along. A
 *   write by another thread to those pages while they are replaced can be lost.
 * - A forked child gets private copies (atfork), as of any memory of its parent.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "libcuda-vgpu/vcu_mem.h"
#include "libcuda-vgpu/vcu_stream.h"
#include "util/cleanup.h"
#include "util/vec.h"

#define PAGE 4096u
#define FLAGS (CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP)
#define KNOWN_FLAGS (FLAGS | CU_MEMHOSTREGISTER_IOMEMORY | CU_MEMHOSTREGISTER_READ_ONLY)

struct pages {
	char *lo;
	size_t len;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;   /* protects replaced, and replacing itself */
static VGPU_VEC(struct pages) replaced;
static bool watching_fork;

/* Whole pages, with whatever lies beside the range in them: not what AddressSanitizer's memcpy should judge. */
static void copy_pages(char *to, const char *from, size_t len)
{
#ifdef __x86_64__
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
#else
	memcpy(to, from, len);
#endif
}

/* Puts private copies of the pages in their place. Also runs in a forked child: system calls only. */
static bool make_private(struct pages p)
{
	char *copy = mmap(NULL, p.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return false;
	copy_pages(copy, p.lo, p.len);
	return mremap(copy, p.len, p.len, MREMAP_MAYMOVE | MREMAP_FIXED, p.lo) != MAP_FAILED;
}

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
	for (size_t i = 0; i < replaced.n; i++)
		make_private(replaced.v[i]);
	replaced.n = 0;
	pthread_mutex_unlock(&lock);
}

/* True if all of [lo, lo+len) is private memory that can be written, and no stack. */
static bool replaceable(const char *lo, size_t len)
{
	cleanup_fclose FILE *f = fopen("/proc/self/maps", "re");
	uint64_t at = (uint64_t)lo, end = at + len;
	unsigned long a, b;
	char line[512], perm[5], here;

	if (!f || (&here >= lo && &here < lo + len))
		return false;
	while (at < end && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %4s", &a, &b, perm) != 3 || b <= at)
			continue;
		if (a > at || perm[0] != 'r' || perm[1] != 'w' || perm[3] != 'p' || strstr(line, "[stack"))
			return false;
		at = b;
	}
	return at >= end;
}

/* Window pages at the program's address: a second mapping of what the alias maps. */
static bool put_window(struct pages p, void *alias)
{
	copy_pages(alias, p.lo, p.len);
	if (mremap(alias, 0, p.len, MREMAP_MAYMOVE | MREMAP_FIXED, p.lo) == MAP_FAILED)
		return false;
	madvise(p.lo, p.len, MADV_DOFORK);
	madvise(p.lo, p.len, MADV_DODUMP);
	return true;
}

static CUresult replace(struct pages p, uint64_t dev)
{
	void *alias = tr_alias(vcu_session(), dev, p.len);
	CUresult r = CUDA_ERROR_NOT_SUPPORTED;

	pthread_mutex_lock(&lock);
	if (!watching_fork)
		watching_fork = pthread_atfork(before_fork, in_parent, in_child) == 0;
	if (alias && watching_fork && replaceable(p.lo, p.len)) {
		r = CUDA_ERROR_OUT_OF_MEMORY;
		if (vgpu_vec_push(&replaced, p)) {
			if (put_window(p, alias))
				r = CUDA_SUCCESS;
			else
				replaced.n--;
		}
	}
	pthread_mutex_unlock(&lock);
	return r;
}

static void give_back(struct pages p)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < replaced.n; i++)
		if (replaced.v[i].lo == p.lo) {
			vgpu_vec_swap_remove(&replaced, i);
			make_private(p);
			break;
		}
	pthread_mutex_unlock(&lock);
}

static struct pages pages_of(uint64_t addr, uint64_t size)
{
	uint64_t lo = addr & ~(uint64_t)(PAGE - 1);

	return (struct pages){ (char *)lo, vgpu_align_up(addr + size, PAGE) - lo };
}

void vcu_hostreg_release(const struct vcu_range *r)
{
	/* The window's side has nothing of the program's. */
	if (!r->host)
		give_back(pages_of(r->addr, r->size));
}

CUresult vcu_MemHostRegister_v2(void *p, size_t bytesize, unsigned int Flags)
{
	struct vcu_range host = { .kind = VGP_MEM_HOST, .registered = true }, dev;
	struct pages pg;
	struct vcu_ctx *c;
	uint64_t base;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!p || !bytesize || (uint64_t)p + bytesize < (uint64_t)p || bytesize > (uint64_t)1 << 47 || Flags & ~(unsigned)KNOWN_FLAGS)
		return CUDA_ERROR_INVALID_VALUE;
	if (Flags & ~(unsigned)FLAGS)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (vcu_mem_overlaps((uint64_t)p, bytesize))
		return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
	pg = pages_of((uint64_t)p, bytesize);
	r = vcu_window_alloc(c, VGP_MEM_HOST, pg.len, PAGE, &base);
	if (r)
		return r;
	host.addr = (uint64_t)p;
	host.size = bytesize;
	host.ctx = c;
	host.flags = Flags | CU_MEMHOSTREGISTER_DEVICEMAP;
	host.dev = base + ((uint64_t)p & (PAGE - 1));
	dev = host;
	dev.addr = host.dev;
	dev.host = host.addr;
	r = replace(pg, base);
	if (r) {
		vcu_window_free(base);
		return r;
	}
	if (!vcu_mem_add(&host) || !vcu_mem_add(&dev)) {
		vcu_mem_take(host.addr, &host);
		give_back(pg);
		vcu_window_free(base);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	return CUDA_SUCCESS;
}

CUresult vcu_MemHostRegister(void *p, size_t bytesize, unsigned int Flags)
{
	return vcu_MemHostRegister_v2(p, bytesize, Flags);
}

CUresult vcu_MemHostUnregister(void *p)
{
	struct vcu_range range;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vcu_mem_find((uint64_t)p, 1, &range) || range.addr != (uint64_t)p || !range.registered || range.host)
		return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	r = vcu_ctx_wait_all(range.ctx);
	if (r)
		return r;
	if (!vcu_mem_take((uint64_t)p, &range))
		return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	vcu_hostreg_release(&range);
	if (vcu_mem_take(range.dev, &range))
		vcu_window_free(range.addr & ~(uint64_t)(PAGE - 1));
	return CUDA_SUCCESS;
}

void vcu_hostreg_fini(void)
{
	vgpu_vec_free(&replaced);
}

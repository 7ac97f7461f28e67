/*
 * window.c: device memory of the backends in this process: one reservation, in
 * which a pointer of the host is an address of the device. Allocations are
 * taken back all at once, to a mark.
 */
#include <sys/mman.h>

#include "bench/engine/bench.h"

#define SIZE ((size_t)4 << 30)
#define HUGE_B ((size_t)2 << 20)

static char *base;
static size_t used;

void window_open(void)
{
	base = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		die("no room for a window of device memory");
	used = HUGE_B - ((uintptr_t)base & (HUGE_B - 1));
}

uint64_t window_base(void)
{
	return (uint64_t)(uintptr_t)base;
}

uint64_t window_size(void)
{
	return SIZE;
}

/* A guard of 2 MiB follows each allocation. */
void *window_alloc(size_t size)
{
	size_t len = (size + HUGE_B - 1) & ~(HUGE_B - 1);
	char *p = base + used;

	if (used + len + HUGE_B > SIZE)
		die("the window of device memory is full");
	if (mprotect(p, len, PROT_READ | PROT_WRITE))
		die("no memory for %zu bytes", size);
	madvise(p, len, MADV_HUGEPAGE);
	used += len + HUGE_B;
	return p;
}

size_t window_mark(void)
{
	return used;
}

void window_rewind(size_t mark)
{
	madvise(base + mark, used - mark, MADV_DONTNEED);
	mprotect(base + mark, used - mark, PROT_NONE);
	used = mark;
}

/*
 * tr_hostmem.c: window memory from the program's side: immediate reads and
 * writes, and pages that the program itself may touch. Without shared memory
 * such pages are private here and carried over: `agreed` is what worker and
 * program last had in common; what differs from it was changed on that side.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "transport/tr_priv.h"
#include "util/vec.h"

#define PAGE 4096u
#define CHUNK 65536u

static int outside(const struct tr_session *s, uint64_t addr, size_t len, struct vgpu_err *err)
{
	if (addr >= s->window && len <= s->window_size && addr - s->window <= s->window_size - len)
		return 0;
	return vgpu_err_set(err, VGPU_E_ILLEGAL_ADDRESS, "[0x%llx, +%zu) is outside the window", (unsigned long long)addr, len);
}

void *tr_alias(struct tr_session *s, uint64_t addr, size_t len)
{
	if (!s->alias || !tr_usable(s) || outside(s, addr, len, NULL))
		return NULL;
	return s->alias + (addr - s->window);
}

int tr_mem_write(struct tr_session *s, uint64_t addr, const void *src, size_t len, struct vgpu_err *err)
{
	const char *p = src;
	int r = outside(s, addr, len, err);
	void *alias;

	if (r || len == 0)
		return r;
	alias = tr_alias(s, addr, len);
	if (alias) {
		memcpy(alias, src, len);
		return 0;
	}
	while (len) {
		size_t n = MIN(len, (size_t)CHUNK);
		struct vgp_cmd c = { .op = VGP_OP_MEM_WRITE, .a.MEM_WRITE = { .addr = addr } };

		r = tr_call(s, &c, p, n, NULL, NULL, 0, NULL, err);
		if (r)
			return r;
		addr += n;
		p += n;
		len -= n;
	}
	return 0;
}

int tr_mem_read(struct tr_session *s, uint64_t addr, void *dst, size_t len, struct vgpu_err *err)
{
	char *p = dst;
	int r = outside(s, addr, len, err);
	void *alias;

	if (r || len == 0)
		return r;
	alias = tr_alias(s, addr, len);
	if (alias) {
		memcpy(dst, alias, len);
		return 0;
	}
	while (len) {
		size_t n = MIN(len, (size_t)CHUNK), got = 0;
		struct vgp_cmd c = { .op = VGP_OP_MEM_READ, .a.MEM_READ = { .addr = addr, .len = n } };

		r = tr_call(s, &c, NULL, 0, NULL, p, n, &got, err);
		if (r)
			return r;
		if (got != n)
			return vgpu_err_set(err, VGPU_E_PROTOCOL, "MEM_READ of %zu bytes answered %zu", n, got);
		addr += n;
		p += n;
		len -= n;
	}
	return 0;
}

/* ---- pages of the program ---- */

static int shadow_add(struct tr_session *s, uint64_t addr, size_t len, struct vgpu_err *err)
{
	struct tr_shadow sh = { .addr = addr, .len = len, .agreed = calloc(1, len) };
	int r = 0;

	if (!sh.agreed)
		return vgpu_err_set(err, VGPU_E_NOMEM, "%zu bytes of host memory: out of memory", len);
	if (mmap((void *)addr, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
		r = vgpu_err_errno(err, "map host memory");
		free(sh.agreed);
		return r;
	}
	r = tr_mem_read(s, addr, sh.agreed, len, err);
	if (r) {
		free(sh.agreed);
		return r;
	}
	memcpy((void *)addr, sh.agreed, len);
	pthread_mutex_lock(&s->host_lock);
	if (!vgpu_vec_grow_((void **)&s->shadows, &s->cap_shadows, s->n_shadows + 1, sizeof(sh)))
		r = vgpu_err_set(err, VGPU_E_NOMEM, "host memory: out of memory");
	else
		s->shadows[s->n_shadows++] = sh;
	pthread_mutex_unlock(&s->host_lock);
	if (r)
		free(sh.agreed);
	return r;
}

int tr_host_map(struct tr_session *s, uint64_t addr, size_t len, struct vgpu_err *err)
{
	int r = outside(s, addr, len, err);

	if (r)
		return r;
	if (addr % PAGE)
		return vgpu_err_set(err, VGPU_E_INVALID, "0x%llx is not at a page's begin", (unsigned long long)addr);
	len = vgpu_align_up(len, PAGE);
	if (s->window_foreign || s->engine)
		return 0;      /* the engine of this process has it open already */
	if (!s->alias)
		return shadow_add(s, addr, len, err);
	if (mprotect((void *)addr, len, PROT_READ | PROT_WRITE) < 0)
		return vgpu_err_errno(err, "open [0x%llx, +%zu)", (unsigned long long)addr, len);
	return 0;
}

static void shadow_drop(struct tr_session *s, uint64_t addr)
{
	pthread_mutex_lock(&s->host_lock);
	for (size_t i = 0; i < s->n_shadows; i++) {
		if (s->shadows[i].addr != addr)
			continue;
		free(s->shadows[i].agreed);
		s->shadows[i] = s->shadows[--s->n_shadows];
		break;
	}
	pthread_mutex_unlock(&s->host_lock);
}

void tr_host_unmap(struct tr_session *s, uint64_t addr, size_t len)
{
	void *p;

	if (!tr_usable(s) || outside(s, addr, len, NULL) || s->window_foreign || s->engine)
		return;
	len = vgpu_align_up(len, PAGE);
	if (s->alias) {
		mprotect((void *)addr, len, PROT_NONE);
		return;
	}
	shadow_drop(s, addr);
	p = mmap((void *)addr, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (p != MAP_FAILED)
		madvise(p, len, MADV_DONTFORK);
}

/* Sends the bytes of one page that the program changed. */
static int push_page(struct tr_session *s, uint64_t addr, uint8_t *agreed)
{
	const uint8_t *now = (const uint8_t *)addr;
	size_t a = 0, b = PAGE;
	int r;

	if (memcmp(now, agreed, PAGE) == 0)
		return 0;
	while (now[a] == agreed[a])
		a++;
	while (now[b - 1] == agreed[b - 1])
		b--;
	memcpy(agreed + a, now + a, b - a);
	r = tr_mem_write(s, addr + a, agreed + a, b - a, NULL);
	return r;
}

int tr_shadow_push(struct tr_session *s)
{
	int r = 0;

	pthread_mutex_lock(&s->host_lock);
	for (size_t i = 0; i < s->n_shadows && r == 0; i++)
		for (size_t off = 0; off < s->shadows[i].len && r == 0; off += PAGE)
			r = push_page(s, s->shadows[i].addr + off, s->shadows[i].agreed + off);
	pthread_mutex_unlock(&s->host_lock);
	return r;
}

/* Takes over what the worker changed, but not where the program wrote meanwhile. */
static void merge(uint8_t *mine, uint8_t *agreed, const uint8_t *theirs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (theirs[i] == agreed[i])
			continue;
		if (mine[i] == agreed[i])
			mine[i] = theirs[i];
		agreed[i] = theirs[i];
	}
}

void tr_shadow_pull(struct tr_session *s)
{
	uint8_t *buf = malloc(CHUNK);

	pthread_mutex_lock(&s->host_lock);
	for (size_t i = 0; buf && i < s->n_shadows; i++) {
		struct tr_shadow *sh = &s->shadows[i];

		for (size_t off = 0; off < sh->len; off += CHUNK) {
			size_t n = MIN(sh->len - off, (size_t)CHUNK);

			if (tr_mem_read(s, sh->addr + off, buf, n, NULL))
				break;
			if (memcmp(buf, sh->agreed + off, n) != 0)
				merge((uint8_t *)sh->addr + off, sh->agreed + off, buf, n);
		}
	}
	pthread_mutex_unlock(&s->host_lock);
	free(buf);
}

void tr_shadow_fini(struct tr_session *s)
{
	for (size_t i = 0; i < s->n_shadows; i++)
		free(s->shadows[i].agreed);
	free(s->shadows);
	s->shadows = NULL;
	s->n_shadows = s->cap_shadows = 0;
}

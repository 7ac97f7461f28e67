/* vcu_range.c: the table of vcu_mem.h. */
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_mem.h"
#include "libcuda-vgpu/vcu_module.h"
#include "util/vec.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static VGPU_VEC(struct vcu_range *) table;   /* by address; ranges don't overlap */
static uint64_t next_id = 1;

/* Index of the first entry behind addr. */
static size_t upper(uint64_t addr)
{
	size_t lo = 0, hi = table.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (table.v[mid]->addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct vcu_range *around(uint64_t addr, uint64_t len)
{
	size_t i = upper(addr);
	struct vcu_range *r = i ? table.v[i - 1] : NULL;

	if (!r || addr - r->addr >= r->size || len > r->size - (addr - r->addr))
		return NULL;
	return r;
}

bool vcu_mem_known(uint64_t addr, uint64_t len, struct vcu_range *out)
{
	struct vcu_range *r;

	pthread_rwlock_rdlock(&lock);
	r = around(addr, len);
	if (r && out)
		*out = *r;
	pthread_rwlock_unlock(&lock);
	return r != NULL;
}

bool vcu_mem_in_window(uint64_t addr)
{
	struct tr_session *s = vcu_session();
	uint64_t at = 0, size = 0;

	if (!s)
		return false;
	tr_window(s, &at, &size);
	return addr >= at && addr - at < size;
}

bool vcu_mem_find(uint64_t addr, uint64_t len, struct vcu_range *out)
{
	if (vcu_mem_known(addr, len, out))
		return true;
	return !vcu_mem_known(addr, 1, NULL) && vcu_mem_in_window(addr) && vcu_module_var_at(addr) && vcu_mem_known(addr, len, out);
}

bool vcu_mem_overlaps(uint64_t addr, uint64_t len)
{
	bool yes;
	size_t i;

	pthread_rwlock_rdlock(&lock);
	i = upper(addr);
	yes = around(addr, 1) || (i < table.n && table.v[i]->addr - addr < len);
	pthread_rwlock_unlock(&lock);
	return yes;
}

bool vcu_mem_add(const struct vcu_range *range)
{
	struct vcu_range *r = malloc(sizeof(*r));
	bool ok;
	size_t i;

	if (!r)
		return false;
	*r = *range;
	pthread_rwlock_wrlock(&lock);
	r->id = next_id++;
	i = upper(r->addr);
	ok = vgpu_vec_push(&table, r);
	if (ok) {
		memmove(table.v + i + 1, table.v + i, (table.n - 1 - i) * sizeof(*table.v));
		table.v[i] = r;
	}
	pthread_rwlock_unlock(&lock);
	if (!ok)
		free(r);
	return ok;
}

bool vcu_mem_take(uint64_t addr, struct vcu_range *out)
{
	struct vcu_range *r = NULL;
	size_t i;

	pthread_rwlock_wrlock(&lock);
	i = upper(addr);
	if (i && table.v[i - 1]->addr == addr) {
		r = table.v[i - 1];
		memmove(table.v + i - 1, table.v + i, (table.n - i) * sizeof(*table.v));
		table.n--;
	}
	pthread_rwlock_unlock(&lock);
	if (!r)
		return false;
	*out = *r;
	free(r);
	return true;
}

bool vcu_mem_set_sync_memops(uint64_t addr, bool on)
{
	struct vcu_range *r;

	pthread_rwlock_wrlock(&lock);
	r = around(addr, 1);
	if (r)
		r->sync_memops = on;
	pthread_rwlock_unlock(&lock);
	return r != NULL;
}

void vcu_mem_take_all(struct vcu_ctx *c, void (*fn)(const struct vcu_range *r, void *arg), void *arg)
{
	size_t kept = 0;
	VGPU_VEC(struct vcu_range *) gone = { 0 };

	pthread_rwlock_wrlock(&lock);
	for (size_t i = 0; i < table.n; i++) {
		struct vcu_range *r = table.v[i];

		if (r->ctx != c) {
			table.v[kept++] = r;
		} else if (!vgpu_vec_push(&gone, r)) {
			free(r);   /* the worker frees it with the context all the same */
		}
	}
	table.n = kept;
	pthread_rwlock_unlock(&lock);
	for (size_t i = 0; i < gone.n; i++) {
		fn(gone.v[i], arg);
		free(gone.v[i]);
	}
	vgpu_vec_free(&gone);
}

void vcu_ranges_fini(void)
{
	for (size_t i = 0; i < table.n; i++)
		free(table.v[i]);
	vgpu_vec_free(&table);
}

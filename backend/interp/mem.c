/*
 * mem.c: where an access lands, and loads and stores.
 *
 * in_resolve() is the only way from a kernel's address to memory: it answers a
 * host pointer per lane only after the whole access was found to lie inside the
 * engine's window, the block's shared memory (or, in a cluster, another
 * block's), the lane's own local memory, or the launch's parameters, and to be
 * naturally aligned. Unmapped pages of the window are left to the guard around
 * block_run.
 *
 * An access of up to 16 bytes is one access also when it is a vector: programs
 * that publish a value together with its flag rely on that.
 */
#include <string.h>

#include "backend/interp/fast.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

uint8_t *in_lane_local(const struct in_warp *w, uint32_t lane)
{
	return w->blk->local + (w->thread0 + lane) * w->blk->local_B;
}

uint64_t in_addr(const struct in_warp *w, const struct in_insn *i, uint32_t lane)
{
	uint64_t a;

	if (i->frame_base)
		return w->g[w->cur].frame->lbase[lane] + (uint64_t)i->off;
	a = in_row(w, i->a)[lane] + (uint64_t)i->off;
	return i->addr32 ? (uint32_t)a : a;
}

static bool inside(uint64_t addr, uint64_t n, uint64_t base, uint64_t size)
{
	return size >= n && addr - base <= size - n;
}

static uint8_t *resolve_peer(const struct be_block *b, uint64_t addr, uint64_t n)
{
	for (uint32_t k = 0; b->cluster && k < b->cluster->n; k++) {
		const struct in_peer *p = &b->cluster->peer[k];

		if (inside(addr, n, (uint64_t)(uintptr_t)p->shared, p->shared_B))
			return (uint8_t *)(uintptr_t)addr;
	}
	return NULL;
}

uint8_t *in_generic(struct in_warp *w, uint32_t lane, uint64_t addr, uint64_t n, bool write)
{
	const struct be_block *b = w->blk;
	uint8_t *p = (uint8_t *)(uintptr_t)addr;

	if (inside(addr, n, b->s->window, b->s->window_size))
		return p;
	if (inside(addr, n, (uint64_t)(uintptr_t)b->shared, b->shared_B))
		return p;
	if (b->local_B && inside(addr, n, (uint64_t)(uintptr_t)in_lane_local(w, lane), b->local_B))
		return p;
	if (!write && inside(addr, n, (uint64_t)(uintptr_t)b->params, b->l->param_bytes))
		return p;
	return resolve_peer(b, addr, n);
}

/* shared::cluster addresses: 0: the block itself, else 1 + rank in bits 24… */
static uint8_t *resolve_cluster(const struct be_block *b, uint64_t addr, uint64_t n)
{
	uint64_t rank = addr >> 24, off = addr & 0xffffff;

	if (!rank)
		return inside(off, n, 0, b->shared_B) ? b->shared + off : NULL;
	if (!b->cluster)
		return rank == 1 && inside(off, n, 0, b->shared_B) ? b->shared + off : NULL;
	if (rank > b->cluster->n || !inside(off, n, 0, b->cluster->peer[rank - 1].shared_B))
		return NULL;
	return b->cluster->peer[rank - 1].shared + off;
}

uint8_t *in_resolve_lane(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, bool write)
{
	struct be_block *b = w->blk;

	switch (i->space) {
	case IR_SPACE_GLOBAL:
	case IR_SPACE_CONST:
		return inside(addr, n, b->s->window, b->s->window_size) ? (uint8_t *)(uintptr_t)addr : NULL;
	case IR_SPACE_SHARED:
		if (inside(addr, n, 0, b->shared_B))
			return b->shared + addr;
		return b->cluster ? resolve_cluster(b, addr, n) : NULL;
	case IR_SPACE_SHARED_CLUSTER:
		return resolve_cluster(b, addr, n);
	case IR_SPACE_LOCAL:
	case IR_SPACE_PARAM_FUNC:
		return inside(addr, n, 0, b->local_B) ? in_lane_local(w, lane) + addr : NULL;
	case IR_SPACE_PARAM:
		return !write && inside(addr, n, 0, b->l->param_bytes) ? b->params + addr : NULL;
	default:
		return in_generic(w, lane, addr, n, write);
	}
}

static int bad_access(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, uint32_t align, bool write)
{
	if (unlikely(w->blk->k->watch))
		return w->blk->k->watch->bad(w, i, lane, addr, n, align, write);
	if (addr & (align - 1))
		return in_fault(w, i, lane, VGPU_E_MISALIGNED, addr, "misaligned %s of %u bytes at 0x%llx", write ? "write" : "read",
				n, (unsigned long long)addr);
	return in_fault(w, i, lane, VGPU_E_ILLEGAL_ADDRESS, addr, "illegal %s of %u bytes at 0x%llx%s", write ? "write" : "read",
			n, (unsigned long long)addr, i->space == IR_SPACE_SHARED ? " of shared memory" :
			i->space == IR_SPACE_LOCAL ? " of local memory" : "");
}

int in_bad_access(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, bool write)
{
	return bad_access(w, i, lane, addr, n, n, write);
}

static int resolve_lanes(struct in_warp *w, const struct in_insn *i, uint32_t m, uint32_t n, bool write, uint8_t *p[WARP])
{
	for_lanes(l, m) {
		uint64_t addr = in_addr(w, i, l);

		p[l] = addr & (n - 1) ? NULL : in_resolve_lane(w, i, l, addr, n, write);
		if (!p[l])
			return bad_access(w, i, l, addr, n, n, write);
	}
	return 0;
}

uint8_t *in_resolve_at(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, uint32_t align, bool write)
{
	uint64_t a = i->addr32 ? (uint32_t)addr : addr;
	uint8_t *p = a & (align - 1) ? NULL : in_resolve_lane(w, i, lane, a, n, write);

	if (!p)
		bad_access(w, i, lane, a, n, align, write);
	else if (unlikely(w->blk->k->watch) && w->blk->k->watch->access(w, i, lane, a, n, write, p))
		p = NULL;
	return p;
}

int in_resolve(struct in_warp *w, const struct in_insn *i, uint32_t m, uint32_t n, bool write, uint8_t *p[WARP])
{
	switch (w->blk->k->fast->resolve(w, i, m, n, write, p)) {
	case IN_PLACED: return 0;
	case IN_REPORTED: return IN_FAULT;
	default: return resolve_lanes(w, i, m, n, write, p);
	}
}

#define LOAD(T, S) \
	for_lanes(l, m) \
		d[l] = (uint64_t)(S)*(const volatile T *)p[l] & mask

static void load_lanes(const struct in_insn *i, uint32_t m, uint8_t *const p[WARP], uint64_t *d)
{
	uint64_t mask = i->mask;

	switch (i->size * 2 + i->sign) {
	case 2: LOAD(uint8_t, uint8_t); break;
	case 3: LOAD(int8_t, int64_t); break;
	case 4: LOAD(uint16_t, uint16_t); break;
	case 5: LOAD(int16_t, int64_t); break;
	case 8: LOAD(uint32_t, uint32_t); break;
	case 9: LOAD(int32_t, int64_t); break;
	default: LOAD(uint64_t, uint64_t); break;
	}
}

static void observe_loads(struct in_warp *w, uint32_t m, uint8_t *const p[WARP], const uint64_t *d)
{
	w->obs_n++;
	for_lanes(l, m)
		in_observe(w, (uint64_t)(uintptr_t)p[l], d[l]);
}

int in_run_ld(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t *d = in_row(w, i->d);
	uint8_t *p[WARP];

	if (in_resolve(w, i, m, i->size, false, p))
		return IN_FAULT;
	load_lanes(i, m, p, d);
	if (i->order != IR_ORD_WEAK) {
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		observe_loads(w, m, p, d);
	}
	return IN_NEXT;
}

/* The address is the same in all lanes: [symbol + off]. */
int in_run_ld_param(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t *d = in_row(w, i->d), v;
	uint32_t first = 1u << __builtin_ctz(m);
	uint8_t *p[WARP];

	if (in_resolve(w, i, first, i->size, false, p))
		return IN_FAULT;
	load_lanes(i, first, p, d);
	v = d[__builtin_ctz(m)];
	in_spread(d, m, v);
	return IN_NEXT;
}

/* n = 1, 2, 4, 8 or a multiple of 16 bytes, aligned. */
static void read_chunk(uint8_t *to, const uint8_t *p, uint32_t n)
{
	switch (n) {
	case 1: *to = *(const volatile uint8_t *)p; return;
	case 2: *(uint16_t *)to = *(const volatile uint16_t *)p; return;
	case 4: *(uint32_t *)to = *(const volatile uint32_t *)p; return;
	case 8: *(uint64_t *)to = *(const volatile uint64_t *)p; return;
	}
	for (uint32_t k = 0; k < n; k += 16)
#ifdef __SSE2__
		_mm_store_si128((__m128i *)(to + k), *(const volatile __m128i *)(p + k));
#else
		memcpy(to + k, p + k, 16);
#endif
}

static void write_chunk(uint8_t *p, const uint8_t *from, uint32_t n)
{
	switch (n) {
	case 1: *(volatile uint8_t *)p = *from; return;
	case 2: *(volatile uint16_t *)p = *(const uint16_t *)from; return;
	case 4: *(volatile uint32_t *)p = *(const uint32_t *)from; return;
	case 8: *(volatile uint64_t *)p = *(const uint64_t *)from; return;
	}
	for (uint32_t k = 0; k < n; k += 16)
#ifdef __SSE2__
		*(volatile __m128i *)(p + k) = _mm_load_si128((const __m128i *)(from + k));
#else
		memcpy(p + k, from + k, 16);
#endif
}

static uint64_t element(const struct in_insn *i, const uint8_t *raw)
{
	switch (i->size * 2 + i->sign) {
	case 2: return *raw;
	case 3: return (uint64_t)(int64_t)*(const int8_t *)raw & i->mask;
	case 4: return *(const uint16_t *)raw;
	case 5: return (uint64_t)(int64_t)*(const int16_t *)raw & i->mask;
	case 8: return *(const uint32_t *)raw;
	case 9: return (uint64_t)(int64_t)*(const int32_t *)raw & i->mask;
	default: return *(const uint64_t *)raw;
	}
}

int in_run_ld_vec(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint32_t n = i->size * i->n_vec;
	uint8_t raw[32] __attribute__((aligned(32)));
	uint8_t *p[WARP];

	if (in_resolve(w, i, m, n, false, p))
		return IN_FAULT;
	if (i->order != IR_ORD_WEAK)
		w->obs_n++;
	for_lanes(l, m) {
		read_chunk(raw, p[l], n);
		for (uint32_t k = 0; k < i->n_vec; k++) {
			uint64_t v = element(i, raw + k * i->size);

			if (i->vec[k] != IN_NOROW)
				in_row(w, i->vec[k])[l] = v;
			if (i->order != IR_ORD_WEAK)
				in_observe(w, (uint64_t)(uintptr_t)p[l] + k, v);
		}
	}
	if (i->order != IR_ORD_WEAK)
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return IN_NEXT;
}

#define STORE(T) \
	for_lanes(l, m) \
		*(volatile T *)p[l] = (T)v[l]

static void before_store(struct in_warp *w, const struct in_insn *i)
{
	if (i->space != IR_SPACE_LOCAL && i->space != IR_SPACE_PARAM_FUNC)
		w->stored = true;
	if (i->order >= IR_ORD_RELEASE)
		__atomic_thread_fence(__ATOMIC_RELEASE);
}

int in_run_st(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const uint64_t *v = in_row(w, i->b);
	uint8_t *p[WARP];

	if (in_resolve(w, i, m, i->size, true, p))
		return IN_FAULT;
	before_store(w, i);
	switch (i->size) {
	case 1: STORE(uint8_t); break;
	case 2: STORE(uint16_t); break;
	case 4: STORE(uint32_t); break;
	default: STORE(uint64_t); break;
	}
	return IN_NEXT;
}

int in_run_st_vec(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint32_t n = i->size * i->n_vec;
	uint8_t raw[32] __attribute__((aligned(32)));
	uint8_t *p[WARP];

	if (in_resolve(w, i, m, n, true, p))
		return IN_FAULT;
	before_store(w, i);
	for_lanes(l, m) {
		for (uint32_t k = 0; k < i->n_vec; k++) {
			uint64_t v = in_row(w, i->vec[k])[l];

			memcpy(raw + k * i->size, &v, i->size);   /* little endian */
		}
		write_chunk(p[l], raw, n);
	}
	return IN_NEXT;
}

/*
 * cp.async: the copy is made at once, which any program that waits for it as
 * it must can't tell from a later one. d: source address row; e: bytes to
 * copy, the rest of size is zeroed.
 */
int in_run_cp_async(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	struct in_insn src = *i;
	const uint64_t *e = in_row(w, i->e);
	uint8_t buf[16] __attribute__((aligned(16)));
	uint8_t *to[WARP], *from[WARP];

	src.a = i->d;
	src.off = (int64_t)i->mask;
	src.space = (uint8_t)i->target;
	src.addr32 = false;
	if (in_resolve(w, i, m, i->size, true, to))
		return IN_FAULT;
	for_lanes(l, m) {
		uint32_t n = (uint32_t)e[l];

		if (i->sign)   /* ignore-src predicate */
			n = e[l] & 1 ? 0 : i->size;
		if (n > i->size)
			return in_fault(w, i, l, VGPU_E_ILLEGAL_INSTRUCTION, 0, "cp.async: source size %u above %u", n, i->size);
		memset(buf, 0, sizeof(buf));
		if (n) {
			if (in_resolve(w, &src, 1u << l, i->size, false, from))
				return IN_FAULT;
			memcpy(buf, from[l], n);
		}
		write_chunk(to[l], buf, i->size);
	}
	w->stored = true;
	return IN_NEXT;
}

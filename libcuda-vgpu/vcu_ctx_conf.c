/* vcu_ctx_conf.c: entry points about a context's settings: limits, caches, access to peers. */
#include <stdlib.h>

#include "libcuda-vgpu/vcu_api.h"
#include "libcuda-vgpu/vcu_ctx.h"

/* ---- limits ---- */

/* The worker's number of a limit, -1: not one of its. */
static int wire_limit(CUlimit limit)
{
	switch (limit) {
	case CU_LIMIT_STACK_SIZE: return VGP_LIMIT_STACK_SIZE;
	case CU_LIMIT_PRINTF_FIFO_SIZE: return VGP_LIMIT_PRINTF_FIFO_SIZE;
	case CU_LIMIT_MALLOC_HEAP_SIZE: return VGP_LIMIT_MALLOC_HEAP_SIZE;
	default: return -1;
	}
}

static bool limit_known(CUlimit limit)
{
	return limit >= 0 && limit < CU_LIMIT_MAX;
}

CUresult vcu_CtxSetLimit(CUlimit limit, size_t value)
{
	struct vgp_cmd cmd = { .op = VGP_OP_CTX_SET_LIMIT };
	struct vcu_ctx *c;
	CUresult r;

	if (!limit_known(limit))
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_current(&c);
	if (r)
		return r;
	if (limit == CU_LIMIT_MAX_L2_FETCH_GRANULARITY) {
		c->l2_granularity = MIN(value, (size_t)128);
		return CUDA_SUCCESS;
	}
	if (wire_limit(limit) < 0)
		return CUDA_ERROR_UNSUPPORTED_LIMIT;
	cmd.a.CTX_SET_LIMIT.ctx = c->wire;
	cmd.a.CTX_SET_LIMIT.limit = (uint32_t)wire_limit(limit);
	cmd.a.CTX_SET_LIMIT.value = value;
	return vcu_call(&cmd, NULL, 0, NULL);
}

/*
 * Limits that tell how the context was made. cuBLAS asks whether a graphics
 * client shares it (CIG) and gives up when that can't be told; none does here.
 */
static bool query_only(const struct vcu_ctx *c, CUlimit limit, size_t *value)
{
	switch (limit) {
	case CU_LIMIT_PERSISTING_L2_CACHE_SIZE:
	case CU_LIMIT_CIG_ENABLED:
	case CU_LIMIT_CIG_SHMEM_FALLBACK_ENABLED:
		*value = 0;
		return true;
	case CU_LIMIT_SHMEM_SIZE:
		*value = c->dev->d.shared_per_block_optin;
		return true;
	default:
		return false;
	}
}

CUresult vcu_CtxGetLimit(size_t *value, CUlimit limit)
{
	struct vgp_cmd cmd = { .op = VGP_OP_CTX_GET_LIMIT };
	struct vgp_reply reply;
	struct vcu_ctx *c;
	CUresult r;

	if (!value || !limit_known(limit))
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_current(&c);
	if (r)
		return r;
	if (limit == CU_LIMIT_MAX_L2_FETCH_GRANULARITY) {
		*value = c->l2_granularity;
		return CUDA_SUCCESS;
	}
	if (query_only(c, limit, value))
		return CUDA_SUCCESS;
	if (wire_limit(limit) < 0)
		return CUDA_ERROR_UNSUPPORTED_LIMIT;
	cmd.a.CTX_GET_LIMIT.ctx = c->wire;
	cmd.a.CTX_GET_LIMIT.limit = (uint32_t)wire_limit(limit);
	r = vcu_call(&cmd, NULL, 0, &reply);
	if (!r)
		*value = reply.r.CTX_GET_LIMIT.value;
	return r;
}

/* ---- caches: preferences that the engine has no use for, kept and told ---- */

CUresult vcu_CtxGetCacheConfig(CUfunc_cache *config)
{
	struct vcu_ctx *c;
	CUresult r;

	if (!config)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_current(&c);
	if (!r)
		*config = c->cache_config;
	return r;
}

CUresult vcu_CtxSetCacheConfig(CUfunc_cache config)
{
	struct vcu_ctx *c;
	CUresult r;

	if (config < CU_FUNC_CACHE_PREFER_NONE || config > CU_FUNC_CACHE_PREFER_EQUAL)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_current(&c);
	if (!r)
		c->cache_config = config;
	return r;
}

CUresult vcu_CtxGetSharedMemConfig(CUsharedconfig *config)
{
	struct vcu_ctx *c;
	CUresult r;

	if (!config)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_current(&c);
	if (!r)
		*config = c->shared_config;
	return r;
}

CUresult vcu_CtxSetSharedMemConfig(CUsharedconfig config)
{
	struct vcu_ctx *c;
	CUresult r;

	if (config < CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE || config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_current(&c);
	if (!r)
		c->shared_config = config;
	return r;
}

/* Devices have no persisting lines (their share is 0 bytes): all are normal already. */
CUresult vcu_CtxResetPersistingL2Cache(void)
{
	struct vcu_ctx *c;

	return vcu_ctx_current(&c);
}

/* ---- peers: all devices of a process share one window, so this only keeps the books ---- */

static int peer_find(const struct vcu_ctx *c, uint64_t id)
{
	for (unsigned i = 0; i < c->n_peers; i++)
		if (c->peers[i] == id)
			return (int)i;
	return -1;
}

static CUresult peer_add(struct vcu_ctx *c, uint64_t id)
{
	uint64_t *p;

	if (peer_find(c, id) >= 0)
		return CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
	p = realloc(c->peers, (c->n_peers + 1) * sizeof(*p));
	if (!p)
		return CUDA_ERROR_OUT_OF_MEMORY;
	c->peers = p;
	p[c->n_peers++] = id;
	return CUDA_SUCCESS;
}

static CUresult peer_pair(CUcontext peer, struct vcu_ctx **c, struct vcu_ctx **p)
{
	CUresult r = vcu_ctx_current(c);

	if (r)
		return r;
	*p = vcu_handle_get(peer, VCU_H_CTX);
	if (!*p || *p == *c || __atomic_load_n(&(*p)->state, __ATOMIC_ACQUIRE) != VCU_CTX_ACTIVE)
		return CUDA_ERROR_INVALID_CONTEXT;
	return CUDA_SUCCESS;
}

CUresult vcu_CtxEnablePeerAccess(CUcontext peer, unsigned int flags)
{
	struct vcu_ctx *c, *p;
	CUresult r;

	if (flags)
		return CUDA_ERROR_INVALID_VALUE;
	r = peer_pair(peer, &c, &p);
	if (r)
		return r;
	if (p->dev == c->dev)
		return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
	pthread_mutex_lock(&c->lock);
	r = peer_add(c, p->id);
	pthread_mutex_unlock(&c->lock);
	return r;
}

CUresult vcu_CtxDisablePeerAccess(CUcontext peer)
{
	struct vcu_ctx *c, *p;
	CUresult r = peer_pair(peer, &c, &p);
	int i;

	if (r)
		return r;
	pthread_mutex_lock(&c->lock);
	i = peer_find(c, p->id);
	if (i >= 0)
		c->peers[i] = c->peers[--c->n_peers];
	pthread_mutex_unlock(&c->lock);
	return i < 0 ? CUDA_ERROR_PEER_ACCESS_NOT_ENABLED : CUDA_SUCCESS;
}

/*
 * vcu_occupancy.c: how many blocks are resident on a multiprocessor: CUDA's
 * published calculation from the device's limits. Warps, blocks, registers and
 * shared memory each give a bound; the least counts.
 */
#include "libcuda-vgpu/vcu_launch.h"

#define WARP 32u
#define REG_UNIT 256u              /* registers are given to warps in such units */
#define WARP_UNIT 4u               /* warps that share a multiprocessor's parts */
#define SHARED_UNIT 128u

static uint64_t by_registers(const struct vcu_func *f, const struct vgpu_device *d, uint64_t warps)
{
	uint64_t per_warp = vgpu_align_up(vcu_func_regs(f) * WARP, REG_UNIT);
	uint64_t block = vgpu_align_up(warps, WARP_UNIT) * per_warp;

	if (block > d->regs_per_block)
		return 0;
	return d->regs_per_sm / WARP_UNIT / per_warp * WARP_UNIT / warps;
}

static uint64_t shared_of(const struct vcu_func *f, const struct vgpu_device *d, uint64_t dyn)
{
	return vgpu_align_up(f->info.shared_static + dyn + d->shared_reserved, SHARED_UNIT);
}

static bool fits(const struct vcu_func *f, const struct vgpu_device *d, uint64_t threads)
{
	return threads && threads <= d->threads_per_block && (!f->info.max_threads || threads <= f->info.max_threads);
}

unsigned vcu_occupancy(const struct vcu_func *f, unsigned threads, uint64_t dyn_shared)
{
	const struct vgpu_device *d = &f->mod->ctx->dev->d;
	uint64_t warps = ((uint64_t)threads + WARP - 1) / WARP, shared = shared_of(f, d, dyn_shared), n, bound;
	uint64_t most = MAX(d->shared_per_block_optin, d->shared_per_block);

	if (!fits(f, d, threads) || f->info.shared_static + dyn_shared > most)
		return 0;
	bound = by_registers(f, d, warps);
	n = MIN(d->threads_per_sm / WARP / warps, d->blocks_per_sm);
	n = MIN(n, bound);
	if (shared)
		n = MIN(n, d->shared_per_sm / shared);
	return (unsigned)n;
}

static CUresult get(CUfunction h, struct vcu_func **f)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	return r ? r : vcu_func_get(h, c, f);
}

CUresult vcu_OccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *numBlocks, CUfunction func, int blockSize,
								size_t dynamicSMemSize, unsigned int flags)
{
	struct vcu_func *f;
	CUresult r = get(func, &f);

	if (r)
		return r;
	if (!numBlocks || blockSize <= 0 || flags & ~(unsigned)CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE)
		return CUDA_ERROR_INVALID_VALUE;
	*numBlocks = (int)vcu_occupancy(f, (unsigned)blockSize, dynamicSMemSize);
	return CUDA_SUCCESS;
}

CUresult vcu_OccupancyMaxActiveBlocksPerMultiprocessor(int *numBlocks, CUfunction func, int blockSize, size_t dynamicSMemSize)
{
	return vcu_OccupancyMaxActiveBlocksPerMultiprocessorWithFlags(numBlocks, func, blockSize, dynamicSMemSize, 0);
}

/* The block size with the most resident threads; of equals the largest. */
CUresult vcu_OccupancyMaxPotentialBlockSizeWithFlags(int *minGridSize, int *blockSize, CUfunction func,
						     CUoccupancyB2DSize blockSizeToDynamicSMemSize, size_t dynamicSMemSize,
						     int blockSizeLimit, unsigned int flags)
{
	unsigned best = 0, best_blocks = 0, best_size = 0, limit;
	struct vcu_func *f;
	CUresult r = get(func, &f);

	if (r)
		return r;
	if (!minGridSize || !blockSize || blockSizeLimit < 0 || flags & ~(unsigned)CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE)
		return CUDA_ERROR_INVALID_VALUE;
	limit = (unsigned)f->mod->ctx->dev->d.threads_per_block;
	if (f->info.max_threads)
		limit = MIN(limit, f->info.max_threads);
	if (blockSizeLimit)
		limit = MIN(limit, (unsigned)blockSizeLimit);
	for (unsigned size = vgpu_align_up(limit, WARP); size; size -= WARP) {
		unsigned threads = MIN(size, limit), n;
		size_t dyn = blockSizeToDynamicSMemSize ? blockSizeToDynamicSMemSize((int)threads) : dynamicSMemSize;

		n = vcu_occupancy(f, threads, dyn);
		if (n * threads > best) {
			best = n * threads;
			best_size = threads;
			best_blocks = n;
		}
	}
	*blockSize = (int)best_size;
	*minGridSize = (int)(best_blocks * f->mod->ctx->dev->d.sm_count);
	return CUDA_SUCCESS;
}

CUresult vcu_OccupancyMaxPotentialBlockSize(int *minGridSize, int *blockSize, CUfunction func,
					    CUoccupancyB2DSize blockSizeToDynamicSMemSize, size_t dynamicSMemSize, int blockSizeLimit)
{
	return vcu_OccupancyMaxPotentialBlockSizeWithFlags(minGridSize, blockSize, func, blockSizeToDynamicSMemSize, dynamicSMemSize,
							   blockSizeLimit, 0);
}

CUresult vcu_OccupancyAvailableDynamicSMemPerBlock(size_t *dynamicSmemSize, CUfunction func, int numBlocks, int blockSize)
{
	const struct vgpu_device *d;
	struct vcu_func *f;
	uint64_t per_block, most;
	CUresult r = get(func, &f);

	if (r)
		return r;
	if (!dynamicSmemSize || numBlocks <= 0 || blockSize <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	d = &f->mod->ctx->dev->d;
	if (vcu_occupancy(f, (unsigned)blockSize, 0) < (unsigned)numBlocks)
		return CUDA_ERROR_INVALID_VALUE;
	per_block = d->shared_per_sm / (unsigned)numBlocks / SHARED_UNIT * SHARED_UNIT;
	per_block = per_block > d->shared_reserved ? per_block - d->shared_reserved : 0;
	most = MAX(d->shared_per_block_optin, d->shared_per_block);
	per_block = MIN(per_block, most);
	*dynamicSmemSize = per_block > f->info.shared_static ? per_block - f->info.shared_static : 0;
	return CUDA_SUCCESS;
}

/* ---- clusters: multiprocessors are alike, so a cluster may lie anywhere ---- */

CUresult vcu_OccupancyMaxPotentialClusterSize(int *clusterSize, CUfunction func, const CUlaunchConfig *config)
{
	struct vcu_launch l;
	struct vcu_func *f;
	uint64_t resident;
	int n;
	CUresult r = get(func, &f);

	if (!r)
		r = vcu_launch_config(&l, config);
	if (r)
		return r;
	if (!clusterSize)
		return CUDA_ERROR_INVALID_VALUE;
	n = f->set->nonportable_cluster ? 16 : 8;
	resident = (uint64_t)vcu_occupancy(f, l.block[0] * l.block[1] * l.block[2], l.shared) * f->mod->ctx->dev->d.sm_count;
	while (n > 1 && (uint64_t)n > resident)
		n /= 2;
	*clusterSize = resident ? n : 0;
	return CUDA_SUCCESS;
}

CUresult vcu_OccupancyMaxActiveClusters(int *numClusters, CUfunction func, const CUlaunchConfig *config)
{
	struct vcu_launch l;
	struct vcu_func *f;
	uint64_t blocks = 1;
	CUresult r = get(func, &f);

	if (!r)
		r = vcu_launch_config(&l, config);
	if (r)
		return r;
	if (!numClusters)
		return CUDA_ERROR_INVALID_VALUE;
	for (int i = 0; i < 3; i++) {
		uint32_t n = l.cluster[i] ? l.cluster[i] : f->info.cluster[i];

		blocks *= n ? n : 1;
	}
	*numClusters = (int)((uint64_t)vcu_occupancy(f, l.block[0] * l.block[1] * l.block[2], l.shared) *
			     f->mod->ctx->dev->d.sm_count / blocks);
	return CUDA_SUCCESS;
}

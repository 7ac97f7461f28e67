/*
 * sreg.c: special registers. Most are the same in all lanes of a warp: one
 * value, spread.
 */
#include <time.h>

#include "backend/interp/interp.h"
#include "util/sys.h"

static uint64_t cycles(const struct be_block *b)
{
	uint64_t khz = b->s->clock_khz ? b->s->clock_khz : 1000000;

	return (uint64_t)((unsigned __int128)vgpu_now_ns() * khz / 1000000);
}

static uint64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t cluster_value(const struct be_block *b, uint8_t sreg)
{
	const uint32_t *c = b->l->cluster, *g = b->l->grid, *id = b->ctaid;

	switch (sreg) {
	case IR_SREG_clusterid_x: return id[0] / c[0];
	case IR_SREG_clusterid_y: return id[1] / c[1];
	case IR_SREG_clusterid_z: return id[2] / c[2];
	case IR_SREG_nclusterid_x: return g[0] / c[0];
	case IR_SREG_nclusterid_y: return g[1] / c[1];
	case IR_SREG_nclusterid_z: return g[2] / c[2];
	case IR_SREG_cluster_ctaid_x: return id[0] % c[0];
	case IR_SREG_cluster_ctaid_y: return id[1] % c[1];
	case IR_SREG_cluster_ctaid_z: return id[2] % c[2];
	case IR_SREG_cluster_nctaid_x: return c[0];
	case IR_SREG_cluster_nctaid_y: return c[1];
	case IR_SREG_cluster_nctaid_z: return c[2];
	case IR_SREG_cluster_ctarank: return b->rank;
	case IR_SREG_cluster_nctarank: return (uint64_t)c[0] * c[1] * c[2];
	case IR_SREG_is_explicit_cluster: return (uint64_t)c[0] * c[1] * c[2] > 1;
	}
	return 0;
}

static uint64_t shared_value(const struct be_block *b, uint8_t sreg)
{
	switch (sreg) {
	case IR_SREG_dynamic_smem_size: return b->l->shared_dyn;
	case IR_SREG_total_smem_size: return b->k->shared_static + (uint64_t)b->l->shared_dyn;
	case IR_SREG_aggr_smem_size: return b->shared_B;
	case IR_SREG_reserved_smem_offset_begin: return 0;
	case IR_SREG_reserved_smem_offset_end: return IN_SHARED_RESERVED;
	case IR_SREG_reserved_smem_offset_cap: return IN_SHARED_RESERVED;
	case IR_SREG_reserved_smem_offset_0: return 0;
	case IR_SREG_reserved_smem_offset_1: return IN_SHARED_RESERVED_1;
	}
	return 0;
}

static uint64_t uniform_value(const struct in_warp *w, uint8_t sreg)
{
	const struct be_block *b = w->blk;
	const struct be_launch *l = b->l;

	switch (sreg) {
	case IR_SREG_ntid_x: return l->block[0];
	case IR_SREG_ntid_y: return l->block[1];
	case IR_SREG_ntid_z: return l->block[2];
	case IR_SREG_ctaid_x: return b->ctaid[0];
	case IR_SREG_ctaid_y: return b->ctaid[1];
	case IR_SREG_ctaid_z: return b->ctaid[2];
	case IR_SREG_nctaid_x: return l->grid[0];
	case IR_SREG_nctaid_y: return l->grid[1];
	case IR_SREG_nctaid_z: return l->grid[2];
	case IR_SREG_warpid: return w->index;
	case IR_SREG_nwarpid: return b->n_warps;
	case IR_SREG_smid: return b->s->sm_count ? b->linear % b->s->sm_count : 0;
	case IR_SREG_nsmid: return b->s->sm_count;
	case IR_SREG_gridid: return l->grid_id;
	case IR_SREG_clock: return (uint32_t)cycles(b);
	case IR_SREG_clock_hi: return cycles(b) >> 32;
	case IR_SREG_clock64: return cycles(b);
	case IR_SREG_globaltimer: return wall_ns();
	case IR_SREG_globaltimer_lo: return (uint32_t)wall_ns();
	case IR_SREG_globaltimer_hi: return wall_ns() >> 32;
	case IR_SREG_envreg1: return l->coop_workspace >> 32;
	case IR_SREG_envreg2: return (uint32_t)l->coop_workspace;
	}
	if (sreg >= IR_SREG_clusterid_x && sreg <= IR_SREG_is_explicit_cluster)
		return cluster_value(b, sreg);
	/* Left: shared memory sizes; counters and environment registers, which read as 0. */
	return shared_value(b, sreg);
}

static uint64_t lane_value(uint8_t sreg, uint32_t l)
{
	uint32_t eq = 1u << l;

	switch (sreg) {
	case IR_SREG_laneid: return l;
	case IR_SREG_lanemask_eq: return eq;
	case IR_SREG_lanemask_le: return eq | (eq - 1);
	case IR_SREG_lanemask_lt: return eq - 1;
	case IR_SREG_lanemask_ge: return (uint32_t)~(eq - 1);
	case IR_SREG_lanemask_gt: return (uint32_t)~(eq | (eq - 1));
	}
	return 0;
}

int in_run_sreg(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t *d = in_row(w, i->d);
	uint64_t v;

	switch (i->sreg) {
	case IR_SREG_tid_x:
	case IR_SREG_tid_y:
	case IR_SREG_tid_z:
		in_copy(d, w->tid[i->sreg - IR_SREG_tid_x], m);
		return IN_NEXT;
	case IR_SREG_laneid:
	case IR_SREG_lanemask_eq:
	case IR_SREG_lanemask_le:
	case IR_SREG_lanemask_lt:
	case IR_SREG_lanemask_ge:
	case IR_SREG_lanemask_gt:
		for_lanes(l, m)
			d[l] = lane_value(i->sreg, l);
		return IN_NEXT;
	}
	v = uniform_value(w, i->sreg) & i->mask;
	in_spread(d, m, v);
	return IN_NEXT;
}

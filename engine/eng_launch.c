/*
 * eng_launch.c: checks a launch against its kernel and the device, and makes
 * a job of it. libcuda has checked the same before; here it is for clients
 * that are not libcuda.
 */
#include <string.h>

#include "engine/eng_priv.h"
#include "compiler/ir/ir.h"

#define PARAM_MAX 32764u
#define CLUSTER_MAX 16u
#define WORKSPACE 4096u

/*
 * Registers don't count here: they are no resource of this engine, and the
 * number that a program is told (and that libcuda's occupancy goes by) is
 * libcuda's. So this bound is never below the one that the program was given.
 */
uint64_t eng_occupancy(const struct vgpu_device *d, uint32_t threads, uint32_t shared_B)
{
	uint64_t t = vgpu_align_up(MAX(threads, 1u), 32), n;

	n = MIN(d->blocks_per_sm, d->threads_per_sm / t);
	n = MIN(n, d->shared_per_sm / (shared_B + d->shared_reserved + (shared_B + d->shared_reserved == 0)));
	return n * d->sm_count;
}

static int check_shape(const struct vgp_launch *l, const struct vgpu_device *d, struct vgpu_err *err)
{
	uint64_t threads = (uint64_t)l->block[0] * l->block[1];

	for (int i = 0; i < 3; i++)
		if (l->grid[i] == 0 || l->block[i] == 0 || l->grid[i] > (i ? 65535u : 0x7fffffffu))
			return vgpu_err_set(err, VGPU_E_INVALID, "grid %u,%u,%u of blocks %u,%u,%u", l->grid[0], l->grid[1], l->grid[2],
					    l->block[0], l->block[1], l->block[2]);
	if (l->block[0] > 1024 || l->block[1] > 1024 || l->block[2] > 64 || threads * l->block[2] > d->threads_per_block)
		return vgpu_err_set(err, VGPU_E_INVALID, "blocks of %u,%u,%u threads; at most %llu", l->block[0], l->block[1], l->block[2],
				    (unsigned long long)d->threads_per_block);
	return 0;
}

static int check_func(const struct vgp_launch *l, const struct eng_func *f, const struct ir_func *ir, const struct vgpu_device *d,
		      struct vgpu_err *err)
{
	uint64_t threads = (uint64_t)l->block[0] * l->block[1] * l->block[2];
	uint64_t most = (uint64_t)ir->max_ntid[0] * MAX(ir->max_ntid[1], 1u) * MAX(ir->max_ntid[2], 1u);

	if (most && threads > most)
		return vgpu_err_set(err, VGPU_E_INVALID, "%s: blocks of %llu threads; it was compiled for at most %llu", ir->name,
				    (unsigned long long)threads, (unsigned long long)most);
	if (ir->req_ntid[0])
		for (int i = 0; i < 3; i++)
			if (l->block[i] != MAX(ir->req_ntid[i], 1u))
				return vgpu_err_set(err, VGPU_E_INVALID, "%s: blocks of %u,%u,%u threads; it requires %u,%u,%u", ir->name,
						    l->block[0], l->block[1], l->block[2], ir->req_ntid[0], ir->req_ntid[1], ir->req_ntid[2]);
	if ((uint64_t)f->info.shared_static + l->shared_dyn > d->shared_per_block_optin)
		return vgpu_err_set(err, VGPU_E_LAUNCH_RESOURCES, "%s: %u + %u bytes of shared memory; at most %llu", ir->name,
				    f->info.shared_static, l->shared_dyn, (unsigned long long)d->shared_per_block_optin);
	if (l->param_len < ir->param_bytes)
		return vgpu_err_set(err, VGPU_E_INVALID, "%s: %u bytes of parameters; it takes %u", ir->name, l->param_len, ir->param_bytes);
	return 0;
}

static int check_cluster(const struct vgp_launch *l, const struct ir_func *ir, uint32_t cluster[3], struct vgpu_err *err)
{
	uint64_t size = 1;

	for (int i = 0; i < 3; i++) {
		cluster[i] = l->cluster[i] ? l->cluster[i] : ir->cluster[i] ? ir->cluster[i] : 1;
		if (cluster[i] > CLUSTER_MAX || l->grid[i] % cluster[i])
			return vgpu_err_set(err, VGPU_E_INVALID, "%s: grid %u,%u,%u is not made of clusters of %u,%u,%u", ir->name,
					    l->grid[0], l->grid[1], l->grid[2], cluster[0], cluster[1], cluster[2]);
		size *= cluster[i];
	}
	if (size > CLUSTER_MAX)
		return vgpu_err_set(err, VGPU_E_LAUNCH_RESOURCES, "%s: clusters of %llu blocks; at most %u", ir->name,
				    (unsigned long long)size, CLUSTER_MAX);
	return 0;
}

static int set_cooperative(struct eng *e, struct eng_job *j, const struct eng_func *f, struct vgpu_err *err)
{
	const struct be_launch *l = &j->launch;
	uint64_t most = eng_occupancy(j->ctx->dev, l->block[0] * l->block[1] * l->block[2], f->info.shared_static + l->shared_dyn);
	int r;

	if (j->n_parts > most)
		return vgpu_err_set(err, VGPU_E_COOP_TOO_LARGE, "cooperative launch of %llu blocks; %llu can be resident",
				    (unsigned long long)j->n_parts, (unsigned long long)most);
	r = eng_mem_alloc(e, j->ctx, WORKSPACE, 0, VGP_MEM_DEVICE, ENG_MEM_ZERO, &j->workspace);
	if (r)
		return vgpu_err_set(err, -r, "workspace of a cooperative launch");
	j->launch.coop_workspace = j->workspace;
	j->all_resident = true;
	j->chunk_max = 1;
	return 0;
}

/* Fills the job of a launch whose kernel is f. */
static int job_set(struct eng *e, struct eng_job *j, struct eng_func *f, const struct vgp_launch *l, const uint8_t *params,
		   uint32_t flags, struct vgpu_err *err)
{
	const struct ir_func *ir = &f->mod->ir->funcs[f->index];
	uint32_t cluster[3];
	int r;

	j->mod = f->mod;
	if (f->mod->ctx != j->ctx)
		return vgpu_err_set(err, VGPU_E_INVALID_HANDLE, "%s belongs to another context", ir->name);
	r = check_shape(l, j->ctx->dev, err);
	if (r == 0)
		r = check_func(l, f, ir, j->ctx->dev, err);
	if (r == 0)
		r = check_cluster(l, ir, cluster, err);
	if (r)
		return r;
	memcpy(j->params, params, ir->param_bytes);
	j->launch.kernel = f->kernel;
	j->launch.services = &j->ctx->services;
	memcpy(j->launch.grid, l->grid, sizeof(l->grid));
	memcpy(j->launch.block, l->block, sizeof(l->block));
	memcpy(j->launch.cluster, cluster, sizeof(cluster));
	j->launch.shared_dyn = l->shared_dyn;
	j->launch.params = j->params;
	j->launch.param_bytes = ir->param_bytes;
	j->launch.grid_id = __atomic_fetch_add(&j->ctx->next_grid, 1, __ATOMIC_RELAXED);
	j->launch.stack_B = (uint32_t)j->ctx->limits[VGP_LIMIT_STACK_SIZE];
	j->per_unit = (uint64_t)cluster[0] * cluster[1] * cluster[2];
	j->n_parts = (uint64_t)l->grid[0] * l->grid[1] * l->grid[2];
	j->n_units = j->n_parts / j->per_unit;
	j->chunk_max = ir->spins ? 1 : 4096;
	j->max_resident = MAX(j->ctx->dev->sm_count * j->ctx->dev->blocks_per_sm, j->per_unit);
	return flags & VGP_LAUNCH_F_COOPERATIVE ? set_cooperative(e, j, f, err) : 0;
}

int eng_q_LAUNCH(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct eng_func *f = NULL;
	struct eng_job *j;
	struct vgp_launch l;
	int r = 0;

	if (c->c.data_len < sizeof(l)) {
		eng_fault(q->ctx, VGPU_E_PROTOCOL, 0, "LAUNCH with %u bytes of data", c->c.data_len);
		return ENG_DONE;
	}
	memcpy(&l, c->data, sizeof(l));
	if (l.pad || l.param_len > PARAM_MAX || l.param_len != c->c.data_len - sizeof(l) || (c->c.a.LAUNCH.flags & ~(uint32_t)VGP_LAUNCH_F_COOPERATIVE)) {
		eng_fault(q->ctx, VGPU_E_PROTOCOL, 0, "LAUNCH: %u bytes of parameters in %u bytes of data", l.param_len, c->c.data_len);
		return ENG_DONE;
	}
	j = eng_job_new(e, q, l.param_len);
	if (!j)
		r = vgpu_err_set(&err, VGPU_E_NOMEM, "launch: out of memory");
	if (r == 0) {
		f = eng_func_ref(e, c->c.a.LAUNCH.func);
		r = f ? job_set(e, j, f, &l, c->data + sizeof(l), c->c.a.LAUNCH.flags, &err) :
			vgpu_err_set(&err, VGPU_E_INVALID_HANDLE, "LAUNCH: function %u does not exist", c->c.a.LAUNCH.func);
	}
	if (r) {
		if (j)
			eng_job_drop(e, j);
		eng_fault(q->ctx, -r, 0, "%s", err.text);
		return ENG_DONE;
	}
	eng_tex_enter(e);
	eng_job_submit(e, j, true);
	return ENG_ASYNC;
}

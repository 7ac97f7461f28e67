/*
 * vcu_graph_node.c: what a node does: taken from the structs of the API and
 * given back in them, copied, and put into a stream. The entry points of the kinds
 * of nodes all go through CUgraphNodeParams.
 */
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_event.h"
#include "libcuda-vgpu/vcu_graph.h"

/* ---- life ---- */

void vcu_op_free(struct vcu_op *op)
{
	if (op->type == CU_GRAPH_NODE_TYPE_KERNEL) {
		free(op->kernel.packed);
		free(op->kernel.params);
	} else if (op->type == CU_GRAPH_NODE_TYPE_GRAPH) {
		vcu_graph_free(op->child);
	}
	op->type = CU_GRAPH_NODE_TYPE_EMPTY;
}

CUresult vcu_op_copy(const struct vcu_op *from, struct vcu_op *to)
{
	const struct vcu_op_kernel *k = &from->kernel;
	size_t n;

	*to = *from;
	if (from->type == CU_GRAPH_NODE_TYPE_GRAPH)
		return vcu_graph_copy(from->child, &to->child);
	if (from->type != CU_GRAPH_NODE_TYPE_KERNEL)
		return CUDA_SUCCESS;
	for (n = 0; k->params && k->params[n]; n++)
		;
	to->kernel.packed = malloc(k->n + 1);
	to->kernel.params = calloc(n + 1, sizeof(void *));
	if (!to->kernel.packed || !to->kernel.params) {
		vcu_op_free(to);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	memcpy(to->kernel.packed, k->packed, k->n);
	for (size_t i = 0; i < n; i++)
		to->kernel.params[i] = to->kernel.packed + ((uint8_t *)k->params[i] - k->packed);
	return CUDA_SUCCESS;
}

CUresult vcu_op_of_launch(const void *handle, const struct vcu_launch *l, struct vcu_op *op)
{
	const struct vcu_func *f = l->f;
	struct vcu_op_kernel *k = &op->kernel;
	CUresult r;

	*op = (struct vcu_op){ .type = CU_GRAPH_NODE_TYPE_KERNEL, .ctx = f->mod->ctx->handle };
	k->func = handle;
	k->l = *l;
	k->l.params = k->l.extra = NULL;
	k->l.completion = NULL;
	k->l.f = NULL;
	k->n = f->info.param_bytes;
	k->packed = malloc(k->n + 1);
	k->params = calloc(f->info.n_params + 1, sizeof(void *));
	r = k->packed && k->params ? vcu_launch_pack(l, k->packed) : CUDA_ERROR_OUT_OF_MEMORY;
	if (r) {
		vcu_op_free(op);
		return r;
	}
	/* vcu_launch_pack has seen that each lies inside; not given one by one they may be anywhere */
	for (uint32_t i = 0; i < f->info.n_params; i++)
		k->params[i] = k->packed + MIN(f->params[i].offset, k->n);
	k->l.packed = NULL;
	return CUDA_SUCCESS;
}

/* ---- running ---- */

static CUresult run_event(const struct vcu_op *op, struct vcu_stream *s)
{
	struct vcu_event *e;
	CUresult r = vcu_event_get(op->event, &e);

	if (r)
		return r;
	return op->type == CU_GRAPH_NODE_TYPE_EVENT_RECORD ? vcu_event_record(e, s) : vcu_event_wait(e, s);
}

CUresult vcu_op_run(const struct vcu_op *op, struct vcu_stream *s)
{
	struct vcu_launch l;
	struct vcu_copy c;

	switch (op->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		l = op->kernel.l;
		l.packed = op->kernel.packed;
		l.packed_len = op->kernel.n;
		return vcu_launch_in(op->kernel.func, &l, s);
	case CU_GRAPH_NODE_TYPE_MEMCPY:
		c = op->copy.box;
		return vcu_copy_ordered(&c, s);
	case CU_GRAPH_NODE_TYPE_MEMSET:
		return vcu_fill(s, true, op->fill.dst, op->fill.pitch, op->fill.value, op->fill.elementSize, op->fill.width, op->fill.height);
	case CU_GRAPH_NODE_TYPE_HOST: return vcu_hostfn_submit(s, op->host.fn, NULL, op->host.userData);
	case CU_GRAPH_NODE_TYPE_GRAPH: return vcu_graph_run(op->child, s);
	case CU_GRAPH_NODE_TYPE_EVENT_RECORD: case CU_GRAPH_NODE_TYPE_WAIT_EVENT: return run_event(op, s);
	default: return CUDA_SUCCESS;
	}
}

/* ---- from the structs, and back ---- */

static CUresult ctx_of(CUcontext h, struct vcu_ctx **c)
{
	CUresult r = vcu_ctx_lookup(h, c);

	return r ? r : vcu_ctx_check(*c);
}

static CUresult kernel_of(const CUDA_KERNEL_NODE_PARAMS_v3 *p, struct vcu_op *op)
{
	struct vcu_launch l = {
		.grid = { p->gridDimX, p->gridDimY, p->gridDimZ }, .block = { p->blockDimX, p->blockDimY, p->blockDimZ },
		.shared = p->sharedMemBytes, .params = p->kernelParams, .extra = p->extra,
	};
	const void *f = p->func ? (const void *)p->func : (const void *)p->kern;
	struct vcu_ctx *c;
	CUresult r = ctx_of(p->ctx, &c);

	/* a function is its module's; without a context that says where */
	if (!r && !p->ctx && vcu_handle_kind(f) == VCU_H_FUNCTION)
		c = ((struct vcu_func *)vcu_handle_get(f, VCU_H_FUNCTION))->mod->ctx;
	if (!r)
		r = vcu_launch_check(f, &l, c);
	return r ? r : vcu_op_of_launch(f, &l, op);
}

static CUresult copy_of(const CUDA_MEMCPY3D *p, CUcontext ctx, struct vcu_op *op)
{
	struct vcu_ctx *c;
	CUresult r = ctx_of(ctx, &c);

	if (r)
		return r;
	*op = (struct vcu_op){ .type = CU_GRAPH_NODE_TYPE_MEMCPY, .ctx = c->handle, .copy.params = *p };
	r = vcu_copy_of_3d(p, &op->copy.box);
	return r ? r : vcu_copy_check(&op->copy.box);
}

static CUresult fill_of(const CUDA_MEMSET_NODE_PARAMS_v2 *p, struct vcu_op *op)
{
	struct vcu_range range;
	struct vcu_ctx *c;
	uint64_t bytes, rows, n;
	CUresult r = ctx_of(p->ctx, &c);

	if (r)
		return r;
	if ((p->elementSize != 1 && p->elementSize != 2 && p->elementSize != 4) || !p->width || !p->height || p->dst % p->elementSize ||
	    __builtin_mul_overflow(p->width, p->elementSize, &bytes) || (p->height > 1 && (p->pitch < bytes || p->pitch % p->elementSize)) ||
	    __builtin_mul_overflow(p->height - 1, p->pitch, &rows) || __builtin_add_overflow(rows, bytes, &n) ||
	    !vcu_mem_find(p->dst, n, &range))
		return CUDA_ERROR_INVALID_VALUE;
	*op = (struct vcu_op){ .type = CU_GRAPH_NODE_TYPE_MEMSET, .ctx = c->handle };
	op->fill = (CUDA_MEMSET_NODE_PARAMS){ p->dst, p->pitch, p->value, p->elementSize, p->width, p->height };
	return CUDA_SUCCESS;
}

static CUresult child_of(CUgraph h, struct vcu_op *op)
{
	struct vcu_graph *g;
	CUresult r = vcu_graph_get(h, &g);

	*op = (struct vcu_op){ .type = CU_GRAPH_NODE_TYPE_GRAPH };
	return r ? r : vcu_graph_copy(g, &op->child);
}

static CUresult event_of(CUgraphNodeType type, CUevent h, struct vcu_op *op)
{
	struct vcu_event *e;

	*op = (struct vcu_op){ .type = type, .event = h };
	return vcu_event_get(h, &e);
}

CUresult vcu_op_of_params(const CUgraphNodeParams *p, struct vcu_op *op)
{
	CUresult r = CUDA_ERROR_NOT_SUPPORTED;

	memset(op, 0, sizeof(*op));
	op->type = CU_GRAPH_NODE_TYPE_EMPTY;
	switch (p->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL: return kernel_of(&p->kernel, op);
	case CU_GRAPH_NODE_TYPE_MEMCPY: return copy_of(&p->memcpy.copyParams, p->memcpy.copyCtx, op);
	case CU_GRAPH_NODE_TYPE_MEMSET: return fill_of(&p->memset, op);
	case CU_GRAPH_NODE_TYPE_HOST:
		*op = (struct vcu_op){ .type = p->type, .host = { p->host.fn, p->host.userData } };
		return p->host.fn ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	case CU_GRAPH_NODE_TYPE_GRAPH:
		r = p->graph.ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE ? child_of(p->graph.graph, op) : CUDA_ERROR_NOT_SUPPORTED;
		if (r)
			op->type = CU_GRAPH_NODE_TYPE_EMPTY;
		return r;
	case CU_GRAPH_NODE_TYPE_EMPTY: return CUDA_SUCCESS;
	case CU_GRAPH_NODE_TYPE_WAIT_EVENT: return event_of(p->type, p->eventWait.event, op);
	case CU_GRAPH_NODE_TYPE_EVENT_RECORD: return event_of(p->type, p->eventRecord.event, op);
	case CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL: case CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT: case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
	case CU_GRAPH_NODE_TYPE_MEM_FREE: case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: case CU_GRAPH_NODE_TYPE_CONDITIONAL:
		return r;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
}

static CUresult add(CUgraphNode *out, CUgraph h, const CUgraphNode *deps, size_t n_deps, const CUgraphNodeParams *p)
{
	struct vcu_graph *g;
	struct vcu_node *n;
	struct vcu_op op;
	CUresult r = vcu_graph_get(h, &g);

	if (r || !out)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_op_of_params(p, &op);
	if (!r)
		r = vcu_node_add(g, deps, n_deps, &op, &n);
	if (!r)
		*out = n->handle;
	return r;
}

/* exec NULL: the node itself. */
static CUresult change(CUgraphExec exec, CUgraphNode h, const CUgraphNodeParams *p)
{
	struct vcu_node *n;
	struct vcu_op op;
	CUresult r = exec ? vcu_exec_node(exec, h, &n) : vcu_node_get(h, &n);

	if (r || n->op.type != p->type)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_op_of_params(p, &op);
	if (r)
		return r;
	if (op.type == CU_GRAPH_NODE_TYPE_KERNEL)
		op.kernel.l.cooperative = n->op.kernel.l.cooperative;
	vcu_op_free(&n->op);
	n->op = op;
	if (op.type == CU_GRAPH_NODE_TYPE_GRAPH)
		op.child->owner = n;
	return CUDA_SUCCESS;
}

static CUresult get(CUgraphNode h, CUgraphNodeType type, const void *out, struct vcu_op **op)
{
	struct vcu_node *n;

	if (vcu_node_get(h, &n) || n->op.type != type || !out)
		return CUDA_ERROR_INVALID_VALUE;
	*op = &n->op;
	return CUDA_SUCCESS;
}

/* ---- kernels ---- */

static CUgraphNodeParams kernel_v1(const CUDA_KERNEL_NODE_PARAMS_v1 *p)
{
	CUgraphNodeParams g = { .type = CU_GRAPH_NODE_TYPE_KERNEL };

	/* the older one is the newer one's beginning */
	memcpy(&g.kernel, p, sizeof(*p));
	return g;
}

static CUgraphNodeParams kernel_v2(const CUDA_KERNEL_NODE_PARAMS *p)
{
	CUgraphNodeParams g = { .type = CU_GRAPH_NODE_TYPE_KERNEL };

	memcpy(&g.kernel, p, sizeof(*p));
	return g;
}

CUresult vcu_GraphAddKernelNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies, size_t numDependencies,
				const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUgraphNodeParams p;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	p = kernel_v1(nodeParams);
	return add(phGraphNode, hGraph, dependencies, numDependencies, &p);
}

CUresult vcu_GraphAddKernelNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies, size_t numDependencies,
				   const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams p;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	p = kernel_v2(nodeParams);
	return add(phGraphNode, hGraph, dependencies, numDependencies, &p);
}

CUresult vcu_GraphKernelNodeGetParams_v2(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	const struct vcu_op_kernel *k;
	struct vcu_op *op;

	if (get(hNode, CU_GRAPH_NODE_TYPE_KERNEL, nodeParams, &op))
		return CUDA_ERROR_INVALID_VALUE;
	k = &op->kernel;
	*nodeParams = (CUDA_KERNEL_NODE_PARAMS){
		.gridDimX = k->l.grid[0], .gridDimY = k->l.grid[1], .gridDimZ = k->l.grid[2],
		.blockDimX = k->l.block[0], .blockDimY = k->l.block[1], .blockDimZ = k->l.block[2],
		.sharedMemBytes = k->l.shared, .kernelParams = k->params, .ctx = op->ctx,
	};
	if (vcu_handle_kind(k->func) == VCU_H_KERNEL)
		nodeParams->kern = (CUkernel)k->func;
	else
		nodeParams->func = (CUfunction)k->func;
	return CUDA_SUCCESS;
}

CUresult vcu_GraphKernelNodeGetParams(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUDA_KERNEL_NODE_PARAMS p;
	CUresult r = vcu_GraphKernelNodeGetParams_v2(hNode, nodeParams ? &p : NULL);

	if (!r) {
		memcpy(nodeParams, &p, sizeof(*nodeParams));
		/* a kernel was a function then */
		if (!p.func)
			nodeParams->func = (CUfunction)p.kern;
	}
	return r;
}

CUresult vcu_GraphKernelNodeSetParams(CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	return vcu_GraphExecKernelNodeSetParams(NULL, hNode, nodeParams);
}

CUresult vcu_GraphKernelNodeSetParams_v2(CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	return vcu_GraphExecKernelNodeSetParams_v2(NULL, hNode, nodeParams);
}

CUresult vcu_GraphExecKernelNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams)
{
	CUgraphNodeParams p;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	p = kernel_v1(nodeParams);
	return change(hGraphExec, hNode, &p);
}

CUresult vcu_GraphExecKernelNodeSetParams_v2(CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams p;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	p = kernel_v2(nodeParams);
	return change(hGraphExec, hNode, &p);
}

/* ---- copies ---- */

CUresult vcu_GraphAddMemcpyNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies, size_t numDependencies,
				const CUDA_MEMCPY3D *copyParams, CUcontext ctx)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_MEMCPY, .memcpy.copyCtx = ctx };

	if (!copyParams)
		return CUDA_ERROR_INVALID_VALUE;
	p.memcpy.copyParams = *copyParams;
	return add(phGraphNode, hGraph, dependencies, numDependencies, &p);
}

CUresult vcu_GraphMemcpyNodeGetParams(CUgraphNode hNode, CUDA_MEMCPY3D *nodeParams)
{
	struct vcu_op *op;
	CUresult r = get(hNode, CU_GRAPH_NODE_TYPE_MEMCPY, nodeParams, &op);

	if (!r)
		*nodeParams = op->copy.params;
	return r;
}

CUresult vcu_GraphMemcpyNodeSetParams(CUgraphNode hNode, const CUDA_MEMCPY3D *nodeParams)
{
	return vcu_GraphExecMemcpyNodeSetParams(NULL, hNode, nodeParams, NULL);
}

CUresult vcu_GraphExecMemcpyNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_MEMCPY3D *copyParams, CUcontext ctx)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_MEMCPY, .memcpy.copyCtx = ctx };

	if (!copyParams)
		return CUDA_ERROR_INVALID_VALUE;
	p.memcpy.copyParams = *copyParams;
	return change(hGraphExec, hNode, &p);
}

/* ---- fills ---- */

static CUgraphNodeParams fill_params(const CUDA_MEMSET_NODE_PARAMS *p, CUcontext ctx)
{
	return (CUgraphNodeParams){
		.type = CU_GRAPH_NODE_TYPE_MEMSET, .memset = { p->dst, p->pitch, p->value, p->elementSize, p->width, p->height, ctx },
	};
}

CUresult vcu_GraphAddMemsetNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies, size_t numDependencies,
				const CUDA_MEMSET_NODE_PARAMS *memsetParams, CUcontext ctx)
{
	CUgraphNodeParams p;

	if (!memsetParams)
		return CUDA_ERROR_INVALID_VALUE;
	p = fill_params(memsetParams, ctx);
	return add(phGraphNode, hGraph, dependencies, numDependencies, &p);
}

CUresult vcu_GraphMemsetNodeGetParams(CUgraphNode hNode, CUDA_MEMSET_NODE_PARAMS *nodeParams)
{
	struct vcu_op *op;
	CUresult r = get(hNode, CU_GRAPH_NODE_TYPE_MEMSET, nodeParams, &op);

	if (!r)
		*nodeParams = op->fill;
	return r;
}

CUresult vcu_GraphMemsetNodeSetParams(CUgraphNode hNode, const CUDA_MEMSET_NODE_PARAMS *nodeParams)
{
	return vcu_GraphExecMemsetNodeSetParams(NULL, hNode, nodeParams, NULL);
}

CUresult vcu_GraphExecMemsetNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_MEMSET_NODE_PARAMS *memsetParams,
					  CUcontext ctx)
{
	CUgraphNodeParams p;

	if (!memsetParams)
		return CUDA_ERROR_INVALID_VALUE;
	p = fill_params(memsetParams, ctx);
	return change(hGraphExec, hNode, &p);
}

/* ---- host functions ---- */

static CUgraphNodeParams host_params(const CUDA_HOST_NODE_PARAMS *p)
{
	return (CUgraphNodeParams){ .type = CU_GRAPH_NODE_TYPE_HOST, .host = { p->fn, p->userData } };
}

CUresult vcu_GraphAddHostNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies, size_t numDependencies,
			      const CUDA_HOST_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams p;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	p = host_params(nodeParams);
	return add(phGraphNode, hGraph, dependencies, numDependencies, &p);
}

CUresult vcu_GraphHostNodeGetParams(CUgraphNode hNode, CUDA_HOST_NODE_PARAMS *nodeParams)
{
	struct vcu_op *op;
	CUresult r = get(hNode, CU_GRAPH_NODE_TYPE_HOST, nodeParams, &op);

	if (!r)
		*nodeParams = op->host;
	return r;
}

CUresult vcu_GraphHostNodeSetParams(CUgraphNode hNode, const CUDA_HOST_NODE_PARAMS *nodeParams)
{
	return vcu_GraphExecHostNodeSetParams(NULL, hNode, nodeParams);
}

CUresult vcu_GraphExecHostNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_HOST_NODE_PARAMS *nodeParams)
{
	CUgraphNodeParams p;

	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	p = host_params(nodeParams);
	return change(hGraphExec, hNode, &p);
}

/* ---- children, nothing, events ---- */

CUresult vcu_GraphAddChildGraphNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies, size_t numDependencies,
				    CUgraph childGraph)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_GRAPH, .graph.graph = childGraph };

	return add(phGraphNode, hGraph, dependencies, numDependencies, &p);
}

CUresult vcu_GraphChildGraphNodeGetGraph(CUgraphNode hNode, CUgraph *phGraph)
{
	struct vcu_op *op;
	CUresult r = get(hNode, CU_GRAPH_NODE_TYPE_GRAPH, phGraph, &op);

	if (!r)
		*phGraph = op->child->handle;
	return r;
}

CUresult vcu_GraphExecChildGraphNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode, CUgraph childGraph)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_GRAPH, .graph.graph = childGraph };

	return hGraphExec ? change(hGraphExec, hNode, &p) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_GraphAddEmptyNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies, size_t numDependencies)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_EMPTY };

	return add(phGraphNode, hGraph, dependencies, numDependencies, &p);
}

#define EVENT_NODES(Kind, member, TYPE)                                                                                              \
	CUresult vcu_GraphAddEvent##Kind##Node(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,            \
					       size_t numDependencies, CUevent event)                                                \
	{                                                                                                                            \
		CUgraphNodeParams p = { .type = TYPE, .member.event = event };                                                       \
                                                                                                                                     \
		return add(phGraphNode, hGraph, dependencies, numDependencies, &p);                                                  \
	}                                                                                                                            \
	CUresult vcu_GraphEvent##Kind##NodeGetEvent(CUgraphNode hNode, CUevent *event_out)                                           \
	{                                                                                                                            \
		struct vcu_op *op;                                                                                                   \
		CUresult r = get(hNode, TYPE, event_out, &op);                                                                       \
                                                                                                                                     \
		if (!r)                                                                                                              \
			*event_out = op->event;                                                                                      \
		return r;                                                                                                            \
	}                                                                                                                            \
	CUresult vcu_GraphExecEvent##Kind##NodeSetEvent(CUgraphExec hGraphExec, CUgraphNode hNode, CUevent event)                    \
	{                                                                                                                            \
		CUgraphNodeParams p = { .type = TYPE, .member.event = event };                                                       \
                                                                                                                                     \
		return hGraphExec ? change(hGraphExec, hNode, &p) : CUDA_ERROR_INVALID_VALUE;                                        \
	}                                                                                                                            \
	CUresult vcu_GraphEvent##Kind##NodeSetEvent(CUgraphNode hNode, CUevent event)                                                \
	{                                                                                                                            \
		CUgraphNodeParams p = { .type = TYPE, .member.event = event };                                                       \
                                                                                                                                     \
		return change(NULL, hNode, &p);                                                                                      \
	}

EVENT_NODES(Record, eventRecord, CU_GRAPH_NODE_TYPE_EVENT_RECORD)
EVENT_NODES(Wait, eventWait, CU_GRAPH_NODE_TYPE_WAIT_EVENT)

/* ---- any kind ---- */

CUresult vcu_GraphAddNode_v2(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies,
			     const CUgraphEdgeData *dependencyData, size_t numDependencies, CUgraphNodeParams *nodeParams)
{
	if (!nodeParams)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; dependencyData && i < numDependencies; i++)
		if (dependencyData[i].from_port || dependencyData[i].to_port || dependencyData[i].type)
			return CUDA_ERROR_NOT_SUPPORTED;
	return add(phGraphNode, hGraph, dependencies, numDependencies, nodeParams);
}

CUresult vcu_GraphAddNode(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies, size_t numDependencies,
			  CUgraphNodeParams *nodeParams)
{
	return vcu_GraphAddNode_v2(phGraphNode, hGraph, dependencies, NULL, numDependencies, nodeParams);
}

CUresult vcu_GraphNodeSetParams(CUgraphNode hNode, CUgraphNodeParams *nodeParams)
{
	return nodeParams ? change(NULL, hNode, nodeParams) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_GraphExecNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode, CUgraphNodeParams *nodeParams)
{
	return nodeParams && hGraphExec ? change(hGraphExec, hNode, nodeParams) : CUDA_ERROR_INVALID_VALUE;
}

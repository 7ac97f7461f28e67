/* vcu_graph_exec.c: executable graphs: made, changed, launched. */
#include <stdlib.h>

#include "libcuda-vgpu/vcu_capture.h"
#include "libcuda-vgpu/vcu_graph.h"

#define KNOWN_FLAGS (CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD | \
		     CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY)

struct vcu_exec {
	CUgraphExec handle;
	uint64_t flags;
	struct vcu_graph *g;       /* its own copy */
	/* where its last launch ended: the next one comes after it */
	struct vcu_ctx *ctx;       /* referenced, as is the stream; NULL: never launched */
	struct vcu_stream *stream;
	uint64_t seq;
};

static CUresult exec_get(CUgraphExec h, struct vcu_exec **out)
{
	*out = vcu_handle_get(h, VCU_H_GRAPH_EXEC);
	return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static struct vcu_node *find(const struct vcu_graph *g, CUgraphNode from)
{
	struct vcu_node *n = vcu_node_of_origin(g, from);

	for (size_t i = 0; i < g->nodes.n && !n; i++)
		if (g->nodes.v[i]->op.type == CU_GRAPH_NODE_TYPE_GRAPH)
			n = find(g->nodes.v[i]->op.child, from);
	return n;
}

CUresult vcu_exec_node(CUgraphExec h, CUgraphNode node, struct vcu_node **out)
{
	struct vcu_exec *e;
	CUresult r = exec_get(h, &e);

	if (r)
		return r;
	*out = find(e->g, node);
	return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static void exec_free(struct vcu_exec *e)
{
	if (e->handle)
		vcu_handle_del(e->handle, VCU_H_GRAPH_EXEC);
	vcu_graph_free(e->g);
	vcu_stream_unref(e->stream);
	if (e->ctx)
		vcu_ctx_unref(e->ctx);
	free(e);
}

/* Children, too, have an order. */
static CUresult check_order(const struct vcu_graph *g, struct vcu_node **bad)
{
	vcu_node_vec order = { 0 };
	CUresult r = vcu_graph_order(g, &order);

	if (r == CUDA_ERROR_INVALID_VALUE && g->nodes.n)
		*bad = g->nodes.v[0];
	for (size_t i = 0; i < order.n && !r; i++)
		if (order.v[i]->op.type == CU_GRAPH_NODE_TYPE_GRAPH)
			r = check_order(order.v[i]->op.child, bad);
	vgpu_vec_free(&order);
	return r;
}

static CUresult instantiate(CUgraphExec *out, CUgraph h, uint64_t flags, CUgraphNode *bad_node)
{
	struct vcu_node *bad = NULL;
	struct vcu_graph *g;
	struct vcu_exec *e;
	CUresult r = vcu_graph_get(h, &g);

	if (bad_node)
		*bad_node = NULL;
	if (r || !out || flags & ~(uint64_t)KNOWN_FLAGS)
		return CUDA_ERROR_INVALID_VALUE;
	if (flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH)
		return CUDA_ERROR_NOT_SUPPORTED;
	r = check_order(g, &bad);
	if (r) {
		if (bad && bad_node)
			*bad_node = bad->handle;
		return r;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	e->flags = flags;
	r = vcu_graph_copy(g, &e->g);
	if (!r) {
		e->handle = vcu_handle_new(VCU_H_GRAPH_EXEC, e);
		r = e->handle ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (r) {
		exec_free(e);
		return r;
	}
	*out = e->handle;
	return CUDA_SUCCESS;
}

CUresult vcu_graph_run(const struct vcu_graph *g, struct vcu_stream *s)
{
	vcu_node_vec order = { 0 };
	CUresult r = vcu_graph_order(g, &order);

	for (size_t i = 0; i < order.n && !r; i++)
		if (!order.v[i]->disabled)
			r = vcu_op_run(&order.v[i]->op, s);
	vgpu_vec_free(&order);
	return r;
}

void vcu_graph_execs_fini(void)
{
	size_t i = 0;
	void *h;

	while ((h = vcu_handle_next(VCU_H_GRAPH_EXEC, &i))) {
		exec_free(vcu_handle_get(h, VCU_H_GRAPH_EXEC));
		i = 0;
	}
}

/* ---- entry points ---- */

CUresult vcu_GraphInstantiate_v2(CUgraphExec *phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode, char *logBuffer, size_t bufferSize)
{
	if (logBuffer && bufferSize)
		*logBuffer = 0;
	return instantiate(phGraphExec, hGraph, 0, phErrorNode);
}

CUresult vcu_GraphInstantiate(CUgraphExec *phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode, char *logBuffer, size_t bufferSize)
{
	return vcu_GraphInstantiate_v2(phGraphExec, hGraph, phErrorNode, logBuffer, bufferSize);
}

CUresult vcu_GraphInstantiateWithFlags(CUgraphExec *phGraphExec, CUgraph hGraph, unsigned long long flags)
{
	return instantiate(phGraphExec, hGraph, flags, NULL);
}

CUresult vcu_GraphInstantiateWithParams(CUgraphExec *phGraphExec, CUgraph hGraph, CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams)
{
	CUresult r;

	if (!instantiateParams)
		return CUDA_ERROR_INVALID_VALUE;
	r = instantiate(phGraphExec, hGraph, instantiateParams->flags, &instantiateParams->hErrNode_out);
	instantiateParams->result_out = !r                             ? CUDA_GRAPH_INSTANTIATE_SUCCESS
					: instantiateParams->hErrNode_out ? CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE
									  : CUDA_GRAPH_INSTANTIATE_ERROR;
	return r;
}

CUresult vcu_GraphExecGetFlags(CUgraphExec hGraphExec, cuuint64_t *flags)
{
	struct vcu_exec *e;

	if (exec_get(hGraphExec, &e) || !flags)
		return CUDA_ERROR_INVALID_VALUE;
	*flags = e->flags;
	return CUDA_SUCCESS;
}

CUresult vcu_GraphExecDestroy(CUgraphExec hGraphExec)
{
	struct vcu_exec *e;

	if (exec_get(hGraphExec, &e))
		return CUDA_ERROR_INVALID_VALUE;
	exec_free(e);
	return CUDA_SUCCESS;
}

CUresult vcu_GraphLaunch(CUgraphExec hGraph, CUstream hStream)
{
	struct vcu_exec *e;
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if (exec_get(hGraph, &e))
		return CUDA_ERROR_INVALID_VALUE;
	if (vcu_capturing(s))
		return vcu_capture_graph(s, e->g);
	r = vcu_capture_check(s);
	/* a context that is gone has done all it was to do */
	if (!r && e->stream && e->stream != s && e->ctx->part[VCU_PART_stream])
		r = vcu_stream_wait_on(s, e->stream, e->seq);
	if (!r)
		r = vcu_graph_run(e->g, s);
	if (r)
		return r;
	vcu_ctx_ref(s->ctx);
	if (e->ctx)
		vcu_ctx_unref(e->ctx);
	e->ctx = s->ctx;
	vcu_stream_unref(e->stream);
	e->stream = vcu_stream_ref(s);
	e->seq = vcu_stream_mark(s);
	return CUDA_SUCCESS;
}

/* There is nothing to be brought to the device before. */
CUresult vcu_GraphUpload(CUgraphExec hGraph, CUstream hStream)
{
	struct vcu_exec *e;
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	return r ? r : exec_get(hGraph, &e);
}

static bool can_disable(const struct vcu_node *n)
{
	return n->op.type == CU_GRAPH_NODE_TYPE_KERNEL || n->op.type == CU_GRAPH_NODE_TYPE_MEMCPY || n->op.type == CU_GRAPH_NODE_TYPE_MEMSET;
}

CUresult vcu_GraphNodeSetEnabled(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int isEnabled)
{
	struct vcu_node *n;

	if (vcu_exec_node(hGraphExec, hNode, &n) || !can_disable(n))
		return CUDA_ERROR_INVALID_VALUE;
	n->disabled = !isEnabled;
	return CUDA_SUCCESS;
}

CUresult vcu_GraphNodeGetEnabled(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int *isEnabled)
{
	struct vcu_node *n;

	if (vcu_exec_node(hGraphExec, hNode, &n) || !can_disable(n) || !isEnabled)
		return CUDA_ERROR_INVALID_VALUE;
	*isEnabled = !n->disabled;
	return CUDA_SUCCESS;
}

/* ---- a graph of the same shape takes an executable one's place ---- */

static CUgraphExecUpdateResult compare(const struct vcu_graph *old, const struct vcu_graph *g, CUgraphNode *bad)
{
	CUgraphExecUpdateResult r = CU_GRAPH_EXEC_UPDATE_SUCCESS;

	if (old->nodes.n != g->nodes.n)
		return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
	for (size_t i = 0; i < g->nodes.n && !r; i++) {
		const struct vcu_node *a = old->nodes.v[i], *b = g->nodes.v[i];

		*bad = b->handle;
		if (a->op.type != b->op.type)
			return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
		if (a->deps.n != b->deps.n)
			return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
		for (size_t k = 0; k < a->deps.n; k++)
			if (a->deps.v[k]->index != b->deps.v[k]->index)
				return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
		if (a->op.type == CU_GRAPH_NODE_TYPE_GRAPH)
			r = compare(a->op.child, b->op.child, bad);
	}
	return r;
}

/* The nodes of which the program knows keep their names: those of the graph that e was made of. */
static void keep_origins(const struct vcu_graph *old, struct vcu_graph *g)
{
	for (size_t i = 0; i < g->nodes.n; i++) {
		g->nodes.v[i]->origin = old->nodes.v[i]->origin;
		g->nodes.v[i]->disabled = old->nodes.v[i]->disabled;
		if (g->nodes.v[i]->op.type == CU_GRAPH_NODE_TYPE_GRAPH)
			keep_origins(old->nodes.v[i]->op.child, g->nodes.v[i]->op.child);
	}
}

CUresult vcu_GraphExecUpdate_v2(CUgraphExec hGraphExec, CUgraph hGraph, CUgraphExecUpdateResultInfo *resultInfo)
{
	CUgraphExecUpdateResultInfo info = { .result = CU_GRAPH_EXEC_UPDATE_ERROR };
	struct vcu_graph *g, *copy;
	struct vcu_exec *e;
	CUresult r;

	if (exec_get(hGraphExec, &e) || vcu_graph_get(hGraph, &g) || !resultInfo)
		return CUDA_ERROR_INVALID_VALUE;
	info.result = compare(e->g, g, &info.errorNode);
	if (info.result) {
		*resultInfo = info;
		return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
	}
	info.errorNode = NULL;
	r = vcu_graph_copy(g, &copy);
	if (r)
		info.result = CU_GRAPH_EXEC_UPDATE_ERROR;
	*resultInfo = info;
	if (r)
		return r;
	keep_origins(e->g, copy);
	vcu_graph_free(e->g);
	e->g = copy;
	return CUDA_SUCCESS;
}

CUresult vcu_GraphExecUpdate(CUgraphExec hGraphExec, CUgraph hGraph, CUgraphNode *hErrorNode_out,
			     CUgraphExecUpdateResult *updateResult_out)
{
	CUgraphExecUpdateResultInfo info;
	CUresult r;

	if (!updateResult_out)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_GraphExecUpdate_v2(hGraphExec, hGraph, &info);
	if (r && r != CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE)
		return r;
	*updateResult_out = info.result;
	if (hErrorNode_out)
		*hErrorNode_out = info.errorNode;
	return r;
}

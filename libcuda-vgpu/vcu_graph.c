/* vcu_graph.c: see vcu_graph.h. Graphs and their nodes: life, copies, order. */
#include "libcuda-vgpu/vcu_graph.h"

#include <stdlib.h>
#include <string.h>

CUresult vcu_graph_get(CUgraph h, struct vcu_graph **out)
{
	*out = vcu_handle_get(h, VCU_H_GRAPH);
	return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_node_get(CUgraphNode h, struct vcu_node **out)
{
	*out = vcu_handle_get(h, VCU_H_GRAPH_NODE);
	return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_graph_new(struct vcu_graph **out)
{
	struct vcu_graph *g = calloc(1, sizeof(*g));

	if (!g)
		return CUDA_ERROR_OUT_OF_MEMORY;
	g->handle = vcu_handle_new(VCU_H_GRAPH, g);
	if (!g->handle) {
		free(g);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*out = g;
	return CUDA_SUCCESS;
}

static void node_free(struct vcu_node *n)
{
	if (n->handle)
		vcu_handle_del(n->handle, VCU_H_GRAPH_NODE);
	vcu_op_free(&n->op);
	vgpu_vec_free(&n->deps);
	free(n);
}

void vcu_graph_free(struct vcu_graph *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->nodes.n; i++)
		node_free(g->nodes.v[i]);
	vgpu_vec_free(&g->nodes);
	vcu_handle_del(g->handle, VCU_H_GRAPH);
	free(g);
}

static bool depends(const struct vcu_node *n, const struct vcu_node *on)
{
	for (size_t i = 0; i < n->deps.n; i++)
		if (n->deps.v[i] == on)
			return true;
	return false;
}

static CUresult add_deps(struct vcu_node *n, const CUgraphNode *deps, size_t n_deps)
{
	for (size_t i = 0; i < n_deps; i++) {
		struct vcu_node *d;

		if (vcu_node_get(deps[i], &d) || d->graph != n->graph || depends(n, d))
			return CUDA_ERROR_INVALID_VALUE;
		if (!vgpu_vec_push(&n->deps, d))
			return CUDA_ERROR_OUT_OF_MEMORY;
	}
	return CUDA_SUCCESS;
}

CUresult vcu_node_add(struct vcu_graph *g, const CUgraphNode *deps, size_t n_deps, struct vcu_op *op, struct vcu_node **out)
{
	struct vcu_node *n = calloc(1, sizeof(*n));
	CUresult r = n_deps && !deps ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;

	if (!n) {
		vcu_op_free(op);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	n->op = *op;
	n->graph = g;
	n->index = g->nodes.n;
	if (!r)
		r = add_deps(n, deps, n_deps);
	if (!r) {
		n->handle = vcu_handle_new(VCU_H_GRAPH_NODE, n);
		if (!n->handle || !vgpu_vec_push(&g->nodes, n))
			r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (r) {
		node_free(n);
		return r;
	}
	if (op->type == CU_GRAPH_NODE_TYPE_GRAPH)
		op->child->owner = n;
	*out = n;
	return CUDA_SUCCESS;
}

CUresult vcu_graph_copy(const struct vcu_graph *g, struct vcu_graph **out)
{
	struct vcu_graph *c = NULL;
	CUresult r = vcu_graph_new(&c);

	for (size_t i = 0; i < g->nodes.n && !r; i++) {
		struct vcu_node *n;
		struct vcu_op op;

		r = vcu_op_copy(&g->nodes.v[i]->op, &op);
		if (!r)
			r = vcu_node_add(c, NULL, 0, &op, &n);
		if (!r) {
			n->origin = g->nodes.v[i]->handle;
			n->disabled = g->nodes.v[i]->disabled;
		}
	}
	for (size_t i = 0; i < g->nodes.n && !r; i++) {
		const struct vcu_node *from = g->nodes.v[i];

		for (size_t k = 0; k < from->deps.n && !r; k++)
			if (!vgpu_vec_push(&c->nodes.v[i]->deps, c->nodes.v[from->deps.v[k]->index]))
				r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (r) {
		vcu_graph_free(c);
		return r;
	}
	*out = c;
	return CUDA_SUCCESS;
}

struct vcu_node *vcu_node_of_origin(const struct vcu_graph *g, CUgraphNode from)
{
	for (size_t i = 0; from && i < g->nodes.n; i++)
		if (g->nodes.v[i]->origin == from)
			return g->nodes.v[i];
	return NULL;
}

/* By counting what each node still waits for; of those that are ready the one that was made first. */
CUresult vcu_graph_order(const struct vcu_graph *g, vcu_node_vec *order)
{
	bool *done = calloc(g->nodes.n + 1, sizeof(*done)), moved = true;
	CUresult r = done ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;

	order->n = 0;
	while (!r && moved && order->n < g->nodes.n) {
		moved = false;
		for (size_t i = 0; i < g->nodes.n && !r; i++) {
			struct vcu_node *n = g->nodes.v[i];
			bool ready = !done[i];

			for (size_t k = 0; k < n->deps.n && ready; k++)
				ready = done[n->deps.v[k]->index];
			if (!ready)
				continue;
			done[i] = moved = true;
			if (!vgpu_vec_push(order, n))
				r = CUDA_ERROR_OUT_OF_MEMORY;
		}
	}
	if (!r && order->n < g->nodes.n)
		r = CUDA_ERROR_INVALID_VALUE;
	free(done);
	return r;
}

void vcu_graphs_fini(void)
{
	size_t i = 0;
	void *h;

	vcu_graph_execs_fini();
	while ((h = vcu_handle_next(VCU_H_GRAPH, &i))) {
		struct vcu_graph *g = vcu_handle_get(h, VCU_H_GRAPH);

		/* a child goes with its node */
		if (g->owner)
			continue;
		vcu_graph_free(g);
		i = 0;
	}
}

/* ---- entry points ---- */

CUresult vcu_GraphCreate(CUgraph *phGraph, unsigned int flags)
{
	struct vcu_graph *g;
	CUresult r;

	if (!phGraph || flags)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_graph_new(&g);
	if (!r)
		*phGraph = g->handle;
	return r;
}

CUresult vcu_GraphDestroy(CUgraph hGraph)
{
	struct vcu_graph *g;
	CUresult r = vcu_graph_get(hGraph, &g);

	/* a child goes with its node */
	if (r || g->owner)
		return CUDA_ERROR_INVALID_VALUE;
	vcu_graph_free(g);
	return CUDA_SUCCESS;
}

CUresult vcu_GraphClone(CUgraph *phGraphClone, CUgraph originalGraph)
{
	struct vcu_graph *g, *c;
	CUresult r = vcu_graph_get(originalGraph, &g);

	if (r || !phGraphClone)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_graph_copy(g, &c);
	if (!r)
		*phGraphClone = c->handle;
	return r;
}

CUresult vcu_GraphNodeFindInClone(CUgraphNode *phNode, CUgraphNode hOriginalNode, CUgraph hClonedGraph)
{
	struct vcu_graph *g;
	struct vcu_node *n = NULL;

	if (phNode && !vcu_graph_get(hClonedGraph, &g))
		n = vcu_node_of_origin(g, hOriginalNode);
	if (!n)
		return CUDA_ERROR_INVALID_VALUE;
	*phNode = n->handle;
	return CUDA_SUCCESS;
}

CUresult vcu_GraphNodeGetType(CUgraphNode hNode, CUgraphNodeType *type)
{
	struct vcu_node *n;

	if (vcu_node_get(hNode, &n) || !type)
		return CUDA_ERROR_INVALID_VALUE;
	*type = n->op.type;
	return CUDA_SUCCESS;
}

CUresult vcu_GraphDestroyNode(CUgraphNode hNode)
{
	struct vcu_node *n;
	struct vcu_graph *g;

	if (vcu_node_get(hNode, &n))
		return CUDA_ERROR_INVALID_VALUE;
	g = n->graph;
	for (size_t i = 0; i < g->nodes.n; i++) {
		struct vcu_node *o = g->nodes.v[i];

		for (size_t k = o->deps.n; k-- > 0;)
			if (o->deps.v[k] == n)
				vgpu_vec_swap_remove(&o->deps, k);
	}
	memmove(&g->nodes.v[n->index], &g->nodes.v[n->index + 1], (g->nodes.n - n->index - 1) * sizeof(*g->nodes.v));
	g->nodes.n--;
	for (size_t i = n->index; i < g->nodes.n; i++)
		g->nodes.v[i]->index = i;
	node_free(n);
	return CUDA_SUCCESS;
}

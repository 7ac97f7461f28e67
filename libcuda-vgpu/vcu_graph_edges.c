/* vcu_graph_edges.c: what a graph's nodes and edges are, and edges that come and go. */
#include "libcuda-vgpu/vcu_graph.h"

/* A list as these calls answer it: NULL asks for the number; what is beyond it in a longer array becomes NULL. */
struct list {
	CUgraphNode *from, *to;    /* may be NULL */
	CUgraphEdgeData *data;
	size_t cap, n;
};

static void add(struct list *l, CUgraphNode from, CUgraphNode to)
{
	if (l->n < l->cap) {
		if (l->from)
			l->from[l->n] = from;
		if (l->to)
			l->to[l->n] = to;
		if (l->data)
			l->data[l->n] = (CUgraphEdgeData){ 0 };
	}
	l->n++;
}

static CUresult start(struct list *l, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *data, const size_t *n)
{
	if (!n)
		return CUDA_ERROR_INVALID_VALUE;
	*l = (struct list){ .from = from, .to = to, .data = data, .cap = from || to ? *n : 0 };
	return CUDA_SUCCESS;
}

static CUresult finish(struct list *l, size_t *n)
{
	for (size_t i = l->n; i < l->cap; i++) {
		if (l->from)
			l->from[i] = NULL;
		if (l->to)
			l->to[i] = NULL;
	}
	*n = l->cap ? l->n < l->cap ? l->n : l->cap : l->n;
	return CUDA_SUCCESS;
}

CUresult vcu_GraphGetNodes(CUgraph hGraph, CUgraphNode *nodes, size_t *numNodes)
{
	struct vcu_graph *g;
	struct list l;

	if (vcu_graph_get(hGraph, &g) || start(&l, nodes, NULL, NULL, numNodes))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < g->nodes.n; i++)
		add(&l, g->nodes.v[i]->handle, NULL);
	return finish(&l, numNodes);
}

CUresult vcu_GraphGetRootNodes(CUgraph hGraph, CUgraphNode *rootNodes, size_t *numRootNodes)
{
	struct vcu_graph *g;
	struct list l;

	if (vcu_graph_get(hGraph, &g) || start(&l, rootNodes, NULL, NULL, numRootNodes))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < g->nodes.n; i++)
		if (!g->nodes.v[i]->deps.n)
			add(&l, g->nodes.v[i]->handle, NULL);
	return finish(&l, numRootNodes);
}

CUresult vcu_GraphGetEdges_v2(CUgraph hGraph, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *edgeData, size_t *numEdges)
{
	struct vcu_graph *g;
	struct list l;

	if (vcu_graph_get(hGraph, &g) || !from != !to || start(&l, from, to, edgeData, numEdges))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < g->nodes.n; i++)
		for (size_t k = 0; k < g->nodes.v[i]->deps.n; k++)
			add(&l, g->nodes.v[i]->deps.v[k]->handle, g->nodes.v[i]->handle);
	return finish(&l, numEdges);
}

CUresult vcu_GraphGetEdges(CUgraph hGraph, CUgraphNode *from, CUgraphNode *to, size_t *numEdges)
{
	return vcu_GraphGetEdges_v2(hGraph, from, to, NULL, numEdges);
}

CUresult vcu_GraphNodeGetDependencies_v2(CUgraphNode hNode, CUgraphNode *dependencies, CUgraphEdgeData *edgeData,
					 size_t *numDependencies)
{
	struct vcu_node *n;
	struct list l;

	if (vcu_node_get(hNode, &n) || start(&l, dependencies, NULL, edgeData, numDependencies))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < n->deps.n; i++)
		add(&l, n->deps.v[i]->handle, NULL);
	return finish(&l, numDependencies);
}

CUresult vcu_GraphNodeGetDependencies(CUgraphNode hNode, CUgraphNode *dependencies, size_t *numDependencies)
{
	return vcu_GraphNodeGetDependencies_v2(hNode, dependencies, NULL, numDependencies);
}

CUresult vcu_GraphNodeGetDependentNodes_v2(CUgraphNode hNode, CUgraphNode *dependentNodes, CUgraphEdgeData *edgeData,
					   size_t *numDependentNodes)
{
	struct vcu_node *n;
	struct list l;

	if (vcu_node_get(hNode, &n) || start(&l, dependentNodes, NULL, edgeData, numDependentNodes))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < n->graph->nodes.n; i++) {
		const struct vcu_node *o = n->graph->nodes.v[i];

		for (size_t k = 0; k < o->deps.n; k++)
			if (o->deps.v[k] == n)
				add(&l, o->handle, NULL);
	}
	return finish(&l, numDependentNodes);
}

CUresult vcu_GraphNodeGetDependentNodes(CUgraphNode hNode, CUgraphNode *dependentNodes, size_t *numDependentNodes)
{
	return vcu_GraphNodeGetDependentNodes_v2(hNode, dependentNodes, NULL, numDependentNodes);
}

/* Ports and programmatic edges let a node start early; none does here. */
static CUresult plain_edges(const CUgraphEdgeData *data, size_t n)
{
	for (size_t i = 0; data && i < n; i++)
		if (data[i].from_port || data[i].to_port || data[i].type)
			return CUDA_ERROR_NOT_SUPPORTED;
	return CUDA_SUCCESS;
}

/* The place of from among what to depends on; SIZE_MAX: it isn't there. */
static size_t edge_at(const struct vcu_node *from, const struct vcu_node *to)
{
	for (size_t i = 0; i < to->deps.n; i++)
		if (to->deps.v[i] == from)
			return i;
	return SIZE_MAX;
}

static CUresult change(CUgraph h, const CUgraphNode *from, const CUgraphNode *to, const CUgraphEdgeData *data, size_t n, bool there)
{
	struct vcu_graph *g;
	struct vcu_node *a, *b;
	CUresult r = vcu_graph_get(h, &g);

	if (r || (n && (!from || !to)))
		return CUDA_ERROR_INVALID_VALUE;
	r = plain_edges(data, n);
	/* all or nothing */
	for (size_t i = 0; i < n && !r; i++)
		if (vcu_node_get(from[i], &a) || vcu_node_get(to[i], &b) || a->graph != g || b->graph != g || a == b ||
		    (edge_at(a, b) != SIZE_MAX) != there)
			r = CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < n && !r; i++) {
		size_t at;

		vcu_node_get(from[i], &a);
		vcu_node_get(to[i], &b);
		/* a pair may be given twice */
		at = edge_at(a, b);
		if (there && at != SIZE_MAX)
			vgpu_vec_swap_remove(&b->deps, at);
		else if (!there && at == SIZE_MAX && !vgpu_vec_push(&b->deps, a))
			r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	return r;
}

CUresult vcu_GraphAddDependencies_v2(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to, const CUgraphEdgeData *edgeData,
				     size_t numDependencies)
{
	return change(hGraph, from, to, edgeData, numDependencies, false);
}

CUresult vcu_GraphAddDependencies(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to, size_t numDependencies)
{
	return change(hGraph, from, to, NULL, numDependencies, false);
}

CUresult vcu_GraphRemoveDependencies_v2(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to,
					const CUgraphEdgeData *edgeData, size_t numDependencies)
{
	return change(hGraph, from, to, edgeData, numDependencies, true);
}

CUresult vcu_GraphRemoveDependencies(CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to, size_t numDependencies)
{
	return change(hGraph, from, to, NULL, numDependencies, true);
}

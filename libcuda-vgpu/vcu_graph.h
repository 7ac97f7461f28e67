/*
 * vcu_graph.h: graphs: nodes, each of which is one operation, and what each
 * depends on.
 *
 * An executable graph is a private copy of the graph, and an order of its nodes
 * in which each comes after what it depends on. A launch puts them into the
 * stream in that order: one of the orders that the graph allows.
 *
 * Functions, events and memory are kept as what the program calls them, and
 * looked up again at each launch: they may be gone by then.
 *
 * As CUDA says of them, graphs take no locks: a program uses one in one thread
 * at a time. What captures add goes under the captures' lock.
 */
#ifndef VGPU_CUDA_VCU_GRAPH_H
#define VGPU_CUDA_VCU_GRAPH_H

#include "libcuda-vgpu/vcu_copy.h"
#include "libcuda-vgpu/vcu_launch.h"
#include "util/vec.h"

struct vcu_graph;

struct vcu_op_kernel {
	const void *func;          /* CUfunction or CUkernel */
	struct vcu_launch l;       /* dimensions */
	uint8_t *packed;           /* parameters */
	uint32_t n;
	void **params;             /* where each lies in packed; NULL: there are none */
};

struct vcu_op_copy {
	struct vcu_copy box;
	CUDA_MEMCPY3D params;
};

struct vcu_op {
	CUgraphNodeType type;
	CUcontext ctx;
	union {
		struct vcu_op_kernel kernel;
		struct vcu_op_copy copy;
		CUDA_MEMSET_NODE_PARAMS fill;
		CUDA_HOST_NODE_PARAMS host;
		CUevent event;
		struct vcu_graph *child;   /* the node's own */
	};
};

struct vcu_node {
	CUgraphNode handle;
	struct vcu_graph *graph;
	CUgraphNode origin;        /* of which it is a copy; NULL: none */
	size_t index;              /* in its graph */
	bool disabled;             /* executable graphs: cuGraphNodeSetEnabled */
	struct vcu_op op;
	VGPU_VEC(struct vcu_node *) deps;
};

struct vcu_graph {
	CUgraph handle;
	struct vcu_node *owner;    /* the node whose child it is; NULL: the program's */
	VGPU_VEC(struct vcu_node *) nodes;
};

typedef VGPU_VEC(struct vcu_node *) vcu_node_vec;

/* ---- vcu_graph.c ---- */

CUresult vcu_graph_new(struct vcu_graph **out);
void vcu_graph_free(struct vcu_graph *g);
CUresult vcu_graph_get(CUgraph h, struct vcu_graph **out);
CUresult vcu_node_get(CUgraphNode h, struct vcu_node **out);
/* With children; origins: the nodes' handles, or for a copy that is to stand for it theirs. */
CUresult vcu_graph_copy(const struct vcu_graph *g, struct vcu_graph **out);
/* Takes op, in any case. deps: nodes of g, each once. */
CUresult vcu_node_add(struct vcu_graph *g, const CUgraphNode *deps, size_t n, struct vcu_op *op, struct vcu_node **out);
/* An order of the nodes; CUDA_ERROR_INVALID_VALUE: they depend on each other in a circle. */
CUresult vcu_graph_order(const struct vcu_graph *g, vcu_node_vec *order);
/* A copy of g whose nodes come from from (its handle or what it is a copy of). NULL: none. */
struct vcu_node *vcu_node_of_origin(const struct vcu_graph *g, CUgraphNode from);
/* When the library goes. */
void vcu_graphs_fini(void);

/* ---- vcu_graph_node.c: operations ---- */

CUresult vcu_op_copy(const struct vcu_op *from, struct vcu_op *to);
void vcu_op_free(struct vcu_op *op);
/* Puts it into the stream. */
CUresult vcu_op_run(const struct vcu_op *op, struct vcu_stream *s);
/* l: checked (l->f is set). */
CUresult vcu_op_of_launch(const void *handle, const struct vcu_launch *l, struct vcu_op *op);
CUresult vcu_op_of_params(const CUgraphNodeParams *p, struct vcu_op *op);

/* ---- vcu_graph_exec.c ---- */

void vcu_graph_execs_fini(void);
/* The executable graph's copy of a node of the graph that it was made of. */
CUresult vcu_exec_node(CUgraphExec h, CUgraphNode node, struct vcu_node **out);
/* Puts the nodes into s in an order that is one. */
CUresult vcu_graph_run(const struct vcu_graph *g, struct vcu_stream *s);

#endif

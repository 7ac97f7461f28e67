/*
 * vcu_capture.c: see vcu_capture.h. One lock for all captures, inside of which
 * nothing waits. Nodes are known by their handles here, as a program may
 * destroy some in between.
 */
#include "libcuda-vgpu/vcu_capture.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libcuda-vgpu/vcu_event.h"
#include "libcuda-vgpu/vcu_graph.h"

typedef VGPU_VEC(CUgraphNode) handle_vec;

struct capture {
	uint64_t id;
	struct vcu_graph *graph;
	bool given;                /* the graph is the program's (cuStreamBeginCaptureToGraph) */
	bool bad;                  /* something came that can't be captured */
	struct vcu_stream *origin;
	CUstreamCaptureMode mode;
	long tid;
	struct vcu_capturing *streams;
	struct capture *next;
};

/* A stream's part in a capture. */
struct vcu_capturing {
	struct capture *c;
	struct vcu_stream *s;
	handle_vec deps;           /* what its next node comes after */
	struct vcu_capturing *next;
};

/* What an event that was recorded in a capture stands for. */
struct vcu_captured {
	uint64_t id;               /* of the capture */
	handle_vec deps;
};

unsigned vcu_captures;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct capture *captures;
static uint64_t next_id = 1;

/* ---- sets of nodes ---- */

static bool add_to(handle_vec *v, CUgraphNode n)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->v[i] == n)
			return true;
	return vgpu_vec_push(v, n);
}

static bool add_all(handle_vec *v, const handle_vec *from)
{
	bool ok = true;

	for (size_t i = 0; i < from->n && ok; i++)
		ok = add_to(v, from->v[i]);
	return ok;
}

static void drop_dead(handle_vec *v)
{
	for (size_t i = v->n; i-- > 0;)
		if (vcu_handle_kind(v->v[i]) != VCU_H_GRAPH_NODE)
			vgpu_vec_swap_remove(v, i);
}

/* ---- parts; lock held ---- */

static struct vcu_capturing *part_new(struct capture *c, struct vcu_stream *s)
{
	struct vcu_capturing *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->c = c;
	p->s = s;
	p->next = c->streams;
	c->streams = p;
	__atomic_store_n(&s->capturing, p, __ATOMIC_RELEASE);
	return p;
}

static void part_free(struct vcu_capturing *p)
{
	__atomic_store_n(&p->s->capturing, NULL, __ATOMIC_RELEASE);
	vgpu_vec_free(&p->deps);
	free(p);
}

/* The graph is no longer the capture's. */
static void capture_free(struct capture *c)
{
	struct capture **at = &captures;
	struct vcu_capturing *p;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	__atomic_fetch_sub(&vcu_captures, 1, __ATOMIC_RELEASE);
	while ((p = c->streams)) {
		c->streams = p->next;
		part_free(p);
	}
	free(c);
}

static struct capture *find(uint64_t id)
{
	for (struct capture *c = captures; c; c = c->next)
		if (c->id == id)
			return c;
	return NULL;
}

/* Adds a node behind what the stream has come to. Takes op. */
static CUresult add_node(struct vcu_stream *s, struct vcu_op *op)
{
	struct vcu_capturing *p;
	struct vcu_node *n;
	CUresult r = CUDA_SUCCESS;

	pthread_mutex_lock(&lock);
	p = s->capturing;
	if (!p || p->c->bad) {
		/* ended in between, or it has failed */
		vcu_op_free(op);
		pthread_mutex_unlock(&lock);
		return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	}
	drop_dead(&p->deps);
	r = vcu_node_add(p->c->graph, p->deps.v, p->deps.n, op, &n);
	if (!r) {
		p->deps.n = 0;
		r = add_to(&p->deps, n->handle) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	}
	p->c->bad |= r != CUDA_SUCCESS;
	pthread_mutex_unlock(&lock);
	return r;
}

/* ---- what streams may do meanwhile ---- */

static CUresult spoil(struct vcu_stream *s, CUresult why)
{
	pthread_mutex_lock(&lock);
	if (s->capturing) {
		if (s->capturing->c->bad && why != CUDA_ERROR_NOT_SUPPORTED)
			why = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
		s->capturing->c->bad = true;
	}
	pthread_mutex_unlock(&lock);
	return why;
}

CUresult vcu_capture_refuse(struct vcu_stream *s)
{
	return spoil(s, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

CUresult vcu_capture_lacks(struct vcu_stream *s)
{
	return spoil(s, CUDA_ERROR_NOT_SUPPORTED);
}

/* Captures that the context's legacy stream (all: any) would have to wait for fail. */
static bool spoil_in(const struct vcu_ctx *c, bool all)
{
	bool any = false;

	pthread_mutex_lock(&lock);
	for (struct capture *x = captures; x; x = x->next)
		for (struct vcu_capturing *p = x->streams; p; p = p->next)
			if (p->s->ctx == c && (all || vcu_stream_blocking(p->s)))
				any = x->bad = true;
	pthread_mutex_unlock(&lock);
	return any;
}

CUresult vcu_capture_check_slow(struct vcu_stream *s)
{
	if (vcu_capturing(s))
		return vcu_capture_refuse(s);
	if (s->kind == VCU_STREAM_LEGACY && spoil_in(s->ctx, false))
		return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
	return CUDA_SUCCESS;
}

CUresult vcu_capture_check_ctx(struct vcu_ctx *c)
{
	if (likely(!__atomic_load_n(&vcu_captures, __ATOMIC_ACQUIRE)))
		return CUDA_SUCCESS;
	return spoil_in(c, true) ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
}

/* ---- nodes ---- */

CUresult vcu_capture_launch(struct vcu_stream *s, const void *handle, const struct vcu_launch *l)
{
	struct vcu_op op;
	CUresult r = vcu_op_of_launch(handle, l, &op);

	return r ? r : add_node(s, &op);
}

/* The API's struct for what has been taken apart; of an array only the address is left. */
static void copy_params(const struct vcu_copy *c, CUDA_MEMCPY3D *p)
{
	*p = (CUDA_MEMCPY3D){
		.srcMemoryType = CU_MEMORYTYPE_UNIFIED, .srcDevice = c->src.base, .srcHost = (const void *)c->src.base,
		.srcPitch = c->src.pitch, .srcHeight = c->src.pitch ? c->src.slice / c->src.pitch : 0,
		.dstMemoryType = CU_MEMORYTYPE_UNIFIED, .dstDevice = c->dst.base, .dstHost = (void *)c->dst.base,
		.dstPitch = c->dst.pitch, .dstHeight = c->dst.pitch ? c->dst.slice / c->dst.pitch : 0,
		.WidthInBytes = c->width, .Height = c->height, .Depth = c->depth,
	};
}

CUresult vcu_capture_copy(struct vcu_stream *s, const struct vcu_copy *c)
{
	struct vcu_op op = { .type = CU_GRAPH_NODE_TYPE_MEMCPY, .ctx = s->ctx->handle, .copy.box = *c };
	CUresult r = vcu_copy_check(c);

	if (r)
		return r;
	copy_params(c, &op.copy.params);
	return add_node(s, &op);
}

CUresult vcu_capture_fill(struct vcu_stream *s, const CUDA_MEMSET_NODE_PARAMS *p)
{
	struct vcu_op op = { .type = CU_GRAPH_NODE_TYPE_MEMSET, .ctx = s->ctx->handle, .fill = *p };

	return add_node(s, &op);
}

CUresult vcu_capture_host(struct vcu_stream *s, CUhostFn fn, void *arg)
{
	struct vcu_op op = { .type = CU_GRAPH_NODE_TYPE_HOST, .host = { fn, arg } };

	return add_node(s, &op);
}

CUresult vcu_capture_event(struct vcu_stream *s, CUgraphNodeType type, struct vcu_event *e)
{
	struct vcu_op op = { .type = type, .event = e->handle };

	return add_node(s, &op);
}

CUresult vcu_capture_graph(struct vcu_stream *s, const struct vcu_graph *g)
{
	struct vcu_op op = { .type = CU_GRAPH_NODE_TYPE_GRAPH };
	CUresult r = vcu_graph_copy(g, &op.child);

	return r ? r : add_node(s, &op);
}

/* ---- events ---- */

static void forget(struct vcu_event *e)
{
	if (e->captured)
		vgpu_vec_free(&e->captured->deps);
	free(e->captured);
	__atomic_store_n(&e->captured, NULL, __ATOMIC_RELEASE);
}

void vcu_capture_forget(struct vcu_event *e)
{
	if (!__atomic_load_n(&e->captured, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&lock);
	forget(e);
	pthread_mutex_unlock(&lock);
}

bool vcu_captured(struct vcu_event *e)
{
	return __atomic_load_n(&e->captured, __ATOMIC_ACQUIRE) != NULL;
}

CUresult vcu_capture_record(struct vcu_stream *s, struct vcu_event *e)
{
	struct vcu_captured *k = calloc(1, sizeof(*k));
	struct vcu_capturing *p;
	CUresult r = k ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;

	pthread_mutex_lock(&lock);
	p = s->capturing;
	if (!r && (!p || p->c->bad))
		r = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	if (!r && !add_all(&k->deps, &p->deps))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (!r) {
		k->id = p->c->id;
		forget(e);
		__atomic_store_n(&e->captured, k, __ATOMIC_RELEASE);
	} else if (k) {
		vgpu_vec_free(&k->deps);
		free(k);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

/* Lock held. */
static CUresult wait_for(struct vcu_stream *s, const struct vcu_event *e)
{
	const struct vcu_captured *k = e->captured;
	struct vcu_capturing *p = s->capturing;
	struct capture *c = k ? find(k->id) : NULL;

	if (p && p->c->bad)
		return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	if (!c) {
		/* of outside, or of a capture that has ended */
		if (p)
			p->c->bad = true;
		return p ? CUDA_ERROR_STREAM_CAPTURE_ISOLATION : CUDA_ERROR_INVALID_VALUE;
	}
	if (p && p->c != c) {
		p->c->bad = c->bad = true;
		return CUDA_ERROR_STREAM_CAPTURE_MERGE;
	}
	if (!p && s->kind == VCU_STREAM_LEGACY) {
		c->bad = true;
		return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
	}
	if (!p)
		p = part_new(c, s);
	return p && add_all(&p->deps, &k->deps) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult vcu_capture_wait(struct vcu_stream *s, struct vcu_event *e)
{
	CUresult r;

	pthread_mutex_lock(&lock);
	r = wait_for(s, e);
	pthread_mutex_unlock(&lock);
	return r;
}

/* ---- beginning and end ---- */

static CUresult begin(CUstream h, struct vcu_graph *g, const CUgraphNode *deps, size_t n_deps, CUstreamCaptureMode mode)
{
	struct capture *c;
	struct vcu_capturing *p;
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(h, &s);

	if (r)
		return r;
	if (mode > CU_STREAM_CAPTURE_MODE_RELAXED)
		return CUDA_ERROR_INVALID_VALUE;
	if (s->kind == VCU_STREAM_LEGACY)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	if (vcu_capturing(s))
		return CUDA_ERROR_ILLEGAL_STATE;
	c = calloc(1, sizeof(*c));
	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	c->given = g != NULL;
	c->graph = g;
	c->origin = s;
	c->mode = mode;
	c->tid = syscall(SYS_gettid);
	r = g ? CUDA_SUCCESS : vcu_graph_new(&c->graph);
	if (r) {
		free(c);
		return r;
	}
	pthread_mutex_lock(&lock);
	c->id = next_id++;
	c->next = captures;
	captures = c;
	__atomic_fetch_add(&vcu_captures, 1, __ATOMIC_RELEASE);
	p = part_new(c, s);
	r = p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < n_deps && !r; i++)
		if (!add_to(&p->deps, deps[i]))
			r = CUDA_ERROR_OUT_OF_MEMORY;
	if (r) {
		if (!c->given)
			vcu_graph_free(c->graph);
		capture_free(c);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

/* Marks what marked nodes come after. Most depend on older ones, so once through is mostly enough. */
static void mark_all(const struct vcu_graph *g, bool *seen)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = g->nodes.n; i-- > 0;)
			for (size_t k = 0; seen[i] && k < g->nodes.v[i]->deps.n; k++) {
				size_t d = g->nodes.v[i]->deps.v[k]->index;

				more |= !seen[d] && d > i;
				seen[d] = true;
			}
	}
}

/* What other streams came to has to be something that the first one comes after. */
static CUresult check_joined(const struct capture *c)
{
	bool *seen = calloc(c->graph->nodes.n + 1, sizeof(*seen));
	CUresult r = seen ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	struct vcu_node *n;

	for (size_t i = 0; i < c->origin->capturing->deps.n && !r; i++)
		if (!vcu_node_get(c->origin->capturing->deps.v[i], &n))
			seen[n->index] = true;
	if (seen)
		mark_all(c->graph, seen);
	for (struct vcu_capturing *p = c->streams; p && !r; p = p->next)
		for (size_t i = 0; i < p->deps.n && !r; i++)
			if (!vcu_node_get(p->deps.v[i], &n) && !seen[n->index])
				r = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
	free(seen);
	return r;
}

/* Lock held. On success and on failure of the capture it is over; *g: its graph. */
static CUresult end(struct vcu_stream *s, CUgraph *g)
{
	struct vcu_capturing *p = s->capturing;
	struct capture *c;
	CUresult r;

	if (!p)
		return CUDA_ERROR_ILLEGAL_STATE;
	c = p->c;
	if (c->origin != s) {
		c->bad = true;
		return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
	}
	if (c->mode != CU_STREAM_CAPTURE_MODE_RELAXED && c->tid != syscall(SYS_gettid))
		return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
	r = c->bad ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : check_joined(c);
	if (!r)
		*g = c->graph->handle;
	else if (!c->given)
		vcu_graph_free(c->graph);
	capture_free(c);
	return r;
}

void vcu_capture_leave(struct vcu_stream *s)
{
	struct vcu_capturing **at;
	struct capture *c;

	if (!vcu_capturing(s))
		return;
	pthread_mutex_lock(&lock);
	if (s->capturing) {
		c = s->capturing->c;
		c->bad = true;
		if (c->origin == s) {
			/* nobody can end it any more */
			if (!c->given)
				vcu_graph_free(c->graph);
			capture_free(c);
		} else {
			for (at = &c->streams; *at != s->capturing; at = &(*at)->next)
				;
			*at = s->capturing->next;
			part_free(s->capturing);
		}
	}
	pthread_mutex_unlock(&lock);
}

/* ---- entry points ---- */

CUresult vcu_StreamBeginCapture_v2(CUstream hStream, CUstreamCaptureMode mode)
{
	return begin(hStream, NULL, NULL, 0, mode);
}

CUresult vcu_StreamBeginCapture(CUstream hStream)
{
	return begin(hStream, NULL, NULL, 0, CU_STREAM_CAPTURE_MODE_GLOBAL);
}

CUresult vcu_StreamBeginCaptureToGraph(CUstream hStream, CUgraph hGraph, const CUgraphNode *dependencies,
				       const CUgraphEdgeData *dependencyData, size_t numDependencies, CUstreamCaptureMode mode)
{
	struct vcu_graph *g;
	struct vcu_node *n;
	CUresult r = vcu_graph_get(hGraph, &g);

	if (r || (numDependencies && !dependencies))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < numDependencies; i++) {
		if (vcu_node_get(dependencies[i], &n) || n->graph != g)
			return CUDA_ERROR_INVALID_VALUE;
		if (dependencyData && (dependencyData[i].from_port || dependencyData[i].to_port || dependencyData[i].type))
			return CUDA_ERROR_NOT_SUPPORTED;
	}
	return begin(hStream, g, dependencies, numDependencies, mode);
}

CUresult vcu_StreamEndCapture(CUstream hStream, CUgraph *phGraph)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get_any(hStream, &s);

	if (r)
		return r;
	if (!phGraph)
		return CUDA_ERROR_INVALID_VALUE;
	*phGraph = NULL;
	pthread_mutex_lock(&lock);
	r = end(s, phGraph);
	pthread_mutex_unlock(&lock);
	return r;
}

static CUresult info(CUstream h, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph, const CUgraphNode **deps,
		     const CUgraphEdgeData **data, size_t *n_deps)
{
	struct vcu_capturing *p;
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(h, &s);

	if (r)
		return r;
	if (!status)
		return CUDA_ERROR_INVALID_VALUE;
	*status = CU_STREAM_CAPTURE_STATUS_NONE;
	if (!vcu_capturing(s))
		return CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	p = s->capturing;
	if (p) {
		*status = p->c->bad ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
		drop_dead(&p->deps);
		if (id)
			*id = p->c->id;
		if (graph)
			*graph = p->c->graph->handle;
		if (deps)
			*deps = p->deps.v;
		/* none of the edges says anything */
		if (data)
			*data = NULL;
		if (n_deps)
			*n_deps = p->deps.n;
	}
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

CUresult vcu_StreamIsCapturing(CUstream hStream, CUstreamCaptureStatus *captureStatus)
{
	return info(hStream, captureStatus, NULL, NULL, NULL, NULL, NULL);
}

CUresult vcu_StreamGetCaptureInfo(CUstream hStream, CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out)
{
	return info(hStream, captureStatus_out, id_out, NULL, NULL, NULL, NULL);
}

CUresult vcu_StreamGetCaptureInfo_v2(CUstream hStream, CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out,
				     CUgraph *graph_out, const CUgraphNode **dependencies_out, size_t *numDependencies_out)
{
	return info(hStream, captureStatus_out, id_out, graph_out, dependencies_out, NULL, numDependencies_out);
}

CUresult vcu_StreamGetCaptureInfo_v3(CUstream hStream, CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out,
				     CUgraph *graph_out, const CUgraphNode **dependencies_out,
				     const CUgraphEdgeData **edgeData_out, size_t *numDependencies_out)
{
	return info(hStream, captureStatus_out, id_out, graph_out, dependencies_out, edgeData_out, numDependencies_out);
}

static CUresult update(struct vcu_stream *s, const CUgraphNode *deps, size_t n, bool set)
{
	struct vcu_capturing *p = s->capturing;
	struct vcu_node *node;

	if (!p)
		return CUDA_ERROR_ILLEGAL_STATE;
	if (p->c->bad)
		return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	for (size_t i = 0; i < n; i++)
		if (vcu_node_get(deps[i], &node) || node->graph != p->c->graph)
			return CUDA_ERROR_INVALID_VALUE;
	if (set)
		p->deps.n = 0;
	for (size_t i = 0; i < n; i++)
		if (!add_to(&p->deps, deps[i]))
			return CUDA_ERROR_OUT_OF_MEMORY;
	return CUDA_SUCCESS;
}

CUresult vcu_StreamUpdateCaptureDependencies(CUstream hStream, CUgraphNode *dependencies, size_t numDependencies, unsigned int flags)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if ((numDependencies && !dependencies) ||
	    (flags != CU_STREAM_ADD_CAPTURE_DEPENDENCIES && flags != CU_STREAM_SET_CAPTURE_DEPENDENCIES))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	r = update(s, dependencies, numDependencies, flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES);
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult vcu_StreamUpdateCaptureDependencies_v2(CUstream hStream, CUgraphNode *dependencies, const CUgraphEdgeData *dependencyData,
						size_t numDependencies, unsigned int flags)
{
	for (size_t i = 0; dependencyData && i < numDependencies; i++)
		if (dependencyData[i].from_port || dependencyData[i].to_port || dependencyData[i].type)
			return CUDA_ERROR_NOT_SUPPORTED;
	return vcu_StreamUpdateCaptureDependencies(hStream, dependencies, numDependencies, flags);
}

CUresult vcu_ThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
	static __thread CUstreamCaptureMode current = CU_STREAM_CAPTURE_MODE_GLOBAL;
	CUstreamCaptureMode old = current;

	if (!mode || *mode > CU_STREAM_CAPTURE_MODE_RELAXED)
		return CUDA_ERROR_INVALID_VALUE;
	current = *mode;
	*mode = old;
	return CUDA_SUCCESS;
}

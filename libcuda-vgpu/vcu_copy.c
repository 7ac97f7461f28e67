/* vcu_copy.c: see vcu_copy.h. */
#include "libcuda-vgpu/vcu_copy.h"
#include "libcuda-vgpu/vcu_capture.h"

#include <stdlib.h>
#include <string.h>

/* More than this a pageable copy to a busy stream does not stage: it waits. */
#define STAGE_MAX (64ull << 20)
/* So much travels in the command itself. */
#define INLINE_MAX ((size_t)16 << 10)

/* Bytes from the first to behind the last of the box; UINT64_MAX: overflow. */
static uint64_t extent(const struct vcu_side *s, const struct vcu_copy *c)
{
	uint64_t rows, slices, n;

	if (__builtin_mul_overflow(c->height - 1, s->pitch, &rows) || __builtin_mul_overflow(c->depth - 1, s->slice, &slices) ||
	    __builtin_add_overflow(rows, slices, &n) || __builtin_add_overflow(n, c->width, &n))
		return UINT64_MAX;
	return n;
}

static CUresult find_side(struct vcu_side *s, const struct vcu_copy *c)
{
	struct vcu_range range;
	uint64_t n = extent(s, c);

	if (!s->base || n == UINT64_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	if (s->kind == VCU_SIDE_ARRAY) {
		s->window = s->device = true;
		return CUDA_SUCCESS;
	}
	if (vcu_mem_find(s->base, n, &range)) {
		s->window = true;
		s->device = range.kind == VGP_MEM_DEVICE;
		s->sync = range.sync_memops;
		s->base = range.dev + (s->base - range.addr);
		return s->kind == VCU_SIDE_HOST && s->device ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
	}
	/* Begins in an allocation and runs over its end, or must be the device's and is not, or is only the device's (heap). */
	if (s->kind == VCU_SIDE_DEVICE || vcu_mem_known(s->base, 1, &range) || vcu_mem_in_window(s->base))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

static CUresult find_sides(struct vcu_copy *c)
{
	CUresult r = find_side(&c->dst, c);

	return r ? r : find_side(&c->src, c);
}

CUresult vcu_copy_check(const struct vcu_copy *c)
{
	struct vcu_copy found = *c;

	return c->width && c->height && c->depth ? find_sides(&found) : CUDA_SUCCESS;
}

/* Rows that lie next to each other on both sides are one. */
static void flatten(struct vcu_copy *c)
{
	if (c->depth > 1 && c->dst.slice == c->height * c->dst.pitch && c->src.slice == c->height * c->src.pitch) {
		c->height *= c->depth;
		c->depth = 1;
	}
	if (c->depth == 1 && c->dst.pitch == c->width && c->src.pitch == c->width) {
		c->width *= c->height;
		c->height = 1;
	}
}

/* ---- as commands ---- */

static CUresult submit_copy(struct vcu_stream *s, const struct vcu_copy *c, uint64_t *seq)
{
	struct vgp_cmd cmd = { .op = VGP_OP_COPY };
	struct vgp_copy3d box = {
		c->dst.base, c->src.base, c->dst.pitch, c->src.pitch, c->dst.slice, c->src.slice, c->width, c->height, c->depth,
	};

	if (c->height == 1 && c->depth == 1) {
		cmd.a.COPY.dst = c->dst.base;
		cmd.a.COPY.src = c->src.base;
		cmd.a.COPY.len = c->width;
		return vcu_submit(s, &cmd, NULL, 0, seq);
	}
	cmd.op = VGP_OP_COPY_3D;
	return vcu_submit(s, &cmd, &box, sizeof(box), seq);
}

static CUresult window_copy(struct vcu_copy *c, struct vcu_stream *s, bool async)
{
	uint64_t seq;
	CUresult r = submit_copy(s, c, &seq);

	/* Device to device does not make the program wait, unless asked to. */
	if (r || (async && !c->dst.sync && !c->src.sync) || (c->dst.device && c->src.device && !c->dst.sync && !c->src.sync))
		return r;
	return vcu_stream_wait_seq(s, seq);
}

/* ---- the program's memory on one side, now ---- */

static int move_row(uint64_t dst, bool dst_window, uint64_t src, bool src_window, uint64_t n)
{
	if (dst_window)
		return tr_mem_write(vcu_session(), dst, (const void *)src, n, NULL);
	if (src_window)
		return tr_mem_read(vcu_session(), src, (void *)dst, n, NULL);
	memmove((void *)dst, (const void *)src, n);
	return 0;
}

static CUresult move_now(const struct vcu_copy *c)
{
	int r = 0;

	for (uint64_t z = 0; z < c->depth && !r; z++)
		for (uint64_t y = 0; y < c->height && !r; y++)
			r = move_row(c->dst.base + z * c->dst.slice + y * c->dst.pitch, c->dst.window,
				     c->src.base + z * c->src.slice + y * c->src.pitch, c->src.window, c->width);
	return vcu_result(r);
}

/* ---- to a busy stream, or where the window isn't shared: packed ---- */

static uint64_t packed_size(const struct vcu_copy *c)
{
	return c->width * c->height * c->depth;
}

/* Between the program's rows and a packed buffer. */
static void pack(const struct vcu_copy *c, const struct vcu_side *side, char *buf, bool to_buf)
{
	for (uint64_t z = 0; z < c->depth; z++)
		for (uint64_t y = 0; y < c->height; y++, buf += c->width) {
			char *row = (char *)(side->base + z * side->slice + y * side->pitch);

			memcpy(to_buf ? buf : row, to_buf ? row : buf, c->width);
		}
}

static struct vcu_side packed_side(const struct vcu_copy *c, uint64_t addr)
{
	return (struct vcu_side){ .base = addr, .pitch = c->width, .slice = c->width * c->height, .window = true };
}

static CUresult stage_in(const struct vcu_copy *c, struct vcu_stream *s, const void *bytes, uint64_t n)
{
	struct vgp_cmd fr = { .op = VGP_OP_FREE };
	struct vcu_copy from = *c;
	uint64_t staging;
	CUresult r = vcu_window_alloc(s->ctx, VGP_MEM_STAGING, n, 0, &staging);

	if (r)
		return r;
	r = vcu_result(tr_mem_write(vcu_session(), staging, bytes, n, NULL));
	from.src = packed_side(c, staging);
	if (!r)
		r = submit_copy(s, &from, NULL);
	if (r) {
		vcu_window_free(staging);
		return r;
	}
	fr.a.FREE.addr = staging;
	return vcu_submit(s, &fr, NULL, 0, NULL);
}

/* The program's bytes are taken now, and land in the stream's order. */
static CUresult send(const struct vcu_copy *c, struct vcu_stream *s)
{
	struct vgp_cmd cmd = { .op = VGP_OP_WRITE, .a.WRITE = { .dst = c->dst.base } };
	uint64_t n = packed_size(c);
	const void *bytes = (const void *)c->src.base;
	char *buf = NULL;
	CUresult r;

	if (c->height > 1 || c->depth > 1) {
		buf = malloc(n);
		if (!buf)
			return CUDA_ERROR_OUT_OF_MEMORY;
		pack(c, &c->src, buf, true);
		bytes = buf;
	}
	if (c->height == 1 && c->depth == 1 && n <= MIN(tr_inline_max(vcu_session()), INLINE_MAX))
		r = vcu_submit(s, &cmd, bytes, n, NULL);
	else
		r = stage_in(c, s, bytes, n);
	free(buf);
	return r;
}

/* Many rows over frames: one command and one read instead of a round trip per row. */
static CUresult fetch(const struct vcu_copy *c, struct vcu_stream *s)
{
	uint64_t n = packed_size(c), staging, seq;
	struct vcu_copy to = *c;
	char *buf = malloc(n);
	CUresult r;

	if (!buf)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = vcu_window_alloc(s->ctx, VGP_MEM_STAGING, n, 0, &staging);
	if (!r) {
		to.dst = packed_side(c, staging);
		r = submit_copy(s, &to, &seq);
		if (!r)
			r = vcu_stream_wait_seq(s, seq);
		if (!r)
			r = vcu_result(tr_mem_read(vcu_session(), staging, buf, n, NULL));
		vcu_window_free(staging);
	}
	if (!r)
		pack(c, &c->dst, buf, false);
	free(buf);
	return r;
}

static bool shared(const struct vcu_side *s)
{
	return tr_alias(vcu_session(), s->base, 1) != NULL;
}

static CUresult program_copy(struct vcu_copy *c, struct vcu_stream *s, bool async)
{
	bool rows = c->height > 1 || c->depth > 1;
	CUresult r;

	if (c->dst.window) {
		/* What is written by other means than commands would look unwritten. */
		if (unlikely(s->ctx->checked) && c->dst.device) {
			r = send(c, s);
			return r || async ? r : vcu_stream_wait_idle(s);
		}
		if (async && packed_size(c) <= STAGE_MAX && !vcu_stream_idle(s))
			return send(c, s);
		r = vcu_stream_wait_idle(s);
		if (r)
			return r;
		return rows && !shared(&c->dst) ? send(c, s) : move_now(c);
	}
	if (c->src.window && rows && !shared(&c->src))
		return fetch(c, s);
	r = vcu_stream_wait_idle(s);
	return r ? r : move_now(c);
}

/* What crosses the link of a real device, for monitors. */
static void count(const struct vcu_copy *c, const struct vcu_stream *s)
{
	if (c->dst.device != c->src.device)
		tr_count_copy(vcu_session(), s->ctx->wire, c->dst.device ? packed_size(c) : 0, c->src.device ? packed_size(c) : 0);
}

CUresult vcu_copy(struct vcu_copy *c, struct vcu_stream *s, bool async)
{
	CUresult r;

	if (!c->width || !c->height || !c->depth)
		return CUDA_SUCCESS;
	if (vcu_capturing(s))
		return async ? vcu_capture_copy(s, c) : vcu_capture_refuse(s);
	r = find_sides(c);
	if (r)
		return r;
	flatten(c);
	count(c, s);
	if (c->dst.window && c->src.window)
		return window_copy(c, s, async);
	return program_copy(c, s, async);
}

/* A host function of the library's own: the bytes, by the stream's helper. */
static void move_later(void *arg)
{
	/* it was checked, and what memory that has been freed since holds is the program's affair */
	(void)move_now(arg);
	free(arg);
}

CUresult vcu_copy_ordered(struct vcu_copy *c, struct vcu_stream *s)
{
	struct vcu_copy *later;
	CUresult r;

	if (!c->width || !c->height || !c->depth)
		return CUDA_SUCCESS;
	r = find_sides(c);
	if (r)
		return r;
	flatten(c);
	count(c, s);
	if (c->dst.window && c->src.window)
		return submit_copy(s, c, NULL);
	if (vcu_stream_idle(s))
		return move_now(c);
	later = malloc(sizeof(*later));
	if (!later)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*later = *c;
	r = vcu_hostfn_submit(s, move_later, NULL, later);
	if (r)
		free(later);
	return r;
}

CUresult vcu_copy_1d(struct vcu_stream *s, bool async, enum vcu_side_kind dk, uint64_t dst, enum vcu_side_kind sk, uint64_t src,
		     uint64_t n)
{
	struct vcu_copy c = {
		.dst = { .kind = dk, .base = dst, .pitch = n, .slice = n },
		.src = { .kind = sk, .base = src, .pitch = n, .slice = n },
		.width = n, .height = 1, .depth = 1,
	};

	return vcu_copy(&c, s, async);
}

CUresult vcu_fill(struct vcu_stream *s, bool async, uint64_t dst, uint64_t pitch, uint32_t value, unsigned elem, uint64_t width,
		  uint64_t height)
{
	struct vgp_cmd cmd = { .op = VGP_OP_FILL };
	struct vcu_range range;
	uint64_t bytes, rows, n, seq;
	CUresult r;

	if (!width || !height)
		return CUDA_SUCCESS;
	if (!dst || dst % elem || __builtin_mul_overflow(width, elem, &bytes) || (height > 1 && (pitch < bytes || pitch % elem)) ||
	    __builtin_mul_overflow(height - 1, pitch, &rows) || __builtin_add_overflow(rows, bytes, &n) ||
	    !vcu_mem_find(dst, n, &range))
		return CUDA_ERROR_INVALID_VALUE;
	cmd.a.FILL.dst = range.dev + (dst - range.addr);
	cmd.a.FILL.pitch = height > 1 ? pitch : bytes;
	cmd.a.FILL.width = width;
	cmd.a.FILL.height = height;
	cmd.a.FILL.value = value;
	cmd.a.FILL.elem_B = elem;
	if (vcu_capturing(s))
		return async ? vcu_capture_fill(s, &(CUDA_MEMSET_NODE_PARAMS){ dst, pitch, value, elem, width, height }) : vcu_capture_refuse(s);
	r = vcu_submit(s, &cmd, NULL, 0, &seq);
	/* A fill of device memory does not make the program wait; of memory that it sees, it does. */
	if (r || ((async || range.kind == VGP_MEM_DEVICE) && !range.sync_memops))
		return r;
	return vcu_stream_wait_seq(s, seq);
}

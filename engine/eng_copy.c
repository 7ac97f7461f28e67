/*
 * eng_copy.c: copies and fills inside the window. Ranges are checked against
 * the window; what isn't allocated faults, and the guard turns that into the
 * context's status. Small ones run where they are, large ones are cut into
 * pieces for the pool.
 */
#include <string.h>

#include "engine/eng_priv.h"

#define PIECE (1ull << 20)
#define HERE_MAX (64ull << 10)

/* ---- guarded primitives: 0 or -E_ILLEGAL_ADDRESS with *fault ---- */

static int move(uint64_t dst, uint64_t src, uint64_t len, uint64_t *fault)
{
	return eng_mem_move((void *)dst, (const void *)src, len, fault);
}

static __attribute__((noinline)) void fill_elems(uint8_t *p, uint32_t value, uint32_t elem_B, uint64_t n)
{
	if (elem_B == 1) {
		memset(p, (int)(value & 0xff), n);
	} else if (elem_B == 2) {
		uint16_t v = (uint16_t)value;

		for (uint64_t i = 0; i < n; i++)
			memcpy(p + 2 * i, &v, 2);
	} else {
		for (uint64_t i = 0; i < n; i++)
			memcpy(p + 4 * i, &value, 4);
	}
}

/* The arguments live across sigsetjmp, so nothing here may change them. */
static __attribute__((noinline)) int guarded_fill(void *dst, uint32_t value, uint32_t elem_B, uint64_t n, uint64_t *fault)
{
	if (be_guard_enter()) {
		*fault = be_guard_addr();
		return -VGPU_E_ILLEGAL_ADDRESS;
	}
	fill_elems(dst, value, elem_B, n);
	be_guard_leave();
	return 0;
}

static int fill(uint64_t dst, uint32_t value, uint32_t elem_B, uint64_t n, uint64_t *fault)
{
	return guarded_fill((void *)dst, value, elem_B, n, fault);
}

static int bad_range(struct eng_queue *q, const char *what, uint64_t addr)
{
	eng_fault(q->ctx, VGPU_E_ILLEGAL_ADDRESS, addr, "%s: 0x%llx is not device memory", what, (unsigned long long)addr);
	return ENG_DONE;
}

static int result(struct eng_queue *q, const char *what, int r, uint64_t fault)
{
	if (r)
		eng_fault(q->ctx, -r, fault, "%s: 0x%llx is not allocated", what, (unsigned long long)fault);
	return ENG_DONE;
}

/* Hands n pieces of c to the pool. */
static int in_pieces(struct eng *e, struct eng_queue *q, struct eng_cmd *c, uint64_t n,
		     int (*run)(struct eng_job *, uint64_t, uint64_t *))
{
	struct eng_job *j = eng_job_new(e, q, 0);

	if (!j) {
		eng_fault(q->ctx, VGPU_E_NOMEM, 0, "copy: out of memory");
		return ENG_DONE;
	}
	j->cmd = c;
	j->run_piece = run;
	j->n_units = j->n_parts = n;
	eng_job_submit(e, j, false);
	return ENG_ASYNC;
}

/* ---- linear ---- */

static int copy_piece(struct eng_job *j, uint64_t i, uint64_t *fault)
{
	const struct vgp_args_COPY *a = &j->cmd->c.a.COPY;
	uint64_t off = i * PIECE;

	return move(a->dst + off, a->src + off, MIN(PIECE, a->len - off), fault);
}

int eng_q_COPY(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	const struct vgp_args_COPY *a = &c->c.a.COPY;
	uint64_t fault = 0;
	bool overlap = a->dst < a->src + a->len && a->src < a->dst + a->len;

	if (!eng_mem_inside(e, a->dst, a->len))
		return bad_range(q, "copy to", a->dst);
	if (!eng_mem_inside(e, a->src, a->len))
		return bad_range(q, "copy from", a->src);
	eng_check_copied(e, a->dst, a->src, a->len);
	if (a->len > HERE_MAX && !overlap)
		return in_pieces(e, q, c, (a->len + PIECE - 1) / PIECE, copy_piece);
	return result(q, "copy", move(a->dst, a->src, a->len, &fault), fault);
}

int eng_q_WRITE(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	uint64_t dst = c->c.a.WRITE.dst, fault = 0;

	if (!eng_mem_inside(e, dst, c->c.data_len))
		return bad_range(q, "write to", dst);
	eng_check_written(e, dst, c->c.data_len);
	return result(q, "write", eng_mem_write(e, dst, c->data, c->c.data_len, &fault), fault);
}

/* ---- boxes ---- */

/* All of [first, first + (height-1)*pitch + (depth-1)*slice + width) in the window, no overflow. */
static bool box_inside(struct eng *e, uint64_t first, uint64_t pitch, uint64_t slice, const struct vgp_copy3d *b)
{
	unsigned __int128 end = b->width;

	end += (unsigned __int128)(b->height - 1) * pitch + (unsigned __int128)(b->depth - 1) * slice;
	return end <= e->win.size && eng_mem_inside(e, first, (uint64_t)end);
}

static int copy_rows(const struct vgp_copy3d *b, uint64_t row, uint64_t n, uint64_t *fault)
{
	for (; n; n--, row++) {
		uint64_t y = row % b->height, z = row / b->height;
		int r = move(b->dst + z * b->dst_slice + y * b->dst_pitch, b->src + z * b->src_slice + y * b->src_pitch, b->width, fault);

		if (r)
			return r;
	}
	return 0;
}

static uint64_t rows_per_piece(uint64_t width)
{
	return MAX(PIECE / width, 1ull);
}

static int copy3d_piece(struct eng_job *j, uint64_t i, uint64_t *fault)
{
	struct vgp_copy3d b;
	uint64_t rows, per;

	memcpy(&b, j->cmd->data, sizeof(b));
	rows = b.height * b.depth;
	per = rows_per_piece(b.width);
	return copy_rows(&b, i * per, MIN(per, rows - i * per), fault);
}

static void check_rows(struct eng *e, const struct vgp_copy3d *b)
{
	for (uint64_t row = 0; unlikely(eng_chk(e)) && row < b->height * b->depth; row++) {
		uint64_t y = row % b->height, z = row / b->height;

		eng_check_copied(e, b->dst + z * b->dst_slice + y * b->dst_pitch, b->src + z * b->src_slice + y * b->src_pitch, b->width);
	}
}

int eng_q_COPY_3D(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	struct vgp_copy3d b;
	uint64_t fault = 0, rows;

	if (c->c.data_len != sizeof(b)) {
		eng_fault(q->ctx, VGPU_E_PROTOCOL, 0, "COPY_3D with %u bytes of data", c->c.data_len);
		return ENG_DONE;
	}
	memcpy(&b, c->data, sizeof(b));
	if (!b.width || !b.height || !b.depth)
		return ENG_DONE;
	if (!box_inside(e, b.dst, b.dst_pitch, b.dst_slice, &b))
		return bad_range(q, "copy to", b.dst);
	if (!box_inside(e, b.src, b.src_pitch, b.src_slice, &b))
		return bad_range(q, "copy from", b.src);
	if (b.depth > UINT64_MAX / b.height || b.height * b.depth > UINT64_MAX / b.width) {
		eng_fault(q->ctx, VGPU_E_INVALID, b.dst, "COPY_3D: a box of more bytes than there are");
		return ENG_DONE;
	}
	rows = b.height * b.depth;
	check_rows(e, &b);
	if (rows * b.width > HERE_MAX || rows > HERE_MAX / 64)
		return in_pieces(e, q, c, (rows + rows_per_piece(b.width) - 1) / rows_per_piece(b.width), copy3d_piece);
	return result(q, "copy", copy_rows(&b, 0, rows, &fault), fault);
}

/* ---- fills ---- */

static int fill_piece(struct eng_job *j, uint64_t i, uint64_t *fault)
{
	const struct vgp_args_FILL *a = &j->cmd->c.a.FILL;
	uint64_t per, n, r = 0;

	if (a->height == 1) {
		per = PIECE / a->elem_B;
		n = MIN(per, a->width - i * per);
		return fill(a->dst + i * PIECE, a->value, a->elem_B, n, fault);
	}
	per = rows_per_piece(a->width * a->elem_B);
	n = MIN(per, a->height - i * per);
	for (uint64_t y = i * per; y < i * per + n && r == 0; y++)
		r = (uint64_t)-fill(a->dst + y * a->pitch, a->value, a->elem_B, a->width, fault);
	return -(int)r;
}

int eng_q_FILL(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	struct vgp_args_FILL *a = &c->c.a.FILL;
	struct vgp_copy3d box;
	uint64_t fault = 0, pieces, bytes;
	int r = 0;

	if (a->elem_B != 1 && a->elem_B != 2 && a->elem_B != 4) {
		eng_fault(q->ctx, VGPU_E_PROTOCOL, a->dst, "FILL: elements of %u bytes", a->elem_B);
		return ENG_DONE;
	}
	if (!a->width || !a->height)
		return ENG_DONE;
	if (a->width > e->win.size)
		return bad_range(q, "fill", a->dst);
	box = (struct vgp_copy3d){ .width = a->width * a->elem_B, .height = a->height, .depth = 1 };
	if (!box_inside(e, a->dst, a->pitch, 0, &box))
		return bad_range(q, "fill", a->dst);
	/* rows without gaps are one row */
	if (a->height > 1 && a->pitch == box.width) {
		a->width *= a->height;
		a->height = 1;
	}
	if (a->height > UINT64_MAX / (a->width * a->elem_B)) {
		eng_fault(q->ctx, VGPU_E_INVALID, a->dst, "FILL: more bytes than there are");
		return ENG_DONE;
	}
	bytes = a->width * a->elem_B;
	for (uint64_t y = 0; unlikely(eng_chk(e)) && y < a->height; y++)
		eng_check_written(e, a->dst + y * a->pitch, bytes);
	if (bytes * a->height > HERE_MAX || a->height > HERE_MAX / 64) {
		pieces = a->height == 1 ? (bytes + PIECE - 1) / PIECE : (a->height + rows_per_piece(bytes) - 1) / rows_per_piece(bytes);
		return in_pieces(e, q, c, pieces, fill_piece);
	}
	for (uint64_t y = 0; y < a->height && r == 0; y++)
		r = fill(a->dst + y * a->pitch, a->value, a->elem_B, a->width, &fault);
	return result(q, "fill", r, fault);
}

/*
 * vcu_copy.h: all copies and fills in one form: a box of rows and slices
 * between two places, each in the window or the program's own memory.
 *
 * Window to window is a command of the stream. With the program's memory on one
 * side the bytes go through the window's alias, at once when the stream is
 * idle; an asynchronous copy to a busy stream takes the bytes now (in the
 * command, or in staging memory that the stream frees), a copy to the program
 * waits. So pageable copies behave as CUDA documents: the source may be reused
 * when the call returns.
 */
#ifndef VGPU_CUDA_VCU_COPY_H
#define VGPU_CUDA_VCU_COPY_H

#include "libcuda-vgpu/vcu_mem.h"
#include "libcuda-vgpu/vcu_stream.h"

/* What a caller says of an address. */
enum vcu_side_kind {
	VCU_SIDE_ANY,              /* unified: to be looked up; unknown ones are the program's */
	VCU_SIDE_DEVICE,           /* must be known */
	VCU_SIDE_HOST,             /* the program's, pinned or not */
	VCU_SIDE_ARRAY,            /* inside an array: the caller has checked the box */
};

struct vcu_side {
	enum vcu_side_kind kind;
	uint64_t base;             /* first byte of the box's first row */
	uint64_t pitch, slice;     /* bytes from row to row, from slice to slice */
	/* found by vcu_copy */
	bool window, device;       /* in the window; device memory, which only kernels see */
	bool sync;                 /* CU_POINTER_ATTRIBUTE_SYNC_MEMOPS */
};

struct vcu_copy {
	struct vcu_side dst, src;
	uint64_t width, height, depth;   /* bytes, rows, slices */
};

/* async: as the …Async functions; else the call returns when CUDA says that a synchronous one does. */
CUresult vcu_copy(struct vcu_copy *c, struct vcu_stream *s, bool async);
CUresult vcu_copy_1d(struct vcu_stream *s, bool async, enum vcu_side_kind dk, uint64_t dst, enum vcu_side_kind sk, uint64_t src,
		     uint64_t n);
/* As a node of a graph: bytes of the program's are read and written when the stream has come so far. */
CUresult vcu_copy_ordered(struct vcu_copy *c, struct vcu_stream *s);
/* What a struct of the API says; it isn't looked up. */
CUresult vcu_copy_of_3d(const CUDA_MEMCPY3D *p, struct vcu_copy *c);
/* Are both sides what they should be now? */
CUresult vcu_copy_check(const struct vcu_copy *c);
/* Fills width elements of elem bytes in each of height rows. */
CUresult vcu_fill(struct vcu_stream *s, bool async, uint64_t dst, uint64_t pitch, uint32_t value, unsigned elem, uint64_t width,
		  uint64_t height);

#endif

/*
 * native.h: the anchor kernels as host code. base.c makes one such table for
 * each way it is compiled, hand.c one; what a table lacks is NULL.
 */
#ifndef VGPU_BENCH_ENGINE_NATIVE_H
#define VGPU_BENCH_ENGINE_NATIVE_H

#include <stdint.h>

struct native {
	const char *name;
	unsigned level;           /* CPU it needs: 2, 3, 4 as in x86-64-v3; 5: v4 with VNNI */
	void (*saxpy)(int n, float a, const float *x, float *y);
	/* two forms: rows by saxpy, register-blocked */
	void (*sgemm[2])(const float *a, const float *b, float *c, int n);
	float (*reduce)(const float *x, int n);
	void (*hist)(const uint32_t *x, uint32_t *bins, int n);
	void (*mandel)(int *out, int w, int h, float x0, float y0, float dx, float dy, int limit);
	void (*bs)(float *call, float *put, const float *s, const float *x, const float *t, float r, float v, int n);
	void (*bs_prec)(float *call, float *put, const float *s, const float *x, const float *t, float r, float v, int n);
	/* two forms: body by body, 32 bodies side by side */
	void (*nbody[2])(const float *p, float *a, int n);
	void (*transp)(const float *in, float *out, int n);
	void (*q8mv)(const int8_t *q, const float *scale, const int8_t *v, const float *vscale, float *y, int rows, int nb);
};

extern const struct native base_v2, base_v3, base_v3f, base_v4, base_v4f, hand;

#endif

/* Half precision, bf16, double math, conversions, tensor core fragments. */
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#include <mma.h>
#include <math.h>

extern "C" __global__ void halves(__half2 *a, const __half2 *b, __nv_bfloat162 *c)
{
	int i = threadIdx.x;

	a[i] = __hfma2(a[i], b[i], __hadd2(a[i], b[i]));
	c[i] = __hmul2(c[i], c[i]);
	if (__hlt(__low2half(a[i]), __high2half(b[i])))
		a[i] = __float2half2_rn(__half2float(__low2half(a[i])));
}

extern "C" __global__ void doubles(double *p)
{
	p[0] = sin(p[1]) + exp(p[2]) + pow(p[3], p[4]);
	p[5] = sqrt(p[6]) / p[7];
	p[8] = __dadd_ru(p[1], p[2]);
	p[9] = (double)(long long)p[3] + rint(p[4]);
}

extern "C" __global__ void tensor(const __half *a, const __half *b, float *c)
{
	using namespace nvcuda;
	wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, wmma::row_major> fa;
	wmma::fragment<wmma::matrix_b, 16, 16, 16, __half, wmma::col_major> fb;
	wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;

	wmma::load_matrix_sync(fa, a, 16);
	wmma::load_matrix_sync(fb, b, 16);
	wmma::fill_fragment(fc, 0.0f);
	wmma::mma_sync(fc, fa, fb, fc);
	wmma::store_matrix_sync(c, fc, 16, wmma::mem_row_major);
}

extern "C" __global__ void assembly(int *p, float *f)
{
	unsigned r = p[0], q;

	asm volatile("{\n\t.reg .pred p;\n\t.reg .b32 t<2>;\n\tsetp.ne.s32 p, %1, 0;\n\tselp.b32 t1, 1, 2, p;\n\t"
		     "@p bra DONE;\n\tadd.s32 t1, t1, 5;\nDONE:\n\tmov.b32 %0, t1;\n\t}" : "=r"(q) : "r"(r));
	asm volatile("{ .reg .b32 t<2>; .reg .pred p; setp.eq.s32 p, %1, 3; mov.b32 t1, %1; @p bra DONE; mov.b32 t1, 9;\nDONE: mov.b32 %0, t1; }"
		     : "=r"(r) : "r"(q));
	p[1] = q + r;
	f[0] = __fdividef(f[1], f[2]) + __fmaf_rz(f[3], f[4], f[5]) + f[6] * f[7];
}

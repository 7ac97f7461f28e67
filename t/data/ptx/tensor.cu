/* tensor.cu: source of tensor.ptx (nvcc -ptx -arch=sm_80): matrix products as CUDA C++ programs write them. */
#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;

/* C = A B, all 64 x 64, row by row; a block of four warps makes 32 x 32 of C. */
extern "C" __global__ void gemm_wmma(const half *a, const half *b, float *c)
{
	unsigned warp = threadIdx.x / 32, row = blockIdx.y * 32 + warp / 2 * 16, col = blockIdx.x * 32 + warp % 2 * 16;
	wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
	wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> fb;
	wmma::fragment<wmma::accumulator, 16, 16, 16, float> acc;

	wmma::fill_fragment(acc, 1.0f);
	for (unsigned k = 0; k < 64; k += 16) {
		wmma::load_matrix_sync(fa, a + row * 64 + k, 64);
		wmma::load_matrix_sync(fb, b + k * 64 + col, 64);
		wmma::mma_sync(acc, fa, fb, acc);
	}
	for (int i = 0; i < acc.num_elements; i++)
		acc.x[i] *= 0.5f;
	wmma::store_matrix_sync(c + row * 64 + col, acc, 64, wmma::mem_row_major);
}

/* The same by mma.sync: cp.async to shared memory, ldmatrix, m16n8k16; a block of one warp makes 16 x 64 of C. */
extern "C" __global__ void gemm_mma(const half *a, const half *b, float *c)
{
	__shared__ __align__(16) half sa[16][72], sb[64][72];
	unsigned lane = threadIdx.x, row = blockIdx.x * 16;

	for (unsigned i = lane; i < 16 * 8; i += 32)
		asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"((unsigned)__cvta_generic_to_shared(&sa[i / 8][i % 8 * 8])),
			     "l"(a + (row + i / 8) * 64 + i % 8 * 8));
	asm volatile("cp.async.commit_group;");
	for (unsigned i = lane; i < 64 * 8; i += 32)
		asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" :: "r"((unsigned)__cvta_generic_to_shared(&sb[i / 8][i % 8 * 8])),
			     "l"(b + i / 8 * 64 + i % 8 * 8));
	asm volatile("cp.async.commit_group;");
	asm volatile("cp.async.wait_group 0;");
	__syncwarp();
	for (unsigned col = 0; col < 64; col += 8) {
		float d[4] = { 1, 1, 1, 1 };

		for (unsigned k = 0; k < 64; k += 16) {
			unsigned ra[4], rb[2];
			unsigned pa = (unsigned)__cvta_generic_to_shared(&sa[lane % 16][k + lane / 16 * 8]);
			unsigned pb = (unsigned)__cvta_generic_to_shared(&sb[k + lane % 16][col]);

			asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
				     : "=r"(ra[0]), "=r"(ra[1]), "=r"(ra[2]), "=r"(ra[3]) : "r"(pa));
			asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(rb[0]), "=r"(rb[1]) : "r"(pb));
			asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
				     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
				     : "r"(ra[0]), "r"(ra[1]), "r"(ra[2]), "r"(ra[3]), "r"(rb[0]), "r"(rb[1]));
		}
		for (int i = 0; i < 4; i++)
			c[(row + lane / 4 + i / 2 * 8) * 64 + col + lane % 4 * 2 + i % 2] = d[i] * 0.5f;
	}
}

/* Bytes: C = A B^T of s8, 16 x 8 x 32, four times with .satfinite on top of c. */
extern "C" __global__ void dot_s8(const int *a, const int *b, int *c)
{
	int d[4];

	for (int i = 0; i < 4; i++)
		d[i] = c[i * 32 + threadIdx.x];
	for (int n = 0; n < 4; n++)
		asm volatile("mma.sync.aligned.m16n8k32.row.col.satfinite.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
			     : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
			     : "r"(a[threadIdx.x]), "r"(a[32 + threadIdx.x]), "r"(a[64 + threadIdx.x]), "r"(a[96 + threadIdx.x]),
			       "r"(b[threadIdx.x]), "r"(b[32 + threadIdx.x]));
	for (int i = 0; i < 4; i++)
		c[i * 32 + threadIdx.x] = d[i];
}

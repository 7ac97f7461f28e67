/* Sum of an array: warp shuffles, then shared memory, then one atomic per block. */
#include "check.h"

extern "C" __global__ void reduce_sum(const int *in, long long *out, int n)
{
	__shared__ long long part[32];
	int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
	long long v = 0;

	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		v += in[i];
	for (int d = 16; d; d /= 2)
		v += __shfl_down_sync(~0u, v, d);
	if (!lane)
		part[warp] = v;
	__syncthreads();
	if (warp)
		return;
	v = lane < blockDim.x / 32 ? part[lane] : 0;
	for (int d = 16; d; d /= 2)
		v += __shfl_xor_sync(~0u, v, d);
	if (!lane)
		atomicAdd((unsigned long long *)out, (unsigned long long)v);
}

__global__ void reduce_max(const float *in, float *out, int n)
{
	extern __shared__ float sh[];
	float v = -1e30f;

	for (int i = threadIdx.x; i < n; i += blockDim.x)
		v = fmaxf(v, in[i]);
	sh[threadIdx.x] = v;
	__syncthreads();
	for (int s = blockDim.x / 2; s; s /= 2) {
		if (threadIdx.x < s)
			sh[threadIdx.x] = fmaxf(sh[threadIdx.x], sh[threadIdx.x + s]);
		__syncthreads();
	}
	if (!threadIdx.x)
		*out = sh[0];
}

int main()
{
	const int n = 100003;
	std::vector<int> v(n);
	std::vector<float> f(n);
	uint32_t seed = 7;
	long long want = 0, got;
	float most = -1e30f, gotf;

	for (int i = 0; i < n; i++) {
		v[i] = (int)lcg(seed);
		want += v[i];
		f[i] = unit(seed) * 1000 - 2000;
		most = fmaxf(most, f[i]);
	}
	dev<int> dv(v);
	dev<float> df(f), dm(1);
	dev<long long> ds(1);
	CK(cudaMemset(ds, 0, sizeof(long long)));
	reduce_sum<<<20, 256>>>(dv, ds, n);
	CK_LAUNCH();
	CK(cudaMemcpy(&got, ds, sizeof(got), cudaMemcpyDeviceToHost));
	EXPECT(got == want);
	reduce_max<<<1, 256, 256 * sizeof(float)>>>(df, dm, n);
	CK_LAUNCH();
	CK(cudaMemcpy(&gotf, dm, sizeof(gotf), cudaMemcpyDeviceToHost));
	EXPECT(gotf == most);
	return finish("reduce_shuffle");
}

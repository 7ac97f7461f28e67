/* Runtime and driver API in one program: contexts, modules by entry point lookup, kernel parameters by buffer. */
#include <cuda.h>
#include "check.h"

__global__ void scale(float *p, int n, float f)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		p[i] *= f;
}

template <class F> static F entry(const char *name)
{
	void *p = nullptr;
	cudaDriverEntryPointQueryResult r;

	CK(cudaGetDriverEntryPointByVersion(name, &p, 12000, cudaEnableDefault, &r));
	EXPECT(p && r == cudaDriverEntryPointSuccess);
	return (F)p;
}

int main()
{
	const int n = 100;
	std::vector<float> v(n, 2.0f);
	dev<float> d(v);
	cudaFunction_t f;

	auto launch = entry<CUresult (*)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream,
					 void **, void **)>("cuLaunchKernel");
	auto current = entry<CUresult (*)(CUcontext *)>("cuCtxGetCurrent");
	auto range = entry<CUresult (*)(CUdeviceptr *, size_t *, CUdeviceptr)>("cuMemGetAddressRange");
	CUcontext c = nullptr;
	EXPECT(current(&c) == CUDA_SUCCESS && c);
	CK(cudaGetFuncBySymbol(&f, (const void *)scale));
	struct { float *p; int n; float f; } buf = { d.p, n, 1.5f };
	size_t size = sizeof(buf);
	void *extra[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, &buf, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END };
	EXPECT(launch((CUfunction)f, 1, 1, 1, 128, 1, 1, 0, 0, nullptr, extra) == CUDA_SUCCESS);
	EXPECT(d.get()[99] == 3.0f);
	CUdeviceptr base = 0;
	size_t len = 0;
	EXPECT(range(&base, &len, (CUdeviceptr)(d.p + 50)) == CUDA_SUCCESS && base == (CUdeviceptr)d.p && len == n * 4);
	return finish("driver_mix");
}

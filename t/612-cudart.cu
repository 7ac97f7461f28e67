// What NVIDIA's runtime says about the devices, one line each. Built by 612-cudart.t.
#include <cstdio>
#include <cuda_runtime.h>

int main()
{
	int n = -1, version = 0, major = 0;
	cudaError_t e = cudaGetDeviceCount(&n);

	printf("count %s %d\n", cudaGetErrorName(e), n);
	for (int i = 0; e == cudaSuccess && i < n; i++) {
		cudaDeviceProp p;
		char bus[32];

		if (cudaGetDeviceProperties(&p, i) != cudaSuccess || cudaDeviceGetPCIBusId(bus, sizeof(bus), i) != cudaSuccess)
			return 1;
		printf("device %d: %s cc %d.%d %zu MiB %d SMs %s %02x%02x\n", i, p.name, p.major, p.minor,
		       p.totalGlobalMem >> 20, p.multiProcessorCount, bus, (unsigned char)p.uuid.bytes[0],
		       (unsigned char)p.uuid.bytes[1]);
		cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, i);
		if (major != p.major)
			return 1;
	}
	cudaDriverGetVersion(&version);
	printf("driver %d\n", version);
	return 0;
}

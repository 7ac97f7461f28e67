/* All devices at once: memory, kernels, peer copies, a thread per device. */
#include <thread>
#include "check.h"

__global__ void fill(int *p, int n, int v)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		p[i] = v + i;
}

int main()
{
	const int n = 5000;
	int count = 0, cur = -1;
	std::vector<int *> buf;

	CK(cudaGetDeviceCount(&count));
	EXPECT(count >= 1);
	for (int d = 0; d < count; d++) {
		int *p;
		CK(cudaSetDevice(d));
		CK(cudaGetDevice(&cur));
		EXPECT(cur == d);
		CK(cudaMalloc(&p, n * 4));
		buf.push_back(p);
		fill<<<(n + 127) / 128, 128>>>(p, n, d * 1000000);
		CK_LAUNCH();
	}
	for (int d = 0; d < count; d++) {
		cudaPointerAttributes a;
		CK(cudaSetDevice(d));
		CK(cudaDeviceSynchronize());
		CK(cudaPointerGetAttributes(&a, buf[d]));
		EXPECT(a.type == cudaMemoryTypeDevice && a.device == d && a.devicePointer == buf[d]);
	}
	std::vector<std::thread> threads;
	std::vector<int> right(count);
	for (int d = 0; d < count; d++)
		threads.emplace_back([&, d] {
			std::vector<int> v(n);
			if (cudaSetDevice(d) || cudaMemcpy(v.data(), buf[d], n * 4, cudaMemcpyDeviceToHost))
				return;
			right[d] = 1;
			for (int i = 0; i < n; i++)
				right[d] &= v[i] == d * 1000000 + i;
		});
	for (auto &t : threads)
		t.join();
	for (int d = 0; d < count; d++)
		EXPECT(right[d]);
	if (count > 1) {
		std::vector<int> v(n);
		CK(cudaSetDevice(0));
		CK(cudaMemcpyPeer(buf[1], 1, buf[0], 0, n * 4));
		CK(cudaMemcpy(v.data(), buf[1], n * 4, cudaMemcpyDefault));
		EXPECT(v[0] == 0 && v[n - 1] == n - 1);
	}
	EXPECT_ERR(cudaSetDevice(count), cudaErrorInvalidDevice);
	(void)cudaGetLastError();
	for (int d = 0; d < count; d++) {
		CK(cudaSetDevice(d));
		CK(cudaFree(buf[d]));
	}
	return finish("multi_device");
}

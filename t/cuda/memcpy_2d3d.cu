/* Pitched and three-dimensional memory: copies, fills, kernels that use the pitch. */
#include "check.h"

__global__ void bump(char *p, size_t pitch, int w, int h)
{
	int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;

	if (x < w && y < h)
		((float *)(p + y * pitch))[x] += 1;
}

static void two()
{
	const int w = 37, h = 23, hw = 50;
	std::vector<float> a(hw * h), b(hw * h, -5);
	float *d;
	size_t pitch;

	for (size_t i = 0; i < a.size(); i++)
		a[i] = i;
	CK(cudaMallocPitch(&d, &pitch, w * 4, h));
	EXPECT(pitch >= w * 4 && pitch % 32 == 0);
	CK(cudaMemset2D(d, pitch, 0x7f, w * 4, h));
	CK(cudaMemcpy2D(d, pitch, a.data(), hw * 4, w * 4, h, cudaMemcpyHostToDevice));
	bump<<<dim3(2, h), 32>>>((char *)d, pitch, w, h);
	CK_LAUNCH();
	CK(cudaMemcpy2D(b.data(), hw * 4, d, pitch, w * 4, h, cudaMemcpyDeviceToHost));
	for (int y = 0; y < h; y++)
		for (int x = 0; x < hw; x++)
			EXPECT(b[y * hw + x] == (x < w ? a[y * hw + x] + 1 : -5));
	EXPECT_ERR(cudaMemcpy2D(d, 10, a.data(), hw * 4, w * 4, h, cudaMemcpyHostToDevice), cudaErrorInvalidPitchValue);
	(void)cudaGetLastError();
	CK(cudaFree(d));
}

static void three()
{
	const size_t w = 20, h = 9, dep = 5;
	cudaPitchedPtr p;
	std::vector<unsigned char> a(w * h * dep), b(w * h * dep, 1);
	cudaMemcpy3DParms m = {};

	for (size_t i = 0; i < a.size(); i++)
		a[i] = (unsigned char)(i * 7);
	CK(cudaMalloc3D(&p, make_cudaExtent(w, h, dep)));
	CK(cudaMemset3D(p, 0xee, make_cudaExtent(w, h, dep)));
	m.srcPtr = make_cudaPitchedPtr(a.data(), w, w, h);
	m.dstPtr = p;
	m.srcPos = make_cudaPos(2, 1, 1);
	m.dstPos = make_cudaPos(3, 2, 0);
	m.extent = make_cudaExtent(10, 5, 3);
	m.kind = cudaMemcpyHostToDevice;
	CK(cudaMemcpy3D(&m));
	cudaMemcpy3DParms back = {};
	back.srcPtr = p;
	back.dstPtr = make_cudaPitchedPtr(b.data(), w, w, h);
	back.extent = make_cudaExtent(w, h, dep);
	back.kind = cudaMemcpyDeviceToHost;
	CK(cudaMemcpy3D(&back));
	for (size_t z = 0; z < dep; z++)
		for (size_t y = 0; y < h; y++)
			for (size_t x = 0; x < w; x++) {
				bool in = x >= 3 && x < 13 && y >= 2 && y < 7 && z < 3;
				unsigned char want = in ? a[((z + 1) * h + y - 1) * w + x - 1] : 0xee;
				EXPECT(b[(z * h + y) * w + x] == want);
			}
	CK(cudaFree(p.ptr));
}

int main()
{
	two();
	three();
	return finish("memcpy_2d3d");
}

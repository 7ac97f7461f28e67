/* Matrix transpose through padded shared memory, odd sizes. */
#include "check.h"

extern "C" __global__ void transpose(const double *in, double *out, int w, int h)
{
	__shared__ double t[32][33];
	int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;

	for (int j = 0; j < 32; j += 8)
		if (x < w && y + j < h)
			t[threadIdx.y + j][threadIdx.x] = in[(y + j) * w + x];
	__syncthreads();
	x = blockIdx.y * 32 + threadIdx.x;
	y = blockIdx.x * 32 + threadIdx.y;
	for (int j = 0; j < 32; j += 8)
		if (x < h && y + j < w)
			out[(y + j) * h + x] = t[threadIdx.x][threadIdx.y + j];
}

int main()
{
	int sizes[][2] = { { 32, 32 }, { 100, 37 }, { 1, 65 }, { 200, 150 } };

	for (auto &s : sizes) {
		int w = s[0], h = s[1];
		std::vector<double> v(w * h);
		for (int i = 0; i < w * h; i++)
			v[i] = i * 1.5;
		dev<double> in(v), out(w * h);
		transpose<<<dim3((w + 31) / 32, (h + 31) / 32), dim3(32, 8)>>>(in, out, w, h);
		CK_LAUNCH();
		auto got = out.get();
		for (int y = 0; y < h; y++)
			for (int x = 0; x < w; x++)
				EXPECT(got[x * h + y] == v[y * w + x]);
	}
	return finish("transpose");
}

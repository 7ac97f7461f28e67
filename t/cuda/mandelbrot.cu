/* Mandelbrot: loops of different length per thread; integers must be the same as the CPU's. */
#include "check.h"

/* fmaf on both sides, so that rounding can't differ. */
__host__ __device__ static int iterate(float cx, float cy, int most)
{
	float x = 0, y = 0;
	int i = 0;

	while (i < most) {
		float x2 = x * x, y2 = y * y;
		if (fmaf(x, x, y2) > 4.0f)
			break;
		float nx = x2 - y2;
		y = fmaf(x + x, y, cy);
		x = nx + cx;
		i++;
	}
	return i;
}

__global__ void mandelbrot(int *out, int w, int h, int most)
{
	int px = blockIdx.x * blockDim.x + threadIdx.x, py = blockIdx.y * blockDim.y + threadIdx.y;

	if (px < w && py < h)
		out[py * w + px] = iterate(-2.0f + 3.0f * px / w, -1.5f + 3.0f * py / h, most);
}

int main()
{
	const int w = 160, h = 120, most = 200;
	dev<int> d(w * h);
	int differ = 0;
	long long sum = 0;

	mandelbrot<<<dim3((w + 15) / 16, (h + 7) / 8), dim3(16, 8)>>>(d, w, h, most);
	CK_LAUNCH();
	auto got = d.get();
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			int want = iterate(-2.0f + 3.0f * x / w, -1.5f + 3.0f * y / h, most);
			differ += got[y * w + x] != want;
			sum += want;
		}
	/* nvcc contracts the pixel's coordinate to fma: points on the border may escape one step apart. */
	EXPECT(differ < w * h / 100);
	EXPECT(sum > 100000);
	return finish("mandelbrot");
}

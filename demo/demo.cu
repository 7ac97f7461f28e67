/*
 * demo.cu: the kernels of vgpu-demo. demo.ptx is made from it by
 *   nvcc -ptx -arch=compute_75 -fmad=false -o demo.ptx demo.cu
 * (-fmad=false: so that a CPU can compute exactly the same numbers).
 */

/* Iterations of each point of the plane until it leaves; one thread per point. */
extern "C" __global__ void mandelbrot(unsigned *out, int width, int height, int limit)
{
	int x = blockIdx.x * blockDim.x + threadIdx.x;
	int y = blockIdx.y * blockDim.y + threadIdx.y;

	if (x >= width || y >= height)
		return;
	float cr = -2.0f + 3.0f * x / width, ci = -1.25f + 2.5f * y / height;
	float zr = 0, zi = 0;
	int n = 0;

	while (n < limit && zr * zr + zi * zi <= 4.0f) {
		float t = zr * zr - zi * zi + cr;

		zi = 2.0f * zr * zi + ci;
		zr = t;
		n++;
	}
	out[y * width + x] = n;
}

/* Sum of all elements: warp shuffles, shared memory, one atomic per block. */
extern "C" __global__ void sum(const unsigned *in, int n, unsigned long long *total)
{
	__shared__ unsigned long long part[32];
	unsigned long long v = 0;
	unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;

	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		v += in[i];
	for (int d = 16; d; d /= 2)
		v += __shfl_down_sync(0xffffffffu, v, d);
	if (lane == 0)
		part[warp] = v;
	__syncthreads();
	if (warp == 0) {
		v = lane < blockDim.x / 32 ? part[lane] : 0;
		for (int d = 16; d; d /= 2)
			v += __shfl_down_sync(0xffffffffu, v, d);
		if (lane == 0)
			atomicAdd(total, v);
	}
}

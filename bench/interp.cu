/* Kernels of bench_interp; interp.ptx is made from this: nvcc -arch=compute_80 -ptx -o interp.ptx interp.cu */
#define TILE 16

extern "C" __global__ void matmul(const float *a, const float *b, float *c, int n)
{
	__shared__ float sa[TILE][TILE], sb[TILE][TILE];
	int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * TILE + y, col = blockIdx.x * TILE + x;
	float sum = 0;

	for (int t = 0; t < n; t += TILE) {
		sa[y][x] = a[row * n + t + x];
		sb[y][x] = b[(t + y) * n + col];
		__syncthreads();
		for (int k = 0; k < TILE; k++)
			sum += sa[y][k] * sb[k][x];
		__syncthreads();
	}
	c[row * n + col] = sum;
}

extern "C" __global__ void vecadd(const float *a, const float *b, float *c, int n)
{
	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		c[i] = a[i] + b[i];
}

extern "C" __global__ void reduce(const int *a, int *out, int n)
{
	__shared__ int part[32];
	int sum = 0;

	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		sum += a[i];
	for (int d = 16; d; d >>= 1)
		sum += __shfl_down_sync(0xffffffff, sum, d);
	if (threadIdx.x % 32 == 0)
		part[threadIdx.x / 32] = sum;
	__syncthreads();
	if (threadIdx.x < 32) {
		sum = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0;
		for (int d = 16; d; d >>= 1)
			sum += __shfl_xor_sync(0xffffffff, sum, d);
		if (threadIdx.x == 0)
			atomicAdd(out, sum);
	}
}

extern "C" __global__ void histogram(const unsigned *a, unsigned *out, int n)
{
	__shared__ unsigned bins[256];

	bins[threadIdx.x] = 0;
	__syncthreads();
	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		for (int k = 0; k < 32; k += 8)
			atomicAdd(&bins[a[i] >> k & 255], 1);
	__syncthreads();
	atomicAdd(&out[threadIdx.x], bins[threadIdx.x]);
}

extern "C" __global__ void mandelbrot(int *out, int w, int h, int limit)
{
	int px = blockIdx.x * blockDim.x + threadIdx.x, py = blockIdx.y * blockDim.y + threadIdx.y, it = 0;
	float cx = -2.0f + 3.0f * px / w, cy = -1.5f + 3.0f * py / h, x = 0, y = 0;

	while (it < limit && x * x + y * y < 4) {
		float t = x * x - y * y + cx;

		y = 2 * x * y + cy;
		x = t;
		it++;
	}
	out[py * w + px] = it;
}

extern "C" __global__ void tiny(int *out)
{
	out[blockIdx.x * blockDim.x + threadIdx.x] = blockIdx.x;
}

static __device__ __noinline__ int pick(const int *v, int n)
{
	return v[n & 63];
}

extern "C" __global__ void locals(int *out, int rounds)
{
	int v[64], sum = 0;

	for (int k = 0; k < 64; k++)
		v[k] = k * threadIdx.x;
	for (int k = 0; k < rounds; k++) {
		v[(k * 7 + threadIdx.x) & 63] += k;
		sum += pick(v, k + threadIdx.x);
	}
	out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

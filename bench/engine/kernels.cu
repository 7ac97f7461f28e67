/*
 * kernels.cu: the kernels that the engine is measured with; kernels.cl has
 * their OpenCL twins, base.c and hand.c the same work for CPUs.
 * kernels.ptx is made from this: nvcc -arch=compute_75 -ptx -o kernels.ptx kernels.cu
 */
extern "C" __global__ void saxpy(int n, float a, const float *x, float *y)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		y[i] = a * x[i] + y[i];
}

/* ---- matrix products: c = a b, n x n ---- */

extern "C" __global__ void sgemm_naive(const float *a, const float *b, float *c, int n)
{
	int col = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y;
	float sum = 0;

	for (int k = 0; k < n; k++)
		sum += a[row * n + k] * b[k * n + col];
	c[row * n + col] = sum;
}

template <int T> static __device__ __forceinline__ void tiled(const float *a, const float *b, float *c, int n)
{
	__shared__ float as[T][T], bs[T][T];
	int tx = threadIdx.x, ty = threadIdx.y, col = blockIdx.x * T + tx, row = blockIdx.y * T + ty;
	float sum = 0;

	for (int t = 0; t < n / T; t++) {
		as[ty][tx] = a[row * n + t * T + tx];
		bs[ty][tx] = b[(t * T + ty) * n + col];
		__syncthreads();
#pragma unroll
		for (int k = 0; k < T; k++)
			sum += as[ty][k] * bs[k][tx];
		__syncthreads();
	}
	c[row * n + col] = sum;
}

extern "C" __global__ void sgemm_t16(const float *a, const float *b, float *c, int n)
{
	tiled<16>(a, b, c, n);
}

extern "C" __global__ void sgemm_t32(const float *a, const float *b, float *c, int n)
{
	tiled<32>(a, b, c, n);
}

/* ---- reductions ---- */

/* out[block]: the block's part of the sum */
extern "C" __global__ void reduce(const float *x, float *out, int n)
{
	__shared__ float part[32];
	int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
	float sum = 0;

	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		sum += x[i];
	for (int d = 16; d > 0; d >>= 1)
		sum += __shfl_down_sync(0xffffffffu, sum, d);
	if (lane == 0)
		part[warp] = sum;
	__syncthreads();
	if (warp == 0) {
		sum = lane < (blockDim.x >> 5) ? part[lane] : 0.f;
		for (int d = 16; d > 0; d >>= 1)
			sum += __shfl_down_sync(0xffffffffu, sum, d);
		if (lane == 0)
			out[blockIdx.x] = sum;
	}
}

/* All four bytes of each word; blocks of 256. */
extern "C" __global__ void hist(const unsigned *x, unsigned *bins, int n)
{
	__shared__ unsigned h[256];

	h[threadIdx.x] = 0;
	__syncthreads();
	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
		unsigned v = x[i];

		atomicAdd(&h[v & 255], 1u);
		atomicAdd(&h[(v >> 8) & 255], 1u);
		atomicAdd(&h[(v >> 16) & 255], 1u);
		atomicAdd(&h[v >> 24], 1u);
	}
	__syncthreads();
	atomicAdd(&bins[threadIdx.x], h[threadIdx.x]);
}

/* ---- divergence and arithmetic ---- */

extern "C" __global__ void mandel(int *out, int w, int h, float x0, float y0, float dx, float dy, int limit)
{
	int px = blockIdx.x * blockDim.x + threadIdx.x, py = blockIdx.y * blockDim.y + threadIdx.y, i;

	if (px >= w || py >= h)
		return;
	float cx = x0 + px * dx, cy = y0 + py * dy, zx = cx, zy = cy;
	for (i = 0; i < limit; i++) {
		if (zx * zx + zy * zy > 4.f)
			break;
		float nx = zx * zx - zy * zy, ny = 2.f * zx * zy;
		zx = cx + nx;
		zy = cy + ny;
	}
	out[py * w + px] = i;
}

static __device__ __forceinline__ float cnd(float d)
{
	const float a1 = 0.31938153f, a2 = -0.356563782f, a3 = 1.781477937f, a4 = -1.821255978f, a5 = 1.330274429f;
	float k = __fdividef(1.f, 1.f + 0.2316419f * fabsf(d));
	float c = 0.3989422804f * __expf(-0.5f * d * d) * (k * (a1 + k * (a2 + k * (a3 + k * (a4 + k * a5)))));

	return d > 0 ? 1.f - c : c;
}

/* Black-Scholes with the approximate functions … */
extern "C" __global__ void bs(float *call, float *put, const float *price, const float *strike, const float *years, float r,
			      float v, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i >= n)
		return;
	float s = price[i], x = strike[i], t = years[i], root = __fdividef(1.f, rsqrtf(t));
	float d1 = __fdividef(__logf(s / x) + (r + 0.5f * v * v) * t, v * root), d2 = d1 - v * root;
	float c1 = cnd(d1), c2 = cnd(d2), e = __expf(-r * t);

	call[i] = s * c1 - x * e * c2;
	put[i] = x * e * (1.f - c2) - s * (1.f - c1);
}

/* … and with libdevice's. */
extern "C" __global__ void bs_prec(float *call, float *put, const float *price, const float *strike, const float *years, float r,
				   float v, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i >= n)
		return;
	float s = price[i], x = strike[i], t = years[i], root = sqrtf(t);
	float d1 = (logf(s / x) + (r + 0.5f * v * v) * t) / (v * root), d2 = d1 - v * root, e = expf(-r * t);
	float c1 = normcdff(d1), c2 = normcdff(d2);

	call[i] = s * c1 - x * e * c2;
	put[i] = x * e * (1.f - c2) - s * (1.f - c1);
}

/* Accelerations; p.w is the mass. Blocks of 256. */
extern "C" __global__ void nbody(const float4 *p, float4 *a, int n)
{
	__shared__ float4 sp[256];
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	float4 me = p[i];
	float ax = 0, ay = 0, az = 0;

	for (int t = 0; t < n; t += blockDim.x) {
		sp[threadIdx.x] = p[t + threadIdx.x];
		__syncthreads();
#pragma unroll 8
		for (int j = 0; j < 256; j++) {
			float4 q = sp[j];
			float rx = q.x - me.x, ry = q.y - me.y, rz = q.z - me.z;
			float inv = rsqrtf(rx * rx + ry * ry + rz * rz + 1e-4f), s = q.w * inv * inv * inv;

			ax += rx * s;
			ay += ry * s;
			az += rz * s;
		}
		__syncthreads();
	}
	a[i] = make_float4(ax, ay, az, 0);
}

/* ---- memory and integers ---- */

/* Blocks of 32 x 8 move tiles of 32 x 32. */
extern "C" __global__ void transp(const float *in, float *out, int n)
{
	__shared__ float t[32][33];
	int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;

#pragma unroll
	for (int j = 0; j < 32; j += 8)
		t[threadIdx.y + j][threadIdx.x] = in[(y + j) * n + x];
	__syncthreads();
	x = blockIdx.y * 32 + threadIdx.x;
	y = blockIdx.x * 32 + threadIdx.y;
#pragma unroll
	for (int j = 0; j < 32; j += 8)
		out[(y + j) * n + x] = t[threadIdx.x][threadIdx.y + j];
}

/* Quantized matrix by vector, a warp per row; nb groups of 32 int8 with a scale each. */
extern "C" __global__ void q8mv(const int *q, const float *scale, const int *v, const float *vscale, float *y, int nb)
{
	int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
	float sum = 0;

	for (int b = lane >> 3; b < nb; b += 4) {
		int dot = __dp4a(q[(row * nb + b) * 8 + (lane & 7)], v[b * 8 + (lane & 7)], 0);

		sum += dot * scale[row * nb + b] * vscale[b];
	}
	for (int d = 16; d > 0; d >>= 1)
		sum += __shfl_xor_sync(0xffffffffu, sum, d);
	if (lane == 0)
		y[row] = sum;
}

/* ---- for what isn't a matter of throughput ---- */

extern "C" __global__ void empty(int *out)
{
}

/* Never ends: a full-period generator of odd numbers never gets to an even one. */
extern "C" __global__ void endless(unsigned *out)
{
	unsigned x = 2 * threadIdx.x + 1;

	while (x & 1)
		x = x * 1664525u + *out * 2;
	*out = x;
}

/* Never ends either, but asks memory. */
extern "C" __global__ void poll(volatile unsigned *out)
{
	while (*out == 0)
		;
	*out = 2;
}

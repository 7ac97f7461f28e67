/* kernels.cl: kernels.cu in OpenCL 1.2. There are no shuffles in it; reductions go through local memory. */
__kernel void saxpy(int n, float a, __global const float *x, __global float *y)
{
	int i = get_global_id(0);

	if (i < n)
		y[i] = a * x[i] + y[i];
}

__kernel void sgemm_naive(__global const float *a, __global const float *b, __global float *c, int n)
{
	int col = get_global_id(0), row = get_global_id(1);
	float sum = 0;

	for (int k = 0; k < n; k++)
		sum += a[row * n + k] * b[k * n + col];
	c[row * n + col] = sum;
}

#define TILED(NAME, T)                                                                                     \
	__kernel void NAME(__global const float *a, __global const float *b, __global float *c, int n)     \
	{                                                                                                  \
		__local float as[T][T], bs[T][T];                                                          \
		int tx = get_local_id(0), ty = get_local_id(1);                                            \
		int col = get_group_id(0) * T + tx, row = get_group_id(1) * T + ty;                        \
		float sum = 0;                                                                             \
                                                                                                           \
		for (int t = 0; t < n / T; t++) {                                                          \
			as[ty][tx] = a[row * n + t * T + tx];                                              \
			bs[ty][tx] = b[(t * T + ty) * n + col];                                            \
			barrier(CLK_LOCAL_MEM_FENCE);                                                      \
			for (int k = 0; k < T; k++)                                                        \
				sum += as[ty][k] * bs[k][tx];                                              \
			barrier(CLK_LOCAL_MEM_FENCE);                                                      \
		}                                                                                          \
		c[row * n + col] = sum;                                                                    \
	}
TILED(sgemm_t16, 16)
TILED(sgemm_t32, 32)

__kernel void reduce(__global const float *x, __global float *out, int n)
{
	__local float part[256];
	int t = get_local_id(0);
	float sum = 0;

	for (int i = get_global_id(0); i < n; i += get_global_size(0))
		sum += x[i];
	part[t] = sum;
	barrier(CLK_LOCAL_MEM_FENCE);
	for (int d = 128; d > 0; d >>= 1) {
		if (t < d)
			part[t] += part[t + d];
		barrier(CLK_LOCAL_MEM_FENCE);
	}
	if (t == 0)
		out[get_group_id(0)] = part[0];
}

__kernel void hist(__global const uint *x, __global uint *bins, int n)
{
	__local uint h[256];

	h[get_local_id(0)] = 0;
	barrier(CLK_LOCAL_MEM_FENCE);
	for (int i = get_global_id(0); i < n; i += get_global_size(0)) {
		uint v = x[i];

		atomic_add(&h[v & 255], 1u);
		atomic_add(&h[(v >> 8) & 255], 1u);
		atomic_add(&h[(v >> 16) & 255], 1u);
		atomic_add(&h[v >> 24], 1u);
	}
	barrier(CLK_LOCAL_MEM_FENCE);
	atomic_add(&bins[get_local_id(0)], h[get_local_id(0)]);
}

__kernel void mandel(__global int *out, int w, int h, float x0, float y0, float dx, float dy, int limit)
{
	int px = get_global_id(0), py = get_global_id(1), i;

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

float cnd(float d)
{
	const float a1 = 0.31938153f, a2 = -0.356563782f, a3 = 1.781477937f, a4 = -1.821255978f, a5 = 1.330274429f;
	float k = native_divide(1.f, 1.f + 0.2316419f * fabs(d));
	float c = 0.3989422804f * native_exp(-0.5f * d * d) * (k * (a1 + k * (a2 + k * (a3 + k * (a4 + k * a5)))));

	return d > 0 ? 1.f - c : c;
}

__kernel void bs(__global float *call, __global float *put, __global const float *price, __global const float *strike,
		 __global const float *years, float r, float v, int n)
{
	int i = get_global_id(0);

	if (i >= n)
		return;
	float s = price[i], x = strike[i], t = years[i], root = native_divide(1.f, native_rsqrt(t));
	float d1 = native_divide(native_log(s / x) + (r + 0.5f * v * v) * t, v * root), d2 = d1 - v * root;
	float c1 = cnd(d1), c2 = cnd(d2), e = native_exp(-r * t);

	call[i] = s * c1 - x * e * c2;
	put[i] = x * e * (1.f - c2) - s * (1.f - c1);
}

float normcdf(float d)
{
	return 0.5f * erfc(-d * 0.70710678f);
}

__kernel void bs_prec(__global float *call, __global float *put, __global const float *price, __global const float *strike,
		      __global const float *years, float r, float v, int n)
{
	int i = get_global_id(0);

	if (i >= n)
		return;
	float s = price[i], x = strike[i], t = years[i], root = sqrt(t);
	float d1 = (log(s / x) + (r + 0.5f * v * v) * t) / (v * root), d2 = d1 - v * root, e = exp(-r * t);
	float c1 = normcdf(d1), c2 = normcdf(d2);

	call[i] = s * c1 - x * e * c2;
	put[i] = x * e * (1.f - c2) - s * (1.f - c1);
}

__kernel void nbody(__global const float4 *p, __global float4 *a, int n)
{
	__local float4 sp[256];
	int i = get_global_id(0);
	float4 me = p[i];
	float ax = 0, ay = 0, az = 0;

	for (int t = 0; t < n; t += 256) {
		sp[get_local_id(0)] = p[t + get_local_id(0)];
		barrier(CLK_LOCAL_MEM_FENCE);
		for (int j = 0; j < 256; j++) {
			float4 q = sp[j];
			float rx = q.x - me.x, ry = q.y - me.y, rz = q.z - me.z;
			float inv = native_rsqrt(rx * rx + ry * ry + rz * rz + 1e-4f), s = q.w * inv * inv * inv;

			ax += rx * s;
			ay += ry * s;
			az += rz * s;
		}
		barrier(CLK_LOCAL_MEM_FENCE);
	}
	a[i] = (float4)(ax, ay, az, 0);
}

__kernel void transp(__global const float *in, __global float *out, int n)
{
	__local float t[32][33];
	int tx = get_local_id(0), ty = get_local_id(1), x = get_group_id(0) * 32 + tx, y = get_group_id(1) * 32 + ty;

	for (int j = 0; j < 32; j += 8)
		t[ty + j][tx] = in[(y + j) * n + x];
	barrier(CLK_LOCAL_MEM_FENCE);
	x = get_group_id(1) * 32 + tx;
	y = get_group_id(0) * 32 + ty;
	for (int j = 0; j < 32; j += 8)
		out[(y + j) * n + x] = t[tx][ty + j];
}

__kernel void q8mv(__global const char4 *q, __global const float *scale, __global const char4 *v, __global const float *vscale,
		   __global float *y, int nb)
{
	__local float part[4][32];
	int lane = get_local_id(0), w = get_local_id(1), row = get_group_id(0) * get_local_size(1) + w;
	float sum = 0;

	for (int b = lane >> 3; b < nb; b += 4) {
		int4 a = convert_int4(q[(row * nb + b) * 8 + (lane & 7)]) * convert_int4(v[b * 8 + (lane & 7)]);

		sum += (a.x + a.y + a.z + a.w) * scale[row * nb + b] * vscale[b];
	}
	part[w][lane] = sum;
	barrier(CLK_LOCAL_MEM_FENCE);
	for (int d = 16; d > 0; d >>= 1) {
		if (lane < d)
			part[w][lane] += part[w][lane + d];
		barrier(CLK_LOCAL_MEM_FENCE);
	}
	if (lane == 0)
		y[row] = part[w][0];
}

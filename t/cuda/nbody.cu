/* n-body: tiles of positions in shared memory, rsqrtf, several steps. */
#include "check.h"

#define P 128

__global__ void step(const float4 *pos, float4 *npos, float4 *vel, int n, float dt)
{
	__shared__ float4 sh[P];
	int i = blockIdx.x * P + threadIdx.x;
	float4 me = pos[i];
	float3 acc = make_float3(0, 0, 0);

	for (int t = 0; t < n; t += P) {
		sh[threadIdx.x] = pos[t + threadIdx.x];
		__syncthreads();
		for (int j = 0; j < P; j++) {
			float dx = sh[j].x - me.x, dy = sh[j].y - me.y, dz = sh[j].z - me.z;
			float r = rsqrtf(dx * dx + dy * dy + dz * dz + 0.01f);
			float s = sh[j].w * r * r * r;
			acc.x += dx * s;
			acc.y += dy * s;
			acc.z += dz * s;
		}
		__syncthreads();
	}
	float4 v = vel[i];
	v.x += acc.x * dt;
	v.y += acc.y * dt;
	v.z += acc.z * dt;
	vel[i] = v;
	npos[i] = make_float4(me.x + v.x * dt, me.y + v.y * dt, me.z + v.z * dt, me.w);
}

int main()
{
	const int n = 512, steps = 3;
	std::vector<float4> pos(n), vel(n, make_float4(0, 0, 0, 0));
	uint32_t seed = 5;

	for (auto &p : pos)
		p = make_float4(unit(seed), unit(seed), unit(seed), unit(seed) / n);
	dev<float4> a(pos), b(n), v(vel);
	for (int s = 0; s < steps; s++)
		step<<<n / P, P>>>(s % 2 ? b : a, s % 2 ? a : b, v, n, 0.01f);
	CK_LAUNCH();
	std::vector<double> x(3 * n), w(3 * n);
	for (int i = 0; i < n; i++)
		x[3 * i] = pos[i].x, x[3 * i + 1] = pos[i].y, x[3 * i + 2] = pos[i].z;
	for (int s = 0; s < steps; s++) {
		auto old = x;
		for (int i = 0; i < n; i++) {
			double acc[3] = { 0, 0, 0 };
			for (int j = 0; j < n; j++) {
				double d[3], r2 = 0.01f;
				for (int k = 0; k < 3; k++) {
					d[k] = old[3 * j + k] - old[3 * i + k];
					r2 += d[k] * d[k];
				}
				for (int k = 0; k < 3; k++)
					acc[k] += d[k] * pos[j].w / (r2 * sqrt(r2));
			}
			for (int k = 0; k < 3; k++) {
				w[3 * i + k] += acc[k] * 0.01f;
				x[3 * i + k] = old[3 * i + k] + w[3 * i + k] * 0.01f;
			}
		}
	}
	auto got = (steps % 2 ? b : a).get();
	for (int i = 0; i < n; i++) {
		EXPECT(near_rel(got[i].x, x[3 * i], 1e-4));
		EXPECT(near_rel(got[i].y, x[3 * i + 1], 1e-4));
		EXPECT(near_rel(got[i].z, x[3 * i + 2], 1e-4));
	}
	return finish("nbody");
}

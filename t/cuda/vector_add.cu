/* Vector addition: the first program, at several sizes that don't fill the last block. */
#include "check.h"

extern "C" __global__ void vector_add(const float *a, const float *b, float *c, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		c[i] = a[i] + b[i];
}

int main()
{
	uint32_t seed = 1;

	for (int n : { 1, 31, 256, 1000, 50000 }) {
		std::vector<float> a(n), b(n);
		for (int i = 0; i < n; i++)
			a[i] = unit(seed), b[i] = unit(seed) * 100;
		dev<float> da(a), db(b), dc(n);
		vector_add<<<(n + 255) / 256, 256>>>(da, db, dc, n);
		CK_LAUNCH();
		auto c = dc.get();
		for (int i = 0; i < n; i++)
			EXPECT(c[i] == a[i] + b[i]);
	}
	return finish("vector_add");
}

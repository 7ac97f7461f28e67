/* Device function pointers: a table in the device, one fetched by the host, virtual functions. */
#include "check.h"

typedef int (*op_t)(int, int);

__device__ __noinline__ int op_add(int a, int b) { return a + b; }
__device__ __noinline__ int op_mul(int a, int b) { return a * b; }
__device__ __noinline__ int op_sub(int a, int b) { return a - b; }

__device__ op_t table[3] = { op_add, op_mul, op_sub };
__device__ op_t single = op_sub;

__global__ void by_table(int *out)
{
	int i = threadIdx.x;

	out[i] = table[i % 3](i, 7);
}

__global__ void by_pointer(op_t f, int *out)
{
	out[threadIdx.x] = f(threadIdx.x, 100);
}

struct shape {
	__device__ virtual int area() const = 0;
	__device__ virtual ~shape() {}
};
struct square : shape {
	int s;
	__device__ square(int x) : s(x) {}
	__device__ int area() const override { return s * s; }
};
struct box : shape {
	int w, h;
	__device__ box(int x, int y) : w(x), h(y) {}
	__device__ int area() const override { return w * h; }
};

__global__ void by_class(int *out)
{
	int i = threadIdx.x;
	square s(i);
	box b(i, 3);
	const shape *p = i % 2 ? (const shape *)&s : &b;

	out[i] = p->area();
}

int main()
{
	const int n = 64;
	dev<int> d(n);
	op_t f;

	by_table<<<1, n>>>(d);
	CK_LAUNCH();
	auto v = d.get();
	for (int i = 0; i < n; i++)
		EXPECT(v[i] == (i % 3 == 0 ? i + 7 : i % 3 == 1 ? i * 7 : i - 7));
	CK(cudaMemcpyFromSymbol(&f, single, sizeof(f)));
	by_pointer<<<1, n>>>(f, d);
	CK_LAUNCH();
	v = d.get();
	for (int i = 0; i < n; i++)
		EXPECT(v[i] == i - 100);
	by_class<<<1, n>>>(d);
	CK_LAUNCH();
	v = d.get();
	for (int i = 0; i < n; i++)
		EXPECT(v[i] == (i % 2 ? i * i : i * 3));
	return finish("function_pointers");
}

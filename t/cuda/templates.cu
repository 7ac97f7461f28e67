/* Templates, lambdas-like functors, structs by value as parameters. */
#include "check.h"

template <class T> struct axpy {
	T a, b;
	__host__ __device__ T operator()(T x) const { return a * x + b; }
};

template <class T, class F> __global__ void transform(const T *in, T *out, int n, F f)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		out[i] = f(in[i]);
}

struct big {
	char c;
	double d;
	int v[20];
	short s;
};

__global__ void unpack(big b, int *out, char tail)
{
	out[0] = b.c;
	out[1] = (int)(b.d * 4);
	out[2] = b.s;
	out[3] = tail;
	for (int i = 0; i < 20; i++)
		out[4 + i] = b.v[i];
}

template <class T> static void run(T a, T b)
{
	const int n = 300;
	std::vector<T> v(n);

	for (int i = 0; i < n; i++)
		v[i] = (T)(i - 100);
	dev<T> in(v), out(n);
	axpy<T> f = { a, b };
	transform<<<3, 128>>>(in.p, out.p, n, f);
	CK_LAUNCH();
	auto got = out.get();
	for (int i = 0; i < n; i++)
		EXPECT(got[i] == f(v[i]));
}

int main()
{
	run<int>(3, -4);
	run<long long>(1ll << 33, 5);
	run<double>(0.5, 0.25);
	run<unsigned char>(3, 7);
	run<short>(-2, 9);
	run<float>(2, 0.5f);

	big b = {};
	b.c = 'x';
	b.d = 2.75;
	b.s = -3;
	for (int i = 0; i < 20; i++)
		b.v[i] = i * i;
	dev<int> out(24);
	unpack<<<1, 1>>>(b, out, 'T');
	CK_LAUNCH();
	auto o = out.get();
	EXPECT(o[0] == 'x' && o[1] == 11 && o[2] == -3 && o[3] == 'T');
	for (int i = 0; i < 20; i++)
		EXPECT(o[4 + i] == i * i);
	return finish("templates");
}

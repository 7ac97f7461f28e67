/* Surface objects: loads and stores in all geometries, out of range; arrays filled by kernels and copied between. */
#include "check.h"

static cudaResourceDesc of_array(cudaArray_t a)
{
	cudaResourceDesc r = {};

	r.resType = cudaResourceTypeArray;
	r.res.array.array = a;
	return r;
}

static cudaSurfaceObject_t surface(cudaArray_t a)
{
	cudaResourceDesc r = of_array(a);
	cudaSurfaceObject_t s = 0;

	CK(cudaCreateSurfaceObject(&s, &r));
	EXPECT(s != 0);
	return s;
}

__global__ void fill2d(cudaSurfaceObject_t s, int w, int h)
{
	int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;

	surf2Dwrite(make_float2(x, y), s, x * (int)sizeof(float2), y, cudaBoundaryModeZero);
}

__global__ void rotate(cudaSurfaceObject_t from, cudaSurfaceObject_t to, int w, int h)
{
	int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;

	if (x < w)
		surf2Dwrite(surf2Dread<float2>(from, x * 8, y), to, y * 8, w - 1 - x);
}

static void two()
{
	const int w = 50, h = 20;
	std::vector<float2> got(w * h);
	cudaChannelFormatDesc cd = cudaCreateChannelDesc<float2>();
	cudaArray_t a, b, c;

	CK(cudaMallocArray(&a, &cd, w, h, cudaArraySurfaceLoadStore));
	CK(cudaMallocArray(&b, &cd, h, w, cudaArraySurfaceLoadStore));
	CK(cudaMallocArray(&c, &cd, h, w));
	cudaSurfaceObject_t sa = surface(a), sb = surface(b);
	fill2d<<<dim3(2, h + 3), 32>>>(sa, w, h);
	rotate<<<dim3(2, h), 32>>>(sa, sb, w, h);
	CK_LAUNCH();
	CK(cudaMemcpy2DFromArray(got.data(), h * 8, b, 0, 0, h * 8, w, cudaMemcpyDeviceToHost));
	for (int y = 0; y < w; y++)
		for (int x = 0; x < h; x++)
			EXPECT(got[y * h + x].x == w - 1 - y && got[y * h + x].y == x);
	CK(cudaMemcpy2DArrayToArray(c, 0, 0, b, 0, 0, h * 8, w, cudaMemcpyDeviceToDevice));
	got.assign(w * h, make_float2(0, 0));
	CK(cudaMemcpy2DFromArray(got.data(), h * 8, c, 0, 0, h * 8, w, cudaMemcpyDeviceToHost));
	EXPECT(got[7 * h + 3].x == w - 8 && got[7 * h + 3].y == 3);
	cudaResourceDesc back;
	CK(cudaGetSurfaceObjectResourceDesc(&back, sa));
	EXPECT(back.resType == cudaResourceTypeArray && back.res.array.array == a);
	CK(cudaDestroySurfaceObject(sa));
	CK(cudaDestroySurfaceObject(sb));
	CK(cudaFreeArray(a));
	CK(cudaFreeArray(b));
	CK(cudaFreeArray(c));
}

__global__ void others(cudaSurfaceObject_t s1, cudaSurfaceObject_t s3, cudaSurfaceObject_t sl, cudaSurfaceObject_t sc)
{
	int x = threadIdx.x, y = threadIdx.y, z = blockIdx.x;

	if (y == 0 && z == 0)
		surf1Dwrite((unsigned char)(x * 3), s1, x);
	surf3Dwrite(x + 10 * y + 100 * z, s3, x * 4, y, z);
	surf2DLayeredwrite((short)(x - y - z), sl, x * 2, y, z);
	if (x == y)
		surfCubemapwrite(z * 1.5f, sc, x * 4, y, z);
}

__global__ void check(cudaSurfaceObject_t s1, cudaSurfaceObject_t s3, cudaTextureObject_t t3, int *bad)
{
	int x = threadIdx.x, y = threadIdx.y, z = blockIdx.x;

	if (surf1Dread<unsigned char>(s1, x) != x * 3)
		atomicAdd(bad, 1);
	if (surf1Dread<unsigned char>(s1, x - 100, cudaBoundaryModeClamp) != 0 || surf1Dread<unsigned char>(s1, x + 8, cudaBoundaryModeZero) != 0)
		atomicAdd(bad, 1);
	if (surf3Dread<int>(s3, x * 4, y, z) != x + 10 * y + 100 * z)
		atomicAdd(bad, 1);
	if (tex3D<int>(t3, x + 0.5f, y + 0.5f, z + 0.5f) != x + 10 * y + 100 * z)
		atomicAdd(bad, 1);
}

static void rest()
{
	const int n = 8;
	cudaChannelFormatDesc c8 = cudaCreateChannelDesc<unsigned char>(), ci = cudaCreateChannelDesc<int>(), cs = cudaCreateChannelDesc<short>(),
			      cf = cudaCreateChannelDesc<float>();
	cudaArray_t a1, a3, al, ac;
	cudaMemcpy3DParms m = {};
	std::vector<short> got(n * n * n);
	std::vector<float> faces(n * n * 6);
	dev<int> bad(1);
	cudaResourceDesc r;
	cudaTextureDesc d = {};
	cudaTextureObject_t t;

	CK(cudaMallocArray(&a1, &c8, n, 0, cudaArraySurfaceLoadStore));
	CK(cudaMalloc3DArray(&a3, &ci, make_cudaExtent(n, n, n), cudaArraySurfaceLoadStore));
	CK(cudaMalloc3DArray(&al, &cs, make_cudaExtent(n, n, n), cudaArraySurfaceLoadStore | cudaArrayLayered));
	CK(cudaMalloc3DArray(&ac, &cf, make_cudaExtent(n, n, 6), cudaArraySurfaceLoadStore | cudaArrayCubemap));
	cudaSurfaceObject_t s1 = surface(a1), s3 = surface(a3), sl = surface(al), sc = surface(ac);
	CK(cudaMemset(bad, 0, 4));
	others<<<6, dim3(n, n)>>>(s1, s3, sl, sc);
	r = of_array(a3);
	CK(cudaCreateTextureObject(&t, &r, &d, nullptr));
	check<<<6, dim3(n, n)>>>(s1, s3, t, bad);
	CK_LAUNCH();
	EXPECT(bad.get()[0] == 0);
	m.srcArray = al;
	m.dstPtr = make_cudaPitchedPtr(got.data(), n * 2, n, n);
	m.extent = make_cudaExtent(n, n, 6);
	m.kind = cudaMemcpyDeviceToHost;
	CK(cudaMemcpy3D(&m));
	for (int i = 0; i < n * n * 6; i++)
		EXPECT(got[i] == i % n - i / n % n - i / n / n);
	m.srcArray = ac;
	m.dstPtr = make_cudaPitchedPtr(faces.data(), n * 4, n, n);
	CK(cudaMemcpy3D(&m));
	for (int f = 0; f < 6; f++)
		for (int i = 0; i < n; i++)
			EXPECT(faces[f * n * n + i * n + i] == f * 1.5f);
	CK(cudaDestroyTextureObject(t));
	for (cudaSurfaceObject_t s : { s1, s3, sl, sc })
		CK(cudaDestroySurfaceObject(s));
	for (cudaArray_t a : { a1, a3, al, ac })
		CK(cudaFreeArray(a));
}

/* Asynchronous copies are in the order of their stream. */
static void streams()
{
	const int w = 64, h = 64;
	cudaChannelFormatDesc cd = cudaCreateChannelDesc<float2>();
	cudaArray_t a;
	cudaStream_t st;
	float2 *host;

	CK(cudaStreamCreate(&st));
	CK(cudaMallocHost(&host, w * h * 8));
	CK(cudaMallocArray(&a, &cd, w, h, cudaArraySurfaceLoadStore));
	cudaSurfaceObject_t s = surface(a);
	for (int i = 0; i < w * h; i++)
		host[i] = make_float2(-1, -1);
	CK(cudaMemcpy2DToArrayAsync(a, 0, 0, host, w * 8, w * 8, h, cudaMemcpyHostToDevice, st));
	fill2d<<<dim3(1, h / 2), 32, 0, st>>>(s, w, h);
	CK(cudaMemcpy2DFromArrayAsync(host, w * 8, a, 0, 0, w * 8, h, cudaMemcpyDeviceToHost, st));
	CK(cudaStreamSynchronize(st));
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++)
			EXPECT(x < 32 && y < h / 2 ? host[y * w + x].x == x && host[y * w + x].y == y : host[y * w + x].x == -1);
	CK(cudaDestroySurfaceObject(s));
	CK(cudaFreeArray(a));
	CK(cudaFreeHost(host));
	CK(cudaStreamDestroy(st));
}

__global__ void outside(cudaSurfaceObject_t s)
{
	surf2Dwrite(1.0f, s, 400, 0);   /* traps */
}

static void trap()
{
	cudaChannelFormatDesc cd = cudaCreateChannelDesc<float>();
	cudaArray_t a;

	CK(cudaMallocArray(&a, &cd, 16, 16, cudaArraySurfaceLoadStore));
	outside<<<1, 1>>>(surface(a));
	EXPECT(cudaDeviceSynchronize() != cudaSuccess);
}

int main()
{
	two();
	rest();
	streams();
	trap();
	return finish("surfaces");
}

/* Texture objects: one to three dimensions, layers, cube maps, mip levels, plain and pitched memory; filters, formats, modes. */
#include "check.h"

static cudaTextureObject_t texture(const cudaResourceDesc &res, cudaTextureAddressMode mode, cudaTextureFilterMode filter,
				   cudaTextureReadMode read, bool normalized)
{
	cudaTextureDesc d = {};
	cudaTextureObject_t t = 0;

	for (int i = 0; i < 3; i++)
		d.addressMode[i] = mode;
	d.filterMode = filter;
	d.readMode = read;
	d.normalizedCoords = normalized;
	d.maxMipmapLevelClamp = 100;
	CK(cudaCreateTextureObject(&t, &res, &d, nullptr));
	EXPECT(t != 0);
	return t;
}

static cudaResourceDesc of_array(cudaArray_t a)
{
	cudaResourceDesc r = {};

	r.resType = cudaResourceTypeArray;
	r.res.array.array = a;
	return r;
}

/* ---- memory ---- */

__global__ void fetch(cudaTextureObject_t t, int n, float *o)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		o[i] = tex1Dfetch<float>(t, i - 3);
}

static void linear()
{
	const int n = 1000;
	std::vector<float> v(n);
	cudaResourceDesc r = {};
	cudaTextureDesc d = {};
	cudaTextureObject_t t;

	for (int i = 0; i < n; i++)
		v[i] = i + 0.5f;
	dev<float> m(v), o(n + 6);
	r.resType = cudaResourceTypeLinear;
	r.res.linear.devPtr = m.p;
	r.res.linear.desc = cudaCreateChannelDesc<float>();
	r.res.linear.sizeInBytes = n * 4;
	CK(cudaCreateTextureObject(&t, &r, &d, nullptr));
	fetch<<<8, 128>>>(t, n + 6, o);
	CK_LAUNCH();
	std::vector<float> got = o.get();
	for (int i = 0; i < n + 6; i++)
		EXPECT(got[i] == (i < 3 || i >= n + 3 ? 0 : v[i - 3]));
	CK(cudaDestroyTextureObject(t));
	r.res.linear.devPtr = m.p + 1;
	EXPECT(cudaCreateTextureObject(&t, &r, &d, nullptr) != cudaSuccess);
	(void)cudaGetLastError();
}

__global__ void sample2d(cudaTextureObject_t t, int w, int h, float x0, float y0, float dx, float dy, float4 *o)
{
	int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;

	if (x < w && y < h)
		o[y * w + x] = tex2D<float4>(t, x0 + dx * x, y0 + dy * y);
}

static void pitched()
{
	const int w = 37, h = 21;
	std::vector<uchar4> v(w * h);
	cudaResourceDesc r = {};
	size_t pitch;
	uchar4 *m;

	for (int i = 0; i < w * h; i++)
		v[i] = make_uchar4(i, i * 3, i / w, 255 - i);
	CK(cudaMallocPitch(&m, &pitch, w * 4, h));
	CK(cudaMemcpy2D(m, pitch, v.data(), w * 4, w * 4, h, cudaMemcpyHostToDevice));
	r.resType = cudaResourceTypePitch2D;
	r.res.pitch2D.devPtr = m;
	r.res.pitch2D.desc = cudaCreateChannelDesc<uchar4>();
	r.res.pitch2D.width = w;
	r.res.pitch2D.height = h;
	r.res.pitch2D.pitchInBytes = pitch;
	cudaTextureObject_t t = texture(r, cudaAddressModeClamp, cudaFilterModeLinear, cudaReadModeNormalizedFloat, false);
	dev<float4> o(w * h);
	sample2d<<<dim3(2, h), 32>>>(t, w, h, 1.0f, 0.5f, 1, 1, o);   /* between texels in x */
	CK_LAUNCH();
	std::vector<float4> got = o.get();
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			uchar4 a = v[y * w + x], b = v[y * w + (x + 1 < w ? x + 1 : x)];
			float4 g = got[y * w + x];
			EXPECT(near_rel(g.x, (a.x + b.x) / 510.0, 1.0 / 65535) && near_rel(g.y, (a.y + b.y) / 510.0, 1.0 / 65535));
			EXPECT(near_rel(g.z, (a.z + b.z) / 510.0, 1.0 / 65535) && near_rel(g.w, (a.w + b.w) / 510.0, 1.0 / 65535));
		}
	CK(cudaDestroyTextureObject(t));
	CK(cudaFree(m));
}

/* ---- arrays ---- */

__global__ void sample1d(cudaTextureObject_t t, int n, float x0, float dx, float *o)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		o[i] = tex1D<float>(t, x0 + dx * i);
}

static void one_dimension()
{
	const int n = 16;
	std::vector<float> v(n);
	cudaChannelFormatDesc cd = cudaCreateChannelDesc<float>();
	cudaExtent ext;
	cudaArray_t a;
	unsigned flags;

	for (int i = 0; i < n; i++)
		v[i] = i * i;
	CK(cudaMallocArray(&a, &cd, n));
	CK(cudaArrayGetInfo(&cd, &ext, &flags, a));
	EXPECT(cd.x == 32 && cd.f == cudaChannelFormatKindFloat && ext.width == n && ext.height == 0 && flags == 0);
	CK(cudaMemcpy2DToArray(a, 0, 0, v.data(), n * 4, n * 4, 1, cudaMemcpyHostToDevice));
	dev<float> o(4 * n);
	for (int wrap = 0; wrap < 2; wrap++) {
		cudaTextureObject_t t = texture(of_array(a), wrap ? cudaAddressModeWrap : cudaAddressModeMirror, cudaFilterModePoint,
						cudaReadModeElementType, true);
		sample1d<<<1, 4 * n>>>(t, 4 * n, -2 + 0.5f / n, 1.0f / n, o);
		CK_LAUNCH();
		std::vector<float> got = o.get();
		for (int i = 0; i < 4 * n; i++) {
			int k = i % n;
			EXPECT(got[i] == v[wrap || i / n % 2 == 0 ? k : n - 1 - k]);
		}
		CK(cudaDestroyTextureObject(t));
	}
	CK(cudaFreeArray(a));
}

__global__ void border2d(cudaTextureObject_t t, float4 *o)
{
	int i = threadIdx.x;
	int4 v = tex2D<int4>(t, i - 1.5f, 0.5f);

	o[i] = make_float4(v.x, v.y, v.z, v.w);
}

static void two_dimensions()
{
	const int w = 8, h = 5;
	std::vector<float4> v(w * h);
	std::vector<int4> iv(w * h);
	cudaChannelFormatDesc cd = cudaCreateChannelDesc<float4>();
	cudaArray_t a, b;

	for (int i = 0; i < w * h; i++) {
		v[i] = make_float4(i, -i, i * 0.5f, 1);
		iv[i] = make_int4(i, -i, 7, i << 20);
	}
	CK(cudaMallocArray(&a, &cd, w, h));
	CK(cudaMemcpy2DToArray(a, 0, 0, v.data(), w * 16, w * 16, h, cudaMemcpyHostToDevice));
	cudaTextureObject_t t = texture(of_array(a), cudaAddressModeBorder, cudaFilterModeLinear, cudaReadModeElementType, false);
	dev<float4> o(w * h);
	sample2d<<<dim3(1, h), w>>>(t, w, h, 0.25f, 0.75f, 1, 1, o);
	CK_LAUNCH();
	std::vector<float4> got = o.get();
	auto at = [&](int x, int y) { return x < 0 || y < 0 || x >= w || y >= h ? make_float4(0, 0, 0, 0) : v[y * w + x]; };
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			float4 p = at(x - 1, y), q = at(x, y), r = at(x - 1, y + 1), s = at(x, y + 1);
			EXPECT(got[y * w + x].x == 0.75f * (0.25f * p.x + 0.75f * q.x) + 0.25f * (0.25f * r.x + 0.75f * s.x));
			EXPECT(got[y * w + x].w == 0.75f * (0.25f * p.w + 0.75f * q.w) + 0.25f * (0.25f * r.w + 0.75f * s.w));
		}
	CK(cudaDestroyTextureObject(t));
	cd = cudaCreateChannelDesc<int4>();
	CK(cudaMallocArray(&b, &cd, w, h));
	CK(cudaMemcpy2DToArray(b, 0, 0, iv.data(), w * 16, w * 16, h, cudaMemcpyHostToDevice));
	t = texture(of_array(b), cudaAddressModeBorder, cudaFilterModePoint, cudaReadModeElementType, false);
	border2d<<<1, 12>>>(t, o);
	CK_LAUNCH();
	got = o.get();
	for (int i = 0; i < 12; i++) {
		bool in = i >= 2 && i < 10;
		EXPECT(got[i].x == (in ? i - 2 : 0) && got[i].y == (in ? 2 - i : 0) && got[i].z == (in ? 7 : 0));
	}
	CK(cudaDestroyTextureObject(t));
	/* integers can't be filtered */
	cudaTextureDesc d = {};
	cudaResourceDesc res = of_array(b);
	d.filterMode = cudaFilterModeLinear;
	EXPECT(cudaCreateTextureObject(&t, &res, &d, nullptr) != cudaSuccess);
	(void)cudaGetLastError();
	CK(cudaFreeArray(a));
	CK(cudaFreeArray(b));
}

__global__ void sample3d(cudaTextureObject_t t, int n, float *o)
{
	int x = threadIdx.x, y = threadIdx.y, z = blockIdx.x;

	o[(z * n + y) * n + x] = tex3D<float>(t, (x + 1.0f) / n, (y + 0.5f) / n, (z + 0.5f) / n);
}

static void three_dimensions()
{
	const int n = 6;
	std::vector<float> v(n * n * n), back(n * n * n);
	cudaChannelFormatDesc cd = cudaCreateChannelDesc<float>();
	cudaMemcpy3DParms m = {};
	cudaArray_t a;

	for (size_t i = 0; i < v.size(); i++)
		v[i] = i;
	CK(cudaMalloc3DArray(&a, &cd, make_cudaExtent(n, n, n)));
	m.srcPtr = make_cudaPitchedPtr(v.data(), n * 4, n, n);
	m.dstArray = a;
	m.extent = make_cudaExtent(n, n, n);
	m.kind = cudaMemcpyHostToDevice;
	CK(cudaMemcpy3D(&m));
	cudaTextureObject_t t = texture(of_array(a), cudaAddressModeWrap, cudaFilterModeLinear, cudaReadModeElementType, true);
	dev<float> o(v.size());
	sample3d<<<n, dim3(n, n)>>>(t, n, o);
	CK_LAUNCH();
	std::vector<float> got = o.get();
	for (int z = 0; z < n; z++)
		for (int y = 0; y < n; y++)
			for (int x = 0; x < n; x++) {
				const float *row = &v[(z * n + y) * n];
				/* 1/6 is no fraction of 256: the weight may be one off */
				EXPECT(std::fabs(got[(z * n + y) * n + x] - (row[x] + row[(x + 1) % n]) / 2) < 1.0f / 16);
			}
	CK(cudaDestroyTextureObject(t));
	cudaMemcpy3DParms b = {};
	b.srcArray = a;
	b.srcPos = make_cudaPos(1, 2, 3);
	b.dstPtr = make_cudaPitchedPtr(back.data(), n * 4, n, n);
	b.extent = make_cudaExtent(4, 3, 2);
	b.kind = cudaMemcpyDeviceToHost;
	CK(cudaMemcpy3D(&b));
	for (int z = 0; z < 2; z++)
		for (int y = 0; y < 3; y++)
			for (int x = 0; x < 4; x++)
				EXPECT(back[(z * n + y) * n + x] == v[((z + 3) * n + y + 2) * n + x + 1]);
	b.srcPos = make_cudaPos(4, 0, 0);
	EXPECT(cudaMemcpy3D(&b) != cudaSuccess);
	(void)cudaGetLastError();
	CK(cudaFreeArray(a));
}

/* ---- layers, cubes, levels ---- */

__global__ void layers(cudaTextureObject_t t1, cudaTextureObject_t t2, int *o)
{
	int l = blockIdx.x, x = threadIdx.x;

	o[(l * 8 + x) * 2] = tex1DLayered<short>(t1, x + 0.5f, l);
	o[(l * 8 + x) * 2 + 1] = tex2DLayered<ushort2>(t2, x + 0.5f, 1.5f, l).y;
}

static void layered()
{
	const int w = 8, h = 3, n = 5;
	std::vector<short> v(w * n);
	std::vector<ushort2> u(w * h * n);
	cudaChannelFormatDesc c1 = cudaCreateChannelDesc<short>(), c2 = cudaCreateChannelDesc<ushort2>();
	cudaMemcpy3DParms m = {};
	cudaArray_t a, b;

	for (int i = 0; i < w * n; i++)
		v[i] = i * -11;
	for (int i = 0; i < w * h * n; i++)
		u[i] = make_ushort2(i, i * 9);
	CK(cudaMalloc3DArray(&a, &c1, make_cudaExtent(w, 0, n), cudaArrayLayered));
	CK(cudaMalloc3DArray(&b, &c2, make_cudaExtent(w, h, n), cudaArrayLayered));
	m.srcPtr = make_cudaPitchedPtr(v.data(), w * 2, w, 1);
	m.dstArray = a;
	m.extent = make_cudaExtent(w, 1, n);
	m.kind = cudaMemcpyHostToDevice;
	CK(cudaMemcpy3D(&m));
	m.srcPtr = make_cudaPitchedPtr(u.data(), w * 4, w, h);
	m.dstArray = b;
	m.extent = make_cudaExtent(w, h, n);
	CK(cudaMemcpy3D(&m));
	cudaTextureObject_t t1 = texture(of_array(a), cudaAddressModeClamp, cudaFilterModePoint, cudaReadModeElementType, false);
	cudaTextureObject_t t2 = texture(of_array(b), cudaAddressModeClamp, cudaFilterModePoint, cudaReadModeElementType, false);
	dev<int> o(2 * w * (n + 1));
	layers<<<n + 1, w>>>(t1, t2, o);   /* the one behind the last layer is the last one */
	CK_LAUNCH();
	std::vector<int> got = o.get();
	for (int l = 0; l <= n; l++)
		for (int x = 0; x < w; x++) {
			int k = l < n ? l : n - 1;
			EXPECT(got[(l * w + x) * 2] == v[k * w + x]);
			EXPECT(got[(l * w + x) * 2 + 1] == u[(k * h + 1) * w + x].y);
		}
	CK(cudaDestroyTextureObject(t1));
	CK(cudaDestroyTextureObject(t2));
	CK(cudaFreeArray(a));
	CK(cudaFreeArray(b));
}

__global__ void cubes(cudaTextureObject_t t, cudaTextureObject_t tl, float *o)
{
	const float v[6][3] = { { 1, .1f, .1f }, { -1, .1f, .1f }, { .1f, 1, .1f }, { .1f, -1, .1f }, { .1f, .1f, 1 }, { .1f, .1f, -1 } };
	int f = threadIdx.x;

	o[f] = texCubemap<float>(t, v[f][0], v[f][1], v[f][2]);
	o[6 + f] = texCubemapLayered<float>(tl, v[f][0], v[f][1], v[f][2], 1);
}

static void cube()
{
	const int n = 4;
	std::vector<float> v(n * n * 12);
	cudaChannelFormatDesc cd = cudaCreateChannelDesc<float>();
	cudaMemcpy3DParms m = {};
	cudaArray_t a, b;

	for (size_t i = 0; i < v.size(); i++)
		v[i] = i / (n * n);
	CK(cudaMalloc3DArray(&a, &cd, make_cudaExtent(n, n, 6), cudaArrayCubemap));
	CK(cudaMalloc3DArray(&b, &cd, make_cudaExtent(n, n, 12), cudaArrayCubemap | cudaArrayLayered));
	m.srcPtr = make_cudaPitchedPtr(v.data(), n * 4, n, n);
	m.dstArray = a;
	m.extent = make_cudaExtent(n, n, 6);
	m.kind = cudaMemcpyHostToDevice;
	CK(cudaMemcpy3D(&m));
	m.dstArray = b;
	m.extent = make_cudaExtent(n, n, 12);
	CK(cudaMemcpy3D(&m));
	cudaTextureObject_t t = texture(of_array(a), cudaAddressModeClamp, cudaFilterModeLinear, cudaReadModeElementType, true);
	cudaTextureObject_t tl = texture(of_array(b), cudaAddressModeClamp, cudaFilterModeLinear, cudaReadModeElementType, true);
	dev<float> o(12);
	cubes<<<1, 6>>>(t, tl, o);
	CK_LAUNCH();
	std::vector<float> got = o.get();
	for (int f = 0; f < 12; f++)
		EXPECT(got[f] == f);
	CK(cudaDestroyTextureObject(t));
	CK(cudaDestroyTextureObject(tl));
	CK(cudaFreeArray(a));
	CK(cudaFreeArray(b));
}

__global__ void levels(cudaTextureObject_t t, float *o)
{
	int i = threadIdx.x;

	o[i] = tex2DLod<float>(t, 0.3f, 0.7f, i * 0.25f - 0.5f);
	o[32 + i] = tex2DGrad<float>(t, 0.3f, 0.7f, make_float2(i / 16.0f, 0), make_float2(0, 0));
	o[64 + i] = tex2D<float>(t, 0.3f, 0.7f);
}

static void mipmaps()
{
	const int n = 16;
	cudaChannelFormatDesc cd = cudaCreateChannelDesc<float>();
	cudaMipmappedArray_t mip;
	cudaResourceDesc r = {};
	cudaTextureDesc d = {};
	cudaTextureObject_t t;
	cudaArray_t a;

	CK(cudaMallocMipmappedArray(&mip, &cd, make_cudaExtent(n, n, 0), 5));
	for (int l = 0; l < 5; l++) {
		int w = n >> l;
		std::vector<float> v(w * w, l * 10);
		cudaExtent ext;
		unsigned flags;

		CK(cudaGetMipmappedArrayLevel(&a, mip, l));
		CK(cudaArrayGetInfo(&cd, &ext, &flags, a));
		EXPECT((int)ext.width == w && (int)ext.height == w);
		CK(cudaMemcpy2DToArray(a, 0, 0, v.data(), w * 4, w * 4, w, cudaMemcpyHostToDevice));
	}
	EXPECT(cudaGetMipmappedArrayLevel(&a, mip, 5) != cudaSuccess);
	(void)cudaGetLastError();
	r.resType = cudaResourceTypeMipmappedArray;
	r.res.mipmap.mipmap = mip;
	d.filterMode = d.mipmapFilterMode = cudaFilterModeLinear;
	d.normalizedCoords = 1;
	d.maxMipmapLevelClamp = 3;
	CK(cudaCreateTextureObject(&t, &r, &d, nullptr));
	dev<float> o(96);
	levels<<<1, 32>>>(t, o);
	CK_LAUNCH();
	std::vector<float> got = o.get();
	for (int i = 0; i < 32; i++) {
		float lod = i * 0.25f - 0.5f, want = lod < 0 ? 0 : lod > 3 ? 3 : lod;
		EXPECT(got[i] == want * 10);
		want = i < 2 ? 0 : std::log2((float)i);
		EXPECT(std::fabs(got[32 + i] - 10 * (want > 3 ? 3 : want)) < 0.05f);
		EXPECT(got[64 + i] == 0);
	}
	CK(cudaDestroyTextureObject(t));
	/* a view of the two middle levels */
	cudaResourceViewDesc v = {};
	v.format = cudaResViewFormatFloat1;
	v.width = v.height = n;
	v.firstMipmapLevel = 1;
	v.lastMipmapLevel = 2;
	CK(cudaCreateTextureObject(&t, &r, &d, &v));
	levels<<<1, 32>>>(t, o);
	CK_LAUNCH();
	got = o.get();
	EXPECT(got[0] == 10 && got[4] == 15 && got[31] == 20);
	CK(cudaDestroyTextureObject(t));
	CK(cudaFreeMipmappedArray(mip));
}

/* ---- formats ---- */

__global__ void gather(cudaTextureObject_t t, float4 *o)
{
	o[0] = tex2Dgather<float4>(t, 2.0f, 1.0f, 1);
	o[1] = tex2D<float4>(t, 0.5f, 0.5f);
}

static void formats()
{
	const unsigned short half[4] = { 0x3c00, 0xc000, 0x3555, 0x7c00 };
	std::vector<uchar2> v(16);
	std::vector<uchar4> s(1, make_uchar4(0, 128, 255, 128));
	cudaChannelFormatDesc cd = cudaCreateChannelDesc<uchar2>();
	cudaArray_t a;
	cudaTextureDesc d = {};
	cudaTextureObject_t t;

	for (int i = 0; i < 16; i++)
		v[i] = make_uchar2(i, i * 10);
	CK(cudaMallocArray(&a, &cd, 4, 4, cudaArrayTextureGather));
	CK(cudaMemcpy2DToArray(a, 0, 0, v.data(), 8, 8, 4, cudaMemcpyHostToDevice));
	t = texture(of_array(a), cudaAddressModeClamp, cudaFilterModePoint, cudaReadModeNormalizedFloat, false);
	dev<float4> o(2);
	gather<<<1, 1>>>(t, o);
	CK_LAUNCH();
	std::vector<float4> got = o.get();
	EXPECT(got[0].x == 50 / 255.0f && got[0].y == 60 / 255.0f && got[0].z == 20 / 255.0f && got[0].w == 10 / 255.0f);
	CK(cudaDestroyTextureObject(t));
	CK(cudaFreeArray(a));
	cd = cudaCreateChannelDescHalf4();
	CK(cudaMallocArray(&a, &cd, 1, 1));
	CK(cudaMemcpy2DToArray(a, 0, 0, half, 8, 8, 1, cudaMemcpyHostToDevice));
	t = texture(of_array(a), cudaAddressModeClamp, cudaFilterModePoint, cudaReadModeElementType, false);
	gather<<<1, 1>>>(t, o);
	CK_LAUNCH();
	got = o.get();
	EXPECT(got[1].x == 1 && got[1].y == -2 && got[1].z == 0.333251953125f && std::isinf(got[1].w));
	CK(cudaDestroyTextureObject(t));
	CK(cudaFreeArray(a));
	cd = cudaCreateChannelDesc<uchar4>();
	CK(cudaMallocArray(&a, &cd, 1, 1));
	CK(cudaMemcpy2DToArray(a, 0, 0, s.data(), 4, 4, 1, cudaMemcpyHostToDevice));
	d.readMode = cudaReadModeNormalizedFloat;
	d.sRGB = 1;
	cudaResourceDesc r = of_array(a);
	CK(cudaCreateTextureObject(&t, &r, &d, nullptr));
	gather<<<1, 1>>>(t, o);
	CK_LAUNCH();
	got = o.get();
	EXPECT(got[1].x == 0 && std::fabs(got[1].y - 0.2158605f) < 1.0f / 1024 && got[1].z == 1 && got[1].w == 128 / 255.0f);
	cudaTextureDesc back;
	cudaResourceDesc rback;
	CK(cudaGetTextureObjectTextureDesc(&back, t));
	CK(cudaGetTextureObjectResourceDesc(&rback, t));
	EXPECT(back.sRGB && back.readMode == cudaReadModeNormalizedFloat && rback.resType == cudaResourceTypeArray && rback.res.array.array == a);
	CK(cudaDestroyTextureObject(t));
	CK(cudaFreeArray(a));
}

int main()
{
	linear();
	pitched();
	one_dimension();
	two_dimensions();
	three_dimensions();
	layered();
	cube();
	mipmaps();
	formats();
	return finish("textures");
}

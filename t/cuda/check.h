/* check.h: what the self-checking CUDA programs share. Each computes on the
 * device and on the CPU, compares, prints PASS or FAIL, and exits 0 or 1. */
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
#include <cuda_runtime.h>

static int check_failures;

#define CK(call)                                                                                     \
	do {                                                                                         \
		cudaError_t ck_e = (call);                                                           \
		if (ck_e != cudaSuccess) {                                                           \
			printf("FAIL %s:%d: %s: %d %s\n", __FILE__, __LINE__, #call, (int)ck_e,      \
			       cudaGetErrorName(ck_e));                                              \
			exit(1);                                                                     \
		}                                                                                    \
	} while (0)

#define EXPECT(cond)                                                                                 \
	do {                                                                                         \
		if (!(cond)) {                                                                       \
			if (check_failures++ < 10)                                                   \
				printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #cond);               \
		}                                                                                    \
	} while (0)

#define EXPECT_ERR(call, want)                                                                       \
	do {                                                                                         \
		cudaError_t ck_e = (call);                                                           \
		if (ck_e != (want)) {                                                                \
			check_failures++;                                                            \
			printf("FAIL %s:%d: %s: %d %s, want %s\n", __FILE__, __LINE__, #call,        \
			       (int)ck_e, cudaGetErrorName(ck_e), cudaGetErrorName(want));           \
		}                                                                                    \
	} while (0)

/* A launch that must be accepted. */
#define CK_LAUNCH() CK(cudaGetLastError())

static inline bool near_rel(double got, double want, double rel)
{
	return std::fabs(got - want) <= rel * std::fmax(1.0, std::fabs(want));
}

static inline uint32_t lcg(uint32_t &s)
{
	return s = s * 1664525u + 1013904223u;
}

static inline float unit(uint32_t &s)
{
	return (lcg(s) >> 8) * (1.0f / 16777216.0f);
}

static inline int finish(const char *name)
{
	printf("%s %s\n", check_failures ? "FAIL" : "PASS", name);
	return check_failures != 0;
}

template <class T> struct dev {
	T *p = nullptr;
	size_t n;
	explicit dev(size_t count) : n(count) { CK(cudaMalloc(&p, n * sizeof(T))); }
	explicit dev(const std::vector<T> &v) : n(v.size())
	{
		CK(cudaMalloc(&p, n * sizeof(T)));
		CK(cudaMemcpy(p, v.data(), n * sizeof(T), cudaMemcpyHostToDevice));
	}
	~dev() { cudaFree(p); }
	dev(const dev &) = delete;
	dev &operator=(const dev &) = delete;
	operator T *() const { return p; }
	std::vector<T> get() const
	{
		std::vector<T> v(n);
		CK(cudaMemcpy(v.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost));
		return v;
	}
};

/*
 * nv_entry.c: expands api/api.def: the exported functions. See vnv.h for how
 * a row becomes a function.
 */
#define VNV_API_WEAK 1
#include "libnvml-vgpu/vnv.h"
#include "util/calltrace.h"

bool vnv_trace;

static nvmlReturn_t enter(unsigned flags)
{
	if (flags & VNV_F_NOINIT)
		return NVML_SUCCESS;
	vnv_lock();
	if (!vnv_ready()) {
		vnv_unlock();
		return NVML_ERROR_UNINITIALIZED;
	}
	if (flags & VNV_F_UNLOCKED)
		vnv_unlock();
	return NVML_SUCCESS;
}

static void leave(unsigned flags)
{
	if (!(flags & (VNV_F_NOINIT | VNV_F_UNLOCKED)))
		vnv_unlock();
}

/* CHECK_ARGS(flags, a, b): the first of them that is a handle and not a good one decides. */
static inline nvmlReturn_t check_other(const void *p, unsigned flags)
{
	return NVML_SUCCESS;
}

static inline nvmlReturn_t check_dev(const void *p, unsigned flags)
{
	return vnv_check_device(*(nvmlDevice_t const *)p, flags);
}

static inline nvmlReturn_t check_gi(const void *p, unsigned flags)
{
	return vnv_check_gi(*(nvmlGpuInstance_t const *)p);
}

static inline nvmlReturn_t check_ci(const void *p, unsigned flags)
{
	return vnv_check_ci(*(nvmlComputeInstance_t const *)p);
}

#define CHECK(x)                                                                                 \
	if (!r)                                                                                  \
		r = _Generic((x), nvmlDevice_t: check_dev, nvmlGpuInstance_t: check_gi,          \
			     nvmlComputeInstance_t: check_ci, default: check_other)(&(x), f);
#define CH_0()
#define CH_1(a) CHECK(a)
#define CH_2(a, ...) CHECK(a) CH_1(__VA_ARGS__)
#define CH_3(a, ...) CHECK(a) CH_2(__VA_ARGS__)
#define CH_4(a, ...) CHECK(a) CH_3(__VA_ARGS__)
#define CH_5(a, ...) CHECK(a) CH_4(__VA_ARGS__)
#define CH_6(a, ...) CHECK(a) CH_5(__VA_ARGS__)
#define CH_PICK(z, a1, a2, a3, a4, a5, a6, m, ...) m
#define CHECK_ARGS(...) CH_PICK(0, ##__VA_ARGS__, CH_6, CH_5, CH_4, CH_3, CH_2, CH_1, CH_0)(__VA_ARGS__)

#define NV_FN(base, ver, flags, params, args)                                                    \
	VGPU_EXPORT nvmlReturn_t nvml##base##ver params;                                         \
	VGPU_EXPORT nvmlReturn_t nvml##base##ver params                                          \
	{                                                                                        \
		const unsigned f VGPU_UNUSED = flags;                                            \
		nvmlReturn_t r = enter(f);                                                       \
                                                                                                 \
		if (!r) {                                                                        \
			CHECK_ARGS args                                                          \
			if (!r)                                                                  \
				r = vnv_##base##ver ? vnv_##base##ver args : NVML_ERROR_NOT_SUPPORTED; \
			leave(f);                                                                \
		}                                                                                \
		if (unlikely(vnv_trace)) {                                                       \
			struct vgpu_trace_arg a[] = { VGPU_TRACE_ARGS args { NULL, 0, 0 } };     \
                                                                                                 \
			vgpu_calltrace("nvml" #base #ver, #args, a, ARRAY_SIZE(a) - 1, (int)r);  \
		}                                                                                \
		return r;                                                                        \
	}
#define NV_TEXT_FN(base, params, args)                                                           \
	VGPU_EXPORT const char *nvml##base params;                                               \
	VGPU_EXPORT const char *nvml##base params                                                \
	{                                                                                        \
		return vnv_##base args;                                                          \
	}
#include "libnvml-vgpu/api/api.def"
#undef NV_FN
#undef NV_TEXT_FN

static void __attribute__((constructor)) loaded(void)
{
	vnv_trace = vgpu_calltrace_init();
}

static void __attribute__((destructor)) unloaded(void)
{
	vnv_trace = false;
	vgpu_calltrace_fini();
}

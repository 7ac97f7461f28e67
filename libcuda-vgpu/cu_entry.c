/*
 * cu_entry.c: expands api/api.def: the exported functions and the table that
 * cuGetProcAddress searches. See vcu.h for how a row becomes a function.
 */
#define VCU_API_WEAK 1
#include "libcuda-vgpu/vcu_api.h"
#include "libcuda-vgpu/vcu_entry.h"

/* TRACE_ARGS((a, b)) → { &a, … }, { &b, … }, up to 16 arguments. */
#define TA(x)                                                                                    \
	{ &(x), sizeof(x), __builtin_types_compatible_p(__typeof__(x), const char *)             \
		? VCU_TRACE_TEXT : __builtin_classify_type(x) },
#define TA_0()
#define TA_1(a) TA(a)
#define TA_2(a, ...) TA(a) TA_1(__VA_ARGS__)
#define TA_3(a, ...) TA(a) TA_2(__VA_ARGS__)
#define TA_4(a, ...) TA(a) TA_3(__VA_ARGS__)
#define TA_5(a, ...) TA(a) TA_4(__VA_ARGS__)
#define TA_6(a, ...) TA(a) TA_5(__VA_ARGS__)
#define TA_7(a, ...) TA(a) TA_6(__VA_ARGS__)
#define TA_8(a, ...) TA(a) TA_7(__VA_ARGS__)
#define TA_9(a, ...) TA(a) TA_8(__VA_ARGS__)
#define TA_10(a, ...) TA(a) TA_9(__VA_ARGS__)
#define TA_11(a, ...) TA(a) TA_10(__VA_ARGS__)
#define TA_12(a, ...) TA(a) TA_11(__VA_ARGS__)
#define TA_13(a, ...) TA(a) TA_12(__VA_ARGS__)
#define TA_14(a, ...) TA(a) TA_13(__VA_ARGS__)
#define TA_15(a, ...) TA(a) TA_14(__VA_ARGS__)
#define TA_16(a, ...) TA(a) TA_15(__VA_ARGS__)
#define TA_PICK(z, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, m, ...) m
#define TRACE_ARGS(...)                                                                          \
	TA_PICK(0, ##__VA_ARGS__, TA_16, TA_15, TA_14, TA_13, TA_12, TA_11, TA_10, TA_9, TA_8, TA_7, \
		TA_6, TA_5, TA_4, TA_3, TA_2, TA_1, TA_0)(__VA_ARGS__)

/* One exported function. A weak vcu_ function is NULL when nobody defines it. */
#define ENTRY(symbol, impl, flags, pt, params, args)                                             \
	VGPU_EXPORT CUresult symbol params;                                                      \
	VGPU_EXPORT CUresult symbol params                                                       \
	{                                                                                        \
		struct vcu_tls *vcu_t = &vcu_tls;                                                \
		bool vcu_pt = vcu_t->per_thread;                                                 \
		CUresult vcu_r = vcu_enter(vcu_t, flags, pt, __builtin_return_address(0));       \
                                                                                                 \
		if (likely(!vcu_r))                                                              \
			vcu_r = impl ? impl args : CUDA_ERROR_NOT_SUPPORTED;                     \
		vcu_leave(vcu_t, vcu_pt);                                                        \
		if (unlikely(vcu_debug & VCU_DEBUG_API)) {                                       \
			struct vcu_trace_arg vcu_a[] = { TRACE_ARGS args { NULL, 0, 0 } };       \
                                                                                                 \
			vcu_trace_call(#symbol, #args, vcu_a, ARRAY_SIZE(vcu_a) - 1, vcu_r);     \
		}                                                                                \
		return vcu_r;                                                                    \
	}

#define CU_FN(base, ver, since, flags, params, args) \
	ENTRY(cu##base##ver, vcu_##base##ver, flags, false, params, args)
#define CU_FN_PT(base, ver, since, pt, pt_since, flags, params, args)   \
	ENTRY(cu##base##ver, vcu_##base##ver, flags, false, params, args) \
	ENTRY(cu##base##ver##pt, vcu_##base##ver, flags, true, params, args)
#include "libcuda-vgpu/api/api.def"
#undef CU_FN
#undef CU_FN_PT

const struct vcu_entry vcu_entries[] = {
#define CU_FN(base, ver, since, flags, params, args) \
	{ "cu" #base, "cu" #base #ver, (void *)cu##base##ver, since, 0 },
#define CU_FN_PT(base, ver, since, pt, pt_since, flags, params, args)                             \
	{ "cu" #base, "cu" #base #ver, (void *)cu##base##ver, since, 0 },                         \
	{ "cu" #base, "cu" #base #ver #pt, (void *)cu##base##ver##pt, pt_since, VCU_ENTRY_PT },
#include "libcuda-vgpu/api/api.def"
#undef CU_FN
#undef CU_FN_PT
};
const unsigned vcu_n_entries = ARRAY_SIZE(vcu_entries);
_Static_assert(ARRAY_SIZE(vcu_entries) == 637, "CUDA 13.0 has 637 entry points");

/* Whether entry i is implemented: a second table, since weak addresses are no constants for bool. */
static void *const vcu_impls[] = {
#define CU_FN(base, ver, since, flags, params, args) (void *)vcu_##base##ver,
#define CU_FN_PT(base, ver, since, pt, pt_since, flags, params, args) (void *)vcu_##base##ver, (void *)vcu_##base##ver,
#include "libcuda-vgpu/api/api.def"
#undef CU_FN
#undef CU_FN_PT
};

bool vcu_entry_implemented(unsigned i)
{
	return i < vcu_n_entries && vcu_impls[i];
}

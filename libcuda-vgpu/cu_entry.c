/*
 * cu_entry.c: expands api/api.def: the exported functions and the table that
 * cuGetProcAddress searches. See vcu.h for how a row becomes a function.
 */
#define VCU_API_WEAK 1
#include "libcuda-vgpu/vcu_api.h"
#include "libcuda-vgpu/vcu_entry.h"
#include "util/calltrace.h"

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
			struct vgpu_trace_arg vcu_a[] = { VGPU_TRACE_ARGS args { NULL, 0, 0 } };       \
                                                                                                 \
			vgpu_calltrace(#symbol, #args, vcu_a, ARRAY_SIZE(vcu_a) - 1, (int)vcu_r);     \
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

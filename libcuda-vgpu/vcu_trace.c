/* vcu_trace.c: what $VGPU_DEBUG asks for: calls traced (by util/calltrace.c), memory checked. */
#include "libcuda-vgpu/vcu_entry.h"
#include "libcuda-vgpu/vcu_process.h"
#include "util/calltrace.h"

unsigned vcu_debug;

static void __attribute__((constructor)) trace_init(void)
{
	if (vgpu_calltrace_init())
		vcu_debug |= VCU_DEBUG_API;
	if (vgpu_debug_word("memcheck"))
		vcu_debug |= VCU_DEBUG_MEMCHECK;
	if (vgpu_debug_word("leaks"))
		vcu_debug |= VCU_DEBUG_LEAKS;
}

void vcu_trace_fini(void)
{
	vcu_debug = 0;
	vgpu_calltrace_fini();
}

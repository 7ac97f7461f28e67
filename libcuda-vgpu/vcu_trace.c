/* vcu_trace.c: whether calls are traced; the trace itself is util/calltrace.c. */
#include "libcuda-vgpu/vcu_entry.h"
#include "libcuda-vgpu/vcu_process.h"
#include "util/calltrace.h"

unsigned vcu_debug;

static void __attribute__((constructor)) trace_init(void)
{
	if (vgpu_calltrace_init())
		vcu_debug |= VCU_DEBUG_API;
}

void vcu_trace_fini(void)
{
	vcu_debug = 0;
	vgpu_calltrace_fini();
}

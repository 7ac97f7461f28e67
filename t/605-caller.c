/* 605-caller.c: stands in for one of NVIDIA's libraries: calls the driver from a module with such a name. */
#include "libcuda-vgpu/cu_abi.h"
#include "util/compiler.h"

typedef CUresult (*get_attribute)(int *, CUdevice_attribute, CUdevice);

VGPU_EXPORT CUresult call_attribute(get_attribute fn, int *out, CUdevice_attribute attr, CUdevice dev);

CUresult call_attribute(get_attribute fn, int *out, CUdevice_attribute attr, CUdevice dev)
{
	CUresult r = fn(out, attr, dev);

	/* Not a tail call: the return address must lie here. */
	__asm__ volatile("" ::: "memory");
	return r;
}

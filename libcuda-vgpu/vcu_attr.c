/*
 * vcu_attr.c: cuDeviceGetAttribute, and the compute capability as the caller
 * is to see it.
 *
 * NVIDIA's own libraries get the device's library_compute_cap: from 13.0 on
 * they choose kernels that they carry as PTX. They are told apart by the module that the
 * call comes from: each has a runtime of its own inside, so the caller of the
 * driver is the library itself. A library that is linked into a program is
 * the program.
 */
#define VCU_API_WEAK 1
#include <dlfcn.h>
#include <string.h>

#include "libcuda-vgpu/vcu.h"
#include "libcuda-vgpu/vcu_api.h"
#include "libcuda-vgpu/vcu_entry.h"

/* Beginnings of the file names of libraries that see library_compute_cap. */
static const char *const nvidia_libs[] = {
	"libcublas.so", "libcublasLt.so", "libcudnn", "libcufft.so", "libcufftw.so", "libcurand.so",
	"libcusparse.so", "libcusolver.so", "libcusolverMg.so", "libnccl.so", "libnvblas.so",
};

const void *vcu_caller(void)
{
	return vcu_tls.caller;
}

static bool nvidia_lib(const void *caller)
{
	const char *name;
	Dl_info info;

	if (!caller || !dladdr((void *)(uintptr_t)caller, &info) || !info.dli_fname)
		return false;
	name = strrchr(info.dli_fname, '/');
	name = name ? name + 1 : info.dli_fname;
	for (size_t i = 0; i < ARRAY_SIZE(nvidia_libs); i++)
		if (!strncmp(name, nvidia_libs[i], strlen(nvidia_libs[i])))
			return true;
	return false;
}

unsigned vcu_device_cc(const struct vcu_device *d, const void *caller)
{
	if (d->d.library_compute_cap == d->d.compute_cap || !nvidia_lib(caller))
		return (unsigned)d->d.compute_cap;
	return (unsigned)d->d.library_compute_cap;
}

/* -1: no such attribute. */
static int attribute(const struct vgpu_device *d, const struct vcu_pci *pci, unsigned cc, int attrib, int *out)
{
	switch (attrib) {
#define CU_ATTR(name, number, value)   \
	case number:                   \
		*out = (int)(value);   \
		return 0;
#define CU_ATTR_ALIAS(name, number)
#include "libcuda-vgpu/api/attr.def"
#undef CU_ATTR
#undef CU_ATTR_ALIAS
	}
	return -1;
}

CUresult vcu_DeviceGetAttribute(int *pi, CUdevice_attribute attrib, CUdevice dev)
{
	struct vcu_device *d = vcu_device_get(dev);
	unsigned cc = 0;

	if (!pi)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	if (attrib == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ||
	    attrib == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
		cc = vcu_device_cc(d, vcu_caller());
	if (attribute(&d->d, &d->pci, cc, (int)attrib, pi))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

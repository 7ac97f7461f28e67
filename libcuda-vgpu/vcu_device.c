/* vcu_device.c: entry points about devices. Attributes are in vcu_attr.c. */
#include <stdio.h>
#include <string.h>

#include "libcuda-vgpu/vcu.h"
#include "libcuda-vgpu/vcu_api.h"

CUresult vcu_DeviceGetCount(int *count)
{
	if (!count)
		return CUDA_ERROR_INVALID_VALUE;
	*count = vcu_device_count();
	return CUDA_SUCCESS;
}

CUresult vcu_DeviceGet(CUdevice *device, int ordinal)
{
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vcu_device_get(ordinal))
		return CUDA_ERROR_INVALID_DEVICE;
	*device = ordinal;
	return CUDA_SUCCESS;
}

CUresult vcu_DeviceGetName(char *name, int len, CUdevice dev)
{
	struct vcu_device *d = vcu_device_get(dev);

	if (!name || len <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	snprintf(name, (size_t)len, "%s", d->d.name);
	return CUDA_SUCCESS;
}

CUresult vcu_DeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
	struct vcu_device *d = vcu_device_get(dev);

	if (!uuid)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	*uuid = d->uuid;
	return CUDA_SUCCESS;
}

CUresult vcu_DeviceGetUuid(CUuuid *uuid, CUdevice dev)
{
	return vcu_DeviceGetUuid_v2(uuid, dev);
}

CUresult vcu_DeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
	struct vcu_device *d = vcu_device_get(dev);

	if (!bytes)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	*bytes = d->d.memory_total;
	return CUDA_SUCCESS;
}

/* The first API version counted in 32 bits. */
CUresult vcu_DeviceTotalMem(unsigned int *bytes, CUdevice dev)
{
	size_t total = 0;
	CUresult r = bytes ? vcu_DeviceTotalMem_v2(&total, dev) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*bytes = (unsigned)MIN(total, (size_t)UINT32_MAX);
	return r;
}

CUresult vcu_DeviceComputeCapability(int *major, int *minor, CUdevice dev)
{
	struct vcu_device *d = vcu_device_get(dev);
	unsigned cc;

	if (!major || !minor)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	cc = vcu_device_cc(d, vcu_caller());
	*major = (int)(cc / 10);
	*minor = (int)(cc % 10);
	return CUDA_SUCCESS;
}

CUresult vcu_DeviceGetProperties(CUdevprop *prop, CUdevice dev)
{
	static const struct {
		CUdevice_attribute attr;
		size_t offset;
	} map[] = {
		{ CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, offsetof(CUdevprop, maxThreadsPerBlock) },
		{ CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, offsetof(CUdevprop, maxThreadsDim[0]) },
		{ CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, offsetof(CUdevprop, maxThreadsDim[1]) },
		{ CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, offsetof(CUdevprop, maxThreadsDim[2]) },
		{ CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, offsetof(CUdevprop, maxGridSize[0]) },
		{ CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, offsetof(CUdevprop, maxGridSize[1]) },
		{ CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, offsetof(CUdevprop, maxGridSize[2]) },
		{ CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, offsetof(CUdevprop, sharedMemPerBlock) },
		{ CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY, offsetof(CUdevprop, totalConstantMemory) },
		{ CU_DEVICE_ATTRIBUTE_WARP_SIZE, offsetof(CUdevprop, SIMDWidth) },
		{ CU_DEVICE_ATTRIBUTE_MAX_PITCH, offsetof(CUdevprop, memPitch) },
		{ CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, offsetof(CUdevprop, regsPerBlock) },
		{ CU_DEVICE_ATTRIBUTE_CLOCK_RATE, offsetof(CUdevprop, clockRate) },
		{ CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT, offsetof(CUdevprop, textureAlign) },
	};
	CUdevprop p;

	if (!prop)
		return CUDA_ERROR_INVALID_VALUE;
	memset(&p, 0, sizeof(p));
	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		CUresult r = vcu_DeviceGetAttribute((int *)(void *)((char *)&p + map[i].offset), map[i].attr, dev);

		if (r)
			return r;
	}
	*prop = p;
	return CUDA_SUCCESS;
}

/* ---- PCI ---- */

CUresult vcu_DeviceGetPCIBusId(char *id, int len, CUdevice dev)
{
	struct vcu_device *d = vcu_device_get(dev);
	char text[32];
	int n;

	if (!id || len <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	n = snprintf(text, sizeof(text), "%04X:%02X:%02X.%X", d->pci.domain, d->pci.bus, d->pci.dev, d->pci.fn);
	if (n >= len)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(id, text, (size_t)n + 1);
	return CUDA_SUCCESS;
}

/* "[domain:]bus:device[.function]", all hexadecimal. */
static bool pci_text(const char *text, struct vcu_pci *p)
{
	char tail;

	memset(p, 0, sizeof(*p));
	if (strlen(text) > 31 || strpbrk(text, "+- \t\nxX"))
		return false;
	if (sscanf(text, "%x:%x:%x.%x%c", &p->domain, &p->bus, &p->dev, &p->fn, &tail) == 4 ||
	    sscanf(text, "%x:%x:%x%c", &p->domain, &p->bus, &p->dev, &tail) == 3)
		return true;
	p->domain = 0;
	p->fn = 0;
	return sscanf(text, "%x:%x.%x%c", &p->bus, &p->dev, &p->fn, &tail) == 3 ||
	       sscanf(text, "%x:%x%c", &p->bus, &p->dev, &tail) == 2;
}

CUresult vcu_DeviceGetByPCIBusId(CUdevice *dev, const char *id)
{
	struct vcu_pci p;

	if (!dev || !id || !pci_text(id, &p))
		return CUDA_ERROR_INVALID_VALUE;
	for (int i = 0; i < vcu_device_count(); i++) {
		struct vcu_device *d = vcu_device_get(i);

		if (memcmp(&d->pci, &p, sizeof(p)) == 0) {
			*dev = i;
			return CUDA_SUCCESS;
		}
	}
	return CUDA_ERROR_INVALID_DEVICE;
}

/* ---- peers: the memory of all devices of a process lies in one window ---- */

CUresult vcu_DeviceCanAccessPeer(int *can, CUdevice dev, CUdevice peer)
{
	if (!can)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vcu_device_get(dev) || !vcu_device_get(peer))
		return CUDA_ERROR_INVALID_DEVICE;
	*can = dev != peer;
	return CUDA_SUCCESS;
}

CUresult vcu_DeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute attrib, CUdevice src, CUdevice dst)
{
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vcu_device_get(src) || !vcu_device_get(dst) || src == dst)
		return CUDA_ERROR_INVALID_DEVICE;
	switch ((int)attrib) {
	case CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK:
	case CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED:
	case CU_DEVICE_P2P_ATTRIBUTE_ONLY_PARTIAL_NATIVE_ATOMIC_SUPPORTED:
		*value = 0;
		return CUDA_SUCCESS;
	case CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED:
	case CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED:
		*value = 1;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

static CUresult atomic_capabilities(unsigned *caps, const CUatomicOperation *ops, unsigned n, unsigned value)
{
	if (!caps || !ops || !n)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned i = 0; i < n; i++)
		if (ops[i] < 0 || ops[i] >= CU_ATOMIC_OPERATION_MAX)
			return CUDA_ERROR_INVALID_VALUE;
	for (unsigned i = 0; i < n; i++)
		caps[i] = value;
	return CUDA_SUCCESS;
}

/* As HOST_NATIVE_ATOMIC_SUPPORTED says: none. */
CUresult vcu_DeviceGetHostAtomicCapabilities(unsigned int *caps, const CUatomicOperation *ops, unsigned int n,
					     CUdevice dev)
{
	if (!vcu_device_get(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	return atomic_capabilities(caps, ops, n, 0);
}

CUresult vcu_DeviceGetP2PAtomicCapabilities(unsigned int *caps, const CUatomicOperation *ops, unsigned int n,
					    CUdevice src, CUdevice dst)
{
	if (!vcu_device_get(src) || !vcu_device_get(dst) || src == dst)
		return CUDA_ERROR_INVALID_DEVICE;
	return atomic_capabilities(caps, ops, n, CU_ATOMIC_CAPABILITY_SCALAR_32 | CU_ATOMIC_CAPABILITY_SCALAR_64);
}

/* ---- others ---- */

CUresult vcu_DeviceGetExecAffinitySupport(int *pi, CUexecAffinityType type, CUdevice dev)
{
	if (!pi || type < 0 || type >= CU_EXEC_AFFINITY_TYPE_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vcu_device_get(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	*pi = 0;
	return CUDA_SUCCESS;
}

CUresult vcu_DeviceGetTexture1DLinearMaxWidth(size_t *width, CUarray_format format, unsigned channels, CUdevice dev)
{
	int max = 0;
	CUresult r;

	if (!width || (channels != 1 && channels != 2 && channels != 4) || format <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_DeviceGetAttribute(&max, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH, dev);
	if (!r)
		*width = (size_t)max;
	return r;
}

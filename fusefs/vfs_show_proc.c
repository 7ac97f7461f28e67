/*
 * vfs_show_proc.c: /proc/driver/nvidia and its neighbours, in the formats that
 * the NVIDIA driver's users parse: tabs and blanks matter.
 */
#include "fusefs/vfs_show.h"

#include "config.h"

/* TensorFlow and others find the version by "Kernel Module  ", two blanks before and after it. */
void show_version(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "NVRM version: NVIDIA UNIX x86_64 Kernel Module  %s  Tue Sep 23 10:11:16 UTC 2025\n",
			VGPU_DRIVER_VERSION);
	vgpu_buf_printf(b, "GCC version:  gcc version %d.%d.%d (vgpufs) \n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
}

/* ModifyDeviceFiles must be 0: with 1 NVIDIA's tools replace what is not a device node. */
static const char params[] =
	"ResmanDebugLevel: 4294967295\n"
	"RmLogonRC: 1\n"
	"ModifyDeviceFiles: 0\n"
	"DeviceFileUID: 0\n"
	"DeviceFileGID: 0\n"
	"DeviceFileMode: 438\n"
	"InitializeSystemMemoryAllocations: 1\n"
	"UsePageAttributeTable: 4294967295\n"
	"EnableMSI: 1\n"
	"EnablePCIeGen3: 0\n"
	"MemoryPoolSize: 0\n"
	"KMallocHeapMaxSize: 0\n"
	"VMallocHeapMaxSize: 0\n"
	"IgnoreMMIOCheck: 0\n"
	"EnableStreamMemOPs: 0\n"
	"EnableUserNUMAManagement: 1\n"
	"NvLinkDisable: 0\n"
	"RmProfilingAdminOnly: 1\n"
	"PreserveVideoMemoryAllocations: 2\n"
	"UseKernelSuspendNotifiers: 0\n"
	"EnableS0ixPowerManagement: 0\n"
	"S0ixPowerManagementVideoMemoryThreshold: 256\n"
	"DynamicPowerManagement: 3\n"
	"DynamicPowerManagementVideoMemoryThreshold: 200\n"
	"TegraGpuPgMask: 4294967295\n"
	"RegisterPCIDriver: 1\n"
	"EnablePCIERelaxedOrderingMode: 0\n"
	"EnableResizableBar: 0\n"
	"EnableGpuFirmware: 18\n"
	"EnableGpuFirmwareLogs: 2\n"
	"RmNvlinkBandwidthLinkCount: 0\n"
	"EnableDbgBreakpoint: 0\n"
	"OpenRmEnableUnsupportedGpus: 1\n"
	"DmaRemapPeerMmio: 1\n"
	"ImexChannelCount: 2048\n"
	"CreateImexChannel0: 0\n"
	"GrdmaPciTopoCheckOverride: 0\n"
	"EnableSystemMemoryPools: 529\n"
	"CoherentGPUMemoryMode: \"\"\n"
	"RegistryDwords: \"\"\n"
	"RegistryDwordsPerDevice: \"\"\n"
	"RmMsg: \"\"\n"
	"GpuBlacklist: \"\"\n"
	"TemporaryFilePath: \"\"\n"
	"ExcludedGpus: \"\"\n";

void show_params(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, params);
}

void show_registry(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, "Binary: \"\"\n");
}

void show_suspend(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, "suspend hibernate resume\n");
}

void show_suspend_depth(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, "default modeset uvm\n");
}

void show_warnings(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b,
		     "Problems of the host that the driver finds are reported to the\n"
		     "system's log. The important ones are also kept here, each as a\n"
		     "text file of its own in this directory. With vgpufs there are\n"
		     "none: its devices are made of software.\n");
}

void show_patches(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b,
		     "Patches to the driver's kernel interface files, made for new\n"
		     "kernels or to mend faults in these files, leave a short text\n"
		     "file with a description in this directory when they are\n"
		     "applied. With vgpufs there are none: it has no such files,\n"
		     "since it has no kernel module.\n");
}

void show_information(const struct vfs_show *s, struct vgpu_buf *b)
{
	const struct vgpu_device *d = s->dev;

	vgpu_buf_printf(b, "Model: \t\t %s\n", d->name);
	vgpu_buf_printf(b, "IRQ:   \t\t %llu\n", (unsigned long long)d->irq);
	vgpu_buf_printf(b, "GPU UUID: \t %s\n", d->uuid);
	vgpu_buf_printf(b, "Video BIOS: \t %s\n", d->vbios);
	vgpu_buf_str(b, "Bus Type: \t PCIe\n");
	vgpu_buf_str(b, "DMA Size: \t 52 bits\n");
	vgpu_buf_str(b, "DMA Mask: \t 0xfffffffffffff\n");
	vgpu_buf_printf(b, "Bus Location: \t %s\n", d->pci);
	vgpu_buf_printf(b, "Device Minor: \t %llu\n", (unsigned long long)d->minor);
	vgpu_buf_printf(b, "GPU Firmware: \t %s\n", d->gsp ? VGPU_DRIVER_VERSION : "N/A");
	vgpu_buf_str(b, "GPU Excluded:\t No\n");
}

void show_power(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b,
		     "Runtime D3 status:          Disabled by default\n"
		     "Tegra iGPU Rail-Gating:     Disabled\n"
		     "Video Memory:               Active\n"
		     "\n"
		     "GPU Hardware Support:\n"
		     " Video Memory Self Refresh: Not Supported\n"
		     " Video Memory Off:          Not Supported\n"
		     "\n"
		     "S0ix Power Management:\n"
		     " Platform Support:          Not Supported\n"
		     " Status:                    Disabled\n"
		     "\n"
		     "Notebook Dynamic Boost:     Not Supported\n");
}

/* DeviceFileModify is 0 for the reason that ModifyDeviceFiles is. */
static void show_cap(struct vgpu_buf *b, unsigned minor, unsigned mode)
{
	vgpu_buf_printf(b, "DeviceFileMinor: %u\nDeviceFileMode: %u\nDeviceFileModify: 0\n", minor, mode);
}

void show_cap_config(const struct vfs_show *s, struct vgpu_buf *b)
{
	show_cap(b, 1, 0400);
}

void show_cap_monitor(const struct vfs_show *s, struct vgpu_buf *b)
{
	show_cap(b, 2, 0444);
}

/* Of a GPU or compute instance. */
void show_cap_instance(const struct vfs_show *s, struct vgpu_buf *b)
{
	show_cap(b, s->cap, 0444);
}

/* Every number there may be, whether or not such an instance exists. */
void show_mig_minors(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, "config 1\nmonitor 2\n");
	for (unsigned gpu = 0; gpu < VGPU_MIG_CAP_GPUS; gpu++) {
		for (unsigned gi = 0; gi < VGPU_MIG_MAX_GI; gi++) {
			vgpu_buf_printf(b, "gpu%u/gi%u/access %u\n", gpu, gi, vgpu_mig_cap(gpu, gi, -1));
			for (int ci = 0; ci < (int)VGPU_MIG_MAX_CI; ci++)
				vgpu_buf_printf(b, "gpu%u/gi%u/ci%d/access %u\n", gpu, gi, ci, vgpu_mig_cap(gpu, gi, ci));
		}
	}
}

void show_nvlink_minors(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, "fabric-mgmt 0\n");
}

void show_sys_minors(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, "fabric-imex-mgmt 4323\n");
}

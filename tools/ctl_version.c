/* ctl_version.c: vgpuctl version: of the program, and what it presents. */
#include "config.h"
#include "protocol/vgp_wire.h"
#include "tools/ctl.h"

int ctl_version(struct ctl *c, int argc, char **argv)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vgpu_json j;

	if (argc > 1)
		return ctl_usage(c, "'%s' is one argument too many", argv[1]);
	if (!c->json) {
		vgpu_buf_printf(&b, "vgpuctl %s\ndriver %s\ncuda %d.%d\nprotocol %d.%d\n", PACKAGE_VERSION, VGPU_DRIVER_VERSION,
				VGPU_CUDA_VERSION / 1000, VGPU_CUDA_VERSION % 1000 / 10, VGP_ABI_MAJOR, VGP_ABI_MINOR);
		return ctl_print(&b);
	}
	vgpu_json_init(&j, &b);
	vgpu_json_object(&j, NULL);
	vgpu_json_str(&j, "version", PACKAGE_VERSION);
	vgpu_json_str(&j, "driver_version", VGPU_DRIVER_VERSION);
	vgpu_json_u64(&j, "cuda_version", VGPU_CUDA_VERSION);
	vgpu_json_u64(&j, "protocol_major", VGP_ABI_MAJOR);
	vgpu_json_u64(&j, "protocol_minor", VGP_ABI_MINOR);
	vgpu_json_end(&j);
	return ctl_print(&b);
}

/* ctl_list.c: vgpuctl list: one line per device. */
#include <stdlib.h>

#include "tools/ctl.h"

static void print_text(struct vgpu_buf *b, const struct vgpu_device *devs, size_t n)
{
	char mib[32], cc[16];

	vgpu_buf_printf(b, "%-5s %-40s %-12s %-9s %-4s %12s  %s\n", "INDEX", "UUID", "PCI", "NODE", "CC", "MEMORY", "NAME");
	for (size_t i = 0; i < n; i++)
		vgpu_buf_printf(b, "%-5u %-40s %-12s nvidia%-3u %-4s %12s  %s\n", (unsigned)devs[i].index, devs[i].uuid,
				devs[i].pci, (unsigned)devs[i].minor, ctl_cc(devs[i].compute_cap, cc),
				ctl_mib(devs[i].memory_total, mib), devs[i].name);
}

static void print_json(struct vgpu_buf *b, const struct vgpu_device *devs, size_t n)
{
	struct vgpu_json j;

	vgpu_json_init(&j, b);
	vgpu_json_array(&j, NULL);
	for (size_t i = 0; i < n; i++) {
		vgpu_json_object(&j, NULL);
		ctl_json_device(&j, &devs[i]);
		vgpu_json_end(&j);
	}
	vgpu_json_end(&j);
}

int ctl_list(struct ctl *c, int argc, char **argv)
{
	struct vgpu_device *devs;
	struct registry *reg = NULL;
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vgpu_err err;
	size_t n = 0;
	int r;

	if (argc > 1)
		return ctl_usage(c, "'%s' is one argument too many", argv[1]);
	devs = calloc(VGPU_MAX_DEVICES, sizeof(*devs));
	if (!devs) {
		vgpu_err_set(&err, VGPU_E_NOMEM, "out of memory");
		return ctl_fail(&err);
	}
	r = ctl_open_read(c, &reg, &err);
	if (!r && reg)
		r = reg_devices(reg, devs, &n, &err);
	reg_close(reg);
	if (r) {
		free(devs);
		return ctl_fail(&err);
	}
	if (c->json)
		print_json(&b, devs, n);
	else
		print_text(&b, devs, n);
	if (n == 0 && !c->json)
		ctl_note("no devices in %s; 'vgpuctl create' makes one", c->state);
	free(devs);
	return ctl_print(&b);
}

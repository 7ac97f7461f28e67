/* ctl_remove.c: vgpuctl remove: all of the devices named, or none. */
#include <stdlib.h>
#include <string.h>

#include "tools/ctl.h"

/* Names are looked up before anything is removed: indices move. */
static int find_all(struct registry *reg, int argc, char **argv, struct vgpu_device *devs, size_t *n_out, struct vgpu_err *err)
{
	*n_out = 0;
	for (int i = 1; i < argc; i++) {
		struct vgpu_device d;
		int r = reg_device_find(reg, argv[i], &d, err);
		size_t k;

		if (r)
			return r;
		for (k = 0; k < *n_out && strcmp(devs[k].uuid, d.uuid); k++)
			;
		if (k == *n_out)
			devs[(*n_out)++] = d;
	}
	return 0;
}

static int remove_all(struct registry *reg, bool all, int argc, char **argv, struct vgpu_device *devs, struct vgpu_err *err)
{
	size_t n = 0;
	int r = reg_begin(reg, err);

	if (r)
		return r;
	r = all ? reg_devices(reg, devs, &n, err) : find_all(reg, argc, argv, devs, &n, err);
	for (size_t i = 0; !r && i < n; i++)
		r = reg_device_remove(reg, devs[i].uuid, err);
	if (!r)
		return reg_commit(reg, err);
	reg_rollback(reg);
	return r;
}

int ctl_remove(struct ctl *c, int argc, char **argv)
{
	struct vgpu_device *devs;
	struct registry *reg = NULL;
	struct vgpu_err err;
	bool all = argc == 2 && strcmp(argv[1], "--all") == 0;
	int r;

	if (argc < 2)
		return ctl_usage(c, "which device? --all removes every one");
	for (int i = 1; i < argc && !all; i++)
		if (argv[i][0] == '-')
			return ctl_usage(c, "'%s' does not go here", argv[i]);
	devs = calloc(VGPU_MAX_DEVICES, sizeof(*devs));
	r = devs ? reg_open(&reg, c->state, 0, &err) : vgpu_err_set(&err, VGPU_E_NOMEM, "out of memory");
	if (r == -VGPU_E_NOT_FOUND && all)
		r = 0; /* nothing there, nothing to remove */
	else if (!r)
		r = remove_all(reg, all, argc, argv, devs, &err);
	reg_close(reg);
	free(devs);
	if (r)
		return ctl_fail(&err);
	ctl_poke(c);
	return CTL_OK;
}

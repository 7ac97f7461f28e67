/* ctl_inject.c: vgpuctl inject: makes a device of the mount fail, or stop failing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/ctl.h"
#include "util/cleanup.h"

static const char *why(int err)
{
	switch (err) {
	case EINVAL: return "that is no fault; faults are: xid NUMBER, off-bus, ecc single|double [COUNT] [dram|sram], "
			    "throttle REASON[,REASON…]|none, clear";
	case EOPNOTSUPP: return "the device has no ECC, or it is off";
	case ENODEV: return "the device has fallen off the bus: only clear is left";
	case ENOENT: return "there is no such device in the mount";
	default: return strerror(err);
	}
}

static int join(char *out, size_t cap, int argc, char **argv, struct vgpu_err *err)
{
	size_t n = 0;

	for (int i = 2; i < argc; i++) {
		n += (size_t)snprintf(out + n, cap - n, "%s%s", i > 2 ? " " : "", argv[i]);
		if (n >= cap)
			return vgpu_err_set(err, VGPU_E_INVALID, "a fault has at most %zu characters", cap - 1);
	}
	return 0;
}

int ctl_inject(struct ctl *c, int argc, char **argv)
{
	struct registry *reg = NULL;
	cleanup_close int fd = -1;
	char path[4200], text[120];
	struct vgpu_device d;
	struct vgpu_err err;
	int r;

	if (argc < 3)
		return ctl_usage(c, argc < 2 ? "which device?" : "which fault?");
	r = reg_open(&reg, c->state, REG_F_READONLY, &err);
	if (!r)
		r = reg_device_find(reg, argv[1], &d, &err);
	reg_close(reg);
	if (!r)
		r = join(text, sizeof(text), argc, argv, &err);
	if (r)
		return ctl_fail(&err);
	snprintf(path, sizeof(path), "%s/devices/%u/inject", c->mount, (unsigned)d.index);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		vgpu_err_set(&err, vgpu_status_from_errno(errno), "%s: %s: %s", path, text, why(errno));
		return ctl_fail(&err);
	}
	return CTL_OK;
}

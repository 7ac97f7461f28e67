/* ctl_set.c: vgpuctl set: all of the changes, or none. */
#include <stdlib.h>

#include "tools/ctl.h"

int ctl_set(struct ctl *c, int argc, char **argv)
{
	struct ctl_kvs *kvs;
	struct registry *reg = NULL;
	struct vgpu_device d;
	struct vgpu_err err;
	int r;

	if (argc < 3)
		return ctl_usage(c, argc < 2 ? "which device?" : "what shall be set?");
	kvs = calloc(1, sizeof(*kvs));
	if (!kvs) {
		vgpu_err_set(&err, VGPU_E_NOMEM, "out of memory");
		return ctl_fail(&err);
	}
	for (int i = 2; i < argc; i++)
		if (!ctl_kv_add(kvs, argv[i], &err)) {
			free(kvs);
			return ctl_usage(c, "%s", err.text);
		}
	r = reg_open(&reg, c->state, 0, &err);
	if (!r)
		r = reg_device_find(reg, argv[1], &d, &err);
	if (!r)
		r = reg_device_set(reg, d.uuid, kvs->kv, kvs->n, &err);
	reg_close(reg);
	free(kvs);
	if (r)
		return ctl_fail(&err);
	ctl_poke(c);
	return CTL_OK;
}

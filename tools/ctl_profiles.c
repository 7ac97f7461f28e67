/* ctl_profiles.c: vgpuctl profiles: the list, or the values of some. */
#include <stdlib.h>

#include "state/profile.h"
#include "tools/ctl.h"

static int list(struct ctl *c, char **names, size_t n)
{
	struct profile *p = calloc(1, sizeof(*p));
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vgpu_json j;
	struct vgpu_err err;
	int r = CTL_OK;

	if (!p) {
		vgpu_err_set(&err, VGPU_E_NOMEM, "out of memory");
		return ctl_fail(&err);
	}
	vgpu_json_init(&j, &b);
	if (c->json)
		vgpu_json_array(&j, NULL);
	for (size_t i = 0; i < n; i++) {
		if (profile_load(names[i], p, &err)) {
			r = ctl_fail(&err); /* one bad file does not hide the others */
			continue;
		}
		if (!c->json) {
			vgpu_buf_printf(&b, "%-16s %s\n", p->name, p->about);
			continue;
		}
		vgpu_json_object(&j, NULL);
		vgpu_json_str(&j, "profile", p->name);
		vgpu_json_str(&j, "about", p->about);
		vgpu_json_str(&j, "path", p->path);
		vgpu_json_end(&j);
	}
	if (c->json)
		vgpu_json_end(&j);
	free(p);
	return ctl_print(&b) ? CTL_FAILED : r;
}

static int show(struct ctl *c, const char *name, struct vgpu_buf *b, struct vgpu_json *j, struct vgpu_err *err)
{
	struct profile *p = calloc(1, sizeof(*p));
	struct vgpu_device d;
	char value[128];
	int r;

	if (!p)
		return vgpu_err_set(err, VGPU_E_NOMEM, "out of memory");
	r = profile_load(name, p, err);
	vgpu_device_init(&d);
	if (!r)
		r = profile_apply(p, &d, err);
	if (!r && c->json) {
		vgpu_json_object(j, NULL);
		vgpu_json_str(j, "profile", p->name);
		vgpu_json_str(j, "about", p->about);
		vgpu_json_str(j, "path", p->path);
	} else if (!r) {
		vgpu_buf_printf(b, "# %s: %s\n", p->path, p->about);
	}
	for (size_t i = 0; !r && i < p->n; i++) {
		const struct vgpu_prop *prop = p->kv[i].prop;

		if (!c->json)
			vgpu_buf_printf(b, "%s = %s\n", prop->key, p->kv[i].value);
		else if (prop->type == VGPU_PROP_U64)
			vgpu_json_u64(j, prop->key, strtoull(vgpu_prop_get(&d, prop, value), NULL, 10));
		else
			vgpu_json_str(j, prop->key, vgpu_prop_get(&d, prop, value));
	}
	if (!r && c->json)
		vgpu_json_end(j);
	free(p);
	return r;
}

int ctl_profiles(struct ctl *c, int argc, char **argv)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vgpu_json j;
	struct vgpu_err err;
	char **names = NULL;
	size_t n = 0;
	int r = 0;

	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-')
			return ctl_usage(c, "there is no option '%s'", argv[i]);
	if (argc == 1) {
		if (profile_names(&names, &n, &err))
			return ctl_fail(&err);
		r = list(c, names, n);
		profile_names_free(names, n);
		return r;
	}
	vgpu_json_init(&j, &b);
	if (c->json)
		vgpu_json_array(&j, NULL);
	for (int i = 1; i < argc && !r; i++)
		r = show(c, argv[i], &b, &j, &err);
	if (r) {
		vgpu_buf_free(&b);
		return ctl_fail(&err);
	}
	if (c->json)
		vgpu_json_end(&j);
	return ctl_print(&b);
}

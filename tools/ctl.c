/* ctl.c: what vgpuctl's verbs share: see ctl.h. */
#include "tools/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "protocol/vgp_wire.h"
#include "tools/ctl_link.h"
#include "util/cleanup.h"
#include "util/nearest.h"
#include "util/sys.h"

int ctl_fail(const struct vgpu_err *err)
{
	fprintf(stderr, "vgpuctl: %s\n", err->text);
	return CTL_FAILED;
}

int ctl_usage(const struct ctl *c, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "vgpuctl %s: ", c->verb);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nusage: vgpuctl %s %s\n", c->verb, c->usage);
	return CTL_USAGE;
}

void ctl_note(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "vgpuctl: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
}

int ctl_open_read(const struct ctl *c, struct registry **out, struct vgpu_err *err)
{
	int r = reg_open(out, c->state, REG_F_READONLY, err);

	if (r == -VGPU_E_NOT_FOUND) {
		*out = NULL;
		return 0;
	}
	/* An older one is brought up to date by whoever may write it. */
	if (r == -VGPU_E_VERSION) {
		struct vgpu_err other = VGPU_ERR_INIT;

		if (reg_open(out, c->state, 0, &other) == 0)
			return 0;
	}
	return r;
}

int ctl_open_write(const struct ctl *c, struct registry **out, struct vgpu_err *err)
{
	return reg_open(out, c->state, REG_F_CREATE, err);
}

void ctl_poke(const struct ctl *c)
{
	char path[4096];
	int cleanup_close fd = -1;

	snprintf(path, sizeof(path), "%s/dev/vgpuctl", c->mount);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			ctl_note("stored, but %s does not answer (%s): it shows the change once it is back", path, strerror(errno));
		return;
	}
	if (ioctl(fd, VGP_IOC_RELOAD)) {
		if (errno != ENOTTY)
			ctl_note("stored, but %s does not reload now (%s): it looks by itself about once a second", path, strerror(errno));
		return;
	}
	link_refresh(c);
}

bool ctl_option(const char *name, int argc, char **argv, int *i, const char **value_out)
{
	const char *arg = argv[*i];
	size_t n = strlen(name);

	if (strncmp(arg, "--", 2) || strncmp(arg + 2, name, n))
		return false;
	if (arg[2 + n] == '=') {
		*value_out = arg + 3 + n;
		return true;
	}
	if (arg[2 + n])
		return false;
	*value_out = *i + 1 < argc ? argv[++*i] : NULL;
	return true;
}

static bool unknown_key(const char *key, struct vgpu_err *err)
{
	const char *names[256];
	size_t n, count = 0;
	const struct vgpu_prop *props = vgpu_props(&n);
	char near[128];

	for (size_t i = 0; i < n && count < ARRAY_SIZE(names); i++)
		names[count++] = props[i].key;
	vgpu_nearest(key, names, count, near, sizeof(near));
	vgpu_err_set(err, VGPU_E_INVALID, "there is no property '%s'%s%s%s", key,
		     *near ? "; did you mean " : "; 'vgpuctl show DEVICE' lists them", near, *near ? "?" : "");
	return false;
}

bool ctl_kv_add(struct ctl_kvs *kvs, const char *arg, struct vgpu_err *err)
{
	const char *eq = strchr(arg, '=');
	size_t len = strlen(arg);
	bool unset = !eq && len > 1 && arg[len - 1] == '-' && arg[0] != '-';
	size_t n = eq ? (size_t)(eq - arg) : len - 1;
	char *key = kvs->keys[kvs->n < ARRAY_SIZE(kvs->kv) ? kvs->n : 0];

	if (!eq && !unset) {
		vgpu_err_set(err, VGPU_E_INVALID, "'%s' is not of the form key=value (or key- to unset)", arg);
		return false;
	}
	if (kvs->n == ARRAY_SIZE(kvs->kv)) {
		vgpu_err_set(err, VGPU_E_TOO_BIG, "more than %zu properties at once", ARRAY_SIZE(kvs->kv));
		return false;
	}
	snprintf(key, sizeof(kvs->keys[0]), "%.*s", (int)MIN(n, sizeof(kvs->keys[0]) - 1), arg);
	if (!vgpu_prop_find(key))
		return unknown_key(key, err);
	kvs->kv[kvs->n].key = key;
	kvs->kv[kvs->n].value = unset ? NULL : eq + 1;
	kvs->n++;
	return true;
}

const char *ctl_mib(uint64_t bytes, char buf[32])
{
	snprintf(buf, 32, "%llu MiB", (unsigned long long)(bytes >> 20));
	return buf;
}

const char *ctl_cc(uint64_t cc, char buf[16])
{
	snprintf(buf, 16, "%u.%u", (unsigned)(cc / 10), (unsigned)(cc % 10));
	return buf;
}

int ctl_print(struct vgpu_buf *b)
{
	struct vgpu_err err;
	int r = CTL_OK;

	if (b->failed) {
		vgpu_err_set(&err, VGPU_E_NOMEM, "out of memory");
		r = ctl_fail(&err);
	} else if (vgpu_write_all(STDOUT_FILENO, vgpu_buf_text(b), b->len)) {
		vgpu_err_errno(&err, "writing to standard output");
		r = ctl_fail(&err);
	}
	vgpu_buf_free(b);
	return r;
}

void ctl_json_device(struct vgpu_json *j, const struct vgpu_device *d)
{
	size_t n;
	const struct vgpu_prop *props = vgpu_props(&n);

	for (size_t i = 0; i < n; i++) {
		const char *at = (const char *)d + props[i].offset;

		if (props[i].type == VGPU_PROP_STR)
			vgpu_json_str(j, props[i].key, at);
		else
			vgpu_json_u64(j, props[i].key, *(const uint64_t *)at);
	}
}

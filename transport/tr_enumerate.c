/*
 * tr_enumerate.c: finds a node and reads the table of devices from it. No
 * session and no worker: the whole answer is one request to the daemon, the
 * node's extended attribute, or where that can't be had (a table that is too
 * long, a file that only looks like a node) open and read. Only regular files
 * are opened, so that NVIDIA's own character devices are never touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "config.h"
#include "transport/tr_priv.h"
#include "util/mig.h"

#define TR_CONF VGPU_SYSCONFDIR "/vgpufs.conf"

/* The longest attribute that Linux hands out. */
#define XATTR_CAP 65536u

/*
 * The attribute needs what open for reading needs, the right to read, but one
 * request instead of three. NULL: open and read may still do.
 */
static char *read_attribute(const char *path, int *errno_out)
{
	cleanup_free char *text = malloc(XATTR_CAP + 1);
	ssize_t n;

	*errno_out = 0;
	if (!text)
		return NULL;
	do {
		n = getxattr(path, VGP_NODE_XATTR, text, XATTR_CAP);
	} while (n < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (n < 0)
		*errno_out = errno;
	if (n <= 0)
		return NULL;
	text[n] = 0;
	return TAKE_PTR(text);
}

/* Reads a node whole. NULL: it isn't there, or isn't ours. */
static char *read_node(const char *path)
{
	cleanup_close int fd = -1;
	cleanup_free char *text = NULL;
	struct stat st;
	size_t len = 0, cap = 16384;
	int why;

	text = read_attribute(path, &why);
	if (text || why == ENOENT || why == ENOTDIR)
		return TAKE_PTR(text);
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return NULL;
	for (;;) {
		char *p = realloc(text, cap + 1);
		ssize_t n;

		if (!p)
			return NULL;
		text = p;
		n = pread(fd, text + len, cap - len, (off_t)len);
		if (n < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (n < 0)
			return NULL;
		len += (size_t)n;
		text[len] = 0;
		if (n == 0 || (len >= 5 && memcmp(text + len - 5, "\nend\n", 5) == 0))
			break;
		if (len > VGPU_DEVTAB_MAX)
			return NULL;
		if (len == cap)
			cap *= 4;
	}
	return TAKE_PTR(text);
}

static bool node_visible(const char *dir, unsigned minor)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/nvidia%u", dir, minor);
	return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
}

static bool can_read(const char *dir, unsigned cap)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/nvidia-caps/nvidia-cap%u", dir, cap);
	return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
}

bool tr_node_is_device(const struct tr_node *node)
{
	const char *name = strrchr(node->ctl, '/');

	return name && !strncmp(name, "/nvidia", 7) && name[7] >= '0' && name[7] <= '9';
}

/*
 * With capabilities in the directory they say which MIG devices may be used; without any, whoever has the control node and
 * the GPU has them all.
 */
bool tr_mig_visible(const struct tr_node *node, unsigned minor, unsigned gi, unsigned ci)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/nvidia-caps", node->dir);
	if (!tr_node_is_device(node) && (minor >= VGPU_MIG_CAP_GPUS || faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) != 0))
		return true;
	return can_read(node->dir, vgpu_mig_cap(minor, gi, -1)) && can_read(node->dir, vgpu_mig_cap(minor, gi, (int)ci));
}

/* Leaves the devices whose own node can be read in the same directory. */
static size_t filter_devices(const struct tr_node *node, struct vgpu_device *devs, size_t n, size_t *n_mig)
{
	size_t kept = 0, all = n + *n_mig, at;

	for (size_t i = 0; i < n; i++) {
		if (!node_visible(node->dir, (unsigned)devs[i].minor))
			continue;
		if (kept != i)
			devs[kept] = devs[i];
		kept++;
	}
	/* MIG devices go with their GPU */
	at = kept;
	for (size_t i = n; i < all; i++) {
		for (size_t k = 0; k < kept; k++) {
			if (strcmp(devs[k].pci, devs[i].pci) != 0)
				continue;
			if (tr_mig_visible(node, (unsigned)devs[i].minor, vgpu_mig_gi(&devs[i]), vgpu_mig_ci(&devs[i])))
				devs[at++] = devs[i];
			break;
		}
	}
	*n_mig = at - kept;
	return kept;
}

static int try_ctl(const char *dir, const char *name, struct tr_node *node, struct vgpu_device *devs,
		   size_t *n_out, size_t *n_mig, char *driver, struct vgpu_err *err)
{
	cleanup_free char *text = NULL;
	char path[280];
	size_t n;
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return -VGPU_E_NO_DEVICE;
	text = read_node(path);
	if (!text)
		return -VGPU_E_NO_DEVICE;
	r = vgpu_devtab_parse_all(text, devs, &n, n_mig, driver, err);
	if (r)
		return vgpu_err_wrap(err, "%s", path);
	snprintf(node->dir, sizeof(node->dir), "%s", dir);
	*n_out = filter_devices(node, devs, n, n_mig);
	snprintf(node->ctl, sizeof(node->ctl), "%s", path);
	return 0;
}

/*
 * A device's own node reads as its part of the table: made a table of one here. dev has room for VGPU_MAX_DEVICES: the
 * device, and its MIG devices behind it.
 */
static int parse_part(const char *text, unsigned minor, struct vgpu_device *dev, size_t *n_mig, char *driver)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	size_t n = 0, len = strlen(text), at = 0;
	int r = -VGPU_E_NOMEM;

	if (strncmp(text, "vgpufs ", 7) != 0)
		vgpu_buf_printf(&b, "vgpufs %d\n", VGPU_DEVTAB_VERSION);
	if (strncmp(text, "uuid ", 5) == 0)
		vgpu_buf_printf(&b, "device %u\n", minor);
	vgpu_buf_add(&b, text, len);
	if (len < 4 || strcmp(text + len - 4, "end\n") != 0)
		vgpu_buf_str(&b, "end\n");
	if (!b.failed)
		r = vgpu_devtab_parse_all(vgpu_buf_text(&b), dev, &n, n_mig, driver, NULL);
	vgpu_buf_free(&b);
	if (r)
		return r;
	/* A node that shows the whole table is fine, too: of it this device is taken. */
	while (at < n && n > 1 && dev[at].minor != minor)
		at++;
	if (at == n)
		return -VGPU_E_NO_DEVICE;
	dev[0] = dev[at];
	for (size_t i = n, all = n + *n_mig, k = *n_mig = 0; i < all; i++) {
		if (strcmp(dev[i].pci, dev[0].pci) != 0)
			continue;
		dev[1 + k++] = dev[i];
		*n_mig = k;
	}
	return 0;
}

/* A sandbox that got device nodes but no control node. */
static int try_devices(const char *dir, struct tr_node *node, struct vgpu_device *devs, size_t *n_out, size_t *n_mig, char *driver)
{
	cleanup_free struct vgpu_device *one = malloc(sizeof(*one) * VGPU_MAX_DEVICES);
	cleanup_free struct vgpu_device *migs = malloc(sizeof(*migs) * VGPU_MAX_DEVICES);
	size_t n = 0, m = 0, more;

	*n_out = *n_mig = 0;
	if (!one || !migs)
		return -VGPU_E_NOMEM;
	for (unsigned minor = 0; minor < VGPU_MAX_DEVICES; minor++) {
		cleanup_free char *text = NULL;
		char path[280];

		if ((size_t)snprintf(path, sizeof(path), "%s/nvidia%u", dir, minor) >= sizeof(path))
			break;
		text = read_node(path);
		if (!text || parse_part(text, minor, one, &more, driver))
			continue;
		devs[n] = one[0];
		for (size_t i = 0; i < more && m < VGPU_MAX_DEVICES; i++)
			migs[m++] = one[1 + i];
		if (n++ == 0) {
			snprintf(node->dir, sizeof(node->dir), "%s", dir);
			snprintf(node->ctl, sizeof(node->ctl), "%s", path);
		}
	}
	if (!n)
		return -VGPU_E_NO_DEVICE;
	m = MIN(m, VGPU_MAX_DEVICES - n);
	memcpy(devs + n, migs, m * sizeof(*migs));
	*n_mig = m;
	*n_out = filter_devices(node, devs, n, n_mig);
	return 0;
}

static int try_dir(const char *dir, struct tr_node *node, struct vgpu_device *devs, size_t *n_out, size_t *n_mig, char *driver,
		   struct vgpu_err *err)
{
	static const char *const names[] = { "nvidiactl", "vgpuctl" };
	int first = -VGPU_E_NO_DEVICE;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int r = try_ctl(dir, names[i], node, devs, n_out, n_mig, driver, err);

		if (r == 0)
			return 0;
		if (r != -VGPU_E_NO_DEVICE)
			first = r;
	}
	if (try_devices(dir, node, devs, n_out, n_mig, driver) == 0)
		return 0;
	return first;
}

/* "mount = /path" of the configuration file, without trailing slashes. */
static bool conf_mount(char *out, size_t cap)
{
	cleanup_free char *text = NULL;
	char *save = NULL;

	if (vgpu_read_file(TR_CONF, 65536, &text, NULL, NULL))
		return false;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		size_t n;

		l += strspn(l, " \t");
		if (strncmp(l, "mount", 5) != 0)
			continue;
		l += 5;
		l += strspn(l, " \t");
		if (*l++ != '=')
			continue;
		l += strspn(l, " \t\"");
		n = strcspn(l, "\"\r");
		while (n && strchr(" \t/", l[n - 1]))
			n--;
		if (n == 0 || n >= cap || l[0] != '/')
			continue;
		memcpy(out, l, n);
		out[n] = 0;
		return true;
	}
	return false;
}

/* A mount or its dev directory. */
static int try_mount(const char *path, struct tr_node *node, struct vgpu_device *devs, size_t *n_out, size_t *n_mig, char *driver,
		     struct vgpu_err *err)
{
	char dir[256];
	int r, r2;

	if ((size_t)snprintf(dir, sizeof(dir), "%s/dev", path) >= sizeof(dir))
		return -VGPU_E_NO_DEVICE;
	r = try_dir(dir, node, devs, n_out, n_mig, driver, err);
	if (r == 0)
		return 0;
	r2 = try_dir(path, node, devs, n_out, n_mig, driver, err);
	/* a node that is there and wrong says more than one that isn't */
	return r2 == 0 || r == -VGPU_E_NO_DEVICE ? r2 : r;
}

int tr_enumerate(struct tr_node *node, struct vgpu_device *devs, size_t *n_out, char driver[32], struct vgpu_err *err)
{
	size_t n_mig;

	return tr_enumerate_all(node, devs, n_out, &n_mig, driver, err);
}

int tr_enumerate_all(struct tr_node *node, struct vgpu_device *devs, size_t *n_out, size_t *n_mig_out, char driver[32], struct vgpu_err *err)
{
	static const char *const dirs[] = { "/dev", "/run/vgpufs/dev" };
	struct vgpu_err why = VGPU_ERR_INIT;
	const char *env = vgpu_getenv("VGPU_PATH");
	char mount[200], drv[32] = "";
	int r = -VGPU_E_NO_DEVICE, bad = 0;

	*n_mig_out = 0;
	if (tr_loop_on()) {
		snprintf(driver, 32, "%s", VGPU_DRIVER_VERSION);
		return tr_loop_enumerate(node, devs, n_out);
	}
	if (env && *env)
		r = try_mount(env, node, devs, n_out, n_mig_out, drv, &why);
	for (size_t i = 0; r && i < ARRAY_SIZE(dirs); i++) {
		if (r != -VGPU_E_NO_DEVICE)
			bad = r;
		r = try_dir(dirs[i], node, devs, n_out, n_mig_out, drv, &why);
	}
	if (r && conf_mount(mount, sizeof(mount))) {
		if (r != -VGPU_E_NO_DEVICE)
			bad = r;
		r = try_mount(mount, node, devs, n_out, n_mig_out, drv, &why);
	}
	if (r && (bad || r != -VGPU_E_NO_DEVICE))
		return vgpu_err_set(err, bad ? -bad : -r, "%s", why.text);
	if (r)
		return vgpu_err_set(err, VGPU_E_NO_DEVICE,
				    "no node answers: looked for /dev/nvidiactl, /dev/vgpuctl, /run/vgpufs/dev/vgpuctl and %s", TR_CONF);
	snprintf(driver, 32, "%s", drv);
	return 0;
}

/* 210-enumerate: finding a node and reading the table of devices, over plain files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/lib/tap.h"
#include "transport/transport.h"
#include "util/cleanup.h"

static char dir[200], dev[210];
static struct vgpu_device devs[VGPU_MAX_DEVICES];
static struct tr_node node;
static char driver[32];
static struct vgpu_err err;
static size_t n;

static void put(const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dev, name);
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		bail("write %s", path);
}

static void drop(const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", dev, name);
	unlink(path);
}

static const char *table(unsigned count, unsigned first)
{
	static char text[VGPU_DEVTAB_MAX];
	struct vgpu_buf b = VGPU_BUF_INIT;
	cleanup_free struct vgpu_device *d = calloc(VGPU_MAX_DEVICES, sizeof(*d));

	for (unsigned i = 0; i < count; i++) {
		vgpu_device_init(&d[i]);
		d[i].index = i;
		d[i].minor = first + i;
		snprintf(d[i].uuid, sizeof(d[i].uuid), "GPU-00000000-0000-0000-0000-%012u", first + i);
	}
	vgpu_devtab_print(&b, d, count);
	snprintf(text, sizeof(text), "%s", vgpu_buf_text(&b));
	vgpu_buf_free(&b);
	return text;
}

static int enumerate(void)
{
	n = 99;
	memset(&err, 0, sizeof(err));
	return tr_enumerate(&node, devs, &n, driver, &err);
}

static void test_plain(void)
{
	char want[300];

	put("nvidiactl", table(3, 0));
	put("nvidia0", "");
	put("nvidia1", "");
	put("nvidia2", "");
	is_int(enumerate(), 0, "a table of three");
	is_int((long long)n, 3, "has three devices");
	is_string(driver, "580.95.05", "and the driver's version");
	snprintf(want, sizeof(want), "%s/nvidiactl", dev);
	is_string(node.ctl, want, "and its node's path");
	drop("nvidia1");
	is_int(enumerate(), 0, "a sandbox that lacks one of them");
	is_int((long long)n, 2, "sees two");
	is_int((long long)devs[1].minor, 2, "the right ones");
	is_int((long long)devs[1].index, 2, "with their own numbers");
	drop("nvidia0");
	drop("nvidia2");
	is_int(enumerate(), 0, "one that got none");
	is_int((long long)n, 0, "sees none");
	put("nvidia0", "");
	put("nvidiactl", table(0, 0));
	is_int(enumerate(), 0, "an empty table");
	is_int((long long)n, 0, "is one");
	put("nvidiactl", table(VGPU_MAX_DEVICES, 0));
	for (unsigned i = 0; i < VGPU_MAX_DEVICES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "nvidia%u", i);
		put(name, "");
	}
	is_int(enumerate(), 0, "a full one");
	is_int((long long)n, VGPU_MAX_DEVICES, "has all devices");
	for (unsigned i = 0; i < VGPU_MAX_DEVICES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "nvidia%u", i);
		drop(name);
	}
}

static void test_other_nodes(void)
{
	char want[300], part[4096];

	drop("nvidiactl");
	put("vgpuctl", table(1, 0));
	put("nvidia0", "");
	is_int(enumerate(), 0, "vgpuctl in nvidiactl's place");
	snprintf(want, sizeof(want), "%s/vgpuctl", dev);
	is_string(node.ctl, want, "is the node then");
	drop("vgpuctl");
	drop("nvidia0");
	/* only devices' own nodes: their part of the table, with or without its head */
	put("nvidia5", table(1, 5));
	snprintf(part, sizeof(part), "%s", strstr(table(1, 7), "uuid "));
	*strstr(part, "end\n") = 0;
	put("nvidia7", part);
	is_int(enumerate(), 0, "only device nodes");
	is_int((long long)n, 2, "make a table");
	is_int((long long)devs[0].minor * 100 + (long long)devs[1].minor, 507, "in order");
	snprintf(want, sizeof(want), "%s/nvidia5", dev);
	is_string(node.ctl, want, "the first is the node");
	drop("nvidia5");
	drop("nvidia7");
}

static void test_bad(void)
{
	char text[8192];

	snprintf(text, sizeof(text), "%s", table(2, 0));
	text[strlen(text) - 6] = 0;
	put("nvidiactl", text);
	is_int(enumerate(), -VGPU_E_PROTOCOL, "a table that is cut is refused");
	has_string(err.text, "cut", "and why is said");
	put("nvidiactl", "vgpufs 99\nend\n");
	is_int(enumerate(), -VGPU_E_VERSION, "a version that we can't read, too");
	put("nvidiactl", "something else\n");
	is_int(enumerate(), -VGPU_E_PROTOCOL, "and what is no table");
	put("nvidiactl", "");
	ok(enumerate() < 0, "and what is empty");
	put("vgpuctl", table(1, 0));
	put("nvidia0", "");
	is_int(enumerate(), 0, "a good node behind a bad one is found");
	drop("vgpuctl");
	drop("nvidia0");
	drop("nvidiactl");
}

static void test_not_ours(void)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/nvidiactl", dev);
	if (mkfifo(path, 0666) < 0)
		bail("mkfifo");
	ok(enumerate() != -VGPU_E_TIMEOUT, "what isn't a regular file is not opened");
	drop("nvidiactl");
}

int main(void)
{
	int fds;

	plan_lazy();
	snprintf(dir, sizeof(dir), "%s", test_tmpdir());
	snprintf(dev, sizeof(dev), "%s/dev", dir);
	mkdir(dev, 0755);
	if (access("/dev/nvidiactl", F_OK) == 0 || access("/dev/vgpuctl", F_OK) == 0 || access("/run/vgpufs/dev", F_OK) == 0)
		skip_all("this machine has devices of its own");
	setenv("VGPU_PATH", dir, 1);
	fds = test_open_fds();
	test_plain();
	test_other_nodes();
	test_bad();
	test_not_ours();
	setenv("VGPU_PATH", dev, 1);
	put("nvidiactl", table(1, 0));
	put("nvidia0", "");
	is_int(enumerate(), 0, "VGPU_PATH may name the dev directory");
	setenv("VGPU_PATH", "/nowhere", 1);
	is_int(enumerate(), -VGPU_E_NO_DEVICE, "nothing answers");
	has_string(err.text, "/dev/nvidiactl", "the places are named");
	is_int(test_open_fds(), fds, "no file descriptor is left");
	return 0;
}

/* ctl_status.c: vgpuctl status: registry, mount, daemon, clients. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "protocol/vgp_wire.h"
#include "tools/ctl.h"
#include "util/cleanup.h"
#include "util/sys.h"

#define WAIT_S 10

struct report {
	const char *mount_state;      /* "mounted", "absent", "stale", "not vgpufs" */
	bool answers;
	struct vgp_node_info info;
	bool clients_known;
	uint64_t clients;
	bool registry;
	size_t devices;
};

static void on_alarm(int sig)
{
	static const char text[] = "vgpuctl: the mount does not answer\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(CTL_FAILED);
	_exit(CTL_FAILED);
}

/* Each devices/N/clients has a line per process; one with two devices counts on both. */
static void count_clients(const struct ctl *c, struct report *rep)
{
	for (unsigned i = 0; i < rep->info.n_devices; i++) {
		char *cleanup_free text = NULL;
		char path[4200];
		size_t len;

		snprintf(path, sizeof(path), "%s/devices/%u/clients", c->mount, i);
		if (vgpu_read_file(path, 1 << 20, &text, &len, NULL))
			return;
		for (size_t k = 0; k < len; k++)
			rep->clients += text[k] == '\n';
	}
	rep->clients_known = true;
}

static void look_at_mount(const struct ctl *c, struct report *rep)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	char path[4200];
	int cleanup_close fd = -1;

	sigaction(SIGALRM, &sa, NULL);
	alarm(WAIT_S);
	snprintf(path, sizeof(path), "%s/dev/vgpuctl", c->mount);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		rep->mount_state = errno == ENOTCONN || errno == ECONNABORTED || errno == EIO ? "stale" : "absent";
	} else if (ioctl(fd, VGP_IOC_INFO, &rep->info) || rep->info.magic != VGP_MAGIC) {
		rep->mount_state = "not vgpufs";
	} else {
		rep->mount_state = "mounted";
		rep->answers = true;
		count_clients(c, rep);
	}
	alarm(0);
}

static void print_json(const struct ctl *c, const struct report *rep, struct vgpu_buf *b)
{
	struct vgpu_json j;

	vgpu_json_init(&j, b);
	vgpu_json_object(&j, NULL);
	vgpu_json_str(&j, "state_dir", c->state);
	vgpu_json_bool(&j, "registry", rep->registry);
	vgpu_json_u64(&j, "registry_devices", rep->devices);
	vgpu_json_str(&j, "mount_dir", c->mount);
	vgpu_json_str(&j, "mount", rep->mount_state);
	vgpu_json_bool(&j, "answers", rep->answers);
	if (rep->answers) {
		vgpu_json_u64(&j, "daemon_pid", rep->info.daemon_pid);
		vgpu_json_u64(&j, "devices", rep->info.n_devices);
		vgpu_json_u64(&j, "generation", rep->info.generation);
		vgpu_json_u64(&j, "protocol_major", rep->info.abi_major);
		vgpu_json_u64(&j, "protocol_minor", rep->info.abi_minor);
	}
	if (rep->clients_known)
		vgpu_json_u64(&j, "clients", rep->clients);
	vgpu_json_end(&j);
}

static void print_text(const struct ctl *c, const struct report *rep, struct vgpu_buf *b)
{
	if (rep->registry)
		vgpu_buf_printf(b, "registry  %s/registry.db, devices: %zu\n", c->state, rep->devices);
	else
		vgpu_buf_printf(b, "registry  none in %s yet\n", c->state);
	if (!rep->answers) {
		vgpu_buf_printf(b, "mount     %s: %s\n", c->mount,
				strcmp(rep->mount_state, "absent") == 0 ? "not mounted" :
				strcmp(rep->mount_state, "stale") == 0 ? "stale: its daemon is gone; mount it anew" :
				"something is there that is not vgpufs");
		return;
	}
	vgpu_buf_printf(b, "mount     %s: mounted, devices: %u\n", c->mount, rep->info.n_devices);
	vgpu_buf_printf(b, "daemon    pid %u, protocol %u.%u, generation %llu\n", rep->info.daemon_pid,
			rep->info.abi_major, rep->info.abi_minor, (unsigned long long)rep->info.generation);
	if (rep->clients_known)
		vgpu_buf_printf(b, "clients   %llu\n", (unsigned long long)rep->clients);
}

int ctl_status(struct ctl *c, int argc, char **argv)
{
	struct vgpu_device *devs;
	struct report rep = { .registry = false };
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct registry *reg = NULL;
	struct vgpu_err err;
	int r;

	if (argc > 1)
		return ctl_usage(c, "'%s' is one argument too many", argv[1]);
	devs = calloc(VGPU_MAX_DEVICES, sizeof(*devs));
	r = devs ? ctl_open_read(c, &reg, &err) : vgpu_err_set(&err, VGPU_E_NOMEM, "out of memory");
	rep.registry = !r && reg;
	if (rep.registry)
		r = reg_devices(reg, devs, &rep.devices, &err);
	reg_close(reg);
	free(devs);
	look_at_mount(c, &rep);
	if (c->json)
		print_json(c, &rep, &b);
	else
		print_text(c, &rep, &b);
	if (ctl_print(&b))
		return CTL_FAILED;
	if (r)
		return ctl_fail(&err);
	return strcmp(rep.mount_state, "stale") == 0 ? CTL_FAILED : CTL_OK;
}

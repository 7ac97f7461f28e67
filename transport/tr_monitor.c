/* tr_monitor.c: asking the daemon about devices (vgp_mon.h). A node that has been opened survives the daemon's restart. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "protocol/vgp_mon.h"
#include "transport/tr_priv.h"
#include "util/mig.h"

int tr_monitor_open(const struct tr_node *node, struct vgpu_err *err)
{
	int fd, why;
	struct stat st;

	do {
		fd = open(node->ctl, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0)
		return vgpu_err_errno(err, "open %s", node->ctl);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	why = S_ISREG(st.st_mode) ? vgpu_status_from_errno(errno) : VGPU_E_NO_DEVICE;
	close(fd);
	return vgpu_err_set(err, why, "%s is no node of vgpufs", node->ctl);
}

int tr_monitor_ask(int fd, unsigned op, void *arg, size_t size, struct vgpu_err *err)
{
	struct vgp_mon_head *head = arg;
	int r;

	if (size < sizeof(*head) || size > VGP_MON_SIZE_MAX)
		return vgpu_err_set(err, VGPU_E_INVALID, "%s: a question has %zu to %u bytes, not %zu", vgp_mon_name(op),
				    sizeof(*head), VGP_MON_SIZE_MAX, size);
	head->magic = VGP_MAGIC;
	head->status = 0;
	do {
		r = ioctl(fd, VGP_IOC_MON(op, size), arg);
	} while (r < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (r < 0)
		return errno == ENOTTY ? vgpu_err_set(err, VGPU_E_NOT_SUPPORTED, "%s: this daemon does not know it", vgp_mon_name(op)) :
		       vgpu_err_errno(err, "%s", vgp_mon_name(op));
	if (head->status)
		return vgpu_err_set(err, (int)MIN(head->status, (uint32_t)VGPU_STATUS_COUNT - 1), "%s: %s", vgp_mon_name(op),
				    vgpu_status_text((int)head->status));
	return 0;
}

/* ---- rights ---- */

static void admit_at(const char *dir, const char *name)
{
	struct vgp_mon_head head = { 0 };
	struct tr_node node;
	int fd;

	if ((size_t)snprintf(node.ctl, sizeof(node.ctl), "%s/%s", dir, name) >= sizeof(node.ctl))
		return;
	fd = tr_monitor_open(&node, NULL);
	if (fd < 0)
		return;
	tr_monitor_ask(fd, VGP_MON_ADMIT, &head, sizeof(head), NULL);
	close(fd);
}

void tr_admit(const struct tr_node *node, const struct vgpu_device *d)
{
	char name[64];

	if (!tr_node_is_device(node))
		return;
	if (!vgpu_is_mig(d)) {
		snprintf(name, sizeof(name), "nvidia%llu", (unsigned long long)d->minor);
		admit_at(node->dir, name);
		return;
	}
	snprintf(name, sizeof(name), "nvidia-caps/nvidia-cap%u", vgpu_mig_cap((unsigned)d->minor, vgpu_mig_gi(d), -1));
	admit_at(node->dir, name);
	snprintf(name, sizeof(name), "nvidia-caps/nvidia-cap%u",
		 vgpu_mig_cap((unsigned)d->minor, vgpu_mig_gi(d), (int)vgpu_mig_ci(d)));
	admit_at(node->dir, name);
}

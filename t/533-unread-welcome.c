/*
 * 533-unread-welcome.c: clients that don't read what their worker greets them
 * with (because the machine is busy, or on purpose) keep nobody else from a
 * session. A WELCOME carries two descriptors; the kernel counts those that are
 * on their way by user, and all workers are of one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "t/lib/client.h"
#include "t/lib/mount.h"
#include "t/lib/tap.h"
#include "transport/transport.h"

#define SILENT 100 /* more than 64 descriptors on their way */

static char ctl[300];

static int silent_session(int *sock)
{
	int node = open(ctl, O_RDWR | O_CLOEXEC);

	return node < 0 ? -1 : client_hello(node, VGP_TRANSPORT_RING, 1, sock, NULL);
}

static void test_others(const struct test_mount *m)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct tr_node node = { 0 };
	int right = 0;

	snprintf(node.ctl, sizeof(node.ctl), "%s", ctl);
	snprintf(node.dir, sizeof(node.dir), "%s/dev", m->mnt);
	for (int i = 0; i < 5; i++) {
		struct tr_session *s = NULL;

		if (tr_open(&s, &node, VGP_TRANSPORT_RING, &err) == 0)
			right++;
		else
			diag("%s", err.text);
		tr_close(s);
	}
	is_int(right, 5, "others get their sessions");
}

static void test_silent(const int socks[])
{
	static char frame[VGP_FRAME_MAX];
	int right = 0;

	for (int i = 0; i < SILENT; i++) {
		const struct vgp_welcome *w = (const void *)(frame + sizeof(struct vgp_frame));
		ssize_t n = read(socks[i], frame, sizeof(frame));

		right += n >= (ssize_t)(sizeof(struct vgp_frame) + sizeof(*w)) && w->magic == VGP_MAGIC && !w->status;
	}
	is_int(right, SILENT, "each of them has been greeted all the same");
}

int main(void)
{
	struct rlimit r = { 4096, 4096 };
	const struct test_mount *m = test_mount(1, NULL);
	int socks[SILENT], n = 0;

	setrlimit(RLIMIT_NOFILE, &r);
	snprintf(ctl, sizeof(ctl), "%s/dev/nvidiactl", m->mnt);
	plan_lazy();
	while (n < SILENT && silent_session(&socks[n]) == 0)
		n++;
	is_int(n, SILENT, "%d clients ask for a session and don't read", SILENT);
	if (n < SILENT)
		return 1;
	test_others(m);
	test_silent(socks);
	return 0;
}

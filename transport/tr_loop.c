/* tr_loop.c: sessions with an engine in this very process, for tests. */
#include <stdio.h>
#include <string.h>

#include "transport/tr_priv.h"

static const struct tr_loop_ops *loop_ops;
static const struct vgpu_device *loop_devs;
static size_t loop_n;

void tr_set_loopback(const struct tr_loop_ops *ops, const struct vgpu_device *devs, size_t n)
{
	loop_ops = ops;
	loop_devs = devs;
	loop_n = MIN(n, (size_t)VGPU_MAX_DEVICES);
}

bool tr_loop_on(void)
{
	return loop_ops != NULL;
}

int tr_loop_enumerate(struct tr_node *node, struct vgpu_device *devs, size_t *n_out)
{
	snprintf(node->dir, sizeof(node->dir), "loopback");
	snprintf(node->ctl, sizeof(node->ctl), "loopback");
	memcpy(devs, loop_devs, sizeof(*devs) * loop_n);
	*n_out = loop_n;
	return 0;
}

int tr_loop_start(struct tr_session *s, int sock, unsigned transport, struct vgpu_err *err)
{
	return loop_ops->start(sock, loop_devs, loop_n, transport, &s->engine, err);
}

void tr_loop_stop(struct tr_session *s)
{
	if (s->engine && loop_ops)
		loop_ops->stop(s->engine);
	s->engine = NULL;
}

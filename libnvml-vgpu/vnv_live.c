/*
 * vnv_live.c: asking the daemon what devices do. Questions go over a node that
 * is opened by the first one and closed by the last nvmlShutdown: the control
 * node, or a device's own where a sandbox got no control node.
 */
#include <stdlib.h>
#include <unistd.h>

#include "libnvml-vgpu/vnv.h"
#include "util/sys.h"

/* How old a value may be that somebody asks for next to others. */
#define RECENT_NS 2000000u

static int shared_fd = -1;

int vnv_open_node(struct vnv_gpu *g)
{
	struct tr_node node = vnv_node;

	/* on a device's own no question about another one is answered */
	if (tr_node_is_device(&node) && (size_t)snprintf(node.ctl, sizeof(node.ctl), "%s/nvidia%llu", vnv_node.dir,
						  (unsigned long long)g->d.minor) >= sizeof(node.ctl))
		return -VGPU_E_TOO_BIG;
	return tr_monitor_open(&node, NULL);
}

static int fd_for(struct vnv_gpu *g)
{
	int *fd = tr_node_is_device(&vnv_node) ? &g->fd : &shared_fd, r;

	if (*fd < 0) {
		r = vnv_open_node(g);
		if (r < 0)
			return r;
		*fd = r;
	}
	return *fd;
}

void vnv_live_close(void)
{
	for (unsigned i = 0; i < vnv_n_gpus; i++) {
		if (vnv_gpus[i].fd >= 0)
			close(vnv_gpus[i].fd);
		vnv_gpus[i].fd = -1;
		vnv_gpus[i].live_ns = 0;
	}
	if (shared_fd >= 0)
		close(shared_fd);
	shared_fd = -1;
}

static int ask(struct vnv_gpu *g, const uint8_t uuid[16], unsigned op, void *arg, size_t size)
{
	struct vgp_mon_head *h = arg;
	int fd = fd_for(g);

	if (fd < 0)
		return fd;
	memcpy(h->uuid, uuid, 16);
	return tr_monitor_ask(fd, op, arg, size, NULL);
}

static const uint8_t *uuid_of(nvmlDevice_t dev)
{
	return dev->mig ? dev->m.uuid : dev->gpu->uuid;
}

int vnv_ask(struct vnv_gpu *g, unsigned op, void *arg, size_t size)
{
	return ask(g, g->uuid, op, arg, size);
}

/* ---- telemetry ---- */

static nvmlReturn_t judge(const struct vgp_telemetry *t)
{
	switch (t->lost) {
	case 0: return NVML_SUCCESS;
	case 1: return NVML_ERROR_GPU_IS_LOST;
	default: return NVML_ERROR_RESET_REQUIRED;
	}
}

nvmlReturn_t vnv_live(nvmlDevice_t dev, enum vnv_age age, const struct vgp_telemetry **out)
{
	static struct vgp_mon_telemetry mig; /* of the MIG device asked about last; under the lock */
	struct vgp_mon_telemetry q;
	struct vnv_gpu *g = dev->gpu;
	uint64_t now = vgpu_now_ns();
	int r;

	if (!dev->mig && age == VNV_RECENT && g->live_ns && now - g->live_ns < RECENT_NS) {
		*out = &g->live;
		return judge(&g->live);
	}
	memset(&q, 0, sizeof(q));
	r = ask(g, uuid_of(dev), VGP_MON_TELEMETRY, &q, sizeof(q));
	if (r)
		return vnv_result(r);
	if (dev->mig) {
		mig = q;
		*out = &mig.t;
		return judge(&mig.t);
	}
	if (g->live_ns && g->live.generation != q.t.generation)
		vnv_table_refresh();
	g->live = q.t;
	g->live_ns = now;
	*out = &g->live;
	return judge(&g->live);
}

void vnv_live_drop(struct vnv_gpu *g)
{
	g->live_ns = 0;
}

/* ---- lists ---- */

/* Adds what came: entries of the daemon's size become entries of ours. */
static int take(const struct vgp_mon_list *l, size_t room, size_t entry_B, char **out, size_t *n)
{
	char *p;

	if (!l->n)
		return 0;
	if (!l->entry_B || l->n > room / l->entry_B)
		return -VGPU_E_PROTOCOL;
	p = realloc(*out, (*n + l->n) * entry_B);
	if (!p)
		return -VGPU_E_NOMEM;
	*out = p;
	memset(p + *n * entry_B, 0, l->n * entry_B);
	for (uint32_t i = 0; i < l->n; i++)
		memcpy(p + (*n + i) * entry_B, (const char *)(l + 1) + (size_t)i * l->entry_B, MIN((size_t)l->entry_B, entry_B));
	*n += l->n;
	return 0;
}

int vnv_ask_list(nvmlDevice_t dev, unsigned op, const struct vnv_list *in, size_t entry_B, void **out, size_t *n_out)
{
	struct vgp_mon_list *l = malloc(VGP_MON_SIZE_MAX);
	char *all = NULL;
	size_t n = 0;
	uint32_t cursor = 0;
	int r;

	if (!l)
		return -VGPU_E_NOMEM;
	do {
		memset(l, 0, sizeof(*l));
		l->cursor = cursor;
		l->since = in ? in->since : 0;
		l->arg = in ? in->arg : 0;
		l->arg2 = in ? in->arg2 : 0;
		r = ask(dev->gpu, uuid_of(dev), op, l, VGP_MON_SIZE_MAX);
		if (!r)
			r = take(l, VGP_MON_SIZE_MAX - sizeof(*l), entry_B, &all, &n);
		/* a cursor that doesn't advance is no answer */
		if (!r && l->cursor && (l->cursor <= cursor || !l->n))
			r = -VGPU_E_PROTOCOL;
		cursor = l->cursor;
	} while (!r && cursor);
	free(l);
	if (r) {
		free(all);
		return r;
	}
	*out = all;
	*n_out = n;
	return 0;
}

/*
 * vcu_check.c: contexts whose kernels run under the memory checker: those of a
 * process that says so in $VGPU_DEBUG (memcheck), or of a device with that
 * property. Reports are brought to $VGPU_DEBUG's file at the program's
 * synchronisation points, as printf's text, and with their sum when the context
 * ends (and what it still holds, where the word leaks is there, too). Without a
 * file they are in the mount only: the worker sends them there anyway.
 */
#include "libcuda-vgpu/vcu_ctx.h"
#include "libcuda-vgpu/vcu_log.h"
#include "libcuda-vgpu/vcu_stream.h"
#include "util/calltrace.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;   /* one text after the other */

bool vcu_check_wanted(const struct vcu_device *dev)
{
	return vcu_debug & VCU_DEBUG_MEMCHECK || dev->d.memcheck;
}

static void drain(struct vcu_ctx *c, uint32_t flags)
{
	char text[VGP_RING_REPLY_DATA];
	struct vgpu_err err = VGPU_ERR_INIT;
	struct vgp_reply rep;
	size_t n;
	int r;

	do {
		struct vgp_cmd cmd = { .op = VGP_OP_CHECK_DRAIN, .a.CHECK_DRAIN = { .ctx = c->wire, .flags = flags } };

		n = 0;
		r = tr_call(vcu_session(), &cmd, NULL, 0, &rep, text, sizeof(text), &n, &err);
		if (r)
			break;
		vgpu_calltrace_text(text, n);
	} while (n && rep.r.CHECK_DRAIN.left);
	if (r == -VGPU_E_NOT_SUPPORTED) {
		/* an older worker runs them unchecked */
		vcu_log_err("memcheck", &err);
		c->checked = false;
	}
}

void vcu_check_flush(struct vcu_ctx *c, uint32_t flags)
{
	struct tr_session *t = vcu_session();

	if (!t || tr_dead(t) || tr_forked(t))
		return;
	pthread_mutex_lock(&lock);
	drain(c, flags);
	pthread_mutex_unlock(&lock);
}

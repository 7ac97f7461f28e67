/*
 * vcu_printf.c: device printf. Text that kernels printed comes to the program's
 * stdout at its synchronisation points, as CUDA has it; that and the message of
 * a failed device assertion (stderr) are the only things this library writes.
 */
#include <stdio.h>

#include "libcuda-vgpu/vcu_stream.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;   /* one text after the other */

static void drain(struct vcu_ctx *c)
{
	struct tr_session *t = vcu_session();
	char text[VGP_RING_REPLY_DATA];
	struct vgp_reply rep;
	bool any = false;
	size_t n;

	do {
		struct vgp_cmd cmd = { .op = VGP_OP_PRINTF_DRAIN, .a.PRINTF_DRAIN = { .ctx = c->wire } };

		n = 0;
		if (tr_call(t, &cmd, NULL, 0, &rep, text, sizeof(text), &n, NULL) || !n)
			break;
		fwrite(text, 1, n, stdout);
		any = true;
	} while (rep.r.PRINTF_DRAIN.left);
	if (any)
		fflush(stdout);
}

/* Once per context: the first error that this side sees is told once. */
static void report_assert(struct vcu_ctx *c)
{
	struct vgp_cmd cmd = { .op = VGP_OP_CTX_STATUS, .a.CTX_STATUS = { .ctx = c->wire } };
	char text[1024] = "";
	size_t n = 0;

	if (__atomic_exchange_n(&c->error, CUDA_ERROR_ASSERT, __ATOMIC_ACQ_REL) == CUDA_ERROR_ASSERT)
		return;
	if (tr_call(vcu_session(), &cmd, NULL, 0, NULL, text, sizeof(text) - 1, &n, NULL) || !n)
		return;
	text[n] = '\0';
	fprintf(stderr, "%s\n", text);
}

void vcu_printf_flush(struct vcu_ctx *c)
{
	struct tr_session *t = vcu_session();

	if (tr_printf_pending(t, c->wire)) {
		pthread_mutex_lock(&lock);
		drain(c);
		pthread_mutex_unlock(&lock);
	}
	if (unlikely(c->checked))
		vcu_check_flush(c, 0);
	if (unlikely(tr_transport(t) == VGP_TRANSPORT_RING && tr_ctx_status(t, c->wire) == -VGPU_E_ASSERT))
		report_assert(c);
	else if (tr_transport(t) != VGP_TRANSPORT_RING && vcu_ctx_check(c) == CUDA_ERROR_ASSERT)
		report_assert(c);
}

/* 610-fake.c: see 610-fake.h. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/610-fake.h"

struct fake fake;

struct worker {
	int sock;
	pthread_t thread;
	struct worker *next;
	uint8_t buf[VGP_FRAME_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct worker *workers;
static uint8_t context_used[VGP_CONTEXTS];

static void send_frame(int sock, uint16_t type, const void *body, size_t len)
{
	struct vgp_frame h = { .magic = VGP_MAGIC, .type = type, .len = (uint32_t)len };
	uint8_t buf[512];

	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), body, len);
	if (send(sock, buf, sizeof(h) + len, MSG_NOSIGNAL) < 0)
		return;
}

static int ctx_create(const struct vgp_cmd *c, struct vgp_reply *r)
{
	for (uint32_t i = 0; i < VGP_CONTEXTS; i++) {
		if (context_used[i])
			continue;
		context_used[i] = 1;
		fake.ctx_status[i] = 0;
		fake.live_contexts++;
		fake.made_contexts++;
		fake.last_device = c->a.CTX_CREATE.device;
		r->r.CTX_CREATE.ctx = i;
		return 0;
	}
	return VGPU_E_NOMEM;
}

static int ctx_destroy(uint32_t ctx)
{
	if (ctx >= VGP_CONTEXTS || !context_used[ctx])
		return VGPU_E_INVALID_CONTEXT;
	context_used[ctx] = 0;
	fake.live_contexts--;
	return 0;
}

static int answer(const struct vgp_cmd *c, struct vgp_reply *r)
{
	if (c->op == fake.fail_op)
		return fake.fail_status;
	switch (c->op) {
	case VGP_OP_CTX_CREATE:
		return ctx_create(c, r);
	case VGP_OP_CTX_DESTROY:
		return ctx_destroy(c->a.CTX_DESTROY.ctx);
	case VGP_OP_CTX_SET_LIMIT:
		fake.limits[c->a.CTX_SET_LIMIT.limit % VGP_LIMIT_COUNT] = c->a.CTX_SET_LIMIT.value;
		return 0;
	case VGP_OP_CTX_GET_LIMIT:
		r->r.CTX_GET_LIMIT.value = fake.limits[c->a.CTX_GET_LIMIT.limit % VGP_LIMIT_COUNT];
		return 0;
	case VGP_OP_CTX_STATUS:
		r->r.CTX_STATUS.status = (uint32_t)fake.ctx_status[c->a.CTX_STATUS.ctx % VGP_CONTEXTS];
		return 0;
	case VGP_OP_QUEUE_WAIT:
		r->r.QUEUE_WAIT.completed = UINT64_MAX;
		return 0;
	case VGP_OP_PING:
	case VGP_OP_WINDOW_MAP:
	case VGP_OP_QUEUE_CREATE:
	case VGP_OP_QUEUE_DESTROY:
		return 0;
	default:
		return VGPU_E_NOT_SUPPORTED;
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	const uint8_t *buf = w->buf;
	ssize_t n;

	while ((n = recv(w->sock, w->buf, VGP_FRAME_MAX, 0)) > 0) {
		struct vgp_frame h;
		struct vgp_cmd c;
		struct vgp_reply r;

		memcpy(&h, buf, sizeof(h));
		if (h.type != VGP_FRAME_CMD || (size_t)n < sizeof(h) + sizeof(c))
			break;
		memcpy(&c, buf + sizeof(h), sizeof(c));
		if (c.op >= VGP_OP_NOP)
			continue;   /* queued: done at once, as QUEUE_WAIT says */
		memset(&r, 0, sizeof(r));
		pthread_mutex_lock(&lock);
		r.status = answer(&c, &r);
		pthread_mutex_unlock(&lock);
		r.seq = c.seq;
		send_frame(w->sock, VGP_FRAME_REPLY, &r, sizeof(r));
	}
	shutdown(w->sock, SHUT_RDWR);
	return NULL;
}

static int start(int sock, const struct vgpu_device *devs, size_t n, unsigned transport, void **engine,
		 struct vgpu_err *err)
{
	struct vgp_welcome hello = { .magic = VGP_MAGIC, .abi_major = VGP_ABI_MAJOR, .abi_minor = VGP_ABI_MINOR,
				     .window_size = 1u << 30, .window_addr = VGP_WINDOW_ADDR };
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a worker");
	w->sock = sock;
	hello.status = (uint32_t)fake.refuse_session;
	send_frame(sock, VGP_FRAME_WELCOME, &hello, sizeof(hello));
	pthread_mutex_lock(&lock);
	fake.sessions++;
	fake.live_sessions++;
	w->next = workers;
	workers = w;
	pthread_mutex_unlock(&lock);
	pthread_create(&w->thread, NULL, work, w);
	*engine = w;
	return 0;
}

static void stop(void *engine)
{
	struct worker *w = engine;

	shutdown(w->sock, SHUT_RDWR);
	pthread_join(w->thread, NULL);
	close(w->sock);
	pthread_mutex_lock(&lock);
	for (struct worker **p = &workers; *p; p = &(*p)->next)
		if (*p == w) {
			*p = w->next;
			break;
		}
	fake.live_sessions--;
	memset(context_used, 0, sizeof(context_used));
	fake.live_contexts = 0;
	pthread_mutex_unlock(&lock);
	free(w);
}

void fake_kill(void)
{
	pthread_mutex_lock(&lock);
	for (struct worker *w = workers; w; w = w->next)
		shutdown(w->sock, SHUT_RDWR);
	pthread_mutex_unlock(&lock);
}

void fake_install(const struct vgpu_device *devs, unsigned n)
{
	static const struct tr_loop_ops ops = { start, stop };

	setenv("VGPU_TRANSPORT", "socket", 1);
	tr_set_loopback(&ops, devs, n);
}

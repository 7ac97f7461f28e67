/* session.c: see session.h. */
#include "t/lib/session.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/backend.h"
#include "engine/engine.h"
#include "protocol/vgp_ctl.h"
#include "t/lib/tap.h"
#include "util/sys.h"

static struct vgpu_device dev;
static pid_t worker;

void session_device(struct vgpu_device *d)
{
	vgpu_device_init(d);
	strcpy(d->uuid, "GPU-00000000-0000-0000-0000-000000000001");
	d->memory_total = 64ull << 20;
}

/* Places a and b at 3 and 4 and becomes the worker. */
static void become_worker(int a, int b)
{
	int x = fcntl(a, F_DUPFD, 10), y = fcntl(b, F_DUPFD, 10);

	dup2(x, VGP_WORKER_FD_CLIENT);
	dup2(y, VGP_WORKER_FD_CTL);
	for (int fd = 5; fd < 256; fd++)
		close(fd);
	execl(test_build("engine/vgpu-engine"), "vgpu-engine", (char *)NULL);
	_exit(127);
}

/* The daemon's part: grants memory, within the device's size, until the worker is gone. */
static void *granter(void *arg)
{
	int fd = (int)(intptr_t)arg;
	uint64_t used = 0;
	struct vgp_ctl m;

	while (recv(fd, &m, sizeof(m), 0) == sizeof(m)) {
		if (m.op == VGP_CTL_RELEASE)
			used -= m.value;
		if (m.op == VGP_CTL_RESERVE) {
			m.op = VGP_CTL_GRANT;
			m.status = used + m.value > dev.memory_total ? VGPU_E_NOMEM : 0;
			m.value = m.status ? 0 : m.value;
			used += m.value;
		} else if (m.op == VGP_CTL_ATTACH) {
			m.op = VGP_CTL_GRANT;
			m.status = 0;
		} else if (m.op == VGP_CTL_QUERY) {
			m.op = VGP_CTL_TOTALS;
			m.value = used;
		} else {
			continue;
		}
		send(fd, &m, sizeof(m), MSG_NOSIGNAL);
	}
	close(fd);
	return NULL;
}

static int start_worker(int sock, const struct vgpu_device *devs, size_t n, unsigned transport, void **engine, struct vgpu_err *err)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vgp_ctl c = { .op = VGP_CTL_START, .session = 7 };
	struct vgp_ctl_start st = { .transport = transport, .client_pid = (uint32_t)getpid() };
	int sv[2], pidfd, ctl;
	pthread_t t;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return vgpu_err_errno(err, "socketpair");
	/* a test may have closed its standard streams: ours shall not take their place */
	ctl = fcntl(sv[0], F_DUPFD_CLOEXEC, 3);
	close(sv[0]);
	worker = fork();
	if (worker == 0)
		become_worker(sock, sv[1]);
	close(sv[1]);
	close(sock);
	vgpu_buf_add(&b, &c, sizeof(c));
	vgpu_buf_add(&b, &st, sizeof(st));
	vgpu_devtab_print(&b, devs, n);
	pidfd = vgpu_pidfd_open(getpid(), false);
	vgpu_send_fds(ctl, b.data, b.len, &pidfd, pidfd >= 0, 0);
	if (pidfd >= 0)
		close(pidfd);
	vgpu_buf_free(&b);
	if (pthread_create(&t, NULL, granter, (void *)(intptr_t)ctl) == 0)
		pthread_detach(t);
	*engine = NULL;      /* not in this process */
	return 0;
}

static void stop_nothing(void *engine)
{
	(void)engine;
}

static const struct tr_loop_ops ops_here = { eng_loop_start, eng_loop_stop };
static const struct tr_loop_ops ops_worker = { start_worker, stop_nothing };

struct tr_session *session_open(enum session_place place, unsigned transport)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct tr_session *s = NULL;
	struct tr_node node = { "", "" };

	session_device(&dev);
	eng_loop_set_backend(be_find("interp"));
	tr_set_loopback(place == SESSION_HERE ? &ops_here : &ops_worker, &dev, 1);
	if (tr_open(&s, &node, transport, &err))
		bail("open a session: %s", err.text);
	return s;
}

int session_raw(unsigned transport)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	void *engine;
	int sv[2];

	session_device(&dev);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0 || start_worker(sv[1], &dev, 1, transport, &engine, &err))
		bail("start a worker");
	return sv[0];
}

pid_t session_worker(void)
{
	return worker;
}

int session_reap(unsigned seconds)
{
	for (unsigned i = 0; i < seconds * 100; i++) {
		struct timespec t = { .tv_nsec = 10000000 };
		int st;

		if (waitpid(worker, &st, WNOHANG) == worker)
			return st;
		nanosleep(&t, NULL);
	}
	return -1;
}

uint32_t session_ctx(struct tr_session *s)
{
	struct vgp_cmd c = { .op = VGP_OP_CTX_CREATE };
	struct vgp_reply r;
	struct vgpu_err err = VGPU_ERR_INIT;

	if (tr_call(s, &c, NULL, 0, &r, NULL, 0, NULL, &err))
		bail("create a context: %s", err.text);
	return r.r.CTX_CREATE.ctx;
}

uint32_t session_queue(struct tr_session *s, uint32_t ctx)
{
	struct vgp_cmd c = { .op = VGP_OP_QUEUE_CREATE };
	struct vgpu_err err = VGPU_ERR_INIT;
	uint32_t q;

	if (tr_queue_alloc(s, &q, &err))
		bail("take a queue: %s", err.text);
	c.a.QUEUE_CREATE.ctx = ctx;
	c.a.QUEUE_CREATE.queue = q;
	if (tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, &err))
		bail("create a queue: %s", err.text);
	return q;
}

uint64_t session_alloc(struct tr_session *s, uint32_t ctx, uint64_t size, uint32_t kind)
{
	struct vgp_cmd c = { .op = VGP_OP_MEM_ALLOC, .a.MEM_ALLOC = { .size = size, .ctx = ctx, .kind = kind } };
	struct vgp_reply r;

	return tr_call(s, &c, NULL, 0, &r, NULL, 0, NULL, NULL) ? 0 : r.r.MEM_ALLOC.addr;
}

int session_free(struct tr_session *s, uint64_t addr)
{
	struct vgp_cmd c = { .op = VGP_OP_MEM_FREE, .a.MEM_FREE = { .addr = addr } };

	return tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, NULL);
}

int session_module(struct tr_session *s, uint32_t ctx, const char *ptx, uint32_t *module, const char **log)
{
	static char out[65536];
	size_t len = strlen(ptx), out_len = 0;
	uint64_t at = session_alloc(s, ctx, len, VGP_MEM_STAGING);
	struct vgp_image im = { .addr = at, .size = len };
	struct vgp_cmd c = { .op = VGP_OP_MODULE_LOAD, .a.MODULE_LOAD = { .ctx = ctx, .count = 1, .log_cap = 8192 } };
	struct vgp_module_log l = { 0 };
	struct vgp_reply r;
	int rc;

	if (!at || tr_mem_write(s, at, ptx, len, NULL))
		bail("stage a module");
	rc = tr_call(s, &c, &im, sizeof(im), &r, out, sizeof(out) - 1, &out_len, NULL);
	session_free(s, at);
	*module = r.r.MODULE_LOAD.module;
	out[out_len] = 0;
	if (out_len >= sizeof(l))
		memcpy(&l, out, sizeof(l));
	if (log)
		*log = out_len >= sizeof(l) ? out + sizeof(l) + l.info_len : "";
	return rc;
}

int session_func(struct tr_session *s, uint32_t module, const char *name, uint32_t *func)
{
	struct vgp_cmd c = { .op = VGP_OP_FUNC_GET, .a.FUNC_GET = { .module = module } };
	struct vgp_reply r;
	char out[8192];
	int rc = tr_call(s, &c, name, strlen(name), &r, out, sizeof(out), NULL, NULL);

	*func = r.r.FUNC_GET.func;
	return rc;
}

int session_launch(struct tr_session *s, uint32_t queue, uint32_t func, uint32_t flags, const uint32_t grid[3],
		   const uint32_t block[3], const void *params, uint32_t len, uint64_t *seq)
{
	uint8_t data[sizeof(struct vgp_launch) + 256];
	struct vgp_launch l = { .param_len = len };
	struct vgp_cmd c = { .op = VGP_OP_LAUNCH, .queue = queue, .a.LAUNCH = { .func = func, .flags = flags } };

	memcpy(l.grid, grid, sizeof(l.grid));
	memcpy(l.block, block, sizeof(l.block));
	memcpy(data, &l, sizeof(l));
	if (len)
		memcpy(data + sizeof(l), params, len);
	return tr_submit(s, &c, data, sizeof(l) + len, seq, NULL);
}

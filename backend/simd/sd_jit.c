/*
 * sd_jit.c: see sd_jit.h. One connection for the process. Whoever waits for an
 * answer reads the socket, for all; the others sleep until theirs is there.
 *
 * State of a job: pending (in conn.jobs) → done (not any more). A job that is
 * freed while pending leaves the list; its answer, when it comes, finds nobody
 * and is closed.
 */
#include "backend/simd/sd_jit.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/simd/sd_jit_wire.h"
#include "compiler/ir/ir.h"
#include "util/cleanup.h"
#include "util/htab.h"
#include "util/sys.h"

extern char **environ;

struct sd_jit_job {
	struct sd_jit_job *next, *prev;
	const struct ir_module *m;
	uint64_t id;
	bool done;
	int status;                /* 0 or negative */
	int fd;                    /* the artifact, -1: none */
	struct sd_code *code;      /* made by a local generator */
	struct vgpu_err err;
};

static struct {
	pthread_mutex_t lock;      /* of all below, but for what send_lock says */
	pthread_mutex_t send_lock; /* taken first: packets of one request stay together */
	pthread_cond_t news;       /* an answer came, or the reader left */
	gen_kernel_f local;
	sd_jit_notice_f *notice;
	int fd;                    /* -1: none yet, or lost; written with both locks */
	bool given;                /* by sd_jit_set_fd: when it is lost there is no other */
	bool lost;
	pid_t child;               /* started by us */
	bool reading;              /* a thread is inside recvmsg without the lock */
	uint64_t next_id;
	struct vgpu_htab modules;  /* ir_module → its id; send_lock */
	struct sd_jit_job jobs;    /* list head */
	struct sd_jit_stats stats;
} conn = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .send_lock = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER, .fd = -1,
	.jobs = { .next = &conn.jobs, .prev = &conn.jobs },
};

/* ---- jobs ---- */

static struct sd_jit_job *job_new(const struct ir_module *m)
{
	struct sd_jit_job *j = calloc(1, sizeof(*j));

	if (j) {
		j->m = m;
		j->fd = -1;
		j->next = j->prev = j;
	}
	return j;
}

static void job_unlink(struct sd_jit_job *j)
{
	j->next->prev = j->prev;
	j->prev->next = j->next;
	j->next = j->prev = j;
}

static void job_link(struct sd_jit_job *j)
{
	j->next = &conn.jobs;
	j->prev = conn.jobs.prev;
	j->prev->next = j;
	conn.jobs.prev = j;
}

static struct sd_jit_job *job_find(uint64_t id)
{
	for (struct sd_jit_job *j = conn.jobs.next; j != &conn.jobs; j = j->next)
		if (j->id == id)
			return j;
	return NULL;
}

void sd_jit_job_free(struct sd_jit_job *j)
{
	if (!j)
		return;
	pthread_mutex_lock(&conn.lock);
	job_unlink(j);
	pthread_mutex_unlock(&conn.lock);
	if (j->fd >= 0)
		close(j->fd);
	sd_unload(j->code);
	free(j);
}

/* ---- the connection ---- */

/* Called with lock: nobody answers any more. */
static void conn_lost(void)
{
	while (conn.jobs.next != &conn.jobs) {
		struct sd_jit_job *j = conn.jobs.next;

		job_unlink(j);
		j->done = true;
		j->status = vgpu_err_set(&j->err, VGPU_E_DISCONNECTED, "the compiler's process is gone");
	}
	conn.lost = true;
	pthread_cond_broadcast(&conn.news);
}

/* Called with both locks. */
static void conn_close(void)
{
	if (conn.fd >= 0)
		close(conn.fd);
	conn.fd = -1;
	/* it ends by itself, when it has stored what it was about to store */
	if (conn.child > 0)
		waitpid(conn.child, NULL, 0);
	conn.child = 0;
	vgpu_htab_fini(&conn.modules);
	vgpu_htab_init_int(&conn.modules);
}

static bool find_program(char path[PATH_MAX])
{
	static const char *const beside[] = { "vgpu-jit", "../engine/vgpu-jit" };
	const char *env = vgpu_getenv("VGPU_JIT");
	char self[PATH_MAX / 2], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (env && *env) {
		snprintf(path, PATH_MAX, "%s", env);
		return true;
	}
	self[n > 0 ? n : 0] = 0;
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < ARRAY_SIZE(beside); i++) {
		snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - self), self, beside[i]);
		if (access(path, X_OK) == 0)
			return true;
	}
	snprintf(path, PATH_MAX, "%s/vgpu-jit", VGPU_LIBEXECDIR);
	return access(path, X_OK) == 0;
}

static int spawn(const char *path, int sock, pid_t *pid)
{
	char *argv[] = { (char *)"vgpu-jit", NULL };
	posix_spawn_file_actions_t fa;
	int r = posix_spawn_file_actions_init(&fa);

	if (r)
		return r;
	/* dup2 to itself leaves close-on-exec set, except in here */
	r = posix_spawn_file_actions_adddup2(&fa, sock, SD_JW_FD);
	if (r == 0)
		r = posix_spawn(pid, path, &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	return r;
}

/* Called with both locks. */
static int start_program(struct vgpu_err *err)
{
	char path[PATH_MAX];
	int sv[2], r;

	if (!find_program(path))
		return vgpu_err_set(err, VGPU_E_FILE_NOT_FOUND, "vgpu-jit, the compiler of the simd backend, isn't there");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return vgpu_err_errno(err, "socket to the compiler");
	r = spawn(path, sv[1], &conn.child);
	close(sv[1]);
	if (r) {
		close(sv[0]);
		conn.child = 0;
		errno = r;
		return vgpu_err_errno(err, "start %s", path);
	}
	conn.fd = sv[0];
	return 0;
}

/* Called with send_lock. */
static int conn_open(struct vgpu_err *err)
{
	int r = 0;

	pthread_mutex_lock(&conn.lock);
	if (conn.lost && conn.given) {
		r = vgpu_err_set(err, VGPU_E_DISCONNECTED, "the compiler's process is gone");
	} else if (conn.lost || conn.fd < 0) {
		while (conn.reading)
			pthread_cond_wait(&conn.news, &conn.lock);
		conn_close();
		conn.lost = false;
		r = start_program(err);
	}
	pthread_mutex_unlock(&conn.lock);
	return r;
}

void sd_jit_set_local(gen_kernel_f gen)
{
	pthread_mutex_lock(&conn.lock);
	conn.local = gen;
	pthread_mutex_unlock(&conn.lock);
}

void sd_jit_set_fd(int fd)
{
	pthread_mutex_lock(&conn.send_lock);
	pthread_mutex_lock(&conn.lock);
	conn_lost();
	conn_close();
	conn.fd = fd;
	conn.given = fd >= 0;
	conn.lost = false;
	pthread_mutex_unlock(&conn.lock);
	pthread_mutex_unlock(&conn.send_lock);
}

void sd_jit_set_notice(sd_jit_notice_f *f)
{
	pthread_mutex_lock(&conn.lock);
	conn.notice = f;
	pthread_mutex_unlock(&conn.lock);
}

void sd_jit_notice(const char *kernel, const char *why)
{
	sd_jit_notice_f *f;

	pthread_mutex_lock(&conn.lock);
	f = conn.notice;
	pthread_mutex_unlock(&conn.lock);
	if (f)
		f(kernel, why);
}

/* ---- sending: with send_lock ---- */

static int send_failed(struct vgpu_err *err)
{
	int r = vgpu_err_errno(err, "send to the compiler's process");

	pthread_mutex_lock(&conn.lock);
	conn_lost();
	pthread_mutex_unlock(&conn.lock);
	return r;
}

static int send_packet(const void *data, size_t len, struct vgpu_err *err)
{
	return vgpu_send_fds(conn.fd, data, len, NULL, 0, 0) == (ssize_t)len ? 0 : send_failed(err);
}

static struct sd_jw_head head(uint16_t op, uint64_t id)
{
	return (struct sd_jw_head){ SD_JW_MAGIC, SD_JW_VERSION, op, id };
}

static int send_text(uint64_t id, const struct ir_text *t, struct vgpu_err *err)
{
	cleanup_free uint8_t *buf = malloc(sizeof(struct sd_jw_head) + SD_JW_CHUNK);
	struct sd_jw_head h = head(SD_JW_TEXT, id);
	int r = 0;

	if (!buf)
		return vgpu_err_set(err, VGPU_E_NOMEM, "module's text: out of memory");
	memcpy(buf, &h, sizeof(h));
	for (size_t at = 0; at < t->len && r == 0; at += SD_JW_CHUNK) {
		size_t n = MIN(t->len - at, (size_t)SD_JW_CHUNK);

		memcpy(buf + sizeof(h), t->text + at, n);
		r = send_packet(buf, sizeof(h) + n, err);
	}
	return r;
}

static int send_module(const struct ir_module *m, uint64_t id, struct vgpu_err *err)
{
	size_t size = sizeof(struct sd_jw_module) + m->n_texts * sizeof(uint64_t);
	struct sd_jw_module h = { .h = head(SD_JW_MODULE, id), .n_texts = m->n_texts, .max_target = m->max_target,
				  .no_contract = m->no_contract, .lazy = m->opt_lazy };
	cleanup_free uint8_t *buf = malloc(size);
	int r;

	if (!buf)
		return vgpu_err_set(err, VGPU_E_NOMEM, "module: out of memory");
	memcpy(buf, &h, sizeof(h));
	for (uint32_t i = 0; i < m->n_texts; i++) {
		uint64_t len = m->texts[i].len;

		memcpy(buf + sizeof(h) + i * sizeof(len), &len, sizeof(len));
	}
	r = send_packet(buf, size, err);
	for (uint32_t i = 0; i < m->n_texts && r == 0; i++)
		r = send_text(id, &m->texts[i], err);
	return r;
}

/* The module's number there; sends it when it is new. */
static int module_id(const struct ir_module *m, uint64_t *id, struct vgpu_err *err)
{
	int r;

	*id = (uint64_t)(uintptr_t)vgpu_htab_get(&conn.modules, (uint64_t)(uintptr_t)m);
	if (*id)
		return 0;
	if (!m->texts || m->n_texts > SD_JW_TEXTS)
		return vgpu_err_set(err, VGPU_E_INTERNAL, "the module's text wasn't kept");
	*id = ++conn.next_id;
	r = send_module(m, *id, err);
	if (r == 0 && !vgpu_htab_put(&conn.modules, (uint64_t)(uintptr_t)m, (void *)(uintptr_t)*id))
		return vgpu_err_set(err, VGPU_E_NOMEM, "module: out of memory");
	return r;
}

static int send_job(struct sd_jit_job *j, const struct gen_request *r, struct vgpu_err *err)
{
	struct sd_jw_compile c = { .func = r->func, .block = { r->block[0], r->block[1], r->block[2] }, .small_grid = r->small_grid,
				   .isa = r->isa, .warps = r->warps, .tier = r->tier, .flags = r->flags, .best = r->best };
	int e = conn_open(err);

	if (e == 0)
		e = module_id(r->m, &c.module, err);
	if (e)
		return e;
	j->id = ++conn.next_id;
	c.h = head(SD_JW_COMPILE, j->id);
	pthread_mutex_lock(&conn.lock);
	job_link(j);
	pthread_mutex_unlock(&conn.lock);
	/* when this fails the job is done: it says so itself */
	send_packet(&c, sizeof(c), NULL);
	return 0;
}

void sd_jit_forget(const struct ir_module *m)
{
	struct sd_jw_head h;
	void *id;

	pthread_mutex_lock(&conn.send_lock);
	id = vgpu_htab_del(&conn.modules, (uint64_t)(uintptr_t)m);
	if (id && conn.fd >= 0) {
		h = head(SD_JW_DROP, (uint64_t)(uintptr_t)id);
		send_packet(&h, sizeof(h), NULL);
	}
	pthread_mutex_unlock(&conn.send_lock);
}

/* ---- answers: with lock ---- */

static void count(int status, uint32_t from, uint64_t ns)
{
	if (status)
		conn.stats.failed++;
	else if (from == SD_JW_CACHED)
		conn.stats.cached++;
	else
		conn.stats.compiled++;
	if (from == SD_JW_COMPILED)
		conn.stats.compile_ns += ns;
}

static void on_result(const struct sd_jw_result *r, int *fd)
{
	struct sd_jit_job *j = job_find(r->h.id);

	if (!j)
		return;
	job_unlink(j);
	j->done = true;
	if (r->status)
		j->status = vgpu_err_set(&j->err, (int)r->status, "%.*s", (int)sizeof(r->text), r->text);
	else if (*fd < 0)
		j->status = vgpu_err_set(&j->err, VGPU_E_PROTOCOL, "the compiler's process sent no code");
	else
		j->fd = TAKE_FD(*fd);
	count(j->status, r->from, r->ns);
	pthread_cond_broadcast(&conn.news);
}

/* One packet that has come, or its failure. True: there may be more. */
static bool on_packet(const struct sd_jw_result *r, ssize_t n, int *fds, int nfds)
{
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (n != (ssize_t)sizeof(*r) || r->h.magic != SD_JW_MAGIC || r->h.version != SD_JW_VERSION || r->h.op != SD_JW_RESULT) {
		conn_lost();
		return false;
	}
	on_result(r, &fds[0]);
	return true;
}

static bool receive(int flags)
{
	int fds[VGPU_MAX_FDS] = { -1 }, nfds = 0, fd = conn.fd;
	struct sd_jw_result res;
	bool more;
	ssize_t n;

	if (!flags) {
		conn.reading = true;
		pthread_mutex_unlock(&conn.lock);
	}
	n = vgpu_recv_fds(fd, &res, sizeof(res), fds, &nfds, flags);
	if (!flags) {
		int saved = errno;

		pthread_mutex_lock(&conn.lock);
		conn.reading = false;
		pthread_cond_broadcast(&conn.news);
		errno = saved;
	}
	more = on_packet(&res, n, fds, nfds);
	for (int i = 0; i < nfds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return more;
}

/* ---- the interface ---- */

static int compile_local(struct sd_jit_job *j, gen_kernel_f gen, const struct gen_request *r)
{
	struct gen_object o = { 0 };
	uint64_t t0 = vgpu_now_ns(), ns;

	j->status = gen(r, &o, &j->err);
	ns = vgpu_now_ns() - t0;
	if (j->status == 0)
		j->status = sd_load(&j->code, &o, &j->err);
	gen_object_free(&o);
	j->done = true;
	pthread_mutex_lock(&conn.lock);
	count(j->status, SD_JW_COMPILED, ns);
	pthread_mutex_unlock(&conn.lock);
	return 0;
}

int sd_jit_start(struct sd_jit_job **out, const struct gen_request *r, struct vgpu_err *err)
{
	struct sd_jit_job *j = job_new(r->m);
	gen_kernel_f local;
	int e;

	if (!j)
		return vgpu_err_set(err, VGPU_E_NOMEM, "compilation: out of memory");
	pthread_mutex_lock(&conn.lock);
	local = conn.local;
	pthread_mutex_unlock(&conn.lock);
	if (local) {
		e = compile_local(j, local, r);
	} else {
		pthread_mutex_lock(&conn.send_lock);
		e = send_job(j, r, err);
		pthread_mutex_unlock(&conn.send_lock);
	}
	if (e) {
		sd_jit_job_free(j);
		return e;
	}
	*out = j;
	return 0;
}

static int job_result(struct sd_jit_job *j, struct sd_code **out, struct vgpu_err *err)
{
	int r = j->status;

	if (r == 0 && !j->code)
		r = sd_load_fd(&j->code, j->fd, &j->err);
	if (j->fd >= 0)
		close(TAKE_FD(j->fd));
	if (r == 0)
		r = sd_code_check(j->code, j->m, &j->err);
	if (r == 0) {
		*out = TAKE_PTR(j->code);
		j->status = vgpu_err_set(&j->err, VGPU_E_INVALID, "the compiled kernel was taken");
		return 0;
	}
	j->status = r;
	return vgpu_err_set(err, -r, "%s", j->err.text);
}

static int finish(struct sd_jit_job *j, bool wait, struct sd_code **out, struct vgpu_err *err)
{
	bool done;

	pthread_mutex_lock(&conn.lock);
	while (!j->done && wait) {
		if (conn.reading)
			pthread_cond_wait(&conn.news, &conn.lock);
		else
			receive(0);
	}
	while (!j->done && !conn.reading && receive(MSG_DONTWAIT))
		continue;
	done = j->done;
	pthread_mutex_unlock(&conn.lock);
	return done ? job_result(j, out, err) : -VGPU_E_NOT_READY;
}

void sd_jit_await(unsigned ms)
{
	struct pollfd p = { .events = POLLIN };

	pthread_mutex_lock(&conn.lock);
	p.fd = conn.fd;
	pthread_mutex_unlock(&conn.lock);
	poll(&p, 1, (int)ms);
}

int sd_jit_poll(struct sd_jit_job *j, struct sd_code **out, struct vgpu_err *err)
{
	return finish(j, false, out, err);
}

int sd_jit_wait(struct sd_jit_job *j, struct sd_code **out, struct vgpu_err *err)
{
	return finish(j, true, out, err);
}

int sd_jit_compile(struct sd_code **out, const struct gen_request *r, struct vgpu_err *err)
{
	struct sd_jit_job *j;
	int e = sd_jit_start(&j, r, err);

	if (e)
		return e;
	e = sd_jit_wait(j, out, err);
	sd_jit_job_free(j);
	return e;
}

void sd_jit_stats(struct sd_jit_stats *out)
{
	pthread_mutex_lock(&conn.lock);
	*out = conn.stats;
	pthread_mutex_unlock(&conn.lock);
}

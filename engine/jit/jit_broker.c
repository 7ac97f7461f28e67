/*
 * jit_broker.c: the broker's loop: packets of the worker become modules and
 * jobs; a job is answered from the cache or queued for a compiler.
 *
 * A job is queued → running (proc.job) → gone; DROP and the worker's end take
 * it away in either state, if it is of tier 0. One of tier 1 is made for the
 * cache then: the kernel has run for long, and the next process that runs it
 * has the better code from its start. When the worker is gone that may take
 * some seconds and no longer. Jobs of tier 0 come first and may use all CPUs but
 * the one; one of tier 1 runs at a time, in a compiler of low priority, and
 * none is begun while others wait or run.
 *
 * Never blocks but in poll: what the worker doesn't take at once waits in a
 * list. A worker that breaks the rules is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/simd/sd_load.h"
#include "engine/jit/jit.h"
#include "util/cleanup.h"
#include "util/htab.h"
#include "util/sys.h"
#include "util/vec.h"

#define PROCS_MAX 16
#define JOBS_MAX 65536
#define MODULES_MAX 65536
#define IDLE_NS 3000000000ull      /* a compiler without work ends then */
#define IDLE_MAX 2
#define LINGER_NS 4000000000ull    /* without the worker */
#define SMALL_B (4u << 20)
#define PACKET_B (sizeof(struct sd_jw_head) + SD_JW_CHUNK)

/* Texts are in a memfd that compilers map, or, as there are more modules than descriptors, in memory when they are small. */
struct module {
	uint64_t id, size, got;
	int text;                  /* sealed when it is complete; -1: in small */
	uint8_t *small;
	bool complete;
	bool dropped;              /* lives as long as its jobs do */
	struct sd_jw_module h;
	uint64_t *lens;
	struct jit_key key;
};

struct job {
	struct sd_jw_compile c;
	struct module *m;
	struct jit_key key;
	bool background;
};

struct proc {
	int sock;
	bool background;
	uint64_t module;           /* that it has parsed, 0: none */
	struct job *job;
	uint64_t idle_since;
};

struct reply {
	struct sd_jw_result r;
	int fd;
};

struct broker {
	int sock, zygote;
	struct jit_cache *cache;
	struct vgpu_htab modules;
	VGPU_VEC(struct job *) queue;      /* in order of arrival */
	VGPU_VEC(struct proc) procs;
	VGPU_VEC(struct reply) out;        /* that the socket didn't take */
	unsigned cpus;
	uint64_t until;                    /* the worker is gone, and then so are we; 0: it is there */
	uint8_t *buf;
};

/* ---- answers ---- */

static void send_reply(struct broker *b, const struct sd_jw_result *r, int fd)
{
	struct reply later = { *r, -1 };

	if (b->until)
		return;
	if (b->out.n == 0 && vgpu_send_fds(b->sock, r, sizeof(*r), &fd, fd >= 0, MSG_DONTWAIT) >= 0)
		return;
	if (fd >= 0)
		later.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (!vgpu_vec_push(&b->out, later) && later.fd >= 0)
		close(later.fd);
}

static void send_later(struct broker *b)
{
	size_t n = 0;

	while (n < b->out.n) {
		struct reply *r = &b->out.v[n];

		if (vgpu_send_fds(b->sock, &r->r, sizeof(r->r), &r->fd, r->fd >= 0, MSG_DONTWAIT) < 0)
			break;
		if (r->fd >= 0)
			close(r->fd);
		n++;
	}
	b->out.n -= n;
	memmove(b->out.v, b->out.v + n, b->out.n * sizeof(*b->out.v));
}

static struct sd_jw_result result(uint64_t id, const struct vgpu_err *err)
{
	struct sd_jw_result r = { .h = { SD_JW_MAGIC, SD_JW_VERSION, SD_JW_RESULT, id }, .status = (uint32_t)err->status };

	snprintf(r.text, sizeof(r.text), "%s", err->text);
	return r;
}

static void send_error(struct broker *b, uint64_t id, const struct vgpu_err *err)
{
	struct sd_jw_result r = result(id, err);

	send_reply(b, &r, -1);
}

/* ---- modules and jobs ---- */

static void module_free(struct module *m)
{
	if (m->text >= 0)
		close(m->text);
	free(m->small);
	free(m->lens);
	free(m);
}

static bool is_used(const struct broker *b, const struct module *m)
{
	for (size_t i = 0; i < b->queue.n; i++)
		if (b->queue.v[i]->m == m)
			return true;
	for (size_t i = 0; i < b->procs.n; i++)
		if (b->procs.v[i].job && b->procs.v[i].job->m == m)
			return true;
	return false;
}

/* In no list any more. */
static void job_free(const struct broker *b, struct job *j)
{
	if (j && j->m->dropped && !is_used(b, j->m))
		module_free(j->m);
	free(j);
}

/* ---- compilers ---- */

static void proc_end(struct broker *b, size_t i)
{
	struct job *j = b->procs.v[i].job;

	close(b->procs.v[i].sock);
	vgpu_vec_swap_remove(&b->procs, i);
	job_free(b, j);
}

/* One without work that has the module, or else any, or else a new one; NULL and *err. */
static struct proc *proc_for(struct broker *b, const struct job *j, struct vgpu_err *err)
{
	struct proc *any = NULL, p = { .background = j->background };

	for (size_t i = 0; i < b->procs.n; i++) {
		struct proc *q = &b->procs.v[i];

		if (q->job || q->background != j->background)
			continue;
		if (q->module == j->m->id)
			return q;
		any = q;
	}
	if (any)
		return any;
	p.sock = jit_zygote_spawn(b->zygote, j->background, err);
	if (p.sock < 0)
		return NULL;
	if (!vgpu_vec_push(&b->procs, p)) {
		close(p.sock);
		vgpu_err_set(err, VGPU_E_NOMEM, "compiler: out of memory");
		return NULL;
	}
	return &b->procs.v[b->procs.n - 1];
}

static bool give_module(const struct proc *p, const struct module *m)
{
	size_t lens_B = m->h.n_texts * sizeof(*m->lens);
	cleanup_free uint8_t *buf = malloc(sizeof(m->h) + lens_B + 1);
	cleanup_close int own = m->small ? sd_art_memfd(m->small, m->size, NULL) : -1;
	int fd = m->small ? own : m->text;

	if (!buf || fd < 0)
		return false;
	memcpy(buf, &m->h, sizeof(m->h));
	memcpy(buf + sizeof(m->h), m->lens, lens_B);
	return vgpu_send_fds(p->sock, buf, sizeof(m->h) + lens_B, &fd, 1, 0) >= 0;
}

/* Gives it the job; one that can't be given is answered. */
static void run_job(struct broker *b, struct job *j)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct proc *p = proc_for(b, j, &err);

	if (p && p->module != j->m->id) {
		p->module = give_module(p, j->m) ? j->m->id : 0;
		if (!p->module)
			vgpu_err_set(&err, VGPU_E_INTERNAL, "the compiler can't be given the module");
	}
	if (!err.status && vgpu_send_fds(p->sock, &j->c, sizeof(j->c), NULL, 0, 0) < 0)
		vgpu_err_set(&err, VGPU_E_INTERNAL, "the compiler can't be asked");
	if (err.status) {
		if (!j->m->dropped)
			send_error(b, j->c.h.id, &err);
		job_free(b, j);
		return;
	}
	p->job = j;
}

static size_t n_running(const struct broker *b, bool background)
{
	size_t n = 0;

	for (size_t i = 0; i < b->procs.n; i++)
		n += b->procs.v[i].job && b->procs.v[i].background == background;
	return n;
}

/* Takes the first queued job of its kind. */
static struct job *take_job(struct broker *b, bool background)
{
	for (size_t i = 0; i < b->queue.n; i++) {
		struct job *j = b->queue.v[i];

		if (j->background != background)
			continue;
		b->queue.n--;
		memmove(b->queue.v + i, b->queue.v + i + 1, (b->queue.n - i) * sizeof(*b->queue.v));
		return j;
	}
	return NULL;
}

static void dispatch(struct broker *b)
{
	struct job *j;

	while (n_running(b, false) < MIN(b->cpus, (unsigned)PROCS_MAX) && (j = take_job(b, false)))
		run_job(b, j);
	while (!n_running(b, false) && !n_running(b, true) && (j = take_job(b, true)))
		run_job(b, j);
}

/* ---- what compilers answer ---- */

static void died(struct broker *b, size_t i)
{
	struct vgpu_err err;
	struct job *j = b->procs.v[i].job;

	vgpu_err_set(&err, VGPU_E_INTERNAL, "the compiler died: of a fault, or of its limits of memory or time");
	if (j && !j->m->dropped)
		send_error(b, j->c.h.id, &err);
	proc_end(b, i);
}

/* False: not one that a compiler sends, or its last. */
static bool finish(struct broker *b, struct proc *p, struct sd_jw_result *r, int fd)
{
	bool last = r->from == SD_JW_LAST;
	struct job *j = p->job;

	if (!j || r->h.magic != SD_JW_MAGIC || r->h.op != SD_JW_RESULT || r->h.id != j->c.h.id || (r->status == 0) != (fd >= 0))
		return false;
	r->from = SD_JW_COMPILED;
	r->text[sizeof(r->text) - 1] = 0;
	if (!j->m->dropped)
		send_reply(b, r, fd);
	/* only what can't change any more, from a process that is locked in; it can spoil its own kernel's entry alone */
	if (fd >= 0 && (fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE))
		jit_cache_put(b->cache, &j->key, fd);
	p->job = NULL;
	p->idle_since = vgpu_now_ns();
	if (j->m->dropped)
		p->module = 0;
	job_free(b, j);
	return !last;
}

/* True: it is still there. */
static bool on_proc(struct broker *b, size_t i)
{
	int fds[VGPU_MAX_FDS] = { -1 }, nfds = 0;
	struct sd_jw_result r;
	ssize_t n = vgpu_recv_fds(b->procs.v[i].sock, &r, sizeof(r), fds, &nfds, MSG_DONTWAIT);
	bool good;

	if (n < 0 && errno == EAGAIN)
		return true;
	good = n == sizeof(r) && finish(b, &b->procs.v[i], &r, nfds == 1 ? fds[0] : -1);
	for (int k = 0; k < nfds; k++)
		close(fds[k]);
	if (!good)
		died(b, i);
	return good;
}

/* ---- modules ---- */

static bool complete(struct module *m)
{
	void *text;

	if (m->small) {
		jit_key_module(&m->h, m->lens, m->small, m->size, &m->key);
		return m->complete = true;
	}
	if (fcntl(m->text, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return false;
	text = mmap(NULL, m->size, PROT_READ, MAP_SHARED, m->text, 0);
	if (text == MAP_FAILED)
		return false;
	jit_key_module(&m->h, m->lens, text, m->size, &m->key);
	munmap(text, m->size);
	return m->complete = true;
}

/* False: the worker breaks the rules, or memory is short. */
static bool on_module(struct broker *b, size_t n)
{
	struct module *m = calloc(1, sizeof(*m));
	bool good;

	if (!m)
		return false;
	m->text = -1;
	good = n >= sizeof(m->h);
	if (good)
		memcpy(&m->h, b->buf, sizeof(m->h));
	good = good && m->h.h.id && m->h.n_texts <= SD_JW_TEXTS && n == sizeof(m->h) + m->h.n_texts * sizeof(*m->lens) &&
	       b->modules.n < MODULES_MAX && !vgpu_htab_get(&b->modules, m->h.h.id);
	m->lens = good ? malloc(m->h.n_texts * sizeof(*m->lens) + 1) : NULL;
	if (m->lens)
		memcpy(m->lens, b->buf + sizeof(m->h), m->h.n_texts * sizeof(*m->lens));
	for (uint32_t i = 0; m->lens && i < m->h.n_texts; i++) {
		good = good && m->lens[i] <= SD_JW_SIZE_MAX - m->size;
		m->size += good ? m->lens[i] : 0;
	}
	m->id = m->h.h.id;
	if (good && m->lens && m->size < SMALL_B)
		m->small = malloc(m->size + 1);
	else if (good && m->lens)
		m->text = vgpu_memfd("vgpu-ptx", 0);
	if ((m->text < 0 && !m->small) || (m->size == 0 && !complete(m)) || !vgpu_htab_put(&b->modules, m->id, m)) {
		module_free(m);
		return false;
	}
	return true;
}

static bool on_text(struct broker *b, const struct sd_jw_head *h, size_t n)
{
	struct module *m = vgpu_htab_get(&b->modules, h->id);

	n -= sizeof(*h);
	if (!m || m->complete || n == 0 || n > m->size - m->got)
		return false;
	if (m->small)
		memcpy(m->small + m->got, b->buf + sizeof(*h), n);
	else if (vgpu_write_all(m->text, b->buf + sizeof(*h), n) < 0)
		return false;
	m->got += n;
	return m->got < m->size || complete(m);
}

/* Takes away jobs that somebody would have waited for: of the module, or of all. */
static void end_urgent(struct broker *b, const struct module *m)
{
	for (size_t i = b->queue.n; i-- > 0;)
		if (!b->queue.v[i]->background && (!m || b->queue.v[i]->m == m)) {
			free(b->queue.v[i]);
			b->queue.n--;
			memmove(b->queue.v + i, b->queue.v + i + 1, (b->queue.n - i) * sizeof(*b->queue.v));
		}
	for (size_t i = b->procs.n; i-- > 0;)
		if (b->procs.v[i].job && !b->procs.v[i].job->background && (!m || b->procs.v[i].job->m == m))
			proc_end(b, i);
}

static bool on_drop(struct broker *b, const struct sd_jw_head *h)
{
	struct module *m = vgpu_htab_del(&b->modules, h->id);

	if (!m)
		return false;
	end_urgent(b, m);
	for (size_t i = 0; i < b->procs.n; i++)
		if (!b->procs.v[i].job && b->procs.v[i].module == m->id)
			b->procs.v[i].module = 0;
	m->dropped = is_used(b, m);
	if (!m->dropped)
		module_free(m);
	return true;
}

/* ---- requests ---- */

static bool from_cache(struct broker *b, const struct sd_jw_compile *c, const struct jit_key *key, uint64_t t0)
{
	int fd = jit_cache_get(b->cache, key);
	struct sd_jw_result r = { .h = { SD_JW_MAGIC, SD_JW_VERSION, SD_JW_RESULT, c->h.id }, .from = SD_JW_CACHED };

	if (fd < 0)
		return false;
	r.ns = vgpu_now_ns() - t0;
	send_reply(b, &r, fd);
	close(fd);
	return true;
}

static bool on_compile(struct broker *b, size_t n)
{
	uint64_t t0 = vgpu_now_ns();
	struct sd_jw_compile c;
	struct module *m;
	struct jit_key key;
	struct job *j;

	if (n != sizeof(c) || b->queue.n >= JOBS_MAX)
		return false;
	memcpy(&c, b->buf, sizeof(c));
	m = vgpu_htab_get(&b->modules, c.module);
	if (!m || !m->complete)
		return false;
	if (c.best && c.tier == 0) {
		struct sd_jw_compile better = c;

		better.tier = 1;
		better.warps = 0;   /* as it is asked for */
		jit_key_kernel(&m->key, &better, &key);
		if (from_cache(b, &c, &key, t0))
			return true;
	}
	jit_key_kernel(&m->key, &c, &key);
	if (from_cache(b, &c, &key, t0))
		return true;
	j = malloc(sizeof(*j));
	if (!j)
		return false;
	*j = (struct job){ c, m, key, c.tier > 0 };
	if (!vgpu_vec_push(&b->queue, j)) {
		free(j);
		return false;
	}
	return true;
}

/* False: the worker is gone, or has to be left. */
static bool on_worker(struct broker *b, struct vgpu_err *err)
{
	ssize_t n = recv(b->sock, b->buf, PACKET_B, MSG_DONTWAIT | MSG_TRUNC);
	struct sd_jw_head h;
	bool good = false;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	if (n >= (ssize_t)sizeof(h) && n <= (ssize_t)PACKET_B) {
		memcpy(&h, b->buf, sizeof(h));
		if (h.magic != SD_JW_MAGIC || h.version != SD_JW_VERSION)
			h.op = 0;
		switch (h.op) {
		case SD_JW_MODULE: good = on_module(b, (size_t)n); break;
		case SD_JW_TEXT: good = on_text(b, &h, (size_t)n); break;
		case SD_JW_COMPILE: good = on_compile(b, (size_t)n); break;
		case SD_JW_DROP: good = on_drop(b, &h); break;
		}
	}
	if (!good)
		vgpu_err_set(err, VGPU_E_PROTOCOL, "a packet of %zd bytes can't be followed", n);
	return good;
}

/* ---- the loop ---- */

/* Ends compilers that have been without work for long, or are too many; answers ms until the next look. */
static int end_idle(struct broker *b)
{
	uint64_t now = vgpu_now_ns();
	size_t idle = 0;
	int wait = -1;

	for (size_t i = b->procs.n; i-- > 0;) {
		struct proc *p = &b->procs.v[i];

		if (p->job)
			continue;
		if (++idle > IDLE_MAX || now - p->idle_since >= IDLE_NS)
			proc_end(b, i);
		else
			wait = 1000;
	}
	return wait;
}

/* Answers how many compilers are in p. */
static size_t wait_news(struct broker *b, struct pollfd *p)
{
	int ms = end_idle(b);

	if (b->until)
		ms = MAX((int)((int64_t)(b->until - vgpu_now_ns()) / 1000000), 0);
	p[0] = (struct pollfd){ b->until ? -1 : b->sock, (short)(POLLIN | (b->out.n ? POLLOUT : 0)), 0 };
	for (size_t i = 0; i < b->procs.n; i++)
		p[1 + i] = (struct pollfd){ b->procs.v[i].sock, POLLIN, 0 };
	if (poll(p, 1 + b->procs.n, ms) < 0)
		memset(p, 0, (1 + b->procs.n) * sizeof(*p));
	return b->procs.n;
}

static void fini(struct broker *b)
{
	struct vgpu_htab_slot *s;
	size_t i = 0;

	while (b->procs.n)
		proc_end(b, b->procs.n - 1);
	while (b->queue.n)
		job_free(b, b->queue.v[--b->queue.n]);
	for (size_t k = 0; k < b->out.n; k++)
		if (b->out.v[k].fd >= 0)
			close(b->out.v[k].fd);
	while ((s = vgpu_htab_next(&b->modules, &i)))
		module_free(s->value);
	vgpu_htab_fini(&b->modules);
	vgpu_vec_free(&b->procs);
	vgpu_vec_free(&b->queue);
	vgpu_vec_free(&b->out);
	free(b->buf);
}

/* The worker is gone. False, as on_worker has it. */
static bool leave(struct broker *b, const struct vgpu_err *err)
{
	end_urgent(b, NULL);
	b->until = err->status ? 1 : vgpu_now_ns() + LINGER_NS;
	return false;
}

static bool lingers(const struct broker *b)
{
	return vgpu_now_ns() < b->until && (n_running(b, true) || b->queue.n);
}

int jit_broker(int sock, int zygote, struct jit_cache *cache, struct vgpu_err *err)
{
	struct broker b = { .sock = sock, .zygote = zygote, .cache = cache };
	struct pollfd p[1 + 2 * PROCS_MAX + IDLE_MAX];
	bool on = true;

	vgpu_htab_init_int(&b.modules);
	b.cpus = (unsigned)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1l);
	b.buf = malloc(PACKET_B);
	if (!b.buf)
		return vgpu_err_set(err, VGPU_E_NOMEM, "broker: out of memory");
	err->status = 0;
	while (on || lingers(&b)) {
		/* from the end: one that is removed gives its place to one that was looked at */
		for (size_t i = wait_news(&b, p); i-- > 0;)
			if (p[1 + i].revents)
				on_proc(&b, i);
		if (p[0].revents & POLLOUT)
			send_later(&b);
		if (p[0].revents & (POLLIN | POLLHUP | POLLERR))
			on = on_worker(&b, err) || leave(&b, err);
		dispatch(&b);
	}
	fini(&b);
	return -err->status;
}

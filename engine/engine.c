/* engine.c: puts an engine together and takes it apart; the loopback's thread. */
#include "engine/engine.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "engine/eng_priv.h"

static int start_service(struct eng *e, struct vgpu_err *err)
{
	int r = pthread_create(&e->service, NULL, eng_service_thread, e);

	if (r)
		return vgpu_err_set(err, vgpu_status_from_errno(r), "start the service thread: %s", strerror(r));
	e->service_on = true;
	return 0;
}

static void init_locks(struct eng *e)
{
	pthread_mutexattr_t a;
	pthread_condattr_t c;

	/* recursive: the last launch of a module that is unloaded may free it on a thread that holds it */
	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&e->module_lock, &a);
	pthread_mutexattr_destroy(&a);
	pthread_mutex_init(&e->tab_lock, NULL);
	pthread_mutex_init(&e->wait_lock, NULL);
	pthread_mutex_init(&e->service_lock, NULL);
	pthread_cond_init(&e->service_cond, NULL);
	pthread_mutex_init(&e->ctl_lock, NULL);
	pthread_mutex_init(&e->ctl_state, NULL);
	/* timed: a clock that is set must not end the wait */
	pthread_condattr_init(&c);
	pthread_condattr_setclock(&c, CLOCK_MONOTONIC);
	pthread_cond_init(&e->ctl_cond, &c);
	pthread_condattr_destroy(&c);
}

static int build(struct eng *e, struct vgpu_err *err)
{
	int r = eng_mem_init(e, err);

	if (r == 0)
		r = eng_queues_init(e, err);
	if (r == 0)
		r = eng_channel_init(e, err);
	if (r == 0)
		r = be_guard_install(err);
	if (r == 0 && e->cfg.transport != VGP_TRANSPORT_RING)
		r = eng_mem_place(e, err);
	if (r == 0)
		r = eng_sched_start(e, err);
	if (r == 0)
		r = start_service(e, err);
	if (r == 0)
		r = eng_monitor_start(e, err);
	return r;
}

int eng_new(struct eng **out, const struct eng_config *cfg, struct vgpu_err *err)
{
	struct eng *e = calloc(1, sizeof(*e));
	int r;

	if (!e) {
		close(cfg->sock);
		return vgpu_err_set(err, VGPU_E_NOMEM, "engine: out of memory");
	}
	e->cfg = *cfg;
	e->be = cfg->backend;
	e->ring_fd = e->win.fd = e->monitor_fd = -1;
	init_locks(e);
	vgpu_htab_init_int(&e->modules);
	vgpu_htab_init_int(&e->funcs);
	vgpu_htab_init_int(&e->events);
	e->devs = calloc(cfg->n_devs + 1, sizeof(*e->devs));
	if (!e->devs) {
		eng_free(e);
		return vgpu_err_set(err, VGPU_E_NOMEM, "engine: out of memory");
	}
	memcpy(e->devs, cfg->devs, sizeof(*e->devs) * cfg->n_devs);
	e->cfg.devs = e->devs;
	r = build(e, err);
	if (r) {
		eng_stop(e);
		eng_free(e);
		return r;
	}
	*out = e;
	return 0;
}

void eng_run(struct eng *e)
{
	eng_channel_run(e);
	if (e->cfg.in_process)
		return;
	/* fatal: the client shall see why before the end; the monitor ends us when it has gone */
	if (__atomic_load_n(&e->fatal, __ATOMIC_ACQUIRE))
		pthread_join(e->monitor, NULL);
	_exit(0);
}

void eng_stop(struct eng *e)
{
	__atomic_store_n(&e->stopping, 1, __ATOMIC_SEQ_CST);
	eng_kill_contexts(e, VGPU_E_DEINITIALIZED, "the engine is stopping");
	if (e->hdr) {
		/* the tail's word is the client's; a wake-up is enough, the sleeper looks every 50 ms */
		vgpu_futex_wake(&e->hdr->tail, INT32_MAX);
	}
	shutdown(e->cfg.sock, SHUT_RDWR);
	if (e->monitor_fd >= 0)
		eng_monitor_wake(e);
	pthread_mutex_lock(&e->service_lock);
	pthread_cond_broadcast(&e->service_cond);
	pthread_mutex_unlock(&e->service_lock);
}

static void free_contexts(struct eng *e)
{
	for (uint32_t i = 0; i < VGP_CONTEXTS; i++) {
		struct eng_ctx *ctx = e->ctxs[i];

		if (!ctx)
			continue;
		eng_heap_fini(ctx);
		eng_check_end(ctx);
		vgpu_buf_free(&ctx->print);
		vgpu_buf_free(&ctx->log[0]);
		vgpu_buf_free(&ctx->log[1]);
		pthread_mutex_destroy(&ctx->lock);
		free(ctx);
	}
}

static void free_tables(struct eng *e)
{
	struct vgpu_htab_slot *s;
	size_t i = 0;

	while ((s = vgpu_htab_next(&e->events, &i)))
		free(s->value);
	vgpu_htab_fini(&e->events);
	vgpu_htab_fini(&e->modules);
	vgpu_htab_fini(&e->funcs);
	while (e->calls) {
		struct eng_call *c = e->calls;

		e->calls = c->next;
		free(c);
	}
	vgpu_vec_free(&e->waits);
	vgpu_vec_free(&e->values);
}

void eng_free(struct eng *e)
{
	if (e->service_on)
		pthread_join(e->service, NULL);
	eng_monitor_join(e);
	eng_sched_stop(e);
	eng_modules_free_ctx(e, NULL);
	eng_tex_fini(e);
	free_contexts(e);
	free_tables(e);
	eng_channel_fini(e);
	eng_queues_fini(e);
	eng_mem_fini(e);
	eng_check_fini(e);
	close(e->cfg.sock);
	if (e->cfg.ctl >= 0)
		close(e->cfg.ctl);
	if (e->cfg.client_pidfd >= 0)
		close(e->cfg.client_pidfd);
	free(e->devs);
	free(e);
}

/* ---- loopback ---- */

static const struct be_ops *loop_backend;

void eng_loop_set_backend(const struct be_ops *ops)
{
	loop_backend = ops;
}

static void *loop_thread(void *arg)
{
	eng_run(arg);
	return NULL;
}

int eng_loop_start(int sock, const struct vgpu_device *devs, size_t n, unsigned transport, void **engine, struct vgpu_err *err)
{
	struct eng_config c = { .devs = devs, .n_devs = n, .backend = loop_backend, .transport = transport,
				.sock = sock, .ctl = -1, .client_pidfd = -1, .in_process = true };
	struct eng *e;
	int r = eng_new(&e, &c, err);

	if (r)
		return r;
	r = pthread_create(&e->loop_thread, NULL, loop_thread, e);
	if (r) {
		eng_stop(e);
		eng_free(e);
		return vgpu_err_set(err, vgpu_status_from_errno(r), "start the engine: %s", strerror(r));
	}
	*engine = e;
	return 0;
}

void eng_loop_stop(void *engine)
{
	struct eng *e = engine;

	eng_stop(e);
	pthread_join(e->loop_thread, NULL);
	eng_free(e);
}

/*
 * vcu_process.c: the library in its process: its state, its threads, forks,
 * unloading.
 *
 * The state word lives on a page that the kernel wipes in a forked child
 * (MADV_WIPEONFORK), so a child finds the library not initialised however it was
 * made (fork, clone); cuInit remembers that it once succeeded, and refuses there.
 *
 * The destructor runs on dlclose and in exit(), there after all atexit
 * handlers, but possibly while other threads are inside a call or sleep in one.
 * It sets the state to GONE, from when on every call answers DEINITIALIZED, has
 * all threads pass a memory barrier, and frees what the library holds if no thread
 * is inside; else the process' end frees it.
 */
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libcuda-vgpu/vcu_process.h"
#include "libcuda-vgpu/vcu_entry.h"
#include "libcuda-vgpu/vcu_event.h"
#include "libcuda-vgpu/vcu_graph.h"
#include "libcuda-vgpu/vcu_log.h"
#include "libcuda-vgpu/vcu_mem.h"
#include "libcuda-vgpu/vcu_module.h"
#include "util/sys.h"

__thread struct vcu_tls vcu_tls __attribute__((tls_model("initial-exec"), visibility("hidden")));

static const volatile int state_fresh = VCU_STATE_FRESH;
const volatile int *vcu_state = &state_fresh;
static volatile int *state_page;     /* NULL before the first cuInit */
static bool once_ready;              /* survives a fork, unlike the page */
static volatile bool gone;

static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vcu_tls *threads;
static pthread_key_t thread_key;
static bool have_key;

CUresult vcu_not_ready(unsigned flags)
{
	if (flags & VCU_F_NOINIT)
		return CUDA_SUCCESS;
	return gone ? CUDA_ERROR_DEINITIALIZED : CUDA_ERROR_NOT_INITIALIZED;
}

bool vcu_forked(void)
{
	return once_ready && !gone && *vcu_state != VCU_STATE_READY;
}

bool vcu_gone(void)
{
	return gone;
}

/* ---- threads ---- */

static void tls_unlist(struct vcu_tls *t)
{
	if (!t->listed)
		return;
	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	t->listed = false;
}

static void thread_exit(void *arg)
{
	struct vcu_tls *t = arg;

	/* In a child the list is the parent's memory, of threads that don't exist here. */
	if (vcu_forked())
		return;
	vcu_ctx_thread_exit(t);
	pthread_mutex_lock(&threads_lock);
	tls_unlist(t);
	pthread_mutex_unlock(&threads_lock);
}

void vcu_tls_register(struct vcu_tls *t)
{
	if (gone || vcu_forked())
		return;
	pthread_mutex_lock(&threads_lock);
	if (!have_key)
		have_key = pthread_key_create(&thread_key, thread_exit) == 0;
	if (have_key && pthread_setspecific(thread_key, t) == 0) {
		t->next = threads;
		t->pprev = &threads;
		if (threads)
			threads->pprev = &t->next;
		threads = t;
		t->listed = true;
	}
	pthread_mutex_unlock(&threads_lock);
}

/* ---- fork ---- */

static void forked_child(void)
{
	static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

	threads_lock = fresh;
	threads = NULL;
	vcu_tls.listed = false;
	/* Where the kernel can't wipe pages. */
	if (state_page)
		*state_page = VCU_STATE_FRESH;
	vcu_session_abandon();
}

/* ---- coming and going ---- */

int vcu_process_ready(void)
{
	static bool atfork_done;
	volatile int *page;

	if (!atfork_done && pthread_atfork(NULL, NULL, forked_child))
		return -VGPU_E_NOMEM;
	atfork_done = true;
	if (!state_page) {
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			return -VGPU_E_NOMEM;
		/* Older kernels refuse: then the fork handler does it. */
		madvise((void *)page, 4096, MADV_WIPEONFORK);
		state_page = page;
	}
	once_ready = true;
	*state_page = VCU_STATE_READY;
	__atomic_store_n(&vcu_state, state_page, __ATOMIC_RELEASE);
	return 0;
}

/* True if a thread other than the caller's is inside a call. */
static bool others_inside(void)
{
	bool inside = false, others;

	pthread_mutex_lock(&threads_lock);
	others = threads && (threads != &vcu_tls || threads->next);
	pthread_mutex_unlock(&threads_lock);
	if (!others)
		return false;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		return true;
	pthread_mutex_lock(&threads_lock);
	for (struct vcu_tls *t = threads; t; t = t->next)
		if (t != &vcu_tls && __atomic_load_n(&t->depth, __ATOMIC_ACQUIRE))
			inside = true;
	pthread_mutex_unlock(&threads_lock);
	return inside;
}

/* Contexts that other threads have current: only the references go, the threads live on. */
static void forget_threads(void)
{
	pthread_mutex_lock(&threads_lock);
	while (threads) {
		struct vcu_tls *t = threads;

		vcu_ctx_thread_exit(t);
		tls_unlist(t);
	}
	pthread_mutex_unlock(&threads_lock);
}

static void __attribute__((destructor)) unload(void)
{
	bool ready = *vcu_state == VCU_STATE_READY;

	if (vcu_forked())
		return;
	gone = true;
	if (state_page)
		*state_page = VCU_STATE_GONE;
	if (others_inside())
		return;
	if (ready)
		vcu_teardown();
	vcu_links_fini();
	vcu_libraries_fini();
	vcu_pools_fini();
	vcu_ranges_fini();
	vcu_hostreg_fini();
	vcu_graphs_fini();
	vcu_events_fini();
	forget_threads();
	vcu_log_fini();
	if (have_key)
		pthread_key_delete(thread_key);
	vcu_handle_fini();
	vcu_trace_fini();
	vcu_state = &state_fresh;
	if (state_page)
		munmap((void *)state_page, 4096);
	state_page = NULL;
}

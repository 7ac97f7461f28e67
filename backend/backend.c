/*
 * backend.c: the list of backends, and guarded access: the process-wide
 * SIGSEGV/SIGBUS handler that turns a fault inside be_guard_enter/leave into a
 * jump back to the guard, and hands any other fault to whoever was there
 * before.
 *
 * The handler jumps out of a signal: SA_NODEFER keeps the signal unblocked,
 * so that the sigsetjmp need not save the mask.
 */
#include "backend/backend.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "backend/check/check.h"
#include "util/compiler.h"

__thread struct be_guard be_guard_tls;

#define GUARD_STACK_B 65536

static pthread_once_t guard_once = PTHREAD_ONCE_INIT;
static pthread_key_t guard_key;
static struct sigaction guard_old_segv, guard_old_bus;
static int guard_errno;

static const struct be_ops *const backends[] = {
	&be_interp, &be_simd, &be_check,
};

const struct be_ops *be_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		if (!strcmp(backends[i]->name, name))
			return backends[i];
	return NULL;
}

uint64_t be_guard_addr(void)
{
	return be_guard_tls.addr;
}

static void guard_handler(int sig, siginfo_t *info, void *uc)
{
	struct sigaction *old = sig == SIGBUS ? &guard_old_bus : &guard_old_segv;

	/* Sent by kill(2), not by an access: not ours. */
	if (be_guard_tls.armed && info->si_code > 0) {
		be_guard_tls.armed = 0;
		be_guard_tls.addr = (uint64_t)(uintptr_t)info->si_addr;
		siglongjmp(be_guard_tls.jmp, 1);
	}
	if (old->sa_flags & SA_SIGINFO) {
		old->sa_sigaction(sig, info, uc);
		return;
	}
	if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
		old->sa_handler(sig);
		return;
	}
	/* The access is repeated on return and ends the process as it would have. */
	signal(sig, SIG_DFL);
	if (info->si_code <= 0)
		raise(sig);
}

static void guard_stack_free(void *stack)
{
	stack_t none = { .ss_flags = SS_DISABLE };

	sigaltstack(&none, NULL);
	free(stack);
}

static void guard_install_once(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = guard_handler;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	sigemptyset(&sa.sa_mask);
	guard_errno = pthread_key_create(&guard_key, guard_stack_free);
	if (guard_errno)
		return;
	if (sigaction(SIGSEGV, &sa, &guard_old_segv) || sigaction(SIGBUS, &sa, &guard_old_bus))
		guard_errno = errno;
}

/* Gives the calling thread its alternate stack; the first call installs the handler. */
int be_guard_install(struct vgpu_err *err)
{
	stack_t ss = { .ss_size = GUARD_STACK_B };
	int rc;

	pthread_once(&guard_once, guard_install_once);
	if (guard_errno) {
		errno = guard_errno;
		return vgpu_err_errno(err, "can't install the memory fault handler");
	}
	if (pthread_getspecific(guard_key))
		return 0;
	ss.ss_sp = malloc(GUARD_STACK_B);
	if (!ss.ss_sp)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a signal stack");
	if (sigaltstack(&ss, NULL)) {
		rc = vgpu_err_errno(err, "sigaltstack");
		free(ss.ss_sp);
		return rc;
	}
	rc = pthread_setspecific(guard_key, ss.ss_sp);
	if (rc) {
		guard_stack_free(ss.ss_sp);
		errno = rc;
		return vgpu_err_errno(err, "can't remember a signal stack");
	}
	return 0;
}

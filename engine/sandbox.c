/*
 * sandbox.c: takes from the worker what it doesn't need, as it runs code that
 * a client made up: first namespaces, the file system, the uid and resource
 * limits (each as far as the caller's rights go), then, when all threads and
 * descriptors are there, all system calls but those that the engine makes.
 *
 * Files and network are out of reach by three independent means: an empty
 * root, a uid without rights, and a filter that knows neither open nor socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "config.h"
#include "backend/backend.h"
#include "engine/engine.h"

#define NOBODY 65534
#define DATA_MIN (1ull << 30)

#ifdef VGPU_SANITIZER
#define EMPTY_ROOT false           /* the sanitizers' run time reads /proc/self */
#else
#define EMPTY_ROOT true
#endif

static void limit(int what, rlim_t value)
{
	struct rlimit rl = { value, value };

	setrlimit(what, &rl);
}

/* An empty, read-only root. The old mounts go, so that they can be unmounted outside. */
static VGPU_UNUSED void empty_root(void)
{
	static const char *const places[] = { "/tmp", "/run", "/proc", "/sys" };

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (mount("none", places[i], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0555") < 0)
			continue;
		if (chdir(places[i]) < 0)
			return;
		if (syscall(SYS_pivot_root, ".", ".") < 0) {
			if (chroot(".") < 0)
				return;
		} else if (umount2(".", MNT_DETACH) < 0) {
			return;
		}
		if (chdir("/") == 0)
			mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
		return;
	}
}

static void drop_capabilities(void)
{
	for (int cap = 0; cap < 64; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

/* Private memory; window memory is counted by the daemon. A sanitizer's shadow knows no limit. */
static void limit_memory(void)
{
#ifndef VGPU_SANITIZER
	struct sysinfo si;
	uint64_t ram = sysinfo(&si) == 0 ? (uint64_t)si.totalram * si.mem_unit : 0;

	limit(RLIMIT_DATA, ram / 2 > DATA_MIN ? ram / 2 : DATA_MIN);
#endif
}

/* The main thread runs short kernels. */
static void raise_stack(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_STACK, &rl) < 0 || rl.rlim_cur >= BE_STACK_B)
		return;
	rl.rlim_cur = rl.rlim_max < BE_STACK_B ? rl.rlim_max : BE_STACK_B;
	setrlimit(RLIMIT_STACK, &rl);
}

int eng_sandbox_enter(struct vgpu_err *err)
{
	bool root = geteuid() == 0;

	/* Network: the filter forbids sockets; a namespace of its own would cost each client a millisecond. */
	if (unshare((root ? 0 : CLONE_NEWUSER) | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) == 0 && EMPTY_ROOT)
		empty_root();
	limit(RLIMIT_CORE, 0);
	/* RLIMIT_NOFILE stays: the kernel holds what is on its way to all workers' clients against it (before_worker in super_proc.c) */
	limit_memory();
	raise_stack();
	if (root) {
		drop_capabilities();
		if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
			return vgpu_err_errno(err, "drop privileges");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return vgpu_err_errno(err, "no_new_privs");
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

#ifdef VGPU_SANITIZER

/* The sanitizers' own threads and reports need what the filter forbids. */
int eng_sandbox_lock(bool run_code, struct vgpu_err *err)
{
	return 0;
}

#else

static const int allowed[] = {
	/* waiting and time */
	SCMP_SYS(futex), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(restart_syscall),
	/* descriptors that are there */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(recvmsg), SCMP_SYS(recvfrom),
	SCMP_SYS(close), SCMP_SYS(shutdown), SCMP_SYS(fallocate),
	/* memory (mmap and mprotect below, without PROT_EXEC but for add_code_rules) */
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
	/* threads and signals */
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
	SCMP_SYS(sigaltstack), SCMP_SYS(sched_yield), SCMP_SYS(getcpu), SCMP_SYS(sched_getaffinity), SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq), SCMP_SYS(membarrier), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getrandom),
};

/* What libc may try by itself and can do without. */
static const int refused[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(newfstatat), SCMP_SYS(fstat),
	SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(ioctl), SCMP_SYS(prctl), SCMP_SYS(sysinfo),
};

/* What sd_load does with a compiled kernel: looks at its seals and size, maps it at a place it has reserved. */
static int add_code_rules(scmp_filter_ctx f)
{
	int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(lseek), 0);

	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, F_GET_SEALS));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, SCMP_A2(SCMP_CMP_EQ, PROT_READ | PROT_EXEC),
				     SCMP_A3(SCMP_CMP_EQ, MAP_SHARED | MAP_FIXED));
	return r;
}

static int add_rules(scmp_filter_ctx f)
{
	int r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);

	for (size_t i = 0; r == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; r == 0 && i < sizeof(refused) / sizeof(refused[0]); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), refused[i], 0);
	/* a thread's own: util/roost.h */
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(sched_setaffinity), 1, SCMP_A0(SCMP_CMP_EQ, 0));
	/* abort() of its own; all workers are of one uid */
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return r;
}

int eng_sandbox_lock(bool run_code, struct vgpu_err *err)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = f ? add_rules(f) : -ENOMEM;

	if (r == 0 && run_code)
		r = add_code_rules(f);

	limit(RLIMIT_NPROC, 0);
	if (r == 0)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	if (r) {
		errno = -r;
		return vgpu_err_errno(err, "system call filter");
	}
	return 0;
}

#endif

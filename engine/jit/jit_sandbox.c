/*
 * jit_sandbox.c: what the broker and the compilers may still do. The broker:
 * the cache's directory and its sockets. A compiler: memory and what it holds;
 * a call beyond that is a signal, which becomes the request's error.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"
#include "engine/jit/jit.h"

static void set_limit(int what, rlim_t value)
{
	struct rlimit rl = { value, value };

	setrlimit(what, &rl);
}

#ifdef VGPU_SANITIZER

/* The sanitizers' own threads and reports need what the filters forbid. */
int jit_lock_broker(int dir, struct vgpu_err *err)
{
	return 0;
}

int jit_lock_compiler(uint64_t mem_B, struct vgpu_err *err)
{
	set_limit(RLIMIT_CORE, 0);
	return 0;
}

#else

/* Of both. */
static const int common[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(close),
	SCMP_SYS(lseek), SCMP_SYS(fcntl), SCMP_SYS(memfd_create), SCMP_SYS(ftruncate),
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(futex),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
	SCMP_SYS(sigaltstack), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(restart_syscall), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
};

static const int compiler_only[] = {
	SCMP_SYS(setitimer), SCMP_SYS(getrusage),
};

static const int broker_only[] = {
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(socketpair), SCMP_SYS(geteuid), SCMP_SYS(getuid),
	SCMP_SYS(openat), SCMP_SYS(newfstatat), SCMP_SYS(fstat), SCMP_SYS(statx), SCMP_SYS(pread64), SCMP_SYS(getdents64),
	SCMP_SYS(unlinkat), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(utimensat),
};

/* What libraries may try by themselves and can do without. */
static const int refused[] = {
	SCMP_SYS(open), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(ioctl), SCMP_SYS(prctl),
	SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getcwd), SCMP_SYS(sched_getaffinity), SCMP_SYS(prlimit64),
};
static const int refused_compiler[] = {
	SCMP_SYS(openat), SCMP_SYS(newfstatat), SCMP_SYS(fstat), SCMP_SYS(statx),
};

static int rules(scmp_filter_ctx f, uint32_t action, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add(f, action, calls[i], 0);
	return r;
}

static int common_rules(scmp_filter_ctx f)
{
	int r = rules(f, SCMP_ACT_ALLOW, common, ARRAY_SIZE(common));

	if (r == 0)
		r = rules(f, SCMP_ACT_ERRNO(EACCES), refused, ARRAY_SIZE(refused));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	return r;
}

static int load(scmp_filter_ctx f, int r, struct vgpu_err *err)
{
	if (r == 0)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	if (r == 0)
		return 0;
	errno = -r;
	return vgpu_err_errno(err, "system call filter");
}

int jit_lock_compiler(uint64_t mem_B, struct vgpu_err *err)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	int r = f ? common_rules(f) : -ENOMEM;

	set_limit(RLIMIT_CORE, 0);
	set_limit(RLIMIT_DATA, mem_B);
	if (r == 0)
		r = rules(f, SCMP_ACT_ALLOW, compiler_only, ARRAY_SIZE(compiler_only));
	if (r == 0)
		r = rules(f, SCMP_ACT_ERRNO(EACCES), refused_compiler, ARRAY_SIZE(refused_compiler));
	return load(f, r, err);
}

/* Nothing of the file system but what is beneath dir. Kernels without Landlock: the filter and lost rights have to do. */
static void only_beneath(int dir)
{
	static const uint64_t all = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
				    LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
				    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
				    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
				    LANDLOCK_ACCESS_FS_MAKE_SYM;
	struct landlock_ruleset_attr attr = { .handled_access_fs = all };
	struct landlock_path_beneath_attr beneath = {
		.parent_fd = dir,
		.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
				  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG,
	};
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (fd < 0)
		return;
	if (dir < 0 || syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0)
		syscall(SYS_landlock_restrict_self, fd, 0);
	close(fd);
}

/* Root stays owner of the cache, but is nothing more than that. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { 0 } };

	for (int cap = 0; cap < 64; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	syscall(SYS_capset, &h, d);
}

int jit_lock_broker(int dir, struct vgpu_err *err)
{
	scmp_filter_ctx f;
	int r;

	drop_capabilities();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return vgpu_err_errno(err, "no_new_privs");
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	set_limit(RLIMIT_CORE, 0);
	only_beneath(dir);
	f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	r = f ? common_rules(f) : -ENOMEM;
	if (r == 0)
		r = rules(f, SCMP_ACT_ALLOW, broker_only, ARRAY_SIZE(broker_only));
	return load(f, r, err);
}

#endif

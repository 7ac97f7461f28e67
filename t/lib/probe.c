/*
 * probe: what one process sees and computes: one line with the number of
 * devices, their UUIDs and a checked result, through the driver API alone.
 * Links nothing of ours and includes no CUDA header: it finds libcuda.so.1
 * where any program would.
 *
 *   probe             look here
 *   probe --child HOW PROGRAM [ARG…]   run PROGRAM as a descendant:
 *     exec     fork and exec with an empty environment
 *     daemon   double fork with setsid, empty environment
 *     spawn    posix_spawn with an empty environment
 *   probe --wait FILE PROGRAM [ARG…]   wait until FILE exists, then exec (a
 *     process that is older than the mount)
 *   probe --wait-here FILE             wait, then look in this very process
 */
#include <dlfcn.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int CUresult;
typedef int CUdevice;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef unsigned long long CUdeviceptr;

#define N 1000

/* d[i] = 3 * s[i] + i, the last block ragged. */
static const char ptx[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .entry saxpi(.param .u64 d, .param .u64 s, .param .u32 n)\n{\n"
	"  .reg .pred %p<2>;\n  .reg .b32 %r<8>;\n  .reg .b64 %rd<8>;\n"
	"  ld.param.u64 %rd1, [d];\n  ld.param.u64 %rd2, [s];\n  ld.param.u32 %r1, [n];\n"
	"  mov.u32 %r2, %ctaid.x;\n  mov.u32 %r3, %ntid.x;\n  mov.u32 %r4, %tid.x;\n"
	"  mad.lo.s32 %r5, %r2, %r3, %r4;\n  setp.ge.u32 %p1, %r5, %r1;\n  @%p1 bra DONE;\n"
	"  mul.wide.u32 %rd3, %r5, 4;\n  add.s64 %rd4, %rd2, %rd3;\n  add.s64 %rd5, %rd1, %rd3;\n"
	"  ld.global.u32 %r6, [%rd4];\n  mad.lo.s32 %r7, %r6, 3, %r5;\n  st.global.u32 [%rd5], %r7;\n"
	"DONE:\n  ret;\n}\n";

static void *lib;

static void *sym(const char *name)
{
	void *p = dlsym(lib, name);

	if (!p) {
		printf("probe: %s is missing\n", name);
		exit(1);
	}
	return p;
}

#define CALL(name, proto, ...)                                        \
	do {                                                          \
		int r_ = ((CUresult (*) proto)sym(name))(__VA_ARGS__); \
		if (r_) {                                             \
			printf("probe: %s answers %d\n", name, r_);    \
			exit(1);                                      \
		}                                                     \
	} while (0)

static int compute(CUdevice dev)
{
	unsigned host[N], got[N], n = N;
	CUdeviceptr d, s;
	void *params[] = { &d, &s, &n };
	CUcontext ctx;
	CUmodule mod;
	CUfunction f;
	int bad = 0;

	CALL("cuDevicePrimaryCtxRetain", (CUcontext *, CUdevice), &ctx, dev);
	CALL("cuCtxSetCurrent", (CUcontext), ctx);
	CALL("cuModuleLoadData", (CUmodule *, const void *), &mod, ptx);
	CALL("cuModuleGetFunction", (CUfunction *, CUmodule, const char *), &f, mod, "saxpi");
	CALL("cuMemAlloc_v2", (CUdeviceptr *, size_t), &d, sizeof(host));
	CALL("cuMemAlloc_v2", (CUdeviceptr *, size_t), &s, sizeof(host));
	for (unsigned i = 0; i < N; i++)
		host[i] = i * 2654435761u;
	CALL("cuMemcpyHtoD_v2", (CUdeviceptr, const void *, size_t), s, host, sizeof(host));
	CALL("cuLaunchKernel",
	     (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **),
	     f, (N + 127) / 128, 1, 1, 128, 1, 1, 0, NULL, params, NULL);
	CALL("cuMemcpyDtoH_v2", (void *, CUdeviceptr, size_t), got, d, sizeof(got));
	for (unsigned i = 0; i < N; i++)
		bad += got[i] != 3 * host[i] + i;
	CALL("cuMemFree_v2", (CUdeviceptr), d);
	CALL("cuMemFree_v2", (CUdeviceptr), s);
	CALL("cuModuleUnload", (CUmodule), mod);
	CALL("cuDevicePrimaryCtxRelease_v2", (CUdevice), dev);
	return bad;
}

static int look(void)
{
	int count = 0, r;

	lib = dlopen("libcuda.so.1", RTLD_NOW);
	if (!lib) {
		printf("probe: %s\n", dlerror());
		return 1;
	}
	r = ((CUresult (*)(unsigned))sym("cuInit"))(0);
	if (r == 100) {
		printf("count=0\n");
		return 0;
	}
	if (r) {
		printf("probe: cuInit answers %d\n", r);
		return 1;
	}
	CALL("cuDeviceGetCount", (int *), &count);
	printf("count=%d", count);
	for (int i = 0; i < count; i++) {
		unsigned char u[16];
		CUdevice dev;

		CALL("cuDeviceGet", (CUdevice *, int), &dev, i);
		CALL("cuDeviceGetUuid_v2", (unsigned char *, CUdevice), u, dev);
		printf(" GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		       u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7],
		       u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
		printf(" %s", compute(dev) ? "WRONG" : "right");
	}
	printf("\n");
	return 0;
}

static void wait_for(const char *file)
{
	for (int i = 0; access(file, F_OK) && i < 6000; i++)
		usleep(10000);
}

static int run_child(const char *how, char **argv)
{
	char *no_env[] = { NULL };
	int fds[2], st = 0;
	pid_t pid;

	if (strcmp(how, "spawn") == 0) {
		if (posix_spawn(&pid, argv[0], NULL, NULL, argv, no_env))
			return 1;
		waitpid(pid, &st, 0);
		return WIFEXITED(st) ? WEXITSTATUS(st) : 1;
	}
	if (pipe(fds))
		return 1;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		if (strcmp(how, "daemon") == 0) {
			setsid();
			if (fork())
				_exit(0);
		}
		/* the pipe stays open in the last descendant: its end is the end of the work */
		execve(argv[0], argv, no_env);
		_exit(127);
	}
	close(fds[1]);
	waitpid(pid, &st, 0);
	while (read(fds[0], &st, 1) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOFBF, 4096);
	if (argc > 3 && strcmp(argv[1], "--child") == 0)
		return run_child(argv[2], argv + 3);
	if (argc > 3 && strcmp(argv[1], "--wait") == 0) {
		wait_for(argv[2]);
		execv(argv[3], argv + 3);
		return 127;
	}
	if (argc == 3 && strcmp(argv[1], "--wait-here") == 0)
		wait_for(argv[2]);
	return look();
}

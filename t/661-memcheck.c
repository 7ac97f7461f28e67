/*
 * 661-memcheck: the memory checker as a user has it: a program that is started
 * with nothing in its environment but what asks for it, on a mounted device.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcuda-vgpu/cu_abi.h"
#include "t/lib/mount.h"
#include "t/lib/tap.h"
#include "util/sys.h"

#define N 1000

static const char ptx[] =
	".version 8.0\n.target sm_75\n.address_size 64\n.file 1 \"user.cu\"\n.extern .shared .align 4 .b8 dyn[];\n"
	".visible .entry add(.param .u64 p, .param .u64 q, .param .u32 n)\n{\n"
	".reg .pred %p; .reg .b32 %r<8>; .reg .b64 %rd<6>;\n"
	"ld.param.u64 %rd1, [p]; ld.param.u64 %rd2, [q]; ld.param.u32 %r1, [n];\n"
	"mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x; mad.lo.u32 %r5, %r2, %r3, %r4; setp.ge.u32 %p, %r5, %r1; @%p exit;\n"
	"mul.wide.u32 %rd3, %r5, 4; add.u64 %rd1, %rd1, %rd3; add.u64 %rd2, %rd2, %rd3;\n"
	".loc 1 11 2\nld.global.u32 %r6, [%rd1];\n.loc 1 12 2\nld.global.u32 %r7, [%rd2]; add.u32 %r6, %r6, %r7; st.global.u32 [%rd2], %r6;\nret;\n}\n"
	".visible .entry hang(.param .u64 p, .param .u64 q, .param .u32 n)\n{\n.reg .b32 %r; .reg .b64 %rd; ld.param.u64 %rd, [q]; ld.global.u32 %r, [%rd];\nL: bra L;\n}\n"
	/* what is read was written by another thread, and nothing is between the two */
	".visible .entry race()\n{\n.reg .b32 %r<4>; mov.u32 %r1, %tid.x; shl.b32 %r1, %r1, 2; mov.u32 %r2, dyn; add.u32 %r2, %r2, %r1; st.shared.u32 [%r2], 1;\n"
	"xor.b32 %r3, %r1, 128; mov.u32 %r2, dyn; add.u32 %r2, %r2, %r3; bar.sync 0; st.shared.u32 [%r2], 2;\nld.shared.u32 %r1, [dyn+128];\nret;\n}\n";

/* ---- the program ---- */

static struct {
	CUresult (*init)(unsigned);
	CUresult (*create)(CUcontext *, unsigned, CUdevice);
	CUresult (*destroy)(CUcontext);
	CUresult (*load)(CUmodule *, const void *);
	CUresult (*get)(CUfunction *, CUmodule, const char *);
	CUresult (*alloc)(CUdeviceptr *, size_t);
	CUresult (*free)(CUdeviceptr);
	CUresult (*to)(CUdeviceptr, const void *, size_t);
	CUresult (*to_async)(CUdeviceptr, const void *, size_t, CUstream);
	CUresult (*from)(void *, CUdeviceptr, size_t);
	CUresult (*across)(CUdeviceptr, CUdeviceptr, size_t);
	CUresult (*set)(CUdeviceptr, unsigned, size_t);
	CUresult (*launch)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void **, void **);
	CUresult (*sync)(void);
} cu;

static void load(void)
{
	void *lib = dlopen(test_build("libcuda-vgpu/libcuda.so.1"), RTLD_NOW);

	if (!lib)
		_exit(90);
#define SYM(field, name) do { *(void **)&cu.field = dlsym(lib, name); if (!cu.field) _exit(91); } while (0)
	SYM(init, "cuInit");
	SYM(create, "cuCtxCreate_v2");
	SYM(destroy, "cuCtxDestroy_v2");
	SYM(load, "cuModuleLoadData");
	SYM(get, "cuModuleGetFunction");
	SYM(alloc, "cuMemAlloc_v2");
	SYM(free, "cuMemFree_v2");
	SYM(to, "cuMemcpyHtoD_v2");
	SYM(to_async, "cuMemcpyHtoDAsync_v2");
	SYM(from, "cuMemcpyDtoH_v2");
	SYM(across, "cuMemcpyDtoD_v2");
	SYM(set, "cuMemsetD32_v2");
	SYM(launch, "cuLaunchKernel");
	SYM(sync, "cuCtxSynchronize");
}

#define MUST(x) do { if (x) _exit(__LINE__ % 200 + 1); } while (0)

static CUresult launch(CUmodule m, const char *kernel, CUdeviceptr p, CUdeviceptr q, uint32_t n)
{
	void *args[] = { &p, &q, &n };
	CUfunction f;

	MUST(cu.get(&f, m, kernel));
	MUST(cu.launch(f, (n + 127) / 128, 1, 1, 128, 1, 1, 0, NULL, args, NULL));
	return cu.sync();
}

static CUresult add(CUmodule m, CUdeviceptr p, CUdeviceptr q, uint32_t n)
{
	return launch(m, "add", p, q, n);
}

/* Everything that writes to memory, and a kernel that reads it. */
static void do_right(CUmodule m)
{
	static uint32_t host[N], big[3 << 20];
	CUdeviceptr p, q, r, b;

	MUST(cu.alloc(&p, sizeof(host)) || cu.alloc(&q, sizeof(host)) || cu.alloc(&r, sizeof(host)) || cu.alloc(&b, sizeof(big)));
	for (uint32_t i = 0; i < N; i++)
		host[i] = i;
	for (uint32_t i = 0; i < ARRAY_SIZE(big); i++)
		big[i] = i;
	MUST(cu.to(p, host, sizeof(host)) || cu.set(q, 7, N) || add(m, p, q, N) || add(m, q, q, N));
	for (int k = 0; k < 20; k++)
		MUST(cu.to_async(p, host, sizeof(host), NULL) || cu.to_async(b, big, sizeof(big), NULL));
	MUST(add(m, b, p, N) || cu.across(r, q, sizeof(host)) || add(m, r, p, N));
	MUST(cu.from(host, p, sizeof(host)));
	for (uint32_t i = 0; i < N; i++)
		MUST(host[i] != 2 * i + 2 * (i + 7));
	MUST(cu.free(p) || cu.free(q) || cu.free(r) || cu.free(b));
}

/* The exit status is the last synchronisation's CUresult less 600, or 0. */
static int program(const char *what)
{
	CUresult r = CUDA_SUCCESS;
	CUdeviceptr p, q;
	CUcontext ctx;
	CUfunction f;
	CUmodule m;

	load();
	MUST(cu.init(0) || cu.create(&ctx, 0, 0) || cu.load(&m, ptx));
	if (!strcmp(what, "right")) {
		do_right(m);
	} else if (!strcmp(what, "race")) {
		MUST(cu.get(&f, m, "race") || cu.launch(f, 1, 1, 1, 64, 1, 1, 256, NULL, NULL, NULL));
		r = cu.sync();
	} else {
		MUST(cu.alloc(&p, 4 * N) || cu.alloc(&q, 4 * N) || cu.set(p, 0, N));
		if (!strcmp(what, "over"))
			MUST(cu.set(q, 1, N));
		r = launch(m, !strcmp(what, "hang") ? "hang" : "add", p, q, !strcmp(what, "over") ? N + 1 : N);
	}
	if (r == CUDA_SUCCESS)
		MUST(cu.destroy(ctx));
	return r ? (int)r - 600 : 0;
}

/* ---- the test ---- */

static const struct test_mount *m;
static char file[300];

/* Starts the program with debug for $VGPU_DEBUG (NULL: none). */
static pid_t start(const char *what, const char *debug)
{
	char path[400], dbg[400], top[400];
	char *argv[] = { (char *)"661", (char *)what, NULL }, *env[] = { path, top, debug ? dbg : NULL, NULL };
	const char *build = getenv("VGPU_TOP_BUILDDIR");
	pid_t pid;

	unlink(file);
	snprintf(path, sizeof(path), "VGPU_PATH=%s", m->mnt);
	snprintf(top, sizeof(top), "VGPU_TOP_BUILDDIR=%s", build ? build : ".");
	snprintf(dbg, sizeof(dbg), "VGPU_DEBUG=%s", debug ? debug : "");
	pid = fork();
	if (!pid) {
		execve("/proc/self/exe", argv, env);
		_exit(99);
	}
	return pid;
}

/* … and answers its exit status. */
static int run(const char *what, const char *debug)
{
	pid_t pid = start(what, debug);
	int st;

	if (pid < 0 || waitpid(pid, &st, 0) != pid)
		return -1;
	return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}

static const char *text(void)
{
	static char *data;

	free(data);
	data = NULL;
	if (vgpu_read_file(file, 1 << 20, &data, NULL, NULL))
		return "(no file)";
	return data;
}

static char *node(const char *name)
{
	static char path[400];

	snprintf(path, sizeof(path), "%s/devices/0/%s", m->mnt, name);
	return path;
}

static void set(const char *value)
{
	int fd = open(node("memcheck"), O_WRONLY);

	ok(fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value), "devices/0/memcheck becomes %s", value);
	if (fd >= 0)
		close(fd);
}

/* The file of the device, at most until it has `want`. */
static const char *report(const char *want)
{
	static char *data;

	for (int i = 0; i < 100; i++) {
		free(data);
		data = NULL;
		if (vgpu_read_file(node("memcheck.report"), 1 << 20, &data, NULL, NULL))
			return "(no file)";
		if (strstr(data, want))
			break;
		usleep(50000);
	}
	return data;
}

/* A kernel that doesn't end: what it has done so far is told all the same. */
static void hangs(void)
{
	pid_t pid = start("hang", NULL);
	const char *s = report("at hang");

	has_string(s, "========= Uninitialized __global__ memory read of size 4 bytes\n=========     at hang, PTX line ", "a kernel that hangs is reported meanwhile");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_mount_files(void)
{
	struct stat st;
	const char *s;

	has_string(report("Invalid"), "========= Invalid __global__ read of size 4 bytes\n=========     at add, PTX line ", "the device's file has it, too");
	ok(!stat(node("memcheck.report"), &st) && (st.st_mode & 0777) == 0400, "which is the owner's");
	set("1");
	is_int(run("unset", NULL), 0, "a program that knows nothing is checked on such a device");
	has_string(report("ERROR SUMMARY: 1 errors"), "========= ERROR SUMMARY: 1 errors, seen 1000 times\n", "and reported there");
	is_string(text(), "(no file)", "and nowhere else");
	is_int(run("over", NULL), 100, "and gets its error");
	s = report("Invalid");
	has_string(s, "========= Process ", "whose it is is told");
	for (int i = 0; i < 40; i++)
		run("race", NULL);
	is_int(run("over", NULL), 100, "many runs later");
	s = report("Race");
	ok(strlen(s) > 10000 && strlen(s) <= 65536, "the file is still of a size (%zu)", strlen(s));
	hangs();
	set("0");
	is_int(run("over", NULL), 0, "then nobody is checked any more");
}

int main(int argc, char **argv)
{
	char debug[400];
	const char *s;

	if (argc > 1)
		return program(argv[1]);
	m = test_mount(1, NULL);
	plan_lazy();
	snprintf(file, sizeof(file), "%s/report", test_tmpdir());
	snprintf(debug, sizeof(debug), "memcheck,file=%s", file);

	is_int(run("right", debug), 0, "a right program computes what it should");
	is_string(text(), "========= ERROR SUMMARY: 0 errors\n", "and nothing is reported");
	is_int(run("over", debug), 100, "one element too many is CUDA_ERROR_ILLEGAL_ADDRESS");
	s = text();
	has_string(s, "========= Invalid __global__ read of size 4 bytes\n=========     at add, PTX line ", "and is reported");
	has_string(s, ", in user.cu:11\n=========     by thread (104,0,0) in block (7,0,0)\n", "with its line and thread");
	has_string(s, "=========     and is 0 bytes after the nearest allocation at 0x", "and what is near");
	has_string(s, " of size 4000 bytes\n", "to the byte");
	is_int(run("unset", debug), 0, "reading what was never written is no error of CUDA's");
	s = text();
	has_string(s, "========= Uninitialized __global__ memory read of size 4 bytes\n", "but is reported");
	has_string(s, ", in user.cu:12\n", "with its line");
	has_string(s, "========= ERROR SUMMARY: 1 errors, seen 1000 times\n", "once, and counted");
	ok(!strstr(s, "Leaked"), "and nothing about leaks");
	is_int(run("race", debug), 0, "a race");
	has_string(text(), "========= Race reported between ", "is reported");
	snprintf(debug, sizeof(debug), "leaks,memcheck,file=%s", file);
	run("unset", debug);
	has_string(text(), "========= LEAK SUMMARY: 8000 bytes leaked in 2 allocations\n", "leaks are told to who asks");
	snprintf(debug, sizeof(debug), "file=%s", file);
	is_int(run("over", debug), 0, "without the checker nobody notices");
	is_string(text(), "", "and nothing is written");
	is_int(run("race", NULL), 0, "nor without $VGPU_DEBUG");
	is_string(text(), "(no file)", "…");
	is_int(run("over", "memcheck"), 100, "without a file the error is there all the same");
	is_int(run("right", "memcheck"), 0, "and right programs run");
	test_mount_files();
	return 0;
}

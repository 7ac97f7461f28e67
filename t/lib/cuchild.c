/* cuchild.c: see cuchild.h. The library is loaded in the child alone. */
#include "t/lib/cuchild.h"

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t/lib/tap.h"

static const char kernel[] =
	".version 7.0\n.target sm_52\n.address_size 64\n"
	".visible .entry spin(.param .u32 n)\n{\n"
	".reg .pred %p1;\n.reg .u32 %r1;\n.reg .u64 %rd<4>;\n"
	"ld.param.u32 %r1, [n];\ncvt.u64.u32 %rd3, %r1;\nmov.u64 %rd1, %globaltimer;\nadd.u64 %rd3, %rd1, %rd3;\n"
	"L: mov.u64 %rd2, %globaltimer;\nsetp.lt.u64 %p1, %rd2, %rd3;\n@%p1 bra L;\nret;\n}\n";

static struct {
	int (*init)(unsigned);
	int (*count)(int *);
	int (*create)(void **, unsigned, int);
	int (*destroy)(void *);
	int (*alloc)(uint64_t *, size_t);
	int (*free)(uint64_t);
	int (*sync)(void);
	int (*attr)(int *, int, int);
	int (*total)(size_t *, int);
	int (*wait)(void *, uint64_t, uint32_t, unsigned);
	int (*load)(void **, const void *);
	int (*func)(void **, void *, const char *);
	int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
} cu;

static uint64_t last;
static void *ctx;

static void *sym(void *lib, const char *name)
{
	void *p = dlsym(lib, name);

	if (!p)
		_exit(90);
	return p;
}

static void load(void)
{
	void *lib = dlopen(test_build("libcuda-vgpu/libcuda.so.1"), RTLD_NOW);

	if (!lib)
		_exit(91);
	*(void **)&cu.init = sym(lib, "cuInit");
	*(void **)&cu.count = sym(lib, "cuDeviceGetCount");
	*(void **)&cu.create = sym(lib, "cuCtxCreate_v2");
	*(void **)&cu.destroy = sym(lib, "cuCtxDestroy_v2");
	*(void **)&cu.alloc = sym(lib, "cuMemAlloc_v2");
	*(void **)&cu.free = sym(lib, "cuMemFree_v2");
	*(void **)&cu.sync = sym(lib, "cuCtxSynchronize");
	*(void **)&cu.attr = sym(lib, "cuDeviceGetAttribute");
	*(void **)&cu.total = sym(lib, "cuDeviceTotalMem_v2");
	*(void **)&cu.wait = sym(lib, "cuStreamWaitValue32_v2");
	*(void **)&cu.load = sym(lib, "cuModuleLoadData");
	*(void **)&cu.func = sym(lib, "cuModuleGetFunction");
	*(void **)&cu.launch = sym(lib, "cuLaunchKernel");
}

static int attribute(int which, int dev)
{
	int v = 0, r = cu.attr(&v, which, dev);

	return r ? -r : v;
}

static int block(void)
{
	int r = cu.alloc(&last, 4096);

	if (!r)
		r = cu.wait(NULL, last, 0x7fffffff, 1);
	return r ? r : cu.sync();
}

static int spin(int ms)
{
	void *mod, *fn;
	unsigned n = 20000000;   /* ns: more than a launch costs, however fast the engine is */
	void *params[] = { &n };
	struct timespec a, b;
	int r = cu.load(&mod, kernel);

	if (!r)
		r = cu.func(&fn, mod, "spin");
	clock_gettime(CLOCK_MONOTONIC, &a);
	do {
		if (!r)
			r = cu.launch(fn, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL);
		if (!r)
			r = cu.sync();
		clock_gettime(CLOCK_MONOTONIC, &b);
	} while (!r && (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < ms);
	return r;
}

static int obey(enum cuchild_cmd cmd, int arg)
{
	size_t total = 0;
	int n = 0, r;

	switch (cmd) {
	case CU_INIT: return cu.init(0);
	case CU_COUNT: r = cu.count(&n); return r ? -r : n;
	case CU_CREATE: return cu.create(&ctx, 0, arg);
	case CU_DESTROY: return cu.destroy(ctx);
	case CU_ALLOC: return cu.alloc(&last, (size_t)arg << 20);
	case CU_FREE: return cu.free(last);
	case CU_SYNC: return cu.sync();
	case CU_BLOCK: return block();
	case CU_MODE: return attribute(20, arg);
	case CU_ECC: return attribute(32, arg);
	case CU_SMS: return attribute(16, arg);
	case CU_TOTAL_MIB: r = cu.total(&total, arg); return r ? -r : (int)(total >> 20);
	case CU_SPIN: return spin(arg);
	case CU_QUIT: _exit(0);
	}
	return -1002;
}

static void child(int in, int out)
{
	int m[2];

	load();
	while (read(in, m, sizeof(m)) == sizeof(m)) {
		int r = obey((enum cuchild_cmd)m[0], m[1]);

		if (write(out, &r, sizeof(r)) != sizeof(r))
			break;
	}
	_exit(0);
}

struct cuchild cuchild_start(const char *mnt, const char *env)
{
	struct cuchild c = { 0 };
	int a[2], b[2];

	if (pipe2(a, 02000000) || pipe2(b, 02000000)) /* O_CLOEXEC */
		bail("pipe");
	c.pid = fork();
	if (c.pid < 0)
		bail("fork");
	if (c.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("VGPU_PATH", mnt, 1);
		unsetenv("CUDA_VISIBLE_DEVICES");
		if (env && putenv(strdup(env)))
			_exit(92);
		close(a[1]);
		close(b[0]);
		child(a[0], b[1]);
	}
	close(a[0]);
	close(b[1]);
	c.to = a[1];
	c.from = b[0];
	return c;
}

void cuchild_send(struct cuchild *c, enum cuchild_cmd cmd, int arg)
{
	int m[2] = { (int)cmd, arg };

	if (write(c->to, m, sizeof(m)) != sizeof(m))
		diag("the child with libcuda is gone");
}

int cuchild_take(struct cuchild *c, int timeout_ms)
{
	struct pollfd p = { .fd = c->from, .events = POLLIN };
	int r;

	if (poll(&p, 1, timeout_ms) == 0)
		return -1001;
	return read(c->from, &r, sizeof(r)) == sizeof(r) ? r : -1000;
}

int cuchild_do(struct cuchild *c, enum cuchild_cmd cmd, int arg)
{
	cuchild_send(c, cmd, arg);
	return cuchild_take(c, 60000);
}

void cuchild_end(struct cuchild *c)
{
	close(c->to);
	close(c->from);
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
}

/*
 * 482-jit: vgpu-jit, with a generator that does what a kernel's name says:
 * kernels come back and run; crashes, hangs, hunger and forbidden calls become
 * that kernel's error and nobody else's; background work waits for the rest;
 * the cache answers a second run, mistrusts what others may write and what is
 * damaged, and stays within its size.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backend/simd/sd_jit.h"
#include "backend/simd/sd_jit_wire.h"
#include "compiler/ir/ir.h"
#include "compiler/ptx/ptx.h"
#include "config.h"
#include "t/lib/tap.h"
#include "util/buf.h"
#include "util/sys.h"

#define LEAVES 6               /* seconds that what a worker has left behind may take */

/* C++ has them as long as that, and an error's text ends before */
#define TEN(s) s s s s s s s s s s
#define LONG TEN(TEN("long_n"))

static const char *const names[] = { "ok0", "ok1", "ok2", "ok3", "ok4", "ok5", "ok6", "ok7", "hang", "crash", "recurse", "abort", "eat",
				     "quit", "fork", "execute", "file", "refuse", "slow", "empty", LONG };
static char cache[300];

static struct ir_module *module_of(const char *const *kernel, unsigned n, unsigned pad_B)
{
	struct ptx_options o = { .keep_text = true };
	struct vgpu_err err = VGPU_ERR_INIT;
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct ir_module *m;
	struct ptx_source s;
	struct ptx_diag d;

	vgpu_buf_str(&b, ".version 8.0\n.target sm_80\n.address_size 64\n");
	while (b.len < pad_B)
		vgpu_buf_str(&b, "// a module of a library is long, and most of it is never looked at\n");
	for (unsigned i = 0; i < n; i++)
		vgpu_buf_printf(&b, ".visible .entry %s()\n{\n	ret;\n}\n", kernel[i]);
	s = (struct ptx_source){ b.data, b.len, NULL };
	ptx_diag_init(&d);
	if (ptx_compile_opts(&s, 1, &o, &m, &d, &err))
		bail("%s", err.text);
	ptx_diag_fini(&d);
	vgpu_buf_free(&b);
	return m;
}

static struct gen_request request(const struct ir_module *m, const char *name, unsigned tier)
{
	int f = ir_module_find_func(m, name);

	if (f < 0)
		bail("no kernel %s", name);
	return (struct gen_request){ .m = m, .func = (uint32_t)f, .isa = SD_ISA_AVX2, .tier = tier, .warps = 2 };
}

static uint32_t expected(const struct gen_request *r, uint32_t state)
{
	return state + 1000 * r->func + 100 * r->tier + r->warps;
}

/* Compiles one that is expected to come. */
static bool comes(const struct ir_module *m, const char *name, unsigned tier)
{
	struct gen_request r = request(m, name, tier);
	struct vgpu_err err = VGPU_ERR_INIT;
	struct sd_code *code = NULL;
	bool good;

	if (sd_jit_compile(&code, &r, &err)) {
		diag("%s: %s", name, err.text);
		return false;
	}
	good = code->fn(NULL, 5) == expected(&r, 5);
	sd_unload(code);
	return good;
}

static void fails(const struct ir_module *m, const char *name, const char *text)
{
	struct gen_request r = request(m, name, 0);
	struct vgpu_err err = VGPU_ERR_INIT;
	struct sd_code *code = NULL;
	uint64_t t0 = vgpu_now_ns();
	int e = sd_jit_compile(&code, &r, &err);

	ok(e < 0, "'%s' fails (%llu ms)", name, (unsigned long long)(vgpu_now_ns() - t0) / 1000000);
	has_string(err.text, text, "… and it says so");
	has_string(err.text, name, "… of which kernel");
	ok(comes(m, "ok1", 0), "… and the next one comes");
}

static struct sd_jit_stats stats(void)
{
	struct sd_jit_stats s;

	sd_jit_stats(&s);
	return s;
}

/* A new vgpu-jit for what follows. */
static void restart(const struct ir_module *m)
{
	sd_jit_forget(m);
	sd_jit_set_fd(-1);
}

/* ---- errors ---- */

/* Why is what an error has to say, whatever the kernel's name. */
static void long_name(struct ir_module *m)
{
	struct gen_request r = request(m, LONG, 0);
	struct vgpu_err err = VGPU_ERR_INIT;
	struct sd_code *code = NULL;

	ok(sd_jit_compile(&code, &r, &err) < 0, "a kernel with a long name is refused");
	has_string(err.text, "line 12: frob.b32", "… there is room for the reason");
	has_string(err.text, "long_nlong_n", "… and for how the name begins");
	ok(!strstr(err.text, LONG), "… but not for all of it");
}

static void errors(struct ir_module *m)
{
	fails(m, "refuse", "line 12: frob.b32");
	fails(m, "empty", "object");
	long_name(m);
	fails(m, "crash", "crashed: signal 11");
	fails(m, "abort", "gave up");
#ifndef VGPU_SANITIZER
	fails(m, "recurse", "crashed: signal 11");
	fails(m, "hang", "too long");
	fails(m, "eat", "no memory");
	fails(m, "fork", "made system call");
	fails(m, "execute", "made system call 9");
	fails(m, "file", "no files");
#endif
}

static void silent_death(struct ir_module *m)
{
	struct gen_request r = request(m, "quit", 0);
	struct vgpu_err err = VGPU_ERR_INIT;
	struct sd_code *code;

	is_int(sd_jit_compile(&code, &r, &err), -VGPU_E_INTERNAL, "a compiler that just ends is an error");
	has_string(err.text, "died", "… and it says so");
	ok(comes(m, "ok1", 0), "… and the next one comes");
}

/* ---- order ---- */

static void background(struct ir_module *m)
{
	struct gen_request slow = request(m, "slow", 1), later = request(m, "ok7", 1);
	struct vgpu_err err = VGPU_ERR_INIT;
	struct sd_jit_job *a, *b, *c;
	struct sd_code *code = NULL;

	if (sd_jit_start(&a, &slow, &err) || sd_jit_start(&b, &later, &err) || sd_jit_start(&c, &later, &err))
		bail("%s", err.text);
	is_int(sd_jit_poll(a, &code, &err), -VGPU_E_NOT_READY, "background work isn't waited for");
	ok(comes(m, "ok2", 0), "a kernel that is needed now comes meanwhile");
	is_int(sd_jit_poll(b, &code, &err), -VGPU_E_NOT_READY, "… before what waits behind background work");
	sd_jit_job_free(c);
	is_int(sd_jit_wait(b, &code, &err), 0, "which comes, too");
	is_int(code ? code->fn(NULL, 0) : 0, expected(&later, 0), "… with its code");
	sd_unload(code);
	code = NULL;
	is_int(sd_jit_poll(b, &code, &err), -VGPU_E_INVALID, "a job gives its code once");
	if (!is_int(sd_jit_poll(a, &code, &err), 0, "the slow one is there by then"))
		diag("%s", err.text);
	sd_unload(code);
	sd_jit_job_free(a);
	sd_jit_job_free(b);
}

struct thread {
	struct ir_module *m;
	unsigned n, good;
};

static void *many(void *p)
{
	struct thread *t = p;

	for (unsigned i = 0; i < 24; i++)
		t->good += comes(t->m, names[(t->n + i) % 8], i % 2);
	return NULL;
}

static void threads(struct ir_module *m)
{
	struct thread t[6];
	pthread_t id[6];
	unsigned good = 0;

	for (unsigned i = 0; i < 6; i++) {
		t[i] = (struct thread){ m, i, 0 };
		pthread_create(&id[i], NULL, many, &t[i]);
	}
	for (unsigned i = 0; i < 6; i++) {
		pthread_join(id[i], NULL);
		good += t[i].good;
	}
	is_int(good, 6 * 24, "six threads get what they ask for");
}

/* ---- the cache ---- */

/* Calls fn for each file of it; answers the bytes of all. */
static uint64_t each_file(void (*fn)(const char *path), unsigned *n)
{
	char dir[400], path[700];
	struct dirent *e;
	struct stat st;
	uint64_t sum = 0;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/%u", cache, (unsigned)geteuid());
	d = opendir(dir);
	*n = 0;
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (stat(path, &st) == 0)
			sum += (uint64_t)st.st_size;
		++*n;
		if (fn)
			fn(path);
	}
	if (d)
		closedir(d);
	return sum;
}

static void damage(const char *path)
{
	int fd = open(path, O_RDWR);
	char c;

	if (fd < 0 || pread(fd, &c, 1, 4100) != 1)
		bail("%s", path);
	c ^= 1;
	if (pwrite(fd, &c, 1, 4100) != 1)
		bail("%s", path);
	close(fd);
}

static void cut(const char *path)
{
	if (truncate(path, 5000) < 0)
		bail("%s", path);
}

static void drop(const char *path)
{
	unlink(path);
}

static void open_up(const char *path)
{
	chmod(path, 0666);
}

static void make_junk(const char *path)
{
	unlink(path);
	if (symlink("/etc/passwd", path) < 0)
		bail("%s", path);
}

/* Did the last ok0 come from the cache? */
static void from_cache(struct ir_module *m, bool want, const char *what)
{
	struct sd_jit_stats a, b;

	restart(m);
	a = stats();
	ok(comes(m, "ok0", 0), "%s: the kernel comes", what);
	b = stats();
	is_int((long long)(b.cached - a.cached), want, "… %s", want ? "from the cache" : "compiled");
	restart(m);
}

static void spoiled(struct ir_module *m, void (*how)(const char *path), const char *what)
{
	unsigned n;

	each_file(how, &n);
	from_cache(m, false, what);
	each_file(drop, &n);
	from_cache(m, false, "an empty cache");
	from_cache(m, true, "a full one");
}

static void chmod_dir(mode_t mode)
{
	char dir[400];

	snprintf(dir, sizeof(dir), "%s/%u", cache, (unsigned)geteuid());
	chmod(dir, mode);
}

static void caching(struct ir_module *m)
{
	unsigned n;

	each_file(NULL, &n);
	ok(n >= 8, "compiled kernels are kept (%u files)", n);
	from_cache(m, true, "a second run");
	spoiled(m, damage, "a flipped bit");
	spoiled(m, cut, "a file that is cut");
	spoiled(m, open_up, "a file that others may write");
	spoiled(m, make_junk, "a symbolic link");
	chmod_dir(0777);
	from_cache(m, false, "a directory that others may write");
	chmod_dir(0700);
	from_cache(m, true, "one of our own again");
	setenv("VGPU_CACHE_DIR", "/proc/nowhere", 1);
	from_cache(m, false, "a directory that can't be");
	setenv("VGPU_CACHE_DIR", cache, 1);
}

#define MANY 200
static void eviction(void)
{
	static char name[MANY][16];
	const char *list[MANY];
	struct ir_module *m;
	uint64_t bytes, all = 0;
	unsigned n, good = 0;

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name[i], sizeof(name[i]), "ok%u", i);
		list[i] = name[i];
	}
	m = module_of(list, MANY, 0);
	setenv("VGPU_CACHE_MB", "1", 1);
	restart(m);
	for (unsigned i = 0; i < MANY; i++)
		good += comes(m, list[i], 0);
	is_int(good, MANY, "a cache of 1 MiB: all kernels come");
	bytes = each_file(NULL, &n);
	all = bytes / (n ? n : 1) * MANY;
	ok(bytes <= 1 << 20 && n > 16, "… and it stays within that (%u files, %llu bytes of %llu)", n, (unsigned long long)bytes,
	   (unsigned long long)all);
	ok(all > 1 << 20, "… which had to be done something for");
	restart(m);
	ok(comes(m, list[MANY - 1], 0) && stats().cached, "the last one is there");
	sd_jit_forget(m);
	ir_module_free(m);
	unsetenv("VGPU_CACHE_MB");
}

/* ---- the connection ---- */

static void big(void)
{
	const char *list[] = { "ok0" };
	struct ir_module *m = module_of(list, 1, 20 << 20);

	ok(comes(m, "ok0", 0), "a module of 20 MB");
	ok(comes(m, "ok0", 1), "… and again");
	sd_jit_forget(m);
	ir_module_free(m);
}

/* Packets that break the rules end the connection; the process ends and leaves nobody behind. */
static void hostile(const void *p, size_t n, const char *what)
{
	char buf[100], cmd[500];
	int sv[2];
	FILE *f;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		bail("socketpair");
	snprintf(cmd, sizeof(cmd), "exec %s 3<&%d %d<&- 2>/dev/null", test_build("engine/vgpu-jit"), sv[1], sv[1]);
	fcntl(sv[1], F_SETFD, 0);
	f = popen(cmd, "r");
	fcntl(sv[1], F_SETFD, FD_CLOEXEC);
	close(sv[1]);
	if (send(sv[0], p, n, MSG_NOSIGNAL) != (ssize_t)n)
		bail("send");
	is_int((long long)recv(sv[0], buf, sizeof(buf), 0), 0, "%s: it hangs up", what);
	ok(pclose(f) > 0, "… and ends with an error");
	close(sv[0]);
}

static void rules(void)
{
	struct sd_jw_head h = { SD_JW_MAGIC, SD_JW_VERSION, SD_JW_TEXT, 1 };
	struct sd_jw_compile c = { .h = { SD_JW_MAGIC, SD_JW_VERSION, SD_JW_COMPILE, 1 }, .module = 7 };
	struct {
		struct sd_jw_module m;
		uint64_t len[2];
	} m = { { .h = { SD_JW_MAGIC, SD_JW_VERSION, SD_JW_MODULE, 1 }, .n_texts = 2 }, { 1ull << 31, 1ull << 63 } };

	hostile("hello", 5, "a greeting");
	hostile(&h, sizeof(h), "text without a module");
	hostile(&c, sizeof(c), "a kernel without a module");
	hostile(&m, sizeof(m), "a module without bounds");
	hostile(&m, sizeof(m.m) + 8, "a module that is cut");
	h.op = SD_JW_DROP;
	hostile(&h, sizeof(h), "dropping what isn't there");
	h.version++;
	hostile(&h, sizeof(h), "another version");
}

/* The one that serves us, by its parent. */
static pid_t jit_pid(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	while (d && (e = readdir(d))) {
		char path[300], *text = NULL, *p;
		int pid = atoi(e->d_name), parent;

		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		if (pid <= 0 || vgpu_read_file(path, 4096, &text, &(size_t){ 0 }, NULL))
			continue;
		p = strrchr(text, ')');
		if (p && strstr(text, "(vgpu-jit)") && sscanf(p + 2, "%*c %d", &parent) == 1 && parent == (int)getpid())
			found = pid;
		free(text);
	}
	if (d)
		closedir(d);
	return found;
}

/* What of it the system shows: filters, no rights to be had. */
static void confined(void)
{
	char path[64], *text = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)jit_pid());
	if (vgpu_read_file(path, 65536, &text, &(size_t){ 0 }, NULL))
		bail("%s", path);
#ifndef VGPU_SANITIZER
	has_string(text, "Seccomp:\t2", "vgpu-jit itself is filtered");
	has_string(text, "NoNewPrivs:\t1", "… gains no rights");
	has_string(text, "CapEff:\t0000000000000000", "… has none");
	if (geteuid() == 0)
		has_string(text, "CapBnd:\t0000000000000000", "… nor will have");
#endif
	free(text);
}

static void killed(struct ir_module *m)
{
	struct gen_request r = request(m, "slow", 0);
	struct vgpu_err err = VGPU_ERR_INIT;
	struct sd_jit_job *j;
	struct sd_code *code;
	pid_t pid;

	r.block[0] = 99;
	if (sd_jit_start(&j, &r, &err))
		bail("%s", err.text);
	pid = jit_pid();
	if (!ok(pid > 0, "vgpu-jit is our child"))
		return;
	kill(pid, SIGKILL);
	is_int(sd_jit_wait(j, &code, &err), -VGPU_E_DISCONNECTED, "when it is killed, who waits is told");
	sd_jit_job_free(j);
	ok(comes(m, "ok3", 0), "… and there is a new one for the next");
}

/* Better code that was asked for is made for the cache when nobody waits for it any more. */
static void left_behind(struct ir_module *m, bool drop)
{
	struct gen_request r = request(m, "slow", 1);
	struct vgpu_err err = VGPU_ERR_INIT;
	struct sd_jit_job *j;
	unsigned n, before;

	r.warps = drop ? 4 : 8;
	each_file(NULL, &before);
	if (sd_jit_start(&j, &r, &err))
		bail("%s", err.text);
	usleep(100000);
	sd_jit_job_free(j);
	if (drop)
		sd_jit_forget(m);
	else
		restart(m);
	for (unsigned k = 0; k < LEAVES * 100; k++) {
		each_file(NULL, &n);
		if (n > before)
			break;
		usleep(10000);
	}
	is_int(n, before + 1, "better code comes to the cache though %s", drop ? "its module is gone" : "its process is gone");
}

int main(void)
{
	struct ir_module *m;
	int fds;

	plan_lazy();
	signal(SIGPIPE, SIG_IGN);
	snprintf(cache, sizeof(cache), "%s/cache", test_tmpdir());
	setenv("VGPU_CACHE_DIR", cache, 1);
	setenv("VGPU_JIT", test_build("engine/vgpu-jit"), 1);
	setenv("VGPU_SIMDGEN", test_build("t/lib/fakegen.so"), 1);
	setenv("VGPU_JIT_CPU_MS", "1500", 1);
	setenv("VGPU_JIT_MEM_MB", "128", 1);
	fds = test_open_fds();
	m = module_of(names, sizeof(names) / sizeof(names[0]), 0);
	ok(comes(m, "ok0", 0), "a kernel is compiled and runs");
	is_int((long long)stats().compiled, 1, "… compiled");
	ok(comes(m, "ok0", 0), "… and once more");
	is_int((long long)stats().cached, 1, "… from the cache");
	errors(m);
	silent_death(m);
	background(m);
	threads(m);
	confined();
	killed(m);
	caching(m);
	left_behind(m, true);
	left_behind(m, false);
	eviction();
	setenv("VGPU_JIT_MEM_MB", "512", 1);
	restart(m);
	big();
	rules();
	restart(m);
	ir_module_free(m);
	is_int(test_open_fds(), fds, "no descriptor is left");
	return 0;
}

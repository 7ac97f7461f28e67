/*
 * jit_compile.c: a compiler: parses a module once, then makes kernels of it,
 * one request at a time. It is locked in and may die at any moment: of its
 * limits, of a fault in a library. Then a signal handler sends the answer that
 * the request was still owed, as far as there is one.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "backend/simd/gen/gen_api.h"
#include "backend/simd/sd_load.h"
#include "compiler/ir/ir.h"
#include "compiler/ptx/ptx.h"
#include "engine/jit/jit.h"
#include "util/cleanup.h"
#include "util/sys.h"

/* Of the clock: on a machine that is busy, work in the background takes many times its CPU time. */
#define WALL 8u
#define WALL_MIN_MS 60000u
#define MODULE_B (sizeof(struct sd_jw_module) + SD_JW_TEXTS * sizeof(uint64_t))

struct compiler {
	int sock;
	const struct jit_generator *g;
	const struct jit_config *c;
	struct ir_module *m;
	struct vgpu_err err;           /* m is NULL: why */
};

/* ---- the last words ---- */

static struct sd_jw_result last;       /* ready to be sent by the handler */
static size_t last_at;                 /* where its reason goes */
static int last_sock = -1;

static void add(const char *s)
{
	while (*s && last_at < sizeof(last.text) - 1)
		last.text[last_at++] = *s++;
}

static void add_number(unsigned n)
{
	char d[12], *p = d + sizeof(d) - 1;

	*p = 0;
	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	add(p);
}

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	if (last_sock < 0)
		_exit(1);
	if (sig == SIGPROF || sig == SIGALRM) {
		add("compiling it takes too long");
	} else if (sig == SIGABRT) {
		add("the compiler gave up, or had no memory left");
	} else if (sig == SIGSYS) {
		add("the compiler made system call ");
		add_number((unsigned)info->si_syscall);
	} else {
		add("the compiler crashed: signal ");
		add_number((unsigned)sig);
	}
	send(last_sock, &last, sizeof(last), MSG_NOSIGNAL);
	_exit(1);
}

static void catch_signals(void)
{
	static const int sigs[] = { SIGPROF, SIGALRM, SIGABRT, SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND) };

	sigaltstack(&ss, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++)
		sigaction(sigs[i], &sa, NULL);
}

static void limit(uint64_t cpu_ms)
{
	struct itimerval cpu = { .it_value = { (time_t)(cpu_ms / 1000), (suseconds_t)(cpu_ms % 1000 * 1000) } };
	struct itimerval wall = { .it_value = { cpu_ms ? (time_t)(MAX(cpu_ms * WALL, (uint64_t)WALL_MIN_MS) / 1000) : 0, 0 } };

	setitimer(ITIMER_PROF, &cpu, NULL);
	setitimer(ITIMER_REAL, &wall, NULL);
}

/* ---- modules ---- */

static int parse(struct compiler *k, const struct sd_jw_module *h, const uint64_t *lens, const char *text, size_t size)
{
	struct ptx_options o = { .max_target = h->max_target, .no_contract = h->no_contract, .lazy = h->lazy };
	cleanup_free struct ptx_source *src = calloc(h->n_texts + 1, sizeof(*src));
	struct ptx_diag d;
	size_t at = 0;
	int r;

	if (!src)
		return vgpu_err_set(&k->err, VGPU_E_NOMEM, "module: out of memory");
	for (uint32_t i = 0; i < h->n_texts; i++) {
		if (lens[i] > size - at)
			return vgpu_err_set(&k->err, VGPU_E_PROTOCOL, "module: its texts are cut");
		src[i] = (struct ptx_source){ .text = text + at, .len = lens[i] };
		at += lens[i];
	}
	ptx_diag_init(&d);
	r = ptx_compile_opts(src, h->n_texts, &o, &k->m, &d, &k->err);
	ptx_diag_fini(&d);
	return r;
}

static void on_module(struct compiler *k, const uint8_t *buf, size_t n, int fd)
{
	struct sd_jw_module h;
	uint64_t lens[SD_JW_TEXTS + 1];
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = NULL;

	ir_module_free(TAKE_PTR(k->m));
	if (n < sizeof(h) || size < 0)
		_exit(1);
	memcpy(&h, buf, sizeof(h));
	if (h.n_texts > SD_JW_TEXTS || n != sizeof(h) + h.n_texts * sizeof(*lens))
		_exit(1);
	memcpy(lens, buf + sizeof(h), h.n_texts * sizeof(*lens));
	if (size) {
		text = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
		if (text == MAP_FAILED) {
			vgpu_err_errno(&k->err, "module: map its text");
			return;
		}
	}
	parse(k, &h, lens, text, (size_t)size);
	if (text)
		munmap(text, (size_t)size);
}

/* ---- kernels ---- */

static int check_request(const struct compiler *k, const struct sd_jw_compile *c, struct vgpu_err *err)
{
	const struct ir_func *f;
	int r;

	if (!k->m)
		return vgpu_err_set(err, k->err.status ? k->err.status : VGPU_E_PROTOCOL, "%s", k->err.status ? k->err.text : "no module");
	if (c->func >= k->m->n_funcs || !k->m->funcs[c->func].is_entry)
		return vgpu_err_set(err, VGPU_E_INVALID, "function %u is no kernel", c->func);
	if (c->isa >= SD_ISA_COUNT || c->warps > SD_MAX_WARPS)
		return vgpu_err_set(err, VGPU_E_INVALID, "request for instruction set %u, %u warps", c->isa, c->warps);
	r = ir_need_func(k->m, c->func, err);
	if (r)
		return r;
	f = &k->m->funcs[c->func];
	if (f->unsupported)
		return vgpu_err_set(err, VGPU_E_UNSUPPORTED_PTX, "%.80s: ptx line %u: %s", f->name, f->unsupported_line, f->unsupported);
	return 0;
}

static int generate(struct compiler *k, const struct sd_jw_compile *c, struct vgpu_err *err)
{
	struct gen_request r = { .m = k->m, .func = c->func, .block = { c->block[0], c->block[1], c->block[2] },
				 .small_grid = c->small_grid, .isa = (enum sd_isa)c->isa, .warps = c->warps, .tier = c->tier,
				 .flags = c->flags };
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct gen_object o = { 0 };
	int e = k->g->kernel(&r, &o, err);

	if (e == 0)
		e = sd_link(&o, &b, err);
	gen_object_free(&o);
	if (e == 0)
		e = sd_art_memfd(b.data, b.len, err);
	vgpu_buf_free(&b);
	return e;
}

/* Of C++'s long names the reason wouldn't have room behind more. */
#define NAME "%.80s"

/* Says which kernel it is about, where it doesn't yet. */
static int name_it(const char *name, struct vgpu_err *err)
{
	char start[81];

	snprintf(start, sizeof(start), NAME, name);
	return strstr(err->text, start) ? -err->status : vgpu_err_wrap(err, NAME, name);
}

/* The artifact's descriptor, or -status. */
static int compile(struct compiler *k, const struct sd_jw_compile *c, struct vgpu_err *err)
{
	int r;

	if (!k->g->kernel)
		return vgpu_err_set(err, k->g->err.status, "%s", k->g->err.text);
	r = check_request(k, c, err);
	if (r)
		return r;
	r = generate(k, c, err);
	return r < 0 ? name_it(k->m->funcs[c->func].name, err) : r;
}

static void last_words(const struct compiler *k, const struct sd_jw_compile *c)
{
	const char *name = k->m && c->func < k->m->n_funcs ? k->m->funcs[c->func].name : NULL;

	last = (struct sd_jw_result){ .h = { SD_JW_MAGIC, SD_JW_VERSION, SD_JW_RESULT, c->h.id }, .status = VGPU_E_INTERNAL,
				     .from = SD_JW_LAST };
	last_at = (size_t)snprintf(last.text, 100, NAME "%s", name ? name : "", name ? ": " : "");
	last_at = MIN(last_at, 99u);
	last_sock = k->sock;
}

static void on_compile(struct compiler *k, const uint8_t *buf, size_t n)
{
	struct sd_jw_compile c;
	struct sd_jw_result res = { 0 };
	struct vgpu_err err = VGPU_ERR_INIT;
	uint64_t t0 = vgpu_now_ns();
	cleanup_close int fd = -1;

	if (n != sizeof(c))
		_exit(1);
	memcpy(&c, buf, sizeof(c));
	last_words(k, &c);
	fd = compile(k, &c, &err);
	last_sock = -1;
	res.h = last.h;
	res.ns = vgpu_now_ns() - t0;
	if (fd < 0) {
		res.status = (uint32_t)-fd;
		snprintf(res.text, sizeof(res.text), "%s", err.text);
	}
	if (vgpu_send_fds(k->sock, &res, sizeof(res), &fd, fd >= 0, 0) < 0)
		_exit(0);
}

void jit_compile_main(int sock, const struct jit_generator *g, const struct jit_config *c)
{
	struct compiler k = { .sock = sock, .g = g, .c = c };
	uint8_t *buf = malloc(MODULE_B);

	catch_signals();
	for (;;) {
		int fds[VGPU_MAX_FDS], nfds = 0;
		ssize_t n = buf ? vgpu_recv_fds(sock, buf, MODULE_B, fds, &nfds, 0) : -1;
		struct sd_jw_head h;

		if (n < (ssize_t)sizeof(h))
			_exit(0);
		memcpy(&h, buf, sizeof(h));
		limit(c->cpu_ms);
		if (h.op == SD_JW_MODULE && nfds == 1)
			on_module(&k, buf, (size_t)n, fds[0]);
		else if (h.op == SD_JW_COMPILE)
			on_compile(&k, buf, (size_t)n);
		limit(0);
		for (int i = 0; i < nfds; i++)
			close(fds[i]);
	}
}

/* calltrace.c: see calltrace.h. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/calltrace.h"
#include "util/compiler.h"
#include "util/sys.h"

static int trace_fd = -1;

bool vgpu_calltrace_init(void)
{
	const char *p = vgpu_getenv("VGPU_DEBUG");
	bool on = false;

	trace_fd = -1;
	while (p && *p) {
		size_t n = strcspn(p, ",");

		if (n == 3 && !memcmp(p, "api", 3))
			on = true;
		if (n > 5 && !strncmp(p, "file=", 5)) {
			char path[512];

			snprintf(path, sizeof(path), "%.*s", (int)(n - 5), p + 5);
			trace_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
			if (trace_fd < 0)
				return false;
		}
		p += n + (p[n] == ',');
	}
	return on;
}

bool vgpu_debug_word(const char *word)
{
	const char *p = vgpu_getenv("VGPU_DEBUG");

	while (p && *p) {
		size_t n = strcspn(p, ",");

		if (n == strlen(word) && !memcmp(p, word, n))
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

void vgpu_calltrace_text(const char *text, size_t n)
{
	if (trace_fd >= 0 && n && vgpu_write_all(trace_fd, text, n) < 0)
		return;
}

void vgpu_calltrace_fini(void)
{
	if (trace_fd >= 0)
		close(trace_fd);
	trace_fd = -1;
}

struct line {
	char text[1024];
	size_t n;
};

static void put(struct line *l, const char *fmt, ...) VGPU_PRINTF(2, 3);

static void put(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (l->n >= sizeof(l->text) - 1)
		return;
	va_start(ap, fmt);
	n = vsnprintf(l->text + l->n, sizeof(l->text) - l->n, fmt, ap);
	va_end(ap);
	l->n = MIN(l->n + (n > 0 ? (size_t)n : 0), sizeof(l->text) - 1);
}

/* Numbers of __builtin_classify_type that gcc and clang agree on. */
enum { CLASS_INT = 1, CLASS_POINTER = 5, CLASS_REAL = 8 };

static void put_arg(struct line *l, const struct vgpu_trace_arg *a)
{
	uint64_t v = 0;

	memcpy(&v, a->p, MIN(a->size, sizeof(v)));
	if (a->cls == VGPU_TRACE_TEXT && v)
		put(l, "\"%.80s\"", (const char *)(uintptr_t)v);
	else if (a->cls == CLASS_POINTER || a->cls == VGPU_TRACE_TEXT)
		put(l, v ? "0x%llx" : "NULL", (unsigned long long)v);
	else if (a->cls == CLASS_REAL && a->size == 4)
		put(l, "%g", (double)*(const float *)a->p);
	else if (a->cls == CLASS_REAL && a->size == 8)
		put(l, "%g", *(const double *)a->p);
	else if (a->size == 8 && v > 0xffff)
		put(l, "0x%llx", (unsigned long long)v);
	else if (a->size == 4)
		put(l, "%d", (int)v);
	else if (a->size <= 8)
		put(l, "%llu", (unsigned long long)v);
	else
		put(l, "{%u bytes}", a->size);
}

void vgpu_calltrace(const char *fn, const char *names, const struct vgpu_trace_arg *args, unsigned n, int result)
{
	struct line l = { .n = 0 };
	const char *p = names + 1;

	put(&l, "[%ld] %s(", (long)syscall(SYS_gettid), fn);
	for (unsigned i = 0; i < n; i++) {
		size_t w = strcspn(p, ",)");

		put(&l, "%s%.*s=", i ? ", " : "", (int)w, p);
		put_arg(&l, &args[i]);
		p += w + (p[w] == ',');
		p += *p == ' ';
	}
	put(&l, ") = %d\n", result);
	l.text[l.n - 1] = '\n';
	if (write(trace_fd >= 0 ? trace_fd : STDERR_FILENO, l.text, l.n) < 0)
		return;
}

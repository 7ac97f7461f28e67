/* tap.c: see tap.h. */
#include "t/lib/tap.h"

#include <dirent.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned planned, count, failed;
static bool lazy, done;
static pid_t owner;
static char tmpdir[256];

static void finish(void)
{
	if (getpid() != owner || done)
		return;
	done = true;
	if (lazy)
		printf("1..%u\n", count);
	else if (planned != count)
		printf("# planned %u tests, ran %u\n", planned, count);
	if (failed)
		printf("# %u of %u failed\n", failed, count);
	fflush(stdout);
}

static int rm(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static void cleanup(void)
{
	if (getpid() == owner && tmpdir[0])
		nftw(tmpdir, rm, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	finish();
}

static void start(void)
{
	owner = getpid();
	setvbuf(stdout, NULL, _IOLBF, 0);
	atexit(cleanup);
	alarm(120);
}

void plan(unsigned n)
{
	start();
	planned = n;
	printf("1..%u\n", n);
}

void plan_lazy(void)
{
	start();
	lazy = true;
}

void tap_timeout(unsigned seconds)
{
	alarm(seconds);
}

void skip_all(const char *fmt, ...)
{
	va_list ap;

	printf("1..0 # SKIP ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	done = true;
	exit(0);
}

void bail(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	done = true;
	exit(99);
}

static int report(int success, const char *fmt, va_list ap)
{
	count++;
	if (!success)
		failed++;
	printf("%sok %u - ", success ? "" : "not ", count);
	vprintf(fmt, ap);
	printf("\n");
	return success;
}

#define REPORT(success)                              \
	do {                                         \
		va_list ap_;                         \
		va_start(ap_, fmt);                  \
		good = report((success), fmt, ap_);  \
		va_end(ap_);                         \
	} while (0)

int ok(int success, const char *fmt, ...)
{
	int good;

	REPORT(success);
	return good;
}

int is_int(long long got, long long want, const char *fmt, ...)
{
	int good;

	REPORT(got == want);
	if (!good)
		printf("#   got %lld\n#  want %lld\n", got, want);
	return good;
}

int is_hex(unsigned long long got, unsigned long long want, const char *fmt, ...)
{
	int good;

	REPORT(got == want);
	if (!good)
		printf("#   got 0x%llx\n#  want 0x%llx\n", got, want);
	return good;
}

int is_string(const char *got, const char *want, const char *fmt, ...)
{
	int good;

	REPORT(got == want || (got && want && strcmp(got, want) == 0));
	if (!good)
		printf("#   got '%s'\n#  want '%s'\n", got ? got : "(null)", want ? want : "(null)");
	return good;
}

int has_string(const char *got, const char *want, const char *fmt, ...)
{
	int good;

	REPORT(got && strstr(got, want));
	if (!good)
		printf("#   got '%s'\n#  which lacks '%s'\n", got ? got : "(null)", want);
	return good;
}

int is_blob(const void *got, const void *want, size_t n, const char *fmt, ...)
{
	const unsigned char *g = got, *w = want;
	int good;

	REPORT(memcmp(got, want, n) == 0);
	for (size_t i = 0; !good && i < n; i++) {
		if (g[i] == w[i])
			continue;
		printf("# first difference at byte %zu: got 0x%02x, want 0x%02x\n", i, g[i], w[i]);
		break;
	}
	return good;
}

void skip(const char *why, ...)
{
	va_list ap;

	printf("ok %u # SKIP ", ++count);
	va_start(ap, why);
	vprintf(why, ap);
	va_end(ap);
	printf("\n");
}

void diag(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

const char *test_tmpdir(void)
{
	if (!tmpdir[0]) {
		const char *base = getenv("TMPDIR");

		snprintf(tmpdir, sizeof(tmpdir), "%s/vgpufs-test-XXXXXX", base ? base : "/tmp");
		if (!mkdtemp(tmpdir))
			bail("mkdtemp %s failed", tmpdir);
	}
	return tmpdir;
}

static const char *join(const char *var, const char *rel)
{
	static char bufs[4][1024];
	static unsigned next;
	char *b = bufs[next++ % 4];
	const char *top = getenv(var);

	snprintf(b, sizeof(bufs[0]), "%s/%s", top ? top : ".", rel);
	return b;
}

const char *test_src(const char *rel)
{
	return join("VGPU_TOP_SRCDIR", rel);
}

const char *test_build(const char *rel)
{
	return join("VGPU_TOP_BUILDDIR", rel);
}

int test_open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = -1; /* the directory's own */

	if (!d)
		return -1;
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

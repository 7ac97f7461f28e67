/*
 * main.c: vgpu-jit: started with the worker's socket as descriptor 3, on its
 * first request. Opens what it needs, forks the zygote, locks itself in, and
 * serves until the worker is gone.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "config.h"
#include "engine/jit/jit.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/sys.h"

#define CPU_MS 120000u
#define MEM_MAX (4ull << 30)
#define MEM_MIN (512ull << 20)
#define CACHE_B (1ull << 30)

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *s = vgpu_getenv(name);
	char *end;
	uint64_t v;

	if (!s || !*s)
		return otherwise;
	v = strtoull(s, &end, 10);
	return *end ? otherwise : v;
}

/* A quarter of the machine, within reason. */
static uint64_t memory(void)
{
	struct sysinfo si;
	uint64_t quarter = sysinfo(&si) == 0 ? (uint64_t)si.totalram * si.mem_unit / 4 : MEM_MIN;

	return quarter < MEM_MIN ? MEM_MIN : MIN(quarter, (uint64_t)MEM_MAX);
}

/* Beside us, in a build tree and where it is installed. */
static char *find_generator(void)
{
	const char *env = vgpu_getenv("VGPU_SIMDGEN");
	char self[PATH_MAX], *slash, *out = NULL;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (env && *env)
		return strdup(env);
	self[n > 0 ? n : 0] = 0;
	slash = strrchr(self, '/');
	if (!slash || asprintf(&out, "%.*s/simdgen.so", (int)(slash - self), self) < 0)
		return NULL;
	if (access(out, R_OK) == 0)
		return out;
	free(out);
	return NULL;
}

static int usage(const char *arg)
{
	if (arg && strcmp(arg, "--version") == 0)
		return printf("vgpu-jit %s\n", PACKAGE_VERSION), 0;
	fprintf(stderr, "usage: vgpu-jit [--uid NUMBER], with a socket as descriptor %d: vgpu-engine starts it\n", SD_JW_FD);
	return 2;
}

static bool parse_args(int argc, char **argv, struct jit_config *c)
{
	unsigned long uid;
	char *end;

	c->uid = (uint32_t)geteuid();
	if (argc == 1)
		return true;
	if (argc != 3 || strcmp(argv[1], "--uid"))
		return false;
	uid = strtoul(argv[2], &end, 10);
	c->uid = (uint32_t)uid;
	return end != argv[2] && !*end && uid <= UINT32_MAX;
}

static bool is_socket(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

/* Each module that the worker has sent is one. */
static void more_files(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static int serve(const struct jit_config *c, struct vgpu_err *err)
{
	struct vgpu_err why = VGPU_ERR_INIT;
	struct jit_cache *cache;
	int zygote, r;

	r = jit_key_init(c, err);
	if (r)
		return r;
	more_files();
	zygote = jit_zygote_start(c, err);
	if (zygote < 0)
		return zygote;
	cache = jit_cache_open(c, &why);
	if (!cache)
		log_debug("compiled kernels aren't kept: %s", why.text);
	r = jit_lock_broker(jit_cache_dir(cache), err);
	if (r == 0)
		r = jit_broker(SD_JW_FD, zygote, cache, err);
	jit_cache_close(cache);
	return r;
}

int main(int argc, char **argv)
{
	struct jit_config c = {
		.cpu_ms = number("VGPU_JIT_CPU_MS", CPU_MS), .mem_B = number("VGPU_JIT_MEM_MB", 0) << 20,
		.cache_B = number("VGPU_CACHE_MB", CACHE_B >> 20) << 20,
	};
	struct vgpu_err err = VGPU_ERR_INIT;
	char *generator;

	if (!parse_args(argc, argv, &c) || !is_socket(SD_JW_FD))
		return usage(argc > 1 ? argv[1] : NULL);
	vgpu_log_open("vgpu-jit", LOG_INFO);
	signal(SIGPIPE, SIG_IGN);
	for (int fd = SD_JW_FD + 1; fd < 256; fd++)
		close(fd);
	c.mem_B = c.mem_B ? c.mem_B : memory();
	c.generator = generator = find_generator();
	if (serve(&c, &err))
		log_err("%s", err.text);
	free(generator);
	return err.status != 0;
}

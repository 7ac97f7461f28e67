/*
 * Are the spellings that the arithmetic tests use PTX? NVIDIA's assembler
 * says so, where a CUDA toolkit is at hand; every form is a kernel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/lib/alu_ptx.h"
#include "t/lib/tap.h"

struct text {
	char *p;
	size_t n, size;
	unsigned sm, count, seen, every;    /* of the groups with thousands of forms, one in so many */
};

static void add_kernel(const struct alu_form *f, void *ctx)
{
	struct text *t = ctx;
	char name[32];
	size_t n;

	if ((f->sm > 90 ? 100 : 90) != t->sm)
		return;
	if (t->seen++ % t->every)
		return;
	snprintf(name, sizeof(name), "k%u", t->count++);
	n = alu_ptx_kernel(t->p + t->n, t->size - t->n, f, name);
	if (!n)
		bail("the text is too long");
	t->n += n;
}

/* The path of ptxas, NULL: none. */
static const char *find_ptxas(void)
{
	static char path[4096];
	const char *home = getenv("CUDA_HOME"), *p = getenv("PATH");

	if (home && *home) {
		snprintf(path, sizeof(path), "%s/bin/ptxas", home);
		if (!access(path, X_OK))
			return path;
	}
	while (p && *p) {
		size_t n = strcspn(p, ":");

		snprintf(path, sizeof(path), "%.*s/ptxas", (int)n, p);
		if (!access(path, X_OK))
			return path;
		p += n + (p[n] == ':');
	}
	return NULL;
}

static bool assemble(const char *ptxas, const struct text *t, const char *dir, unsigned g)
{
	char in[4096], out[4096], arch[32];
	int status;
	FILE *f;
	pid_t pid;

	snprintf(in, sizeof(in), "%s/g%u-%u.ptx", dir, g, t->sm);
	snprintf(out, sizeof(out), "%s/g%u-%u.cubin", dir, g, t->sm);
	snprintf(arch, sizeof(arch), "-arch=sm_%ua", t->sm);
	f = fopen(in, "w");
	if (!f || fwrite(t->p, 1, t->n, f) != t->n || fclose(f))
		bail("cannot write %s", in);
	pid = fork();
	if (pid < 0)
		bail("cannot fork");
	if (!pid) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execl(ptxas, "ptxas", "--opt-level", "0", arch, in, "-o", out, (char *)NULL);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && status == 0;
}

int main(void)
{
	static const char *const names[ALU_G_COUNT] = {
		"integer", "carry", "bit", "comparison", "float", "half", "min and max", "conversion", "packed conversion",
		"approximate", "video",
	};
	const char *ptxas = find_ptxas();
	struct text t = { .size = 16 << 20 };

	if (!ptxas)
		skip_all("no ptxas");
	tap_timeout(600);
	plan_lazy();
	t.p = malloc(t.size);
	if (!t.p)
		bail("no memory");
	for (t.sm = 90; t.sm <= 100; t.sm += 10)
		for (unsigned g = 0; g < ALU_G_COUNT; g++) {
			t.count = t.seen = 0;
			t.every = g == ALU_G_VIDEO ? 11 : g == ALU_G_CMP ? 5 : 1;
			t.n = alu_ptx_header(t.p, t.size, t.sm);
			alu_forms_each(g, add_kernel, &t);
			if (t.count)
				ok(assemble(ptxas, &t, test_tmpdir(), g), "ptxas takes %u %s forms for sm_%u", t.count, names[g], t.sm);
		}
	free(t.p);
	return 0;
}

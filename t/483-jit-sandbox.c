/*
 * 483-jit-sandbox: the compiler's process as a worker has it: started before the worker
 * locks itself in, asleep until the first kernel, reached and its code mapped
 * behind the filter; nothing else may become executable; it ends with the worker.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/simd/sd_jit.h"
#include "compiler/ir/ir.h"
#include "compiler/ptx/ptx.h"
#include "config.h"
#include "engine/engine.h"
#include "t/lib/tap.h"
#include "util/sys.h"

static const char text[] = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry ok0()\n{\n	ret;\n}\n.visible .entry ok1()\n{\n	ret;\n}\n";

static struct ir_module *module(void)
{
	struct ptx_source s = { text, strlen(text), NULL };
	struct ptx_options o = { .keep_text = true };
	struct vgpu_err err = VGPU_ERR_INIT;
	struct ir_module *m;
	struct ptx_diag d;

	ptx_diag_init(&d);
	if (ptx_compile_opts(&s, 1, &o, &m, &d, &err))
		bail("%s", err.text);
	ptx_diag_fini(&d);
	return m;
}

enum what { COMPILE, WRITE_AND_EXECUTE, MAKE_EXECUTABLE, PRIVATE_CODE, NO_CODE, NOTHING };

/* A worker in little. Exits with 0: did what it should. */
static void worker(enum what what, struct ir_module *m, int report)
{
	struct gen_request r = { .m = m, .func = 1, .warps = 1 };
	struct vgpu_err err = VGPU_ERR_INIT;
	struct sd_code *code = NULL;
	int jit = eng_jit_start(4711, &err), null = open("/dev/zero", O_RDWR), e;
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (jit < 0 || eng_sandbox_enter(&err) || eng_sandbox_lock(what != NO_CODE, &err))
		_exit(10);
	sd_jit_set_fd(jit);
	switch (what) {
	case COMPILE:
		e = sd_jit_compile(&code, &r, &err);
		if (e || code->fn(NULL, 1) != 1 + 1000 + 1) {
			(void)!write(report, err.text, strlen(err.text));
			_exit(11);
		}
		sd_unload(code);
		break;
	case WRITE_AND_EXECUTE: mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); break;
	case MAKE_EXECUTABLE: mprotect(p, 4096, PROT_READ | PROT_EXEC); break;
	case PRIVATE_CODE: mmap(p, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, null, 0); break;
	case NO_CODE: mmap(p, 4096, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, null, 0); break;
	case NOTHING: poll(NULL, 0, -1); break;   /* a call that it may make */
	}
	_exit(0);
}

static int run(enum what what, struct ir_module *m, char *said, size_t cap)
{
	int p[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe(p) < 0)
		bail("pipe");
	pid = fork();
	if (pid == 0)
		worker(what, m, p[1]);
	close(p[1]);
	waitpid(pid, &status, 0);
	/* whoever it has left behind has no end of it */
	n = read(p[0], said, cap - 1);
	said[n > 0 ? n : 0] = 0;
	close(p[0]);
	return status;
}

/* A sanitizer's worker has no filter: nobody calls it there. */
static void VGPU_UNUSED killed(enum what what, struct ir_module *m, const char *name)
{
	char said[600];
	int status = run(what, m, said, sizeof(said));

	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: the worker is killed (status 0x%x)", name, status);
}

/* The only one. */
static pid_t child_of(pid_t parent)
{
	char path[64], *s = NULL;
	pid_t pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
	if (vgpu_read_file(path, 4096, &s, &(size_t){ 0 }, NULL) == 0)
		pid = atoi(s);
	free(s);
	return pid;
}

/* Within five seconds; nobody may have waited for it yet. */
static bool is_gone(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 5000; i++) {
		char *s = NULL, *p;
		bool gone;

		if (vgpu_read_file(path, 4096, &s, &(size_t){ 0 }, NULL))
			return true;
		p = strrchr(s, ')');
		gone = p && p[2] == 'Z';
		free(s);
		if (gone)
			return true;
		usleep(1000);
	}
	return false;
}

static void idle(struct ir_module *m)
{
	pid_t pid = fork(), child = 0;
	char path[64], exe[300];
	int status;
	ssize_t n;

	if (pid == 0)
		worker(NOTHING, m, -1);
	for (int i = 0; i < 2000 && !child; i++) {
		usleep(1000);
		child = child_of(pid);
	}
	if (child) {
		snprintf(path, sizeof(path), "/proc/%d/exe", (int)child);
		n = readlink(path, exe, sizeof(exe) - 1);
		exe[n > 0 ? n : 0] = 0;
		ok(!strstr(exe, "vgpu-jit"), "a worker that compiles nothing: vgpu-jit isn't started (%s)", exe);
	} else {
		skip("the system doesn't tell a process' children");
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ok(!child || is_gone(child), "what waited for it is gone with it");
}

/* A worker without standard files starts one; its end is the compiler's, whatever numbers the sockets have got. */
static void closed_files(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct vgpu_err err = VGPU_ERR_INIT;
		pid_t jit;
		int fd;

		close(1);
		close(2);
		fd = eng_jit_start(4711, &err);
		if (fd < 0 || fd > 2)
			_exit(1);
		close(fd);
		for (unsigned n = 0; n < 500; n++) {
			jit = waitpid(-1, &status, WNOHANG);
			if (jit)
				_exit(jit > 0 ? 0 : 2);
			usleep(10000);
		}
		_exit(3);
	}
	waitpid(pid, &status, 0);
	is_int(status, 0, "without standard files, too, it ends with the worker");
}

int main(void)
{
	char said[600];
	struct ir_module *m;
	int status;

	plan_lazy();
	signal(SIGPIPE, SIG_IGN);
	setenv("VGPU_CACHE_DIR", test_tmpdir(), 1);
	setenv("VGPU_JIT", test_build("engine/vgpu-jit"), 1);
	setenv("VGPU_SIMDGEN", test_build("t/lib/fakegen.so"), 1);
	m = module();
	status = run(COMPILE, m, said, sizeof(said));
	is_int(status, 0, "a kernel is compiled, mapped and run behind the filter%s%s", *said ? ": " : "", said);
	status = run(COMPILE, m, said, sizeof(said));
	is_int(status, 0, "… and for the next worker of the same user%s%s", *said ? ": " : "", said);
#ifndef VGPU_SANITIZER
	killed(WRITE_AND_EXECUTE, m, "memory that is written and executed");
	killed(MAKE_EXECUTABLE, m, "memory that becomes executable");
	killed(PRIVATE_CODE, m, "a private mapping of code");
	killed(NO_CODE, m, "any code, without the need");
#endif
	idle(m);
	closed_files();
	ir_module_free(m);
	return 0;
}

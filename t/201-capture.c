/* 201-capture: VGPU_DEBUG: commands as text, and a captured stream that vgp-dump prints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/lib/session.h"
#include "t/lib/tap.h"
#include "util/cleanup.h"
#include "util/sys.h"

static void talk(const char *debug)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct vgp_cmd c = { .op = VGP_OP_WRITE };
		struct tr_session *s;
		uint32_t ctx;
		uint64_t a;

		setenv("VGPU_DEBUG", debug, 1);
		s = session_open(SESSION_HERE, VGP_TRANSPORT_RING);
		ctx = session_ctx(s);
		c.queue = session_queue(s, ctx);
		a = session_alloc(s, ctx, 64, VGP_MEM_DEVICE);
		c.a.WRITE.dst = a;
		tr_submit(s, &c, "\x12\x34", 2, NULL, NULL);
		tr_wait(s, ctx, c.queue, 1, UINT64_MAX);
		tr_close(s);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static char *slurp(const char *path)
{
	char *text = NULL;

	vgpu_read_file(path, 1 << 20, &text, NULL, NULL);
	return text;
}

int main(void)
{
	char file[300], arg[400], cmd[1500];
	cleanup_free char *text = NULL, *dump = NULL;

	plan_lazy();
	snprintf(file, sizeof(file), "%s/push", test_tmpdir());
	snprintf(arg, sizeof(arg), "push,file=%s", file);
	talk(arg);
	text = slurp(file);
	has_string(text, "CTX_CREATE seq=", "commands are printed");
	has_string(text, "CTX_CREATE = OK seq=", "and replies");
	has_string(text, "WRITE q=1 seq=1 dst=0x", "and queued ones");

	snprintf(file, sizeof(file), "%s/cap", test_tmpdir());
	snprintf(arg, sizeof(arg), "capture,file=%s", file);
	talk(arg);
	snprintf(cmd, sizeof(cmd), "%s -x %s > %s.txt", test_build("tools/vgp-dump"), file, file);
	is_int(system(cmd), 0, "vgp-dump reads a captured stream");
	snprintf(cmd, sizeof(cmd), "%s.txt", file);
	dump = slurp(cmd);
	has_string(dump, "MEM_ALLOC = OK", "and prints it");
	has_string(dump, "0000  12 34", "with data");
	snprintf(cmd, sizeof(cmd), "head -c -5 %s > %s.cut; %s %s.cut 2>&1 >/dev/null | grep -q cut", file, file, test_build("tools/vgp-dump"), file);
	is_int(system(cmd), 0, "a cut one is complained about");
	snprintf(cmd, sizeof(cmd), "echo hello > %s.bad; %s %s.bad 2>&1 | grep -q 'not a captured'", file, test_build("tools/vgp-dump"), file);
	is_int(system(cmd), 0, "and what is none");
	return 0;
}

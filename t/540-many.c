/* 540-many.c: a thousand processes enumerate at once, many opens in one process, and then nothing happens: no CPU. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t/lib/client.h"
#include "t/lib/mount.h"
#include "t/lib/tap.h"
#include "util/sys.h"

static const struct test_mount *m;
static char path[400];

static const char *in_mount(const char *rel)
{
	snprintf(path, sizeof(path), "%s/%s", m->mnt, rel);
	return path;
}

static int enumerate(void)
{
	struct vgp_node_info info;
	char text[16384];
	struct dirent *e;
	int names = 0, fd;
	ssize_t n;
	DIR *d = opendir(in_mount("dev"));

	while (d && (e = readdir(d)))
		names += strncmp(e->d_name, "nvidia", 6) == 0;
	if (!d || names != 7)
		return 1;
	closedir(d);
	fd = open(in_mount("dev/nvidiactl"), O_RDWR | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 2;
	text[n] = 0;
	if (strcmp(text + n - 4, "end\n") != 0)
		return 3;
	for (int i = 0; i < 10; i++)
		if (ioctl(fd, VGP_IOC_INFO, &info) || info.n_devices != 2)
			return 4;
	close(fd);
	fd = open(in_mount("proc/driver/nvidia/version"), O_RDONLY);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	close(fd);
	return n > 0 ? 0 : 5;
}

static void test_processes(void)
{
	int go[2], bad = 0, ws;
	char byte;

	if (pipe(go) < 0)
		bail("pipe");
	for (int i = 0; i < 1000; i++) {
		pid_t pid = fork();

		if (pid < 0)
			bail("fork: %s", strerror(errno));
		if (pid == 0) {
			int r = 0;

			close(go[1]);
			if (read(go[0], &byte, 1) < 0)
				_exit(9);
			for (int k = 0; k < 3 && !r; k++)
				r = enumerate();
			_exit(r);
		}
	}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < 1000; i++)
		if (wait(&ws) < 0 || !WIFEXITED(ws) || WEXITSTATUS(ws))
			bad++;
	is_int(bad, 0, "1000 processes enumerate at once, three times each");
}

static void test_opens(void)
{
	struct rlimit r = { 20000, 20000 };
	int n = 0, *fds = calloc(10000, sizeof(int)), bad = 0;
	char text[8];

	setrlimit(RLIMIT_NOFILE, &r);
	while (n < 10000 && (fds[n] = open(in_mount("dev/nvidia0"), O_RDWR)) >= 0)
		n++;
	is_int(n, 10000, "ten thousand opens in one process");
	for (int i = 0; i < n; i += 97)
		bad += pread(fds[i], text, 6, 0) != 6 || memcmp(text, "vgpufs", 6) != 0;
	is_int(bad, 0, "all of which read");
	kill(test_daemon(), SIGKILL);
	for (int i = 0; i < n; i += 97)
		bad += pread(fds[i], text, 6, 0) != 6 || memcmp(text, "vgpufs", 6) != 0;
	is_int(bad, 0, "also after the daemon was replaced");
	for (int i = 0; i < n; i++)
		close(fds[i]);
	free(fds);
}

/* Wake-ups of all its threads. */
static long switches(pid_t pid)
{
	char file[128], line[128];
	long sum = 0, v;
	struct dirent *e;
	DIR *d;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/task", (int)pid);
	d = opendir(file);
	while (d && (e = readdir(d))) {
		snprintf(file, sizeof(file), "/proc/%d/task/%.20s/status", (int)pid, e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(file, "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "voluntary_ctxt_switches: %ld", &v) == 1)
				sum += v;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return sum;
}

static unsigned children(pid_t pid)
{
	char file[64], *list = NULL;
	unsigned n = 0;

	snprintf(file, sizeof(file), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	if (!vgpu_read_file(file, 1 << 16, &list, &(size_t){ 0 }, NULL))
		for (char *at = list; (at = strchr(at, ' ')); at++)
			n++;
	free(list);
	return n;
}

static void test_idle(void)
{
	struct timespec t = { 3, 0 };
	pid_t daemon = test_daemon();
	long d, super;

	/* those that were here before have to be gone first, which takes its time on a busy machine: then super has but one child */
	for (unsigned k = 0; k < 600 && children(m->super) > 1; k++)
		usleep(100000);
	nanosleep(&t, NULL);
	d = switches(daemon);
	super = switches(m->super);
	nanosleep(&t, NULL);
	d = switches(daemon) - d;
	super = switches(m->super) - super;
	/* once a second it looks whether the registry has changed: two threads, a few sleeps each */
	ok(d <= 60, "an idle daemon sleeps (%ld wake-ups in 3 s)", d);
	is_int(super, 0, "super does nothing at all");
}

int main(void)
{
	m = test_mount(2, NULL);
	plan_lazy();
	test_processes();
	test_opens();
	test_idle();
	return 0;
}

/* mount.c: see mount.h. */
#include "t/lib/mount.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t/lib/tap.h"

static struct test_mount the_mount;
static pid_t owner;
static unsigned connection;

int test_run(const char *const argv[])
{
	pid_t pid = fork();
	int ws;

	if (pid == 0) {
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	while (pid < 0 || waitpid(pid, &ws, 0) < 0)
		if (pid < 0 || errno != EINTR)
			return 127;
	return WIFEXITED(ws) ? WEXITSTATUS(ws) : 128 + WTERMSIG(ws);
}

/* Ended, perhaps not yet waited for by its parent. */
static int is_gone(pid_t pid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return 1;
	if (fscanf(f, "%*d %*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(f);
	return state == 'Z';
}

/* Super is no child of ours (it went to the background). */
static int gone(pid_t pid, int tenths)
{
	struct timespec t = { 0, 100000000 };

	while (!is_gone(pid)) {
		if (tenths-- == 0)
			return 0;
		nanosleep(&t, NULL);
	}
	return 1;
}

static void end_mount(void)
{
	char path[96];
	FILE *f;

	if (umount2(the_mount.mnt, 0) < 0)
		umount2(the_mount.mnt, MNT_DETACH);
	if (gone(the_mount.super, 20))
		return;
	kill(the_mount.super, SIGTERM);
	if (gone(the_mount.super, 10))
		return;
	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort", connection);
	f = fopen(path, "w");
	if (f) {
		fputs("1", f);
		fclose(f);
	}
	if (!gone(the_mount.super, 10))
		kill(the_mount.super, SIGKILL);
	umount2(the_mount.mnt, MNT_DETACH);
}

static void take_down(void)
{
	if (getpid() != owner)
		return;
	end_mount();
	/* the test's directory is removed before this when the plan was made after the mount */
	rmdir(the_mount.mnt);
	rmdir(test_tmpdir());
}

static pid_t read_pid(const char *path)
{
	FILE *f = fopen(path, "r");
	int pid = 0;

	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

static const struct test_mount *make(unsigned n_devices, const char *const *profiles, const char *const *opts)
{
	const char *argv[32], *ctl = test_build("tools/vgpuctl"), *super = test_build("fusefs/vgpufs-super");
	char pidfile[300], log[300];
	struct stat st;
	int n = 0;

	if (geteuid() != 0)
		skip_all("needs root");
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		skip_all("needs /dev/fuse");
	snprintf(the_mount.mnt, sizeof(the_mount.mnt), "%s/mnt", test_tmpdir());
	snprintf(the_mount.state, sizeof(the_mount.state), "%s/state", test_tmpdir());
	snprintf(pidfile, sizeof(pidfile), "%s.pid", the_mount.mnt);
	snprintf(log, sizeof(log), "%s.log", the_mount.mnt);
	mkdir(the_mount.mnt, 0755);
	mkdir(the_mount.state, 0755);
	chmod(test_tmpdir(), 0755);
	for (unsigned i = 0; i < n_devices; i++)
		if (test_run((const char *const[]){ "/bin/sh", "-c", "exec \"$0\" --state \"$1\" create --profile \"$2\" >/dev/null", ctl,
							  the_mount.state, profiles ? profiles[i] : "cpu", NULL }))
			bail("%s create failed", ctl);
	argv[n++] = super;
	argv[n++] = "--state";
	argv[n++] = the_mount.state;
	argv[n++] = "--pidfile";
	argv[n++] = pidfile;
	argv[n++] = "--log";
	argv[n++] = log;
	while (opts && *opts && n < 30)
		argv[n++] = *opts++;
	argv[n++] = the_mount.mnt;
	argv[n] = NULL;
	if (test_run(argv))
		bail("%s failed, see %s", super, log);
	the_mount.super = read_pid(pidfile);
	owner = getpid();
	if (stat(the_mount.mnt, &st) == 0)
		connection = minor(st.st_dev);
	atexit(take_down);
	return &the_mount;
}

const struct test_mount *test_mount(unsigned n_devices, const char *const *opts)
{
	return make(n_devices, NULL, opts);
}

const struct test_mount *test_mount_of(const char *const *profiles, unsigned n)
{
	return make(n, profiles, NULL);
}

pid_t test_daemon(void)
{
	char path[96], name[32];
	pid_t found = 0;
	FILE *f, *c;
	int pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)the_mount.super, (int)the_mount.super);
	f = fopen(path, "r");
	while (f && !found && fscanf(f, "%d", &pid) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		c = fopen(path, "r");
		if (c && fgets(name, sizeof(name), c) && strcmp(name, "vgpufsd\n") == 0)
			found = pid;
		if (c)
			fclose(c);
	}
	if (f)
		fclose(f);
	return found;
}

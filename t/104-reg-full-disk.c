/* A full disk: a clear status, nothing lost, and all is well once there is room. Needs a private mount. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/reg_priv.h"
#include "t/lib/tap.h"

static struct vgpu_err err;

/* Leaves no free byte. */
static void fill(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
	char block[4096] = { 1 };

	for (size_t n = sizeof(block); n; n /= 2)
		while (write(fd, block, n) > 0)
			;
	close(fd);
}

static int set_number(struct registry *reg, unsigned i)
{
	char key[40], value[2048];

	snprintf(key, sizeof(key), "n/%u", i);
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	return reg_setting_set(reg, key, value, &err);
}

static void count(void *arg, const char *key, const char *value)
{
	(void)key;
	if (strlen(value) == 2047)
		++*(unsigned *)arg;
}

static unsigned stored(struct registry *reg)
{
	unsigned n = 0;

	if (reg_settings(reg, "n/", count, &n, &err))
		diag("%s", err.text);
	return n;
}

static void set_aside(const char *path, off_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || posix_fallocate(fd, 0, size))
		bail("%s: %s", path, strerror(errno));
	close(fd);
}

int main(void)
{
	char mnt[300], dir[400], filler[400], big[400];
	struct registry *reg, *other;
	unsigned acked = 0;
	int r = 0;

	snprintf(mnt, sizeof(mnt), "%s/small", test_tmpdir());
	mkdir(mnt, 0755);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", mnt, "tmpfs", 0, "size=4m"))
		skip_all("can't mount a small tmpfs here: %s", strerror(errno));
	plan_lazy();
	snprintf(dir, sizeof(dir), "%s/state", mnt);
	snprintf(filler, sizeof(filler), "%s/filler", mnt);
	snprintf(big, sizeof(big), "%s/big", mnt);

	fill(big);
	r = reg_open(&reg, dir, REG_F_CREATE, &err);
	is_int(r, -VGPU_E_NO_SPACE, "no registry can be made on a full disk: %s", err.text);
	unlink(big);
	is_int(reg_open(&reg, dir, REG_F_CREATE, &err), 0, "with room it is made");
	/* room that is given back at the end: even taking something out needs some */
	set_aside(big, 1 << 20);
	for (r = 0; !r && acked < 5000; acked += !r)
		r = set_number(reg, acked);
	is_int(r, -VGPU_E_NO_SPACE, "writing until the disk is full: %s", err.text);
	ok(acked > 10, "%u settings went in", acked);
	is_int(stored(reg), acked, "the same connection sees all that was acknowledged");
	fill(filler);
	is_int(set_number(reg, acked), -VGPU_E_NO_SPACE, "still full");
	is_int(reg_open(&other, dir, REG_F_READONLY, &err), 0, "another one opens it meanwhile");
	is_int(stored(other), acked, "… and sees the same");
	reg_close(other);
	unlink(filler);
	unlink(big);
	reg_close(reg);
	is_int(reg_open(&reg, dir, 0, &err), 0, "opened anew");
	is_int(stored(reg), acked, "nothing acknowledged is lost");
	is_int(reg_setting_set(reg, "n/0", NULL, &err), 0, "and it can be written again");
	is_int(stored(reg), acked - 1, "… with effect");
	reg_close(reg);
	if (chdir("/") || umount2(mnt, MNT_DETACH))
		diag("umount: %s", strerror(errno));
	return 0;
}

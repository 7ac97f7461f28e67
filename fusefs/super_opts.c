/*
 * super_opts.c: the command line of vgpufs-super. Options after -o come from
 * mount(8) and fstab: those that mean something to a mount are taken, ours
 * (state=, engine=, daemon=) too, all others are left alone.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fusefs/super.h"
#include "fusefs/vfs_paths.h"
#include "util/cleanup.h"

static const struct {
	const char *name;
	unsigned long set, clear;
} mount_words[] = {
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "noexec", MS_NOEXEC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "nosuid", MS_NOSUID, 0 },
	{ "nodev", MS_NODEV, 0 },
	{ "noatime", MS_NOATIME, 0 },
	{ "defaults", 0, 0 },
};

static const char usage[] =
	"usage: vgpufs-super [-f] [-o OPTIONS] [--state DIR] [--engine PATH] [--daemon PATH]\n"
	"                    [--source NAME] [--pidfile FILE] [--log FILE] MOUNTPOINT\n"
	"Mounts vgpufs and stays with the mount. Returns when the mount serves requests.\n"
	"  -f, --foreground  stay in the foreground (for service managers)\n"
	"  -o OPTIONS        as mount(8): ro, rw, noexec, …, state=DIR, engine=PATH, daemon=PATH\n"
	"  --state DIR       the registry's directory (default " VGPU_STATEDIR ")\n"
	"  --engine PATH     the worker's program\n"
	"  --daemon PATH     the file system's program\n"
	"  --source NAME     what /proc/mounts shows as the source (default vgpufs)\n"
	"  --pidfile FILE    where to write the process id\n"
	"  --log FILE        where messages go (default: standard error)\n"
	"  --no-resend       behave as on Linux before 6.9: calls in flight when the daemon\n"
	"                    dies fail with ECONNABORTED\n";

/* One word of -o. value points into it and lives as long as the process. */
static int take_word(struct super_opts *o, char *word, struct vgpu_err *err)
{
	char *value = strchr(word, '=');

	for (size_t i = 0; i < ARRAY_SIZE(mount_words); i++) {
		if (strcmp(word, mount_words[i].name) == 0) {
			o->mount_flags |= mount_words[i].set;
			o->mount_flags &= ~mount_words[i].clear;
			return 0;
		}
	}
	if (!value)
		return 0; /* nofail, _netdev, user, x-systemd.… */
	*value++ = 0;
	if (strcmp(word, "state") == 0 || strcmp(word, "engine") == 0 || strcmp(word, "daemon") == 0) {
		if (*value != '/')
			return vgpu_err_set(err, VGPU_E_INVALID, "option %s=%s: an absolute path is needed", word, value);
		if (word[0] == 's')
			o->state_dir = value;
		else if (word[0] == 'e')
			o->engine = value;
		else
			o->daemon = value;
	}
	return 0;
}

static int take_words(struct super_opts *o, const char *list, struct vgpu_err *err)
{
	char *copy = strdup(list), *save = NULL;
	int r = 0;

	o->words = copy; /* values point into it */
	if (!copy)
		return vgpu_err_set(err, VGPU_E_NOMEM, "out of memory");
	for (char *w = strtok_r(copy, ",", &save); w && !r; w = strtok_r(NULL, ",", &save))
		r = take_word(o, w, err);
	return r;
}

/* Absolute, without touching the directory itself: it may be a dead mount that answers nothing. */
static char *absolute(const char *path)
{
	char full[PATH_MAX * 2], cwd[PATH_MAX], *parent, *slash;
	size_t n;

	if (path[0] == '/')
		snprintf(full, sizeof(full), "%s", path);
	else if (getcwd(cwd, sizeof(cwd)))
		snprintf(full, sizeof(full), "%s/%s", cwd, path);
	else
		return NULL;
	for (n = strlen(full); n > 1 && full[n - 1] == '/'; n--)
		full[n - 1] = 0;
	slash = strrchr(full, '/');
	if (strcmp(slash, "/.") == 0 || strcmp(slash, "/..") == 0 || slash == full)
		return realpath(full, NULL);
	*slash = 0;
	parent = realpath(full, NULL);
	if (!parent)
		return NULL;
	snprintf(full, sizeof(full), "%s/%.*s", strcmp(parent, "/") ? parent : "", NAME_MAX, slash + 1);
	free(parent);
	return strdup(full);
}

/* A path that must go on meaning the same after chdir. Directories need not exist yet. */
static int make_absolute(const char **path, struct vgpu_err *err)
{
	char cwd[PATH_MAX], *full = NULL;

	if (!*path || **path == '/')
		return 0;
	if (!getcwd(cwd, sizeof(cwd)) || asprintf(&full, "%s/%s", cwd, *path) < 0)
		return vgpu_err_errno(err, "path %s", *path);
	*path = full;
	return 0;
}

enum { OPT_STATE = 256, OPT_ENGINE, OPT_DAEMON, OPT_SOURCE, OPT_PIDFILE, OPT_LOG, OPT_NO_RESEND };

static const struct option long_opts[] = {
	{ "foreground", no_argument, NULL, 'f' },
	{ "options", required_argument, NULL, 'o' },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "engine", required_argument, NULL, OPT_ENGINE },
	{ "daemon", required_argument, NULL, OPT_DAEMON },
	{ "source", required_argument, NULL, OPT_SOURCE },
	{ "pidfile", required_argument, NULL, OPT_PIDFILE },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "no-resend", no_argument, NULL, OPT_NO_RESEND },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* 0, 1 (help was asked for) or -status. */
static int take_option(struct super_opts *o, int c, struct vgpu_err *err)
{
	switch (c) {
	case 'f': o->foreground = true; return 0;
	case 'o': return take_words(o, optarg, err);
	case OPT_STATE: o->state_dir = optarg; return 0;
	case OPT_ENGINE: o->engine = optarg; return 0;
	case OPT_DAEMON: o->daemon = optarg; return 0;
	case OPT_SOURCE: o->source = optarg; return 0;
	case OPT_PIDFILE: o->pidfile = optarg; return 0;
	case OPT_LOG: o->log = optarg; return 0;
	case OPT_NO_RESEND: o->no_resend = true; return 0;
	case 'h':
		fputs(usage, stdout);
		return 1;
	default:
		return vgpu_err_set(err, VGPU_E_INVALID, "unknown option, see --help");
	}
}

int super_opts_parse(struct super_opts *o, int argc, char **argv, struct vgpu_err *err)
{
	int c, r;

	memset(o, 0, sizeof(*o));
	o->source = "vgpufs";
	o->state_dir = VGPU_STATEDIR;
	o->mount_flags = MS_NOSUID | MS_NODEV;
	while ((c = getopt_long(argc, argv, "fo:h", long_opts, NULL)) != -1)
		if ((r = take_option(o, c, err)))
			return r;
	if (optind != argc - 1)
		return vgpu_err_set(err, VGPU_E_INVALID, "exactly one mount point is needed, see --help");
	if (mkdir(argv[optind], 0755) < 0 && errno != EEXIST && errno != ENOTCONN)
		return vgpu_err_errno(err, "mount point %s", argv[optind]);
	o->mountpoint = absolute(argv[optind]);
	if (!o->mountpoint)
		return vgpu_err_errno(err, "mount point %s", argv[optind]);
	if (!o->daemon)
		o->daemon = vfs_find_program("vgpufsd", "../fusefs/vgpufsd");
	if (!o->engine)
		o->engine = vfs_find_program("vgpu-engine", "../engine/vgpu-engine");
	if (!o->daemon || !o->engine)
		return vgpu_err_set(err, VGPU_E_NOMEM, "out of memory");
	if ((r = make_absolute(&o->state_dir, err)) || (r = make_absolute(&o->daemon, err)) ||
	    (r = make_absolute(&o->engine, err)) || (r = make_absolute(&o->pidfile, err)) ||
	    (r = make_absolute(&o->log, err)))
		return r;
	return 0;
}

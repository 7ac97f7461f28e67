/*
 * jit_cache.c: compiled kernels on disk: one directory per user whose programs
 * they are of, one file per kernel, named by its key: an artifact with a
 * checksum in its head. The directory and its files belong to whom we run as
 * and nobody else may write there; else they aren't touched. Files appear by
 * rename and never change; a damaged one is removed. A file's time is when it
 * was last used; the longest unused go when there is too much.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backend/simd/sd_art.h"
#include "backend/simd/sd_load.h"
#include "engine/jit/jit.h"
#include "util/cleanup.h"
#include "util/sys.h"
#include "util/vec.h"

#define NAME_B 40
#define SUFFIX ".sdo"
#define TOUCH_AFTER_S 60           /* a use isn't noted more often */
#define LOOK_AFTER 256             /* stores until the directory is looked through again */
#define TMP_OLD_S 3600             /* what a dead process has left */

struct jit_cache {
	int dir;
	uint64_t limit_B, used_B;
	unsigned stores;           /* since used_B was counted */
	unsigned serial;
};

struct entry {
	char name[NAME_B];
	uint64_t size_B;
	struct timespec used;
};

/* ---- the directory ---- */

/* Ours alone to write; a parent may also be root's, or sticky. */
static bool is_safe(int fd, bool parent, const char *path, struct vgpu_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return vgpu_err_errno(err, "%s", path), false;
	if (st.st_uid != geteuid() && !(parent && st.st_uid == 0))
		return vgpu_err_set(err, VGPU_E_NOT_PERMITTED, "%s belongs to user %u: not used as a cache", path, st.st_uid), false;
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(parent && (st.st_mode & S_ISVTX)))
		return vgpu_err_set(err, VGPU_E_NOT_PERMITTED, "others may write to %s: not used as a cache", path), false;
	return true;
}

static char *base_path(void)
{
	const char *env = vgpu_getenv("VGPU_CACHE_DIR"), *xdg = vgpu_getenv("XDG_CACHE_HOME"), *home = vgpu_getenv("HOME");
	char *out = NULL;
	int n;

	if (env && *env)
		n = asprintf(&out, "%s", env);
	else if (geteuid() == 0 || !home)
		n = asprintf(&out, "%s", VGPU_CACHEDIR);
	else if (xdg && *xdg == '/')
		n = asprintf(&out, "%s/vgpufs", xdg);
	else
		n = asprintf(&out, "%s/.cache/vgpufs", home);
	return n < 0 ? NULL : out;
}

static int open_dir(int at, const char *name)
{
	mkdirat(at, name, 0700);
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static int open_cache(const struct jit_config *c, struct vgpu_err *err)
{
	cleanup_free char *path = base_path();
	cleanup_close int base = -1, dir = -1;
	char name[32];

	if (!path)
		return vgpu_err_set(err, VGPU_E_NOMEM, "cache: out of memory");
	if (mkdir(path, 0755) < 0 && errno == ENOENT) {
		char *slash = strrchr(path, '/');

		/* ~/.cache on a fresh account */
		*slash = 0;
		mkdir(path, 0700);
		*slash = '/';
		mkdir(path, 0755);
	}
	base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return vgpu_err_errno(err, "cache %s", path);
	if (!is_safe(base, true, path, err))
		return -VGPU_E_NOT_PERMITTED;
	snprintf(name, sizeof(name), "%u", c->uid);
	dir = open_dir(base, name);
	if (dir < 0)
		return vgpu_err_errno(err, "cache %s/%s", path, name);
	if (!is_safe(dir, false, path, err))
		return -VGPU_E_NOT_PERMITTED;
	return TAKE_FD(dir);
}

struct jit_cache *jit_cache_open(const struct jit_config *c, struct vgpu_err *err)
{
	struct jit_cache *k;
	int dir;

	if (!c->cache_B) {
		vgpu_err_set(err, VGPU_E_INVALID, "cache of 0 bytes");
		return NULL;
	}
	dir = open_cache(c, err);
	if (dir < 0)
		return NULL;
	k = calloc(1, sizeof(*k));
	if (!k) {
		close(dir);
		vgpu_err_set(err, VGPU_E_NOMEM, "cache: out of memory");
		return NULL;
	}
	k->dir = dir;
	k->limit_B = c->cache_B;
	k->stores = LOOK_AFTER;
	return k;
}

int jit_cache_dir(const struct jit_cache *k)
{
	return k ? k->dir : -1;
}

void jit_cache_close(struct jit_cache *k)
{
	if (!k)
		return;
	close(k->dir);
	free(k);
}

/* ---- files ---- */

static void name_of(const struct jit_key *key, char name[NAME_B])
{
	for (size_t i = 0; i < sizeof(key->b); i++)
		snprintf(name + 2 * i, 3, "%02x", key->b[i]);
	strcpy(name + 2 * sizeof(key->b), SUFFIX);
}

/* The checksum covers all but itself. */
static uint64_t checksum(uint8_t *data, size_t len, const struct jit_key *key)
{
	struct sd_art *h = (void *)data;
	uint64_t was = h->check, sum;

	h->check = 0;
	sum = jit_check(data, len, key);
	h->check = was;
	return sum;
}

static bool is_good(uint8_t *data, size_t len, const struct jit_key *key)
{
	return sd_art_check(data, len, NULL) == 0 && ((struct sd_art *)(void *)data)->check == checksum(data, len, key);
}

static uint8_t *read_whole(int fd, size_t len)
{
	uint8_t *p = malloc(len + 1);
	size_t at = 0;

	while (p && at < len) {
		ssize_t n = pread(fd, p + at, len - at, (off_t)at);

		if (n <= 0) {
			free(p);
			return NULL;
		}
		at += (size_t)n;
	}
	return p;
}

static void touch(int fd, const struct stat *st)
{
	struct timespec now[2];

	clock_gettime(CLOCK_REALTIME, &now[0]);
	now[1] = now[0];
	if (now[0].tv_sec - st->st_mtim.tv_sec > TOUCH_AFTER_S || now[0].tv_sec < st->st_mtim.tv_sec)
		futimens(fd, now);
}

int jit_cache_get(struct jit_cache *k, const struct jit_key *key)
{
	cleanup_free uint8_t *data = NULL;
	cleanup_close int fd = -1;
	char name[NAME_B];
	struct stat st;

	if (!k)
		return -1;
	name_of(key, name);
	fd = openat(k->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -1;
	if (st.st_size < (off_t)sizeof(struct sd_art) || st.st_size > (off_t)SD_ART_MAX) {
		unlinkat(k->dir, name, 0);
		return -1;
	}
	data = read_whole(fd, (size_t)st.st_size);
	if (!data)
		return -1;
	if (!is_good(data, (size_t)st.st_size, key)) {
		unlinkat(k->dir, name, 0);
		return -1;
	}
	touch(fd, &st);
	return sd_art_memfd(data, (size_t)st.st_size, NULL);
}

/* ---- eviction ---- */

static int by_use(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return x->used.tv_nsec < y->used.tv_nsec ? -1 : x->used.tv_nsec > y->used.tv_nsec;
}

static bool is_ours(const char *name)
{
	size_t n = strlen(name);

	return n == NAME_B - 4 && strspn(name, "0123456789abcdef") == 32 && strcmp(name + 32, SUFFIX) == 0;
}

static void drop_old_tmp(const struct jit_cache *k, const char *name, const struct stat *st)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (strncmp(name, "tmp-", 4) == 0 && now.tv_sec - st->st_mtim.tv_sec > TMP_OLD_S)
		unlinkat(k->dir, name, 0);
}

/* Counts what there is, and makes room when it is too much. */
static void look_through(struct jit_cache *k)
{
	int fd = openat(k->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	VGPU_VEC(struct entry) all = { 0 };
	struct dirent *de;
	struct stat st;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	k->used_B = 0;
	while ((de = readdir(d))) {
		struct entry e;

		if (de->d_name[0] == '.' || fstatat(k->dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!is_ours(de->d_name)) {
			drop_old_tmp(k, de->d_name, &st);
			continue;
		}
		e.size_B = (uint64_t)st.st_size;
		e.used = st.st_mtim;
		snprintf(e.name, sizeof(e.name), "%.36s", de->d_name);
		k->used_B += e.size_B;
		(void)vgpu_vec_push(&all, e);
	}
	closedir(d);
	k->stores = 0;
	if (k->used_B > k->limit_B) {
		qsort(all.v, all.n, sizeof(*all.v), by_use);
		for (size_t i = 0; i < all.n && k->used_B > k->limit_B / 4 * 3; i++)
			if (unlinkat(k->dir, all.v[i].name, 0) == 0)
				k->used_B -= MIN(all.v[i].size_B, k->used_B);
	}
	vgpu_vec_free(&all);
}

/* ---- stores ---- */

static bool write_file(const struct jit_cache *k, const char *name, const void *data, size_t len)
{
	cleanup_close int fd = openat(k->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd >= 0 && vgpu_write_all(fd, data, len) == 0;
}

void jit_cache_put(struct jit_cache *k, const struct jit_key *key, int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	cleanup_free uint8_t *data = NULL;
	char name[NAME_B], tmp[64];

	if (!k || size < (off_t)sizeof(struct sd_art) || size > (off_t)SD_ART_MAX || (uint64_t)size > k->limit_B / 4)
		return;
	data = read_whole(fd, (size_t)size);
	if (!data)
		return;
	((struct sd_art *)(void *)data)->check = checksum(data, (size_t)size, key);
	name_of(key, name);
	snprintf(tmp, sizeof(tmp), "tmp-%d-%u", (int)getpid(), k->serial++);
	if (!write_file(k, tmp, data, (size_t)size) || renameat(k->dir, tmp, k->dir, name) < 0) {
		unlinkat(k->dir, tmp, 0);
		return;
	}
	k->used_B += (uint64_t)size;
	if (++k->stores >= LOOK_AFTER || k->used_B > k->limit_B)
		look_through(k);
}

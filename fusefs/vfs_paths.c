/* vfs_paths.c: see vfs_paths.h. */
#include "fusefs/vfs_paths.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *vfs_find_program(const char *name, const char *rel)
{
	char self[PATH_MAX], path[PATH_MAX * 2], *slash, *out = NULL;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = 0;
		slash = strrchr(self, '/');
		*slash = 0;
		snprintf(path, sizeof(path), "%s/%s", self, rel);
		if (access(path, X_OK) == 0)
			return realpath(path, NULL);
		snprintf(path, sizeof(path), "%s/%s", self, name);
		if (access(path, X_OK) == 0)
			return strdup(path);
	}
	if (asprintf(&out, "%s/%s", VGPU_LIBEXECDIR, name) < 0)
		return NULL;
	return out;
}

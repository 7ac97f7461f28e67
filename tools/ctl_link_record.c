/* ctl_link_record.c: the record of what vgpuctl link made; one item per line, "link|bind|proc PATH TARGET". */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/ctl_link.h"
#include "util/cleanup.h"
#include "util/sys.h"

#define RECORD "/run/vgpufs.links"
#define RECORD_MAX (1u << 20)

static const char *const kinds[] = { [LINK_SYMLINK] = "link", [LINK_BIND] = "bind", [LINK_PROC] = "proc" };

const char *link_path(const char *root, const char *path, char buf[4096])
{
	size_t n = strlen(root);

	while (n && root[n - 1] == '/')
		n--;
	snprintf(buf, 4096, "%.*s%s", (int)n, root, path);
	return buf;
}

void link_record_free(struct link_record *rec)
{
	for (size_t i = 0; i < rec->items.n; i++) {
		free(rec->items.v[i].path);
		free(rec->items.v[i].target);
	}
	vgpu_vec_free(&rec->items);
}

bool link_record_add(struct link_record *rec, enum link_kind kind, const char *path, const char *target)
{
	struct link_item item = { kind, strdup(path), strdup(target) };

	if (item.path && item.target && vgpu_vec_push(&rec->items, item))
		return true;
	free(item.path);
	free(item.target);
	return false;
}

const struct link_item *link_record_find(const struct link_record *rec, const char *path)
{
	for (size_t i = 0; i < rec->items.n; i++)
		if (strcmp(rec->items.v[i].path, path) == 0)
			return &rec->items.v[i];
	return NULL;
}

static int parse_line(const char *file, char *line, struct link_record *rec, struct vgpu_err *err)
{
	char *path = strchr(line, ' '), *target = path ? strchr(path + 1, ' ') : NULL;

	if (target) {
		*path++ = 0;
		*target++ = 0;
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			if (strcmp(line, kinds[k]) == 0 && path[0] == '/' && !strstr(path, "/../")) {
				if (link_record_add(rec, (enum link_kind)k, path, target))
					return 0;
				return vgpu_err_set(err, VGPU_E_NOMEM, "out of memory");
			}
	}
	return vgpu_err_set(err, VGPU_E_CORRUPT, "%s: has a line that vgpuctl did not write: '%.60s'; nothing is undone by it",
			    file, line);
}

int link_record_read(const char *root, struct link_record *rec, struct vgpu_err *err)
{
	char *cleanup_free text = NULL;
	char file[4096], *save = NULL;
	size_t len;
	int r;

	link_path(root, RECORD, file);
	if (access(file, F_OK) && errno == ENOENT)
		return 0;
	r = vgpu_read_file(file, RECORD_MAX, &text, &len, err);
	for (char *line = r ? NULL : strtok_r(text, "\n", &save); line && !r; line = strtok_r(NULL, "\n", &save))
		r = parse_line(file, line, rec, err);
	return r;
}

static int write_text(const char *file, const struct vgpu_buf *b, struct vgpu_err *err)
{
	char tmp[4200];
	int fd, bad;

	snprintf(tmp, sizeof(tmp), "%s.new", file);
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return vgpu_err_errno(err, "writing %s", tmp);
	bad = vgpu_write_all(fd, vgpu_buf_text(b), b->len);
	if (bad || rename(tmp, file)) {
		int r = vgpu_err_errno(err, "writing %s", file);

		close(fd);
		unlink(tmp);
		return r;
	}
	close(fd);
	return 0;
}

int link_record_write(const char *root, const struct link_record *rec, struct vgpu_err *err)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	char file[4096], dir[4096];
	int r;

	link_path(root, RECORD, file);
	if (rec->items.n == 0) {
		if (unlink(file) && errno != ENOENT)
			return vgpu_err_errno(err, "removing %s", file);
		return 0;
	}
	for (size_t i = 0; i < rec->items.n; i++)
		vgpu_buf_printf(&b, "%s %s %s\n", kinds[rec->items.v[i].kind], rec->items.v[i].path, rec->items.v[i].target);
	mkdir(link_path(root, "/run", dir), 0755);
	r = b.failed ? vgpu_err_set(err, VGPU_E_NOMEM, "out of memory") : write_text(file, &b, err);
	vgpu_buf_free(&b);
	return r;
}

/*
 * vfs_check.c: what memory checkers of workers have reported, by device, for
 * devices/<n>/memcheck.report: the last KEEP_B bytes of text. It is the
 * daemon's memory: a new one begins with none. It tells of all users' programs,
 * so only the mount's owner reads it.
 */
#include <string.h>

#include "fusefs/vfs.h"
#include "fusefs/vfs_check.h"
#include "fusefs/vfs_sess.h"

#define KEEP_B ((size_t)64 << 10)

struct vfs_reports {
	uint32_t key;              /* of the device */
	bool used;
	uint64_t session;          /* whose text is the last */
	struct vgpu_buf text;
};

static struct vfs_reports *find(struct vfs *v, uint32_t key)
{
	struct vfs_reports *free_one = NULL;

	for (size_t i = 0; i < VGPU_MAX_DEVICES; i++) {
		struct vfs_reports *r = &v->reports[i];

		if (r->used && r->key == key)
			return r;
		/* one of a device that is gone can be taken */
		if (!free_one && (!r->used || vfs_devset_owner(&v->src.devs, r->key) < 0))
			free_one = r;
	}
	if (free_one) {
		vgpu_buf_free(&free_one->text);
		*free_one = (struct vfs_reports){ .key = key, .used = true };
	}
	return free_one;
}

/* The oldest lines go. */
static void trim(struct vgpu_buf *b)
{
	char *at;
	size_t rest;

	if (b->len <= KEEP_B)
		return;
	at = memchr(b->data + (b->len - KEEP_B), '\n', KEEP_B);
	rest = at ? b->len - (size_t)(at + 1 - b->data) : 0;
	if (rest)
		memmove(b->data, at + 1, rest);
	b->len = rest;
	b->data[rest] = 0;
}

void vfs_check_report(struct vfs *v, const struct vfs_sess *s, uint32_t key, const char *text, size_t n)
{
	struct vfs_reports *r;

	if (!v->reports)
		v->reports = calloc(VGPU_MAX_DEVICES, sizeof(*v->reports));
	r = v->reports ? find(v, key) : NULL;
	if (!r)
		return;
	if (r->session != s->id)
		vgpu_buf_printf(&r->text, "========= Process %u\n", s->client_pid);
	r->session = s->id;
	/* a worker runs a stranger's code */
	for (size_t i = 0; i < n; i++) {
		char c = text[i] == '\n' || (text[i] >= ' ' && text[i] <= '~') ? text[i] : '?';

		vgpu_buf_add(&r->text, &c, 1);
	}
	if (r->text.failed)
		vgpu_buf_free(&r->text);
	else
		trim(&r->text);
}

void vfs_live_reports(void *arg, uint32_t key, struct vgpu_buf *b)
{
	struct vfs *v = arg;

	for (size_t i = 0; v->reports && i < VGPU_MAX_DEVICES; i++)
		if (v->reports[i].used && vfs_key_is(v, v->reports[i].key, key))
			vgpu_buf_add(b, v->reports[i].text.data, v->reports[i].text.len);
}

void vfs_check_fini(struct vfs *v)
{
	for (size_t i = 0; v->reports && i < VGPU_MAX_DEVICES; i++)
		vgpu_buf_free(&v->reports[i].text);
	free(v->reports);
	v->reports = NULL;
}

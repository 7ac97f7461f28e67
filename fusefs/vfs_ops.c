/*
 * vfs_ops.c: the file system's operations. All answer at once but those that
 * hand their request on (vfs_sess_hello, vfs_relay_*, vfs_devs_*). Contents
 * bypass the page cache; sizes are exact, so that cp, tar and wc are right.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fusefs/vfs_mon.h"
#include "util/log.h"

/* The kernel is told of changes; this bounds what a lost notice can do. */
#define LONG_TIMEOUT 3600.0

static struct vfs *vfs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static void on_init(void *arg, struct fuse_conn_info *conn)
{
	conn->max_write = 256u << 10;
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_WRITEBACK_CACHE);
}

/* ---- attributes ---- */

static void fill_stat(struct vfs *v, struct vfs_place p, struct stat *st)
{
	static const mode_t type[] = { [VFS_DIR] = S_IFDIR, [VFS_FILE] = S_IFREG, [VFS_NODE] = S_IFREG, [VFS_LINK] = S_IFLNK, [VFS_SOCK] = S_IFSOCK };

	memset(st, 0, sizeof(*st));
	st->st_ino = vfs_ino(&v->src.devs, p);
	st->st_mode = (p.chr ? S_IFCHR : type[p.e->kind]) | p.e->mode;
	st->st_uid = v->st->owner_uid;
	st->st_gid = v->st->owner_gid;
	st->st_nlink = 1;
	st->st_blksize = 4096;
	st->st_mtime = (time_t)(p.e->number >= 200 || p.e->branches || p.e->per_device ? v->st->change_time : v->st->start_time);
	st->st_atime = st->st_ctime = st->st_mtime;
	if (p.e->kind == VFS_DIR) {
		st->st_nlink = 2 + vfs_subdirs(&v->src.devs, p);
	} else if (p.chr) {
		st->st_rdev = vfs_rdev(&v->src.devs, p);
	} else if (p.dev >= 0 || !p.e->per_device) {
		struct vgpu_buf b = VGPU_BUF_INIT;

		vfs_show_place(&v->src, p, &b);
		st->st_size = (off_t)b.len;
		st->st_blocks = (st->st_size + 511) / 512;
		vgpu_buf_free(&b);
	}
}

static double timeout_of(struct vfs_place p)
{
	return p.e->flags & VFS_F_LIVE ? 0 : LONG_TIMEOUT;
}

static bool place(fuse_req_t req, fuse_ino_t ino, struct vfs_place *p)
{
	if (vfs_place_of(&vfs_of(req)->src.devs, ino, p))
		return true;
	fuse_reply_err(req, ENOENT);
	return false;
}

/* A file of a device that is gone, still open or bound somewhere: like one that was unlinked. */
static void getattr_gone(fuse_req_t req, fuse_ino_t ino, const struct vfs_entry *e)
{
	struct vfs *v = vfs_of(req);
	struct stat st;

	fill_stat(v, (struct vfs_place){ .e = e, .dev = -1, .chr = ino & VFS_INO_CHR }, &st);
	st.st_ino = ino;
	st.st_nlink = 0;
	fuse_reply_attr(req, &st, LONG_TIMEOUT);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct vfs_entry *e = vfs_entry_of(ino);
	struct vfs *v = vfs_of(req);
	struct vfs_place p;
	struct stat st;

	if (!e) {
		fuse_reply_err(req, ENOENT);
	} else if (!vfs_place_of(&v->src.devs, ino, &p)) {
		getattr_gone(req, ino, e);
	} else {
		fill_stat(v, p, &st);
		fuse_reply_attr(req, &st, timeout_of(p));
	}
}

/* Truncation is what a shell's > does first; there is nothing to cut. All else is fixed. */
static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct vfs_place p;

	if (!place(req, ino, &p))
		return;
	if (!(to_set & FUSE_SET_ATTR_SIZE) || (to_set & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)))
		fuse_reply_err(req, EPERM);
	else if (!vfs_writable(p.e))
		fuse_reply_err(req, EACCES);
	else
		op_getattr(req, ino, fi);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs s = { .f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255 };

	fuse_reply_statfs(req, &s);
}

/* ---- names ---- */

static void fill_entry(struct vfs *v, struct vfs_place p, struct fuse_entry_param *e)
{
	memset(e, 0, sizeof(*e));
	fill_stat(v, p, &e->attr);
	e->ino = e->attr.st_ino;
	e->generation = 1;
	e->entry_timeout = LONG_TIMEOUT;
	e->attr_timeout = timeout_of(p);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct vfs *v = vfs_of(req);
	struct fuse_entry_param e;
	struct vfs_place dir, p;

	if (!place(req, parent, &dir))
		return;
	if (dir.e->kind != VFS_DIR || !vfs_lookup(&v->src.devs, dir, name, &p)) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_entry(v, p, &e);
	fuse_reply_entry(req, &e);
}

/* Inode numbers are computed, not stored: there is nothing to forget. */
static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	fuse_reply_none(req);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vfs_place p;

	if (!place(req, ino, &p))
		return;
	if (p.e->kind != VFS_LINK) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	vfs_show_place(&vfs_of(req)->src, p, &b);
	fuse_reply_readlink(req, vgpu_buf_text(&b));
	vgpu_buf_free(&b);
}

/* ---- directories: offset 1 is after ".", 2 after "..", then vfs_next's cookies + 2 ---- */

static size_t add_name(struct vfs *v, fuse_req_t req, bool plus, char *at, size_t room, const char *name,
		       struct vfs_place p, off_t next, bool dots)
{
	struct fuse_entry_param e = { 0 };

	if (!plus || dots) {
		/* "." and ".." must not be looked-up entries: an inode number alone */
		fill_stat(v, p, &e.attr);
		if (!plus)
			return fuse_add_direntry(req, at, room, name, &e.attr, next);
		return fuse_add_direntry_plus(req, at, room, name, &e, next);
	}
	fill_entry(v, p, &e);
	return fuse_add_direntry_plus(req, at, room, name, &e, next);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct vfs *v = vfs_of(req);
	struct vfs_place dir, p;
	size_t len = 0, n;
	uint64_t cookie;
	char name[64], *buf;

	if (!place(req, ino, &dir))
		return;
	if (dir.e->kind != VFS_DIR || off < 0) {
		fuse_reply_err(req, dir.e->kind == VFS_DIR ? EINVAL : ENOTDIR);
		return;
	}
	buf = malloc(size);
	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	for (; off < 2; off++) {
		n = add_name(v, req, plus, buf + len, size - len, off ? ".." : ".", dir, off + 1, true);
		if (n > size - len)
			goto out;
		len += n;
	}
	cookie = (uint64_t)off - 2;
	while (vfs_next(&v->src.devs, dir, &cookie, &p)) {
		n = add_name(v, req, plus, buf + len, size - len, vfs_name(&v->src.devs, p, name), p, (off_t)cookie + 2, false);
		if (n > size - len)
			break;
		len += n;
	}
out:
	fuse_reply_buf(req, buf, len);
	free(buf);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	list(req, ino, size, off, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	list(req, ino, size, off, true);
}

/* ---- handles ---- */

uint64_t vfs_unique(const struct vfs *v)
{
	return v->unique & ~VFS_UNIQUE_RESENT;
}

struct vfs_handle *vfs_handle_get(struct vfs *v, uint64_t fh, uint32_t *index_out)
{
	if (fh == 0 || fh > v->st->handles_high || !v->st->handles[fh - 1].used || v->st->handles[fh - 1].by_socket)
		return NULL;
	*index_out = (uint32_t)(fh - 1);
	return &v->st->handles[fh - 1];
}

static struct vfs_handle *handle_new(struct vfs *v, bool by_request)
{
	/* a request that a daemon before us served without its reply getting out */
	if (by_request && v->resent)
		for (uint32_t i = 0; i < v->st->handles_high; i++)
			if (v->st->handles[i].used && v->st->handles[i].open_unique == vfs_unique(v))
				return &v->st->handles[i];
	for (uint32_t i = v->handle_hint; i < VFS_MAX_HANDLES; i++) {
		struct vfs_handle *h = &v->st->handles[i];

		if (i < v->st->handles_high && h->used)
			continue;
		v->handle_hint = i + 1;
		if (i >= v->st->handles_high)
			v->st->handles_high = i + 1;
		memset(h, 0, sizeof(*h));
		h->open_unique = by_request ? vfs_unique(v) : 0;
		return h;
	}
	return NULL;
}

static void handle_free(struct vfs *v, uint32_t i)
{
	struct vfs_open *o = &v->opens[i];

	vfs_sess_release(v, i);
	vgpu_buf_free(&o->text);
	memset(o, 0, sizeof(*o));
	__atomic_store_n(&v->st->handles[i].used, 0, __ATOMIC_RELEASE);
	if (i < v->handle_hint)
		v->handle_hint = i;
}

int vfs_handle_for_socket(struct vfs *v, uint32_t *index_out)
{
	struct vfs_handle *h = handle_new(v, false);

	if (!h)
		return -1;
	h->by_socket = 1;
	__atomic_store_n(&h->used, 1, __ATOMIC_RELEASE);
	*index_out = (uint32_t)(h - v->st->handles);
	return 0;
}

void vfs_handle_drop(struct vfs *v, uint32_t index)
{
	handle_free(v, index);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct vfs *v = vfs_of(req);
	const struct vfs_entry *e = vfs_entry_of(ino);
	struct vfs_client c = { 0 };
	struct vfs_handle *h;
	struct vfs_place p;

	if (!vfs_place_of(&v->src.devs, ino, &p)) {
		fuse_reply_err(req, e && e->kind == VFS_NODE ? ENODEV : ENOENT);
		return;
	}
	if ((fi->flags & O_ACCMODE) != O_RDONLY && !vfs_writable(p.e)) {
		fuse_reply_err(req, EACCES);
		return;
	}
	h = handle_new(v, true);
	if (!h) {
		fuse_reply_err(req, ENFILE);
		return;
	}
	h->nodeid = ino;
	if (p.e->kind == VFS_NODE && vfs_client_of(fuse_req_ctx(req)->pid, &c))
		h->tgid = (uint32_t)c.tgid;
	__atomic_store_n(&h->used, 1, __ATOMIC_RELEASE);
	fi->fh = (uint64_t)(h - v->st->handles) + 1;
	fi->direct_io = 1;
	v->patch_open = p.e->kind == VFS_NODE;
	/* the opener was killed meanwhile: nobody will close it */
	if (fuse_reply_open(req, fi) == -ENOENT)
		handle_free(v, (uint32_t)(fi->fh - 1));
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct vfs *v = vfs_of(req);
	uint32_t i;

	if (vfs_handle_get(v, fi->fh, &i))
		handle_free(v, i);
	fuse_reply_err(req, 0);
}

/* ---- reading and writing ---- */

/* What the open reads as is taken anew at offset 0, as with seq_file: pieces fit together. */
static void read_text(struct vfs *v, fuse_req_t req, struct vfs_handle *h, struct vfs_open *o, size_t size, off_t off)
{
	struct vfs_place p;

	if (off == 0 || !o->have_text) {
		if (!vfs_place_of(&v->src.devs, h->nodeid, &p)) {
			fuse_reply_err(req, ENODEV);
			return;
		}
		vgpu_buf_reset(&o->text);
		vfs_show_place(&v->src, p, &o->text);
		o->have_text = true;
	}
	if (o->text.failed) {
		vgpu_buf_free(&o->text);
		o->have_text = false;
		fuse_reply_err(req, ENOMEM);
	} else if (off < 0 || (size_t)off >= o->text.len) {
		fuse_reply_buf(req, NULL, 0);
	} else {
		size_t left = o->text.len - (size_t)off;

		fuse_reply_buf(req, o->text.data + off, size < left ? size : left);
	}
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct vfs *v = vfs_of(req);
	struct vfs_handle *h;
	uint32_t i;

	h = vfs_handle_get(v, fi->fh, &i);
	if (!h)
		fuse_reply_err(req, EBADF);
	else if (vfs_relay_is(v, i))
		vfs_relay_read(v, req, i, size, fi->flags & O_NONBLOCK);
	else
		read_text(v, req, h, &v->opens[i], size, off);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t len, off_t off, struct fuse_file_info *fi)
{
	struct vfs *v = vfs_of(req);
	struct vgpu_err err = VGPU_ERR_INIT;
	struct vfs_change change;
	struct vfs_handle *h;
	struct vfs_place p;
	uint32_t i;
	int r;

	h = vfs_handle_get(v, fi->fh, &i);
	if (!h) {
		fuse_reply_err(req, EBADF);
		return;
	}
	if (vfs_relay_is(v, i)) {
		vfs_relay_write(v, req, i, data, len);
		return;
	}
	if (!vfs_place_of(&v->src.devs, h->nodeid, &p)) {
		fuse_reply_err(req, ENODEV);
		return;
	}
	if (p.e->kind == VFS_NODE) {
		fuse_reply_err(req, EINVAL); /* no HELLO: nobody to send it to */
		return;
	}
	r = vfs_store_place(&v->src, p, data, len, &change, &err);
	if (r)
		fuse_reply_err(req, vgpu_status_to_errno(-r));
	else if (!change.prop)
		vfs_inject(v, req, p.dev, change.value, len);
	else
		vfs_devs_set(v, req, &change, len);
}

/* An open and a read in one: what enumerates does nothing else with a node. Not listed: copies of a node don't carry it. */
static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vfs_place p;

	if (!place(req, ino, &p))
		return;
	if (p.e->kind != VFS_NODE || strcmp(name, VGP_NODE_XATTR) != 0) {
		fuse_reply_err(req, ENODATA);
		return;
	}
	vfs_show_place(&vfs_of(req)->src, p, &b);
	if (b.failed)
		fuse_reply_err(req, ENOMEM);
	else if (b.len > XATTR_SIZE_MAX)
		fuse_reply_err(req, E2BIG);
	else if (size == 0)
		fuse_reply_xattr(req, b.len);
	else if (size < b.len)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, b.data, b.len);
	vgpu_buf_free(&b);
}

/* ---- control ---- */

bool vfs_same_process(struct vfs *v, uint32_t handle, pid_t tid)
{
	struct vfs_open *o = &v->opens[handle];
	struct vfs_client c;

	if (o->last_tid && o->last_tid == (uint32_t)tid)
		return true;
	if (!vfs_client_of(tid, &c))
		c.tgid = 0;
	if ((uint32_t)c.tgid != v->st->handles[handle].tgid)
		return false;
	o->last_tid = (uint32_t)tid;
	return true;
}

static void ioctl_info(struct vfs *v, fuse_req_t req)
{
	struct vgp_node_info info = {
		.magic = VGP_MAGIC, .abi_major = VGP_ABI_MAJOR, .abi_minor = VGP_ABI_MINOR,
		.generation = v->st->generation, .n_devices = (uint32_t)v->src.devs.n, .daemon_pid = (uint32_t)getpid(),
	};

	fuse_reply_ioctl(req, 0, &info, sizeof(info));
}

static void ioctl_reload(struct vfs *v, fuse_req_t req)
{
	struct vfs_client c;

	if (!vfs_client_of(fuse_req_ctx(req)->pid, &c) || (c.uid != 0 && c.uid != v->st->owner_uid))
		fuse_reply_err(req, EPERM);
	else
		vfs_devs_reload(v, req);
}

static void ioctl_hello(struct vfs *v, fuse_req_t req, uint32_t handle, const struct vgp_hello *h)
{
	struct vfs_place p;

	if (h->magic != VGP_MAGIC || h->flags || h->transport < VGP_TRANSPORT_RING || h->transport > VGP_TRANSPORT_NODE)
		fuse_reply_err(req, EINVAL);
	else if (h->abi_major != VGP_ABI_MAJOR)
		fuse_reply_err(req, vgpu_status_to_errno(VGPU_E_VERSION));
	else if (vfs_place_of(&v->src.devs, v->st->handles[handle].nodeid, &p) && p.dev >= 0 && v->src.devs.dev[p.dev].lost == 1)
		fuse_reply_err(req, vgpu_status_to_errno(VGPU_E_OFF_BUS));
	else if (!vfs_same_process(v, handle, fuse_req_ctx(req)->pid))
		fuse_reply_err(req, EPERM); /* a child that has inherited the open makes its own */
	else
		vfs_sess_hello(v, req, handle, h);
}

/* A node of a MIG instance's capability: a file, but for one question. */
static bool is_cap(const struct vfs_entry *e)
{
	return e && e->kind == VFS_FILE && (e->per_gi || e->per_ci) && e->flags & VFS_F_CHR;
}

/* Sizes are part of a command's number; a wrong size is another command, and there is none. */
static void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg, struct fuse_file_info *fi,
		     unsigned flags, const void *in, size_t in_size, size_t out_size)
{
	const struct vfs_entry *e = vfs_entry_of(ino);
	struct vfs *v = vfs_of(req);
	struct vgp_hello hello;
	uint32_t i;

	if (!e || (e->kind != VFS_NODE && !is_cap(e)) || (flags & FUSE_IOCTL_DIR)) {
		fuse_reply_err(req, ENOTTY);
		return;
	}
	if (!vfs_handle_get(v, fi->fh, &i)) {
		fuse_reply_err(req, EBADF);
		return;
	}
	if (_IOC_TYPE(cmd) == 'V' && _IOC_NR(cmd) >= VGP_MON_FIRST) {
		struct vfs_place p;

		if (_IOC_DIR(cmd) != (_IOC_READ | _IOC_WRITE))
			fuse_reply_err(req, ENOTTY);
		else if (!vfs_place_of(&v->src.devs, ino, &p))
			fuse_reply_err(req, ENODEV);
		else
			vfs_mon_ioctl(v, req, p, i, _IOC_NR(cmd), in, in_size, out_size);
		return;
	}
	switch (is_cap(e) ? 0 : cmd) {
	case VGP_IOC_INFO:
		if (out_size < sizeof(struct vgp_node_info))
			break;
		ioctl_info(v, req);
		return;
	case VGP_IOC_RELOAD:
		ioctl_reload(v, req);
		return;
	case VGP_IOC_HELLO:
		if (in_size < sizeof(hello) || out_size < sizeof(hello))
			break;
		memcpy(&hello, in, sizeof(hello));
		ioctl_hello(v, req, i, &hello);
		return;
	default:
		fuse_reply_err(req, ENOTTY);
		return;
	}
	fuse_reply_err(req, EINVAL);
}

static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *ph)
{
	struct vfs *v = vfs_of(req);
	struct vfs_handle *h;
	uint32_t i;

	h = vfs_handle_get(v, fi->fh, &i);
	if (!h) {
		fuse_reply_poll(req, POLLERR);
	} else if (!vfs_relay_is(v, i) && !h->events) {
		fuse_reply_poll(req, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	} else {
		if (ph) {
			/* the kernel's number is all that is needed later, also by the next daemon */
			h->poll_kh = v->poll_kh;
			h->poll_armed = 1;
		}
		if (h->events) {
			fuse_reply_poll(req, vfs_event_pending(v, i) ? POLLIN | POLLRDNORM : 0);
		} else {
			fuse_reply_poll(req, vfs_relay_poll(v, i));
			vfs_relay_arm(v, i);
		}
	}
	if (ph)
		fuse_pollhandle_destroy(ph);
}

/* ---- what a mount never does ---- */

/* But one socket: super's helper binds it once. */
static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct vfs *v = vfs_of(req);
	struct fuse_entry_param e;
	struct vfs_place dir, p;
	bool was = v->src.devs.sock;

	if (!S_ISSOCK(mode) || (was && !v->resent) || !vfs_is_sibling(fuse_req_ctx(req)->pid)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	v->src.devs.sock = true;
	if (!vfs_place_of(&v->src.devs, parent, &dir) || dir.e->kind != VFS_DIR ||
	    !vfs_lookup(&v->src.devs, dir, name, &p) || p.e->kind != VFS_SOCK) {
		v->src.devs.sock = was;
		fuse_reply_err(req, EPERM);
		return;
	}
	v->st->sock_made = 1;
	fill_entry(v, p, &e);
	fuse_reply_entry(req, &e);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	fuse_reply_err(req, EPERM);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	fuse_reply_err(req, EPERM);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EPERM);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EPERM);
}

static void op_rename(fuse_req_t req, fuse_ino_t from, const char *name, fuse_ino_t to, const char *new_name, unsigned flags)
{
	fuse_reply_err(req, EPERM);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EPERM);
}

const struct fuse_lowlevel_ops vfs_ops = {
	.init = on_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_unlink,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.create = op_create,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.release = op_release,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.ioctl = op_ioctl,
	.poll = op_poll,
};

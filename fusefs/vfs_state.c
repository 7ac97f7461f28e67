/* vfs_state.c: see vfs_state.h. */
#include "fusefs/vfs_state.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/sys.h"

int vfs_state_map(int fd, struct vfs_state **out, struct vgpu_err *err)
{
	struct vfs_state *s;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return vgpu_err_errno(err, "state memory");
	if (st.st_size != sizeof(*s))
		return vgpu_err_set(err, VGPU_E_VERSION, "state memory has %lld bytes, this program uses %zu",
				    (long long)st.st_size, sizeof(*s));
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		return vgpu_err_errno(err, "map state memory");
	if (s->magic && (s->magic != VFS_STATE_MAGIC || s->version != VFS_STATE_VERSION)) {
		munmap(s, sizeof(*s));
		return vgpu_err_set(err, VGPU_E_VERSION, "state memory is of another version");
	}
	*out = s;
	return 0;
}

int vfs_state_create(uid_t uid, gid_t gid, bool no_resend, struct vgpu_err *err)
{
	int fd = vgpu_memfd("vgpufs-state", sizeof(struct vfs_state)), r;
	struct vfs_state *s;

	if (fd < 0)
		return vgpu_err_errno(err, "state memory");
	vgpu_memfd_seal(fd);
	r = vfs_state_map(fd, &s, err);
	if (r) {
		close(fd);
		return r;
	}
	s->version = VFS_STATE_VERSION;
	s->size = sizeof(*s);
	s->owner_uid = uid;
	s->owner_gid = gid;
	s->no_resend = no_resend;
	s->start_time = s->change_time = (uint64_t)time(NULL);
	s->generation = 1;
	s->magic = VFS_STATE_MAGIC;
	munmap(s, sizeof(*s));
	return fd;
}

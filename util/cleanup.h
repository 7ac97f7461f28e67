/* cleanup.h: scope-bound release of files, memory and directories. */
#ifndef VGPU_UTIL_CLEANUP_H
#define VGPU_UTIL_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void vgpu_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void vgpu_cleanup_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void vgpu_cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void vgpu_cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define cleanup_free __attribute__((cleanup(vgpu_cleanup_free)))
#define cleanup_close __attribute__((cleanup(vgpu_cleanup_close)))
#define cleanup_fclose __attribute__((cleanup(vgpu_cleanup_fclose)))
#define cleanup_closedir __attribute__((cleanup(vgpu_cleanup_closedir)))

/* Hands ownership out of a cleanup variable. */
#define TAKE_FD(fd) ({ int fd_ = (fd); (fd) = -1; fd_; })
#define TAKE_PTR(p) ({ __typeof__(p) p_ = (p); (p) = NULL; p_; })

#endif

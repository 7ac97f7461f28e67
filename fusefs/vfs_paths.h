/* vfs_paths.h: where the project's programs find each other. */
#ifndef VGPU_FUSEFS_VFS_PATHS_H
#define VGPU_FUSEFS_VFS_PATHS_H

/* Path of a program: beside this one as built (rel, seen from this program's directory) when it is
 * there, otherwise installed. To be freed; NULL when memory is short. */
char *vfs_find_program(const char *name, const char *rel);

#endif

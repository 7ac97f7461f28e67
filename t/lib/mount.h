/*
 * mount.h: a private mount for a C test. Everything goes away at exit, also
 * when the test fails. Needs root and /dev/fuse: skips the whole test otherwise.
 */
#ifndef VGPU_T_LIB_MOUNT_H
#define VGPU_T_LIB_MOUNT_H

#include <sys/types.h>

struct test_mount {
	char mnt[256];     /* mount point */
	char state[256];   /* the registry's directory */
	pid_t super;
};

/* n devices of the default profile; opts: more options for vgpufs-super, NULL-ended list or NULL.
 * Call before plan(). */
const struct test_mount *test_mount(unsigned n_devices, const char *const *opts);
/* n devices of these profiles. */
const struct test_mount *test_mount_of(const char *const *profiles, unsigned n);
/* The daemon that serves now; 0: none at this moment. */
pid_t test_daemon(void);
/* Runs a program to its end; answers its exit status, or 128 + signal. */
int test_run(const char *const argv[]);

#endif

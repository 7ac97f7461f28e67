/* sys.h: thin helpers over Linux system calls that libc lacks or makes long. */
#ifndef VGPU_UTIL_SYS_H
#define VGPU_UTIL_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

/* CLOCK_MONOTONIC in ns. */
uint64_t vgpu_now_ns(void);

/* pidfd_open; thread: the pid is a thread id (Linux >= 6.9, falls back to its group leader). -1 and errno. */
int vgpu_pidfd_open(pid_t pid, bool thread);
int vgpu_pidfd_getfd(int pidfd, int fd);

/* Shared futex on a 32-bit word. wait: 0 woken or value differs, -ETIMEDOUT, -EINTR. timeout_ns < 0: for ever. */
int vgpu_futex_wait(const volatile void *word, uint32_t expect, int64_t timeout_ns);
void vgpu_futex_wake(const volatile void *word, int count);

/* Sends/receives one packet with up to 8 fds over an AF_UNIX socket; retries EINTR.
 * Answers bytes, 0 at end of file (recv), or -1 and errno. Received fds are close-on-exec;
 * *nfds_out says how many came. A truncated packet or control message is -1 and EMSGSIZE.
 * A blocking send waits up to some 5 s where too many descriptors of this user are on their way (ETOOMANYREFS). */
#define VGPU_MAX_FDS 8
ssize_t vgpu_send_fds(int sock, const void *data, size_t len, const int *fds, int nfds, int flags);
ssize_t vgpu_recv_fds(int sock, void *data, size_t len, int *fds, int *nfds_out, int flags);

/* memfd with close-on-exec, sealable, of the given size. -1 and errno. */
int vgpu_memfd(const char *name, uint64_t size);
/* F_SEAL_SHRINK|GROW|SEAL. */
int vgpu_memfd_seal(int fd);

/* Reads a whole small file; *data_out is NUL terminated and to be freed. */
int vgpu_read_file(const char *path, size_t max, char **data_out, size_t *len_out, struct vgpu_err *err);
/* write(2) until all is out. 0 or -1 and errno. */
int vgpu_write_all(int fd, const void *data, size_t len);

/* True in a setuid/setgid/capability-raised program, where the environment is not trusted. */
bool vgpu_secure_mode(void);
/* getenv that answers NULL in secure mode. */
const char *vgpu_getenv(const char *name);

#endif

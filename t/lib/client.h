/* client.h: a client's side of a session with fake-engine, for tests of the mount. */
#ifndef VGPU_T_LIB_CLIENT_H
#define VGPU_T_LIB_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/vgp_wire.h"

/* HELLO on an open node. sock_out: our end (RING, SOCKET). 0 or -errno. */
int client_hello(int node, unsigned transport, uint64_t nonce, int *sock_out, struct vgp_hello *out);
/* One frame of text out (0 or -errno) … */
int client_send(int fd, const char *text);
/* … and one in: its text into buf, NUL terminated; -errno, or the frame's length (0: the end). */
ssize_t client_recv(int fd, char *buf, size_t cap);
/* Both; the answer's text, or "error: …". Static storage. */
const char *client_ask(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Opens a node and starts a node session; takes the WELCOME. -1 and errno. */
int client_session(const char *path);

#endif

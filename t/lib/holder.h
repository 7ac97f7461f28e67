/*
 * holder.h: t/lib/hold beside a test: a CUDA program that takes memory on a
 * device and keeps it until it is told to end.
 */
#ifndef VGPU_T_LIB_HOLDER_H
#define VGPU_T_LIB_HOLDER_H

#include <stdbool.h>
#include <sys/types.h>

struct holder {
	pid_t pid;
	int in, out;
	char said[128];    /* its last line: what went wrong, if something did */
};

/* device: as NVML counts them. busy: kernels run all the time. True: it has its memory; false: it has ended. */
bool holder_start(struct holder *h, unsigned device, unsigned mib, bool busy);
/* The same, with hold's own word for what it does; NULL: nothing. */
bool holder_start_as(struct holder *h, unsigned device, unsigned mib, const char *what);
/* Tells it to end and waits until it and the daemon have; answers whether all went well in it. */
bool holder_end(struct holder *h);

#endif

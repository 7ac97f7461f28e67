/*
 * 610-fake.h: a worker that only keeps books, in a thread of the test: it
 * answers contexts, limits and queues, and fails where a test tells it to.
 */
#ifndef VGPU_T_610_FAKE_H
#define VGPU_T_610_FAKE_H

#include <stdint.h>

#include "transport/transport.h"

struct fake {
	int sessions;              /* that were opened */
	int live_sessions;
	int live_contexts;
	int made_contexts;
	uint32_t last_device;      /* of the last CTX_CREATE */
	uint64_t limits[VGP_LIMIT_COUNT];
	/* what the test wants */
	int refuse_session;        /* status for WELCOME */
	int fail_op, fail_status;  /* commands that fail */
	int ctx_status[VGP_CONTEXTS];
};

extern struct fake fake;

/* Sessions go to the fake from here on; n devices of defaults. */
void fake_install(const struct vgpu_device *devs, unsigned n);
/* The worker dies: every session's socket is closed. */
void fake_kill(void);

#endif

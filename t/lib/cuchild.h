/* cuchild.h: a child process with libcuda in it that does as it is told, for tests of what other processes see. */
#ifndef VGPU_T_LIB_CUCHILD_H
#define VGPU_T_LIB_CUCHILD_H

#include <stdint.h>
#include <sys/types.h>

struct cuchild {
	pid_t pid;
	int to, from;
};

enum cuchild_cmd {
	CU_INIT,        /* cuInit */
	CU_COUNT,       /* number of devices */
	CU_CREATE,      /* a context on device arg */
	CU_DESTROY,     /* that context */
	CU_ALLOC,       /* arg MiB of device memory */
	CU_FREE,        /* what was allocated last */
	CU_SYNC,        /* cuCtxSynchronize */
	CU_BLOCK,       /* waits on the device for what never comes */
	CU_MODE,        /* attribute COMPUTE_MODE of device arg */
	CU_ECC,         /* attribute ECC_ENABLED of device arg */
	CU_SMS,         /* attribute MULTIPROCESSOR_COUNT of device arg */
	CU_TOTAL_MIB,   /* memory of device arg */
	CU_SPIN,        /* runs kernels for arg ms */
	CU_QUIT,
};

/* env: "NAME=value" to be set in it, or NULL. It finds the mount by VGPU_PATH. */
struct cuchild cuchild_start(const char *mnt, const char *env);
/* What the call answered: a CUresult, or for questions the number, or -CUresult. -1000: the child is gone. */
int cuchild_do(struct cuchild *c, enum cuchild_cmd cmd, int arg);
/* Sends a command whose answer is taken later … */
void cuchild_send(struct cuchild *c, enum cuchild_cmd cmd, int arg);
/* … here; timeout_ms < 0: waits for ever; -1001: it takes longer. */
int cuchild_take(struct cuchild *c, int timeout_ms);
void cuchild_end(struct cuchild *c);

#endif

/* Faults: each kind in a process of its own; the error is the one that CUDA defines, and it stays. */
#include <cassert>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"

__global__ void wild(int *p) { *p = 1; }
__global__ void wild_read(int *p, int *o) { *o = *p; }
__global__ void misaligned(char *p) { *(int *)(p + 1) = 1; }
__global__ void trap_kernel() { asm volatile("trap;"); }
__global__ void assert_kernel(int x) { assert(x == 1); }
__global__ void null_call(void (**f)()) { (*f)(); }
__global__ void fine(int *p) { *p = 7; }

static cudaError_t provoke(int kind)
{
	int *p;
	void (**f)();

	CK(cudaMalloc(&p, 64));
	switch (kind) {
	case 0: wild<<<1, 32>>>((int *)nullptr); break;
	case 1: wild<<<4, 32>>>((int *)0x7000000000000000ull); break;
	case 2: wild_read<<<1, 1>>>((int *)0x10, p); break;
	case 3: misaligned<<<1, 1>>>((char *)p); break;
	case 4: trap_kernel<<<2, 64>>>(); break;
	case 5: assert_kernel<<<1, 1>>>(2); break;
	case 6: wild<<<1, 1>>>((int *)((char *)p + ((size_t)1 << 32))); break;
	case 7:
		CK(cudaMalloc(&f, 8));
		CK(cudaMemset(f, 0, 8));
		null_call<<<1, 1>>>(f);
		break;
	}
	return cudaDeviceSynchronize();
}

static int child(int kind)
{
	int *q, v;
	cudaError_t e = provoke(kind), again;

	if (e == cudaSuccess)
		return 255;
	/* Sticky: nothing works any more. */
	again = cudaMalloc(&q, 16);
	if (again != e)
		return 254;
	fine<<<1, 1>>>(q);
	if (cudaGetLastError() != e || cudaMemcpy(&v, q, 4, cudaMemcpyDeviceToHost) != e || cudaStreamQuery(0) != e)
		return 253;
	if (kind == 4) {
		/* A reset makes the device usable again. */
		if (cudaDeviceReset() != cudaSuccess)
			return 252;
		CK(cudaMalloc(&q, 16));
		fine<<<1, 1>>>(q);
		CK(cudaMemcpy(&v, q, 4, cudaMemcpyDeviceToHost));
		if (v != 7)
			return 251;
	}
	switch (e) {
	case cudaErrorIllegalAddress: return 1;
	case cudaErrorMisalignedAddress: return 2;
	case cudaErrorLaunchFailure: return 3;
	case cudaErrorAssert: return 4;
	case cudaErrorInvalidPc: return 5;
	case cudaErrorIllegalInstruction: return 6;
	default: printf("error %d %s\n", e, cudaGetErrorName(e)); return 100;
	}
}

int main()
{
	static const int want[] = { 1, 1, 1, 2, 3, 4, 1 };

	for (int kind = 0; kind < 8; kind++) {
		int st = 0;
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			if (!freopen("/dev/null", "w", stderr))
				_exit(99);
			int r = child(kind);
			fflush(stdout);
			_exit(r);
		}
		waitpid(pid, &st, 0);
		int got = WIFEXITED(st) ? WEXITSTATUS(st) : -WTERMSIG(st);
		/* A call through a null pointer is reported as one of several errors by GPUs, too. */
		bool good = kind == 7 ? got == 1 || got == 3 || got == 5 || got == 6 : got == want[kind];
		if (!good) {
			printf("FAIL fault %d: answered %d\n", kind, got);
			check_failures++;
		}
	}
	return finish("faults");
}

/* printf in kernels: the program's stdout is compared by reading it back through a file. */
#include <unistd.h>
#include "check.h"

__global__ void talk(int n)
{
	if (threadIdx.x < n)
		printf("thread %d of %u: %s %5.2f %c %lld %x %%\n", threadIdx.x, blockDim.x, "text", 1.5 * threadIdx.x, 'A' + threadIdx.x,
		       (long long)threadIdx.x << 40, 255u + threadIdx.x);
}

__global__ void count(int *r)
{
	r[0] = printf("none\n");
	r[1] = printf("%d %d\n", 1, 2);
}

int main()
{
	char path[] = "/tmp/vgpufs-printf-XXXXXX", line[256], want[256];
	int fd = mkstemp(path), out = dup(1);
	dev<int> r(2);

	fflush(stdout);
	dup2(fd, 1);
	talk<<<1, 64>>>(3);
	CK(cudaDeviceSynchronize());
	count<<<1, 1>>>(r);
	auto got = r.get();
	fflush(stdout);
	dup2(out, 1);
	FILE *f = fopen(path, "r");
	unlink(path);
	for (int i = 0; i < 3; i++) {
		snprintf(want, sizeof(want), "thread %d of 64: text %5.2f %c %lld %x %%\n", i, 1.5 * i, 'A' + i, (long long)i << 40, 255 + i);
		EXPECT(f && fgets(line, sizeof(line), f) && !strcmp(line, want));
	}
	EXPECT(f && fgets(line, sizeof(line), f) && !strcmp(line, "none\n"));
	EXPECT(f && fgets(line, sizeof(line), f) && !strcmp(line, "1 2\n"));
	EXPECT(got[0] == 0 && got[1] == 2);
	return finish("device_printf");
}

/* runtime.cu: source of runtime.ptx (nvcc -ptx -arch=compute_75 -O3): printf, assert, malloc, faults. */
#include <cassert>
#include <cstdio>

extern "C" __global__ void formats(const char *str)
{
	printf("plain\n");
	printf("%d %i %u|%5d|%-5d|%05d|%+d\n", -1, 2, 3u, 42, 42, 42, 42);
	printf("%ld %lld %llu %lx\n", -5l, -6ll, 0xffffffffffffffffull, 0xabcl);
	printf("%x %X %#x %o %#o\n", 0xbeef, 0xbeef, 0xbeef, 8, 8);
	printf("%c%c %s %10s|%-6s|%.2s\n", 'o', 'k', "text", "right", "left", "cut");
	printf("%f %e %g %a %.3f %8.2f\n", 1.5, 12345.678, 0.0001, 1.0, 3.14159, 2.5f);
	printf("%*d|%-*d|%.*f\n", 6, 7, 4, 8, 2, 1.23456);
	printf("100%% %s\n", str ? str : "null");
	printf("%hd %hhd %hu\n", 70000, 300, 70000);
	printf("%d args\n", printf(""));
}

extern "C" __global__ void print_all(int *ret)
{
	ret[threadIdx.x] = printf("[%d %s]\n", (int)threadIdx.x, threadIdx.x % 2 ? "odd" : "even");
}

extern "C" __global__ void asserts(int n)
{
	assert(threadIdx.x != (unsigned)n && "thread must not be n");
}

extern "C" __global__ void traps(int n)
{
	if ((int)threadIdx.x == n)
		__trap();
}

extern "C" __global__ void lists(int *out, int n)
{
	struct node { int v; node *next; } *head = nullptr;
	for (int k = 0; k < n; k++) {
		node *e = (node *)malloc(sizeof(node));
		if (!e)
			break;
		e->v = k + threadIdx.x;
		e->next = head;
		head = e;
	}
	int sum = 0;
	while (head) {
		node *e = head;
		sum += e->v;
		head = e->next;
		free(e);
	}
	out[threadIdx.x] = sum;
}

extern "C" __global__ void store_at(int *p, long long step)
{
	*(int *)((char *)p + threadIdx.x * step) = 1;
}

extern "C" __global__ void load_at(const char *p, long long step, int *out)
{
	out[threadIdx.x] = *(const volatile int *)(p + threadIdx.x * step);
}

extern "C" __global__ void shared_over(int *out, int i)
{
	extern __shared__ int s[];
	s[i + threadIdx.x] = 1;
	__syncthreads();
	out[threadIdx.x] = s[threadIdx.x];
}

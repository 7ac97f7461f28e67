/* Streams, events and their order; timing; queries; the legacy default stream. */
#include "check.h"

__global__ void spin(int *v, int rounds)
{
	int x = *v;

	for (int i = 0; i < rounds; i++)
		x = x * 1664525 + 1013904223;
	*v = x;
}

__global__ void add(int *v, const int *w)
{
	*v += *w;
}

__global__ void set(int *v, int x)
{
	*v = x;
}

static int after(int x, int rounds)
{
	for (int i = 0; i < rounds; i++)
		x = (int)((unsigned)x * 1664525u + 1013904223u);
	return x;
}

int main()
{
	const int rounds = 300000;
	cudaStream_t a, b, nb;
	cudaEvent_t start, stop, cross, untimed;
	dev<int> x(1), y(1);
	float ms = -1;
	int got;

	CK(cudaStreamCreate(&a));
	CK(cudaStreamCreateWithPriority(&b, cudaStreamDefault, 0));
	CK(cudaStreamCreateWithFlags(&nb, cudaStreamNonBlocking));
	CK(cudaEventCreate(&start));
	CK(cudaEventCreate(&stop));
	CK(cudaEventCreateWithFlags(&cross, cudaEventDisableTiming));
	CK(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming | cudaEventBlockingSync));
	CK(cudaEventQuery(start));  /* never recorded: done */
	CK(cudaStreamQuery(a));

	set<<<1, 1, 0, a>>>(x, 5);
	CK(cudaEventRecord(start, a));
	spin<<<1, 1, 0, a>>>(x, rounds);
	CK(cudaEventRecord(stop, a));
	CK(cudaEventRecord(cross, a));
	CK(cudaStreamWaitEvent(b, cross, 0));
	set<<<1, 1, 0, b>>>(y, 1);
	add<<<1, 1, 0, b>>>(y, x);
	CK(cudaStreamSynchronize(b));
	CK(cudaMemcpy(&got, y, 4, cudaMemcpyDeviceToHost));
	EXPECT(got == after(5, rounds) + 1);
	CK(cudaEventSynchronize(stop));
	CK(cudaEventElapsedTime(&ms, start, stop));
	EXPECT(ms > 0 && ms < 60000);
	EXPECT_ERR(cudaEventElapsedTime(&ms, start, cross), cudaErrorInvalidResourceHandle);
	(void)cudaGetLastError();

	/* The legacy stream waits for blocking streams, and they wait for it. */
	set<<<1, 1, 0, a>>>(x, 1);
	spin<<<1, 1, 0, a>>>(x, rounds);
	set<<<1, 1>>>(y, 10);
	add<<<1, 1>>>(y, x);
	add<<<1, 1, 0, b>>>(y, x);
	CK(cudaStreamSynchronize(b));
	CK(cudaMemcpy(&got, y, 4, cudaMemcpyDeviceToHost));
	EXPECT(got == (int)(2u * (unsigned)after(1, rounds) + 10u));

	/* An event of later work is not ready; a stream with work is not done. */
	spin<<<1, 1, 0, nb>>>(x, 8 * rounds);
	CK(cudaEventRecord(untimed, nb));
	cudaError_t q = cudaEventQuery(untimed);
	EXPECT(q == cudaSuccess || q == cudaErrorNotReady);
	CK(cudaEventSynchronize(untimed));
	CK(cudaEventQuery(untimed));
	CK(cudaStreamQuery(nb));
	(void)cudaGetLastError();

	/* A stream may be destroyed with work in it: the work is done all the same. */
	set<<<1, 1, 0, nb>>>(x, 3);
	spin<<<1, 1, 0, nb>>>(x, rounds);
	CK(cudaStreamDestroy(nb));
	CK(cudaDeviceSynchronize());
	CK(cudaMemcpy(&got, x, 4, cudaMemcpyDeviceToHost));
	EXPECT(got == after(3, rounds));
	CK(cudaStreamDestroy(a));
	CK(cudaStreamDestroy(b));
	CK(cudaEventDestroy(start));
	CK(cudaEventDestroy(stop));
	CK(cudaEventDestroy(cross));
	CK(cudaEventDestroy(untimed));
	return finish("streams_events");
}

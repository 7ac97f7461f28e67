/* Several streams with copies, kernels and host callbacks in order. */
#include <atomic>
#include "check.h"

#define STREAMS 4
#define CHUNK 8192

__global__ void square(const int *in, int *out, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		out[i] = in[i] * in[i];
}

struct job {
	int *host;
	int index;
	bool right, called;
};

static std::atomic<int> calls;

static void CUDART_CB on_done(void *arg)
{
	job *j = (job *)arg;

	j->right = true;
	for (int i = 0; i < CHUNK; i++) {
		int x = j->index * CHUNK + i;
		j->right &= j->host[i] == x * x;
	}
	j->called = true;
	calls++;
}

static void CUDART_CB on_stream(cudaStream_t s, cudaError_t e, void *arg)
{
	if (e == cudaSuccess && s)
		(*(std::atomic<int> *)arg)++;
}

int main()
{
	int *hin, *hout;
	cudaStream_t s[STREAMS];
	job j[STREAMS];
	std::atomic<int> old_style{ 0 };
	dev<int> din(STREAMS * CHUNK), dout(STREAMS * CHUNK);

	CK(cudaMallocHost(&hin, STREAMS * CHUNK * 4));
	CK(cudaMallocHost(&hout, STREAMS * CHUNK * 4));
	for (int i = 0; i < STREAMS * CHUNK; i++)
		hin[i] = i;
	for (int k = 0; k < STREAMS; k++)
		CK(cudaStreamCreateWithFlags(&s[k], k % 2 ? cudaStreamNonBlocking : cudaStreamDefault));
	for (int round = 0; round < 3; round++) {
		memset(hout, 0, STREAMS * CHUNK * 4);
		for (int k = 0; k < STREAMS; k++) {
			int off = k * CHUNK;
			j[k] = { hout + off, k, false, false };
			CK(cudaMemcpyAsync(din + off, hin + off, CHUNK * 4, cudaMemcpyHostToDevice, s[k]));
			square<<<CHUNK / 256, 256, 0, s[k]>>>(din + off, dout + off, CHUNK);
			CK(cudaMemcpyAsync(hout + off, dout + off, CHUNK * 4, cudaMemcpyDeviceToHost, s[k]));
			CK(cudaLaunchHostFunc(s[k], on_done, &j[k]));
			CK(cudaStreamAddCallback(s[k], on_stream, &old_style, 0));
		}
		for (int k = 0; k < STREAMS; k++) {
			CK(cudaStreamSynchronize(s[k]));
			EXPECT(j[k].called && j[k].right);
		}
		EXPECT(old_style == STREAMS * (round + 1));
	}
	EXPECT(calls == 3 * STREAMS);
	for (int k = 0; k < STREAMS; k++)
		CK(cudaStreamDestroy(s[k]));
	CK(cudaFreeHost(hin));
	CK(cudaFreeHost(hout));
	return finish("overlap_callbacks");
}

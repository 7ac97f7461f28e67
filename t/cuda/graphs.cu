/* Graphs through the runtime: captured from two streams, built by hand, changed, updated, cloned; host functions and copies in them. */
#include "check.h"

__global__ void scale(float *v, int n, float by)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		v[i] *= by;
}

__global__ void sum(const float *v, int n, float *out)
{
	float s = 0;

	for (int i = threadIdx.x; i < n; i += blockDim.x)
		s += v[i];
	atomicAdd(out, s);
}

static const int N = 1000;

static void count(void *arg)
{
	++*(int *)arg;
}

static cudaGraph_t captured(cudaStream_t a, cudaStream_t b, float *v, float *out, const float *from, float *to, float by, int *calls)
{
	cudaEvent_t fork, join;
	cudaGraph_t g;

	CK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
	CK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
	CK(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal));
	CK(cudaMemcpyAsync(v, from, N * sizeof(float), cudaMemcpyHostToDevice, a));
	CK(cudaEventRecord(fork, a));
	CK(cudaStreamWaitEvent(b, fork, 0));
	CK(cudaMemsetAsync(out, 0, sizeof(float), b));
	CK(cudaLaunchHostFunc(b, count, calls));
	CK(cudaEventRecord(join, b));
	scale<<<(N + 255) / 256, 256, 0, a>>>(v, N, by);
	CK_LAUNCH();
	CK(cudaStreamWaitEvent(a, join, 0));
	sum<<<1, 128, 0, a>>>(v, N, out);
	CK_LAUNCH();
	CK(cudaMemcpyAsync(to, out, sizeof(float), cudaMemcpyDeviceToHost, a));
	CK(cudaStreamEndCapture(a, &g));
	CK(cudaEventDestroy(fork));
	CK(cudaEventDestroy(join));
	return g;
}

int main()
{
	std::vector<float> from(N, 1);
	dev<float> v(N), out(1);
	cudaStream_t a, b;
	cudaGraph_t g, h, clone;
	cudaGraphExec_t e, e2;
	cudaGraphExecUpdateResultInfo info;
	float to = -1, by = 3;
	int calls = 0, n = N;
	size_t many = 0;

	CK(cudaStreamCreate(&a));
	CK(cudaStreamCreate(&b));
	g = captured(a, b, v, out, from.data(), &to, 2, &calls);
	CK(cudaDeviceSynchronize());
	EXPECT(to == -1 && calls == 0);  /* nothing has run */
	CK(cudaGraphGetNodes(g, NULL, &many));
	EXPECT(many == 6);
	CK(cudaGraphInstantiate(&e, g, 0));
	for (int i = 0; i < 20; i++) {
		from[0] = 1 + i;
		CK(cudaGraphLaunch(e, i & 1 ? a : b));
		CK(cudaStreamSynchronize(i & 1 ? a : b));
		EXPECT(to == 2 * (N + i));
	}
	EXPECT(calls == 20);
	/* the same shape with another factor */
	h = captured(a, b, v, out, from.data(), &to, 4, &calls);
	CK(cudaGraphExecUpdate(e, h, &info));
	EXPECT(info.result == cudaGraphExecUpdateSuccess);
	CK(cudaGraphLaunch(e, a));
	CK(cudaStreamSynchronize(a));
	EXPECT(to == 4 * (N + 19));
	/* one kernel's parameters in the executable graph alone */
	std::vector<cudaGraphNode_t> nodes(many);
	CK(cudaGraphGetNodes(g, nodes.data(), &many));
	for (auto node : nodes) {
		cudaGraphNodeType type;
		cudaKernelNodeParams p;

		CK(cudaGraphNodeGetType(node, &type));
		if (type != cudaGraphNodeTypeKernel)
			continue;
		CK(cudaGraphKernelNodeGetParams(node, &p));
		if (p.blockDim.x != 256)
			continue;
		EXPECT(p.gridDim.x == 4 && *(float *)p.kernelParams[2] == 2);
		float *ptr = v;
		void *params[] = { &ptr, &n, &by };
		p.kernelParams = params;
		CK(cudaGraphExecKernelNodeSetParams(e, node, &p));
	}
	CK(cudaGraphLaunch(e, a));
	CK(cudaStreamSynchronize(a));
	EXPECT(to == 3 * (N + 19));

	/* by hand: a child graph, and a node behind it */
	cudaGraph_t whole;
	cudaGraphNode_t child, fill, host;
	cudaMemsetParams m = {};
	cudaHostNodeParams hp = { count, &calls };

	CK(cudaGraphCreate(&whole, 0));
	CK(cudaGraphAddChildGraphNode(&child, whole, NULL, 0, g));
	m.dst = (float *)v;
	m.elementSize = 4;
	m.width = N;
	m.height = 1;
	m.value = 0x3f800000;
	CK(cudaGraphAddMemsetNode(&fill, whole, &child, 1, &m));
	CK(cudaGraphAddHostNode(&host, whole, &fill, 1, &hp));
	CK(cudaGraphClone(&clone, whole));
	CK(cudaGraphDestroy(whole));
	CK(cudaGraphInstantiate(&e2, clone, 0));
	calls = 0;
	CK(cudaGraphLaunch(e2, a));
	CK(cudaStreamSynchronize(a));
	EXPECT(to == 2 * (N + 19) && calls == 2);
	std::vector<float> got(N);
	CK(cudaMemcpy(got.data(), v, N * sizeof(float), cudaMemcpyDeviceToHost));
	for (float x : got)
		EXPECT(x == 1);

	/* what a capture can't hold ends it */
	CK(cudaStreamBeginCapture(a, cudaStreamCaptureModeRelaxed));
	EXPECT_ERR(cudaStreamSynchronize(a), cudaErrorStreamCaptureUnsupported);
	EXPECT_ERR(cudaStreamEndCapture(a, &whole), cudaErrorStreamCaptureInvalidated);
	CK(cudaStreamSynchronize(a));
	CK(cudaGraphExecDestroy(e));
	CK(cudaGraphExecDestroy(e2));
	CK(cudaGraphDestroy(g));
	CK(cudaGraphDestroy(h));
	CK(cudaGraphDestroy(clone));
	return finish("graphs");
}

/* Blocks that wait for each other by flags in memory: later ones for earlier, and the other way round. */
#include "check.h"

extern "C" __global__ void chain(volatile int *flag, int *sum, int backwards)
{
	int me = backwards ? gridDim.x - 1 - blockIdx.x : blockIdx.x;

	if (!threadIdx.x) {
		while (me && !flag[me - 1])
			;
		__threadfence();
		sum[me] = (me ? sum[me - 1] : 0) + me;
		__threadfence();
		flag[me] = 1;
	}
}

__global__ void ping_pong(volatile int *ball, int rounds)
{
	for (int r = 0; r < rounds; r++) {
		while (*ball != 2 * r + (int)blockIdx.x)
			;
		__threadfence();
		*ball = 2 * r + blockIdx.x + 1;
	}
}

int main()
{
	const int n = 40;
	dev<int> flag(n), sum(n), ball(1);

	for (int backwards = 0; backwards < 2; backwards++) {
		CK(cudaMemset(flag, 0, n * 4));
		chain<<<n, 32>>>(flag, sum, backwards);
		CK_LAUNCH();
		auto s = sum.get();
		for (int i = 0; i < n; i++)
			EXPECT(s[i] == i * (i + 1) / 2);
	}
	CK(cudaMemset(ball, 0, 4));
	ping_pong<<<2, 1>>>(ball, 50);
	CK_LAUNCH();
	EXPECT(ball.get()[0] == 100);
	return finish("spin_flags");
}

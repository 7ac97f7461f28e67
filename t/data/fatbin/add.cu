extern "C" __global__ void add(int *a, int b) { a[threadIdx.x] += b; }

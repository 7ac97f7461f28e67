/* 610-context.c: contexts: the stack of current ones, primary contexts, garbage, faults, local storage, threads, forks. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcuda-vgpu/vcu_ctx.h"
#include "t/610-fake.h"
#include "t/lib/tap.h"

#define CU_FN(base, ver, since, flags, params, args) CUresult cu##base##ver params;
#define CU_FN_PT(base, ver, since, pt, pt_since, flags, params, args) CUresult cu##base##ver params;
#include "libcuda-vgpu/api/init.def"
#include "libcuda-vgpu/api/device.def"
#include "libcuda-vgpu/api/ctx.def"
#undef CU_FN
#undef CU_FN_PT

static CUcontext current(void)
{
	CUcontext c = (CUcontext)1;

	return cuCtxGetCurrent(&c) ? (CUcontext)2 : c;
}

static void created(void)
{
	CUcontext a = NULL, b = NULL, out;
	unsigned version = 0, flags = 99;
	unsigned long long ida = 0, idb = 0;
	CUdevice d = 9;

	is_int(fake.sessions, 0, "no worker before the first context");
	is_int(cuCtxCreate_v2(&a, CU_CTX_SCHED_SPIN, 1), CUDA_SUCCESS, "a context");
	is_int(fake.sessions, 1, "… starts the worker");
	is_int(fake.last_device, 1, "… on its device");
	ok(current() == a, "… is current");
	is_int(cuCtxGetDevice(&d), CUDA_SUCCESS, "its device");
	is_int(d, 1, "… is the one asked for");
	is_int(cuCtxGetFlags(&flags), CUDA_SUCCESS, "its flags");
	is_int(flags, CU_CTX_SCHED_SPIN, "… are kept");
	is_int(cuCtxGetApiVersion(a, &version), CUDA_SUCCESS, "its version");
	is_int(version, 3020, "… is 3020");
	is_int(cuCtxCreate_v4(&b, NULL, 0, 0), CUDA_SUCCESS, "another one");
	is_int(fake.sessions, 1, "… with the same worker");
	ok(current() == b, "… is current now");
	cuCtxGetId(a, &ida);
	cuCtxGetId(NULL, &idb);
	ok(ida && idb && ida != idb, "each has its own id");
	is_int(cuCtxPopCurrent_v2(&out), CUDA_SUCCESS, "pop");
	ok(out == b && current() == a, "… gives the first one back");
	is_int(cuCtxPopCurrent_v2(NULL), CUDA_SUCCESS, "pop to nowhere");
	ok(!current(), "none is current");
	is_int(cuCtxPopCurrent_v2(&out), CUDA_ERROR_INVALID_CONTEXT, "nothing to pop");
	is_int(cuCtxGetDevice(&d), CUDA_ERROR_INVALID_CONTEXT, "no context, no device");
	is_int(cuCtxPushCurrent_v2(a), CUDA_SUCCESS, "push");
	is_int(cuCtxPushCurrent_v2(a), CUDA_SUCCESS, "push the same again");
	is_int(cuCtxSetCurrent(b), CUDA_SUCCESS, "set replaces the top");
	is_int(cuCtxSetCurrent(NULL), CUDA_SUCCESS, "set none takes it away");
	ok(current() == a, "… and what was below is current");
	is_int(cuCtxDestroy_v2(b), CUDA_SUCCESS, "destroy one that is not current");
	ok(current() == a, "… changes nothing here");
	is_int(cuCtxDestroy_v2(b), CUDA_ERROR_INVALID_CONTEXT, "destroy it twice");
	is_int(cuCtxSetCurrent(b), CUDA_ERROR_INVALID_CONTEXT, "use it after");
	is_int(cuCtxDestroy_v2(a), CUDA_SUCCESS, "destroy the current one");
	ok(!current(), "… pops it");
	is_int(fake.live_contexts, 0, "the worker has none left");
}

static void bad_arguments(void)
{
	CUexecAffinityParam affinity = { CU_EXEC_AFFINITY_TYPE_SM_COUNT };
	unsigned long long id;
	CUcontext c = NULL;
	CUdevice d;

	is_int(cuCtxCreate_v2(NULL, 0, 0), CUDA_ERROR_INVALID_VALUE, "no place for the context");
	is_int(cuCtxCreate_v2(&c, 0, 2), CUDA_ERROR_INVALID_DEVICE, "no such device");
	is_int(cuCtxCreate_v2(&c, 0, -1), CUDA_ERROR_INVALID_DEVICE, "nor that");
	is_int(cuCtxCreate_v2(&c, 0x1000, 0), CUDA_ERROR_INVALID_VALUE, "unknown flags");
	is_int(cuCtxCreate_v2(&c, CU_CTX_SCHED_SPIN | CU_CTX_SCHED_YIELD, 0), CUDA_ERROR_INVALID_VALUE,
	       "two ways of waiting");
	is_int(cuCtxCreate_v3(&c, &affinity, 1, 0, 0), CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY, "affinity");
	ok(!c && !fake.live_contexts, "none was made");
	is_int(cuCtxDestroy_v2(NULL), CUDA_ERROR_INVALID_CONTEXT, "destroy none");
	is_int(cuCtxPushCurrent_v2(NULL), CUDA_ERROR_INVALID_CONTEXT, "push none");
	is_int(cuCtxGetCurrent(NULL), CUDA_ERROR_INVALID_VALUE, "no place for the current one");
	is_int(cuCtxGetId(NULL, NULL), CUDA_ERROR_INVALID_VALUE, "no place for the id");
	is_int(cuCtxGetId(NULL, &id), CUDA_ERROR_INVALID_CONTEXT, "the id of none");
	is_int(cuCtxGetDevice(NULL), CUDA_ERROR_INVALID_VALUE, "no place for the device");
	is_int(cuCtxGetDevice(&d), CUDA_ERROR_INVALID_CONTEXT, "the device of none");
	is_int(cuCtxSynchronize(), CUDA_ERROR_INVALID_CONTEXT, "wait for none");
}

static void garbage(void)
{
	static const uintptr_t values[] = { 1, 2, 7, 64, 4096, 0xdeadbeef, 0x7fffffffffff, 0x8000000000000000ull,
					    UINTPTR_MAX, UINTPTR_MAX - 63 };
	unsigned bad = 0;
	char here[256];
	CUcontext c;

	cuDevicePrimaryCtxRetain(&c, 0);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		CUcontext g = (CUcontext)values[i];

		bad += cuCtxSetCurrent(g) != CUDA_ERROR_INVALID_CONTEXT;
		bad += cuCtxPushCurrent_v2(g) != CUDA_ERROR_INVALID_CONTEXT;
		bad += cuCtxDestroy_v2(g) != CUDA_ERROR_INVALID_CONTEXT;
		bad += cuCtxDetach(g) != CUDA_ERROR_INVALID_CONTEXT;
		bad += cuCtxSynchronize_v2(g) != CUDA_ERROR_INVALID_CONTEXT;
	}
	for (int i = -128; i < 128; i++) {
		if (!i)
			continue;
		bad += i % 64 && cuCtxPushCurrent_v2((CUcontext)((char *)c + i)) != CUDA_ERROR_INVALID_CONTEXT;
	}
	bad += cuCtxPushCurrent_v2((CUcontext)(void *)here) != CUDA_ERROR_INVALID_CONTEXT;
	bad += cuCtxPushCurrent_v2((CUcontext)(void *)garbage) != CUDA_ERROR_INVALID_CONTEXT;
	is_int(bad, 0, "values that are no contexts are refused");
	cuDevicePrimaryCtxRelease_v2(0);
}

static void primary(void)
{
	CUcontext a = NULL, b = NULL;
	unsigned flags = 9;
	int active = 9, before = fake.made_contexts;
	CUdevice d = 9;

	is_int(cuDevicePrimaryCtxGetState(0, &flags, &active), CUDA_SUCCESS, "state");
	ok(!flags && !active, "… inactive at first");
	is_int(cuDevicePrimaryCtxRelease_v2(0), CUDA_ERROR_INVALID_CONTEXT, "nothing to release");
	is_int(cuDevicePrimaryCtxSetFlags_v2(0, CU_CTX_SCHED_YIELD), CUDA_SUCCESS, "flags");
	is_int(cuDevicePrimaryCtxSetFlags_v2(0, 0x800), CUDA_ERROR_INVALID_VALUE, "bad flags");
	is_int(cuDevicePrimaryCtxRetain(&a, 0), CUDA_SUCCESS, "retain");
	is_int(cuDevicePrimaryCtxRetain(&b, 0), CUDA_SUCCESS, "retain again");
	ok(a && a == b, "… is the same context");
	is_int(fake.made_contexts, before + 1, "… made once");
	ok(!current(), "… not current");
	cuDevicePrimaryCtxGetState(0, &flags, &active);
	ok(active && flags == CU_CTX_SCHED_YIELD, "… active, with its flags");
	is_int(cuDevicePrimaryCtxSetFlags(0, 0), CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, "old SetFlags refuses while active");
	is_int(cuDevicePrimaryCtxSetFlags_v2(0, 0), CUDA_SUCCESS, "the newer one does not");
	is_int(cuCtxDestroy_v2(a), CUDA_ERROR_INVALID_CONTEXT, "it is not destroyed like others");
	cuCtxSetCurrent(a);
	is_int(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS, "release");
	is_int(cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_L1), CUDA_SUCCESS, "… still active");
	is_int(cuDevicePrimaryCtxRelease(0), CUDA_SUCCESS, "release the last");
	is_int(fake.live_contexts, 0, "… ends it");
	is_int(cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_L1), CUDA_ERROR_CONTEXT_IS_DESTROYED, "… for whom it is current");
	is_int(cuCtxGetDevice(&d), CUDA_SUCCESS, "its device is still known");
	ok(current() == a, "… and it is still current");
	is_int(cuDevicePrimaryCtxRetain(&b, 0), CUDA_SUCCESS, "retain anew");
	ok(a == b, "… has the same handle");
	is_int(cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_L1), CUDA_SUCCESS, "… and works again");
	is_int(cuDevicePrimaryCtxReset_v2(0), CUDA_SUCCESS, "reset");
	cuDevicePrimaryCtxGetState(0, &flags, &active);
	ok(!active, "… makes it inactive");
	is_int(cuDevicePrimaryCtxRetain(&b, 0), CUDA_SUCCESS, "retain after reset");
	is_int(cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_L1), CUDA_SUCCESS, "… works");
	cuDevicePrimaryCtxRelease_v2(0);
	cuDevicePrimaryCtxRelease_v2(0);
	cuCtxSetCurrent(NULL);
	is_int(fake.live_contexts, 0, "all gone");
	is_int(cuDevicePrimaryCtxRetain(NULL, 0), CUDA_ERROR_INVALID_VALUE, "no place for it");
	is_int(cuDevicePrimaryCtxRetain(&a, 5), CUDA_ERROR_INVALID_DEVICE, "no such device");
	is_int(cuDevicePrimaryCtxGetState(0, NULL, &active), CUDA_ERROR_INVALID_VALUE, "no place for flags");
}

static void settings(void)
{
	CUcontext c, p;
	int least = 9, greatest = 9;
	size_t v = 0;
	CUfunc_cache cache;
	CUsharedconfig shared;

	cuCtxCreate_v2(&p, 0, 1);
	cuCtxCreate_v2(&c, 0, 0);
	is_int(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 4096), CUDA_SUCCESS, "stack limit");
	is_int(cuCtxGetLimit(&v, CU_LIMIT_STACK_SIZE), CUDA_SUCCESS, "… read");
	is_int((long long)v, 4096, "… as the worker has it");
	is_int(cuCtxSetLimit(CU_LIMIT_MAX_L2_FETCH_GRANULARITY, 1000), CUDA_SUCCESS, "a hint");
	cuCtxGetLimit(&v, CU_LIMIT_MAX_L2_FETCH_GRANULARITY);
	is_int((long long)v, 128, "… is clamped");
	is_int(cuCtxSetLimit(CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH, 3), CUDA_ERROR_UNSUPPORTED_LIMIT, "no launches by kernels");
	is_int(cuCtxSetLimit(CU_LIMIT_MAX, 3), CUDA_ERROR_INVALID_VALUE, "no such limit");
	is_int(cuCtxGetLimit(NULL, CU_LIMIT_STACK_SIZE), CUDA_ERROR_INVALID_VALUE, "no place for it");
	is_int(cuCtxGetStreamPriorityRange(&least, &greatest), CUDA_SUCCESS, "priorities");
	ok(least == 0 && greatest < 0, "… lower is greater");
	is_int(cuCtxGetStreamPriorityRange(NULL, NULL), CUDA_SUCCESS, "nobody wants to know");
	is_int(cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_EQUAL), CUDA_SUCCESS, "cache");
	cuCtxGetCacheConfig(&cache);
	is_int(cache, CU_FUNC_CACHE_PREFER_EQUAL, "… kept");
	is_int(cuCtxSetCacheConfig(77), CUDA_ERROR_INVALID_VALUE, "no such preference");
	is_int(cuCtxSetSharedMemConfig(CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE), CUDA_SUCCESS, "banks");
	cuCtxGetSharedMemConfig(&shared);
	is_int(shared, CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE, "… kept");
	is_int(cuCtxEnablePeerAccess(p, 0), CUDA_SUCCESS, "peer access");
	is_int(cuCtxEnablePeerAccess(p, 0), CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, "… twice");
	is_int(cuCtxDisablePeerAccess(p), CUDA_SUCCESS, "… ended");
	is_int(cuCtxDisablePeerAccess(p), CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, "… twice");
	is_int(cuCtxEnablePeerAccess(p, 1), CUDA_ERROR_INVALID_VALUE, "… with flags");
	is_int(cuCtxEnablePeerAccess(c, 0), CUDA_ERROR_INVALID_CONTEXT, "… to itself");
	is_int(cuCtxResetPersistingL2Cache(), CUDA_SUCCESS, "persisting lines");
	cuCtxDestroy_v2(c);
	cuCtxDestroy_v2(p);
}

static int dtor_calls;
static void *dtor_value;

static void dtor(CUcontext c, void *key, void *value)
{
	dtor_calls++;
	dtor_value = value;
}

typedef CUresult (*put_fn)(CUcontext, void *, void *, vcu_cls_dtor);
typedef CUresult (*del_fn)(CUcontext, void *);
typedef CUresult (*get_fn)(void **, CUcontext, void *);

static void storage(void)
{
	static const CUuuid id = { { (char)0xc6, (char)0x93, 0x33, 0x6e, 0x11, 0x21, (char)0xdf, 0x11, (char)0xa8,
				     (char)0xc3, 0x68, (char)0xf3, 0x55, (char)0xd8, (char)0x95, (char)0x93 } };
	static const CUuuid unknown = { { 1, 2, 3 } };
	const void *t = (void *)1;
	void *const *slot;
	char keys[100];
	void *v = NULL;
	unsigned bad = 0;
	CUcontext c;

	is_int(cuGetExportTable(&t, &unknown), CUDA_ERROR_INVALID_VALUE, "an unknown table is refused");
	ok(!t, "… with none");
	is_int(cuGetExportTable(&t, NULL), CUDA_ERROR_INVALID_VALUE, "no table's name");
	is_int(cuGetExportTable(NULL, &id), CUDA_ERROR_INVALID_VALUE, "no place for it");
	is_int(cuGetExportTable(&t, &id), CUDA_SUCCESS, "context local storage");
	slot = t;
	put_fn put = (put_fn)slot[0];
	del_fn del = (del_fn)slot[1];
	get_fn get = (get_fn)slot[2];

	is_int(get(&v, NULL, keys), CUDA_ERROR_INVALID_CONTEXT, "no context, no storage");
	cuDevicePrimaryCtxRetain(&c, 0);
	cuCtxSetCurrent(c);
	is_int(get(&v, NULL, keys), CUDA_ERROR_INVALID_HANDLE, "nothing there");
	is_int(put(NULL, keys, &v, dtor), CUDA_SUCCESS, "put");
	is_int(get(&v, c, keys), CUDA_SUCCESS, "get");
	ok(v == &v, "… the same");
	for (int i = 1; i < 100; i++)
		bad += put(c, keys + i, keys + i, NULL) != CUDA_SUCCESS;
	for (int i = 1; i < 100; i++)
		bad += get(&v, NULL, keys + i) != CUDA_SUCCESS || v != keys + i;
	for (int i = 1; i < 100; i += 2)
		bad += del(NULL, keys + i) != CUDA_SUCCESS;
	for (int i = 1; i < 100; i++)
		bad += get(&v, NULL, keys + i) != (i % 2 ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS);
	is_int(bad, 0, "many keys live side by side");
	is_int(del(NULL, keys + 1), CUDA_ERROR_INVALID_HANDLE, "delete what is not there");
	is_int(dtor_calls, 0, "no destructor ran yet");
	cuDevicePrimaryCtxReset_v2(0);
	is_int(dtor_calls, 1, "reset runs destructors");
	ok(dtor_value == &v, "… with the value");
	is_int(get(&v, NULL, keys), CUDA_ERROR_INVALID_HANDLE, "… and empties the storage");
	cuDevicePrimaryCtxRelease_v2(0);
	cuCtxSetCurrent(NULL);
}

static void faults(void)
{
	CUcontext a, b;
	CUfunc_cache cache;

	cuCtxCreate_v2(&a, 0, 0);
	cuCtxCreate_v2(&b, 0, 0);
	fake.ctx_status[1] = VGPU_E_ILLEGAL_ADDRESS;
	is_int(cuCtxGetCacheConfig(&cache), CUDA_ERROR_ILLEGAL_ADDRESS, "a fault shows in the next call");
	fake.ctx_status[1] = 0;
	is_int(cuCtxGetCacheConfig(&cache), CUDA_ERROR_ILLEGAL_ADDRESS, "… and stays");
	is_int(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS, "… for waiting, too");
	cuCtxPopCurrent_v2(NULL);
	is_int(cuCtxGetCacheConfig(&cache), CUDA_SUCCESS, "other contexts go on");
	is_int(cuCtxDestroy_v2(b), CUDA_SUCCESS, "a faulty one can be destroyed");
	cuCtxDestroy_v2(a);

	fake.fail_op = VGP_OP_CTX_CREATE;
	fake.fail_status = VGPU_E_NOMEM;
	a = NULL;
	is_int(cuCtxCreate_v2(&a, 0, 0), CUDA_ERROR_OUT_OF_MEMORY, "no room for a context");
	ok(!a && !current(), "… leaves nothing");
	is_int(cuDevicePrimaryCtxRetain(&a, 0), CUDA_ERROR_OUT_OF_MEMORY, "nor for a primary one");
	is_int(cuDevicePrimaryCtxRelease_v2(0), CUDA_ERROR_INVALID_CONTEXT, "… which is not retained");
	fake.fail_op = 0;
}

static void worker_dies(void)
{
	int before = fake.sessions;
	CUcontext a, b;
	CUfunc_cache cache;

	cuCtxCreate_v2(&a, 0, 0);
	fake_kill();
	ok(cuCtxGetCacheConfig(&cache) != CUDA_SUCCESS, "the worker is gone");
	ok(cuCtxCreate_v2(&b, 0, 0) != CUDA_SUCCESS, "… and no other context helps while one is lost");
	is_int(cuCtxDestroy_v2(a), CUDA_SUCCESS, "the lost one can be destroyed");
	is_int(cuCtxCreate_v2(&a, 0, 0), CUDA_SUCCESS, "a new one");
	is_int(fake.sessions, before + 1, "… gets a new worker");
	is_int(cuCtxGetCacheConfig(&cache), CUDA_SUCCESS, "… and works");
	cuCtxDestroy_v2(a);
}

static CUcontext shared_ctx;

static void *other_thread(void *arg)
{
	CUfunc_cache cache;
	intptr_t bad = 0;

	bad += current() != NULL;
	bad += cuCtxSetCurrent(shared_ctx) != CUDA_SUCCESS;
	bad += cuCtxGetCacheConfig(&cache) != CUDA_SUCCESS;
	for (int i = 0; i < 20; i++)
		bad += cuCtxPushCurrent_v2(shared_ctx) != CUDA_SUCCESS;
	return (void *)bad;
}

static void *waiting_thread(void *arg)
{
	pthread_barrier_t *step = arg;
	CUfunc_cache cache;
	intptr_t bad = 0;

	bad += cuCtxSetCurrent(shared_ctx) != CUDA_SUCCESS;
	pthread_barrier_wait(step);
	pthread_barrier_wait(step);
	bad += cuCtxGetCacheConfig(&cache) != CUDA_ERROR_CONTEXT_IS_DESTROYED;
	bad += cuCtxPopCurrent_v2(NULL) != CUDA_SUCCESS;
	bad += current() != NULL;
	return (void *)bad;
}

static void *retain_thread(void *arg)
{
	intptr_t bad = 0;
	CUcontext c;

	for (int i = 0; i < 200; i++) {
		bad += cuDevicePrimaryCtxRetain(&c, i % 2) != CUDA_SUCCESS;
		bad += cuCtxSetCurrent(c) != CUDA_SUCCESS;
		bad += cuDevicePrimaryCtxRelease_v2(i % 2) != CUDA_SUCCESS;
	}
	return (void *)bad;
}

static void threads(void)
{
	pthread_barrier_t step;
	pthread_t t[4];
	void *bad;
	intptr_t sum = 0;

	cuCtxCreate_v2(&shared_ctx, 0, 0);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, other_thread, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &bad);
		sum += (intptr_t)bad;
	}
	is_int(sum, 0, "each thread has a stack of its own");
	pthread_barrier_init(&step, NULL, 2);
	pthread_create(&t[0], NULL, waiting_thread, &step);
	pthread_barrier_wait(&step);
	cuCtxDestroy_v2(shared_ctx);
	pthread_barrier_wait(&step);
	pthread_join(t[0], &bad);
	is_int((intptr_t)bad, 0, "a context that another thread destroyed is gone");
	sum = 0;
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, retain_thread, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &bad);
		sum += (intptr_t)bad;
	}
	is_int(sum, 0, "threads retain and release at once");
	is_int(fake.live_contexts, 0, "… and all is gone at the end");
}

static void attach(void)
{
	CUcontext c, again;

	cuCtxCreate_v2(&c, 0, 0);
	is_int(cuCtxAttach(&again, 0), CUDA_SUCCESS, "attach");
	ok(again == c, "… is the current one");
	is_int(cuCtxDetach(c), CUDA_SUCCESS, "detach");
	ok(current() == c, "… leaves it");
	is_int(cuCtxDetach(c), CUDA_SUCCESS, "detach the last");
	ok(!current(), "… ends it");
	is_int(cuCtxAttach(&again, 0), CUDA_ERROR_INVALID_CONTEXT, "nothing to attach to");
}

static void in_child(void)
{
	CUcontext c;
	int st = 0;
	pid_t pid;

	cuCtxCreate_v2(&c, 0, 0);
	pid = fork();
	if (pid == 0)
		exit(cuCtxDestroy_v2(c) != CUDA_ERROR_NOT_INITIALIZED || cuInit(0) != CUDA_ERROR_NOT_INITIALIZED);
	waitpid(pid, &st, 0);
	is_int(st, 0, "a child has nothing of its parent's, and harms nothing");
	is_int(cuCtxDestroy_v2(c), CUDA_SUCCESS, "the parent goes on");
}

int main(void)
{
	static struct vgpu_device devs[2];

	plan_lazy();
	for (unsigned i = 0; i < 2; i++) {
		vgpu_device_init(&devs[i]);
		snprintf(devs[i].uuid, sizeof(devs[i].uuid), "GPU-%08x-1111-2222-3333-444444444444", i);
		snprintf(devs[i].pci, sizeof(devs[i].pci), "0000:0%u:00.0", i + 1);
		devs[i].index = devs[i].minor = i;
	}
	fake_install(devs, 2);
	is_int(cuInit(0), CUDA_SUCCESS, "cuInit");
	created();
	bad_arguments();
	garbage();
	primary();
	settings();
	storage();
	faults();
	worker_dies();
	threads();
	attach();
	in_child();
	return 0;
}

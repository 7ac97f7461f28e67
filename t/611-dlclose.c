/*
 * 611-dlclose.c: the library comes and goes: loops of dlopen, use, dlclose
 * leave no memory, descriptors or threads behind; exit in any state.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcuda-vgpu/cu_abi.h"
#include "t/lib/tap.h"
#include "util/device.h"

static void make_node(void)
{
	static struct vgpu_device d;
	struct vgpu_buf b = VGPU_BUF_INIT;
	char path[300];
	FILE *f;

	vgpu_device_init(&d);
	strcpy(d.uuid, "GPU-00000000-1111-2222-3333-444444444444");
	strcpy(d.pci, "0000:01:00.0");
	vgpu_devtab_print(&b, &d, 1);
	snprintf(path, sizeof(path), "%s/nvidiactl", test_tmpdir());
	f = fopen(path, "w");
	if (!f || fputs(vgpu_buf_text(&b), f) < 0 || fclose(f))
		bail("%s can't be written", path);
	vgpu_buf_free(&b);
	snprintf(path, sizeof(path), "%s/nvidia0", test_tmpdir());
	f = fopen(path, "w");
	if (!f || fclose(f))
		bail("%s can't be written", path);
	setenv("VGPU_PATH", test_tmpdir(), 1);
}

static int threads_of_process(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

static int maps_of_library(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, "libcuda.so") != NULL;
	if (f)
		fclose(f);
	return n;
}

static int use(void *lib)
{
	CUresult (*init)(unsigned) = dlsym(lib, "cuInit");
	CUresult (*count)(int *) = dlsym(lib, "cuDeviceGetCount");
	CUresult (*set)(CUcontext) = dlsym(lib, "cuCtxSetCurrent");
	int n = 0;

	return init && count && set && !init(0) && !count(&n) && n == 1 && !set(NULL);
}

static void *use_in_thread(void *lib)
{
	return (void *)(intptr_t)use(lib);
}

static int one_round(void)
{
	void *lib = dlopen(test_build("libcuda-vgpu/libcuda.so"), RTLD_NOW | RTLD_LOCAL), *ok_there = NULL;
	pthread_t t;
	int good;

	if (!lib)
		bail("dlopen: %s", dlerror());
	good = use(lib);
	pthread_create(&t, NULL, use_in_thread, lib);
	pthread_join(t, &ok_there);
	return dlclose(lib) == 0 && good && ok_there;
}

/* A thread that used the library and outlives it. */
static void *outlive(void *arg)
{
	pthread_barrier_t *b = arg;
	void *lib = dlopen(test_build("libcuda-vgpu/libcuda.so"), RTLD_NOW | RTLD_LOCAL);
	int good = lib && use(lib);

	pthread_barrier_wait(b);
	pthread_barrier_wait(b);
	return (void *)(intptr_t)good;
}

static void thread_outlives(void)
{
	void *lib = dlopen(test_build("libcuda-vgpu/libcuda.so"), RTLD_NOW | RTLD_LOCAL), *same, *good;
	pthread_barrier_t b;
	pthread_t t;

	pthread_barrier_init(&b, NULL, 2);
	pthread_create(&t, NULL, outlive, &b);
	pthread_barrier_wait(&b);
	same = dlopen(test_build("libcuda-vgpu/libcuda.so"), RTLD_NOW | RTLD_NOLOAD);
	dlclose(same);
	dlclose(lib);
	dlclose(lib);
	is_int(maps_of_library(), 0, "unloaded under a thread that used it");
	pthread_barrier_wait(&b);
	pthread_join(t, &good);
	ok(good != NULL, "… which ends in peace");
}

static void *sleeper(void *lib)
{
	CUresult (*count)(int *) = dlsym(lib, "cuDeviceGetCount");
	int n;

	for (;;)
		count(&n);
	return NULL;
}

/* exit() in a process whose threads are inside the library. */
static int exit_status(int with_threads)
{
	pid_t pid = fork();
	int st = -1;

	if (pid == 0) {
		void *lib = dlopen(test_build("libcuda-vgpu/libcuda.so"), RTLD_NOW);
		pthread_t t;

		if (!lib || !use(lib))
			_exit(3);
		for (int i = 0; i < with_threads; i++)
			pthread_create(&t, NULL, sleeper, lib);
		usleep(with_threads ? 20000 : 0);
		exit(0);
	}
	waitpid(pid, &st, 0);
	return st;
}

int main(void)
{
	size_t before, after;
	int fds, good = 1;

	plan_lazy();
	make_node();
	for (int i = 0; i < 20; i++)
		good &= one_round();
	fds = test_open_fds();
	before = mallinfo2().uordblks;
	for (int i = 0; i < 300; i++)
		good &= one_round();
	after = mallinfo2().uordblks;
	ok(good, "dlopen, use here and in a thread, dlclose, 300 times");
	is_int(test_open_fds(), fds, "no descriptor is left");
	is_int(threads_of_process(), 1, "no thread is left");
	is_int(maps_of_library(), 0, "the library is unmapped");
	/* A sanitizer's malloc does not answer mallinfo2: then both are 0, and it looks for leaks itself. */
	ok(after < before + 20000, "no memory is left: %zu bytes before, %zu after", before, after);
	thread_outlives();
	is_int(exit_status(0), 0, "exit with the library in use");
	is_int(exit_status(3), 0, "exit with threads inside");
	return 0;
}

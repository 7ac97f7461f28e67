/*
 * 605-device.c: cuInit and the device functions, over a directory of plain
 * files that read as nodes do: no mount, no worker.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcuda-vgpu/vcu_entry.h"
#include "t/lib/tap.h"

#define CU_FN(base, ver, since, flags, params, args) CUresult cu##base##ver params;
#define CU_FN_PT(base, ver, since, pt, pt_since, flags, params, args) CUresult cu##base##ver params;
#include "libcuda-vgpu/api/init.def"
#include "libcuda-vgpu/api/device.def"
#include "libcuda-vgpu/api/misc.def"
#undef CU_FN
#undef CU_FN_PT

static char dir[256];
static struct vgpu_device devs[2];

static void write_file(const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		bail("%s can't be written", path);
}

static void make_nodes(void)
{
	struct vgpu_buf b = VGPU_BUF_INIT;

	for (unsigned i = 0; i < 2; i++) {
		struct vgpu_device *d = &devs[i];

		vgpu_device_init(d);
		snprintf(d->uuid, sizeof(d->uuid), "GPU-%08x-1111-2222-3333-444444444444", 0xabc0 + i);
		snprintf(d->pci, sizeof(d->pci), "000%u:%02x:1f.0", i, 0xa0 + i);
		d->index = d->minor = i;
	}
	vgpu_devtab_print(&b, devs, 2);
	snprintf(dir, sizeof(dir), "%s", test_tmpdir());
	write_file("nvidiactl", vgpu_buf_text(&b));
	write_file("nvidia0", "");
	write_file("nvidia1", "");
	vgpu_buf_free(&b);
	setenv("VGPU_PATH", dir, 1);
}

/* The answer of cuInit and the count of devices in a child with those variables. */
static int in_child(const char *visible, const char *path, int *count)
{
	int pipefd[2], answer[2] = { -1, -1 };
	pid_t pid;

	if (pipe(pipefd) || (pid = fork()) < 0)
		bail("fork");
	if (pid == 0) {
		setenv("VGPU_PATH", path, 1);
		if (visible)
			setenv("CUDA_VISIBLE_DEVICES", visible, 1);
		answer[0] = cuInit(0);
		if (cuDeviceGetCount(&answer[1]))
			answer[1] = -1;
		_exit(write(pipefd[1], answer, sizeof(answer)) != sizeof(answer));
	}
	close(pipefd[1]);
	if (read(pipefd[0], answer, sizeof(answer)) != sizeof(answer))
		answer[0] = -1;
	close(pipefd[0]);
	waitpid(pid, NULL, 0);
	*count = answer[1];
	return answer[0];
}

static void before_init(void)
{
	int v = 0, n = 0;
	CUdevice d;

	is_int(cuDeviceGetCount(&n), CUDA_ERROR_NOT_INITIALIZED, "no call works before cuInit");
	is_int(cuDeviceGet(&d, 0), CUDA_ERROR_NOT_INITIALIZED, "none");
	is_int(cuDriverGetVersion(&v), CUDA_SUCCESS, "but the version is known");
	is_int(v, 13000, "13.0");
	is_int(cuDriverGetVersion(NULL), CUDA_ERROR_INVALID_VALUE, "no place for it");
	is_int(cuInit(1), CUDA_ERROR_INVALID_VALUE, "cuInit takes no flags");
	is_int(in_child(NULL, "/nonexistent", &n), access("/dev/nvidiactl", R_OK) && access("/run/vgpufs/dev", X_OK)
	       ? CUDA_ERROR_NO_DEVICE : CUDA_SUCCESS, "no node, no device");
	is_int(in_child("", dir, &n), CUDA_ERROR_NO_DEVICE, "no visible device, no device");
	is_int(n, -1, "… and nothing works");
	is_int(in_child("1", dir, &n), CUDA_SUCCESS, "one visible device");
	is_int(n, 1, "… is counted");
	is_int(in_child("GPU-0000abc1,GPU-0000abc0", dir, &n), CUDA_SUCCESS, "two by UUID");
	is_int(n, 2, "… are counted");
}

static void attributes(void)
{
	unsigned bad = 0;
	int v;

	for (int a = 1; a < CU_DEVICE_ATTRIBUTE_MAX; a++)
		if (cuDeviceGetAttribute(&v, (CUdevice_attribute)a, 0)) {
			diag("attribute %d fails", a);
			bad++;
		}
	is_int(bad, 0, "all %d attributes answer", CU_DEVICE_ATTRIBUTE_MAX - 1);
	is_int(cuDeviceGetAttribute(&v, 0, 0), CUDA_ERROR_INVALID_VALUE, "attribute 0");
	is_int(cuDeviceGetAttribute(&v, CU_DEVICE_ATTRIBUTE_MAX, 0), CUDA_ERROR_INVALID_VALUE, "one too high");
	is_int(cuDeviceGetAttribute(&v, (CUdevice_attribute)INT_MIN, 0), CUDA_ERROR_INVALID_VALUE, "a negative one");
	is_int(cuDeviceGetAttribute(NULL, 1, 0), CUDA_ERROR_INVALID_VALUE, "no place for the value");
	is_int(cuDeviceGetAttribute(&v, 1, 2), CUDA_ERROR_INVALID_DEVICE, "no such device");
	is_int(cuDeviceGetAttribute(&v, 1, -1), CUDA_ERROR_INVALID_DEVICE, "nor a negative one");
	cuDeviceGetAttribute(&v, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, 1);
	is_int(v, 0xa1, "PCI bus");
	cuDeviceGetAttribute(&v, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, 1);
	is_int(v, 1, "PCI domain");
	cuDeviceGetAttribute(&v, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0);
	is_int(v, 32, "warp size");
	cuDeviceGetAttribute(&v, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0);
	is_int(v, (int)devs[0].sm_count, "multiprocessors");
	cuDeviceGetAttribute(&v, CU_DEVICE_ATTRIBUTE_GPU_PCI_DEVICE_ID, 0);
	is_hex((unsigned)v, devs[0].pci_device << 16 | devs[0].pci_vendor, "PCI ids");
}

static void compute_capability(void)
{
	CUresult (*call)(void *, int *, CUdevice_attribute, CUdevice);
	void *lib = dlopen(test_build("t/605-lib/libcublas.so"), RTLD_NOW);
	void *prog = dlopen(test_build("t/605-lib/libmine.so"), RTLD_NOW);
	int major = 0, minor = -1, v = 0;

	is_int(cuDeviceComputeCapability(&major, &minor, 0), CUDA_SUCCESS, "compute capability");
	is_int(major * 10 + minor, (int)devs[0].compute_cap, "… of programs");
	cuDeviceGetAttribute(&v, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0);
	is_int(v, (int)devs[0].compute_cap / 10, "… as an attribute");
	if (!lib || !prog)
		bail("dlopen: %s", dlerror());
	call = dlsym(lib, "call_attribute");
	is_int(call(cuDeviceGetAttribute, &v, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0), CUDA_SUCCESS,
	       "a library asks");
	is_int(v, (int)devs[0].library_compute_cap / 10, "… and sees that of libraries");
	call = dlsym(prog, "call_attribute");
	call(cuDeviceGetAttribute, &v, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0);
	is_int(v, (int)devs[0].compute_cap / 10, "a library of the program sees the program's");
}

static void identity(void)
{
	uint8_t want[16];
	unsigned small;
	char name[128];
	CUuuid uuid;
	size_t mem;

	is_int(cuDeviceGetName(name, sizeof(name), 0), CUDA_SUCCESS, "name");
	is_string(name, devs[0].name, "… of the device");
	is_int(cuDeviceGetName(name, 4, 0), CUDA_SUCCESS, "a short place");
	is_int((int)strlen(name), 3, "… gets a cut name");
	is_int(cuDeviceGetName(name, 0, 0), CUDA_ERROR_INVALID_VALUE, "no place at all");
	is_int(cuDeviceGetName(NULL, 10, 0), CUDA_ERROR_INVALID_VALUE, "NULL");
	is_int(cuDeviceGetName(name, 10, 9), CUDA_ERROR_INVALID_DEVICE, "no such device");
	vgpu_uuid_parse(devs[1].uuid, want, NULL);
	is_int(cuDeviceGetUuid(&uuid, 1), CUDA_SUCCESS, "UUID");
	is_blob(&uuid, want, 16, "… as in its text");
	is_int(cuDeviceGetUuid_v2(NULL, 1), CUDA_ERROR_INVALID_VALUE, "no place for it");
	is_int(cuDeviceTotalMem_v2(&mem, 0), CUDA_SUCCESS, "memory");
	is_int((long long)mem, (long long)devs[0].memory_total, "… all of it");
	is_int(cuDeviceTotalMem(&small, 0), CUDA_SUCCESS, "memory in 32 bits");
	is_int(small, UINT_MAX, "… as much as fits");
}

static void pci(void)
{
	static const struct {
		const char *id;
		int result, dev;
	} v[] = {
		{ "0001:A1:1F.0", 0, 1 }, { "0001:a1:1f.0", 0, 1 }, { "1:a1:1f", 0, 1 }, { "a0:1f.0", 0, 0 },
		{ "A0:1F", 0, 0 }, { "00000001:a1:1f.0", 0, 1 },
		{ "0001:a1:1f.1", 101, 0 }, { "0002:a1:1f.0", 101, 0 }, { "a1:1f.0", 101, 0 },
		{ "", 1, 0 }, { "gpu", 1, 0 }, { "0001:a1:1f.0 ", 1, 0 }, { "0001:a1:1f.0x", 1, 0 }, { "-1:a1:1f", 1, 0 },
		{ "0001:a1:1f.", 1, 0 },
	};
	char id[32];
	CUdevice d;

	is_int(cuDeviceGetPCIBusId(id, sizeof(id), 1), CUDA_SUCCESS, "PCI address");
	is_string(id, "0001:A1:1F.0", "… in CUDA's spelling");
	is_int(cuDeviceGetPCIBusId(id, 12, 1), CUDA_ERROR_INVALID_VALUE, "too short a place");
	is_int(cuDeviceGetPCIBusId(id, 13, 1), CUDA_SUCCESS, "just enough");
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		d = 0;
		is_int(cuDeviceGetByPCIBusId(&d, v[i].id), v[i].result, "\"%s\"", v[i].id);
		is_int(d, v[i].dev, "… is device %d", v[i].dev);
	}
	is_int(cuDeviceGetByPCIBusId(NULL, "a0:1f"), CUDA_ERROR_INVALID_VALUE, "no place for the device");
	is_int(cuDeviceGetByPCIBusId(&d, NULL), CUDA_ERROR_INVALID_VALUE, "no address");
}

static void peers(void)
{
	CUatomicOperation op = CU_ATOMIC_OPERATION_CAS;
	unsigned caps = 99;
	CUdevprop prop;
	int v = 7;

	is_int(cuDeviceCanAccessPeer(&v, 0, 1), CUDA_SUCCESS, "peers");
	is_int(v, 1, "… see each other's memory");
	cuDeviceCanAccessPeer(&v, 0, 0);
	is_int(v, 0, "a device is no peer of itself");
	is_int(cuDeviceCanAccessPeer(&v, 0, 5), CUDA_ERROR_INVALID_DEVICE, "no such peer");
	is_int(cuDeviceGetP2PAttribute(&v, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, 1), CUDA_SUCCESS, "attribute");
	is_int(v, 1, "… access");
	is_int(cuDeviceGetP2PAttribute(&v, 99, 0, 1), CUDA_ERROR_INVALID_VALUE, "no such attribute");
	is_int(cuDeviceGetP2PAttribute(&v, 2, 1, 1), CUDA_ERROR_INVALID_DEVICE, "the same device twice");
	is_int(cuDeviceGetHostAtomicCapabilities(&caps, &op, 1, 0), CUDA_SUCCESS, "atomics on host memory");
	is_int(caps, 0, "… none");
	is_int(cuDeviceGetHostAtomicCapabilities(&caps, &op, 0, 0), CUDA_ERROR_INVALID_VALUE, "none asked");
	is_int(cuDeviceGetProperties(&prop, 0), CUDA_SUCCESS, "properties");
	is_int(prop.SIMDWidth, 32, "… warp size");
	is_int(prop.maxThreadsDim[2], 64, "… block size");
}

static void errors(void)
{
	const char *s = NULL;

	is_int(cuGetErrorName(CUDA_ERROR_ILLEGAL_ADDRESS, &s), CUDA_SUCCESS, "name of an error");
	is_string(s, "CUDA_ERROR_ILLEGAL_ADDRESS", "… as in the enum");
	is_int(cuGetErrorString(CUDA_ERROR_ILLEGAL_ADDRESS, &s), CUDA_SUCCESS, "text of an error");
	is_string(s, "an illegal memory access was encountered", "… as programs know it");
	cuGetErrorName(CUDA_SUCCESS, &s);
	is_string(s, "CUDA_SUCCESS", "success has a name, too");
	is_int(cuGetErrorName(12345, &s), CUDA_ERROR_INVALID_VALUE, "no such error");
	ok(!s, "… and no name");
	is_int(cuGetErrorString(CUDA_SUCCESS, NULL), CUDA_ERROR_INVALID_VALUE, "no place for it");
}

static void after_fork(void)
{
	pid_t pid = fork();
	int st = 0, n;

	if (pid == 0) {
		if (cuDeviceGetCount(&n) != CUDA_ERROR_NOT_INITIALIZED)
			_exit(1);
		if (cuInit(0) != CUDA_ERROR_NOT_INITIALIZED)
			_exit(2);
		if (cuDriverGetVersion(&n) != CUDA_SUCCESS)
			_exit(3);
		exit(0);
	}
	waitpid(pid, &st, 0);
	is_int(st, 0, "a forked child is told that nothing is initialised, and ends in peace");
	is_int(cuDeviceGetCount(&n), CUDA_SUCCESS, "its parent goes on");
}

int main(void)
{
	CUlogIterator it = 0;
	int fds, n = 0;
	char text[1024];
	size_t size = sizeof(text);
	CUdevice d = 9;

	plan_lazy();
	make_nodes();
	before_init();
	fds = test_open_fds();
	is_int(cuInit(0), CUDA_SUCCESS, "cuInit");
	is_int(cuInit(0), CUDA_SUCCESS, "once more");
	is_int(test_open_fds(), fds, "enumeration leaves nothing open");
	is_int(cuDeviceGetCount(&n), CUDA_SUCCESS, "count");
	is_int(n, 2, "… of two");
	is_int(cuDeviceGetCount(NULL), CUDA_ERROR_INVALID_VALUE, "no place for it");
	is_int(cuDeviceGet(&d, 1), CUDA_SUCCESS, "device 1");
	is_int(d, 1, "… is 1");
	is_int(cuDeviceGet(&d, 2), CUDA_ERROR_INVALID_DEVICE, "there is no device 2");
	is_int(cuDeviceGet(&d, -1), CUDA_ERROR_INVALID_DEVICE, "nor -1");
	attributes();
	compute_capability();
	identity();
	pci();
	peers();
	errors();
	after_fork();
	is_int(cuLogsDumpToMemory(&it, text, &size, 0), CUDA_SUCCESS, "the log can be read");
	is_int((long long)strlen(text), (long long)size, "… as long as it says");
	return 0;
}

/*
 * 652-consistent.c: whoever is asked about a device while programs run says
 * the same: libcuda, NVML, /proc, sysfs, devices/, vgpuctl and metrics.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "protocol/vgp_mon.h"
#include "t/lib/cuchild.h"
#include "t/lib/mount.h"
#include "t/lib/tap.h"
#include "transport/transport.h"
#include "util/device.h"
#include "util/sys.h"

#define N 3

static const struct test_mount *m;
static struct vgpu_device devs[VGPU_MAX_DEVICES];
static const char *ctl;

/* The file's text without the newline at its end; static storage, eight deep. */
static const char *file(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *file(const char *fmt, ...)
{
	static char text[8][8192];
	static unsigned at;
	char path[600], *data = NULL, *out = text[at++ % 8];
	int n = snprintf(path, sizeof(path), "%s/", m->mnt);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	out[0] = 0;
	if (vgpu_read_file(path, 8000, &data, NULL, NULL) == 0)
		snprintf(out, 8192, "%s", data);
	free(data);
	n = (int)strlen(out);
	if (n && out[n - 1] == '\n')
		out[n - 1] = 0;
	return out;
}

/* What a shell command prints, without the newline at its end. */
static const char *shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *shell(const char *fmt, ...)
{
	static char text[4096];
	char cmd[2000];
	va_list ap;
	size_t n;
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	f = popen(cmd, "r");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		pclose(f);
	while (n && text[n - 1] == '\n')
		n--;
	text[n] = 0;
	return text;
}

static void test_identity(unsigned i)
{
	const struct vgpu_device *d = &devs[i];
	char want[128];
	unsigned domain = 0, bus = 0, dev = 0, fn = 0;

	is_string(file("devices/%u/name", i), d->name, "%u: name in devices/", i);
	is_string(file("devices/%u/uuid", i), d->uuid, "UUID");
	is_string(file("devices/%u/pci", i), d->pci, "PCI address");
	snprintf(want, sizeof(want), "Model: \t\t %s\n", d->name);
	has_string(file("proc/driver/nvidia/gpus/%s/information", d->pci), want, "name in /proc");
	snprintf(want, sizeof(want), "GPU UUID: \t %s\n", d->uuid);
	has_string(file("proc/driver/nvidia/gpus/%s/information", d->pci), want, "UUID");
	snprintf(want, sizeof(want), "0x%04x", (unsigned)d->pci_device);
	is_string(file("sys/bus/pci/devices/%s/device", d->pci), want, "PCI id in sysfs");
	is_string(shell("'%s' --state '%s' --json show %u | python3 -c 'import json,sys; d=json.load(sys.stdin); d=d[0] if isinstance(d,list) else d; "
			"print(d[\"uuid\"], d[\"pci\"], d[\"name\"])'", ctl, m->state, i),
		  (snprintf(want, sizeof(want), "%s %s %s", d->uuid, d->pci, d->name), want), "vgpuctl show");
	vgpu_pci_parse(d->pci, &domain, &bus, &dev, &fn, NULL);
	is_string(shell("grep -c '^DCGM_FI_DEV_FB_USED{gpu=\"%u\",UUID=\"%s\",pci_bus_id=\"%08X:%02X:%02X.%X\",device=\"nvidia%llu\",model_name=\"%s\"' '%s/metrics'",
			i, d->uuid, domain, bus, dev, fn, (unsigned long long)d->minor, d->name, m->mnt), "1", "metrics");
}

/* Memory and processes; used_MiB and pids (in order, ended by 0) are what they should be. */
static void test_use(unsigned i, uint64_t used_MiB, const pid_t *pids)
{
	char want[256] = "", sorted[256] = "";
	size_t n = 0;

	snprintf(want, sizeof(want), "%llu", (unsigned long long)(used_MiB << 20));
	is_string(file("devices/%u/memory.current", i), want, "%u: memory used in devices/", i);
	is_string(shell("sed -n 's/^vgpufs_memory_used_bytes{gpu=\"%u\",.*} //p' '%s/metrics'", i, m->mnt), want, "in metrics");
	is_string(shell("'%s' --state '%s' --mount '%s' --json telemetry %u | python3 -c 'import json,sys; print(json.load(sys.stdin)[0][\"memory_used\"])'",
			ctl, m->state, m->mnt, i), want, "by vgpuctl");
	snprintf(want, sizeof(want), "%llu", (unsigned long long)devs[i].memory_total);
	is_string(file("devices/%u/memory.max", i), want, "all memory in devices/");
	is_string(shell("sed -n 's/^vgpufs_memory_total_bytes{gpu=\"%u\",.*} //p' '%s/metrics'", i, m->mnt), want, "in metrics");
	for (; *pids; pids++)
		n += (size_t)snprintf(sorted + n, sizeof(sorted) - n, "%s%d", n ? " " : "", *pids);
	is_string(shell("awk '{print $1}' '%s/devices/%u/clients' | sort -n | tr '\\n' ' ' | sed 's/ $//'", m->mnt, i), sorted, "processes in devices/");
	is_string(shell("sed -n 's/^vgpufs_process_memory_bytes{gpu=\"%u\",.*pid=\"\\([0-9]*\\)\"} .*/\\1/p' '%s/metrics' | sort -n | tr '\\n' ' ' | sed 's/ $//'", i,
			m->mnt), sorted, "in metrics");
	is_string(shell("'%s' --state '%s' --mount '%s' --json telemetry %u | python3 -c 'import json,sys; "
			"print(*sorted(p[\"pid\"] for p in json.load(sys.stdin)[0][\"process\"]))'", ctl, m->state, m->mnt, i), sorted, "by vgpuctl");
}

/* ---- the libraries ---- */

static void *sym(void *lib, const char *name)
{
	void *p = dlsym(lib, name);

	if (!p)
		bail("no %s", name);
	return p;
}

static void test_libcuda(void)
{
	void *lib = dlopen(test_build("libcuda-vgpu/libcuda.so.1"), RTLD_NOW);
	int (*init)(unsigned), (*name_of)(char *, int, int), (*pci_of)(char *, int, int), (*total_of)(size_t *, int), (*uuid_of)(uint8_t *, int);

	if (!lib)
		bail("%s", dlerror());
	*(void **)&init = sym(lib, "cuInit");
	*(void **)&name_of = sym(lib, "cuDeviceGetName");
	*(void **)&pci_of = sym(lib, "cuDeviceGetPCIBusId");
	*(void **)&total_of = sym(lib, "cuDeviceTotalMem_v2");
	*(void **)&uuid_of = sym(lib, "cuDeviceGetUuid_v2");
	setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1);
	is_int(init(0), 0, "cuInit");
	for (int i = 0; i < N; i++) {
		char name[100] = "", pci[32] = "";
		uint8_t uuid[16] = { 0 };
		size_t total = 0;
		char text[48];

		ok(!name_of(name, 100, i) && !pci_of(pci, 32, i) && !total_of(&total, i) && !uuid_of(uuid, i), "libcuda tells of device %d", i);
		is_string(name, devs[i].name, "its name");
		vgpu_uuid_format(uuid, text);
		is_string(text, devs[i].uuid, "its UUID");
		ok(strcasecmp(pci, devs[i].pci) == 0, "its PCI address");
		is_int((long long)total, (long long)devs[i].memory_total, "its memory");
	}
}

struct nvml_memory { unsigned long long total, free, used; };
struct nvml_process { unsigned pid; unsigned long long memory; unsigned gi, ci; };

static void test_nvml(const uint64_t used_MiB[N], const unsigned n_procs[N])
{
	void *lib = dlopen(test_build("libnvml-vgpu/libnvidia-ml.so.1"), RTLD_NOW);
	int (*init)(void), (*shutdown)(void), (*by_index)(unsigned, void **), (*name_of)(void *, char *, unsigned), (*uuid_of)(void *, char *, unsigned);
	int (*memory_of)(void *, struct nvml_memory *), (*procs_of)(void *, unsigned *, struct nvml_process *);

	if (!lib) {
		skip("no libnvidia-ml.so.1 is built");
		return;
	}
	*(void **)&init = sym(lib, "nvmlInit_v2");
	*(void **)&shutdown = sym(lib, "nvmlShutdown");
	*(void **)&by_index = sym(lib, "nvmlDeviceGetHandleByIndex_v2");
	*(void **)&name_of = sym(lib, "nvmlDeviceGetName");
	*(void **)&uuid_of = sym(lib, "nvmlDeviceGetUUID");
	*(void **)&memory_of = sym(lib, "nvmlDeviceGetMemoryInfo");
	*(void **)&procs_of = sym(lib, "nvmlDeviceGetComputeRunningProcesses_v3");
	is_int(init(), 0, "nvmlInit");
	for (unsigned i = 0; i < N; i++) {
		struct nvml_process p[16];
		struct nvml_memory mem = { 0 };
		char name[96] = "", uuid[96] = "";
		unsigned n = 16;
		void *h = NULL;

		is_int(by_index(i, &h), 0, "NVML has device %u", i);
		ok(!name_of(h, name, 96) && !strcmp(name, devs[i].name), "its name");
		ok(!uuid_of(h, uuid, 96) && !strcmp(uuid, devs[i].uuid), "its UUID");
		is_int(memory_of(h, &mem), 0, "its memory");
		is_int((long long)mem.total, (long long)devs[i].memory_total, "all of it");
		is_int((long long)mem.used, (long long)(used_MiB[i] << 20), "used");
		is_int(procs_of(h, &n, p), 0, "its processes");
		is_int(n, n_procs[i], "as many as there are");
	}
	shutdown();
}

int main(void)
{
	struct cuchild a, b, c;
	struct tr_node node;
	char driver[32];
	size_t n = 0;

	m = test_mount(N, NULL);
	plan_lazy();
	tap_timeout(300);
	setenv("VGPU_PATH", m->mnt, 1);
	ctl = test_build("tools/vgpuctl");
	ok(!tr_enumerate(&node, devs, &n, driver, NULL) && n == N, "%d devices", N);
	a = cuchild_start(m->mnt, NULL);
	b = cuchild_start(m->mnt, NULL);
	c = cuchild_start(m->mnt, NULL);
	ok(!cuchild_do(&a, CU_INIT, 0) && !cuchild_do(&a, CU_CREATE, 0) && !cuchild_do(&a, CU_ALLOC, 64), "a program on the first");
	ok(!cuchild_do(&b, CU_INIT, 0) && !cuchild_do(&b, CU_CREATE, 0) && !cuchild_do(&b, CU_ALLOC, 32), "another there");
	ok(!cuchild_do(&c, CU_INIT, 0) && !cuchild_do(&c, CU_CREATE, 1) && !cuchild_do(&c, CU_ALLOC, 16), "one on the second");
	for (unsigned i = 0; i < N; i++)
		test_identity(i);
	test_use(0, 96, (const pid_t[]){ a.pid < b.pid ? a.pid : b.pid, a.pid < b.pid ? b.pid : a.pid, 0 });
	test_use(1, 16, (const pid_t[]){ c.pid, 0 });
	test_use(2, 0, (const pid_t[]){ 0 });
	test_nvml((const uint64_t[]){ 96, 16, 0 }, (const unsigned[]){ 2, 1, 0 });
	is_int(cuchild_do(&a, CU_FREE, 0), 0, "memory is freed");
	/* the worker tells the daemon, and nobody waits for that */
	for (int i = 0; i < 1000 && strcmp(file("devices/0/memory.current"), "33554432"); i++)
		usleep(10000);
	test_use(0, 32, (const pid_t[]){ a.pid < b.pid ? a.pid : b.pid, a.pid < b.pid ? b.pid : a.pid, 0 });
	test_libcuda();
	cuchild_end(&a);
	cuchild_end(&b);
	cuchild_end(&c);
	for (int i = 0; i < 6000 && *file("devices/0/clients"); i++)
		usleep(10000);
	test_use(0, 0, (const pid_t[]){ 0 });
	return 0;
}

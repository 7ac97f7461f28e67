/*
 * discover: how frameworks find GPUs: the calls that they make, in their order, through libraries
 * found by name. Prints what each would conclude; includes nothing of ours.
 *
 *   discover torch     PyTorch's count and UUIDs through NVML, then CUDA's count
 *   discover ggml      ggml (llama.cpp, Ollama's runner): CUDA's devices, their memory through NVML by UUID
 *   discover ollama    Ollama's own probe: CUDA's devices, the driver's version through NVML
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *cuda, *nvml;

static void *load(const char *a, const char *b)
{
	void *lib = dlopen(a, RTLD_LAZY);

	if (!lib && b)
		lib = dlopen(b, RTLD_LAZY);
	if (!lib) {
		printf("no %s\n", a);
		exit(1);
	}
	return lib;
}

static void *fn(void *lib, const char *name)
{
	void *p = dlsym(lib, name);

	if (!p) {
		printf("no %s\n", name);
		exit(1);
	}
	return p;
}

#define NVML(name, types) ((int (*) types)fn(nvml, name))
#define CUDA(name, types) ((int (*) types)fn(cuda, name))

static void uuid_text(const unsigned char b[16], char out[48])
{
	snprintf(out, 48, "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5],
		 b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static int cuda_count(void)
{
	int n = 0;

	if (CUDA("cuInit", (unsigned))(0) || CUDA("cuDeviceGetCount", (int *))(&n))
		return 0;
	return n;
}

static int torch(void)
{
	unsigned n = 0;

	nvml = load("libnvidia-ml.so.1", NULL);
	if (NVML("nvmlInit", (void))() || NVML("nvmlDeviceGetCount_v2", (unsigned *))(&n))
		return 1;
	printf("nvml %u", n);
	for (unsigned i = 0; i < n; i++) {
		char uuid[96];
		void *dev;

		if (NVML("nvmlDeviceGetHandleByIndex_v2", (unsigned, void **))(i, &dev) ||
		    NVML("nvmlDeviceGetUUID", (void *, char *, unsigned))(dev, uuid, 96))
			return 1;
		printf(" %s", uuid);
	}
	cuda = load("libcuda.so.1", NULL);
	printf(" cuda %d\n", cuda_count());
	return 0;
}

/* NVML is loaded and let go for each device. */
static int nvml_memory(const char *uuid, unsigned long long *used_mib, unsigned long long *total_mib)
{
	unsigned long long m[3];
	void *dev;

	nvml = load("libnvidia-ml.so.1", NULL);
	fn(nvml, "nvmlErrorString");
	fn(nvml, "nvmlDeviceGetName");
	if (NVML("nvmlInit_v2", (void))() || NVML("nvmlDeviceGetHandleByUUID", (const char *, void **))(uuid, &dev) ||
	    NVML("nvmlDeviceGetMemoryInfo", (void *, unsigned long long *))(dev, m) || NVML("nvmlShutdown", (void))())
		return 1;
	*total_mib = m[0] >> 20;
	*used_mib = m[2] >> 20;
	return dlclose(nvml);
}

static int ggml(void)
{
	int n;

	cuda = load("libcuda.so.1", NULL);
	n = cuda_count();
	printf("%d", n);
	for (int i = 0; i < n; i++) {
		unsigned long long used, total;
		unsigned char raw[16];
		size_t bytes;
		char uuid[48];
		int dev, vmm;

		if (CUDA("cuDeviceGet", (int *, int))(&dev, i) || CUDA("cuDeviceGetUuid", (unsigned char *, int))(raw, dev) ||
		    CUDA("cuDeviceGetAttribute", (int *, int, int))(&vmm, 102, dev) ||
		    CUDA("cuDeviceTotalMem_v2", (size_t *, int))(&bytes, dev))
			return 1;
		uuid_text(raw, uuid);
		if (nvml_memory(uuid, &used, &total))
			return 1;
		printf(" %s %llu/%llu%s", uuid, used, total, bytes >> 20 == total ? "" : " DIFFERS");
	}
	printf("\n");
	return 0;
}

static int ollama(void)
{
	char version[80], name[256], bus[64];
	int driver, n;

	cuda = load("libcuda.so.1", "libcuda.so");
	if (CUDA("cuInit", (unsigned))(0) || CUDA("cuDriverGetVersion", (int *))(&driver) || CUDA("cuDeviceGetCount", (int *))(&n))
		return 1;
	printf("cuda %d", driver);
	for (int i = 0; i < n; i++) {
		int dev, major, minor, integrated;
		size_t bytes;

		if (CUDA("cuDeviceGet", (int *, int))(&dev, i) || CUDA("cuDeviceGetAttribute", (int *, int, int))(&major, 75, dev) ||
		    CUDA("cuDeviceGetAttribute", (int *, int, int))(&minor, 76, dev) ||
		    CUDA("cuDeviceGetAttribute", (int *, int, int))(&integrated, 18, dev) ||
		    CUDA("cuDeviceGetName", (char *, int, int))(name, sizeof(name), dev) ||
		    CUDA("cuDeviceTotalMem_v2", (size_t *, int))(&bytes, dev) ||
		    CUDA("cuDeviceGetPCIBusId", (char *, int, int))(bus, sizeof(bus), dev) || !bytes || integrated)
			return 1;
		printf(" [%s %d.%d %s]", name, major, minor, bus);
	}
	nvml = load("libnvidia-ml.so.1", "libnvidia-ml.so");
	if (NVML("nvmlInit_v2", (void))() || NVML("nvmlSystemGetDriverVersion", (char *, unsigned))(version, 80) ||
	    NVML("nvmlShutdown", (void))())
		return 1;
	printf(" driver %s\n", version);
	return 0;
}

int main(int argc, char **argv)
{
	int r = 2;

	if (argc == 2 && !strcmp(argv[1], "torch"))
		r = torch();
	if (argc == 2 && !strcmp(argv[1], "ggml"))
		r = ggml();
	if (argc == 2 && !strcmp(argv[1], "ollama"))
		r = ollama();
	if (r)
		printf(" failed\n");
	return r;
}

/*
 * vcu_init.c: cuInit and the list of visible devices, made once per process
 * by reading a node (no worker is started). A cuInit that finds nothing leaves
 * the library as it was, so that a later one can succeed.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu.h"
#include "libcuda-vgpu/vcu_api.h"
#include "libcuda-vgpu/vcu_ctx.h"
#include "libcuda-vgpu/vcu_entry.h"
#include "libcuda-vgpu/vcu_log.h"
#include "libcuda-vgpu/vcu_process.h"
#include "libcuda-vgpu/vcu_session.h"
#include "libcuda-vgpu/vcu_visible.h"

static pthread_mutex_t init_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vcu_device *devices;
static int n_devices;

int vcu_device_count(void)
{
	return n_devices;
}

struct vcu_device *vcu_device_get(CUdevice dev)
{
	return dev >= 0 && dev < n_devices ? &devices[dev] : NULL;
}

static void devices_free(struct vcu_device *devs, int n)
{
	for (int i = 0; i < n; i++) {
		if (devs[i].primary)
			vcu_ctx_retire(devs[i].primary);
		pthread_mutex_destroy(&devs[i].lock);
	}
	free(devs);
}

static int device_fill(struct vcu_device *v, int ordinal, const struct vgpu_device *d, struct vgpu_err *err)
{
	int r;

	v->ordinal = ordinal;
	v->d = *d;
	pthread_mutex_init(&v->lock, NULL);
	r = vgpu_uuid_parse(d->uuid, (uint8_t *)v->uuid.bytes, err);
	if (!r)
		r = vgpu_pci_parse(d->pci, &v->pci.domain, &v->pci.bus, &v->pci.dev, &v->pci.fn, err);
	if (r)
		return r;
	v->primary = vcu_ctx_new(v, true, 0);
	return v->primary ? 0 : vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a context");
}

/* Makes the list of visible devices out of the table. */
static int devices_make(const struct vgpu_device *table, size_t n, struct vgpu_err *err)
{
	unsigned pick[VGPU_MAX_DEVICES];
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");
	size_t count;
	struct vcu_device *devs;
	int r;

	/* one that was named has been picked */
	if (visible && strncmp(visible, "MIG-", 4) == 0)
		visible = NULL;
	count = vcu_visible_select(visible, getenv("CUDA_DEVICE_ORDER"), table, n, pick);
	if (!count)
		return vgpu_err_set(err, VGPU_E_NO_DEVICE, "CUDA_VISIBLE_DEVICES leaves none of %zu devices", n);
	devs = calloc(count, sizeof(*devs));
	if (!devs)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for %zu devices", count);
	for (size_t i = 0; i < count; i++) {
		r = device_fill(&devs[i], (int)i, &table[pick[i]], err);
		if (r) {
			devices_free(devs, (int)i + 1);
			return r;
		}
	}
	devices = devs;
	n_devices = (int)count;
	return 0;
}

static bool there(const struct vgpu_device *d)
{
	return d->lost != 1 && !d->drain;
}

/*
 * What a process may choose from: no device that has fallen off the bus or is
 * drained, and none that is divided. A MIG device has to be named; only where there is
 * nothing else the first one is taken. n_mig MIG devices follow the n others.
 */
static size_t usable(struct vgpu_device *table, size_t n, size_t n_mig)
{
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");
	bool by_name = visible && strncmp(visible, "MIG-", 4) == 0;
	long mig = by_name ? vcu_visible_mig(visible, table, n, n_mig) : n_mig ? 0 : -1;
	size_t kept = 0;

	for (size_t i = 0; i < n && !by_name; i++)
		if (there(&table[i]) && !table[i].mig_mode)
			table[kept++] = table[i];
	if (!kept && mig >= 0 && there(&table[n + (size_t)mig]))
		table[kept++] = table[n + (size_t)mig];
	return kept;
}

static int enumerate(struct vgpu_err *err)
{
	struct vgpu_device *table = calloc(VGPU_MAX_DEVICES, sizeof(*table));
	struct tr_node node;
	char driver[32];
	size_t n = 0, n_mig = 0;
	int r;

	if (!table)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for the table of devices");
	r = tr_enumerate_all(&node, table, &n, &n_mig, driver, err);
	if (!r) {
		n = usable(table, n, n_mig);
		vcu_session_set_node(&node);
		r = devices_make(table, n, err);
	}
	free(table);
	return r;
}

static CUresult init_locked(void)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	int r;

	if (*vcu_state == VCU_STATE_READY)
		return CUDA_SUCCESS;
	r = enumerate(&err);
	if (r) {
		vcu_log_err("cuInit", &err);
		return vcu_result(r);
	}
	return vcu_result(vcu_process_ready());
}

CUresult vcu_Init(unsigned int flags)
{
	CUresult r;

	if (flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (vcu_gone())
		return CUDA_ERROR_DEINITIALIZED;
	if (vcu_forked())
		return CUDA_ERROR_NOT_INITIALIZED;
	if (*vcu_state == VCU_STATE_READY)
		return CUDA_SUCCESS;
	pthread_mutex_lock(&init_lock);
	r = init_locked();
	pthread_mutex_unlock(&init_lock);
	return r;
}

CUresult vcu_DriverGetVersion(int *version)
{
	if (!version)
		return CUDA_ERROR_INVALID_VALUE;
	*version = CUDA_VERSION;
	return CUDA_SUCCESS;
}

void vcu_teardown(void)
{
	vcu_ctx_destroy_all();
	devices_free(devices, n_devices);
	devices = NULL;
	n_devices = 0;
	vcu_session_close();
}

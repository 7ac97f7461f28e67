/*
 * vnv_init.c: coming and going. nvmlInit is counted; the first one reads the
 * table of devices, the last nvmlShutdown closes what was opened. Handles point
 * into a static table, so one of an earlier nvmlInit is still that device.
 *
 * No thread, no exit handler, nothing on the heap between calls: programs load,
 * ask and unload the library again and again. A forked child goes on with
 * what its parent has; it asks over the same descriptors.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "libnvml-vgpu/vnv.h"
#include "libnvml-vgpu/vnv_event.h"

struct vnv_gpu vnv_gpus[VGPU_MAX_DEVICES];
unsigned vnv_n_gpus;
char vnv_driver[32];
struct tr_node vnv_node;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned inits;         /* nvmlInit calls that no nvmlShutdown has matched */

void vnv_lock(void)
{
	pthread_mutex_lock(&lock);
}

void vnv_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

bool vnv_ready(void)
{
	return inits > 0;
}

/* A thread that holds the lock doesn't exist in a forked child. */
static void watch_forks(void)
{
	static bool done;

	if (!done && pthread_atfork(vnv_lock, vnv_unlock, vnv_unlock) == 0)
		done = true;
}

/* ---- the table ---- */

static int gpu_fill(struct vnv_gpu *g, unsigned index, const struct vgpu_device *d, struct vgpu_err *err)
{
	unsigned fn;
	int r;

	memset(g, 0, sizeof(*g));
	g->d = *d;
	g->index = index;
	g->fd = -1;
	r = vgpu_uuid_parse(d->uuid, g->uuid, err);
	if (!r)
		r = vgpu_pci_parse(d->pci, &g->domain, &g->bus, &g->slot, &fn, err);
	for (unsigned i = 0; i < ARRAY_SIZE(g->dev); i++) {
		g->dev[i].gpu = g;
		g->dev[i].mig = i > 0;
	}
	g->dev[0].present = true;
	for (unsigned i = 0; i < VNV_MIG_MAX; i++) {
		g->gi[i].gpu = g;
		g->ci[i].dev = &g->dev[1 + i];
	}
	return r;
}

/* NVML's order is that of the PCI addresses, which the table is in. A device that is drained isn't there for whoever comes later. */
static int table_read(struct vgpu_err *err)
{
	struct vgpu_device *table = calloc(VGPU_MAX_DEVICES, sizeof(*table));
	unsigned kept = 0;
	size_t n = 0;
	int r;

	if (!table)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for the table of devices");
	r = tr_enumerate(&vnv_node, table, &n, vnv_driver, err);
	for (size_t i = 0; !r && i < n; i++) {
		if (table[i].drain)
			continue;
		r = gpu_fill(&vnv_gpus[kept], kept, &table[i], err);
		kept++;
	}
	vnv_n_gpus = r ? 0 : kept;
	free(table);
	return r;
}

void vnv_table_refresh(void)
{
	struct vgpu_device *table = calloc(VGPU_MAX_DEVICES, sizeof(*table));
	struct tr_node node;
	char driver[32];
	size_t n = 0;

	if (table && !tr_enumerate(&node, table, &n, driver, NULL)) {
		for (unsigned i = 0; i < vnv_n_gpus; i++)
			for (size_t j = 0; j < n; j++)
				if (!strcmp(vnv_gpus[i].d.uuid, table[j].uuid))
					vnv_gpus[i].d = table[j];
	}
	free(table);
}

/* ---- entry points ---- */

nvmlReturn_t vnv_InitWithFlags(unsigned int flags)
{
	nvmlReturn_t r = NVML_SUCCESS;

	if (flags & ~(NVML_INIT_FLAG_NO_GPUS | NVML_INIT_FLAG_NO_ATTACH | NVML_INIT_FLAG_FORCE_INIT))
		return NVML_ERROR_INVALID_ARGUMENT;
	watch_forks();
	vnv_lock();
	if (!inits)
		r = vnv_result(table_read(NULL));
	if (!r)
		inits++;
	vnv_unlock();
	return r;
}

nvmlReturn_t vnv_Init(void)
{
	return vnv_InitWithFlags(0);
}

nvmlReturn_t vnv_Init_v2(void)
{
	return vnv_InitWithFlags(0);
}

static void close_all(void)
{
	vnv_live_close();
	vnv_events_close();
	vnv_n_gpus = 0;
	inits = 0;
}

nvmlReturn_t vnv_Shutdown(void)
{
	nvmlReturn_t r = NVML_SUCCESS;

	vnv_lock();
	if (!inits)
		r = NVML_ERROR_UNINITIALIZED;
	else if (inits == 1)
		close_all();
	else
		inits--;
	vnv_unlock();
	return r;
}

/* A program that unloads the library without nvmlShutdown. */
static void __attribute__((destructor)) unload(void)
{
	if (pthread_mutex_trylock(&lock))
		return;
	if (inits)
		close_all();
	pthread_mutex_unlock(&lock);
}

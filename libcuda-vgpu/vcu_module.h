/*
 * vcu_module.h: modules, libraries, functions and kernels.
 *
 * A module is what the worker compiled from PTX images for one context. A
 * library belongs to no context: it keeps its image, and gets a module in each
 * context where something of it is used (an instance). A kernel is a name in
 * a library; in a context it stands for a function of the instance. Programs
 * may pass a kernel wherever a function is wanted.
 *
 * Locks: a library's, then a module's. Neither is held while the worker compiles
 * for another context's sake only: instances of a library are made one at a time.
 */
#ifndef VGPU_CUDA_VCU_MODULE_H
#define VGPU_CUDA_VCU_MODULE_H

#include "libcuda-vgpu/vcu.h"
#include "libcuda-vgpu/vcu_api.h"
#include "util/fatbin.h"
#include "util/htab.h"
#include "util/vec.h"

struct vcu_library;
struct vcu_kernel;

/* What programs set on functions. */
struct vcu_func_settings {
	int max_dyn_shared;        /* bytes; -1: the default */
	int carveout;
	int cluster[3];
	int nonportable_cluster;
	int cluster_policy;
	CUfunc_cache cache;
};

struct vcu_func {
	struct vcu_module *mod;
	CUfunction handle;
	uint32_t wire;
	char *name;
	struct vgp_func_info info;
	struct vgp_func_param *params;   /* info.n_params */
	struct vcu_kernel *kernel; /* NULL: of a module that the program loaded */
	struct vcu_func_settings own, *set;   /* set: own, or the kernel's for this device */
	struct vcu_legacy_launch *legacy;     /* cuParamSet* and cuFuncSetBlockShape; vcu_launch_legacy.c */
};

struct vcu_module {
	struct vcu_ctx *ctx;
	CUmodule handle;
	uint32_t wire;
	struct vcu_library *lib;   /* whose instance it is; NULL: the program's own */
	pthread_mutex_t lock;      /* protects what follows */
	struct vgpu_htab funcs;    /* by name → struct vcu_func * */
	VGPU_VEC(uint64_t) vars;   /* addresses of its variables in the table of vcu_mem.h */
	struct vcu_module *next, **pprev;   /* of the context; protected by the part's lock */
};

struct vcu_kernel_in {
	uint64_t ctx_id;
	struct vcu_func *f;
};

struct vcu_kernel {
	struct vcu_library *lib;
	CUkernel handle;
	char *name;
	/* protected by the library's lock */
	VGPU_VEC(struct vcu_kernel_in) in;
	struct vcu_func *recent;   /* atomic; what the last lookup found */
	VGPU_VEC(struct vcu_func_settings *) set;   /* by device ordinal */
};

/* ---- JIT options (vcu_jit.c) ---- */

struct vcu_jit {
	char *info, *error;        /* the program's buffers */
	size_t info_cap, error_cap;
	void **info_size_out, **error_size_out, **time_out;
	unsigned flags;            /* enum vgp_module_flags */
	unsigned target;           /* 10*major + minor; 0: the device's */
};

CUresult vcu_jit_parse(struct vcu_jit *j, unsigned n, const CUjit_option *options, void **values);
/* Bytes of a MODULE_LOAD's answer; logs that don't fit are fetched by MODULE_LOG. */
#define VCU_JIT_ANSWER VGP_RING_REPLY_DATA
/* Puts the logs of c's latest MODULE_LOAD (whose answer is data) into the program's buffers. */
void vcu_jit_log(struct vcu_jit *j, struct vcu_ctx *c, const void *data, size_t len);
/* A message of our own into the error buffer. */
void vcu_jit_error(struct vcu_jit *j, const char *text);
void vcu_jit_time(struct vcu_jit *j, uint64_t ns);

/* ---- modules (vcu_module.c) ---- */

/* Compiles images in c. jit may be NULL. *out has no handle yet. */
CUresult vcu_module_new(struct vcu_ctx *c, const struct vgpu_ptx_images *images, struct vcu_jit *jit, struct vcu_module **out);
/* Chooses from an image for c's device as caller sees it, and compiles. */
CUresult vcu_module_from_image(struct vcu_ctx *c, const void *image, size_t avail, const void *caller, struct vcu_jit *jit,
			       struct vcu_module **out);
/* Frees this side; unload: in the worker, too, after all work of the context has ended. */
void vcu_module_free(struct vcu_module *m, bool unload);
/* CUDA_ERROR_NOT_FOUND, or why the kernel can't run. */
CUresult vcu_module_func(struct vcu_module *m, const char *name, struct vcu_func **out);
/* All entries, in the order of the PTX; v has room for *n, which becomes how many there are. */
CUresult vcu_module_entries(struct vcu_module *m, struct vcu_func **v, unsigned *n);
/* Enters the variable that addr lies in into the table of vcu_mem.h; false: there is none. */
bool vcu_module_var_at(uint64_t addr);
CUresult vcu_module_var(struct vcu_module *m, const char *name, uint64_t *addr, uint64_t *size, bool *managed);

/* ---- libraries (vcu_library.c) ---- */

/* The function of a handle (CUfunction or CUkernel) in c. */
CUresult vcu_func_get(const void *h, struct vcu_ctx *c, struct vcu_func **out);
CUresult vcu_kernel_func(struct vcu_kernel *k, struct vcu_ctx *c, struct vcu_func **out);
/* True if the library's image is kept by its loader, which is how NVIDIA's runtime loads. */
bool vcu_kernel_of_runtime(const struct vcu_kernel *k);
/* A module of a library goes with its context. */
void vcu_library_forget(struct vcu_library *lib, struct vcu_module *m);
/* When the library goes, after the contexts: libraries and links that the program left. */
void vcu_libraries_fini(void);
void vcu_links_fini(void);
/* Settings of k on a device. NULL: no memory. */
struct vcu_func_settings *vcu_kernel_settings(struct vcu_kernel *k, int ordinal);
/* An active context of the device: the current one, another, or the primary one, which the library then holds. */
CUresult vcu_library_ctx(struct vcu_library *lib, int ordinal, struct vcu_ctx **out);

/* ---- functions (vcu_func.c) ---- */

void vcu_func_settings_init(struct vcu_func_settings *s);
CUresult vcu_func_attr(const struct vcu_func *f, CUfunction_attribute a, int *out);
/* f: to check the value against; its settings are changed. */
CUresult vcu_func_attr_set(struct vcu_func *f, CUfunction_attribute a, int value);
/* Bytes of dynamic shared memory that a launch may ask for. */
uint32_t vcu_func_max_dyn(const struct vcu_func *f);
/* Registers per thread, in the range that hardware has. */
unsigned vcu_func_regs(const struct vcu_func *f);
void vcu_legacy_launch_free(struct vcu_legacy_launch *l);

/* ---- occupancy (vcu_occupancy.c) ---- */

/* Blocks of that size and dynamic shared memory that are resident on one multiprocessor. */
unsigned vcu_occupancy(const struct vcu_func *f, unsigned threads, uint64_t dyn_shared);

#endif

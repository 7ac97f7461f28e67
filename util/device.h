/*
 * device.h: a virtual device's properties (device.def), and the table of
 * devices: the plain text that dev/nvidiactl reads as and that the driver
 * libraries parse. Format, version 1:
 *
 *   vgpufs 1
 *   driver 580.95.05
 *   cuda 13000
 *   devices 2
 *   device 0
 *   uuid GPU-…            one "key value" line per property of device.def,
 *   …                     in any order; unknown keys are ignored
 *   device 1
 *   …
 *   end
 *
 *   mig 0                 a MIG device of device 0 of this table: as that one, but for
 *   mig.uuid MIG-…        what these lines say
 *   …
 *
 * "end" closes the table: without it the text was cut and is refused.
 */
#ifndef VGPU_UTIL_DEVICE_H
#define VGPU_UTIL_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

#define VGPU_DEVTAB_VERSION 1
#define VGPU_MAX_DEVICES 64
/* No table is longer than this many bytes; readers size their buffer by it. */
#define VGPU_DEVTAB_MAX (VGPU_MAX_DEVICES * 4096 + 4096)

struct vgpu_device {
#define P_STR(key, cap, def, doc) char key[cap];
#define P_U64(key, def, doc) uint64_t key;
#include "util/device.def"
#undef P_STR
#undef P_U64
};

enum vgpu_prop_type { VGPU_PROP_STR, VGPU_PROP_U64 };

struct vgpu_prop {
	const char *key;
	const char *doc;
	enum vgpu_prop_type type;
	size_t offset;   /* in struct vgpu_device */
	size_t cap;      /* of a text, its NUL included */
	bool identity;   /* belongs to the device, not to its profile */
};

/* All properties in the order of device.def; *n_out of them. */
const struct vgpu_prop *vgpu_props(size_t *n_out);
const struct vgpu_prop *vgpu_prop_find(const char *key);
/* Text of a property's value; buf must hold 128 bytes. Returns buf. */
const char *vgpu_prop_get(const struct vgpu_device *d, const struct vgpu_prop *p, char *buf);
/* Parses value (numbers: decimal, 0x…, and K/M/G/T with optional iB; compute_cap also "12.0"). */
int vgpu_prop_set(struct vgpu_device *d, const struct vgpu_prop *p, const char *value, struct vgpu_err *err);
/* All defaults of device.def. */
void vgpu_device_init(struct vgpu_device *d);

/* The 16 bytes of a "GPU-…" (or bare) UUID text. */
int vgpu_uuid_parse(const char *text, uint8_t out[16], struct vgpu_err *err);
/* "GPU-…", 41 bytes with the NUL. */
void vgpu_uuid_format(const uint8_t uuid[16], char out[48]);
/* "dddd:bb:dd.f" (function optional). */
int vgpu_pci_parse(const char *text, unsigned *domain, unsigned *bus, unsigned *dev, unsigned *fn, struct vgpu_err *err);

/* Prints the table. */
void vgpu_devtab_print(struct vgpu_buf *b, const struct vgpu_device *devs, size_t n);
/* As above, and MIG devices (util/mig.h) of those among the n. */
void vgpu_devtab_print_all(struct vgpu_buf *b, const struct vgpu_device *devs, size_t n, const struct vgpu_device *migs, size_t n_migs);
/* As vgpu_devtab_parse; MIG devices follow the others: devs[*n_out] is the first of *n_mig_out (as many as there is room for). */
int vgpu_devtab_parse_all(const char *text, struct vgpu_device *devs, size_t *n_out, size_t *n_mig_out, char *driver,
			  struct vgpu_err *err);
/* Parses it; devs has room for VGPU_MAX_DEVICES. driver (if not NULL) gets the version text (32 bytes). */
int vgpu_devtab_parse(const char *text, struct vgpu_device *devs, size_t *n_out, char *driver, struct vgpu_err *err);

#endif

/*
 * json.h: writes JSON into a buffer, indented by two blanks. The caller opens
 * and closes objects and arrays in order; commas, quotes and escapes are done
 * here. Text that is not UTF-8 is written with U+FFFD in place of bad bytes,
 * so that what comes out is always valid.
 */
#ifndef VGPU_UTIL_JSON_H
#define VGPU_UTIL_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"

#define VGPU_JSON_DEPTH 16

struct vgpu_json {
	struct vgpu_buf *out;
	unsigned depth;
	bool some[VGPU_JSON_DEPTH];   /* something was written at this depth */
	char close[VGPU_JSON_DEPTH];
};

void vgpu_json_init(struct vgpu_json *j, struct vgpu_buf *out);
/* key is NULL inside an array and at the top. */
void vgpu_json_object(struct vgpu_json *j, const char *key);
void vgpu_json_array(struct vgpu_json *j, const char *key);
/* Ends the innermost object or array; the outermost one gets a newline. */
void vgpu_json_end(struct vgpu_json *j);
/* text NULL: null */
void vgpu_json_str(struct vgpu_json *j, const char *key, const char *text);
void vgpu_json_u64(struct vgpu_json *j, const char *key, uint64_t v);
void vgpu_json_bool(struct vgpu_json *j, const char *key, bool v);

#endif

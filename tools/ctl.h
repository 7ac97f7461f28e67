/*
 * ctl.h: what vgpuctl's verbs share. Each verb is a file ctl_VERB.c with one
 * function of type ctl_verb_f; the list is ctl_verbs.def.
 */
#ifndef VGPU_TOOLS_CTL_H
#define VGPU_TOOLS_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "state/reg.h"
#include "util/json.h"

/* Exit statuses, as doc/man/vgpuctl.1 gives them. */
enum ctl_exit { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

#define CTL_DEFAULT_MOUNT "/run/vgpufs"

/* Options that stand before or behind every verb. */
struct ctl {
	const char *state;   /* --state */
	const char *mount;   /* --mount */
	bool json;           /* --json */
	const char *verb;
	const char *usage;   /* of the verb */
};

/* argv[0] is the verb; global options are taken out already. */
typedef int ctl_verb_f(struct ctl *c, int argc, char **argv);

#define V(name, reads, args, about) ctl_verb_f ctl_##name;
#include "tools/ctl_verbs.def"
#undef V

/* Prints "vgpuctl: text" and answers CTL_FAILED. */
int ctl_fail(const struct vgpu_err *err);
/* Prints the text and the verb's usage and answers CTL_USAGE. */
int ctl_usage(const struct ctl *c, const char *fmt, ...) VGPU_PRINTF(2, 3);
/* Prints a note to stderr. */
void ctl_note(const char *fmt, ...) VGPU_PRINTF(1, 2);

/* A registry to read; *out is NULL (and 0 answered) when there is none yet. */
int ctl_open_read(const struct ctl *c, struct registry **out, struct vgpu_err *err);
/* A registry to change, made when it is not there. */
int ctl_open_write(const struct ctl *c, struct registry **out, struct vgpu_err *err);

/* Asks the daemon to show what was committed; notes on stderr when it can't. */
void ctl_poke(const struct ctl *c);

/* True when arg is "--NAME=VALUE" or "--NAME VALUE"; *i moves over what it took. Missing value: *value_out is NULL. */
bool ctl_option(const char *name, int argc, char **argv, int *i, const char **value_out);

/* A list of key=value arguments. "key=" sets an empty text, "key-" unsets. */
struct ctl_kvs {
	struct reg_kv kv[64];
	char keys[64][64];
	size_t n;
};
/* Takes one argument; false (and err) when it is none or names no property. */
bool ctl_kv_add(struct ctl_kvs *kvs, const char *arg, struct vgpu_err *err);

/* "16384 MiB" */
const char *ctl_mib(uint64_t bytes, char buf[32]);
/* "12.0" */
const char *ctl_cc(uint64_t cc, char buf[16]);
/* Writes the whole buffer to stdout; a full disk or closed pipe is a failure. */
int ctl_print(struct vgpu_buf *b);

/* All properties of a device as members of the open object. */
void ctl_json_device(struct vgpu_json *j, const struct vgpu_device *d);

#endif

/* vgp_mon.c: names of a monitor's questions, and that their layouts are what the tables say. */
#include "protocol/vgp_mon.h"

#include "util/compiler.h"

#define Q(name, num, since, who, st)                                                            \
	_Static_assert(num >= VGP_MON_FIRST && num < VGP_MON_END, #name " has a number of its own"); \
	_Static_assert(sizeof(struct vgp_mon_##st) <= VGP_MON_SIZE_MAX, #name " fits an ioctl");
#include "protocol/vgp_mon.def"
#undef Q

const char *vgp_mon_name(unsigned op)
{
	static const char *const names[VGP_MON_END] = {
#define Q(name, num, since, who, st) [num] = #name,
#include "protocol/vgp_mon.def"
#undef Q
	};

	return op < ARRAY_SIZE(names) && names[op] ? names[op] : "";
}

const struct vgp_telemetry_field *vgp_telemetry_fields(size_t *n_out)
{
	static const struct vgp_telemetry_field fields[] = {
#define T(name, doc) { #name, doc, offsetof(struct vgp_telemetry, name) },
#include "protocol/vgp_telemetry.def"
#undef T
	};

	*n_out = ARRAY_SIZE(fields);
	return fields;
}

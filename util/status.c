/* status.c: names, texts and mappings of the statuses, all from status.def. */
#include "util/status.h"

#include <errno.h>
#include <stddef.h>

#include "util/compiler.h"

struct row {
	const char *name;
	const char *text;
	int err;
	int cuda;
	int nvml;
};

static const struct row rows[VGPU_STATUS_COUNT] = {
#define S(name, value, err, cu, nvml, text) [value] = { #name, text, err, cu, nvml },
#include "util/status.def"
#undef S
};

static const struct row *find(int status)
{
	if (status < 0 || (size_t)status >= ARRAY_SIZE(rows) || !rows[status].name)
		return NULL;
	return &rows[status];
}

const char *vgpu_status_name(int status)
{
	const struct row *r = find(status);

	return r ? r->name : "E_UNKNOWN";
}

const char *vgpu_status_text(int status)
{
	const struct row *r = find(status);

	return r ? r->text : "unknown status";
}

int vgpu_status_to_errno(int status)
{
	const struct row *r = find(status);

	return r ? r->err : EIO;
}

int vgpu_status_to_cuda(int status)
{
	const struct row *r = find(status);

	return r ? r->cuda : 999;
}

int vgpu_status_to_nvml(int status)
{
	const struct row *r = find(status);

	return r ? r->nvml : 999;
}

int vgpu_status_from_errno(int err)
{
	switch (err) {
	case 0: return VGPU_OK;
	case ENOENT: return VGPU_E_NOT_FOUND;
	case EEXIST: return VGPU_E_EXISTS;
	case EACCES:
	case EPERM: return VGPU_E_NOT_PERMITTED;
	case ENOSPC:
	case EDQUOT: return VGPU_E_NO_SPACE;
	case ECONNRESET:
	case ECONNREFUSED:
	case EPIPE:
	case ENOTCONN: return VGPU_E_DISCONNECTED;
	case ESHUTDOWN: return VGPU_E_DEINITIALIZED;
	case E2BIG: return VGPU_E_TOO_BIG;
	case EOPNOTSUPP: return VGPU_E_NOT_SUPPORTED;
	case EBADF: return VGPU_E_INVALID_HANDLE;
	default: break;
	}
	for (size_t i = 1; i < ARRAY_SIZE(rows); i++)
		if (rows[i].name && rows[i].err == err)
			return (int)i;
	return VGPU_E_SYSTEM;
}

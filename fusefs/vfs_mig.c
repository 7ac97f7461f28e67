/* vfs_mig.c: a device divided into instances. */
#include "fusefs/vfs_mon.h"

void vfs_mon_MIG_LIST(struct vfs *v, struct vfs_ask *a)
{
	a->u.head.status = VGPU_E_NOT_SUPPORTED;
}

void vfs_mon_MIG_PROFILES(struct vfs *v, struct vfs_ask *a)
{
	a->u.head.status = VGPU_E_NOT_SUPPORTED;
}

void vfs_mon_MIG_CREATE(struct vfs *v, struct vfs_ask *a)
{
	a->u.head.status = VGPU_E_NOT_SUPPORTED;
}

void vfs_mon_MIG_DESTROY(struct vfs *v, struct vfs_ask *a)
{
	a->u.head.status = VGPU_E_NOT_SUPPORTED;
}

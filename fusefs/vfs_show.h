/* vfs_show.h: the functions that the rows of vfs_tree.def name (vfs_show_*.c). */
#ifndef VGPU_FUSEFS_VFS_SHOW_H
#define VGPU_FUSEFS_VFS_SHOW_H

#include "fusefs/vfs_tree.h"

void show_cap_config(const struct vfs_show *s, struct vgpu_buf *b);
void show_cap_monitor(const struct vfs_show *s, struct vgpu_buf *b);
void show_cap_instance(const struct vfs_show *s, struct vgpu_buf *b);
void show_clients(const struct vfs_show *s, struct vgpu_buf *b);
void show_device_table(const struct vfs_show *s, struct vgpu_buf *b);
void show_information(const struct vfs_show *s, struct vgpu_buf *b);
void show_injected(const struct vfs_show *s, struct vgpu_buf *b);
void show_link_driver(const struct vfs_show *s, struct vgpu_buf *b);
void show_link_module(const struct vfs_show *s, struct vgpu_buf *b);
void show_live(const struct vfs_show *s, struct vgpu_buf *b);
void show_memory_current(const struct vfs_show *s, struct vgpu_buf *b);
void show_memory_max(const struct vfs_show *s, struct vgpu_buf *b);
void show_metrics(const struct vfs_show *s, struct vgpu_buf *b);
void show_metrics_dcgm(const struct vfs_show *s, struct vgpu_buf *b);
void show_mig_minors(const struct vfs_show *s, struct vgpu_buf *b);
void show_module_version(const struct vfs_show *s, struct vgpu_buf *b);
void show_nothing(const struct vfs_show *s, struct vgpu_buf *b);
void show_nvlink_minors(const struct vfs_show *s, struct vgpu_buf *b);
void show_one(const struct vfs_show *s, struct vgpu_buf *b);
void show_params(const struct vfs_show *s, struct vgpu_buf *b);
void show_patches(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_class(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_config(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_cpulist(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_cpus(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_device(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_irq(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_modalias(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_numa(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_power_state(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_resource(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_revision(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_speed(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_subdevice(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_subvendor(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_uevent(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_vendor(const struct vfs_show *s, struct vgpu_buf *b);
void show_pci_width(const struct vfs_show *s, struct vgpu_buf *b);
void show_power(const struct vfs_show *s, struct vgpu_buf *b);
void show_power_draw(const struct vfs_show *s, struct vgpu_buf *b);
void show_prop(const struct vfs_show *s, struct vgpu_buf *b);
void show_refcnt(const struct vfs_show *s, struct vgpu_buf *b);
void show_registry(const struct vfs_show *s, struct vgpu_buf *b);
void show_reports(const struct vfs_show *s, struct vgpu_buf *b);
void show_suspend(const struct vfs_show *s, struct vgpu_buf *b);
void show_suspend_depth(const struct vfs_show *s, struct vgpu_buf *b);
void show_sys_minors(const struct vfs_show *s, struct vgpu_buf *b);
void show_table(const struct vfs_show *s, struct vgpu_buf *b);
void show_temperature(const struct vfs_show *s, struct vgpu_buf *b);
void show_utilization(const struct vfs_show *s, struct vgpu_buf *b);
void show_version(const struct vfs_show *s, struct vgpu_buf *b);
void show_warnings(const struct vfs_show *s, struct vgpu_buf *b);

int store_inject(const struct vfs_show *s, const char *text, struct vfs_change *change, struct vgpu_err *err);
int store_memory_max(const struct vfs_show *s, const char *text, struct vfs_change *change, struct vgpu_err *err);
int store_prop(const struct vfs_show *s, const char *text, struct vfs_change *change, struct vgpu_err *err);
int store_refuse(const struct vfs_show *s, const char *text, struct vfs_change *change, struct vgpu_err *err);

#endif

/*
 * vfs_show_sys.c: the part of sysfs that finds and describes a PCI device and
 * the driver's modules. The device's addresses are made up, but agree between
 * config and resource, and no two devices share them.
 */
#include "fusefs/vfs_show.h"

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "util/cleanup.h"
#include "util/sys.h"

#define U(x) ((unsigned long long)(x))

void show_nothing(const struct vfs_show *s, struct vgpu_buf *b)
{
}

void show_one(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, "1\n");
}

void show_live(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, "live\n");
}

void show_module_version(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, VGPU_DRIVER_VERSION "\n");
}

void show_refcnt(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "%u\n", s->src->live.sessions ? s->src->live.sessions(s->src->live.arg) : 0);
}

void show_link_driver(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, "../../drivers/nvidia");
}

void show_link_module(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, "../../../../module/nvidia");
}

void show_pci_vendor(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "0x%04x\n", (unsigned)(s->dev->pci_vendor & 0xffff));
}

void show_pci_device(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "0x%04x\n", (unsigned)(s->dev->pci_device & 0xffff));
}

void show_pci_class(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "0x%06x\n", (unsigned)(s->dev->pci_class & 0xffffff));
}

void show_pci_revision(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "0x%02x\n", (unsigned)(s->dev->pci_revision & 0xff));
}

void show_pci_subvendor(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "0x%04x\n", (unsigned)(s->dev->pci_subvendor & 0xffff));
}

void show_pci_subdevice(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "0x%04x\n", (unsigned)(s->dev->pci_subdevice & 0xffff));
}

void show_pci_irq(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "%llu\n", U(s->dev->irq));
}

void show_pci_numa(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "%d\n", (int)(int32_t)(uint32_t)s->dev->numa_node);
}

void show_pci_power_state(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_str(b, "D0\n");
}

void show_pci_speed(const struct vfs_show *s, struct vgpu_buf *b)
{
	static const char *const speed[] = { "2.5", "5.0", "8.0", "16.0", "32.0", "64.0" };
	uint64_t gen = s->dev->pcie_gen;

	if (gen >= 1 && gen <= ARRAY_SIZE(speed))
		vgpu_buf_printf(b, "%s GT/s PCIe\n", speed[gen - 1]);
	else
		vgpu_buf_str(b, "Unknown\n");
}

void show_pci_width(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "%llu\n", U(s->dev->pcie_width));
}

/* "pci:v000010DEd…": what udev and modprobe match by. */
static void modalias(const struct vgpu_device *d, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X", (unsigned)d->pci_vendor, (unsigned)d->pci_device,
			(unsigned)d->pci_subvendor, (unsigned)d->pci_subdevice, (unsigned)(d->pci_class >> 16) & 255,
			(unsigned)(d->pci_class >> 8) & 255, (unsigned)d->pci_class & 255);
}

void show_pci_modalias(const struct vfs_show *s, struct vgpu_buf *b)
{
	modalias(s->dev, b);
	vgpu_buf_str(b, "\n");
}

void show_pci_uevent(const struct vfs_show *s, struct vgpu_buf *b)
{
	const struct vgpu_device *d = s->dev;

	vgpu_buf_printf(b, "DRIVER=nvidia\nPCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\nPCI_SLOT_NAME=%s\nMODALIAS=",
			(unsigned)d->pci_class, (unsigned)d->pci_vendor, (unsigned)d->pci_device,
			(unsigned)d->pci_subvendor, (unsigned)d->pci_subdevice, d->pci);
	modalias(d, b);
	vgpu_buf_str(b, "\n");
}

/* ---- CPUs near the device ---- */

static bool host_file(const char *path, char *text, size_t cap)
{
	cleanup_free char *data = NULL;
	size_t len;

	if (vgpu_read_file(path, cap - 1, &data, &len, NULL) || !len)
		return false;
	memcpy(text, data, len + 1);
	text[strcspn(text, "\n")] = 0;
	return true;
}

/* The node's CPUs where the host has such a node, else all. */
static void near_cpus(const struct vgpu_device *d, char *text, size_t cap)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%llu/cpulist", U(d->numa_node));
	if (d->numa_node < 4096 && host_file(path, text, cap))
		return;
	if (!host_file("/sys/devices/system/cpu/online", text, cap))
		snprintf(text, cap, "0");
}

void show_pci_cpulist(const struct vfs_show *s, struct vgpu_buf *b)
{
	char list[1024];

	near_cpus(s->dev, list, sizeof(list));
	vgpu_buf_printf(b, "%s\n", list);
}

/* The same as a mask: groups of 32 bits, highest first. */
void show_pci_cpus(const struct vfs_show *s, struct vgpu_buf *b)
{
	uint32_t mask[128] = { 0 };
	char list[1024], *save = NULL;
	size_t groups = 1;

	near_cpus(s->dev, list, sizeof(list));
	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		unsigned from, to;
		int n = sscanf(w, "%u-%u", &from, &to);

		if (n < 1)
			continue;
		if (n == 1)
			to = from;
		for (unsigned cpu = from; cpu <= to && cpu < 32 * ARRAY_SIZE(mask); cpu++) {
			mask[cpu / 32] |= 1u << cpu % 32;
			if (cpu / 32 + 1 > groups)
				groups = cpu / 32 + 1;
		}
	}
	for (size_t i = groups; i-- > 0;)
		vgpu_buf_printf(b, groups == 1 ? "%x%s" : "%08x%s", mask[i], i ? "," : "\n");
}

/* ---- address space ---- */

struct bars {
	uint64_t reg, reg_size;      /* BAR0, 32 bits */
	uint64_t fb, fb_size;        /* BAR1, 64 bits, prefetchable */
	uint64_t inst, inst_size;    /* BAR3, 64 bits, prefetchable */
	uint32_t io, io_size;        /* BAR5 */
};

static uint64_t power_of_two(uint64_t v)
{
	uint64_t p = 1ull << 20;

	while (p < v && p < 1ull << 40)
		p <<= 1;
	return p;
}

static struct bars bars_of(const struct vgpu_device *d)
{
	uint64_t slot = d->minor & 255;
	struct bars r = { .reg_size = 16u << 20, .inst_size = 32u << 20, .io_size = 128 };

	r.fb_size = power_of_two(d->bar1_total);
	r.reg = 0xc0000000u + slot % 32 * r.reg_size;
	r.fb = 0x380000000000ull + slot * (1ull << 40);
	r.inst = r.fb + r.fb_size;
	if (r.inst % r.inst_size)
		r.inst += r.inst_size - r.inst % r.inst_size;
	r.io = 0x1000 + (uint32_t)slot * r.io_size;
	return r;
}

static void range(struct vgpu_buf *b, uint64_t at, uint64_t size, uint64_t flags)
{
	vgpu_buf_printf(b, "0x%016llx 0x%016llx 0x%016llx\n", U(at), U(size ? at + size - 1 : 0), U(flags));
}

/* Six BARs and the ROM; the second half of a 64-bit BAR is empty. */
void show_pci_resource(const struct vfs_show *s, struct vgpu_buf *b)
{
	struct bars r = bars_of(s->dev);

	range(b, r.reg, r.reg_size, 0x40200);
	range(b, r.fb, r.fb_size, 0x14220c);
	range(b, 0, 0, 0);
	range(b, r.inst, r.inst_size, 0x14220c);
	range(b, 0, 0, 0);
	range(b, r.io, r.io_size, 0x40101);
	range(b, 0, 0, 0);
}

static void put(uint8_t *c, size_t at, size_t n, uint64_t v)
{
	for (size_t i = 0; i < n; i++)
		c[at + i] = (uint8_t)(v >> 8 * i);
}

/* A type 0 header, then power management, MSI and PCI Express capabilities. */
void show_pci_config(const struct vfs_show *s, struct vgpu_buf *b)
{
	const struct vgpu_device *d = s->dev;
	struct bars r = bars_of(d);
	uint8_t c[256] = { 0 };
	unsigned link = (unsigned)(d->pcie_gen & 15) | (unsigned)(d->pcie_width & 63) << 4;

	put(c, 0x00, 2, d->pci_vendor);
	put(c, 0x02, 2, d->pci_device);
	put(c, 0x04, 2, 0x0407);              /* I/O, memory, bus master; INTx off */
	put(c, 0x06, 2, 0x0010);              /* has capabilities */
	put(c, 0x08, 1, d->pci_revision);
	put(c, 0x09, 3, d->pci_class);
	put(c, 0x10, 4, r.reg);
	put(c, 0x14, 8, r.fb | 0xc);
	put(c, 0x1c, 8, r.inst | 0xc);
	put(c, 0x24, 4, r.io | 1);
	put(c, 0x2c, 2, d->pci_subvendor);
	put(c, 0x2e, 2, d->pci_subdevice);
	put(c, 0x34, 1, 0x60);
	put(c, 0x3c, 1, d->irq > 255 ? 255 : d->irq);
	put(c, 0x3d, 1, 1);
	put(c, 0x60, 2, 0x6801);              /* power management → 0x68 */
	put(c, 0x62, 2, 0x4803);
	put(c, 0x64, 2, 0x0008);
	put(c, 0x68, 2, 0x7805);              /* MSI → 0x78 */
	put(c, 0x6a, 2, 0x0081);
	put(c, 0x78, 2, 0x0010);              /* PCI Express endpoint, the last */
	put(c, 0x7a, 2, 0x0002);
	put(c, 0x7c, 4, 0x00008fe1);
	put(c, 0x84, 4, link | 0x400);
	put(c, 0x8a, 2, link);
	put(c, 0xa4, 2, d->pcie_gen & 15);
	if (d->lost == 1)
		memset(c, 0xff, sizeof(c)); /* nobody answers on the bus */
	vgpu_buf_add(b, c, sizeof(c));
}

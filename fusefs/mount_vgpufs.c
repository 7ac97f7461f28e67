/*
 * mount_vgpufs.c: what mount(8) runs for type vgpufs (as mount.vgpufs SOURCE
 * MNT [-sfnv] [-N NS] [-o OPTIONS] [-t TYPE]) and, by the name vgpufs, what
 * mount.fuse3 runs for type fuse.vgpufs. It only becomes vgpufs-super, which
 * returns when the mount serves requests; options that are not ours are its
 * business.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fusefs/vfs_paths.h"

/* mount(8)'s */
enum { MOUNT_USAGE = 1, MOUNT_SYSTEM = 2 };

int main(int argc, char **argv)
{
	const char *options = "defaults", *super;
	bool fake = false;
	int c;

	while ((c = getopt(argc, argv, "sfnvN:o:t:")) != -1) {
		if (c == 'o')
			options = optarg;
		else if (c == 'f')
			fake = true;
		else if (c == '?')
			return MOUNT_USAGE;
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: mount.vgpufs SOURCE MOUNTPOINT [-o OPTIONS]\n"
				"       (run by mount -t vgpufs SOURCE MOUNTPOINT)\n");
		return MOUNT_USAGE;
	}
	if (fake)
		return 0;
	super = vfs_find_program("vgpufs-super", "../fusefs/vgpufs-super");
	if (!super) {
		fprintf(stderr, "mount.vgpufs: out of memory\n");
		return MOUNT_SYSTEM;
	}
	execl(super, super, "--source", argv[optind], "-o", options, "--", argv[optind + 1], (char *)NULL);
	fprintf(stderr, "mount.vgpufs: %s: %s\n", super, strerror(errno));
	return MOUNT_SYSTEM;
}

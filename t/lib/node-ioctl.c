/* node-ioctl.c: for shell tests: node-ioctl PATH info|reload. Prints the answer or the error. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "protocol/vgp_wire.h"

int main(int argc, char **argv)
{
	struct vgp_node_info info;
	int fd, r;

	if (argc != 3)
		return 2;
	fd = open(argv[1], O_RDONLY);
	r = strcmp(argv[2], "reload") == 0 ? ioctl(fd, VGP_IOC_RELOAD) : ioctl(fd, VGP_IOC_INFO, &info);
	if (r) {
		printf("%s\n", strerror(errno));
		return 1;
	}
	if (strcmp(argv[2], "info") == 0)
		printf("magic %x abi %u devices %u generation %llu\n", info.magic, info.abi_major, info.n_devices,
		       (unsigned long long)info.generation);
	return 0;
}

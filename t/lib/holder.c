/* holder.c: see holder.h. */
#include "t/lib/holder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/lib/tap.h"

static void run(unsigned device, unsigned mib, const char *what)
{
	char dev[16], size[16];

	snprintf(dev, sizeof(dev), "%u", device);
	snprintf(size, sizeof(size), "%u", mib);
	setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1);
	setenv("LD_LIBRARY_PATH", test_build("libcuda-vgpu"), 1);
	execl(test_build("t/lib/hold"), "hold", dev, size, what, (char *)NULL);
	_exit(127);
}

/* The next line that it says, without its end. */
static void listen_to(struct holder *h)
{
	size_t n = 0;
	char c;

	while (read(h->out, &c, 1) == 1 && c != '\n')
		if (n < sizeof(h->said) - 1)
			h->said[n++] = c;
	h->said[n] = 0;
}

static bool reap(struct holder *h)
{
	int status = -1;

	close(h->in);
	close(h->out);
	waitpid(h->pid, &status, 0);
	h->pid = -1;
	return status == 0;
}

bool holder_start(struct holder *h, unsigned device, unsigned mib, bool busy)
{
	return holder_start_as(h, device, mib, busy ? "busy" : NULL);
}

bool holder_start_as(struct holder *h, unsigned device, unsigned mib, const char *what)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		bail("pipe");
	h->pid = fork();
	if (h->pid < 0)
		bail("fork");
	if (!h->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		run(device, mib, what);
	}
	close(in[0]);
	close(out[1]);
	h->in = in[1];
	h->out = out[0];
	listen_to(h);
	if (strcmp(h->said, "up") == 0)
		return true;
	reap(h);
	return false;
}

/* The daemon lists the process as a client of some device of $VGPU_PATH. */
static bool is_client(pid_t pid)
{
	const char *mount = getenv("VGPU_PATH");
	bool found = false;

	for (unsigned i = 0; mount && !found; i++) {
		char path[400], line[64];
		FILE *f;

		snprintf(path, sizeof(path), "%s/devices/%u/clients", mount, i);
		f = fopen(path, "re");
		if (!f)
			break;
		while (!found && fgets(line, sizeof(line), f))
			found = atoi(line) == pid;
		fclose(f);
	}
	return found;
}

bool holder_end(struct holder *h)
{
	pid_t pid = h->pid;
	bool well;

	close(h->in);
	h->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	listen_to(h);
	well = reap(h);
	for (int i = 0; i < 3000 && is_client(pid); i++)
		usleep(10000);
	return well;
}

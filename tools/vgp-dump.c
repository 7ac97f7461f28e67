/* vgp-dump.c: prints a stream that VGPU_DEBUG=capture,file=PATH has kept. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "protocol/vgp_cap.h"
#include "protocol/vgp_dump.h"
#include "util/cleanup.h"

static int data_on;

static void usage(FILE *f)
{
	fprintf(f,
		"usage: vgp-dump [-x] FILE\n"
		"Prints the commands and replies in FILE, which VGPU_DEBUG=capture,file=FILE made.\n"
		"  -x, --data  with the data of commands in hexadecimal\n"
		"  FILE may be - (standard input)\n");
}

static void print_data(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i += 16) {
		printf("    %04zx ", i);
		for (size_t k = i; k < i + 16 && k < n; k++)
			printf(" %02x", p[k]);
		printf("\n");
	}
}

static int print_record(const struct vgp_cap_rec *r, const uint8_t *body, uint64_t t0)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vgp_reply reply;
	struct vgp_cmd cmd;
	size_t data = 0;

	if (r->kind == VGP_CAP_CMD && r->len >= sizeof(cmd)) {
		memcpy(&cmd, body, sizeof(cmd));
		vgp_dump_cmd(&b, &cmd);
		data = r->len - sizeof(cmd);
	} else if (r->kind == VGP_CAP_REPLY && r->len == sizeof(reply)) {
		memcpy(&reply, body, sizeof(reply));
		vgp_dump_reply(&b, r->op, &reply);
	} else {
		fprintf(stderr, "vgp-dump: a record of kind %u with %u bytes is not known\n", r->kind, r->len);
		return -1;
	}
	printf("%12.3f %u %s\n", (double)(r->ns - t0) / 1000.0, r->tid, vgpu_buf_text(&b));
	vgpu_buf_free(&b);
	if (data_on && data)
		print_data(body + sizeof(cmd), data);
	return 0;
}

static int print_stream(FILE *f, const char *name)
{
	cleanup_free uint8_t *body = malloc(VGP_CAP_MAX);
	struct vgp_cap_rec r;
	uint64_t t0 = 0;
	char magic[8];
	size_t n;

	if (!body || fread(magic, 1, 8, f) != 8 || memcmp(magic, VGP_CAP_MAGIC, 8) != 0) {
		fprintf(stderr, "vgp-dump: %s: not a captured stream\n", name);
		return 1;
	}
	while ((n = fread(&r, 1, sizeof(r), f)) == sizeof(r)) {
		if (r.len > VGP_CAP_MAX || fread(body, 1, r.len, f) != r.len) {
			fprintf(stderr, "vgp-dump: %s: the last record is cut\n", name);
			return 1;
		}
		if (!t0)
			t0 = r.ns;
		if (print_record(&r, body, t0))
			return 1;
	}
	if (n) {
		fprintf(stderr, "vgp-dump: %s: the last record is cut\n", name);
		return 1;
	}
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}

int main(int argc, char **argv)
{
	static const struct option opts[] = {
		{ "data", no_argument, NULL, 'x' }, { "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { 0 },
	};
	cleanup_fclose FILE *f = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "xh", opts, NULL)) != -1) {
		switch (c) {
		case 'x':
			data_on = 1;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			printf("vgp-dump %s\n", PACKAGE_VERSION);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind + 1 != argc) {
		usage(stderr);
		return 2;
	}
	if (strcmp(argv[optind], "-") == 0)
		return print_stream(stdin, "standard input");
	f = fopen(argv[optind], "rb");
	if (!f) {
		fprintf(stderr, "vgp-dump: %s: %s\n", argv[optind], strerror(errno));
		return 1;
	}
	return print_stream(f, argv[optind]);
}

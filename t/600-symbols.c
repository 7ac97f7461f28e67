/*
 * 600-symbols.c: the library exports the names of api.def and nothing else;
 * they are the names of the toolkit's stub library, if there is one. Prints the
 * entry points that are not implemented.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_entry.h"
#include "t/lib/symbols.h"
#include "t/lib/tap.h"

static void stub(const struct symbols *table)
{
	const char *home = getenv("CUDA_HOME");
	static struct symbols nv;
	char path[512];

	snprintf(path, sizeof(path), "%s/lib64/stubs/libcuda.so", home ? home : "");
	if (!home || !*home || symbols_read(path, &nv)) {
		skip("no stub library of a CUDA toolkit");
		return;
	}
	ok(!symbols_missing(&nv, table, "api.def"), "every symbol of the toolkit's stub is in api.def");
	ok(!symbols_missing(table, &nv, "the stub"), "and the other way round");
}

int main(void)
{
	static struct symbols table, lib;
	unsigned absent = 0;

	plan_lazy();
	for (unsigned i = 0; i < vcu_n_entries; i++)
		table.list[table.n++] = vcu_entries[i].symbol;
	symbols_sort(&table);
	is_int(table.n, 637, "637 entry points");
	if (symbols_read(test_build("libcuda-vgpu/libcuda.so"), &lib))
		bail("libcuda.so can't be read");
	is_string(lib.soname, "libcuda.so.1", "soname");
	ok(!symbols_missing(&table, &lib, "libcuda.so"), "all of them are exported");
	ok(!symbols_missing(&lib, &table, "api.def"), "nothing else is exported");
	symbols_needs_libc(&lib);
	stub(&table);
	for (unsigned i = 0; i < vcu_n_entries; i++)
		if (!vcu_entry_implemented(i)) {
			diag("not implemented (801): %s", vcu_entries[i].symbol);
			absent++;
		}
	diag("%u of %u entry points are implemented", vcu_n_entries - absent, vcu_n_entries);
	ok(absent < vcu_n_entries, "some are implemented");
	return 0;
}

#!/bin/bash
# What make install puts where, and that make uninstall takes it all away; quickstart's and check's options.
. "${VGPU_TOP_SRCDIR:-$(dirname "$0")/..}/t/lib/tap.sh"
cd "$TOP_BUILD" || bail "no build tree"
# make check builds everything before the first test runs; a test that is run by hand does not.
unset MAKEFLAGS MFLAGS MAKELEVEL
for f in tools/vgpuctl tools/mount.vgpufs fusefs/vgpufsd engine/vgpu-engine demo/vgpu-demo libcuda-vgpu/libcuda.so libnvml-vgpu/libnvidia-ml.so; do
	[ -e "$f" ] || skip_all "not everything is built: $f is not there"
done

out() { "$@" 2>&1; echo "exit $?"; }
R=$T/root
ok "make install" make -s DESTDIR="$R" prefix=/usr libdir=/usr/lib/here sysconfdir=/etc localstatedir=/var libexecdir=/usr/libexec install
if grep -q '^#define VGPU_LLVM' config.h; then
	ok "/usr/libexec/vgpufs/simdgen.so" test -s "$R/usr/libexec/vgpufs/simdgen.so"
	is "what the code generator needs is a package of those that quickstart installs" \
		"$(readelf -d "$R/usr/libexec/vgpufs/simdgen.so" | grep -o 'libLLVM[^]]*')" "libLLVM.so.$(grep -oE 'libllvm[0-9]+' "$TOP_SRC/contrib/packages.debian" | tail -1 | tr -dc 0-9).1"
fi
version=$(sed -n 's/^DRIVER_VERSION = //p' Makefile)
for f in usr/bin/vgpuctl usr/sbin/mount.vgpufs usr/libexec/vgpufs/{vgpufs-super,vgpufsd,vgpu-engine,vgpu-jit,vgpu-demo}; do
	ok "/$f" test -x "$R/$f"
done
for f in usr/share/vgpufs/profiles/{cpu,H100}.profile usr/share/man/man1/vgpuctl.1 usr/share/man/man8/{vgpufs,vgpufsd,mount.vgpufs}.8 \
	usr/share/man/man5/vgpufs.conf.5 usr/lib/systemd/system/vgpufs.service usr/share/bash-completion/completions/vgpuctl; do
	ok "/$f" test -s "$R/$f"
done
for lib in libcuda libnvidia-ml; do
	ok "$lib has the driver's version in its name" test -f "$R/usr/lib/here/$lib.so.$version"
	is "$lib.so.1 is a link to it" "$(readlink "$R/usr/lib/here/$lib.so.1")" "$lib.so.$version"
	ok "$lib.so leads there, too" test "$R/usr/lib/here/$lib.so" -ef "$R/usr/lib/here/$lib.so.$version"
done
is "no program or library has a path of its own to libraries" "$(for f in $(find "$R" -type f); do readelf -d "$f" 2>/dev/null | grep -E 'RPATH|RUNPATH'; done)" ""
like "the unit names installed programs" "$(cat "$R/usr/lib/systemd/system/vgpufs.service")" '^ExecStart=/.*/libexec/vgpufs/vgpufs-super -f --state /.*/lib/vgpufs /run/vgpufs$'
is "the unit has no place left to fill in" "$(grep -c '@[a-z]*@' "$R/usr/lib/systemd/system/vgpufs.service")" 0
if command -v systemd-analyze >/dev/null; then
	like "systemd can read it" "$(systemd-analyze --root="$R" verify "$R/usr/lib/systemd/system/vgpufs.service" 2>&1 | grep -E 'vgpufs.service:[0-9]+:' | grep -v 'not executable' | head -3)" '^$'
else
	skip "no systemd-analyze"
fi
ok "make uninstall" make -s DESTDIR="$R" prefix=/usr libdir=/usr/lib/here sysconfdir=/etc localstatedir=/var libexecdir=/usr/libexec uninstall
is "… leaves no file" "$(find "$R" ! -type d)" ""

like "quickstart --help" "$(out "$TOP_SRC/quickstart" --help)" '\-\-down'
like "quickstart with a wrong option" "$(out "$TOP_SRC/quickstart" --dwon)" "no option '--dwon'"
like "… fails" "$(out "$TOP_SRC/quickstart" --dwon)" 'exit 1'
like "quickstart --purge alone" "$(out "$TOP_SRC/quickstart" --purge)" 'goes with --down'
done_testing

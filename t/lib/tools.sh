# tools.sh: what tests of programs that use libnvidia-ml begin with; source it
# after tap.sh. It brings mount.sh, debs.sh and nvml.sh, and skips the test where
# such a program can't run at all.
#
#   smi_need                    nvidia-smi is unpacked, or the test is skipped; $SMI is it
#   smi ARGUMENT…               runs it, for a minute at most
#   query DEVICE FIELD[,FIELD…] what it says of them, without units
#   as_nobody COMMAND…          runs it as somebody who isn't root; fails where that can't be
. "$TOP_SRC/t/lib/mount.sh"
. "$TOP_SRC/t/lib/debs.sh"
. "$TOP_SRC/t/lib/nvml.sh"
SMI=$DEBS/usr/lib/nvidia/current/nvidia-smi

smi_need() {
	deb_need nvidia-smi
	[ -x "$SMI" ] || skip_all "the package has no nvidia-smi where it used to be"
}

smi() { timeout 60 "$SMI" "$@"; }
query() { smi -i "$1" --query-gpu="$2" --format=csv,noheader,nounits; }
as_nobody() { timeout 60 setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

nvml_no_sanitizer
vgpu_need_mount

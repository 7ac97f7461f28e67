# shellcheck shell=bash
# packages.sh: sourced by ./quickstart and ./check; $top is the source tree.
# Installs what is missing of packages.debian, and only that.

# missing_packages KIND…: names of those that are not installed.
missing_packages() {
	local kind
	for kind in "$@"; do
		awk -v kind="$kind" '$1 == kind { for (i = 2; i <= NF; i++) print $i }' "${top:?}/contrib/packages.debian"
	done | sort -u | while read -r name; do
		dpkg-query -W -f='${db:Status-Abbrev}\n' "$name" 2>/dev/null | grep -q '^.i' || echo "$name"
	done
}

# install_packages KIND…: 0 when nothing is missing (any more).
install_packages() {
	local missing=()
	command -v dpkg-query >/dev/null || return 0
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
		echo "missing packages (install them as root):" "${missing[@]}" >&2
		return 1
	fi
	echo "installing:" "${missing[@]}"
	# The lists may be old or empty on a fresh machine.
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null ||
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null; }
}

# debs.sh: programs of Debian packages that are not installed (and, being non-free,
# can't be asked of everybody): downloaded and unpacked for the test. Source it
# after tap.sh.
#
#   deb_unpack PACKAGE…    unpacks them below $DEBS; fails where they can't be had
#   deb_need PACKAGE…      the same, and skips the whole test then
#   $DEBS/usr/bin/…        what was in them, all in one tree
#
# apt's own configuration says where Debian's packages come from; contrib and
# non-free are asked for beside main, in private lists, so nothing of the
# machine is changed. Tests that run at the same time share what was unpacked.
DEBS=$TOP_BUILD/t/tmp/debs/root
DEBS_WORK=$TOP_BUILD/t/tmp/debs

debs_apt() {
	local cmd=$1; shift
	timeout 120 "$cmd" -q -o Dir::Etc::sourcelist="$DEBS_WORK/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State::lists="$DEBS_WORK/lists" -o Dir::Cache="$DEBS_WORK/cache" -o APT::Sandbox::User= \
		-o Acquire::Retries=0 -o Acquire::http::Timeout=20 -o Acquire::Languages=none "$@"
}

debs_sources() {
	mkdir -p "$DEBS_WORK/lists/partial" "$DEBS_WORK/cache/archives/partial" "$DEBS"
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(ORIGIN) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
		awk '$3 == "Debian" && $4 == "main" && $2 !~ /-(security|updates|backports)$/ && !seen++ {
			print "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]", $1, $2, "main contrib non-free" }' \
			>"$DEBS_WORK/sources.list"
	[ -s "$DEBS_WORK/sources.list" ] && debs_apt apt-get update >"$DEBS_WORK/update.log" 2>&1
}

# One test downloads; an attempt that failed isn't repeated by each of the others.
debs_get() {
	local pkg
	if [ -n "$(find "$DEBS_WORK/unreachable" -mmin -30 2>/dev/null)" ]; then return 1; fi
	if [ ! -s "$DEBS_WORK/sources.list" ] || [ ! -f "$DEBS_WORK/updated" ]; then
		debs_sources && touch "$DEBS_WORK/updated" || { touch "$DEBS_WORK/unreachable"; return 1; }
	fi
	for pkg; do
		[ -f "$DEBS_WORK/$pkg.done" ] && continue
		(cd "$DEBS_WORK/cache" && debs_apt apt-get download "$pkg" >"$DEBS_WORK/$pkg.log" 2>&1 &&
			dpkg-deb -x "$pkg"_*.deb "$DEBS" && touch "$DEBS_WORK/$pkg.done") || return 1
	done
}

deb_unpack() {
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null && command -v flock >/dev/null || return 1
	mkdir -p "$DEBS_WORK" || return 1
	(flock 9 && debs_get "$@") 9>"$DEBS_WORK/lock"
}

deb_need() { deb_unpack "$@" || skip_all "the Debian packages $* can't be had here"; }

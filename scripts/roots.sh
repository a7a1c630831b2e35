#!/usr/bin/env bash
# Pristine roots of Debian releases: made once, kept in a cache, unpacked in a second, run in, dropped.
# To be sourced by scripts with `set -euo pipefail`; called directly it prints this contract.
#
#   root_tar RELEASE         Prints the path of a tarball with a minimal root of RELEASE (bookworm, trixie or forky; or
#                            bookworm-i386, of 32 bits, on an x86_64 machine), which is made with debootstrap unless
#                            the cache has one that is at most 30 days old.
#                            Two callers at once do not make the same one: the second waits for the first.
#   root_make RELEASE DIR    Unpacks that tarball into DIR, which must be empty or not be there, and adds apt sources
#                            with security updates, the machine's resolv.conf, and a policy-rc.d that lets no service
#                            start. RELEASE may also be bookworm-backports: bookworm with that archive as a source.
#                            apt-get update has not been run in it.
#   root_run [--alone] DIR COMMAND…
#                            Runs COMMAND as root in DIR, with a clean environment and with /proc, /dev and /dev/pts
#                            of its own. Other processes cannot be seen; those that COMMAND leaves behind, and COMMAND
#                            itself when the calling script dies, are killed. Nothing stays mounted. Its exit status
#                            is COMMAND's. The network is the machine's; with --alone it is a loopback of the root's
#                            own and nothing else. Give variables with env: root_run DIR env NAME=value COMMAND…
#   root_bind=SOURCE:PATH    A variable: while it is set, root_run shows the directory SOURCE, read-only, at PATH in
#                            the root.
#   root_pack DIR FILE       Keeps DIR in the tarball FILE, which appears under its name only when it is whole.
#   root_unpack FILE DIR     The reverse; DIR must be empty or not be there.
#   root_drop DIR            Removes a DIR that one of these functions made, and nothing else.
#   roots_cache              Prints the directory of the cache, after making it.
#   roots_lock NAME          Takes the lock NAME of the cache, waiting for whoever has it, until the (sub)shell ends.
#
# All fail with a message on standard error that says what to do. All but roots_cache need root: the files in a root
# belong to many users, and entering one is root's right.
#
# Environment: PROV_CACHE        where caches are (default: mosquitto-provisioning in ${XDG_CACHE_HOME:-~/.cache})
#              PROV_MIRROR       Debian's archive (default http://deb.debian.org/debian); its security archive is
#                                looked for beside it, as debian-security
#              PROV_ROOTS_FRESH  yes: a root in the cache from before this script began is made anew

roots_mirror=${PROV_MIRROR:-http://deb.debian.org/debian}
roots_keyring=/usr/share/keyrings/debian-archive-keyring.gpg
roots_mark=etc/mosquitto-provisioning-root # root_drop removes only what has this file
roots_began=$(date +%s)

roots_say() { printf 'roots: %s\n' "$*" >&2; }

roots_cache() {
    local dir=${PROV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mosquitto-provisioning}/roots
    mkdir -p "$dir" && printf '%s\n' "$dir"
}

# roots_ready PROGRAM… Whether we are root and have the programs that are asked for; says what to do when not.
roots_ready() {
    local program
    if [ "$(id -u)" -ne 0 ]; then
        roots_say "entering another Debian's root needs root; run it with: sudo $0"
        return 1
    fi
    for program; do
        command -v "$program" >/dev/null 2>&1 && continue
        case "$program" in
        ip) program=iproute2 ;;
        column) program=bsdextrautils ;;
        unshare | setpriv | flock) program=util-linux ;;
        esac
        roots_say "$program is missing; install it with: apt-get install $program"
        return 1
    done
}

# Also a lock's file is left where it is: removing it would let a third caller lock another file of that name.
roots_lock() {
    local fd dir
    dir=$(roots_cache) || return
    exec {fd}>"$dir/$1.lock"
    flock -n "$fd" && return
    roots_say "waiting for another script that makes $1"
    flock "$fd"
}

# The words before a command that is to die with this shell, in mount and process namespaces of its own: what it mounts
# and leaves running is gone with it. No function, for in the background that would be a child of a shell between.
roots_apart=(setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child)

# roots_fresh FILE Whether it is there and young enough.
roots_fresh() {
    local made
    [ -s "$1" ] || return
    made=$(stat -c %Y "$1")
    [ "${PROV_ROOTS_FRESH:-no}" != yes ] || [ "$made" -ge "$roots_began" ] || return
    [ $((roots_began - made)) -lt $((30 * 24 * 3600)) ]
}

# Whether roots of 32 bits can be entered here.
roots_has_i386() { [ "$(uname -m)" = x86_64 ]; }

# roots_debootstrap RELEASE DIR LOG Older debootstraps lack a script for newer releases; sid's is the one that all of
# those use. The archive's signature is always checked.
roots_debootstrap() {
    local suite=${1%-i386} arch=()
    local script=/usr/share/debootstrap/scripts/$suite
    [ "$1" = "$suite" ] || arch=(--arch=i386)
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    if ! [ -s "$roots_keyring" ]; then
        roots_say 'the keys of the archive are missing; install them with: apt-get install debian-archive-keyring'
        return 1
    fi
    LC_ALL=C "${roots_apart[@]}" --mount-proc debootstrap --variant=minbase --include=ca-certificates --force-check-gpg \
        ${arch[@]+"${arch[@]}"} --keyring="$roots_keyring" "$suite" "$2" "$roots_mirror" "$script" >"$3" 2>&1 && return
    tail -n 20 "$3" >&2
    roots_say "debootstrap could not make a root of $1 from $roots_mirror; what it said last is above." \
        "Is the archive reachable? Another one is used with PROV_MIRROR=…"
    return 1
}

root_tar() {
    local cache tar
    case "$1" in
    bookworm | trixie | forky) ;;
    bookworm-i386) roots_has_i386 || { roots_say 'i386 needs an x86_64 machine'; return 1; } ;;
    *) roots_say "there is no release $1 here; there are bookworm, bookworm-i386, trixie and forky"; return 1 ;;
    esac
    cache=$(roots_cache) || return
    tar=$cache/$1.tar
    if ! roots_fresh "$tar"; then
        roots_ready flock setpriv unshare debootstrap && roots_make_tar "$1" "$cache" "$tar" || return
    fi
    printf '%s\n' "$tar"
}

# A subshell: the lock and the cleaning end with it. Whoever has the lock may remove what a killed maker left.
roots_make_tar() (
    release=$1 cache=$2 tar=$3 new=$2/new.$1
    roots_lock "$release" || exit
    ! roots_fresh "$tar" || exit 0
    rm -rf --one-file-system "$new"
    trap 'rm -rf --one-file-system "$new"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir "$new" || exit
    roots_say "making a root of $release from $roots_mirror (half a minute, once in 30 days)"
    roots_debootstrap "$release" "$new/root" "$new/log" || exit
    rm -rf "$new"/root/var/cache/apt/archives/*.deb "$new"/root/var/lib/apt/lists/*
    root_pack "$new/root" "$tar"
)

root_pack() {
    roots_ready tar || return
    rm -f "$2.new"
    tar --numeric-owner --xattrs --one-file-system -C "$1" -cf "$2.new" . && mv "$2.new" "$2"
}

root_unpack() {
    roots_ready tar || return
    if [ -e "$2" ] && [ -n "$(ls -A "$2")" ]; then
        roots_say "$2 is not empty; name a directory that is not there yet"
        return 1
    fi
    # the mark comes first, so that half a root can be dropped too
    mkdir -p "$2/${roots_mark%/*}" && : >"$2/$roots_mark" && chmod 755 "$2" || return
    tar --numeric-owner --xattrs -C "$2" -xf "$1"
}

# roots_source URI SUITES [OPTION] A paragraph for apt (sources.list(5)).
roots_source() {
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$1" "$2" "$roots_keyring"
    printf '%s\n' ${3:+"$3"} ''
}

# Testing's index says of itself that it is valid for a week, which a mirror that stands still outlives. An old
# testing is no harm here, and the signature is checked all the same.
roots_sources() {
    local security=${roots_mirror%/debian}/debian-security
    case "$1" in
    forky) roots_source "$roots_mirror" forky 'Check-Valid-Until: no' ;;
    # its security updates are left out, for mirrors have their index late
    bookworm-i386) roots_source "$roots_mirror" 'bookworm bookworm-updates' ;;
    *)
        roots_source "$roots_mirror" "$1 $1-updates"
        roots_source "$security" "$1-security"
        ;;
    esac
}

root_make() {
    local tar release=${1%-backports} dir=$2
    case "$1" in
    forky-backports | trixie-backports) roots_say "no backports for $release here"; return 1 ;;
    esac
    tar=$(root_tar "$release") && root_unpack "$tar" "$dir" || return
    rm -f "$dir/etc/apt/sources.list" || return
    roots_sources "$release" >"$dir/etc/apt/sources.list.d/debian.sources" || return
    if [ "$1" != "$release" ]; then
        roots_source "$roots_mirror" "$1" >"$dir/etc/apt/sources.list.d/backports.sources" || return
    fi
    # a root that lives for minutes need not survive a power cut
    printf 'force-unsafe-io\n' >"$dir/etc/dpkg/dpkg.cfg.d/unsafe-io"
    printf 'Acquire::Languages "none";\n' >"$dir/etc/apt/apt.conf.d/10languages"
    cp -L /etc/resolv.conf "$dir/etc/resolv.conf" || return
    printf '127.0.0.1 localhost %s\n::1 localhost ip6-localhost ip6-loopback\n' "$(uname -n)" >"$dir/etc/hosts"
    printf '#!/bin/sh\n# no service starts in this root (invoke-rc.d(8))\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
    chmod 755 "$dir/usr/sbin/policy-rc.d"
}

# What root_run does inside the namespaces, with the arguments ROOT BIND ALONE COMMAND…. The shell stays the first process
# and waits, which collects the processes that lost their parent, as an init does: tests that wait for a process to be
# gone would otherwise wait for a zombie. A shell has its background jobs ignore SIGINT; env takes that back.
# shellcheck disable=SC2016 # for the other shell to expand
roots_inside='set -eu
root=$1 bind=$2 alone=$3
shift 3
umask 022
exec 3<&0 # the standard input of a background job is /dev/null unless another is named
[ "$alone" = no ] || ip link set lo up
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for node in null zero full random urandom tty; do
    : >"$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
if [ -n "$bind" ]; then
    mkdir -p "$root${bind#*:}"
    mount --bind "${bind%%:*}" "$root${bind#*:}"
    mount -o remount,ro,bind "$root${bind#*:}"
fi
chroot "$root" env -i --default-signal=INT,QUIT HOME=/root USER=root LOGNAME=root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@" <&3 3<&- &
exec 3<&-
wait $!'

# The command runs in the background and is waited for, since bash looks at a signal that it traps only then: a script
# that is told to end while a command runs does so at once, and the command dies with it.
root_run() {
    local apart=() alone=no dir
    roots_ready setpriv unshare || return
    if [ "$1" = --alone ]; then
        roots_ready ip || return
        apart=(--net) alone=yes
        shift
    fi
    if ! [ -e "$1/$roots_mark" ]; then
        roots_say "$1 is not a root that root_make made"
        return 1
    fi
    dir=$(realpath "$1")
    shift
    "${roots_apart[@]}" ${apart[@]+"${apart[@]}"} -- \
        sh -c "$roots_inside" roots "$dir" "${root_bind:-}" "$alone" "$@" <&0 &
    wait $!
}

# Called from traps, where a return without a number gives what was before the trap.
root_drop() {
    if [ -e "$1/$roots_mark" ]; then
        rm -rf --one-file-system "$1"
    elif [ -e "$1" ]; then
        roots_say "$1 is not a root that root_make made; it stays"
        return 1
    fi
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
fi

#!/usr/bin/env bash
# Runs a Docker engine as the first process of namespaces of its own: mounts, processes, network.
#     namespace.sh ROOT CONFIGURATION SHARED... -- COMMAND...
# ROOT is the engine's root filesystem; CONFIGURATION becomes its /etc/docker; SHARED are directories of the
# machine that are seen under the same path. The engine is asked to end when standard input ends, and
# whatever is left then ends with the namespace.
set -euo pipefail
root=$1 configuration=$2
shift 2
shared=()
while [[ $1 != -- ]]; do
    shared+=("$1")
    shift
done
shift

if [[ $root == / ]]; then
    mkdir -p /etc/docker
    mount --bind "$configuration" /etc/docker
else
    mount --bind "$root" "$root"
    mkdir -p "$root/etc/docker"
    mount --bind "$configuration" "$root/etc/docker"
    for directory in "${shared[@]}"; do
        mkdir -p "$root$directory"
        mount --bind "$directory" "$root$directory"
    done
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    # Under chroot, `docker exec` and every healthcheck would run in the machine's own root filesystem.
    cd "$root"
    pivot_root . mnt
    cd /
fi
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
if [[ $root != / ]]; then
    umount --lazy /mnt
fi

exec 3<&0
cat <&3 >/dev/null &
"$@" 3<&- &
engine=$!
wait -n || true
kill -TERM "$engine" 2>/dev/null || true
wait "$engine"

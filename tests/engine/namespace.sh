#!/usr/bin/env bash
# Runs a Docker engine as the first process of namespaces of its own: mounts, processes, network.
#     namespace.sh PYTHON ROOT CONFIGURATION SHARED... -- COMMAND...
# PYTHON is an interpreter of the machine; ROOT is the engine's root filesystem; CONFIGURATION becomes its
# /etc/docker; SHARED are directories of the machine that are seen under the same path. The engine is asked to end when standard input ends, and
# whatever is left then ends with the namespace.
set -euo pipefail
python=$1 root=$2 configuration=$3
shift 3
shared=()
while [[ $1 != -- ]]; do
    shared+=("$1")
    shift
done
shift

# Without the loopback interface no port can be published; the command `ip` is not on every machine.
"$python" -I -c '
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
with socket.socket() as any:
    fcntl.ioctl(any, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
'

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

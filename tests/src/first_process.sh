# The first process of a sandbox, process 1 in its namespace: when it ends, the kernel ends all others there,
# and the mounts and the network go with them. See sandbox.rs. Argument: host name.
set -eu

# /proc is still that of the computer, where this process has another number, by which the test enters.
read -r outer_pid _ </proc/self/stat
echo "$1" >/proc/sys/kernel/hostname
mount -t proc proc /proc
# Sockets and locks that programs keep under /run are the sandbox' own.
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
echo "$outer_pid"
exec >/dev/null

# Nothing is ever said on the lifeline: this waits for its end. bash, unlike other shells, meanwhile waits for
# the orphans that it inherits.
read -r _ || true

# The keeper of a sandbox: makes its namespaces, waits until they are gone, and then removes what they leave
# behind. See sandbox.rs. Arguments: name, folder, host name.
#
# Its standard input is the lifeline: when its other end is closed, by the test or by its death, the first
# process of the sandbox ends, and with it everything in there.
set -u
name=$1 folder=$2 hostname=$3

# Killed, the keeper takes the sandbox along; only the cgroups' empty directories and the folder stay then,
# for the next run to sweep.
setpriv --pdeathsig KILL -- \
  unshare --net --mount --pid --uts --ipc --fork --kill-child -- \
  bash "$folder/first_process.sh" "$hostname"

# All processes are gone by now, but the kernel may need a moment to let go of their cgroups.
for _ in {1..200}; do
  # One directory for version 2 of cgroups, one in each hierarchy for version 1.
  mapfile -t cgroups < <(find /sys/fs/cgroup -maxdepth 2 -type d -name "$name" -prune 2>/dev/null)
  ((${#cgroups[@]})) || break
  find "${cgroups[@]}" -depth -type d -exec rmdir {} \; 2>/dev/null
  sleep 0.02
done
rm -rf --one-file-system -- "$folder"

//! One container: its specification, its shim, cgroups, seccomp, mounts.

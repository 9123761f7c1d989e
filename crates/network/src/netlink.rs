//! The kernel's network configuration by netlink: spoken directly and synchronously, because an answer is there
//! when the request's system call returns.
//!
//! A socket belongs to the namespace of the thread that opened it, for good.

pub(crate) mod conntrack;
pub(crate) mod message;
pub(crate) mod nf_tables;
pub(crate) mod operation;
pub(crate) mod route;
pub(crate) mod socket;

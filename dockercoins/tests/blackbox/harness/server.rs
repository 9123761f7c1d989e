//! A role that listens.

use std::net::SocketAddr;

use super::http::{Response, get};
use super::loopback::own_address;
use super::process::Process;

/// `rng`, `hasher`, `webui` or `store`, and where it listens.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    role: String,
    more: Vec<String>,
}

impl Server {
    /// Starts the role with these arguments on an address of its own.
    #[track_caller]
    pub(crate) fn start(role: &str, more: &[&str]) -> Self {
        let (process, address) = listen(role, (own_address(), 0).into(), more);
        Self {
            process,
            address,
            role: role.to_owned(),
            more: more.iter().map(ToString::to_string).collect(),
        }
    }

    /// Starts it again, once it is dead, as it was and where it was.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.process.end();
        let more: Vec<_> = self.more.iter().map(String::as_str).collect();
        (self.process, _) = listen(&self.role, self.address, &more);
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        get(self.address, path)
    }
}

/// Starts a role, waits until it listens, and says where.
#[track_caller]
pub(crate) fn listen(role: &str, address: SocketAddr, more: &[&str]) -> (Process, SocketAddr) {
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let arguments = [&[role, "--listen", &ip, "--port", &port], more].concat();
    let process = Process::start(&arguments);
    let address = address_in(&process.line("listening on "));
    (process, address)
}

/// The address in a line such as `rng 0.1.0 listening on http://127.0.0.1:1234`.
#[track_caller]
pub(crate) fn address_in(line: &str) -> SocketAddr {
    let after = line.split("://").nth(1).unwrap_or_default();
    let text: String = after
        .chars()
        .take_while(|c| c.is_ascii_digit() || ".:".contains(*c))
        .collect();
    text.parse()
        .unwrap_or_else(|_| panic!("no address in {line:?}"))
}

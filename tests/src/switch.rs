//! A switch: a network namespace with a bridge, to which sandboxes are plugged by veth pairs. It plays the
//! network between computers.
//!
//! Neither it nor what is plugged in has a default route, so nothing gets out. Its addresses are 10.99.0.0/24,
//! in its own namespaces only: any number of switches can be there at once.

use std::{net::Ipv4Addr, time::Duration};

use crate::{command::run, sandbox::Sandbox};

const LIMIT: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub struct Switch {
    sandbox: Sandbox,
    plugged: u8,
}

impl Switch {
    /// Makes one, with nothing plugged in.
    pub fn new() -> Self {
        let sandbox = Sandbox::new("switch");
        ip(&sandbox, &["link", "add", "switch", "type", "bridge"]);
        ip(&sandbox, &["link", "set", "switch", "up"]);
        Self {
            sandbox,
            plugged: 0,
        }
    }

    /// Plugs `other` in and returns the address that it has from now on.
    ///
    /// # Panics
    /// At the two hundred and first.
    pub fn plug(&mut self, other: &Sandbox) -> Ipv4Addr {
        assert!(self.plugged < 200, "a switch has 200 ports");
        self.plugged += 1;
        let port = format!("port{}", self.plugged);
        let address = Ipv4Addr::new(10, 99, 0, self.plugged);
        let target = other.first_process().as_raw_pid().to_string();
        // Named on the computer's numbers, which `ip` does not see from within the switch' processes, so only
        // the switch' network is entered.
        let mut veth = std::process::Command::new("nsenter");
        veth.arg(format!(
            "--net=/proc/{}/ns/net",
            self.sandbox.first_process().as_raw_pid()
        ))
        .args([
            "ip", "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &target,
        ]);
        run(&mut veth, LIMIT).success();
        ip(
            &self.sandbox,
            &["link", "set", &port, "master", "switch", "up"],
        );
        ip(
            other,
            &["address", "add", &format!("{address}/24"), "dev", "eth0"],
        );
        ip(other, &["link", "set", "eth0", "up"]);
        address
    }
}

impl Default for Switch {
    fn default() -> Self {
        Self::new()
    }
}

#[track_caller]
fn ip(sandbox: &Sandbox, arguments: &[&str]) {
    run(sandbox.enter("ip").args(arguments), LIMIT).success();
}

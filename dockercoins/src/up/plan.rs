//! Which processes make up the application, with which arguments and addresses. Pure; it must never look
//! at this computer.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use clap::ValueEnum;

use crate::args::UpArgs;

const WEBUI_PORT: u16 = 8000;
const RNG_PORT: u16 = 8001;
const HASHER_PORT: u16 = 8002;
pub(super) const STORE_PORT: u16 = 8003;

/// A process of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// As in `worker-2`.
    pub(super) name: String,
    pub(super) role: &'static str,
    /// Where it answers, if it does.
    pub(super) address: Option<SocketAddr>,
    pub(super) arguments: Vec<String>,
}

/// All processes, in groups that start one after the other.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) groups: Vec<Vec<Process>>,
    redis: String,
    own_store: bool,
}

impl Plan {
    /// `folder` is where the store keeps its data.
    pub(super) fn new(args: &UpArgs, folder: Option<&Path>) -> Self {
        let port = |base: u16| base + args.port_offset;
        let store = loopback(1, port(STORE_PORT));
        let redis = args
            .redis
            .clone()
            .unwrap_or_else(|| format!("redis://{store}"));
        let rng: Vec<_> = (1..=args.rng)
            .map(|number| loopback(number, port(RNG_PORT)))
            .collect();
        let hasher = loopback(1, port(HASHER_PORT));
        let webui = loopback(1, port(WEBUI_PORT));
        let fast = args.fast.then(|| "--fast".to_owned());

        let mut services = Vec::new();
        for (address, number) in rng.iter().zip(1..) {
            services.push(server("rng", number, *address, fast.clone()));
        }
        services.push(server("hasher", 1, hasher, fast.clone()));
        let page = ["--redis-url".to_owned(), redis.clone()]
            .into_iter()
            .chain(fast.clone());
        services.push(server("webui", 1, webui, page));

        let rng_urls: Vec<_> = rng
            .iter()
            .map(|address| format!("http://{address}"))
            .collect();
        let worker = |number| {
            let release = args
                .release
                .to_possible_value()
                .map_or_else(String::new, |value| value.get_name().to_owned());
            let mut arguments = strings(&["worker", "--listen", "127.0.0.1"]);
            arguments.extend(["--release".to_owned(), release]);
            arguments.extend(["--rng-url".to_owned(), rng_urls.join(",")]);
            arguments.extend(["--hasher-url".to_owned(), format!("http://{hasher}")]);
            arguments.extend(["--redis-url".to_owned(), redis.clone()]);
            arguments.extend(fast.clone());
            Process {
                name: format!("worker-{number}"),
                role: "worker",
                address: None,
                arguments,
            }
        };

        let mut groups = Vec::new();
        if args.redis.is_none() {
            let keep = folder.map(|folder| ["--dir".to_owned(), folder.display().to_string()]);
            groups.push(vec![server("store", 1, store, keep.into_iter().flatten())]);
        }
        groups.push(services);
        groups.push((1..=args.workers).map(worker).collect());
        Self {
            groups,
            redis,
            own_store: args.redis.is_none(),
        }
    }

    pub(super) fn processes(&self) -> impl Iterator<Item = &Process> {
        self.groups.iter().flatten()
    }

    /// What a person still wants to know when the banner has scrolled away.
    pub(super) fn footer(&self) -> String {
        let page = self.processes().find(|process| process.role == "webui");
        let port = page
            .and_then(|page| page.address)
            .map_or(WEBUI_PORT, |address| address.port());
        format!(" Dockercoins: open http://localhost:{port}/   Ctrl-C stops it ")
    }

    /// What a person wants to know once all of it runs.
    pub(super) fn banner(&self) -> Vec<String> {
        let of = |role| self.processes().filter(move |process| process.role == role);
        let first = |role| of(role).find_map(|process| process.address);
        let mut lines = vec![format!(
            "Dockercoins runs: {}, {}",
            counted(of("worker").count(), "worker", "workers"),
            counted(of("rng").count(), "rng", "rng"),
        )];
        let mut line = |label: &str, role, path: &str, remark: &str| {
            if let Some(address) = first(role) {
                let url = format!("http://localhost:{}{path}", address.port());
                lines.push(
                    format!("  {label:<8}{url:<30}{remark}")
                        .trim_end()
                        .to_owned(),
                );
            }
        };
        line("page", "webui", "/", "<- open this one");
        let rng_port = first("rng").map_or(RNG_PORT, |address| address.port());
        let ping = format!("try: dockercoins ping localhost:{rng_port}");
        line("rng", "rng", "/", &ping);
        line("hasher", "hasher", "/", "");
        let remark = if self.own_store {
            "the store: any Redis client can look inside"
        } else {
            ""
        };
        let name = crate::datastore::without_password(&self.redis);
        lines.push(
            format!("  {:<8}{name:<30}{remark}", "redis")
                .trim_end()
                .to_owned(),
        );
        lines.push("Ctrl-C stops it".to_owned());
        lines
    }
}

fn server(
    role: &'static str,
    number: u32,
    address: SocketAddr,
    more: impl IntoIterator<Item = String>,
) -> Process {
    let mut arguments = strings(&[role, "--listen"]);
    arguments.extend([
        address.ip().to_string(),
        "--port".to_owned(),
        address.port().to_string(),
    ]);
    arguments.extend(more);
    Process {
        name: format!("{role}-{number}"),
        role,
        address: Some(address),
        arguments,
    }
}

/// All of 127.0.0.0/8 is this computer: each rng has an address of its own, and all the same port, as
/// several containers behind one name have.
fn loopback(number: u32, port: u16) -> SocketAddr {
    let last = u8::try_from(number).unwrap_or(u8::MAX);
    SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port))
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Release;

    fn args() -> UpArgs {
        UpArgs {
            workers: 1,
            rng: 1,
            redis: None,
            dir: None,
            fast: false,
            release: Release::V0_1,
            port_offset: 0,
        }
    }

    #[track_caller]
    fn check(args: &UpArgs, expect: &[&str]) {
        let plan = Plan::new(args, Some(Path::new("/coins")));
        let lines: Vec<_> = plan
            .processes()
            .map(|process| format!("{}: {}", process.name, process.arguments.join(" ")))
            .collect();
        assert_eq!(lines, expect);
    }

    #[test]
    fn the_whole_application() {
        check(
            &args(),
            &[
                "store-1: store --listen 127.0.0.1 --port 8003 --dir /coins",
                "rng-1: rng --listen 127.0.0.1 --port 8001",
                "hasher-1: hasher --listen 127.0.0.1 --port 8002",
                "webui-1: webui --listen 127.0.0.1 --port 8000 --redis-url redis://127.0.0.1:8003",
                "worker-1: worker --listen 127.0.0.1 --release 0.1 --rng-url http://127.0.0.1:8001 \
             --hasher-url http://127.0.0.1:8002 --redis-url redis://127.0.0.1:8003",
            ],
        );
    }

    #[test]
    fn scaled_fast_and_with_a_real_redis() {
        let args = UpArgs {
            workers: 2,
            rng: 2,
            redis: Some("redis://db".into()),
            fast: true,
            release: Release::V0_2,
            port_offset: 100,
            ..args()
        };
        let worker = "worker --listen 127.0.0.1 --release 0.2 --rng-url http://127.0.0.1:8101,http://127.0.0.2:8101 \
                      --hasher-url http://127.0.0.1:8102 --redis-url redis://db --fast";
        check(
            &args,
            &[
                "rng-1: rng --listen 127.0.0.1 --port 8101 --fast",
                "rng-2: rng --listen 127.0.0.2 --port 8101 --fast",
                "hasher-1: hasher --listen 127.0.0.1 --port 8102 --fast",
                "webui-1: webui --listen 127.0.0.1 --port 8100 --redis-url redis://db --fast",
                &format!("worker-1: {worker}"),
                &format!("worker-2: {worker}"),
            ],
        );
    }

    #[test]
    fn the_banner_names_what_to_open() {
        let banner = Plan::new(&args(), None).banner();
        assert_eq!(banner[0], "Dockercoins runs: 1 worker, 1 rng");
        assert!(banner[1].contains("http://localhost:8000/"), "{banner:?}");
        let secret = UpArgs {
            redis: Some("redis://:secret@db".into()),
            ..args()
        };
        assert!(
            !Plan::new(&secret, None)
                .banner()
                .concat()
                .contains("secret")
        );
    }
}

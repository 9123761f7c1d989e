//! What a person reads when something is typed wrong, taken, or not allowed.

use std::net::TcpListener;

use crate::harness::loopback::free_address;
use crate::harness::process::Process;
use crate::harness::server::Server;

#[track_caller]
fn refused(arguments: &[&str], expect: &[&str]) {
    let mut process = Process::start(arguments);
    let code = process.end();
    let text = process.lines().join("\n");
    assert!(
        matches!(code, Some(1 | 2)),
        "{arguments:?}: exit code {code:?}, {text}"
    );
    for part in expect {
        assert!(
            text.contains(part),
            "{arguments:?}: {part:?} is not in\n{text}"
        );
    }
}

#[test]
fn wrong_flags() {
    refused(&[], &["Usage: dockercoins <COMMAND>"]);
    refused(&["rgn"], &["unrecognized subcommand 'rgn'", "try '--help'"]);
    refused(
        &["rng", "--dleay-ms", "1"],
        &["unexpected argument '--dleay-ms'", "--delay-ms"],
    );
    refused(
        &["rng", "--port", "70000"],
        &["invalid value '70000' for '--port <PORT>'"],
    );
    refused(
        &["rng", "--listen", "here"],
        &["invalid value 'here' for '--listen <ADDRESS>'"],
    );
    refused(
        &["hasher", "--concurrency", "0"],
        &["0 is not in 1..=10000"],
    );
    refused(
        &["worker", "--rng-url", "https://rng"],
        &["only plain http is spoken here"],
    );
    refused(
        &["worker", "--rng-url", "http://rng:99999"],
        &["is not an HTTP address; write it as http://host:port"],
    );
    refused(
        &["worker", "--redis-url", "http://x"],
        &["\"http://x\" is no address of a Redis; write it as redis://"],
    );
    refused(
        &["worker", "--coin-prefix", "0X"],
        &["--coin-prefix \"0X\" can begin no hash"],
    );
    refused(
        &["worker", "--release", "0.3"],
        &["[possible values: 0.1, 0.2]"],
    );
    refused(
        &["up", "--port-offset", "60000"],
        &["60000 is not in 0..=57532"],
    );
    refused(
        &["up", "--redis", "redis://x", "--dir", "/tmp"],
        &["cannot be used with"],
    );
    refused(&["ping"], &["<URL>"]);
    refused(
        &["ping", "localhost", "--interval=-1"],
        &["between 0 and 86400 seconds are possible"],
    );
}

#[test]
fn environment_variables_are_flags() {
    let refused = |value| {
        let mut process = Process::start_with(
            &["rng", "--port", "0"],
            &[("DOCKERCOINS_RNG_DELAY_MS", value)],
        );
        process.end();
        process.lines().join("\n")
    };
    assert!(refused("soon").contains("invalid value 'soon' for '--delay-ms <MS>'"));
    let environment = [
        ("DOCKERCOINS_HASHER_PORT", "0"),
        ("DOCKERCOINS_HASHER_LISTEN", "127.0.0.1"),
    ];
    // What Kubernetes sets in a pod beside a service called hasher must not matter.
    let kubernetes = [
        ("HASHER_PORT", "tcp://10.0.0.1:80"),
        ("RNG_PORT", "tcp://10.0.0.2:80"),
    ];
    let process = Process::start_with(&["hasher"], &[environment, kubernetes].concat());
    process.line("listening on http://127.0.0.1:");
}

#[test]
fn a_switch_takes_what_people_write_into_variables() {
    for (value, fast) in [
        ("1", true),
        ("yes", true),
        ("true", true),
        ("0", false),
        ("false", false),
        ("", false),
    ] {
        let process = Process::start_with(
            &["rng", "--listen", "127.0.0.1", "--port", "0"],
            &[("DOCKERCOINS_RNG_FAST", value)],
        );
        let address = crate::harness::server::address_in(&process.line("listening on "));
        let answer = crate::harness::http::get(address, "/");
        let line = if fast {
            " requests answered in a second"
        } else {
            "\"GET / HTTP/1.1\" 200 -"
        };
        assert_eq!(answer.status, 200);
        process.line(line);
    }
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (role, more) in [
        ("rng", None),
        ("rng", Some("--fast")), // once hung, waiting for its own summary to end
        ("hasher", None),
        ("hasher", Some("--fast")),
        ("webui", None),
        ("store", None),
    ] {
        let text =
            format!("error: {role} cannot listen on 127.0.0.1:{port}: Address already in use");
        let hint = "hint: another program uses that port: stop it, or choose another with --port";
        let mut arguments = vec![role, "--listen", "127.0.0.1", "--port", &port];
        arguments.extend(more);
        refused(&arguments, &[&text, hint]);
    }
    refused(
        &["rng", "--listen", "192.0.2.1", "--port", "0"],
        &["no interface of this computer has that address"],
    );
}

#[test]
fn ping_shows_times_and_losses() {
    let hasher = Server::start("hasher", &["--delay-ms", "0"]);
    let target = hasher.address.to_string();
    let mut ping = Process::start(&["ping", &target, "--count", "3", "--interval", "0.01"]);
    assert_eq!(ping.end(), Some(0));
    let lines = ping.lines();
    assert_eq!(lines[0], format!("PING http://{target}/"));
    assert!(
        lines[1].starts_with(&format!("connected to {target} (")),
        "{lines:?}"
    );
    assert!(lines[1].contains(" bytes), seq=0 time="), "{lines:?}");
    assert_eq!(
        lines[4],
        format!("--- http://{target}/ ping statistics ---")
    );
    assert!(
        lines[5].starts_with("3 requests, 3 answered, 0 lost (0 %)"),
        "{lines:?}"
    );
    assert!(lines[6].starts_with("min/avg/max/p99 = "), "{lines:?}");

    let mut json = Process::start(&["ping", &target, "--count", "2", "--interval", "0", "--json"]);
    assert_eq!(json.end(), Some(0));
    let objects: Vec<serde_json::Value> = json
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (objects[1]["seq"].as_u64(), objects[1]["status"].as_u64()),
        (Some(1), Some(200))
    );
    assert_eq!(objects[2]["summary"]["answered"].as_u64(), Some(2));

    let mut missing = Process::start(&["ping", &format!("{target}/nothing"), "--count", "1"]);
    assert_eq!(missing.end(), Some(1));
    missing.line("404 Not Found");
    let nowhere = free_address().to_string();
    let mut lost = Process::start(&["ping", &nowhere, "--count", "1"]);
    assert_eq!(lost.end(), Some(1));
    lost.line(&format!(
        "no answer, seq=0: cannot connect to {nowhere}: Connection refused"
    ));
    lost.line("1 requests, 0 answered, 1 lost (100 %)");
}

#[test]
fn ping_ends_with_its_statistics_on_ctrl_c() {
    let hasher = Server::start("hasher", &[]);
    let mut ping = Process::start(&["ping", &hasher.address.to_string()]);
    ping.line("seq=0");
    ping.signal(rustix::process::Signal::INT);
    assert_eq!(ping.end(), Some(0));
    ping.line("min/avg/max/p99 = ");
}

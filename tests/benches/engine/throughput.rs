//! How much goes through an engine in a second: images in and out, logs, files, streams, published ports.
//!
//! The bytes of each kind are the same for both engines, and are checked to have arrived.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use blackbox::{
    api::Api,
    command::{installed, run},
    debian_image,
    sandbox::Sandbox,
    waiting::wait_for,
};
use serde_json::{Value, json};

use super::{create, median, print_row, remove};

/// How much is sent and received.
const MIB: usize = 64;
const BYTES: usize = MIB << 20;

/// Measures all kinds, by both in turn.
pub(super) fn all(rounds: usize, apis: &mut [Api; 2], sandboxes: [&Sandbox; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    compare("import of an image", rounds, apis, |api| {
        let started = Instant::now();
        let path = "/v1.40/images/create?fromSrc=-&repo=much&tag=latest";
        let answer = api.ask("POST", path, &archive, "application/x-tar");
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200);
        let took = started.elapsed();
        api.json("DELETE", "/v1.40/images/much", &Value::Null);
        took
    });
    load_and_save(rounds, apis, &archive);
    files(rounds, apis, &archive);
    logs(rounds, apis);
    compare("stdin through cat to stdout", rounds, apis, through_cat);
    published(rounds, apis, sandboxes);
}

/// As the rates of [`super::compare`].
fn compare(
    what: &str,
    rounds: usize,
    apis: &mut [Api; 2],
    mut work: impl FnMut(&mut Api) -> Duration,
) {
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (api, times) in apis.iter_mut().zip(&mut times) {
            times.push(work(api));
        }
    }
    print_rates(what, times);
}

fn print_rates(what: &str, times: [Vec<Duration>; 2]) {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let [docker, essaim] = times.map(|times| MIB as f64 / median(times).as_secs_f64());
    print_row(what, docker, essaim, essaim / docker, "MiB/s");
}

/// A tar archive of one file that cannot be compressed.
fn archive(folder: &Path) -> Vec<u8> {
    let mut random = fs::File::open("/dev/urandom").unwrap().take(BYTES as u64);
    let mut file = fs::File::create(folder.join("file")).unwrap();
    std::io::copy(&mut random, &mut file).unwrap();
    let archive = folder.join("archive.tar");
    let mut tar = Command::new("tar");
    tar.arg("-cf")
        .arg(&archive)
        .arg("-C")
        .arg(folder)
        .arg("file");
    run(&mut tar, Duration::from_secs(20)).success();
    fs::read(archive).unwrap()
}

fn load_and_save(rounds: usize, apis: &mut [Api; 2], archive: &[u8]) {
    let (mut written, mut loads) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        for (it, api) in apis.iter_mut().enumerate() {
            let path = "/v1.40/images/create?fromSrc=-&repo=much&tag=latest";
            let imported = api.ask("POST", path, archive, "application/x-tar");
            assert_eq!(imported.unwrap().status, 200);
            let started = Instant::now();
            let saved = api.ask("GET", "/v1.40/images/much/get", &[], "").unwrap();
            written[it].push(started.elapsed());
            assert!(saved.body.len() > BYTES);
            api.json("DELETE", "/v1.40/images/much", &Value::Null);
            let started = Instant::now();
            let path = "/v1.40/images/load?quiet=1";
            let loaded = api.ask("POST", path, &saved.body, "application/x-tar");
            assert_eq!(loaded.unwrap().status, 200);
            loads[it].push(started.elapsed());
            api.json("DELETE", "/v1.40/images/much", &Value::Null);
        }
    }
    print_rates("save of an image", written);
    print_rates("load of an image", loads);
}

fn files(rounds: usize, apis: &mut [Api; 2], archive: &[u8]) {
    let (mut sent, mut received) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for (it, api) in apis.iter_mut().enumerate() {
        let id = start(api, &["sleep", "1000"]);
        let path = format!("/v1.40/containers/{id}/archive?path=/tmp");
        for _ in 0..rounds {
            let started = Instant::now();
            let put = api.ask("PUT", &path, archive, "application/x-tar");
            sent[it].push(started.elapsed());
            assert_eq!(put.unwrap().status, 200);
            let started = Instant::now();
            let got = api.ask("GET", &format!("{path}/file"), &[], "").unwrap();
            received[it].push(started.elapsed());
            assert!(got.body.len() > BYTES);
        }
        remove(api, &id);
    }
    print_rates("copy into a container", sent);
    print_rates("copy out of a container", received);
}

/// Lines of a hundred bytes, as programs write them.
fn logs(rounds: usize, apis: &mut [Api; 2]) {
    let line = "x".repeat(99);
    let script = format!("yes {line} | head -c {BYTES}");
    let (mut writes, mut reads) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        for (it, api) in apis.iter_mut().enumerate() {
            let started = Instant::now();
            let id = start(api, &["sh", "-c", &script]);
            api.json(
                "POST",
                &format!("/v1.40/containers/{id}/wait"),
                &Value::Null,
            );
            writes[it].push(started.elapsed());
            let started = Instant::now();
            let path = format!("/v1.40/containers/{id}/logs?stdout=1");
            let log = api.ask("GET", &path, &[], "").unwrap();
            reads[it].push(started.elapsed());
            // With eight bytes of a head for each piece.
            assert!(log.body.len() > BYTES);
            remove(api, &id);
        }
    }
    print_rates("a container's log, written", writes);
    print_rates("a container's log, read", reads);
}

fn start(api: &mut Api, command: &[&str]) -> String {
    let id = create(api, command, "none", false);
    let path = format!("/v1.40/containers/{id}/start");
    api.json("POST", &path, &Value::Null);
    id
}

/// From a client through a container's program and back.
fn through_cat(api: &mut Api) -> Duration {
    let body = json!({
        "Image": "busybox", "Cmd": ["cat"], "OpenStdin": true, "StdinOnce": true,
        "AttachStdin": true, "AttachStdout": true,
        "HostConfig": { "NetworkMode": "none", "LogConfig": { "Type": "none" } },
    });
    let created = api.json("POST", "/v1.40/containers/create", &body);
    let id = created["Id"].as_str().unwrap().to_owned();
    let mut stream = UnixStream::connect(api.path()).unwrap();
    let path = format!("/v1.40/containers/{id}/attach?stream=1&stdin=1&stdout=1");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answered = Vec::new();
    while !answered.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answered.extend(byte);
    }
    let path = format!("/v1.40/containers/{id}/start");
    api.json("POST", &path, &Value::Null);
    let started = Instant::now();
    let mut writer = stream.try_clone().unwrap();
    let writing = thread::spawn(move || {
        let piece = vec![b'x'; 1 << 16];
        for _ in 0..BYTES / piece.len() {
            writer.write_all(&piece).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = 0;
    let mut piece = vec![0; 1 << 16];
    loop {
        let count = stream.read(&mut piece).unwrap();
        received += count;
        if count == 0 {
            break;
        }
    }
    writing.join().unwrap();
    let took = started.elapsed();
    assert!(received > BYTES, "{received} bytes");
    remove(api, &id);
    took
}

/// One TCP connection for two seconds, from the engine's host to a container.
fn published(rounds: usize, apis: &mut [Api; 2], sandboxes: [&Sandbox; 2]) {
    let iperf = installed("iperf3", "iperf3");
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("iperf.tar");
    debian_image::pack(&[&iperf], &packed);
    let packed = fs::read(packed).unwrap();
    let served = apis.each_mut().map(|api| serve(api, &iperf, &packed));
    for (what, is_published) in [
        ("TCP to a port published on loopback", true),
        ("TCP to a container's own address", false),
    ] {
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..rounds.min(3) {
            for it in 0..2 {
                let (_, own) = &served[it];
                let address = if is_published { "127.0.0.1" } else { own };
                rates[it].push(transmitted(sandboxes[it], &iperf, address));
            }
        }
        let [docker, essaim] = rates.map(|mut rates: Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        });
        print_row(what, docker, essaim, essaim / docker, "MiB/s");
    }
    for (api, (id, _)) in apis.iter_mut().zip(&served) {
        remove(api, id);
    }
}

/// Runs an iperf3 server; returns the container's id and its address.
fn serve(api: &mut Api, iperf: &Path, packed: &[u8]) -> (String, String) {
    let path = "/v1.40/images/create?fromSrc=-&repo=iperf&tag=latest";
    let imported = api.ask("POST", path, packed, "application/x-tar");
    assert_eq!(imported.unwrap().status, 200);
    let body = json!({
        "Image": "iperf", "Cmd": [iperf.to_str().unwrap(), "--server"],
        "ExposedPorts": { "5201/tcp": {} },
        "HostConfig": {
            "PortBindings": { "5201/tcp": [{ "HostPort": "5201" }] },
            "Tmpfs": { "/tmp": "" },
        },
    });
    let created = api.json("POST", "/v1.40/containers/create", &body);
    let id = created["Id"].as_str().unwrap();
    let path = format!("/v1.40/containers/{id}");
    api.json("POST", &format!("{path}/start"), &Value::Null);
    let known = api.json("GET", &format!("{path}/json"), &Value::Null);
    let address = known["NetworkSettings"]["IPAddress"].as_str().unwrap();
    (id.to_owned(), address.to_owned())
}

/// Mebibytes per second that the server has received.
fn transmitted(sandbox: &Sandbox, iperf: &Path, address: &str) -> f64 {
    wait_for("iperf3's answer", Duration::from_secs(20), || {
        let mut client = sandbox.enter(iperf);
        client.args(["--client", address, "--time", "2", "--json"]);
        let said = run(&mut client, Duration::from_secs(20)).stdout;
        let said: Value = serde_json::from_str(&said).map_err(|error| error.to_string())?;
        let bits = said["end"]["sum_received"]["bits_per_second"].as_f64();
        // It refuses while it still serves another.
        bits.map(|bits| bits / 8.0 / f64::from(1 << 20))
            .ok_or_else(|| said["error"].to_string())
    })
}

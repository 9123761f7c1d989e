//! The store as a Redis: the same questions to it and to Debian's, and what it does when things go wrong.

use std::io::{Read, Write};
use std::process::Command;

use redis::{Commands, Value};

use crate::harness::folder::Folder;
use crate::harness::http::connect;
use crate::harness::process::{PROGRAM, Process, other_program, send_signal};
use crate::harness::redis::{Redis, RedisKind};
use crate::harness::server::{Server, address_in};
use crate::harness::{PATIENCE, wait_until};

/// Asks both, and wants the same answer.
#[track_caller]
fn same(connections: &mut [redis::Connection; 2], request: &[&str]) -> Result<Value, String> {
    let mut answers = connections.iter_mut().map(|connection| {
        let mut command = redis::cmd(request[0]);
        for argument in &request[1..] {
            command.arg(*argument);
        }
        let answer: Result<Value, _> = command.query(connection);
        // Clients go by the code; the words behind it may be better.
        answer.map_err(|error| error.code().unwrap_or_default().to_owned())
    });
    let (debian, store) = (answers.next().unwrap(), answers.next().unwrap());
    assert_eq!(store, debian, "{request:?}: the store first, then Debian's");
    debian
}

fn conversation(query: &str) {
    let (debian, store) = (
        Redis::start(RedisKind::Debian),
        Redis::start(RedisKind::Store),
    );
    let mut both = [&debian, &store].map(|redis| {
        let client = redis::Client::open(format!("{}{query}", redis.url())).unwrap();
        client.get_connection().unwrap()
    });
    for request in [
        &["PING"][..],
        &["PING", "hello"],
        &["ECHO", "a b"],
        &["GET", "hashes"],
        &["INCRBY", "hashes", "5"],
        &["INCR", "hashes"],
        &["incrby", "hashes", "-10"],
        &["GET", "hashes"],
        &["INCRBY", "hashes", "many"],
        &["INCRBY", "hashes", "1.5"],
        &["INCRBY", "hashes", "9223372036854775807"],
        &["INCRBY", "hashes"],
        &["HSET", "wallet", "0a", "x"],
        &["HSET", "wallet", "0a", "y", "0b", ""],
        &["HSET", "wallet", "0c"],
        &["HSET", "hashes", "0a", "x"],
        &["HGET", "wallet", "0a"],
        &["HGET", "wallet", "nothing"],
        &["HLEN", "wallet"],
        &["HLEN", "nothing"],
        &["HLEN", "hashes"],
        &["GET", "wallet"],
        &["INCR", "wallet"],
        &["TYPE", "wallet"],
        &["TYPE", "hashes"],
        &["TYPE", "nothing"],
        &["EXISTS", "wallet", "hashes", "nothing", "wallet"],
        &["KEYS", "w*"],
        &["KEYS", "[h]ash?s"],
        &["KEYS", "nothing*"],
        &["DBSIZE"],
        &["SET", "wallet", "text"],
        &["GET", "wallet"],
        &["SET", "wallet"],
        &["SELECT", "0"],
        &["SELECT", "99999"],
        &["DEL", "wallet", "hashes", "nothing"],
        &["DEL"],
        &["DBSIZE"],
        &["CLIENT", "SETNAME", "me"],
        &["CLIENT", "GETNAME"],
        &["CLIENT", "SETINFO"],
        &["HELLO", "9"],
        &["NONSENSE", "a"],
    ] {
        same(&mut both, request).ok();
    }
    let wallet = same(&mut both, &["HSET", "wallet", "0a", "x"]);
    assert_eq!(wallet, Ok(Value::Int(1)));
    let all = same(&mut both, &["HGETALL", "wallet"]).unwrap();
    assert_eq!(
        redis::from_redis_value::<Vec<(String, String)>>(all).unwrap(),
        [("0a".into(), "x".into())]
    );
}

#[test]
fn answers_as_redis_does() {
    conversation("");
}

#[test]
fn answers_as_redis_does_in_resp3() {
    conversation("?protocol=resp3");
}

#[test]
fn redis_cli_finds_its_way() {
    let store = Redis::start(RedisKind::Store);
    let cli = |arguments: &[&str]| {
        let (ip, port) = (
            store.address.ip().to_string(),
            store.address.port().to_string(),
        );
        let output = Command::new("redis-cli")
            .args(["-h", &ip, "-p", &port])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(cli(&["ping"]), "PONG\n");
    assert_eq!(cli(&["-3", "hset", "wallet", "0a", "x", "0b", "y"]), "2\n");
    assert_eq!(cli(&["-3", "hgetall", "wallet"]).lines().count(), 2);
    assert!(cli(&["info"]).contains("server_name:dockercoins-store"));
    assert!(cli(&["flushall"]).contains("unknown command 'FLUSHALL'"));
    assert!(cli(&["command", "count"]).trim().parse::<u32>().unwrap() > 10);
}

#[test]
fn typed_by_hand() {
    let store = Redis::start(RedisKind::Store);
    let mut stream = connect(store.address);
    stream
        .write_all(b"PING\r\nset  a 1\r\n\r\nGET a\nQUIT\r\n")
        .unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers, "+PONG\r\n+OK\r\n$1\r\n1\r\n+OK\r\n");
}

#[test]
fn hostile_bytes_close_one_connection_and_no_more() {
    let store = Redis::start(RedisKind::Store);
    let before = store.process.rss_kib();
    let nested = "*1\r\n".repeat(500_000);
    for bytes in [
        "*2147483647\r\n",
        "*1\r\n$9999999999\r\n",
        "*-5\r\n",
        &nested,
        &"x".repeat(100_000),
        "*1\r\n+PING\r\n",
    ] {
        let mut stream = connect(store.address);
        stream.write_all(bytes.as_bytes()).ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            answer.is_empty() || answer.starts_with("-ERR Protocol error"),
            "{answer}"
        );
    }
    assert_eq!(store.hashes(), 0);
    assert!(store.process.rss_kib() < before + 8192);
}

#[test]
fn a_long_pipeline_is_answered_whole_and_in_order() {
    let store = Redis::start(RedisKind::Store);
    let mut pipeline = redis::pipe();
    for _ in 0..20_000 {
        pipeline.cmd("INCR").arg("hashes");
    }
    let answers: Vec<u64> = pipeline.query(&mut store.connect()).unwrap();
    assert!(answers.iter().copied().eq(1..=20_000));
}

#[test]
fn what_it_acknowledged_survives_kill_9() {
    let mut store = Redis::start(RedisKind::Store);
    let mut acknowledged = 0;
    for round in 0..8 {
        let mut connection = store.connect();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let killer = {
            let pid = store.process.pid();
            std::thread::spawn(move || {
                // At a different point of the writing each time.
                std::thread::sleep(std::time::Duration::from_millis(20 + 7 * round));
                send_signal(pid, rustix::process::Signal::KILL);
            })
        };
        let mut one = redis::cmd("INCR");
        one.arg("hashes");
        while let Ok(count) = one.query::<u64>(&mut connection) {
            acknowledged = count;
        }
        killer.join().unwrap();
        store.restart();
        let kept = store.hashes();
        // One more may have been written that was not acknowledged any more.
        assert!(
            (acknowledged..=acknowledged + 1).contains(&kept),
            "{acknowledged} acknowledged, {kept} kept"
        );
        acknowledged = kept;
    }
    assert!(acknowledged > 100, "only {acknowledged} writes were tried");
}

#[test]
fn its_journal_is_redis_own_format() {
    let mut store = Redis::start(RedisKind::Store);
    let () = store.connect().incr("hashes", 7).unwrap();
    let () = store
        .connect()
        .hset("wallet", "0a", &b"\r\n\0"[..])
        .unwrap();
    store.process.kill();
    let journal = std::fs::read(store.folder().path().join("journal.aof")).unwrap();
    let debian = Redis::start(RedisKind::Debian);
    let mut stream = connect(debian.address);
    stream.write_all(&journal).unwrap();
    wait_until("Redis has it", || {
        debian.hashes() == 7 && debian.wallet() == [("0a".into(), b"\r\n\0".to_vec())]
    });
}

#[test]
fn a_folder_is_one_stores() {
    let store = Redis::start(RedisKind::Store);
    let folder = store.folder().as_str();
    let mut second = Process::start(&["store", "--port", "0", "--dir", folder]);
    assert_eq!(second.end(), Some(1));
    second.line(&format!(
        "error: another store already keeps its data in {folder}"
    ));
    second.line("hint: stop the other store, or name another folder with --dir");
}

#[test]
fn folders_that_cannot_be_used() {
    let folder = Folder::new();
    let refused = |dir: &str, text: &str| {
        let mut process = Process::start(&["store", "--port", "0", "--dir", dir]);
        assert_eq!(process.end(), Some(1), "{dir}");
        process.line(text);
    };
    refused("/proc/nothing", "error: cannot make /proc/nothing: ");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    refused(file.to_str().unwrap(), "error: cannot make ");
    std::fs::write(folder.path().join("journal.aof"), "not a journal at all\n").unwrap();
    refused(
        folder.as_str(),
        "is no journal of this store: what begins at byte 0 is no write",
    );
}

#[test]
fn a_full_disk_refuses_writes_and_keeps_what_was_kept() {
    let folder = Folder::new();
    let path = folder.as_str();
    // A file system of 64 KiB, gone with the process that it was made for.
    let script = format!(
        "mount -t tmpfs -o size=64k none {path} && exec {PROGRAM} store --listen 127.0.0.1 --port 0 --dir {path}"
    );
    let arguments = ["--map-root-user", "--mount", "sh", "-c", &script];
    let process = Process::spawn(other_program("unshare", &arguments));
    let address = address_in(&process.line("listening on "));
    let mut connection = redis::Client::open(format!("redis://{address}"))
        .unwrap()
        .get_connection()
        .unwrap();
    let mut put = |number: u32| connection.hset::<_, _, _, u32>("wallet", number, vec![b'x'; 1000]);
    let full = (0..1000).find_map(|number| put(number).err().map(|error| (number, error)));
    let (kept, error) = full.expect("the disk is full");
    assert_eq!(error.code(), Some("MISCONF"), "{error}");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    process.line("(make room on that disk)");
    let count: u32 = connection.hlen("wallet").unwrap();
    assert_eq!(count, kept, "what was refused is not there");
}

#[test]
fn without_a_folder_it_says_what_that_means() {
    let store = Server::start("store", &[]);
    store
        .process
        .line("in memory only; name a folder with --dir to keep the data");
}

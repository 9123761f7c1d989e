//! `up` as a person uses it: one command, everything runs; Ctrl-C, everything is gone.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::application::{Application, free_offset};
use crate::harness::folder::Folder;
use crate::harness::http::get;
use crate::harness::process::{Process, send_signal};
use crate::harness::redis::{Redis, RedisKind};
use crate::harness::{wait_for, wait_until};

fn is_alive(pid: u32) -> bool {
    // A zombie is not alive: its state is behind the name, in brackets.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('Z')
    })
}

#[test]
fn runs_the_whole_application() {
    let app = Application::start(&["--workers", "3", "--rng", "2"]);
    let names = [
        "store-1", "rng-1", "rng-2", "hasher-1", "webui-1", "worker-1", "worker-2", "worker-3",
    ];
    for name in names {
        app.process.line(&format!("{name:<8} | "));
    }
    app.process.line("Dockercoins runs: 3 workers, 2 rng");
    app.process
        .line(&format!("page    http://localhost:{}/", app.port(8000)));
    app.all_children(names.len());
    wait_until("it mines", || app.hashes() > 5);
    app.process.line("rng-2    | 127.0.0.1 - - [");
    assert!(
        get(app.address(8001), "/")
            .text()
            .starts_with("RNG running on ")
    );
    assert!(
        get(app.address(8002), "/")
            .text()
            .starts_with("HASHER running on ")
    );
}

#[test]
fn ctrl_c_ends_everything_and_loses_nothing() {
    let folder = Folder::new();
    let mut app = Application::start_in(&folder, &["--workers", "2"]);
    wait_until("it mines", || app.hashes() > 5);
    let children = app.all_children(6);
    app.process.signal(Signal::INT);
    assert_eq!(app.process.end(), Some(0));
    assert!(!children.iter().any(|(pid, _)| is_alive(*pid)));
    // What the workers had under way was finished and counted before the store ended.
    let posts = app.process.count("\"POST / HTTP/1.1\" 200 64") as u64;
    let again = Application::start_in(&folder, &["--workers", "0"]);
    assert_eq!(again.hashes(), posts);
}

#[test]
fn ctrl_c_twice_ends_everything_at_once() {
    let mut app = Application::start(&["--workers", "2"]);
    let children = app.all_children(6);
    // A child that doesn't react would be waited for.
    let hasher = app.child("hasher");
    send_signal(hasher, Signal::STOP);
    app.process.signal(Signal::INT);
    app.process.line("Ctrl-C again stops at once");
    std::thread::sleep(Duration::from_millis(300)); // less is the same wish, twice
    app.process.signal(Signal::INT);
    assert_eq!(app.process.end(), Some(1));
    wait_until("all are gone", || {
        !children.iter().any(|(pid, _)| is_alive(*pid))
    });
}

#[test]
fn kill_9_leaves_nothing_behind() {
    let mut app = Application::start(&["--workers", "2"]);
    let children = app.all_children(6);
    app.process.signal(Signal::KILL);
    app.process.end();
    wait_until("all are gone", || {
        !children.iter().any(|(pid, _)| is_alive(*pid))
    });
}

#[test]
fn whoever_dies_is_restarted_and_no_count_is_lost() {
    let app = Application::start_with(
        &["--workers", "2"],
        &[("DOCKERCOINS_WORKER_BACK_OFF_MS", "100")],
    );
    for role in ["rng", "hasher", "webui", "store", "worker"] {
        wait_until("it mines", || {
            app.try_hashes().is_some_and(|hashes| hashes > 0)
        });
        let before = app.hashes();
        let victim = app.child(role);
        send_signal(victim, Signal::KILL);
        app.process.line(&format!(
            "{role}-1 was killed (SIGKILL); starting it again in 0.1 s"
        ));
        wait_until("it is there again", || {
            wait_for(|| app.find_child(role)).is_some_and(|pid| pid != victim)
        });
        // Nothing is lost, and it goes on.
        wait_until("there are more hashes", || {
            app.try_hashes().is_some_and(|hashes| hashes > before)
        });
    }
}

#[test]
fn says_which_port_is_taken() {
    let offset = free_offset();
    let _taken = TcpListener::bind(("127.0.0.1", 8002 + offset)).unwrap();
    let folder = Folder::new();
    let mut process = Process::start(&[
        "up",
        "--port-offset",
        &offset.to_string(),
        "--dir",
        folder.as_str(),
    ]);
    assert_eq!(process.end(), Some(1));
    process.line(&format!(
        "error: 127.0.0.1:{} is in use, and hasher-1 needs it",
        8002 + offset
    ));
    process.line("hint: is another `dockercoins up` running? Stop it, or move all ports with --port-offset 100");
}

#[test]
fn uses_a_redis_that_is_there() {
    let redis = Redis::start(RedisKind::Debian);
    let app = Application::start(&["--redis", &redis.url()]);
    wait_until("it mines", || redis.hashes() > 2);
    assert!(app.find_child("store").is_none());
    app.process.line(&format!("redis   {}", redis.url()));
}

#[test]
fn keeps_its_data_in_the_users_state_folder() {
    let home = Folder::new();
    let environment = [("HOME", home.as_str()), ("XDG_STATE_HOME", "")];
    let app = Application::start_bare(&["--workers", "0"], &environment);
    let folder = home
        .path()
        .join(format!(".local/state/dockercoins/port-{}", app.port(8003)));
    assert!(Path::new(&folder).join("journal.aof").exists());
}

//! Restart policies, and the engine's own restart.

use std::fs;

use model::api::container::StopOptions;
use serde_json::json;

use crate::computer::Computer;

fn with_policy(command: &str, policy: serde_json::Value) -> serde_json::Value {
    json!({
        "Cmd": ["sh", "-c", command],
        "HostConfig": {"NetworkMode": "none", "RestartPolicy": policy},
    })
}

#[test]
fn who_fails_is_started_again_as_often_as_was_asked() {
    let computer = Computer::new();
    let policy = json!({"Name": "on-failure", "MaximumRetryCount": 2});
    let id = computer.create("", with_policy("echo x >> /count; exit 3", policy));
    computer.start(&id);
    let inspect = computer.until(&id, |now| {
        now.state.status == "exited" && now.restart_count == 2
    });
    assert_eq!(inspect.state.exit_code, 3);
    let layer = computer
        .wait(computer.engine().writable_layer(&id))
        .unwrap();
    assert_eq!(
        fs::read_to_string(layer.join("count")).unwrap(),
        "x\nx\nx\n"
    );
}

#[test]
fn who_was_stopped_stays_so() {
    let computer = Computer::new();
    let id = computer.create("", with_policy("exit 1", json!({"Name": "always"})));
    computer.start(&id);
    computer.until(&id, |now| now.restart_count >= 2);
    computer
        .wait(
            computer
                .engine()
                .stop_container(&id, &StopOptions::default()),
        )
        .unwrap();
    let state = computer.inspect(&id).state;
    assert_eq!(state.status, "exited");
    let count = computer.inspect(&id).restart_count;
    computer.start(&id);
    computer.until(&id, |now| now.restart_count >= 1);
    assert!(count >= 2);
}

#[test]
fn containers_survive_the_engine() {
    let mut computer = Computer::new();
    let id = computer.create_shell("one", "echo before; sleep 1000");
    computer.start(&id);
    let ended = computer.create_shell("two", "sleep 0.2; exit 9");
    computer.start(&ended);
    let before = computer.inspect(&id).state;
    computer.crash();
    // The second ends while nobody looks: its exit file tells.
    let exit_file = computer
        .data_root()
        .join("containers")
        .join(&ended)
        .join("exit.json");
    while !exit_file.exists() {
        std::thread::yield_now();
    }
    computer.start_daemon();
    let after = computer.inspect(&id).state;
    assert_eq!(
        (after.pid, after.started_at),
        (before.pid, before.started_at)
    );
    assert_eq!(computer.exec(&id, &["echo", "hi"]), (0, "hi\n".to_owned()));
    let state = computer.inspect(&ended).state;
    assert_eq!((state.status.as_str(), state.exit_code), ("exited", 9));
    computer
        .wait(computer.engine().kill_container(&id, None))
        .unwrap();
    assert_eq!(computer.inspect(&id).state.exit_code, 137);
}

#[test]
fn what_removes_itself_does_so_also_later() {
    let mut computer = Computer::new();
    let id = computer.create(
        "",
        json!({
            "Cmd": ["sleep", "0.2"],
            "HostConfig": {"NetworkMode": "none", "AutoRemove": true},
        }),
    );
    computer.start(&id);
    computer.crash();
    let exit_file = computer
        .data_root()
        .join("containers")
        .join(&id)
        .join("exit.json");
    while !exit_file.exists() {
        std::thread::yield_now();
    }
    computer.start_daemon();
    assert!(computer.engine().containers().find(&id).is_err());
    assert!(!exit_file.exists());
}

#[test]
fn policies_apply_when_the_engine_starts() {
    let mut computer = Computer::new();
    let always = computer.create(
        "always",
        with_policy("sleep 1000", json!({"Name": "always"})),
    );
    let unless = computer.create(
        "unless",
        with_policy("sleep 1000", json!({"Name": "unless-stopped"})),
    );
    let never = computer.create(
        "never",
        with_policy("sleep 1000", json!({"Name": "always"})),
    );
    for id in [&always, &unless] {
        computer.start(id);
        computer
            .wait(computer.engine().kill_container(id, None))
            .unwrap();
    }
    computer.wait(computer.engine().shut_down());
    computer.crash();
    computer.start_daemon();
    computer.until(&always, |now| now.state.running);
    assert_eq!(computer.inspect(&unless).state.status, "exited");
    assert_eq!(computer.inspect(&never).state.status, "created");
}

#[test]
fn an_orderly_end_stops_containers() {
    let mut computer = Computer::new();
    let id = computer.create(
        "",
        with_policy("sleep 1000", json!({"Name": "unless-stopped"})),
    );
    computer.start(&id);
    let record =
        serde_json::from_value(json!({"RestartPolicy": {"Name": "unless-stopped"}})).unwrap();
    computer
        .wait(computer.engine().update_container(&id, record))
        .unwrap();
    let options = StopOptions {
        timeout: Some(0),
        ..StopOptions::default()
    };
    computer
        .wait(computer.engine().restart_container(&id, &options))
        .unwrap();
    computer.wait(computer.engine().shut_down());
    assert_eq!(computer.inspect(&id).state.status, "exited");
    assert!(computer.container_cgroups().is_empty());
    computer.crash();
    computer.start_daemon();
    computer.until(&id, |now| now.state.running);
}

#[test]
fn a_killed_shim_takes_its_container_along() {
    let computer = Computer::new();
    let id = computer.create_shell("one", "sleep 1000");
    computer.start(&id);
    rustix::process::kill_process(computer.shim(), rustix::process::Signal::KILL).unwrap();
    let inspect = computer.until(&id, |now| now.state.status == "exited");
    assert_eq!(inspect.state.exit_code, 137);
    assert!(computer.container_cgroups().is_empty());
    computer.start(&id);
    assert!(computer.inspect(&id).state.running);
}

#[test]
fn what_was_made_or_removed_half_is_swept() {
    let mut computer = Computer::new();
    let id = computer.create_shell("one", "true");
    let kept = computer.create_shell("two", "true");
    computer.crash();
    let containers = computer.data_root().join("containers");
    // Made half: no record. Removed half: no folder.
    fs::create_dir_all(containers.join("f".repeat(64)).join("upper")).unwrap();
    fs::rename(containers.join(&id), containers.join(".removing").join(&id)).unwrap();
    computer.start_daemon();
    let names = computer.engine().containers().all().len();
    assert_eq!(names, 1);
    assert!(computer.engine().containers().find(&kept).is_ok());
    assert!(!containers.join("f".repeat(64)).exists());
    assert_eq!(
        fs::read_dir(containers.join(".removing")).unwrap().count(),
        0
    );
    computer.create_shell("one", "true");
}

//! A container's life: made, started, looked at, stopped, removed.

use engine::error::Kind;
use model::api::container::{ListOptions, RemoveOptions, StopOptions, WaitCondition};
use serde_json::json;

use crate::computer::Computer;

fn none() -> serde_json::Value {
    json!({"NetworkMode": "none"})
}

#[test]
fn a_program_runs_and_its_status_is_told() {
    let computer = Computer::new();
    let (code, output) = computer.run(json!({"Cmd": ["echo", "hello"], "HostConfig": none()}));
    assert_eq!((code, output.as_str()), (0, "hello\n"));
    let (code, output) = computer.run(json!({
        "Cmd": ["sh", "-c", "echo $A $HOSTNAME; pwd; id -u; exit 7"],
        "Env": ["A=b"],
        "Hostname": "box",
        "WorkingDir": "/tmp",
        "User": "33",
        "HostConfig": none(),
    }));
    assert_eq!((code, output.as_str()), (7, "b box\n/tmp\n33\n"));
    assert!(computer.container_cgroups().is_empty());
}

#[test]
fn states_follow_one_another() {
    let computer = Computer::new();
    let engine = computer.engine();
    let id = computer.create_shell("one", "trap 'exit 3' TERM; sleep 1000 & wait");
    assert_eq!(computer.inspect(&id).state.status, "created");
    computer.start("one");
    let running = computer.inspect("one").state;
    assert!(running.running && running.pid > 0);
    let again = computer.wait(engine.start_container("one")).unwrap_err();
    assert_eq!(again.kind(), Kind::NotModified);
    let error = computer.wait(engine.remove_container("one", RemoveOptions::default()));
    assert_eq!(error.unwrap_err().kind(), Kind::Conflict);
    computer.wait(engine.pause_container("one")).unwrap();
    assert_eq!(computer.inspect("one").state.status, "paused");
    computer.wait(engine.unpause_container("one")).unwrap();
    let waiting = computer
        .wait(engine.wait_container("one", WaitCondition::NotRunning))
        .unwrap();
    // The trap is there when the shell waits.
    computer.until("one", |now| now.state.running);
    while computer
        .exec("one", &["sh", "-c", "ps | grep -q '[s]leep 1000'"])
        .0
        != 0
    {}
    computer
        .wait(engine.stop_container("one", &StopOptions::default()))
        .unwrap();
    assert_eq!(computer.wait(waiting).unwrap().status_code, 3);
    let exited = computer.inspect("one").state;
    assert_eq!(
        (exited.status.as_str(), exited.exit_code, exited.pid),
        ("exited", 3, 0)
    );
    let again = computer.wait(engine.stop_container("one", &StopOptions::default()));
    assert_eq!(again.unwrap_err().kind(), Kind::NotModified);
    let killed = computer
        .wait(engine.kill_container("one", None))
        .unwrap_err();
    assert_eq!(killed.kind(), Kind::Conflict);
    computer
        .wait(engine.restart_container("one", &StopOptions::default()))
        .unwrap();
    computer
        .wait(engine.kill_container("one", Some("KILL")))
        .unwrap();
    assert_eq!(computer.inspect("one").state.exit_code, 137);
    let removed = computer
        .wait(engine.wait_container("one", WaitCondition::Removed))
        .unwrap();
    computer
        .wait(engine.remove_container("one", RemoveOptions::default()))
        .unwrap();
    assert_eq!(computer.wait(removed).unwrap().status_code, 137);
    let gone = computer
        .wait(engine.inspect_container("one", false))
        .unwrap_err();
    assert_eq!(gone.to_string(), "No such container: one");
    assert!(!computer.data_root().join("containers").join(id).exists());
}

#[test]
fn what_cannot_start_says_why() {
    let computer = Computer::new();
    let check = |command: &str, code: i64, text: &str| {
        let id = computer.create("", json!({"Cmd": [command], "HostConfig": none()}));
        let error = computer
            .wait(computer.engine().start_container(&id))
            .unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        let state = computer.inspect(&id).state;
        assert_eq!(
            (state.status.as_str(), state.exit_code),
            ("created", code),
            "{command}"
        );
        assert!(state.error.contains(text));
    };
    check(
        "nosuch",
        127,
        "exec: \"nosuch\": executable file not found in $PATH",
    );
    check("/etc/passwd", 126, "permission denied");
    check("/nosuch", 127, "no such file or directory");
    let error = computer
        .try_create("", json!({"Cmd": ["true"], "Image": "nosuch"}))
        .unwrap_err();
    assert_eq!(error.to_string(), "No such image: nosuch:latest");
    assert!(computer.container_cgroups().is_empty());
    // A shim that told why it could not go on is about to end.
    while !computer.processes().is_empty() {
        std::thread::yield_now();
    }
}

#[test]
fn containers_remove_themselves() {
    let computer = Computer::new();
    let id = computer.create(
        "gone",
        json!({
            "Cmd": ["true"],
            "Volumes": {"/data": {}},
            "HostConfig": {"NetworkMode": "none", "AutoRemove": true},
        }),
    );
    let engine = computer.engine();
    let removed = computer
        .wait(engine.wait_container(&id, WaitCondition::Removed))
        .unwrap();
    computer.start(&id);
    assert_eq!(computer.wait(removed).unwrap().status_code, 0);
    assert!(engine.containers().find(&id).is_err());
    let volumes = engine.list_volumes(model::api::filter::Filters::default());
    assert!(volumes.unwrap().volumes.is_empty());
}

#[test]
fn further_programs_run_beside_the_first() {
    let computer = Computer::new();
    let id = computer.create_shell("one", "sleep 1000");
    computer.start(&id);
    assert_eq!(computer.exec(&id, &["echo", "hi"]), (0, "hi\n".to_owned()));
    assert_eq!(computer.exec(&id, &["sh", "-c", "exit 5"]).0, 5);
    let cat = json!({"Cmd": ["cat"], "AttachStdin": true, "AttachStdout": true});
    assert_eq!(
        computer.exec_with(&id, cat, b"text"),
        (0, "text".to_owned())
    );
    let engine = computer.engine();
    let create = serde_json::from_value(json!({"Cmd": ["nosuch"]})).unwrap();
    let exec = computer.wait(engine.create_exec(&id, create)).unwrap().id;
    let error = computer
        .wait(engine.start_exec(&exec, &model::api::exec::Start::default()))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("executable file not found in $PATH"),
        "{error}"
    );
    assert_eq!(
        computer.wait(engine.inspect_exec(&exec)).unwrap().exit_code,
        Some(127)
    );
}

#[test]
fn lists_show_the_newest_first() {
    let computer = Computer::new();
    let engine = computer.engine();
    for name in ["one", "two", "three"] {
        computer.create_shell(name, "sleep 1000");
    }
    computer.start("two");
    let names = |all: bool, limit: Option<usize>| -> Vec<String> {
        let options = ListOptions {
            all,
            limit,
            ..ListOptions::default()
        };
        let list = computer.wait(engine.list_containers(&options)).unwrap();
        list.into_iter().flat_map(|summary| summary.names).collect()
    };
    assert_eq!(names(false, None), ["/two"]);
    assert_eq!(names(true, None), ["/three", "/two", "/one"]);
    assert_eq!(names(false, Some(2)), ["/three", "/two"]);
    computer
        .wait(engine.rename_container("two", "zwei"))
        .unwrap();
    assert_eq!(names(false, None), ["/zwei"]);
    let taken = computer
        .wait(engine.rename_container("zwei", "one"))
        .unwrap_err();
    assert_eq!(taken.kind(), Kind::Conflict);
}

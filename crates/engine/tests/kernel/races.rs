//! Many at once, and nothing left behind.

use model::api::container::{RemoveOptions, StopOptions};
use serde_json::json;

use crate::computer::Computer;

#[test]
fn starts_stops_and_removals_at_once_leave_nothing() {
    let computer = Computer::new();
    let engine = computer.engine();
    for _ in 0..3 {
        let id = computer.create_shell("busy", "sleep 1000");
        computer.wait(async {
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..12 {
                let (engine, id) = (engine.clone(), id.clone());
                tasks.spawn(async move {
                    let options = StopOptions {
                        timeout: Some(0),
                        ..StopOptions::default()
                    };
                    // Each is fine, or told that another was quicker.
                    match number % 4 {
                        0 => drop(engine.start_container(&id).await),
                        1 => drop(engine.stop_container(&id, &options).await),
                        2 => drop(engine.restart_container(&id, &options).await),
                        _ => drop(engine.kill_container(&id, None).await),
                    }
                });
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
            let options = RemoveOptions {
                force: true,
                ..RemoveOptions::default()
            };
            let (one, other) = tokio::join!(
                engine.remove_container(&id, options),
                engine.remove_container(&id, options),
            );
            assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
        });
        assert!(engine.containers().all().is_empty());
        assert!(computer.container_cgroups().is_empty());
        while !computer.processes().is_empty() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn descriptors_do_not_grow() {
    let computer = Computer::new();
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let run = || {
        let command = json!({"Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}});
        assert_eq!(computer.run(command).0, 0);
    };
    run();
    let before = count();
    for _ in 0..5 {
        run();
    }
    // What is still being closed in the background is at most one run's.
    assert!(count() <= before + 8, "{before} {}", count());
}

//! Health checks.

use serde_json::json;

use crate::computer::Computer;

#[test]
fn health_follows_the_checks() {
    let computer = Computer::new();
    let millisecond = 1_000_000;
    let id = computer.create(
        "",
        json!({
            "Cmd": ["sleep", "1000"],
            "Healthcheck": {
                "Test": ["CMD-SHELL", "echo looking; test -e /tmp/well"],
                "Interval": 50 * millisecond,
                "Retries": 2,
            },
            "HostConfig": {"NetworkMode": "none"},
        }),
    );
    computer.start(&id);
    assert_eq!(
        computer.inspect(&id).state.health.unwrap().status,
        "starting"
    );
    let status = |wanted: &'static str| {
        let inspect = computer.until(&id, move |now| {
            now.state
                .health
                .as_ref()
                .is_some_and(|health| health.status == wanted)
        });
        inspect.state.health.unwrap()
    };
    let health = status("unhealthy");
    assert!(health.failing_streak >= 2);
    assert_eq!(health.log.last().unwrap().output, "looking\n");
    computer.exec(&id, &["touch", "/tmp/well"]);
    assert_eq!(status("healthy").failing_streak, 0);
}

#[test]
fn a_check_that_hangs_fails() {
    let computer = Computer::new();
    let id = computer.create("", json!({
        "Cmd": ["sleep", "1000"],
        "Healthcheck": {"Test": ["CMD", "sleep", "1000"], "Interval": 10_000_000, "Timeout": 100_000_000, "Retries": 1},
        "HostConfig": {"NetworkMode": "none"},
    }));
    computer.start(&id);
    let inspect = computer.until(&id, |now| {
        now.state
            .health
            .as_ref()
            .is_some_and(|health| health.status == "unhealthy")
    });
    let health = inspect.state.health.unwrap();
    assert!(
        health.log[0].output.contains("exceeded timeout"),
        "{health:?}"
    );
    assert_eq!(health.log[0].exit_code, -1);
}

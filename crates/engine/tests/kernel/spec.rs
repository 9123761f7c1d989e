//! What a container is given: mounts, volumes, limits, terminals, other containers' namespaces.

use serde_json::json;

use crate::computer::Computer;

#[test]
fn folders_of_the_host_and_volumes_are_mounted() {
    let computer = Computer::new();
    let folder = computer.path("shared");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("in"), "text").unwrap();
    let missing = computer.path("missing");
    let (code, output) = computer.run(json!({
        "Cmd": ["sh", "-c", "cat /a/in; echo out > /a/out; echo x > /ro/y; ls -d /new; ls /etc2 | grep passwd; \
                 echo kept > /data/file; mount | grep ' /mem ' | grep -c noexec"],
        "Volumes": {"/anonymous": {}},
        "HostConfig": {
            "NetworkMode": "none",
            "Binds": [
                format!("{}:/a", folder.display()),
                format!("{}:/ro:ro", folder.display()),
                format!("{}:/new", missing.display()),
                "data:/data",
                "filled:/etc",
                "filled:/etc2",
            ],
            "Tmpfs": {"/mem": "size=1m"},
        },
    }));
    assert_eq!(code, 0, "{output}");
    assert!(output.starts_with("text"), "{output}");
    assert!(output.contains("Read-only file system"), "{output}");
    assert!(
        output.contains("/new\n") && output.contains("passwd\n"),
        "{output}"
    );
    assert_eq!(
        std::fs::read_to_string(folder.join("out")).unwrap(),
        "out\n"
    );
    let volume = computer.data_root().join("volumes/data/_data/file");
    assert_eq!(std::fs::read_to_string(volume).unwrap(), "kept\n");
    let error = computer.try_create("", json!({
        "Cmd": ["true"],
        "HostConfig": {"Mounts": [{"Type": "bind", "Source": "/nosuch/folder", "Target": "/a"}]},
    }));
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("bind source path does not exist: /nosuch/folder"),
        "{text}"
    );
}

#[test]
fn limits_hold_and_can_be_changed() {
    let computer = Computer::new();
    let id = computer.create(
        "",
        json!({
            "Cmd": ["sleep", "1000"],
            "HostConfig": {"NetworkMode": "none", "Memory": 64 << 20, "PidsLimit": 50, "Ulimits": [
                {"Name": "nofile", "Soft": 100, "Hard": 200}
            ]},
        }),
    );
    computer.start(&id);
    assert_eq!(computer.exec(&id, &["sh", "-c", "ulimit -n"]).1, "100\n");
    let update =
        serde_json::from_value(json!({"Memory": 32 << 20, "MemorySwap": 64 << 20})).unwrap();
    computer
        .wait(computer.engine().update_container(&id, update))
        .unwrap();
    assert_eq!(computer.inspect(&id).host_config.resources.memory, 32 << 20);
}

#[test]
fn a_terminal_is_one() {
    let computer = Computer::new();
    let (code, output) = computer.run(json!({
        "Cmd": ["sh", "-c", "tty && stty size && test -t 0 && echo yes"],
        "Tty": true,
        "OpenStdin": true,
        "HostConfig": {"NetworkMode": "none", "ConsoleSize": [10, 20]},
    }));
    assert_eq!(code, 0, "{output}");
    assert!(output.ends_with("10 20\r\nyes\r\n"), "{output}");
}

#[test]
fn namespaces_of_another_container_are_joined() {
    let computer = Computer::new();
    let id = computer.create(
        "first",
        json!({
            "Cmd": ["sleep", "1000"],
            "HostConfig": {"NetworkMode": "none", "IpcMode": "shareable"},
        }),
    );
    let join = json!({
        "Cmd": ["sh", "-c", "ps | grep -c '[s]leep 1000'"],
        "HostConfig": {"NetworkMode": "container:first", "PidMode": "container:first"},
    });
    let second = computer.create("", join.clone());
    let error = computer
        .wait(computer.engine().start_container(&second))
        .unwrap_err();
    assert!(
        error.to_string().contains("non running container"),
        "{error}"
    );
    computer.start(&id);
    assert_eq!(computer.run(join), (0, "1\n".to_owned()));
    let mode = computer.inspect(&second).host_config.network_mode;
    assert_eq!(mode, format!("container:{id}"));
}

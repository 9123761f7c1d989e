//! What Docker's clients send and want to read, in full documents.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{container, host_config, network};

#[track_caller]
fn read<T: DeserializeOwned>(document: Value) -> T {
    super::json::from_slice(document.to_string().as_bytes()).unwrap()
}

#[track_caller]
fn write<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn a_create_keeps_what_it_does_not_know() {
    let create: container::Create = read(json!({
        "Image": "busybox",
        "Cmd": "true",
        "Entrypoint": null,
        "Env": null,
        "ExposedPorts": {"80/tcp": {}},
        "Novelty": [1],
        "HostConfig": {
            "Memory": "4096",
            "NanoCpus": 5.0e8,
            "PortBindings": {"80/tcp": [{"HostPort": 8000}], "81/tcp": null},
            "Other": {"a": 1},
            "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}],
        },
        "NetworkingConfig": {"EndpointsConfig": {"lab": {"Aliases": ["web"]}, "bridge": null}},
    }));
    assert_eq!(create.config.image, "busybox");
    assert_eq!(
        create.config.cmd.as_deref().unwrap()[..],
        ["true".to_owned()]
    );
    assert_eq!(create.config.extra["Novelty"], json!([1]));
    assert!(!create.config.extra.contains_key("HostConfig"));
    let host = create.host_config.as_ref().unwrap();
    assert_eq!(host.resources.memory, 4096);
    assert_eq!(host.resources.nano_cpus, 500_000_000);
    assert_eq!(
        host.port_bindings.as_ref().unwrap()["80/tcp"]
            .as_ref()
            .unwrap()[0]
            .host_port,
        "8000"
    );
    assert_eq!(host.port_bindings.as_ref().unwrap()["81/tcp"], None);
    let networks = &create.networking_config.as_ref().unwrap().endpoints_config;
    assert_eq!(networks["bridge"], None);
    assert!(networks["lab"].is_some());
    assert_eq!(host.extra.keys().collect::<Vec<_>>(), ["Other"]);
    let again: container::Create = serde_json::from_value(write(&create)).unwrap();
    assert_eq!(again, create);
}

#[test]
fn a_config_writes_null_where_go_does() {
    assert_eq!(
        write(&container::Config::default()),
        json!({
            "Hostname": "", "Domainname": "", "User": "",
            "AttachStdin": false, "AttachStdout": false, "AttachStderr": false,
            "Tty": false, "OpenStdin": false, "StdinOnce": false,
            "Env": null, "Cmd": null, "Image": "", "Volumes": null, "WorkingDir": "",
            "Entrypoint": null, "OnBuild": null, "Labels": null,
        })
    );
}

#[test]
fn a_host_config_has_its_resources_beside_the_rest() {
    let written = write(&host_config::HostConfig::default());
    let object = written.as_object().unwrap();
    for name in [
        "Binds",
        "Dns",
        "BlkioDeviceReadIOps",
        "PidsLimit",
        "MaskedPaths",
    ] {
        assert_eq!(object[name], Value::Null, "{name}");
    }
    for name in [
        "Memory",
        "NanoCpus",
        "CpuShares",
        "ShmSize",
        "IOMaximumIOps",
    ] {
        assert_eq!(object[name], json!(0), "{name}");
    }
    assert_eq!(object["ConsoleSize"], json!([0, 0]));
    assert!(!object.contains_key("Mounts"));
}

#[test]
fn an_update_takes_resources_and_a_policy() {
    let update: container::Update = read(json!({
        "Memory": 1, "PidsLimit": null, "RestartPolicy": {"Name": "always"}
    }));
    assert_eq!(update.resources.memory, 1);
    assert_eq!(update.restart_policy.name, "always");
}

#[test]
fn a_network_shows_its_empty_parts() {
    let written = write(&network::Inspect::default());
    assert_eq!(written["Containers"], json!({}));
    assert_eq!(written["ConfigFrom"], json!({"Network": ""}));
    assert_eq!(
        written["IPAM"],
        json!({"Driver": "", "Options": null, "Config": null})
    );
}

//! Containers in networks.

use model::api::network;
use serde_json::json;

use crate::computer::Computer;

#[test]
fn containers_find_each_other_by_name() {
    let computer = Computer::new();
    let engine = computer.engine();
    let create: network::Create = serde_json::from_value(json!({"Name": "lab"})).unwrap();
    computer.wait(engine.create_network(create)).unwrap();
    let server = computer.create(
        "server",
        json!({
            "Cmd": ["sh", "-c", "while true; do echo answer | nc -l -p 80; done"],
            "HostConfig": {"NetworkMode": "lab"},
            "NetworkingConfig": {"EndpointsConfig": {"lab": {"Aliases": ["web"]}}},
        }),
    );
    computer.start(&server);
    let inspect = computer.inspect(&server);
    let address = inspect.network_settings.networks["lab"].ip_address.clone();
    assert!(address.starts_with("172."), "{address}");
    let (code, output) = computer.run(json!({
        "Cmd": ["sh", "-c", "cat /etc/resolv.conf; until nc web 80 </dev/null; do sleep 0.1; done; grep -c plain /etc/hosts"],
        "Hostname": "plain",
        "HostConfig": {"NetworkMode": "lab"},
    }));
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("nameserver 127.0.0.11"), "{output}");
    assert!(output.ends_with("answer\n1\n"), "{output}");
}

#[test]
fn ports_are_published_and_free_again() {
    let computer = Computer::new();
    let spec = json!({
        "Cmd": ["sleep", "1000"],
        "ExposedPorts": {"80/tcp": {}, "81/tcp": {}},
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8000"}]}},
    });
    let one = computer.create("one", spec.clone());
    computer.start(&one);
    let ports = computer.inspect(&one).network_settings.ports;
    assert_eq!(ports["80/tcp"].as_ref().unwrap()[0].host_port, "8000");
    assert_eq!(ports["81/tcp"], None);
    let two = computer.create("two", spec);
    let error = computer
        .wait(computer.engine().start_container(&two))
        .unwrap_err();
    assert!(
        error.to_string().contains("port is already allocated"),
        "{error}"
    );
    computer.remove(&one);
    computer.start(&two);
}

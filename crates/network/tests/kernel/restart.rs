//! The daemon killed and started again.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
};

use model::port::{Port, Protocol};
use network::{Endpoint, Network, Networks, PortBinding, PortRequest, Restored, RestoredContainer};

use crate::place::{BRIDGE, Computer, Place, attach};

const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);

/// What an engine has stored.
fn stored(networks: &Networks, container: &str) -> (Vec<Network>, Vec<Endpoint>, Vec<PortBinding>) {
    (
        networks.list(),
        networks.endpoints_of(container),
        networks.ports_of(container),
    )
}

fn port(host: &str) -> PortRequest {
    PortRequest {
        container: Port {
            protocol: Protocol::Tcp,
            number: 80,
        },
        host_address: None,
        host_ports: host.parse().unwrap(),
    }
}

#[test]
fn running_containers_notice_nothing() {
    let computer = Computer::new();
    let (web, world) = (Place::new(), Place::new());
    computer
        .place
        .join(&world, "10.1.0.1/24", "10.1.0.2/24", "world0");
    let lab = computer.network("lab");
    computer.attach("web", &lab.id, &web);
    let held = computer.publish("web", &lab.id, &[port("8000")]);
    let dns = computer
        .wait(computer.networks.open_dns(&web.namespace()))
        .unwrap();

    // An open connection through a published port.
    let listener = web.within(|| TcpListener::bind("0.0.0.0:80").unwrap());
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut writer = stream.try_clone().unwrap();
        for line in BufReader::new(stream).lines() {
            writeln!(writer, "{}", line.unwrap()).unwrap();
        }
    });
    let mut stream = world.within(|| TcpStream::connect((HOST, 8000)).unwrap());
    let mut echo = |line: &str| {
        writeln!(stream, "{line}").unwrap();
        let mut back = String::new();
        BufReader::new(&stream).read_line(&mut back).unwrap();
        assert_eq!(back.trim(), line);
    };
    echo("before");

    // Killed while another container was joining, and a network being made.
    let half = Place::new();
    let orphan = computer.network("orphan");
    let half_joined = computer.attach("half", BRIDGE, &half);
    let (mut networks, endpoints, ports) = stored(&computer.networks, "web");
    networks.retain(|network| network.id != orphan.id);
    let settings = computer.settings.clone();
    let place = computer.kill();
    echo("meanwhile");

    let restored = Restored {
        networks,
        containers: vec![RestoredContainer {
            id: "web".to_owned(),
            endpoints: endpoints.clone(),
            ports,
        }],
    };
    let computer = Computer::with(place, settings, restored);
    echo("after");
    let links = computer.place.run("ip", "link show");
    assert!(!links.contains(&orphan.bridge), "{links}");
    assert!(!links.contains(&half_joined.host_interface), "{links}");
    assert!(links.contains(&endpoints[0].host_interface), "{links}");
    assert_eq!(computer.networks.endpoints(&lab.id), endpoints);

    // Its DNS goes on, its port can be given up, its address is not given again.
    let kept = held.sockets.into_iter().chain([dns.udp, dns.tcp]).collect();
    assert!(Networks::dns_among(kept).is_some());
    let next = Place::new();
    let other = computer.attach("next", &lab.id, &next);
    assert_ne!(other.address, endpoints[0].address);
    web.serve(81, "web");
    assert!(next.ask(endpoints[0].address, 81).is_ok());
    computer.wait(computer.networks.release("web"));
    computer.wait(computer.networks.close());
    world.cannot_reach(HOST, 8000);
}

#[test]
fn after_a_start_of_the_computer_all_is_made_again() {
    let computer = Computer::new();
    let lab = computer.network("lab");
    let networks = computer.networks.list();
    let settings = computer.settings.clone();
    drop(computer.kill());

    let restored = Restored {
        networks: networks.clone(),
        containers: Vec::new(),
    };
    let computer = Computer::with(Place::new(), settings, restored);
    assert_eq!(computer.networks.list(), networks);
    let one = Place::new();
    let endpoint = computer.attach("one", &lab.id, &one);
    one.serve(80, "one");
    assert!(computer.place.ask(endpoint.address, 80).is_ok());
}

#[test]
fn a_clean_stop_breaks_nothing() {
    let computer = Computer::new();
    let (web, world) = (Place::new(), Place::new());
    computer
        .place
        .join(&world, "10.1.0.1/24", "10.1.0.2/24", "world0");
    computer.attach("web", BRIDGE, &web);
    web.serve(80, "web");
    let _held = computer.publish("web", BRIDGE, &[port("8000")]);
    computer.wait(computer.networks.close());
    let place = computer.kill();
    assert!(world.ask(HOST, 8000).is_ok());
    assert!(place.ask([127, 0, 0, 1], 8000).is_ok());
}

#[test]
fn the_default_network_follows_its_settings_while_nobody_is_in_it() {
    let computer = Computer::new();
    let networks = computer.networks.list();
    let mut settings = computer.settings.clone();
    let place = computer.kill();
    if let Some(bridge) = &mut settings.default_bridge {
        bridge.address = Some("10.44.0.1/24".parse().unwrap());
    }
    let restored = Restored {
        networks,
        containers: Vec::new(),
    };
    let computer = Computer::with(place, settings, restored);
    let one = Place::new();
    assert_eq!(
        computer.attach("one", BRIDGE, &one).address.to_string(),
        "10.44.0.2"
    );
    let shown = computer.place.run("ip", "address show dev essaim0");
    assert!(
        shown.contains("10.44.0.1/24") && !shown.contains("172.17"),
        "{shown}"
    );
}

#[test]
fn an_attach_whose_caller_went_away_is_released() {
    let computer = Computer::new();
    let one = Place::new();
    let namespace = one.namespace();
    computer.wait(async {
        let attaching = computer.networks.attach(attach("one", BRIDGE, &namespace));
        let soon = std::time::Duration::from_micros(1);
        drop(tokio::time::timeout(soon, attaching).await);
    });
    computer.wait(computer.networks.release("one"));
    drop(one);
    let one = Place::new();
    computer.attach("one", BRIDGE, &one);
}

#[test]
fn a_bridge_that_was_deleted_is_made_again_with_its_containers() {
    let computer = Computer::new();
    let web = Place::new();
    computer.attach("web", BRIDGE, &web);
    web.serve(80, "web");
    let _held = computer.publish("web", BRIDGE, &[port("8000")]);
    let (networks, endpoints, ports) = stored(&computer.networks, "web");
    let settings = computer.settings.clone();
    let place = computer.kill();
    place.run("ip", "link delete essaim0");
    let id = "web".to_owned();
    let containers = vec![RestoredContainer {
        id,
        endpoints,
        ports,
    }];
    let restored = Restored {
        networks,
        containers,
    };
    let computer = Computer::with(place, settings, restored);
    assert!(computer.place.ask([127, 0, 0, 1], 8000).is_ok());
    let shown = computer.place.run("bridge", "-d link show");
    assert!(shown.contains("hairpin on"), "{shown}");
}

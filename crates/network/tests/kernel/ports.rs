//! Published ports: from where they are reached, and from where not.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use model::port::{Port, Protocol};
use network::{Error, HostPorts, PortRequest};

use crate::place::{BRIDGE, Computer, Place, ask_by_datagram, wait_until};

const HOST: [u8; 4] = [10, 1, 0, 1];
const LOOPBACK: [u8; 4] = [127, 0, 0, 1];

fn request(container: u16, host_address: Option<[u8; 4]>, host_ports: &str) -> PortRequest {
    PortRequest {
        container: Port {
            protocol: Protocol::Tcp,
            number: container,
        },
        host_address: host_address.map(Ipv4Addr::from),
        host_ports: host_ports.parse().unwrap(),
    }
}

fn datagrams(container: u16, host_ports: &str) -> PortRequest {
    let mut request = request(container, None, host_ports);
    request.container.protocol = Protocol::Udp;
    request
}

/// A computer, a host beside it that routes our bridges' addresses through it, and a container that serves.
fn computer_with_container() -> (Computer, Place, Place) {
    let computer = Computer::new();
    let (world, web) = (Place::new(), Place::new());
    computer
        .place
        .join(&world, "10.1.0.1/24", "10.1.0.2/24", "world0");
    world.run("ip", "route add 172.16.0.0/12 via 10.1.0.1");
    computer.attach("web", BRIDGE, &web);
    web.serve(80, "web");
    (computer, world, web)
}

#[test]
fn a_published_port_answers_everywhere() {
    let (computer, world, web) = computer_with_container();
    let _sockets = computer.publish("web", BRIDGE, &[request(80, None, "8000")]);
    let place = &computer.place;
    assert_eq!(place.ask(LOOPBACK, 8000).unwrap(), "web 172.17.0.1");
    assert_eq!(place.ask([127, 9, 9, 9], 8000).unwrap(), "web 172.17.0.1");
    assert_eq!(place.ask(HOST, 8000).unwrap(), "web 10.1.0.1");
    assert_eq!(place.ask([172, 17, 0, 1], 8000).unwrap(), "web 172.17.0.1");
    assert_eq!(world.ask(HOST, 8000).unwrap(), "web 10.1.0.2");
    // From inside itself, and from its neighbour.
    assert_eq!(web.ask(HOST, 8000).unwrap(), "web 172.17.0.1");
    let neighbour = Place::new();
    computer.attach("neighbour", BRIDGE, &neighbour);
    assert_eq!(neighbour.ask(HOST, 8000).unwrap(), "web 172.17.0.1");
    // The container's own port stays closed.
    world.cannot_reach([172, 17, 0, 2], 80);
    world.cannot_reach(HOST, 80);
    // Published to the world, it is reached from another network as from anywhere.
    let other = computer.network("other");
    let stranger = Place::new();
    computer.attach("stranger", &other.id, &stranger);
    assert!(stranger.ask(HOST, 8000).unwrap().starts_with("web "));
    stranger.cannot_reach([172, 17, 0, 2], 80);
    stranger.cannot_reach([172, 17, 0, 2], 8000);
}

#[test]
fn a_port_on_loopback_answers_only_there() {
    let (computer, world, web) = computer_with_container();
    let _sockets = computer.publish("web", BRIDGE, &[request(80, Some(LOOPBACK), "8000")]);
    assert!(computer.place.ask(LOOPBACK, 8000).is_ok());
    computer.place.cannot_reach(HOST, 8000);
    world.cannot_reach(HOST, 8000);
    web.cannot_reach(HOST, 8000);
    web.cannot_reach([172, 17, 0, 1], 8000);
    // Whoever sends packets for 127.0.0.1 to us over the wire gets nothing, from outside or from a bridge.
    for (place, gateway) in [(&world, "10.1.0.1"), (&web, "172.17.0.1")] {
        place.run("ip", "address delete 127.0.0.1/8 dev lo");
        place.run("ip", "link set lo down");
        place.run("ip", "rule add to 127.0.0.0/8 table 9");
        place.run(
            "ip",
            &format!("route add 127.0.0.1/32 via {gateway} table 9"),
        );
        place.run("ip", "rule add pref 32000 lookup local");
        place.run("ip", "rule delete pref 0");
        for device in ["all", "default"] {
            place.set(&format!("ipv4/conf/{device}/route_localnet"), "1");
        }
        place.cannot_reach(LOOPBACK, 8000);
    }
}

#[test]
fn a_port_on_one_address_answers_only_there() {
    let (computer, world, _web) = computer_with_container();
    let requests = [
        request(80, Some(HOST), "8000"),
        request(80, Some(LOOPBACK), "8001"),
    ];
    let _sockets = computer.publish("web", BRIDGE, &requests);
    assert!(computer.place.ask(HOST, 8000).is_ok());
    assert!(world.ask(HOST, 8000).is_ok());
    computer.place.cannot_reach(LOOPBACK, 8000);
    computer.place.cannot_reach(HOST, 8001);
    let elsewhere = [request(80, Some([10, 99, 0, 1]), "8002")];
    let refused = computer.networks.reserve_ports("other", BRIDGE, &elsewhere);
    assert!(matches!(refused, Err(Error::BindPort { port: 8002, .. })));
}

#[test]
fn datagrams_follow_their_port() {
    let (computer, world, web) = computer_with_container();
    web.serve_datagrams(53, "web");
    let (from_world, from_here) = (world.datagrams(), computer.place.datagrams());
    // Sent before anybody serves: the kernel remembers the flow, and that it ends here.
    from_world
        .send_to(b"early", (Ipv4Addr::from(HOST), 5300))
        .unwrap();
    from_here
        .send_to(b"early", (Ipv4Addr::from(LOOPBACK), 5300))
        .unwrap();
    let held = computer.publish("web", BRIDGE, &[datagrams(53, "5300")]);
    from_world
        .send_to(b"early", (Ipv4Addr::from(HOST), 5300))
        .unwrap();
    assert_eq!(ask_by_datagram(&from_world, HOST, 5300), "web");
    assert_eq!(ask_by_datagram(&from_here, LOOPBACK, 5300), "web");

    // Another container takes its place: the same flow goes there.
    computer.wait(computer.networks.release("web"));
    drop(held);
    let next = Place::new();
    next.serve_datagrams(53, "next");
    computer.attach("next", BRIDGE, &next);
    let _held = computer.publish("next", BRIDGE, &[datagrams(53, "5300")]);
    assert_eq!(ask_by_datagram(&from_world, HOST, 5300), "next");
    assert_eq!(ask_by_datagram(&from_here, LOOPBACK, 5300), "next");
}

#[test]
fn two_cannot_have_one_port() {
    let (computer, _world, _web) = computer_with_container();
    let reserve = |request: PortRequest| {
        let reserved = computer.networks.reserve_ports("other", BRIDGE, &[request]);
        reserved.map_err(|error| error.to_string())
    };
    let taken = |address: &str, port: u16| {
        format!("Bind for {address}:{port} failed: port is already allocated")
    };
    let held = computer.publish("web", BRIDGE, &[request(80, None, "8000")]);
    assert_eq!(
        reserve(request(80, None, "8000")).unwrap_err(),
        taken("0.0.0.0", 8000)
    );
    assert_eq!(
        reserve(request(80, Some(LOOPBACK), "8000")).unwrap_err(),
        taken("127.0.0.1", 8000)
    );
    // The other protocol's port is another.
    assert!(reserve(datagrams(80, "8000")).is_ok());
    // Another program's, too.
    let listener = computer
        .place
        .within(|| TcpListener::bind("127.0.0.1:8080").unwrap());
    assert_eq!(
        reserve(request(80, None, "8080")).unwrap_err(),
        taken("0.0.0.0", 8080)
    );
    // And nobody gets ours.
    let steal = || TcpListener::bind("0.0.0.0:8000").is_err();
    assert!(computer.place.within(steal));
    // Free again once nobody holds it.
    computer.wait(computer.networks.release("web"));
    drop(held);
    drop(reserve(request(80, None, "8000")).unwrap());
    drop(listener);
    // All or none: the first is not held when the second fails.
    let busy = reserve(request(80, None, "9001")).unwrap();
    let both = [request(80, None, "9000"), request(81, None, "9001")];
    assert!(
        computer
            .networks
            .reserve_ports("third", BRIDGE, &both)
            .is_err()
    );
    drop(reserve(request(80, None, "9000")).unwrap());
    drop(busy);
}

#[test]
fn old_connections_do_not_hold_a_port() {
    let computer = Computer::new();
    // A server that closes first leaves its end of the connection waiting for a minute.
    computer.place.within(|| {
        let listener = TcpListener::bind("127.0.0.1:8000").unwrap();
        let client = TcpStream::connect("127.0.0.1:8000").unwrap();
        let (server, _) = listener.accept().unwrap();
        drop(server);
        drop(client);
    });
    wait_until(|| computer.place.run("ss", "-tan").contains("TIME-WAIT"));
    let reserve = |container: &str| {
        let requests = [request(80, None, "8000")];
        computer
            .networks
            .reserve_ports(container, BRIDGE, &requests)
    };
    let held = reserve("web").unwrap();
    assert!(matches!(reserve("other"), Err(Error::PortTaken { .. })));
    let steal = || TcpListener::bind("0.0.0.0:8000").is_err();
    assert!(computer.place.within(steal));
    let listening = || computer.place.run("ss", "-tlnH");
    assert_eq!(listening(), "");
    drop(held);
    assert!(reserve("other").is_ok());
}

#[test]
fn ports_come_from_ranges() {
    let computer = Computer::new();
    let reserve = |name: &str, ports: &str| {
        let requests = [request(80, None, ports)];
        computer.networks.reserve_ports(name, BRIDGE, &requests)
    };
    let one = reserve("one", "9000-9001").unwrap();
    let two = reserve("two", "9000-9001").unwrap();
    assert_eq!(
        (one.bindings[0].host_port, two.bindings[0].host_port),
        (9000, 9001)
    );
    assert!(matches!(
        reserve("three", "9000-9001"),
        Err(Error::PortTaken { port: 9000, .. })
    ));
    let three = reserve("three", "").unwrap();
    let four = reserve("four", "0").unwrap();
    assert_eq!(three.bindings[0].host_port, 32768);
    assert_eq!(four.bindings[0].host_port, 32769);
    assert_eq!("".parse(), Ok(HostPorts::Any));
    assert_eq!(computer.networks.ports_of("three"), three.bindings);
}

#[test]
fn published_ports_follow_the_default_route() {
    let (computer, world, web) = computer_with_container();
    let alpha = computer.network("alpha");
    let _held = computer.publish("web", BRIDGE, &[request(80, None, "8000")]);
    assert!(world.ask(HOST, 8000).is_ok());
    // `alpha` is first by name.
    computer.attach("web", &alpha.id, &web);
    assert_eq!(world.ask(HOST, 8000).unwrap(), "web 10.1.0.2");
    let namespace = web.namespace();
    computer
        .wait(computer.networks.detach("web", BRIDGE, &namespace))
        .unwrap();
    assert_eq!(world.ask(HOST, 8000).unwrap(), "web 10.1.0.2");
    assert_eq!(web.ask(HOST, 8000).unwrap(), "web 172.18.0.1");
    computer
        .wait(computer.networks.detach("web", &alpha.id, &namespace))
        .unwrap();
    world.cannot_reach(HOST, 8000);
    computer.attach("web", BRIDGE, &web);
    assert!(world.ask(HOST, 8000).is_ok());
}

#[test]
fn a_port_closes_with_its_container() {
    let (computer, world, _web) = computer_with_container();
    let held = computer.publish("web", BRIDGE, &[request(80, None, "8000")]);
    assert!(world.ask(HOST, 8000).is_ok());
    computer.wait(computer.networks.release("web"));
    drop(held);
    computer.wait(computer.networks.close());
    world.cannot_reach(HOST, 8000);
    computer.place.cannot_reach(LOOPBACK, 8000);
}

#[test]
fn many_ports_are_published_at_once() {
    let (computer, world, web) = computer_with_container();
    web.serve(81, "web");
    let requests: Vec<PortRequest> = (0..200)
        .map(|_| request(80, None, ""))
        .chain([request(81, None, "8000")])
        .collect();
    let start = std::time::Instant::now();
    let held = computer.publish("web", BRIDGE, &requests);
    println!("201 ports: {:?}", start.elapsed());
    assert!(world.ask(HOST, held.bindings[199].host_port).is_ok());
    assert!(world.ask(HOST, 8000).is_ok());
}

#[test]
fn bridges_that_do_not_ask_the_filter_make_no_difference() {
    let (computer, world, web) = computer_with_container();
    computer.place.set("bridge/bridge-nf-call-iptables", "0");
    let _held = computer.publish("web", BRIDGE, &[request(80, None, "8000")]);
    let neighbour = Place::new();
    computer.attach("neighbour", BRIDGE, &neighbour);
    for place in [&computer.place, &world, &web, &neighbour] {
        assert!(place.ask(HOST, 8000).is_ok());
    }
    assert!(computer.place.ask(LOOPBACK, 8000).is_ok());
    world.cannot_reach([172, 17, 0, 2], 80);
}

#[test]
fn two_daemons_cannot_have_one_port() {
    let (computer, world, web) = computer_with_container();
    let second = computer
        .wait(network::Networks::open(
            crate::place::other_settings(),
            network::Restored::default(),
        ))
        .unwrap();
    let _held = computer.publish("web", BRIDGE, &[request(80, None, "8000")]);
    let other = "e".repeat(64);
    let reserved = second.reserve_ports("other", &other, &[request(80, None, "8000")]);
    assert!(matches!(reserved, Err(Error::PortTaken { .. })));
    let held = second
        .reserve_ports("other", &other, &[request(80, None, "8001")])
        .unwrap();
    let place = Place::new();
    place.serve(80, "other");
    let namespace = place.namespace();
    computer
        .wait(second.attach(crate::place::attach("other", &other, &namespace)))
        .unwrap();
    computer
        .wait(second.publish("other", &held.bindings))
        .unwrap();
    assert_eq!(world.ask(HOST, 8000).unwrap(), "web 10.1.0.2");
    assert_eq!(world.ask(HOST, 8001).unwrap(), "other 10.1.0.2");
    assert!(computer.place.ask(LOOPBACK, 8001).is_ok());
    assert!(web.ask(HOST, 8001).unwrap().starts_with("other "));
}

#[test]
fn ports_stay_when_networks_change() {
    let (computer, world, _web) = computer_with_container();
    let requests = [
        request(80, None, "8000"),
        request(80, Some(HOST), "8001"),
        request(80, Some(LOOPBACK), "8002"),
        datagrams(80, "8000"),
    ];
    let _held = computer.publish("web", BRIDGE, &requests);
    let rules = || computer.place.run("nft", "list map ip essaim published-at");
    let before = rules();
    let network = computer.network("more");
    assert_eq!(rules(), before);
    assert!(world.ask(HOST, 8000).is_ok());
    assert!(world.ask(HOST, 8001).is_ok());
    computer
        .wait(computer.networks.remove(&network.id))
        .unwrap();
    assert!(computer.place.ask(LOOPBACK, 8002).is_ok());
    // A change after the table was rendered whole finds it as it expects it.
    computer.wait(computer.networks.release("web"));
    computer.wait(computer.networks.close());
    assert!(!rules().contains("elements"));
}

//! Containers on bridges: whom they reach, and whom not.

use std::{collections::BTreeMap, time::Instant};

use network::{AddressPlan, Error, NewNetwork};

use crate::place::{BRIDGE, Computer, Place, attach};

#[test]
fn containers_on_the_default_bridge_reach_each_other_and_the_world() {
    let computer = Computer::new();
    let (one, two, world) = (Place::new(), Place::new(), Place::new());
    computer
        .place
        .join(&world, "10.1.0.1/24", "10.1.0.2/24", "world0");
    let first = computer.attach("one", BRIDGE, &one);
    let second = computer.attach("two", BRIDGE, &two);
    assert_eq!(first.address.to_string(), "172.17.0.2");
    assert_eq!(second.address.to_string(), "172.17.0.3");
    assert_eq!(first.mac.to_string(), "02:42:ac:11:00:02");
    assert_eq!(first.interface, "eth0");
    assert_eq!(first.gateway.unwrap().to_string(), "172.17.0.1");
    let shown = one.run("ip", "address show dev eth0");
    assert!(
        shown.contains("inet 172.17.0.2/16 brd 172.17.255.255"),
        "{shown}"
    );
    assert!(shown.contains("02:42:ac:11:00:02"), "{shown}");
    assert!(!shown.contains("inet6"), "{shown}");
    let routes = one.run("ip", "route show");
    assert!(
        routes.contains("default via 172.17.0.1 dev eth0"),
        "{routes}"
    );

    one.serve(80, "one");
    world.serve(80, "world");
    assert_eq!(two.ask(first.address, 80).unwrap(), "one 172.17.0.3");
    assert_eq!(
        computer.place.ask(first.address, 80).unwrap(),
        "one 172.17.0.1"
    );
    // What leaves bears the host's address.
    assert_eq!(two.ask([10, 1, 0, 2], 80).unwrap(), "world 10.1.0.1");
    // Nobody comes in from outside, not even who routes through us.
    world.run("ip", "route add 172.17.0.0/16 via 10.1.0.1");
    world.cannot_reach(first.address, 80);
}

#[test]
fn networks_do_not_talk() {
    let computer = Computer::new();
    let (one, two) = (Place::new(), Place::new());
    let front = computer.network("front");
    let back = computer.network("back");
    assert_eq!(front.subnet.to_string(), "172.18.0.0/16");
    assert_eq!(back.subnet.to_string(), "172.19.0.0/16");
    let first = computer.attach("one", &front.id, &one);
    let second = computer.attach("two", &back.id, &two);
    one.serve(80, "one");
    two.serve(80, "two");
    two.cannot_reach(first.address, 80);
    one.cannot_reach(second.address, 80);
    // In both networks it reaches both.
    let both = computer.attach("two", &front.id, &two);
    assert_eq!(both.interface, "eth1");
    assert_eq!(two.ask(first.address, 80).unwrap(), "one 172.18.0.3");
}

#[test]
fn an_internal_network_has_no_way_in_or_out() {
    let computer = Computer::new();
    let (one, two, world) = (Place::new(), Place::new(), Place::new());
    computer
        .place
        .join(&world, "10.1.0.1/24", "10.1.0.2/24", "world0");
    world.serve(80, "world");
    let inside = computer.network_with(NewNetwork {
        name: "inside".to_owned(),
        internal: true,
        ..NewNetwork::default()
    });
    let first = computer.attach("one", &inside.id, &one);
    computer.attach("two", &inside.id, &two);
    assert_eq!(first.gateway, None);
    assert_eq!(one.run("ip", "route show default"), "");
    one.serve(80, "one");
    assert!(two.ask(first.address, 80).is_ok());
    // Not even by a route of its own.
    one.run("ip", "route add default via 172.18.0.1");
    one.cannot_reach([10, 1, 0, 2], 80);
    world.run("ip", "route add 172.18.0.0/16 via 10.1.0.1");
    world.cannot_reach(first.address, 80);
}

#[test]
fn containers_may_be_kept_from_each_other() {
    let computer = Computer::new();
    let (one, two) = (Place::new(), Place::new());
    let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let apart = computer.network_with(NewNetwork {
        name: "apart".to_owned(),
        options: BTreeMap::from([
            option("com.docker.network.bridge.enable_icc", "false"),
            option("com.docker.network.bridge.name", "apart0"),
            option("com.docker.network.driver.mtu", "1400"),
        ]),
        ..NewNetwork::default()
    });
    assert_eq!(apart.bridge, "apart0");
    let first = computer.attach("one", &apart.id, &one);
    computer.attach("two", &apart.id, &two);
    one.serve(80, "one");
    two.cannot_reach(first.address, 80);
    assert!(computer.place.ask(first.address, 80).is_ok());
    assert!(one.run("ip", "link show eth0").contains("mtu 1400"));
}

#[test]
fn addresses_can_be_asked_for() {
    let computer = Computer::new();
    let (one, two) = (Place::new(), Place::new());
    let plan = AddressPlan {
        subnet: Some("10.7.0.0/24".to_owned()),
        ip_range: Some("10.7.0.128/25".to_owned()),
        gateway: Some("10.7.0.254".to_owned()),
        auxiliary: BTreeMap::from([("router".to_owned(), "10.7.0.128".to_owned())]),
    };
    let network = computer.network_with(NewNetwork {
        name: "lab".to_owned(),
        addresses: vec![plan],
        ..NewNetwork::default()
    });
    let namespace = one.namespace();
    let mut wish = attach("one", &network.id, &namespace);
    wish.address = Some([10, 7, 0, 9].into());
    wish.mac = Some("02:00:00:00:00:09".parse().unwrap());
    let first = computer.wait(computer.networks.attach(wish)).unwrap();
    assert_eq!(first.address.to_string(), "10.7.0.9");
    assert!(
        one.run("ip", "link show eth0")
            .contains("02:00:00:00:00:09")
    );
    assert_eq!(
        computer
            .attach("two", &network.id, &two)
            .address
            .to_string(),
        "10.7.0.129"
    );

    let refused = |network: &str, address: [u8; 4]| {
        let namespace = two.namespace();
        let mut wish = attach("three", network, &namespace);
        wish.address = Some(address.into());
        computer
            .wait(computer.networks.attach(wish))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(&network.id, [10, 7, 0, 9]),
        "Address already in use"
    );
    assert_eq!(
        refused(&network.id, [10, 8, 0, 9]),
        "no configured subnet contains IP address 10.8.0.9"
    );
    assert_eq!(
        refused(BRIDGE, [172, 17, 0, 9]),
        "user specified IP address is supported on user defined networks only"
    );
}

#[test]
fn a_container_joins_and_leaves_while_it_runs() {
    let computer = Computer::new();
    let (one, two) = (Place::new(), Place::new());
    let alpha = computer.network("alpha");
    let beta = computer.network("beta");
    computer.attach("one", &beta.id, &one);
    assert!(
        one.run("ip", "route show default")
            .contains("via 172.19.0.1 dev eth0")
    );
    // The default route goes through the network that is first by name.
    computer.attach("one", &alpha.id, &one);
    assert!(
        one.run("ip", "route show default")
            .contains("via 172.18.0.1 dev eth1")
    );
    let again = attach_error(&computer, "one", &alpha.id, &one);
    assert_eq!(
        again,
        "endpoint of container one already exists in network alpha"
    );

    let namespace = one.namespace();
    let leave = |network: &str| computer.wait(computer.networks.detach("one", network, &namespace));
    leave(&alpha.id).unwrap();
    assert!(
        one.run("ip", "route show default")
            .contains("via 172.19.0.1 dev eth0")
    );
    assert!(matches!(leave(&alpha.id), Err(Error::NotConnected { .. })));
    // What it had is free again.
    let next = computer.attach("two", &alpha.id, &two);
    assert_eq!(next.interface, "eth0");
    let back = computer.attach("one", &alpha.id, &one);
    assert_eq!(back.interface, "eth1");

    let remove = |network: &str| computer.wait(computer.networks.remove(network));
    assert!(matches!(
        remove(&alpha.id),
        Err(Error::ActiveEndpoints { .. })
    ));
    computer.wait(computer.networks.release("two"));
    leave(&alpha.id).unwrap();
    remove(&alpha.id).unwrap();
    assert!(matches!(
        remove(&alpha.id),
        Err(Error::NoSuchNetwork { .. })
    ));
    assert!(matches!(
        remove(BRIDGE),
        Err(Error::PredefinedNetwork { .. })
    ));
    assert!(
        !computer
            .place
            .run("ip", "link show")
            .contains(&alpha.bridge)
    );
}

fn attach_error(computer: &Computer, container: &str, network: &str, place: &Place) -> String {
    let namespace = place.namespace();
    let attached = computer
        .networks
        .attach(attach(container, network, &namespace));
    computer.wait(attached).unwrap_err().to_string()
}

#[test]
fn what_fails_leaves_nothing() {
    let computer = Computer::new();
    let one = Place::new();
    // The name that the interface would get is taken.
    one.run("ip", "link add eth0 type bridge");
    let before = computer.place.run("ip", "link show");
    let error = attach_error(&computer, "one", BRIDGE, &one);
    assert!(error.contains("eth0"), "{error}");
    assert_eq!(computer.place.run("ip", "link show"), before);
    one.run("ip", "link delete eth0");
    // Its address is not lost either.
    assert_eq!(computer.networks.endpoints(BRIDGE), []);
    let endpoint = computer.attach("one", BRIDGE, &one);
    assert_eq!(computer.networks.endpoints_of("one"), [endpoint]);
}

#[test]
fn a_veth_goes_with_its_container() {
    let computer = Computer::new();
    let one = Place::new();
    let first = computer.attach("one", BRIDGE, &one);
    computer.wait(computer.networks.release("one"));
    assert_eq!(computer.networks.endpoints_of("one"), []);
    drop(one);
    crate::place::wait_until(|| {
        !computer
            .place
            .run("ip", "link show")
            .contains(&first.host_interface)
    });
    // It gets its address again if it is free.
    let one = Place::new();
    let namespace = one.namespace();
    let mut wish = attach("one", BRIDGE, &namespace);
    wish.previous_address = Some(first.address);
    let again = computer.wait(computer.networks.attach(wish)).unwrap();
    assert_eq!(again.address, first.address);
}

#[test]
fn subnets_that_the_host_routes_are_not_taken() {
    let place = Place::new();
    place.run("ip", "link add lan0 type bridge");
    place.run("ip", "link set lan0 up");
    place.run("ip", "address add 172.17.3.1/24 dev lan0");
    place.run("ip", "route add 172.18.0.0/15 dev lan0");
    let computer = Computer::with(
        place,
        crate::place::settings(),
        network::Restored::default(),
    );
    let networks = computer.networks.list();
    assert_eq!(networks[0].subnet.to_string(), "172.20.0.0/16");
    assert_eq!(computer.network("next").subnet.to_string(), "172.21.0.0/16");
}

#[test]
fn two_daemons_share_a_computer() {
    let first = Computer::new();
    let networks = first.wait(network::Networks::open(
        crate::place::other_settings(),
        network::Restored::default(),
    ));
    let second = networks.unwrap();
    let (one, two) = (Place::new(), Place::new());
    let here = first.attach("one", BRIDGE, &one);
    let namespace = two.namespace();
    let other_bridge = "e".repeat(64);
    let there = first
        .wait(second.attach(attach("two", &other_bridge, &namespace)))
        .unwrap();
    assert_eq!(there.address.to_string(), "172.18.0.2");
    one.serve(80, "one");
    two.serve(80, "two");
    one.cannot_reach(there.address, 80);
    two.cannot_reach(here.address, 80);
    assert!(first.place.ask(there.address, 80).is_ok());
    assert!(first.place.ask(here.address, 80).is_ok());
}

#[test]
fn joining_is_quick() {
    let computer = Computer::new();
    let places: Vec<Place> = (0..20).map(|_| Place::new()).collect();
    let names: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
    computer.place.serve(80, "host");
    let mut attached = Vec::new();
    let mut reached = Vec::new();
    for (name, place) in names.iter().zip(&places) {
        let start = Instant::now();
        computer.attach(name, BRIDGE, place);
        attached.push(start.elapsed());
        let start = Instant::now();
        place.ask([172, 17, 0, 1], 80).unwrap();
        reached.push(start.elapsed());
    }
    attached.sort();
    reached.sort();
    // For people to read: no time is asserted.
    println!(
        "attach: median {:?}, worst {:?}",
        attached[10], attached[19]
    );
    println!(
        "first answer: median {:?}, worst {:?}",
        reached[10], reached[19]
    );
}

#[test]
fn joining_many_at_once_works() {
    let computer = Computer::new();
    let places: Vec<Place> = (0..12).map(|_| Place::new()).collect();
    let names: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
    let spaces: Vec<_> = places.iter().map(Place::namespace).collect();
    let endpoints = computer.wait(async {
        let mut joining = Vec::new();
        for (name, space) in names.iter().zip(&spaces) {
            joining.push(computer.networks.attach(attach(name, BRIDGE, space)));
        }
        let new = |number: u8| {
            computer.networks.create(NewNetwork {
                id: format!("{number:0<64}"),
                name: format!("n{number}"),
                ..NewNetwork::default()
            })
        };
        let (endpoints, one, two) =
            tokio::join!(futures_util::future::join_all(joining), new(1), new(2));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_ne!(one.subnet, two.subnet);
        let removed = tokio::join!(
            computer.networks.remove(&one.id),
            computer.networks.remove(&two.id)
        );
        removed.0.and(removed.1).unwrap();
        endpoints
    });
    let mut addresses: Vec<_> = endpoints
        .into_iter()
        .map(|endpoint| endpoint.unwrap().address)
        .collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 12);
    places[0].serve(80, "first");
    for (place, endpoint) in places.iter().zip(computer.networks.endpoints(BRIDGE)) {
        drop(endpoint);
        let first = computer.networks.endpoints_of("c0")[0].address;
        assert!(place.ask(first, 80).is_ok());
    }
}

#[test]
fn a_container_takes_over_the_address_it_had() {
    let computer = Computer::new();
    let (before, after) = (Place::new(), Place::new());
    let neighbour = Place::new();
    computer.attach("neighbour", BRIDGE, &neighbour);
    let first = computer.attach("web", BRIDGE, &before);
    before.serve(80, "before");
    assert!(computer.place.ask(first.address, 80).is_ok());
    assert!(neighbour.ask(first.address, 80).is_ok());
    // What it was is not gone yet when it starts again.
    computer.wait(computer.networks.release("web"));
    let namespace = after.namespace();
    let mut wish = attach("web", BRIDGE, &namespace);
    wish.previous_address = Some(first.address);
    let again = computer.wait(computer.networks.attach(wish)).unwrap();
    assert_eq!((again.address, again.mac), (first.address, first.mac));
    after.serve(80, "after");
    for place in [&computer.place, &neighbour] {
        assert!(place.ask(first.address, 80).unwrap().starts_with("after "));
    }
}

//! Our table among others.

use std::time::Instant;

use model::port::{Port, Protocol};
use network::{PortRequest, Restored};

use crate::place::{BRIDGE, Computer, Place, wait_until};

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
fn what_another_program_does_to_our_rules_is_put_right() {
    let computer = Computer::new();
    let web = Place::new();
    computer.attach("web", BRIDGE, &web);
    web.serve(80, "web");
    let _held = computer.publish("web", BRIDGE, &[port("8000")]);
    let rules = || computer.place.run("nft", "list ruleset");
    let before = rules();
    assert!(before.contains("8000"));
    for harm in [
        "flush ruleset",
        "flush chain ip essaim forward",
        "delete element ip essaim published { tcp . 8000 }",
        "insert rule ip essaim forward drop",
    ] {
        computer.place.run("nft", harm);
        assert_ne!(rules(), before, "{harm}");
        wait_until(|| {
            computer.run_for(20);
            rules() == before
        });
    }
}

#[test]
fn our_own_changes_are_left_alone() {
    let computer = Computer::new();
    let handle = |computer: &Computer| computer.place.run("nft", "-a list table ip essaim");
    computer.network("one");
    let web = Place::new();
    computer.attach("web", BRIDGE, &web);
    let held = computer.publish("web", BRIDGE, &[port("8000")]);
    let before = handle(&computer);
    // Longer than a repair would wait.
    computer.run_for(400);
    assert_eq!(handle(&computer), before);
    drop(held);
}

#[test]
fn what_others_have_is_not_touched() {
    let place = Place::new();
    place.run("nft", "add table ip theirs");
    place.run(
        "nft",
        "add chain ip theirs forward { type filter hook forward priority 0 ; }",
    );
    place.run("nft", "add rule ip theirs forward counter");
    let before = place.run("nft", "list table ip theirs");
    let computer = Computer::with(place, crate::place::settings(), Restored::default());
    let network = computer.network("one");
    computer
        .wait(computer.networks.remove(&network.id))
        .unwrap();
    assert_eq!(computer.place.run("nft", "list table ip theirs"), before);
    let tables = computer.place.run("nft", "list tables");
    assert_eq!(tables, "table ip theirs\ntable ip essaim\n");
}

#[test]
fn a_plain_container_changes_no_rule() {
    let computer = Computer::new();
    let rules = || computer.place.run("nft", "-a list ruleset");
    let before = rules();
    let one = Place::new();
    computer.attach("one", BRIDGE, &one);
    computer
        .wait(computer.networks.publish("one", &[]))
        .unwrap();
    computer.wait(computer.networks.release("one"));
    assert_eq!(rules(), before);
}

#[test]
fn a_firewall_that_would_drop_is_told_of() {
    let computer = Computer::new();
    let warnings = || computer.wait(computer.networks.warnings());
    assert_eq!(warnings(), []);
    let stand_in_the_way = [
        ("ip filter FORWARD", "iptables -P FORWARD DROP"),
        (
            "iptables-legacy filter FORWARD",
            "iptables-legacy -P FORWARD DROP",
        ),
        (
            "inet mine through",
            "nft add table inet mine; \
             add chain inet mine through { type filter hook forward priority 5 ; policy drop ; }",
        ),
        (
            "inet other through",
            "nft add table inet other; \
             add chain inet other through { type filter hook forward priority 5 ; }; \
             add rule inet other through ct state established accept; \
             add rule inet other through counter reject",
        ),
    ];
    let (one, world) = (Place::new(), Place::new());
    computer
        .place
        .join(&world, "10.1.0.1/24", "10.1.0.2/24", "world0");
    computer.attach("one", BRIDGE, &one);
    world.serve(80, "world");
    for (chain, command) in stand_in_the_way {
        let run = |command: &str| {
            let (program, arguments) = command.split_once(' ').unwrap();
            computer.place.run(program, arguments);
        };
        run(command);
        one.cannot_reach([10, 1, 0, 2], 80);
        let found = warnings();
        assert_eq!(found.len(), 1, "{command}");
        assert!(found[0].message.contains(chain), "{found:?}");
        // The remedy is one.
        found[0].remedy.lines().for_each(run);
        assert_eq!(warnings(), []);
        assert!(one.ask([10, 1, 0, 2], 80).is_ok());
    }
}

#[test]
fn publishing_is_quick() {
    let computer = Computer::new();
    let places: Vec<Place> = (0..10).map(|_| Place::new()).collect();
    let mut added = Vec::new();
    let mut held = Vec::new();
    for (number, place) in places.iter().enumerate() {
        let name = format!("c{number}");
        computer.attach(&name, BRIDGE, place);
        let start = Instant::now();
        held.push(computer.publish(&name, BRIDGE, &[port("")]));
        added.push(start.elapsed());
    }
    let start = Instant::now();
    for number in 0..10 {
        computer.wait(computer.networks.release(&format!("c{number}")));
    }
    let released = start.elapsed();
    let start = Instant::now();
    computer.wait(computer.networks.close());
    added.sort();
    // For people to read: no time is asserted.
    println!(
        "publish: median {:?}; release of 10: {released:?}, their removal: {:?}",
        added[5],
        start.elapsed()
    );
}

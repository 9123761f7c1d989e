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
    let nft = |command: &str| computer.place.run("nft", command);
    nft("add table ip filter");
    nft("add chain ip filter FORWARD { type filter hook forward priority 0 ; policy drop ; }");
    let found = warnings();
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("ip filter FORWARD"), "{found:?}");
    assert!(found[0].remedy.contains("essaim0"), "{found:?}");
    // The remedy is one.
    for command in found[0].remedy.lines() {
        let (program, arguments) = command.split_once(' ').unwrap();
        computer
            .place
            .run(program, &arguments.replace(['\'', '"'], ""));
    }
    assert_eq!(warnings(), []);
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

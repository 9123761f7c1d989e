//! Names.

use std::{net::Ipv4Addr, thread};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata},
};
use network::{Networks, NewNetwork, Upstream};

use crate::place::{BRIDGE, Computer, Place, attach};

const DNS: Ipv4Addr = network::DNS_ADDRESS;

fn with_dns(computer: &Computer, container: &str, place: &Place) {
    let sockets = computer
        .wait(computer.networks.open_dns(&place.namespace()))
        .unwrap();
    computer
        .wait(async {
            computer
                .networks
                .serve_dns(container, sockets, Upstream::Host)
        })
        .unwrap();
}

/// Asks from within `place`, over a datagram and, if that is cut short, a connection.
fn look_up(computer: &Computer, place: &Place, name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(77, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let bytes = message.to_vec().unwrap();
    let socket = place.datagrams();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(20)))
        .unwrap();
    let path = place.path();
    computer.meanwhile(move || {
        socket.send_to(&bytes, (DNS, 53)).unwrap();
        let mut buffer = [0; 2048];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(from.to_string(), "127.0.0.11:53");
        let answer = Message::from_vec(&buffer[..length]).unwrap();
        if answer.metadata.truncation {
            crate::place::ask_by_connection(&path, DNS, &bytes)
        } else {
            answer
        }
    })
}

#[track_caller]
fn check(computer: &Computer, place: &Place, name: &str, kind: RecordType, expect: &str) {
    let answer = look_up(computer, place, name, kind);
    let mut data: Vec<String> = answer
        .answers
        .iter()
        .map(|record| record.data.to_string())
        .collect();
    data.sort();
    let said = format!("{:?} {}", answer.metadata.response_code, data.join(" "));
    assert_eq!(said.trim(), expect, "{name}");
}

#[test]
fn containers_find_each_other_by_name() {
    let computer = Computer::new();
    let (one, two, three) = (Place::new(), Place::new(), Place::new());
    let lab = computer.network("lab");
    let other = computer.network("other");
    computer.attach("one", &lab.id, &one);
    for (name, place) in [("two", &two), ("three", &three)] {
        let namespace = place.namespace();
        let mut wish = attach(name, &lab.id, &namespace);
        wish.names.push("Worker".to_owned());
        computer.wait(computer.networks.attach(wish)).unwrap();
    }
    computer.attach("three", &other.id, &three);
    let hidden = Place::new();
    computer.attach("hidden", &other.id, &hidden);
    let linked = Place::new();
    let namespace = linked.namespace();
    let mut wish = attach("linked", &lab.id, &namespace);
    wish.links.push(network::Link {
        name: "two".to_owned(),
        alias: "db".to_owned(),
    });
    computer.wait(computer.networks.attach(wish)).unwrap();
    with_dns(&computer, "linked", &linked);
    for name in ["db", "DB.lab.", "two"] {
        check(
            &computer,
            &linked,
            name,
            RecordType::A,
            "NoError 172.18.0.3",
        );
    }
    with_dns(&computer, "one", &one);
    // No name for anybody else.
    assert!(
        look_up(&computer, &one, "db", RecordType::A)
            .answers
            .is_empty()
    );

    check(&computer, &one, "two", RecordType::A, "NoError 172.18.0.3");
    check(
        &computer,
        &one,
        "TWO.lab.",
        RecordType::A,
        "NoError 172.18.0.3",
    );
    check(&computer, &one, "one", RecordType::A, "NoError 172.18.0.2");
    check(&computer, &one, "two", RecordType::AAAA, "NoError");
    check(
        &computer,
        &one,
        "worker",
        RecordType::A,
        "NoError 172.18.0.3 172.18.0.4",
    );
    check(
        &computer,
        &one,
        "4.0.18.172.in-addr.arpa.",
        RecordType::PTR,
        "NoError three.lab.",
    );
    // Only names of its own networks; and nobody else is there to ask.
    check(&computer, &one, "hidden", RecordType::A, "ServFail");

    // Several take turns at being the first.
    let first = || {
        let answer = look_up(&computer, &one, "worker", RecordType::A);
        answer.answers[0].data.to_string()
    };
    assert_ne!(first(), first());

    // Renamed, and gone.
    let names = vec!["deux".to_owned()];
    computer.networks.set_names("two", &lab.id, names).unwrap();
    check(&computer, &one, "deux", RecordType::A, "NoError 172.18.0.3");
    check(
        &computer,
        &one,
        "worker",
        RecordType::A,
        "NoError 172.18.0.4",
    );
    computer.wait(computer.networks.release("two"));
    check(&computer, &one, "deux", RecordType::A, "ServFail");
    // Opened again, it is at other ports.
    with_dns(&computer, "one", &one);
    check(
        &computer,
        &one,
        "worker",
        RecordType::A,
        "NoError 172.18.0.4",
    );
    // The container's own server on the port of DNS is not in the way, nor we in its.
    one.serve_datagrams(53, "mine");
    check(&computer, &one, "one", RecordType::A, "NoError 172.18.0.2");
}

#[test]
fn a_daemon_that_comes_back_answers_what_waited() {
    let computer = Computer::new();
    let one = Place::new();
    let lab = computer.network("lab");
    computer.attach("one", &lab.id, &one);
    let sockets = computer
        .wait(computer.networks.open_dns(&one.namespace()))
        .unwrap();
    let shim = vec![
        sockets.udp.try_clone().unwrap(),
        sockets.tcp.try_clone().unwrap(),
    ];
    drop(sockets);
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let socket = one.datagrams();
        scope.spawn(move || {
            let mut message = Message::new(78, MessageType::Query, OpCode::Query);
            message.add_query(Query::query(
                Name::from_ascii("one").unwrap(),
                RecordType::A,
            ));
            socket
                .send_to(&message.to_vec().unwrap(), (DNS, 53))
                .unwrap();
            sender.send(()).unwrap();
            let mut buffer = [0; 512];
            let (length, _) = socket.recv_from(&mut buffer).unwrap();
            let answer = Message::from_vec(&buffer[..length]).unwrap();
            assert_eq!(answer.answers.len(), 1);
            sender.send(()).unwrap();
        });
        receiver.recv().unwrap();
        let sockets = Networks::dns_among(shim).unwrap();
        computer.wait(async {
            computer
                .networks
                .serve_dns("one", sockets, Upstream::Host)
                .unwrap();
        });
        computer.meanwhile(move || receiver.recv().unwrap());
    });
}

/// A server that knows `known.example`, over datagrams and connections.
fn serve_upstream(place: &Place) {
    fn answer(bytes: &[u8], cut: bool) -> Vec<u8> {
        let query = Message::from_vec(bytes).unwrap();
        let mut answer = Message::response(query.metadata.id, OpCode::Query);
        answer.metadata.recursion_available = true;
        let question = query.queries[0].clone();
        let name = question.name().to_string();
        match name.as_str() {
            "known.example." | "big.example." => {
                let data = RData::A(rdata::A(Ipv4Addr::new(192, 0, 2, 1)));
                answer.add_answer(Record::from_rdata(question.name().clone(), 60, data));
            }
            "broken.example." => answer.metadata.response_code = ResponseCode::ServFail,
            _ => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        answer.add_query(question);
        let answer = if cut && name == "big.example." {
            answer.truncate()
        } else {
            answer
        };
        answer.to_vec().unwrap()
    }
    let address = "127.0.0.53:53";
    let socket = place.within(|| std::net::UdpSocket::bind(address).unwrap());
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            drop(socket.send_to(&answer(&buffer[..length], true), client));
        }
    });
    let listener = place.within(|| std::net::TcpListener::bind(address).unwrap());
    thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut bytes).unwrap();
            let answer = answer(&bytes, false);
            let length = u16::try_from(answer.len()).unwrap();
            stream.write_all(&length.to_be_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        }
    });
}

#[test]
fn what_we_do_not_know_others_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let resolv_conf = folder.path().join("resolv.conf");
    std::fs::write(&resolv_conf, "nameserver 127.0.0.53\n").unwrap();
    let settings = network::Settings {
        resolv_conf,
        ..crate::place::settings()
    };
    let place = Place::new();
    serve_upstream(&place);
    let computer = Computer::with(place, settings, network::Restored::default());
    let lab = computer.network("lab");
    let one = Place::new();
    computer.attach("one", &lab.id, &one);
    with_dns(&computer, "one", &one);
    let check = |name: &str, kind, expect: &str| check(&computer, &one, name, kind, expect);
    check("known.example", RecordType::A, "NoError 192.0.2.1");
    check("big.example", RecordType::A, "NoError 192.0.2.1");
    check("unknown.example", RecordType::A, "NXDomain");
    check("nobody", RecordType::A, "NXDomain");
    check("broken.example", RecordType::A, "ServFail");
    check("one", RecordType::A, "NoError 172.18.0.2");

    // From where nothing is to get out, nobody is asked.
    let inside = computer.network_with(NewNetwork {
        name: "inside".to_owned(),
        internal: true,
        ..NewNetwork::default()
    });
    let two = Place::new();
    computer.attach("two", &inside.id, &two);
    with_dns(&computer, "two", &two);
    super::dns::check(&computer, &two, "known.example", RecordType::A, "ServFail");
    super::dns::check(&computer, &two, "two", RecordType::A, "NoError 172.19.0.2");
}

#[test]
fn an_own_server_can_be_named() {
    let computer = Computer::new();
    let one = Place::new();
    let lab = computer.network("lab");
    computer.attach("one", &lab.id, &one);
    let sockets = computer
        .wait(computer.networks.open_dns(&one.namespace()))
        .unwrap();
    // Nobody is there: an answer comes nevertheless.
    let upstream = Upstream::Servers(vec![[127, 0, 0, 54].into()]);
    computer
        .wait(async { computer.networks.serve_dns("one", sockets, upstream) })
        .unwrap();
    check(&computer, &one, "known.example", RecordType::A, "ServFail");
}

#[test]
fn the_default_network_has_no_names() {
    let computer = Computer::new();
    let (one, two) = (Place::new(), Place::new());
    computer.attach("one", BRIDGE, &one);
    let endpoint = computer.attach("two", BRIDGE, &two);
    assert_eq!(endpoint.names, Vec::<String>::new());
    with_dns(&computer, "one", &one);
    check(&computer, &one, "two", RecordType::A, "ServFail");
}

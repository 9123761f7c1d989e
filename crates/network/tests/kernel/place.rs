//! Places: network namespaces that end with the test, and what goes on between them.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use hickory_proto::op::Message;
use network::{
    Attach, DefaultBridge, Endpoint, Namespace, Network, Networks, NewNetwork, Restored, Settings,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Longer than anything takes, even on a busy computer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait for what must not happen.
const DOUBT: Duration = Duration::from_millis(400);

/// A network namespace, held by a process that ends when its input does.
pub(crate) struct Place {
    process: Child,
}

impl Place {
    pub(crate) fn new() -> Self {
        let mut process = Command::new("unshare")
            .args([
                "--net",
                "--",
                "sh",
                "-c",
                "ip link set lo up && echo ready && read end",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { process }
    }

    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.process.id()).into()
    }

    pub(crate) fn namespace(&self) -> Namespace {
        Namespace::open(&self.path()).unwrap()
    }

    /// Moves the calling thread in: it plays the daemon there.
    pub(crate) fn enter(&self) {
        let file = fs::File::open(self.path()).unwrap();
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// Does `work` inside.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter();
                work()
            });
            inside.join().unwrap()
        })
    }

    /// Runs a program inside, which must succeed, and returns what it printed.
    pub(crate) fn run(&self, program: &str, arguments: &str) -> String {
        let output = Command::new("nsenter")
            .arg(format!("--net={}", self.path().display()))
            .arg(program)
            .args(arguments.split_whitespace())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Changes a kernel setting of its network.
    pub(crate) fn set(&self, setting: &str, value: &str) {
        let path = Path::new("/proc/sys/net").join(setting);
        self.within(|| fs::write(&path, value).unwrap());
    }

    /// Joins it to another by a veth pair, each end with its address.
    pub(crate) fn join(&self, other: &Self, own: &str, its: &str, name: &str) {
        let other_process = other.process.id();
        self.run(
            "ip",
            &format!("link add {name} type veth peer name {name} netns {other_process}"),
        );
        for (place, address) in [(self, own), (other, its)] {
            place.run("ip", &format!("address add {address} dev {name}"));
            place.run("ip", &format!("link set {name} up"));
        }
    }

    /// Serves `name` and the client's address to whoever connects.
    pub(crate) fn serve(&self, port: u16, name: &'static str) {
        let listener = self.within(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let client = stream.peer_addr().unwrap().ip();
                drop(write!(stream, "{name} {client}"));
            }
        });
    }

    /// Answers each datagram with `name` and what it said.
    pub(crate) fn serve_datagrams(&self, port: u16, name: &'static str) {
        let socket = self.within(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                let said = [name.as_bytes(), &buffer[..length]].concat();
                drop(socket.send_to(&said, client));
            }
        });
    }

    /// What a server says to us.
    pub(crate) fn ask(&self, address: impl Into<Ipv4Addr>, port: u16) -> io::Result<String> {
        self.ask_for(address.into(), port, PATIENCE)
    }

    /// Makes sure that no server says anything.
    #[track_caller]
    pub(crate) fn cannot_reach(&self, address: impl Into<Ipv4Addr>, port: u16) {
        let address = address.into();
        if let Ok(said) = self.ask_for(address, port, DOUBT) {
            panic!("{address}:{port} says {said:?}");
        }
    }

    fn ask_for(&self, address: Ipv4Addr, port: u16, limit: Duration) -> io::Result<String> {
        let address = SocketAddr::V4(SocketAddrV4::new(address, port));
        self.within(|| {
            let mut stream = TcpStream::connect_timeout(&address, limit)?;
            stream.set_read_timeout(Some(limit))?;
            let mut said = String::new();
            stream.read_to_string(&mut said)?;
            Ok(said)
        })
    }

    /// A socket for datagrams, inside.
    pub(crate) fn datagrams(&self) -> UdpSocket {
        self.within(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

/// Asks by datagram until somebody answers.
pub(crate) fn ask_by_datagram(
    socket: &UdpSocket,
    address: impl Into<Ipv4Addr>,
    port: u16,
) -> String {
    let address = address.into();
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut buffer = [0; 64];
    for attempt in 0..100 {
        let question = format!(" {attempt} {port} {:?}", Instant::now());
        let question = &question.as_bytes()[..question.len().min(48)];
        if socket.send_to(question, (address, port)).is_err() {
            continue;
        }
        // What answers an earlier question says nothing about now.
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            if let Some(name) = buffer[..length].strip_suffix(question) {
                return String::from_utf8_lossy(name).into_owned();
            }
        }
    }
    panic!("{address}:{port} does not answer");
}

/// A computer with a daemon of ours, and an executor.
pub(crate) struct Computer {
    pub(crate) place: Place,
    pub(crate) settings: Settings,
    pub(crate) networks: Networks,
    runtime: tokio::runtime::Runtime,
}

pub(crate) const BRIDGE: &str = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";

pub(crate) fn settings() -> Settings {
    Settings {
        resolv_conf: "/nonexistent".into(),
        ..Settings::new(BRIDGE.to_owned())
    }
}

impl Computer {
    pub(crate) fn new() -> Self {
        Self::with(Place::new(), settings(), Restored::default())
    }

    /// Starts a daemon at `place`; the calling thread is there from now on.
    pub(crate) fn with(place: Place, settings: Settings, restored: Restored) -> Self {
        place.enter();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let networks = runtime
            .block_on(Networks::open(settings.clone(), restored))
            .unwrap();
        Self {
            place,
            settings,
            networks,
            runtime,
        }
    }

    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Lets the daemon's tasks run until `work`, which blocks, is done.
    pub(crate) fn meanwhile<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        self.runtime
            .block_on(async { tokio::task::spawn_blocking(work).await.unwrap() })
    }

    /// Lets the daemon's tasks run for some time.
    pub(crate) fn run_for(&self, milliseconds: u64) {
        let time = Duration::from_millis(milliseconds);
        self.runtime
            .block_on(async { tokio::time::sleep(time).await });
    }

    /// Kills the daemon: whatever it had in memory is gone, and nothing was said.
    pub(crate) fn kill(self) -> Place {
        drop(self.networks);
        self.runtime.shutdown_timeout(PATIENCE);
        self.place
    }

    pub(crate) fn network(&self, name: &str) -> Network {
        self.network_with(NewNetwork {
            name: name.to_owned(),
            ..NewNetwork::default()
        })
    }

    pub(crate) fn network_with(&self, new: NewNetwork) -> Network {
        let id = format!(
            "{:0<64}",
            data_encoding::HEXLOWER.encode(new.name.as_bytes())
        );
        self.wait(self.networks.create(NewNetwork { id, ..new }))
            .unwrap()
    }

    pub(crate) fn attach(&self, container: &str, network: &str, place: &Place) -> Endpoint {
        let namespace = place.namespace();
        self.wait(self.networks.attach(attach(container, network, &namespace)))
            .unwrap()
    }

    /// Publishes ports as the engine does.
    pub(crate) fn publish(
        &self,
        container: &str,
        network: &str,
        requests: &[network::PortRequest],
    ) -> network::PortReservation {
        let reservation = self
            .networks
            .reserve_ports(container, network, requests)
            .unwrap();
        self.wait(self.networks.publish(container, &reservation.bindings))
            .unwrap();
        reservation
    }
}

pub(crate) fn attach<'a>(
    container: &'a str,
    network: &'a str,
    namespace: &'a Namespace,
) -> Attach<'a> {
    Attach {
        container,
        network,
        namespace,
        names: vec![container.to_owned()],
        links: Vec::new(),
        address: None,
        previous_address: None,
        mac: None,
        gateway_priority: 0,
    }
}

/// A second daemon's settings, for the same place.
pub(crate) fn other_settings() -> Settings {
    Settings {
        name: "other".to_owned(),
        default_bridge: Some(DefaultBridge::new("e".repeat(64), "other0".to_owned())),
        ..settings()
    }
}

/// Asks `ready` until it says yes.
#[track_caller]
pub(crate) fn wait_until(mut ready: impl FnMut() -> bool) {
    let (never, timer) = mpsc::channel::<()>();
    for _ in 0..400 {
        if ready() {
            return;
        }
        let _ = timer.recv_timeout(Duration::from_millis(50));
    }
    drop(never);
    panic!("it never came to be");
}

/// Asks a DNS server over a connection, from within the namespace at `path`.
pub(crate) fn ask_by_connection(path: &Path, server: Ipv4Addr, query: &[u8]) -> Message {
    let file = fs::File::open(path).unwrap();
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let mut stream = TcpStream::connect((server, 53)).unwrap();
            let length = u16::try_from(query.len()).unwrap();
            stream.write_all(&length.to_be_bytes()).unwrap();
            stream.write_all(query).unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut bytes).unwrap();
            Message::from_vec(&bytes).unwrap()
        });
        inside.join().unwrap()
    })
}

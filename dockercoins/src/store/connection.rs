//! One client of the store: requests in, answers out, in order. It must never hold more than a bounded
//! amount for a client: one that doesn't read its answers is not read from either.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::command::{self, ClientCommand, Command, CommandError, ReadCommand, SessionCommand};
use super::data::REDIS_LEVEL;
use super::keeper::{Batch, DataCommand};
use super::reply::{Reply, Version};
use super::request;
use crate::serve::Slot;
use crate::stop::Stop;

/// Commands of a pipeline carried out together.
const TOGETHER: usize = 128;
/// The most commands between `MULTI` and `EXEC`.
const LONGEST_TRANSACTION: usize = 1024;
/// Room made for each read.
const READ_BYTES: usize = 4096;
/// Answers are sent once so many bytes wait.
const SEND_BYTES: usize = 256 * 1024;
/// How long a client that doesn't take its answers is waited for.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The connection cannot go on.
struct Closed;

/// Between `MULTI` and `EXEC`.
struct Transaction {
    commands: Vec<DataCommand>,
    /// Whether one of them was refused, so that none may be carried out.
    broken: bool,
}

struct Session {
    stream: TcpStream,
    id: u64,
    name: Vec<u8>,
    version: Version,
    batches: mpsc::Sender<Batch>,
    commands: Vec<DataCommand>,
    transaction: Option<Transaction>,
    output: BytesMut,
}

/// Serves a client until it leaves, breaks the protocol, has to make room, or stopping is wished.
pub(super) async fn serve(
    stream: TcpStream,
    id: u64,
    slot: Slot,
    batches: mpsc::Sender<Batch>,
    stop: Stop,
) {
    stream.set_nodelay(true).ok();
    let mut session = Session {
        stream,
        id,
        name: Vec::new(),
        version: Version::Resp2,
        batches,
        commands: Vec::new(),
        transaction: None,
        output: BytesMut::new(),
    };
    let mut buffer = BytesMut::new();
    loop {
        tokio::select! {
            () = stop.wished() => return,
            () = slot.given_up() => return,
            ready = session.stream.readable() => if ready.is_err() { return },
        }
        // Only now, so that an idle client costs no buffer.
        buffer.reserve(READ_BYTES);
        match session.stream.try_read_buf(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if buffer.is_empty() {
                    buffer = BytesMut::new();
                }
                continue;
            }
            Err(_) => return,
        }
        let serving = slot.serving();
        if session.answer(&mut buffer).await.is_err() {
            return;
        }
        drop(serving);
        if buffer.is_empty() {
            buffer = BytesMut::new();
        }
    }
}

impl Transaction {
    /// Queues a command, or hands back one that ends the transaction.
    fn take(&mut self, command: Result<Command, CommandError>) -> Result<Reply, SessionCommand> {
        let refused = match command {
            Ok(Command::Read(read)) => self.queue(DataCommand::Read(read)),
            Ok(Command::Write(write)) => self.queue(DataCommand::Write(write)),
            Ok(Command::Session(
                session @ (SessionCommand::Exec | SessionCommand::Discard | SessionCommand::Quit),
            )) => return Err(session),
            Ok(Command::Session(_)) => Some("ERR not served between MULTI and EXEC".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        Ok(match refused {
            None => Reply::Simple("QUEUED"),
            Some(why) => {
                self.broken = true;
                Reply::Error(why)
            }
        })
    }

    /// Queues a command, or says why not.
    fn queue(&mut self, command: DataCommand) -> Option<String> {
        if self.commands.len() >= LONGEST_TRANSACTION {
            return Some(format!(
                "ERR more than {LONGEST_TRANSACTION} commands since MULTI"
            ));
        }
        self.commands.push(command);
        None
    }
}

impl Session {
    /// Answers all whole requests in the buffer.
    async fn answer(&mut self, buffer: &mut BytesMut) -> Result<(), Closed> {
        loop {
            match request::take(buffer) {
                Ok(Some(strings)) if strings.is_empty() => {}
                Ok(Some(strings)) => self.take(command::parse(strings)).await?,
                Ok(None) => break,
                Err(error) => {
                    self.carry_out().await?;
                    self.put(Reply::Error(format!("ERR {error}")))?;
                    self.send().await?;
                    return Err(Closed);
                }
            }
        }
        self.carry_out().await?;
        self.send().await
    }

    async fn take(&mut self, command: Result<Command, CommandError>) -> Result<(), Closed> {
        if let Some(transaction) = &mut self.transaction {
            return match transaction.take(command) {
                Ok(reply) => self.put(reply),
                Err(session) => self.session(session).await,
            };
        }
        match command {
            Ok(Command::Write(write)) => self.queue(DataCommand::Write(write)).await,
            Ok(Command::Read(read)) => {
                let large = matches!(read, ReadCommand::HGetAll(_) | ReadCommand::Keys(_));
                self.queue(DataCommand::Read(read)).await?;
                // One whole wallet at a time is held for a client.
                if large {
                    self.carry_out().await
                } else {
                    Ok(())
                }
            }
            Ok(Command::Session(session)) => {
                self.carry_out().await?;
                self.session(session).await
            }
            Err(error) => {
                self.carry_out().await?;
                self.put(Reply::Error(error.to_string()))
            }
        }
    }

    async fn queue(&mut self, command: DataCommand) -> Result<(), Closed> {
        self.commands.push(command);
        if self.commands.len() >= TOGETHER {
            self.carry_out().await
        } else {
            Ok(())
        }
    }

    /// Has the keeper carry out what is queued.
    async fn carry_out(&mut self) -> Result<(), Closed> {
        if self.commands.is_empty() {
            return Ok(());
        }
        let commands = std::mem::take(&mut self.commands);
        for reply in self.batch(commands).await? {
            self.put(reply)?;
        }
        if self.output.len() > SEND_BYTES {
            self.send().await
        } else {
            Ok(())
        }
    }

    async fn batch(&self, commands: Vec<DataCommand>) -> Result<Vec<Reply>, Closed> {
        let (replies, received) = oneshot::channel();
        self.batches
            .send(Batch { commands, replies })
            .await
            .map_err(|_| Closed)?;
        received.await.map_err(|_| Closed)
    }

    fn put(&mut self, reply: Reply) -> Result<(), Closed> {
        reply
            .encode(self.version, &mut self.output)
            .map_err(|_| Closed)
    }

    async fn send(&mut self) -> Result<(), Closed> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = timeout(WRITE_TIMEOUT, self.stream.write_all(&self.output)).await;
        if self.output.capacity() > SEND_BYTES * 2 {
            self.output = BytesMut::new();
        } else {
            self.output.clear();
        }
        if matches!(written, Ok(Ok(()))) {
            Ok(())
        } else {
            Err(Closed)
        }
    }

    async fn session(&mut self, command: SessionCommand) -> Result<(), Closed> {
        let reply = match command {
            SessionCommand::Ping(None) => Reply::Simple("PONG"),
            SessionCommand::Ping(Some(text)) | SessionCommand::Echo(text) => Reply::Bulk(text),
            SessionCommand::Hello(version, name) => self.hello(version, name),
            SessionCommand::Client(client) => self.client(client),
            SessionCommand::CommandCount => Reply::Integer(command::count()),
            SessionCommand::CommandTable => Reply::Array(Vec::new()),
            SessionCommand::Select => Reply::Simple("OK"),
            SessionCommand::Multi => {
                self.transaction = Some(Transaction {
                    commands: Vec::new(),
                    broken: false,
                });
                Reply::Simple("OK")
            }
            SessionCommand::Exec => self.execute().await?,
            SessionCommand::Discard => match self.transaction.take() {
                Some(_) => Reply::Simple("OK"),
                None => Reply::Error("ERR DISCARD without MULTI".to_owned()),
            },
            SessionCommand::Quit => {
                self.put(Reply::Simple("OK"))?;
                self.send().await?;
                return Err(Closed);
            }
        };
        self.put(reply)
    }

    /// Carries out a transaction: one batch, so that nothing comes between its commands.
    async fn execute(&mut self) -> Result<Reply, Closed> {
        let Some(transaction) = self.transaction.take() else {
            return Ok(Reply::Error("ERR EXEC without MULTI".to_owned()));
        };
        if transaction.broken {
            let why = "EXECABORT Transaction discarded because of previous errors.";
            return Ok(Reply::Error(why.to_owned()));
        }
        self.batch(transaction.commands).await.map(Reply::Array)
    }

    fn hello(&mut self, version: Option<u8>, name: Option<Vec<u8>>) -> Reply {
        self.version = match version {
            Some(3) => Version::Resp3,
            Some(_) => Version::Resp2,
            None => self.version,
        };
        if let Some(name) = name {
            self.name = name;
        }
        let text = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        let protocol = match self.version {
            Version::Resp2 => 2,
            Version::Resp3 => 3,
        };
        Reply::Map(vec![
            (text("server"), text("dockercoins-store")),
            (text("version"), text(REDIS_LEVEL)),
            (text("proto"), Reply::Integer(protocol)),
            (text("id"), self.own_id()),
            (text("mode"), text("standalone")),
            (text("role"), text("master")),
            (text("modules"), Reply::Array(Vec::new())),
        ])
    }

    fn client(&mut self, command: ClientCommand) -> Reply {
        match command {
            ClientCommand::Id => self.own_id(),
            ClientCommand::GetName if self.name.is_empty() => Reply::Null,
            ClientCommand::GetName => Reply::Bulk(self.name.clone()),
            ClientCommand::SetName(name) => {
                self.name = name;
                Reply::Simple("OK")
            }
            ClientCommand::SetInfo => Reply::Simple("OK"),
            ClientCommand::Info => {
                let peer = self
                    .stream
                    .peer_addr()
                    .map_or_else(|_| String::new(), |peer| peer.to_string());
                let name = String::from_utf8_lossy(&self.name);
                Reply::Bulk(format!("id={} addr={peer} name={name} db=0\n", self.id).into_bytes())
            }
        }
    }

    fn own_id(&self) -> Reply {
        Reply::Integer(i64::try_from(self.id).unwrap_or(i64::MAX))
    }
}

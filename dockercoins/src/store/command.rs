//! Commands by name: from the strings of a request to a [`Command`], or the error that Redis would answer.
//! Pure; it must never look at the data.

/// An argument or a key: any bytes.
pub(super) type Bytes = Vec<u8>;

/// A command that this store serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Session(SessionCommand),
    Read(ReadCommand),
    Write(WriteCommand),
}

/// Concerns only the connection that sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SessionCommand {
    Ping(Option<Bytes>),
    Echo(Bytes),
    /// The protocol version asked for, and the connection's new name.
    Hello(Option<u8>, Option<Bytes>),
    Client(ClientCommand),
    CommandCount,
    /// `COMMAND`, `COMMAND DOCS` and the like: nothing is told beyond their number.
    CommandTable,
    Select,
    Quit,
    Multi,
    Exec,
    Discard,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClientCommand {
    Id,
    GetName,
    SetName(Bytes),
    SetInfo,
    Info,
}

/// Changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReadCommand {
    Get(Bytes),
    HGet(Bytes, Bytes),
    HLen(Bytes),
    HGetAll(Bytes),
    Exists(Vec<Bytes>),
    Type(Bytes),
    Keys(Bytes),
    DbSize,
    Info,
}

/// Changes the data, and goes into the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WriteCommand {
    Set(Bytes, Bytes),
    IncrBy(Bytes, i64),
    HSet(Bytes, Vec<(Bytes, Bytes)>),
    Del(Vec<Bytes>),
}

/// Why a request is no command; the texts begin with Redis's error codes, which clients read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommandError {
    #[error("ERR unknown command '{0}': this store serves {NAMES}")]
    Unknown(String),
    #[error("ERR unknown subcommand '{1}' of '{0}'")]
    UnknownSub(&'static str, String),
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(String),
    #[error("ERR value is not an integer or out of range")]
    NotAnInteger,
    #[error("NOPROTO unsupported protocol version")]
    Protocol,
    #[error("ERR syntax error")]
    Syntax,
    #[error("ERR DB index is out of range")]
    Database,
    #[error("ERR AUTH called without any password configured: this store asks for none")]
    Auth,
}

/// The names of all commands, for `COMMAND COUNT` and for whoever asks for another.
const NAMES: &str = "CLIENT COMMAND DBSIZE DEL DISCARD ECHO EXEC EXISTS GET HELLO HGET HGETALL HLEN HSET INCR \
                     INCRBY INFO KEYS MULTI PING QUIT SELECT SET TYPE";

/// How many commands there are.
pub(super) fn count() -> i64 {
    i64::try_from(NAMES.split_whitespace().count()).unwrap_or(i64::MAX)
}

/// Reads a request of at least one string.
pub(super) fn parse(request: Vec<Bytes>) -> Result<Command, CommandError> {
    let mut strings = request.into_iter();
    let name = strings.next().unwrap_or_default();
    let name = String::from_utf8_lossy(&name).to_ascii_uppercase();
    let arguments: Vec<Bytes> = strings.collect();
    let mut arguments = Arguments {
        command: &name,
        rest: arguments.into_iter(),
    };
    let command = match name.as_str() {
        "PING" => Command::Session(SessionCommand::Ping(arguments.rest.next())),
        "ECHO" => Command::Session(SessionCommand::Echo(arguments.one()?)),
        "HELLO" => Command::Session(hello(&mut arguments)?),
        "CLIENT" => Command::Session(SessionCommand::Client(client(&mut arguments)?)),
        "COMMAND" => Command::Session(command_table(&mut arguments)),
        "SELECT" if arguments.one()? == b"0" => Command::Session(SessionCommand::Select),
        "SELECT" => return Err(CommandError::Database),
        "QUIT" => Command::Session(SessionCommand::Quit),
        "MULTI" => Command::Session(SessionCommand::Multi),
        "EXEC" => Command::Session(SessionCommand::Exec),
        "DISCARD" => Command::Session(SessionCommand::Discard),
        "AUTH" => return Err(CommandError::Auth),
        "GET" => Command::Read(ReadCommand::Get(arguments.one()?)),
        "HGET" => Command::Read(ReadCommand::HGet(arguments.one()?, arguments.one()?)),
        "HLEN" => Command::Read(ReadCommand::HLen(arguments.one()?)),
        "HGETALL" => Command::Read(ReadCommand::HGetAll(arguments.one()?)),
        "EXISTS" => Command::Read(ReadCommand::Exists(arguments.some()?)),
        "TYPE" => Command::Read(ReadCommand::Type(arguments.one()?)),
        "KEYS" => Command::Read(ReadCommand::Keys(arguments.one()?)),
        "DBSIZE" => Command::Read(ReadCommand::DbSize),
        "INFO" => {
            arguments.all();
            Command::Read(ReadCommand::Info)
        }
        "SET" => Command::Write(WriteCommand::Set(arguments.one()?, arguments.one()?)),
        "INCR" => Command::Write(WriteCommand::IncrBy(arguments.one()?, 1)),
        "INCRBY" => Command::Write(WriteCommand::IncrBy(arguments.one()?, arguments.integer()?)),
        "HSET" => Command::Write(WriteCommand::HSet(arguments.one()?, arguments.pairs()?)),
        "DEL" => Command::Write(WriteCommand::Del(arguments.some()?)),
        _ => return Err(CommandError::Unknown(shown(name.as_bytes()))),
    };
    arguments.end()?;
    Ok(command)
}

impl WriteCommand {
    /// The request that parses to this command.
    pub(super) fn request(&self) -> Vec<Bytes> {
        let strings = |name: &str, arguments: Vec<Bytes>| {
            let mut request = vec![name.as_bytes().to_vec()];
            request.extend(arguments);
            request
        };
        match self {
            Self::Set(key, value) => strings("SET", vec![key.clone(), value.clone()]),
            Self::IncrBy(key, amount) => {
                strings("INCRBY", vec![key.clone(), amount.to_string().into_bytes()])
            }
            Self::HSet(key, fields) => {
                let fields = fields
                    .iter()
                    .flat_map(|(field, value)| [field.clone(), value.clone()]);
                strings("HSET", std::iter::once(key.clone()).chain(fields).collect())
            }
            Self::Del(keys) => strings("DEL", keys.clone()),
        }
    }
}

struct Arguments<'name> {
    command: &'name str,
    rest: std::vec::IntoIter<Bytes>,
}

impl Arguments<'_> {
    fn arity(&self) -> CommandError {
        CommandError::Arity(self.command.to_ascii_lowercase())
    }

    fn one(&mut self) -> Result<Bytes, CommandError> {
        self.rest.next().ok_or_else(|| self.arity())
    }

    fn all(&mut self) -> Vec<Bytes> {
        self.rest.by_ref().collect()
    }

    fn some(&mut self) -> Result<Vec<Bytes>, CommandError> {
        let all = self.all();
        if all.is_empty() {
            Err(self.arity())
        } else {
            Ok(all)
        }
    }

    fn pairs(&mut self) -> Result<Vec<(Bytes, Bytes)>, CommandError> {
        let mut pairs = vec![(self.one()?, self.one()?)];
        while let Some(field) = self.rest.next() {
            pairs.push((field, self.one()?));
        }
        Ok(pairs)
    }

    fn integer(&mut self) -> Result<i64, CommandError> {
        integer(&self.one()?).ok_or(CommandError::NotAnInteger)
    }

    fn end(mut self) -> Result<(), CommandError> {
        match (self.rest.next(), self.command) {
            (None, _) => Ok(()),
            // Options such as EX that would change what SET means.
            (Some(_), "SET") => Err(CommandError::Syntax),
            (Some(_), _) => Err(self.arity()),
        }
    }
}

/// An integer as Redis reads one: no plus, no leading zeros, no spaces.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

fn hello(arguments: &mut Arguments<'_>) -> Result<SessionCommand, CommandError> {
    let version = match arguments.rest.next() {
        None => None,
        Some(text) => match text.as_slice() {
            b"2" => Some(2),
            b"3" => Some(3),
            _ => return Err(CommandError::Protocol),
        },
    };
    let mut name = None;
    while let Some(option) = arguments.rest.next() {
        match option.to_ascii_uppercase().as_slice() {
            b"SETNAME" => name = Some(arguments.one()?),
            b"AUTH" => return Err(CommandError::Auth),
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(SessionCommand::Hello(version, name))
}

fn client(arguments: &mut Arguments<'_>) -> Result<ClientCommand, CommandError> {
    let sub = arguments.one()?;
    Ok(match sub.to_ascii_uppercase().as_slice() {
        b"ID" => ClientCommand::Id,
        b"GETNAME" => ClientCommand::GetName,
        b"SETNAME" => ClientCommand::SetName(arguments.one()?),
        b"SETINFO" => {
            arguments.one()?;
            arguments.one()?;
            ClientCommand::SetInfo
        }
        b"INFO" => ClientCommand::Info,
        _ => return Err(CommandError::UnknownSub("client", shown(&sub))),
    })
}

fn command_table(arguments: &mut Arguments<'_>) -> SessionCommand {
    let sub = arguments.all().into_iter().next().unwrap_or_default();
    if sub.eq_ignore_ascii_case(b"COUNT") {
        SessionCommand::CommandCount
    } else {
        SessionCommand::CommandTable
    }
}

/// A client's word in an error: short, and without what would break the protocol's line.
fn shown(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Vec<Bytes> {
        line.split_whitespace()
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[track_caller]
    fn check(line: &str, expect: Result<Command, &str>) {
        let parsed = parse(request(line)).map_err(|error| error.to_string());
        match (&parsed, &expect) {
            (Err(text), Err(begin)) => assert!(text.starts_with(begin), "{line}: {text}"),
            (Ok(command), Ok(expect)) => assert_eq!(command, expect, "{line}"),
            _ => panic!("{line}: {parsed:?}"),
        }
    }

    #[test]
    fn commands_in_any_case() {
        check("get a", Ok(Command::Read(ReadCommand::Get(b"a".to_vec()))));
        check(
            "InCr a",
            Ok(Command::Write(WriteCommand::IncrBy(b"a".to_vec(), 1))),
        );
        check(
            "INCRBY a -5",
            Ok(Command::Write(WriteCommand::IncrBy(b"a".to_vec(), -5))),
        );
        check(
            "HELLO 3 SETNAME x",
            Ok(Command::Session(SessionCommand::Hello(
                Some(3),
                Some(b"x".to_vec()),
            ))),
        );
        check(
            "COMMAND DOCS get",
            Ok(Command::Session(SessionCommand::CommandTable)),
        );
        check(
            "CLIENT SETINFO LIB-NAME x",
            Ok(Command::Session(SessionCommand::Client(
                ClientCommand::SetInfo,
            ))),
        );
    }

    #[test]
    fn errors_as_redis_gives_them() {
        check(
            "GET",
            Err("ERR wrong number of arguments for 'get' command"),
        );
        check(
            "GET a b",
            Err("ERR wrong number of arguments for 'get' command"),
        );
        check(
            "HSET w a",
            Err("ERR wrong number of arguments for 'hset' command"),
        );
        check(
            "HSET w a b c",
            Err("ERR wrong number of arguments for 'hset' command"),
        );
        check(
            "DEL",
            Err("ERR wrong number of arguments for 'del' command"),
        );
        check("INCRBY a 1.5", Err("ERR value is not an integer"));
        check(
            "INCRBY a 9223372036854775808",
            Err("ERR value is not an integer"),
        );
        check("INCRBY a +5", Err("ERR value is not an integer"));
        check("HELLO 4", Err("NOPROTO"));
        check("SELECT 1", Err("ERR DB index"));
        check("SET a b EX 10", Err("ERR syntax"));
        check("FLUSHALL", Err("ERR unknown command 'FLUSHALL'"));
        check("AUTH x", Err("ERR AUTH"));
    }
}

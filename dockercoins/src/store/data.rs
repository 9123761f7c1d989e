//! The data and what commands do to it. Pure. Each write can be undone exactly, since it is only known to
//! be kept once the journal has it; it must never change anything when it answers an error.

use std::collections::BTreeMap;

use super::command::{Bytes, ReadCommand, WriteCommand, integer};
use super::glob;
use super::reply::Reply;

/// All keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Data {
    keys: BTreeMap<Bytes, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(Bytes),
    Hash(BTreeMap<Bytes, Bytes>),
}

/// How to take one change back.
#[derive(Debug)]
pub(super) enum Undo {
    Key(Bytes, Option<Value>),
    Field(Bytes, Bytes, Option<Bytes>),
}

/// What a write did; nothing to undo means that it changed nothing.
pub(super) struct Written {
    pub(super) reply: Reply,
    pub(super) undo: Vec<Undo>,
}

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

impl Data {
    /// Answers a command that changes nothing.
    pub(super) fn read(&self, command: &ReadCommand) -> Reply {
        match command {
            ReadCommand::Get(key) => match self.keys.get(key) {
                None => Reply::Null,
                Some(Value::Text(text)) => Reply::Bulk(text.clone()),
                Some(Value::Hash(_)) => wrong_type(),
            },
            ReadCommand::HGet(key, field) => self.hash(key, |hash| {
                hash.and_then(|hash| hash.get(field))
                    .map_or(Reply::Null, |value| Reply::Bulk(value.clone()))
            }),
            ReadCommand::HLen(key) => {
                self.hash(key, |hash| Reply::count(hash.map_or(0, BTreeMap::len)))
            }
            ReadCommand::HGetAll(key) => self.hash(key, |hash| {
                let fields = hash.into_iter().flatten();
                Reply::Map(
                    fields
                        .map(|(field, value)| {
                            (Reply::Bulk(field.clone()), Reply::Bulk(value.clone()))
                        })
                        .collect(),
                )
            }),
            ReadCommand::Exists(keys) => Reply::count(
                keys.iter()
                    .filter(|key| self.keys.contains_key(*key))
                    .count(),
            ),
            ReadCommand::Type(key) => Reply::Simple(match self.keys.get(key) {
                None => "none",
                Some(Value::Text(_)) => "string",
                Some(Value::Hash(_)) => "hash",
            }),
            ReadCommand::Keys(pattern) => {
                let matching = self.keys.keys().filter(|key| glob::matches(pattern, key));
                Reply::Array(matching.map(|key| Reply::Bulk(key.clone())).collect())
            }
            ReadCommand::DbSize => Reply::count(self.keys.len()),
            ReadCommand::Info => Reply::Bulk(self.info().into_bytes()),
        }
    }

    /// Carries out a write.
    pub(super) fn write(&mut self, command: &WriteCommand) -> Written {
        match command {
            WriteCommand::Set(key, text) => {
                let before = self.keys.insert(key.clone(), Value::Text(text.clone()));
                Written {
                    reply: Reply::Simple("OK"),
                    undo: vec![Undo::Key(key.clone(), before)],
                }
            }
            WriteCommand::IncrBy(key, amount) => self.increment(key, *amount),
            WriteCommand::HSet(key, fields) => self.set_fields(key, fields),
            WriteCommand::Del(keys) => {
                let removed = keys.iter().filter_map(|key| self.keys.remove_entry(key));
                let undo: Vec<_> = removed
                    .map(|(key, value)| Undo::Key(key, Some(value)))
                    .collect();
                Written {
                    reply: Reply::count(undo.len()),
                    undo,
                }
            }
        }
    }

    /// Takes changes back; the latest must come first.
    pub(super) fn undo(&mut self, change: Undo) {
        match change {
            Undo::Key(key, Some(value)) => {
                self.keys.insert(key, value);
            }
            Undo::Key(key, None) => {
                self.keys.remove(&key);
            }
            Undo::Field(key, field, before) => {
                let Some(Value::Hash(hash)) = self.keys.get_mut(&key) else {
                    return;
                };
                match before {
                    Some(value) => hash.insert(field, value),
                    None => hash.remove(&field),
                };
                if hash.is_empty() {
                    self.keys.remove(&key);
                }
            }
        }
    }

    /// The writes that make this data anew, and no more.
    pub(super) fn writes(&self) -> impl Iterator<Item = WriteCommand> + '_ {
        /// Fields written with one command.
        const TOGETHER: usize = 512;
        self.keys.iter().flat_map(
            |(key, value)| -> Box<dyn Iterator<Item = WriteCommand> + '_> {
                match value {
                    Value::Text(text) => Box::new(std::iter::once(WriteCommand::Set(
                        key.clone(),
                        text.clone(),
                    ))),
                    Value::Hash(hash) => {
                        let fields: Vec<_> = hash.iter().collect();
                        let chunks: Vec<_> = fields
                            .chunks(TOGETHER)
                            .map(|chunk| {
                                chunk
                                    .iter()
                                    .map(|(f, v)| ((*f).clone(), (*v).clone()))
                                    .collect()
                            })
                            .collect();
                        Box::new(
                            chunks
                                .into_iter()
                                .map(|chunk| WriteCommand::HSet(key.clone(), chunk)),
                        )
                    }
                }
            },
        )
    }

    fn hash(
        &self,
        key: &Bytes,
        answer: impl FnOnce(Option<&BTreeMap<Bytes, Bytes>>) -> Reply,
    ) -> Reply {
        match self.keys.get(key) {
            None => answer(None),
            Some(Value::Hash(hash)) => answer(Some(hash)),
            Some(Value::Text(_)) => wrong_type(),
        }
    }

    fn increment(&mut self, key: &Bytes, amount: i64) -> Written {
        let before = match self.keys.get(key) {
            None => Some(0),
            Some(Value::Text(text)) => integer(text),
            Some(Value::Hash(_)) => return refused(WRONG_TYPE),
        };
        let Some(before) = before else {
            return refused("ERR value is not an integer or out of range");
        };
        let Some(after) = before.checked_add(amount) else {
            return refused("ERR increment or decrement would overflow");
        };
        let text = Value::Text(after.to_string().into_bytes());
        let before = self.keys.insert(key.clone(), text);
        Written {
            reply: Reply::Integer(after),
            undo: vec![Undo::Key(key.clone(), before)],
        }
    }

    fn set_fields(&mut self, key: &Bytes, fields: &[(Bytes, Bytes)]) -> Written {
        let value = self
            .keys
            .entry(key.clone())
            .or_insert_with(|| Value::Hash(BTreeMap::new()));
        let Value::Hash(hash) = value else {
            return refused(WRONG_TYPE);
        };
        let mut added = 0;
        let mut undo = Vec::with_capacity(fields.len());
        for (field, value) in fields {
            let before = hash.insert(field.clone(), value.clone());
            added += usize::from(before.is_none());
            undo.push(Undo::Field(key.clone(), field.clone(), before));
        }
        Written {
            reply: Reply::count(added),
            undo,
        }
    }

    fn info(&self) -> String {
        format!(
            "# Server\r\nserver_name:dockercoins-store\r\nredis_version:{REDIS_LEVEL}\r\nredis_mode:standalone\r\n\
             process_id:{}\r\n# Replication\r\nrole:master\r\n# Keyspace\r\ndb0:keys={},expires=0,avg_ttl=0\r\n",
            std::process::id(),
            self.keys.len(),
        )
    }
}

/// The Redis whose commands these are; clients choose by it what they may send.
pub(super) const REDIS_LEVEL: &str = "7.0.0";

fn wrong_type() -> Reply {
    Reply::Error(WRONG_TYPE.to_owned())
}

fn refused(why: &str) -> Written {
    Written {
        reply: Reply::Error(why.to_owned()),
        undo: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(text: &str) -> Bytes {
        text.as_bytes().to_vec()
    }

    #[test]
    fn counts_and_wallets() {
        let mut data = Data::default();
        let incr = |amount| WriteCommand::IncrBy(bytes("hashes"), amount);
        assert_eq!(data.write(&incr(5)).reply, Reply::Integer(5));
        assert_eq!(data.write(&incr(-7)).reply, Reply::Integer(-2));
        assert_eq!(
            data.read(&ReadCommand::Get(bytes("hashes"))),
            Reply::Bulk(bytes("-2"))
        );
        let coins = vec![(bytes("0a"), bytes("x")), (bytes("0a"), bytes("y"))];
        assert_eq!(
            data.write(&WriteCommand::HSet(bytes("wallet"), coins))
                .reply,
            Reply::Integer(1)
        );
        assert_eq!(
            data.read(&ReadCommand::HGet(bytes("wallet"), bytes("0a"))),
            Reply::Bulk(bytes("y"))
        );
        assert_eq!(
            data.read(&ReadCommand::HLen(bytes("nothing"))),
            Reply::Integer(0)
        );
        assert_eq!(
            data.write(&WriteCommand::Del(vec![bytes("wallet"), bytes("no")]))
                .reply,
            Reply::Integer(1)
        );
    }

    #[test]
    fn errors_change_nothing() {
        let mut data = Data::default();
        data.write(&WriteCommand::Set(bytes("text"), bytes("nine")));
        data.write(&WriteCommand::Set(
            bytes("most"),
            bytes(&i64::MAX.to_string()),
        ));
        data.write(&WriteCommand::HSet(
            bytes("hash"),
            vec![(bytes("a"), bytes("b"))],
        ));
        let before = data.clone();
        let one = |key| WriteCommand::IncrBy(bytes(key), 1);
        for write in [
            one("text"),
            one("most"),
            one("hash"),
            WriteCommand::HSet(bytes("text"), vec![(bytes("a"), bytes("b"))]),
        ] {
            let written = data.write(&write);
            assert!(
                matches!(written.reply, Reply::Error(_)) && written.undo.is_empty(),
                "{write:?}"
            );
        }
        assert_eq!(data, before);
    }

    fn any_write() -> impl Strategy<Value = WriteCommand> {
        let key = || prop_oneof![Just(bytes("a")), Just(bytes("b")), Just(bytes("c"))];
        prop_oneof![
            (key(), key()).prop_map(|(key, value)| WriteCommand::Set(key, value)),
            (key(), any::<i64>()).prop_map(|(key, by)| WriteCommand::IncrBy(key, by)),
            (key(), proptest::collection::vec((key(), key()), 1..4))
                .prop_map(|(key, f)| WriteCommand::HSet(key, f)),
            proptest::collection::vec(key(), 1..3).prop_map(WriteCommand::Del),
        ]
    }

    proptest! {
        #[test]
        fn undo_is_exact(first in proptest::collection::vec(any_write(), 0..10),
                         second in proptest::collection::vec(any_write(), 0..10)) {
            let mut data = Data::default();
            for write in &first {
                data.write(write);
            }
            let before = data.clone();
            let undo: Vec<_> = second.iter().flat_map(|write| data.write(write).undo).collect();
            for change in undo.into_iter().rev() {
                data.undo(change);
            }
            prop_assert_eq!(data, before);
        }

        #[test]
        fn its_writes_make_it_anew(writes in proptest::collection::vec(any_write(), 0..20)) {
            let mut data = Data::default();
            for write in &writes {
                data.write(write);
            }
            let mut anew = Data::default();
            for write in data.writes() {
                anew.write(&write);
            }
            prop_assert_eq!(anew, data);
        }
    }
}

//! Queries read, answers written. Pure: what is known comes as an argument.

use std::net::{IpAddr, Ipv4Addr};

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType, rdata},
};

/// How long whoever asks may remember an answer, in seconds: containers come and go.
const TIME_TO_LIVE: u32 = 1;
/// The largest datagram that a client takes that says nothing about it.
const PLAIN_SIZE: usize = 512;
/// The largest datagram that we send, whatever the client says: the usual, safe limit.
const LARGEST_DATAGRAM: u16 = 1232;
/// The size of a message's header: a reply can be made for whatever has one.
const HEADER_SIZE: usize = 12;

/// A query that makes sense.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    message: Message,
    size: usize,
}

/// What a query is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A name, in lower case, without the final dot.
    Name(String),
    /// Which name an address has.
    Address(Ipv4Addr),
}

/// What is known about a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// The addresses of a name, in order.
    Addresses(Vec<Ipv4Addr>),
    /// The name of an address.
    Name(String),
}

/// How a client asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In a datagram: an answer has to fit into one.
    Udp,
    /// Over a connection.
    Tcp,
}

/// What to do with bytes that are no query to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing: they are no query at all.
    Ignore,
    /// Say so.
    Reply(Vec<u8>),
}

impl Query {
    /// Reads a query.
    pub(crate) fn read(bytes: &[u8], transport: Transport) -> Result<Self, Refusal> {
        let Ok(message) = Message::from_vec(bytes) else {
            return Err(refusal_of_header(bytes));
        };
        if message.metadata.message_type != MessageType::Query {
            return Err(Refusal::Ignore);
        }
        let largest = match transport {
            Transport::Tcp => usize::from(u16::MAX),
            Transport::Udp if message.edns.is_some() => {
                usize::from(message.max_payload().min(LARGEST_DATAGRAM))
            }
            Transport::Udp => PLAIN_SIZE,
        };
        let query = Self {
            message,
            size: largest,
        };
        if query.message.metadata.op_code != OpCode::Query {
            return Err(Refusal::Reply(query.failure(ResponseCode::NotImp)));
        }
        if query.message.queries.len() != 1 {
            return Err(Refusal::Reply(query.failure(ResponseCode::FormErr)));
        }
        Ok(query)
    }

    /// What it is about; none if we cannot know anything about it.
    pub(crate) fn subject(&self) -> Option<Subject> {
        let question = self.message.queries.first()?;
        if question.query_class() != DNSClass::IN {
            return None;
        }
        if question.query_type() == RecordType::PTR
            && let Ok(net) = question.name().parse_arpa_name()
            && let IpAddr::V4(address) = net.addr()
            && net.prefix_len() == 32
        {
            return Some(Subject::Address(address));
        }
        Some(Subject::Name(text_of(question.name())))
    }

    /// The answer to give. A name that is known has no records but addresses of version 4: of any other kind it has
    /// none, which is no error. Several addresses take turns at being the first: `next_turn` counts, and is only
    /// asked if it matters.
    pub(crate) fn answer(&self, known: Known, next_turn: impl FnOnce() -> usize) -> Vec<u8> {
        let mut message = self.reply(ResponseCode::NoError);
        let Some(question) = self.message.queries.first() else {
            return Vec::new();
        };
        let data: Vec<RData> = match (known, question.query_type()) {
            (Known::Addresses(mut addresses), RecordType::A | RecordType::ANY) => {
                if addresses.len() > 1 {
                    let turn = next_turn() % addresses.len();
                    addresses.rotate_left(turn);
                }
                let records = addresses
                    .into_iter()
                    .map(|address| RData::A(rdata::A(address)));
                records.collect()
            }
            (Known::Name(name), RecordType::PTR | RecordType::ANY) => {
                let name = name_of(&name).map(|name| RData::PTR(rdata::PTR(name)));
                name.into_iter().collect()
            }
            (Known::Addresses(_) | Known::Name(_), _) => Vec::new(),
        };
        for data in data {
            let name = question.name().clone();
            message.add_answer(Record::from_rdata(name, TIME_TO_LIVE, data));
        }
        self.write(&message)
    }

    /// An answer that says what went wrong.
    pub(crate) fn failure(&self, code: ResponseCode) -> Vec<u8> {
        self.write(&self.reply(code))
    }

    /// Whether `bytes` answer it: from upstream, to a copy of it with the id `id`.
    pub(crate) fn is_answered_by(&self, bytes: &[u8], id: u16) -> Option<ResponseCode> {
        // Whoever answers a copy of the question need not have repeated it if he failed; and a reader for every
        // kind of record would refuse what the client may well understand. So only the beginning is read.
        let header: [u8; HEADER_SIZE] = bytes.get(..HEADER_SIZE)?.try_into().ok()?;
        let is_response = header[2] & 0x80 != 0;
        if u16::from_be_bytes([header[0], header[1]]) != id || !is_response {
            return None;
        }
        let questions = u16::from_be_bytes([header[4], header[5]]);
        let asked = self.message.queries.first()?;
        if questions != 0 {
            let mut decoder = hickory_proto::serialize::binary::BinDecoder::new(bytes);
            decoder.read_slice(HEADER_SIZE).ok()?;
            let read = Message::read_queries(&mut decoder, 1).ok()?;
            let same = read.first().is_some_and(|read| {
                read.name() == asked.name() && read.query_type() == asked.query_type()
            });
            if !same {
                return None;
            }
        }
        Some(ResponseCode::from(0, header[3] & 0x0f))
    }

    fn reply(&self, code: ResponseCode) -> Message {
        let asked = &self.message.metadata;
        let mut message = Message::response(asked.id, asked.op_code);
        message.metadata.recursion_desired = asked.recursion_desired;
        message.metadata.recursion_available = true;
        message.metadata.response_code = code;
        message.add_queries(self.message.queries.iter().cloned());
        if self.message.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(LARGEST_DATAGRAM);
            message.set_edns(edns);
        }
        message
    }

    fn write(&self, message: &Message) -> Vec<u8> {
        let whole = message.to_vec().unwrap_or_default();
        if whole.len() <= self.size && !whole.is_empty() {
            return whole;
        }
        message.truncate().to_vec().unwrap_or_default()
    }
}

/// A reply to what has the header of a query and no sense after it.
fn refusal_of_header(bytes: &[u8]) -> Refusal {
    match bytes.get(..HEADER_SIZE) {
        Some(&[high, low, flags, ..]) if flags & 0x80 == 0 => {
            let id = u16::from_be_bytes([high, low]);
            let message = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
            message.to_vec().map_or(Refusal::Ignore, Refusal::Reply)
        }
        _ => Refusal::Ignore,
    }
}

fn text_of(name: &Name) -> String {
    let labels: Vec<String> = name
        .iter()
        .map(|label| String::from_utf8_lossy(label).to_ascii_lowercase())
        .collect();
    labels.join(".")
}

fn name_of(text: &str) -> Option<Name> {
    let mut name = Name::from_labels(text.split('.').map(str::as_bytes)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::{
        op::{Edns, Message, MessageType, OpCode, Query as Question, ResponseCode},
        rr::{Name, RecordType},
    };
    use proptest::prelude::{any, proptest};

    use super::{Known, Query, Refusal, Subject, Transport};

    fn message(name: &str, kind: RecordType) -> Message {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Question::query(Name::from_ascii(name).unwrap(), kind));
        message
    }

    fn query(name: &str, kind: RecordType) -> Query {
        Query::read(&message(name, kind).to_vec().unwrap(), Transport::Udp).unwrap()
    }

    fn addresses(count: u8) -> Known {
        Known::Addresses(
            (1..=count)
                .map(|last| Ipv4Addr::new(10, 0, 0, last))
                .collect(),
        )
    }

    #[track_caller]
    fn check_subject(name: &str, kind: RecordType, expect: Subject) {
        assert_eq!(query(name, kind).subject(), Some(expect));
    }

    #[test]
    fn a_query_is_about_a_name_or_an_address() {
        check_subject("Web.", RecordType::A, Subject::Name("web".to_owned()));
        check_subject(
            "my_app.lab",
            RecordType::AAAA,
            Subject::Name("my_app.lab".to_owned()),
        );
        check_subject(
            "2.0.18.172.in-addr.arpa.",
            RecordType::PTR,
            Subject::Address(Ipv4Addr::new(172, 18, 0, 2)),
        );
        check_subject(
            "18.172.in-addr.arpa.",
            RecordType::PTR,
            Subject::Name("18.172.in-addr.arpa".to_owned()),
        );
    }

    #[track_caller]
    fn check_answer(query: &Query, known: Known, expect: &[&str]) {
        let answer = Message::from_vec(&query.answer(known, || 0)).unwrap();
        assert_eq!(answer.metadata.id, 7);
        assert_eq!(answer.metadata.message_type, MessageType::Response);
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        assert_eq!(answer.queries.len(), 1);
        let data: Vec<String> = answer
            .answers
            .iter()
            .map(|record| record.data.to_string())
            .collect();
        assert_eq!(data, expect);
    }

    #[test]
    fn a_known_name_has_addresses_and_nothing_else() {
        check_answer(
            &query("web", RecordType::A),
            addresses(2),
            &["10.0.0.1", "10.0.0.2"],
        );
        check_answer(&query("web", RecordType::AAAA), addresses(2), &[]);
        check_answer(&query("web", RecordType::MX), addresses(1), &[]);
        check_answer(
            &query("1.0.0.10.in-addr.arpa.", RecordType::PTR),
            Known::Name("web.lab".to_owned()),
            &["web.lab."],
        );
    }

    #[test]
    fn addresses_take_turns() {
        let first = |kind, turn: usize| {
            let answer = query("web", kind).answer(addresses(3), || turn);
            let answer = Message::from_vec(&answer).unwrap();
            answer.answers.first().map(|record| record.data.to_string())
        };
        assert_eq!(first(RecordType::A, 0).as_deref(), Some("10.0.0.1"));
        assert_eq!(first(RecordType::A, 1).as_deref(), Some("10.0.0.2"));
        assert_eq!(first(RecordType::A, 5).as_deref(), Some("10.0.0.3"));
        // Whoever asks for both kinds must not skip every other turn.
        let unasked = || panic!("it is nobody's turn");
        query("web", RecordType::AAAA).answer(addresses(3), unasked);
    }

    #[test]
    fn what_does_not_fit_is_to_be_asked_for_over_a_connection() {
        let asked = message("web", RecordType::A).to_vec().unwrap();
        let short = Query::read(&asked, Transport::Udp)
            .unwrap()
            .answer(addresses(100), || 0);
        assert!(short.len() <= 512);
        assert!(Message::from_vec(&short).unwrap().metadata.truncation);
        let long = Query::read(&asked, Transport::Tcp)
            .unwrap()
            .answer(addresses(100), || 0);
        let long = Message::from_vec(&long).unwrap();
        assert!(!long.metadata.truncation);
        assert_eq!(long.answers.len(), 100);
        let mut extended = message("web", RecordType::A);
        let mut edns = Edns::new();
        edns.set_max_payload(4096);
        extended.set_edns(edns);
        let asked = extended.to_vec().unwrap();
        let answer = Query::read(&asked, Transport::Udp)
            .unwrap()
            .answer(addresses(60), || 0);
        let answer = Message::from_vec(&answer).unwrap();
        assert_eq!(answer.answers.len(), 60);
        assert!(answer.edns.is_some());
    }

    #[test]
    fn what_is_no_query_is_refused() {
        let refused = |bytes: &[u8]| Query::read(bytes, Transport::Udp).unwrap_err();
        assert_eq!(refused(&[]), Refusal::Ignore);
        assert_eq!(refused(&[0; 11]), Refusal::Ignore);
        let response = Message::response(7, OpCode::Query).to_vec().unwrap();
        assert_eq!(refused(&response), Refusal::Ignore);
        let code = |refusal: Refusal| match refusal {
            Refusal::Reply(bytes) => Message::from_vec(&bytes).unwrap().metadata.response_code,
            Refusal::Ignore => panic!("a reply is due"),
        };
        let none = Message::new(7, MessageType::Query, OpCode::Query);
        assert_eq!(
            code(refused(&none.to_vec().unwrap())),
            ResponseCode::FormErr
        );
        let mut cut = message("web", RecordType::A).to_vec().unwrap();
        cut.truncate(14);
        assert_eq!(code(refused(&cut)), ResponseCode::FormErr);
        let mut update = message("web", RecordType::A);
        update.metadata.op_code = OpCode::Status;
        assert_eq!(
            code(refused(&update.to_vec().unwrap())),
            ResponseCode::NotImp
        );
    }

    #[test]
    fn only_the_answer_to_the_question_counts() {
        let query = query("web", RecordType::A);
        let answer = query.failure(ResponseCode::NXDomain);
        assert_eq!(
            query.is_answered_by(&answer, 7),
            Some(ResponseCode::NXDomain)
        );
        assert_eq!(query.is_answered_by(&answer, 8), None);
        let other = self::query("other", RecordType::A).failure(ResponseCode::NoError);
        assert_eq!(query.is_answered_by(&other, 7), None);
        let asked = message("web", RecordType::A).to_vec().unwrap();
        assert_eq!(query.is_answered_by(&asked, 7), None);
        assert_eq!(query.is_answered_by(&answer[..11], 7), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_or_refused(bytes in any::<Vec<u8>>()) {
            match Query::read(&bytes, Transport::Udp) {
                Ok(query) => {
                    let _subject = query.subject();
                    assert!(query.answer(addresses(3), || 0).len() <= 1232);
                    let _code = query.is_answered_by(&bytes, 0);
                }
                Err(Refusal::Reply(reply)) => assert!(reply.len() <= 512 + bytes.len()),
                Err(Refusal::Ignore) => {}
            }
        }
    }
}

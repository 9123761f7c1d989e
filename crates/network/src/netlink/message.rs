//! Netlink messages: made, and taken apart. Pure.

/// The length of a netlink message's header.
pub(crate) const HEADER_LENGTH: usize = 16;

/// The two upper bits of an attribute's kind are flags.
const KIND_MASK: u16 = 0x3fff;
const NESTED: u16 = 0x8000;

/// A message in the making. Its length and sequence number are set when it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

/// The attributes in a piece of a message.
#[derive(Debug, Clone)]
pub(crate) struct Attributes<'a> {
    bytes: &'a [u8],
}

impl Message {
    /// A message of a kind, with flags (`NLM_F_REQUEST` is added), and the fixed part that its family wants.
    pub(crate) fn new(kind: u16, flags: i32, fixed: &[u8]) -> Self {
        let flags = u16::try_from(flags | libc::NLM_F_REQUEST).expect("flags have 16 bits");
        let mut bytes = vec![0; HEADER_LENGTH];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        let mut message = Self { bytes };
        message.append(fixed);
        message
    }

    /// Adds an attribute.
    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(4 + value.len()).expect("attributes are short");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.append(value);
        self
    }

    /// Adds a number in the machine's byte order.
    pub(crate) fn with_number(self, kind: u16, number: u32) -> Self {
        self.with(kind, &number.to_ne_bytes())
    }

    /// Adds a number in the network's byte order.
    pub(crate) fn with_big_endian(self, kind: u16, number: u32) -> Self {
        self.with(kind, &number.to_be_bytes())
    }

    /// Adds a text, ended by a zero.
    pub(crate) fn with_text(self, kind: u16, text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.with(kind, &bytes)
    }

    /// Adds an attribute that holds whatever `fill` adds.
    pub(crate) fn with_nested(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        let mut filled = fill(self);
        let length = u16::try_from(filled.bytes.len() - start).expect("attributes are short");
        filled.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        filled
    }

    /// Adds bytes that are no attribute, as some attributes begin with.
    pub(crate) fn with_raw(mut self, bytes: &[u8]) -> Self {
        self.append(bytes);
        self
    }

    /// The finished message.
    pub(crate) fn numbered(&self, sequence: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let length = u32::try_from(bytes.len()).expect("messages are short");
        bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        bytes
    }

    fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// A message that came, still in the bytes that it came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming<'a> {
    /// What kind it is.
    pub(crate) kind: u16,
    /// Which request it answers.
    pub(crate) sequence: u32,
    /// The socket that asked.
    pub(crate) port: u32,
    /// What follows the header.
    pub(crate) body: &'a [u8],
}

/// Takes the first message off `bytes`.
pub(crate) fn next<'a>(bytes: &mut &'a [u8]) -> Option<Incoming<'a>> {
    let length = usize::try_from(number(bytes, 0)?).ok()?;
    if length < HEADER_LENGTH || length > bytes.len() {
        return None;
    }
    let message = Incoming {
        kind: short(bytes, 4)?,
        sequence: number(bytes, 8)?,
        port: number(bytes, 12)?,
        body: &bytes[HEADER_LENGTH..length],
    };
    *bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    Some(message)
}

/// The 32-bit number at `place`, in the machine's byte order.
pub(crate) fn number(bytes: &[u8], place: usize) -> Option<u32> {
    let piece = bytes.get(place..place + 4)?;
    Some(u32::from_ne_bytes(piece.try_into().ok()?))
}

fn short(bytes: &[u8], place: usize) -> Option<u16> {
    let piece = bytes.get(place..place + 2)?;
    Some(u16::from_ne_bytes(piece.try_into().ok()?))
}

impl<'a> Attributes<'a> {
    /// The attributes in `bytes`; whatever is cut short ends them.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The first attribute of a kind.
    pub(crate) fn find(&self, kind: u16) -> Option<&'a [u8]> {
        self.clone()
            .find_map(|(found, value)| (found == kind).then_some(value))
    }

    /// The first attribute of a kind, as a text.
    pub(crate) fn text(&self, kind: u16) -> Option<&'a str> {
        let bytes = self.find(kind)?;
        std::str::from_utf8(bytes.strip_suffix(&[0]).unwrap_or(bytes)).ok()
    }

    /// The attributes within the first of a kind.
    pub(crate) fn nested(&self, kind: u16) -> Option<Self> {
        self.find(kind).map(Self::new)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(short(self.bytes, 0)?);
        let kind = short(self.bytes, 2)? & KIND_MASK;
        let value = self.bytes.get(4..length)?;
        self.bytes = &self.bytes[length.next_multiple_of(4).min(self.bytes.len())..];
        Some((kind, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Attributes, Message, next};

    #[test]
    fn what_is_made_can_be_taken_apart() {
        let message = Message::new(16, libc::NLM_F_ACK, &[7; 16])
            .with_text(3, "eth0")
            .with_nested(18, |message| {
                message.with_number(1, 42).with_text(2, "veth")
            })
            .with_big_endian(4, 1);
        let bytes = message.numbered(5);
        let mut rest = &bytes[..];
        let message = next(&mut rest).unwrap();
        assert!(rest.is_empty());
        assert_eq!((message.kind, message.sequence, message.port), (16, 5, 0));
        let attributes = Attributes::new(&message.body[16..]);
        assert_eq!(attributes.text(3), Some("eth0"));
        assert_eq!(attributes.nested(18).unwrap().text(2), Some("veth"));
        assert_eq!(attributes.find(4), Some(&[0, 0, 0, 1][..]));
        assert_eq!(attributes.find(5), None);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_taken_apart(bytes in any::<Vec<u8>>()) {
            let mut rest = &bytes[..];
            while let Some(message) = next(&mut rest) {
                for (_, value) in Attributes::new(message.body) {
                    assert!(value.len() <= bytes.len());
                }
            }
        }
    }
}

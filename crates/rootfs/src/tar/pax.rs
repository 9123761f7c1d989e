//! Pax records: `length key=value`, one after the other.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::block::Unfit;
use super::{ATTRIBUTE_PREFIX, Error, Header, attribute};

/// Key and value of a record.
pub(super) type Record = (Vec<u8>, Vec<u8>);

/// Takes records apart; their lengths must add up.
pub(super) fn parse(mut data: &[u8]) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    while !data.is_empty() {
        // Some programs pad with zeros.
        if data.iter().all(|byte| *byte == 0) {
            break;
        }
        let space = data
            .iter()
            .take(20)
            .position(|byte| *byte == b' ')
            .ok_or(Error::Extended)?;
        let length: usize = decimal(&data[..space])
            .and_then(|length| usize::try_from(length).ok())
            .ok_or(Error::Extended)?;
        if length <= space + 1 || length > data.len() || data[length - 1] != b'\n' {
            return Err(Error::Extended);
        }
        let record = &data[space + 1..length - 1];
        let equals = record
            .iter()
            .position(|byte| *byte == b'=')
            .filter(|at| *at > 0)
            .ok_or(Error::Extended)?;
        records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        data = &data[length..];
    }
    Ok(records)
}

/// Applies records to what the header block said; those about sparse files are left to others.
pub(super) fn apply(records: &[Record], header: &mut Header) -> Result<(), Error> {
    for (key, value) in records {
        if value.is_empty() && !key.starts_with(ATTRIBUTE_PREFIX) {
            continue;
        }
        match key.as_slice() {
            b"path" => header.path = name(value)?,
            b"linkpath" => header.link = name(value)?,
            b"size" => header.size = decimal(value).ok_or(Error::Field { field: "size" })?,
            b"uid" => header.user = small(value, "owner")?,
            b"gid" => header.group = small(value, "group")?,
            b"mtime" => {
                (header.modified_seconds, header.modified_nanoseconds) =
                    time(value).ok_or(Error::Field { field: "time" })?;
            }
            _ => {
                if let Some(attribute) = key
                    .strip_prefix(ATTRIBUTE_PREFIX)
                    .and_then(|name| attribute(name, value))
                {
                    header.attributes.retain(|old| old.name != attribute.name);
                    header.attributes.push(attribute);
                }
            }
        }
    }
    header.attributes.sort_unstable();
    Ok(())
}

/// The records that an entry needs beside its block, sorted by key.
pub(super) fn records_for(header: &Header, unfit: &[Unfit]) -> Vec<Record> {
    let mut records: Vec<Record> = header
        .attributes
        .iter()
        .map(|attribute| {
            let key = [ATTRIBUTE_PREFIX, attribute.name.to_bytes()].concat();
            (key, attribute.value.clone())
        })
        .collect();
    for which in unfit {
        let (key, value) = match which {
            Unfit::Path => ("path", header.path.as_bytes().to_vec()),
            Unfit::Link => ("linkpath", header.link.as_bytes().to_vec()),
            Unfit::Size => ("size", header.size.to_string().into_bytes()),
            Unfit::User => ("uid", header.user.to_string().into_bytes()),
            Unfit::Group => ("gid", header.group.to_string().into_bytes()),
            // Written below, with its fraction.
            Unfit::Modified => continue,
        };
        records.push((key.as_bytes().to_vec(), value));
    }
    if header.modified_nanoseconds != 0 || unfit.contains(&Unfit::Modified) {
        let text = time_text(header.modified_seconds, header.modified_nanoseconds);
        records.push((b"mtime".to_vec(), text.into_bytes()));
    }
    records.sort_unstable();
    records
}

pub(super) fn render(records: &[Record]) -> Vec<u8> {
    let mut data = Vec::new();
    for (key, value) in records {
        // Space, equals sign and line end; the length counts its own digits.
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        data.extend_from_slice(length.to_string().as_bytes());
        data.push(b' ');
        data.extend_from_slice(key);
        data.push(b'=');
        data.extend_from_slice(value);
        data.push(b'\n');
    }
    data
}

pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn small(value: &[u8], field: &'static str) -> Result<u32, Error> {
    decimal(value)
        .and_then(|value| u32::try_from(value).ok())
        .ok_or(Error::Field { field })
}

fn name(value: &[u8]) -> Result<OsString, Error> {
    if value.contains(&0) {
        return Err(Error::Field { field: "path" });
    }
    Ok(OsString::from_vec(value.to_vec()))
}

/// Seconds with a fraction: `1700000000.25`, `-0.5`.
fn time(value: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let seconds: i64 = match whole {
        "" | "-" => 0,
        whole => whole.parse().ok()?,
    };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    if negative && nanoseconds > 0 {
        Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds))
    } else {
        Some((seconds, nanoseconds))
    }
}

fn time_text(seconds: i64, nanoseconds: u32) -> String {
    if nanoseconds == 0 {
        return seconds.to_string();
    }
    let (sign, seconds, nanoseconds) = if seconds < 0 {
        ("-", -(i128::from(seconds) + 1), 1_000_000_000 - nanoseconds)
    } else {
        ("", i128::from(seconds), nanoseconds)
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{parse, render, time, time_text};

    #[test]
    fn records_are_one_to_one_with_their_text() {
        for length in [1, 2, 80, 90, 91, 92, 93, 94, 95, 980, 989, 990, 991] {
            let records = vec![(b"path".to_vec(), vec![b'x'; length])];
            assert_eq!(parse(&render(&records)).unwrap(), records, "{length}");
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in [
            "5 a=b",
            "6 a=b",
            "99 a=b\n",
            "4 a\n",
            "5 =b\n",
            "x a=b\n",
            "6a=b\n",
            "1 \n",
            "0 \n",
            "18446744073709551617 a=b\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(parse(b"6 a=b\n\0\0").unwrap().len(), 1);
    }

    #[test]
    fn times_have_fractions_and_signs() {
        for (text, expect) in [
            ("12", (12, 0)),
            ("12.5", (12, 500_000_000)),
            ("-1.5", (-2, 500_000_000)),
            ("-0.5", (-1, 500_000_000)),
            ("-3", (-3, 0)),
        ] {
            assert_eq!(time(text.as_bytes()), Some(expect), "{text}");
            assert_eq!(time_text(expect.0, expect.1), text);
        }
        assert_eq!(time(b"1.x"), None);
        assert_eq!(time(b"1e3"), None);
    }
}

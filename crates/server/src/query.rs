//! The query of a request, read as Docker does.

use std::str::FromStr;

use jiff::Timestamp;
use model::api::filter::Filters;

use crate::failure::{Failure, Result};

/// Names and values, in their order; a name may come several times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what follows the `?`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name, Plus::IsSpace)?, decode(value, Plus::IsSpace)?))
        });
        Ok(Self(pairs.collect::<Result<_>>()?))
    }

    /// The first value of `name`, if it has one that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// The first value of `name`, or the empty text.
    pub(crate) fn owned(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    /// All values of `name`.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// A yes or no: anything but nothing, `0`, `no`, `false` and `none` is a yes.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.flag_or(name, Absent::IsFalse)
    }

    /// A yes or no, with what an absent one means.
    pub(crate) fn flag_or(&self, name: &str, absent: Absent) -> bool {
        match self.all(name).next() {
            None => absent == Absent::IsTrue,
            Some(value) => !matches!(
                value.trim().to_ascii_lowercase().as_str(),
                "" | "0" | "no" | "false" | "none"
            ),
        }
    }

    /// A number; absent is none.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            Failure::bad_request(format!(
                "invalid value of {name}: {text:?} is not a number in range"
            ))
        })
    }

    /// A time: seconds since 1970, a date, or how long ago.
    pub(crate) fn moment(&self, name: &str) -> Result<Option<Timestamp>> {
        let Some(text) = self.text(name).filter(|text| *text != "0") else {
            return Ok(None);
        };
        match engine::moment::ago(text, engine::moment::now()) {
            Some(moment) => Ok(Some(moment)),
            None => Err(Failure::bad_request(format!(
                "invalid value of {name}: {text:?} is no time"
            ))),
        }
    }

    /// The `filters`.
    pub(crate) fn filters(&self) -> Result<Filters> {
        Filters::parse(self.text("filters").unwrap_or_default())
            .map_err(|error| Failure::bad_request(error.to_string()))
    }
}

/// What a flag that is not there means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// No.
    IsFalse,
    /// Yes.
    IsTrue,
}

/// What a `+` stands for: a space in queries, itself in paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    /// In queries.
    IsSpace,
    /// In paths.
    IsPlus,
}

/// Undoes percent-encoding.
pub(crate) fn decode(text: &str, plus: Plus) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, after @ ..] => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap_or("?");
                let byte = u8::from_str_radix(digits, 16)
                    .ok()
                    .filter(|_| high.is_ascii_hexdigit())
                    .ok_or_else(|| bad_escape(&format!("%{digits}")))?;
                bytes.push(byte);
                after
            }
            [b'%', after @ ..] => {
                return Err(bad_escape(&format!("%{}", String::from_utf8_lossy(after))));
            }
            [b'+', after @ ..] if plus == Plus::IsSpace => {
                bytes.push(b' ');
                after
            }
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
        };
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::bad_request("the URL is not UTF-8 after decoding"))
}

fn bad_escape(escape: &str) -> Failure {
    Failure::bad_request(format!("invalid URL escape {escape:?}"))
}

#[cfg(test)]
mod tests {
    use super::{Absent, Query};

    #[test]
    fn values_are_decoded() {
        let query = Query::parse("t=a%2Fb&t=c+d&q&x=").unwrap();
        assert_eq!(query.all("t").collect::<Vec<_>>(), ["a/b", "c d"]);
        assert_eq!(query.text("q"), None);
    }

    #[test]
    fn bad_escapes_are_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "a=%+1", "a=%ff"] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
    }

    #[track_caller]
    fn check_flag(text: &str, expected: bool) {
        assert_eq!(Query::parse(text).unwrap().flag("v"), expected, "{text}");
    }

    #[test]
    fn flags_are_generous() {
        for text in ["v=1", "v=true", "v=True", "v=yes", "v=x"] {
            check_flag(text, true);
        }
        for text in ["", "v", "v=0", "v=False", "v=no", "v=none"] {
            check_flag(text, false);
        }
        assert!(Query::default().flag_or("v", Absent::IsTrue));
    }

    #[test]
    fn a_number_is_one() {
        let query = Query::parse("h=12&w=x").unwrap();
        assert_eq!(query.number::<u16>("h"), Ok(Some(12)));
        assert!(query.number::<u16>("w").is_err());
        assert_eq!(query.number::<u16>("t"), Ok(None));
    }
}

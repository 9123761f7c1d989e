//! Signals by name and number.

use crate::error::{Error, Result};

/// Names by number, from 1, as on all architectures that we run on.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The first real-time signal that programs may use, as the C library has it.
const REAL_TIME_FIRST: i32 = 34;

/// The last one.
const REAL_TIME_LAST: i32 = 64;

/// The signal that kills.
pub const KILL: i32 = 9;

/// The signal that asks to end.
pub const TERM: i32 = 15;

/// Reads `SIGTERM`, `term`, `15`, `RTMIN+3`.
pub fn parse(text: &str) -> Result<i32> {
    let invalid = || Error::bad_parameter(format!("Invalid signal: {text}"));
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=REAL_TIME_LAST).contains(&number) {
            Ok(number)
        } else {
            Err(invalid())
        };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(place) = NAMES.iter().position(|known| *known == name) {
        return i32::try_from(place + 1).map_err(|_| invalid());
    }
    let number = match name {
        "IOT" => 6,
        "POLL" => 29,
        "CLD" => 17,
        "RTMIN" => REAL_TIME_FIRST,
        "RTMAX" => REAL_TIME_LAST,
        _ => {
            let from_first = name
                .strip_prefix("RTMIN+")
                .and_then(|rest| rest.parse::<i32>().ok())
                .and_then(|offset| REAL_TIME_FIRST.checked_add(offset));
            let from_last = name
                .strip_prefix("RTMAX-")
                .and_then(|rest| rest.parse::<i32>().ok())
                .and_then(|offset| REAL_TIME_LAST.checked_sub(offset));
            from_first
                .or(from_last)
                .filter(|number| (REAL_TIME_FIRST..=REAL_TIME_LAST).contains(number))
                .ok_or_else(invalid)?
        }
    };
    Ok(number)
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(text: &str, expect: Option<i32>) {
        assert_eq!(super::parse(text).ok(), expect, "{text}");
    }

    #[test]
    fn signals_have_names_and_numbers() {
        check("SIGTERM", Some(15));
        check("term", Some(15));
        check("9", Some(9));
        check("SIGKILL", Some(9));
        check("sighup", Some(1));
        check("SYS", Some(31));
        check("RTMIN", Some(34));
        check("SIGRTMIN+3", Some(37));
        check("RTMAX-1", Some(63));
        check("RTMIN+31", None);
        check("RTMIN+99999999999", None);
        check("0", None);
        check("65", None);
        check("-9", None);
        check("", None);
        check("SIG", None);
        check("BOGUS", None);
    }
}

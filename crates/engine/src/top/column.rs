//! The columns of `ps`, and which of them its arguments ask for. Pure.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::process::{Process, Snapshot, TICKS_PER_SECOND};
use crate::error::{Error, Result};

/// One column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) title: String,
    cell: Cell,
}

type Cell = fn(&Process, &Snapshot) -> String;

/// Names, as `-o` takes them, with titles.
const KNOWN: &[(&[&str], &str, Cell)] = &[
    (&["pid", "tgid"], "PID", |process, _| {
        process.pid.to_string()
    }),
    (&["ppid"], "PPID", |process, _| process.parent.to_string()),
    (&["pgid", "pgrp"], "PGID", |process, _| {
        process.group.to_string()
    }),
    (&["sid", "sess", "session"], "SID", |process, _| {
        process.session.to_string()
    }),
    (&["user", "euser", "ruser", "uname"], "USER", user),
    (&["uid", "euid", "ruid"], "UID", |process, _| {
        process.user.to_string()
    }),
    (&["group", "egroup", "rgroup"], "GROUP", group),
    (&["gid", "egid", "rgid"], "GID", |process, _| {
        process.group_id.to_string()
    }),
    (&["comm", "ucmd", "ucomm"], "COMMAND", |process, _| {
        process.name.clone()
    }),
    (&["args", "command"], "COMMAND", |process, _| {
        process.command.clone()
    }),
    (&["cmd"], "CMD", |process, _| process.command.clone()),
    (&["c"], "C", |process, snapshot| {
        (cpu_permille(process, snapshot) / 10).to_string()
    }),
    (&["pcpu", "%cpu"], "%CPU", |process, snapshot| {
        permille(cpu_permille(process, snapshot))
    }),
    (&["pmem", "%mem"], "%MEM", |process, snapshot| {
        permille(memory_permille(process, snapshot))
    }),
    (&["vsz", "vsize"], "VSZ", |process, _| {
        process.size_kib.to_string()
    }),
    (&["rss", "rssize", "rsz"], "RSS", |process, _| {
        process.resident_kib.to_string()
    }),
    (&["tty", "tt", "tname"], "TTY", |process, _| {
        terminal(process.terminal)
    }),
    (&["stat"], "STAT", |process, _| state(process)),
    (&["s", "state"], "S", |process, _| process.state.to_string()),
    (&["stime", "start_time"], "STIME", started),
    (&["start"], "START", started),
    (&["time", "cputime"], "TIME", |process, _| {
        clock(process.cpu_ticks / TICKS_PER_SECOND)
    }),
    (&["etime"], "ELAPSED", |process, snapshot| {
        elapsed(age_s(process, snapshot))
    }),
    (&["etimes"], "ELAPSED", |process, snapshot| {
        age_s(process, snapshot).to_string()
    }),
    (&["ni", "nice"], "NI", |process, _| process.nice.to_string()),
    (&["pri"], "PRI", |process, _| {
        (39 - process.priority).to_string()
    }),
    (&["nlwp", "thcount"], "NLWP", |process, _| {
        process.threads.to_string()
    }),
];

/// The columns that these arguments of `ps` ask for.
pub(super) fn columns(arguments: &str) -> Result<Vec<Column>> {
    let mut words = arguments.split_whitespace();
    let mut columns = Vec::new();
    let mut style = None;
    while let Some(word) = words.next() {
        let letters = word.strip_prefix('-').unwrap_or(word);
        match letters {
            "ef" | "f" | "eF" | "fe" => style = Some(FULL),
            "e" | "A" | "a" | "x" | "ax" => style = style.or(Some(SHORT)),
            "aux" | "auxw" | "auxww" | "u" | "ux" | "au" => style = Some(BY_USER),
            "l" | "el" | "le" => style = Some(LONG),
            "o" | "eo" | "ao" | "axo" | "Ao" => {
                let names = words.next().ok_or_else(|| refused(arguments))?;
                for name in names.split(',') {
                    columns.push(column(name).ok_or_else(|| refused(arguments))?);
                }
            }
            _ => {
                let names = letters
                    .strip_prefix("eo")
                    .or_else(|| letters.strip_prefix('o'))
                    .ok_or_else(|| refused(arguments))?;
                for name in names.split(',') {
                    columns.push(column(name).ok_or_else(|| refused(arguments))?);
                }
            }
        }
    }
    if !columns.is_empty() {
        return Ok(columns);
    }
    let style = style.unwrap_or(FULL).iter();
    Ok(style
        .map(|(name, title, cell)| Column {
            title: (*title).to_owned(),
            cell: (*cell)
                .or_else(|| find(name).map(|(_, cell)| cell))
                .unwrap_or(|_, _| String::new()),
        })
        .collect())
}

type Style = &'static [(&'static str, &'static str, Option<Cell>)];

/// `-ef`.
const FULL: Style = &[
    ("user", "UID", None),
    ("pid", "PID", None),
    ("ppid", "PPID", None),
    ("c", "C", None),
    ("stime", "STIME", None),
    ("tty", "TTY", None),
    ("time", "TIME", None),
    ("cmd", "CMD", None),
];

/// `-e`.
const SHORT: Style = &[
    ("pid", "PID", None),
    ("tty", "TTY", None),
    ("time", "TIME", None),
    ("comm", "CMD", None),
];

/// `aux`.
const BY_USER: Style = &[
    ("user", "USER", None),
    ("pid", "PID", None),
    ("pcpu", "%CPU", None),
    ("pmem", "%MEM", None),
    ("vsz", "VSZ", None),
    ("rss", "RSS", None),
    ("tty", "TTY", None),
    ("stat", "STAT", None),
    ("start", "START", None),
    ("time", "TIME", Some(minutes)),
    ("args", "COMMAND", None),
];

/// `-l`.
const LONG: Style = &[
    ("s", "S", None),
    ("uid", "UID", None),
    ("pid", "PID", None),
    ("ppid", "PPID", None),
    ("c", "C", None),
    ("pri", "PRI", None),
    ("ni", "NI", None),
    ("vsz", "SZ", None),
    ("tty", "TTY", None),
    ("time", "TIME", None),
    ("comm", "CMD", None),
];

impl Column {
    /// What it shows of a process.
    pub(super) fn of(&self, process: &Process, snapshot: &Snapshot) -> String {
        (self.cell)(process, snapshot)
    }
}

fn refused(arguments: &str) -> Error {
    Error::bad_parameter(format!(
        "ps arguments {arguments:?} are not supported: use -ef, aux, or -eo with names of columns"
    ))
}

fn find(name: &str) -> Option<(&'static str, Cell)> {
    let known = KNOWN.iter().find(|(names, _, _)| names.contains(&name));
    known.map(|(_, title, cell)| (*title, *cell))
}

/// `name` or `name=TITLE`.
fn column(text: &str) -> Option<Column> {
    let (name, title) = match text.split_once('=') {
        Some((name, title)) => (name, Some(title)),
        None => (text, None),
    };
    let (known, cell) = find(&name.to_ascii_lowercase())?;
    Some(Column {
        title: title
            .filter(|title| !title.is_empty())
            .unwrap_or(known)
            .to_owned(),
        cell,
    })
}

fn user(process: &Process, snapshot: &Snapshot) -> String {
    let name = snapshot.users.get(&process.user).cloned();
    name.unwrap_or_else(|| process.user.to_string())
}

fn group(process: &Process, snapshot: &Snapshot) -> String {
    let name = snapshot.groups.get(&process.group_id).cloned();
    name.unwrap_or_else(|| process.group_id.to_string())
}

fn start_s(process: &Process, snapshot: &Snapshot) -> u64 {
    snapshot.boot_s + process.start_ticks / TICKS_PER_SECOND
}

fn age_s(process: &Process, snapshot: &Snapshot) -> u64 {
    snapshot.now_s.saturating_sub(start_s(process, snapshot))
}

fn cpu_permille(process: &Process, snapshot: &Snapshot) -> u64 {
    let lived_ticks = age_s(process, snapshot) * TICKS_PER_SECOND;
    (process.cpu_ticks * 1000)
        .checked_div(lived_ticks)
        .unwrap_or_default()
}

fn memory_permille(process: &Process, snapshot: &Snapshot) -> u64 {
    let permille = (process.resident_kib * 1000).checked_div(snapshot.memory_kib);
    permille.unwrap_or_default()
}

fn permille(value: u64) -> String {
    format!("{}.{}", value / 10, value % 10)
}

/// The hour of the day if it is this day's, else the day.
fn started(process: &Process, snapshot: &Snapshot) -> String {
    let civil = |seconds: u64| -> Option<DateTime> {
        let moment = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
        Some(moment.to_zoned(TimeZone::UTC).datetime())
    };
    let at = (civil(start_s(process, snapshot)), civil(snapshot.now_s));
    let (Some(start), Some(now)) = at else {
        return "?".to_owned();
    };
    if start.date() == now.date() {
        start.strftime("%H:%M").to_string()
    } else if start.year() == now.year() {
        start.strftime("%b%d").to_string()
    } else {
        start.strftime("%Y").to_string()
    }
}

/// The controlling terminal's name, by its number.
fn terminal(number: u64) -> String {
    let major = (number >> 8) & 0xfff;
    let minor = (number & 0xff) | ((number >> 12) & 0xfff00);
    match major {
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        _ => "?".to_owned(),
    }
}

fn state(process: &Process) -> String {
    let mut state = process.state.to_string();
    match process.nice {
        ..0 => state.push('<'),
        0 => {}
        1.. => state.push('N'),
    }
    if process.session == i64::from(process.pid) {
        state.push('s');
    }
    if process.threads > 1 {
        state.push('l');
    }
    if process.foreground == process.group {
        state.push('+');
    }
    state
}

/// `[days-]hours:minutes:seconds`.
fn clock(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let rest = format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    if days == 0 {
        rest
    } else {
        format!("{days}-{rest}")
    }
}

/// `minutes:seconds`.
fn minutes(process: &Process, _: &Snapshot) -> String {
    let seconds = process.cpu_ticks / TICKS_PER_SECOND;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// `[[days-]hours:]minutes:seconds`.
fn elapsed(seconds: u64) -> String {
    let whole = clock(seconds);
    match whole.strip_prefix("00:") {
        Some(short) if seconds < 3_600 => short.to_owned(),
        _ => whole,
    }
}

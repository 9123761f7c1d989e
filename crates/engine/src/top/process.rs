//! Processes as `/proc` tells of them.

use std::collections::BTreeMap;

/// A tick of a process's times is a hundredth of a second for programs.
pub(super) const TICKS_PER_SECOND: u64 = 100;

/// Longer command lines are cut: `ps` shows no more either.
const COMMAND_BYTES: usize = 128 * 1024;

/// Processes, and what of the host they are shown by.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) processes: Vec<Process>,
    /// Names of users by number, as the host has them.
    pub(super) users: BTreeMap<u32, String>,
    pub(super) groups: BTreeMap<u32, String>,
    /// Seconds since 1970.
    pub(super) now_s: u64,
    /// When the host started, in seconds since 1970.
    pub(super) boot_s: u64,
    pub(super) memory_kib: u64,
}

/// One process.
#[derive(Debug, Clone, Default)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) name: String,
    pub(super) command: String,
    pub(super) state: char,
    pub(super) parent: u32,
    pub(super) group: i64,
    pub(super) session: i64,
    pub(super) terminal: u64,
    pub(super) foreground: i64,
    pub(super) cpu_ticks: u64,
    pub(super) priority: i64,
    pub(super) nice: i64,
    pub(super) threads: u64,
    /// Since the host started.
    pub(super) start_ticks: u64,
    pub(super) user: u32,
    pub(super) group_id: u32,
    pub(super) size_kib: u64,
    pub(super) resident_kib: u64,
}

impl Snapshot {
    /// The processes of these ids, as far as they still are, by id.
    pub(super) fn read(pids: &[u32]) -> Self {
        let mut pids = pids.to_vec();
        pids.sort_unstable();
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = stat.lines().find_map(|line| line.strip_prefix("btime "));
        let names = |path| names_in(&std::fs::read_to_string(path).unwrap_or_default());
        Self {
            processes: pids.iter().filter_map(|pid| read(*pid)).collect(),
            users: names("/etc/passwd"),
            groups: names("/etc/group"),
            now_s: u64::try_from(crate::moment::now().as_second()).unwrap_or_default(),
            boot_s: boot
                .and_then(|boot| boot.trim().parse().ok())
                .unwrap_or_default(),
            memory_kib: crate::stats::host_memory_bytes() / 1024,
        }
    }
}

impl Process {
    /// From the contents of `stat`, `status` and `cmdline`.
    pub(super) fn parse(pid: u32, stat: &str, status: &str, command_line: &[u8]) -> Option<Self> {
        // The name is the program's own to choose: it may hold spaces and brackets.
        let (_, rest) = stat.split_once('(')?;
        let (name, rest) = rest.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
        let count = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let first_of = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let effective = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().nth(1)?.parse::<u32>().ok()
        };
        let command_line = &command_line[..command_line.len().min(COMMAND_BYTES)];
        let words = command_line.strip_suffix(b"\0").unwrap_or(command_line);
        let command = if words.is_empty() {
            format!("[{name}]")
        } else {
            let words = String::from_utf8_lossy(words).replace('\0', " ");
            words.replace(|letter: char| letter.is_control(), "?")
        };
        Some(Self {
            pid,
            name: name.to_owned(),
            command,
            state: fields.first()?.chars().next()?,
            parent: u32::try_from(number(1)?).ok()?,
            group: number(2)?,
            session: number(3)?,
            terminal: u64::try_from(number(4)?).unwrap_or_default(),
            foreground: number(5)?,
            cpu_ticks: count(11)? + count(12)?,
            priority: number(15)?,
            nice: number(16)?,
            threads: count(17)?,
            start_ticks: count(19)?,
            user: effective("Uid:").unwrap_or_default(),
            group_id: effective("Gid:").unwrap_or_default(),
            size_kib: first_of("VmSize:").unwrap_or_default(),
            resident_kib: first_of("VmRSS:").unwrap_or_default(),
        })
    }
}

fn read(pid: u32) -> Option<Process> {
    let file = |name: &str| format!("/proc/{pid}/{name}");
    let stat = String::from_utf8_lossy(&std::fs::read(file("stat")).ok()?).into_owned();
    let status = String::from_utf8_lossy(&std::fs::read(file("status")).ok()?).into_owned();
    let command_line = std::fs::read(file("cmdline")).unwrap_or_default();
    Process::parse(pid, &stat, &status, &command_line)
}

/// Names by number, of `/etc/passwd` or `/etc/group`; the first one counts.
fn names_in(text: &str) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (Some(name), Some(number)) = (fields.next(), fields.nth(1)) else {
            continue;
        };
        if let Ok(number) = number.parse() {
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}

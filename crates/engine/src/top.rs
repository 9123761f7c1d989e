//! The processes of a container as `ps` shows them: `docker top`.
//!
//! Nothing is run, neither from the container nor from the host: `/proc` is read, and what common arguments of `ps`
//! ask for is shown in its columns. Arguments that are not understood are refused.

mod column;
mod process;

use model::api::container::Top;

use crate::Engine;
use crate::error::{Error, Result};
use column::{Column, columns};
use process::Snapshot;

impl Engine {
    /// The processes of a running container, in the columns that these arguments of `ps` ask for.
    pub async fn top_container(&self, name: &str, arguments: &str) -> Result<Top> {
        let columns = columns(arguments)?;
        self.ready().await;
        let container = self.containers().find(name)?;
        let shim = container
            .shim()
            .filter(|_| container.condition().phase.is_running())
            .ok_or_else(|| Error::not_running(container.id))?;
        let pids = shim.processes().map_err(|error| {
            Error::internal(format!("list the processes of {}: {error}", container.id))
        })?;
        let shown = tokio::task::spawn_blocking(move || show(&columns, &Snapshot::read(&pids)));
        shown
            .await
            .map_err(|error| Error::internal("list processes").because(error))
    }
}

/// The table of the processes.
fn show(columns: &[Column], snapshot: &Snapshot) -> Top {
    let row = |process| {
        let cells = columns.iter();
        cells.map(|column| column.of(process, snapshot)).collect()
    };
    Top {
        titles: columns.iter().map(|column| column.title.clone()).collect(),
        processes: snapshot.processes.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::column::columns;
    use super::process::{Process, Snapshot};
    use super::show;

    fn snapshot() -> Snapshot {
        let mut snapshot = Snapshot {
            // Noon of a day.
            now_s: 1_714_564_800,
            boot_s: 1_714_560_000,
            memory_kib: 1_000_000,
            ..Snapshot::default()
        };
        snapshot.users.insert(0, "root".to_owned());
        let stat = "77 (my (odd) name) S 1 77 77 34816 77 4194560 100 0 0 0 150 50 0 0 20 -5 3 0 60000 1 1";
        let status =
            "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nVmSize:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let process = Process::parse(77, stat, status, b"sleep\x001000\0").unwrap();
        snapshot.processes.push(process);
        snapshot
    }

    #[track_caller]
    fn check(arguments: &str, titles: &[&str], cells: &[&str]) {
        let top = show(&columns(arguments).unwrap(), &snapshot());
        assert_eq!(top.titles, titles);
        assert_eq!(top.processes, [cells]);
    }

    #[test]
    fn processes_are_shown_in_the_columns_asked_for() {
        check(
            "-ef",
            &["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
            &[
                "root",
                "77",
                "1",
                "0",
                "10:50",
                "pts/0",
                "00:00:02",
                "sleep 1000",
            ],
        );
        check(
            "aux",
            &[
                "USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME",
                "COMMAND",
            ],
            &[
                "root",
                "77",
                "0.0",
                "0.1",
                "2048",
                "1024",
                "pts/0",
                "S<sl+",
                "10:50",
                "0:02",
                "sleep 1000",
            ],
        );
        check(
            "-eo pid,comm,user=WHO",
            &["PID", "COMMAND", "WHO"],
            &["77", "my (odd) name", "root"],
        );
        check("-o pid -o etime", &["PID", "ELAPSED"], &["77", "01:10:00"]);
        check("o pid,nlwp,ni", &["PID", "NLWP", "NI"], &["77", "3", "-5"]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for arguments in ["--forest", "-eo nonsense", "-eo", "$(reboot)"] {
            assert!(columns(arguments).is_err(), "{arguments}");
        }
    }
}

//! The file that tells which process the daemon is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The file, as long as the daemon lives.
pub(super) struct PidFile(PathBuf);

impl Drop for PidFile {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

/// Writes it; one that a daemon left which is no more is replaced.
pub(super) fn write(path: &Path) -> Result<PidFile> {
    if let Some(other) = fs::read_to_string(path)
        .ok()
        .and_then(|text| running(&text))
    {
        anyhow::bail!(
            "a daemon is running already as process {other}, says {}",
            path.display()
        );
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    fs::write(path, std::process::id().to_string())
        .with_context(|| format!("cannot write the pid file {}", path.display()))?;
    Ok(PidFile(path.to_owned()))
}

/// The process, if it is there and runs a program of our name: numbers are used again.
fn running(text: &str) -> Option<u32> {
    let pid: u32 = text.trim().parse().ok()?;
    let theirs = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let ours = std::env::current_exe().ok()?;
    (pid != std::process::id() && theirs.file_name() == ours.file_name()).then_some(pid)
}

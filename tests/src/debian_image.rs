//! Images from Debian's packages, where none can be pulled: those that `tools/test-images` makes, and archives
//! of a program with the libraries that it loads.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{command::run, dockercoins::repository, engine::Engine};

/// Making one takes a second or two, and on a busy computer several may wait for each other's.
const LIMIT: Duration = Duration::from_mins(2);

/// The archive of a test image: `busybox`, `alpine`, `debian`, `redis`, `nginx`, `elasticsearch`. What is not
/// there yet is made, once, however many ask.
///
/// # Panics
/// Without the Debian packages that it is made of; the message names them.
#[track_caller]
pub fn archive(name: &str) -> PathBuf {
    let mut command = Command::new(repository().join("tools/test-images"));
    run(command.arg(name), LIMIT).success().into()
}

/// Makes the image `redis:latest` in `engine` from Debian's `redis-server`. It behaves as the official image
/// does in what Dockercoins needs: listening on 6379 on every address, with no password.
pub fn redis(engine: &impl Engine) {
    let archive = archive("redis");
    let archive = archive.to_str().expect("the repository has a plain name");
    engine.docker(&["load", "--input", archive]);
}

/// Packs programs of this computer and the libraries that they load into a tar archive, at their own paths.
pub fn pack(programs: &[&Path], archive: &Path) {
    let mut files = BTreeSet::new();
    for program in programs {
        files.insert(program.display().to_string());
        let answer = run(Command::new("ldd").arg(program), LIMIT);
        // `name => /path (address)`, or `/path (address)` for the loader. A static program has none, and ldd
        // fails for it.
        files.extend(
            answer
                .stdout
                .split_whitespace()
                .filter(|word| word.starts_with('/'))
                .map(str::to_owned),
        );
    }
    // Links are followed: libraries are mostly links to a file with the full version in its name.
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--dereference",
        "--absolute-names",
        "--transform=s,^/,,",
        "--file",
    ])
    .arg(archive)
    .args(files);
    run(&mut tar, LIMIT).success();
}

//! Images from Debian's packages, where none can be pulled: one program, the libraries that it loads, and
//! nothing else.

use std::{collections::BTreeSet, path::Path, process::Command, time::Duration};

use crate::{
    command::{installed, run},
    docker_engine::DockerEngine,
};

const LIMIT: Duration = Duration::from_secs(30);

/// Makes the image `redis:latest` in `engine` from Debian's `redis-server`. It behaves as the official image
/// does in what Dockercoins needs: listening on 6379 on every address, with no password.
pub fn redis(engine: &DockerEngine) {
    let server = installed("redis-server", "redis-server");
    let archive = engine.sandbox().folder().join("redis.tar");
    pack(&[&server], &archive);
    engine.docker(&[
        "import",
        "--change=EXPOSE 6379",
        // Without a password Redis listens on loopback alone, unless told otherwise. Nothing is saved: the
        // image has no folder for it.
        r#"--change=ENTRYPOINT ["/usr/bin/redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--dir", "/"]"#,
        archive.to_str().expect("the sandbox' folder has a plain name"),
        "redis:latest",
    ]);
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

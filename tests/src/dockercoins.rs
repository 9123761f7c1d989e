//! Dockercoins as its users deploy it: its program, its folders of images, and the rate that its page shows.
//!
//! It must never write into the repository: what `make images` would stage there is staged in a copy.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    command::run,
    engine::Engine,
    sandbox::Sandbox,
    waiting::{wait_for, watch_for},
};

/// The images that the texts of the lab name, and those that Compose makes.
pub const IMAGES: [&str; 14] = [
    "dockercoins_hasher",
    "dockercoins_rng",
    "dockercoins_webui",
    "dockercoins_worker",
    "dockercoins_store",
    "dockercoins-hasher",
    "dockercoins-worker",
    "theoghi/dockercoins_hasher:latest",
    "theoghi/dockercoins_rng:latest",
    "theoghi/dockercoins_webui:latest",
    "theoghi/dockercoins_worker:0.1",
    "theoghi/dockercoins_worker:0.2",
    "humboldtux/dockercoins_worker:0.2",
    "dockercoins_worker:0.2",
];

/// The top of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is in a folder of the repository")
}

/// The program under test: the release build that is there, or what `DOCKERCOINS_BIN` names.
pub fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("DOCKERCOINS_BIN") {
        let named = PathBuf::from(named);
        assert!(
            named.is_file(),
            "DOCKERCOINS_BIN names no program: {}",
            named.display()
        );
        return named;
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository().join("target"), PathBuf::from);
    fs::read_dir(&target)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("release/dockercoins"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!(
                "no release build of dockercoins in {}/*/release: `cargo build --release -p dockercoins` makes it, as `make test` does first",
                target.display()
            )
        })
}

/// Copies the folder `dockercoins` of the repository, as far as git would, to `target`.
pub fn copy_folder(target: &Path) {
    let source = repository().join("dockercoins");
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        fs::create_dir_all(target.join(&folder)).expect("the target can be made");
        for entry in fs::read_dir(source.join(&folder)).expect("the folder is in the repository") {
            let entry = entry.expect("the folder can be read");
            let path = folder.join(entry.file_name());
            let is_folder = entry.file_type().expect("it was just listed").is_dir();
            if is_folder && entry.file_name() != "staged-by-make-images" {
                folders.push(path);
            } else if !is_folder {
                fs::copy(source.join(&path), target.join(&path)).expect("a file can be copied");
            }
        }
    }
}

/// `tools/images` on a copy of the repository's folder, against `engine`, with `docker` as the client.
pub fn images_command(engine: &impl Engine, folder: &Path, docker: &Path) -> Command {
    let mut command = engine.client(repository().join("tools/images"));
    command
        .env("DOCKERCOINS_BIN", program())
        .env("DOCKERCOINS_FOLDER", folder)
        .env("DOCKER", docker);
    command
}

/// Copies the folder into the sandbox of `engine`, under the name `dockercoins`, and makes all images. Returns
/// the folder, where `docker-compose up` works.
#[track_caller]
pub fn make_images(engine: &impl Engine) -> PathBuf {
    let folder = engine.sandbox().folder().join("dockercoins");
    copy_folder(&folder);
    let docker = crate::command::installed("docker", "docker.io");
    run(
        &mut images_command(engine, &folder, &docker),
        Duration::from_mins(2),
    )
    .success();
    folder
}

/// One answer of the page's `json`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Hashes made so far.
    pub hashes: f64,
    /// Coins found so far: distinct hashes that start with a `0`.
    pub coins: f64,
    /// The server's time, in seconds.
    pub now: f64,
}

/// Asks the page at `port` in the sandbox for its numbers.
pub fn read(sandbox: &Sandbox, port: u16) -> Result<Reading, String> {
    let response = sandbox
        .get(port, "/json")
        .map_err(|error| error.to_string())?;
    let text = response.text();
    if response.status != 200 {
        return Err(format!("status {}: {text}", response.status));
    }
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
    // `hashes` is what Redis holds: a string, or null before the first.
    let hashes = json["hashes"]
        .as_str()
        .map_or(Ok(0.0), str::parse)
        .map_err(|error| format!("{error}: {text}"))?;
    let (Some(coins), Some(now)) = (json["coins"].as_f64(), json["now"].as_f64()) else {
        return Err(format!("not the page's numbers: {text}"));
    };
    Ok(Reading { hashes, coins, now })
}

/// Hashes per second over at least `measured_for`.
///
/// Both ends are moments at which the count has just changed: workers count once a second, and a rate between
/// two arbitrary moments would be off by what is not yet counted.
#[track_caller]
pub fn rate(sandbox: &Sandbox, port: u16, measured_for: Duration) -> f64 {
    let first = next_change(sandbox, port);
    let until = Instant::now() + measured_for;
    wait_for(
        "the measuring to be over",
        measured_for + Duration::from_secs(5),
        || {
            if Instant::now() < until {
                Err("not yet".to_owned())
            } else {
                Ok(())
            }
        },
    );
    let last = next_change(sandbox, port);
    (last.hashes - first.hashes) / (last.now - first.now)
}

/// Waits until the count changes and returns the first reading with the new one.
#[track_caller]
pub fn next_change(sandbox: &Sandbox, port: u16) -> Reading {
    let mut before = None;
    // A worker that met an error, such as a service not yet there, waits 10 s.
    watch_for(
        "the count of hashes to rise",
        Duration::from_secs(40),
        || {
            let reading = read(sandbox, port)?;
            let before = *before.get_or_insert(reading.hashes);
            if reading.hashes > before {
                Ok(reading)
            } else {
                Err(format!("{reading:?}"))
            }
        },
    )
}

/// The first words of the lines of a table's first column, without its heading.
pub fn first_column(table: &str) -> BTreeSet<String> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

//! Builds the shim, so that the program can carry it inside.
//!
//! The shim is a program of its own, because it must be small: a container's share of it is most of what the container
//! costs. It is built here, and not as an artifact dependency, since stable cargo has none.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let workspace = manifest.join("../..");
    for part in [
        "crates/runtime/src",
        "crates/runtime/Cargo.toml",
        "crates/shim",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", workspace.join(part).display());
    }
    let built = build(&workspace);
    println!("cargo::rustc-env=ESSAIM_SHIM={}", built.display());
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

/// Builds the shim into a folder of its own, beside everything else that was built, so that no other build waits for
/// this one or is undone by it.
fn build(workspace: &Path) -> PathBuf {
    let target = target_folder().join("shim");
    let mut command = Command::new(variable("CARGO"));
    command
        .current_dir(workspace)
        .args([
            "build",
            "--release",
            "--quiet",
            "--locked",
            "--offline",
            "-p",
            "shim",
        ])
        .arg("--target-dir")
        .arg(&target);
    // What the outer cargo says of its own build is not for the inner one.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_ours = ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_TERM_COLOR"].contains(&&*text);
        let is_theirs =
            text.starts_with("CARGO") || text.starts_with("RUST") || text.starts_with("DEP_");
        let is_toolchain = text.starts_with("RUSTUP");
        if is_theirs && !is_ours && !is_toolchain {
            command.env_remove(&name);
        }
    }
    for name in [
        "TARGET",
        "HOST",
        "OPT_LEVEL",
        "PROFILE",
        "DEBUG",
        "OUT_DIR",
        "NUM_JOBS",
    ] {
        command.env_remove(name);
    }
    // While the program is being worked on, the shim's last bytes matter less than the wait for it.
    let (lto, units) = match variable("PROFILE").as_str() {
        "release" => ("fat", "1"),
        _ => ("off", "16"),
    };
    command
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_LTO", lto)
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", units)
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("cannot run cargo for the shim: {error}"));
    assert!(status.success(), "the shim could not be built");
    // The workspace names a target, so that everything is in a folder of that name.
    let folder = target.join(variable("TARGET")).join("release/shim");
    if folder.exists() {
        folder
    } else {
        target.join("release/shim")
    }
}

/// The folder that everything is built into: `OUT_DIR` is some way below it.
fn target_folder() -> PathBuf {
    let out = PathBuf::from(variable("OUT_DIR"));
    out.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .map_or_else(|| out.clone(), Path::to_owned)
}

//! The page about the command line is as the definitions have it.

use std::fs;
use std::path::Path;

fn program() -> cli::Program {
    cli::Program {
        name: "essaim".to_owned(),
        version: "0.0.0",
        more_commands: Vec::new(),
    }
}

/// With `ESSAIM_WRITE_REFERENCE=1` it writes the page instead.
#[test]
fn the_page_is_not_stale() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let page = cli::reference(&program());
    if std::env::var_os("ESSAIM_WRITE_REFERENCE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/cli.md is stale: write it anew with ESSAIM_WRITE_REFERENCE=1 cargo nextest run -p cli the_page_is_not_stale"
    );
}

#[test]
fn completions_and_manual_pages_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = cli::completion(&program(), shell);
        assert!(
            script.contains("rename") && script.contains("no-trunc"),
            "{shell}"
        );
    }
    let pages = cli::manual_pages(&program()).unwrap();
    let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["essaim.1", "essaim-run.1", "essaim-network-create.1"] {
        assert!(names.contains(&name), "{name}");
    }
}

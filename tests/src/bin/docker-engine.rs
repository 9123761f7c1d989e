//! A Docker Engine in a sandbox, to try things by hand and for the test that kills it: prints one line of JSON
//! and lives until its standard input ends.
//!
//! ```text
//! $ cargo run -p blackbox --bin docker-engine
//! {"host":"unix:///tmp/essaim-test-…/docker.sock", …}
//! ```

use std::io::{Read, Write};

use blackbox::{docker_engine::DockerEngine, engine::Engine as _};

fn main() -> std::io::Result<()> {
    let engine = DockerEngine::alone();
    let facts = serde_json::json!({
        "host": engine.host(),
        "name": engine.sandbox().name(),
        "folder": engine.sandbox().folder(),
        "first_process": engine.sandbox().first_process().as_raw_pid(),
        "keeper": engine.sandbox().keeper().as_raw_pid(),
    });
    writeln!(std::io::stdout(), "{facts}")?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

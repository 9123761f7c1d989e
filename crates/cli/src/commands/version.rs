//! `version` and `--version`.

use client::{NEWEST_VERSION, Request};
use serde_json::{Value, json};

use crate::Program;
use crate::args::system::Version;
use crate::failure::{Failure, text_of};
use crate::output;
use crate::output::field::{flag, list, text};
use crate::output::listing::object;
use crate::output::table::align_by;
use crate::session::Session;

/// What `--version` says.
pub(crate) fn line(program: &Program) -> String {
    if program.name == "docker" {
        format!("Docker version {}, build essaim", program.version)
    } else {
        format!("{} version {}", program.name, program.version)
    }
}

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Version) -> Result<(), Failure> {
    let server = match session.client.send(Request::get("/version")).await {
        Ok(answer) => answer.json::<Value>().await.map_err(Failure::from),
        Err(error) => Err(error.into()),
    };
    let spoken = match &server {
        Ok(_) => session.client.api_version().await?,
        Err(_) => NEWEST_VERSION.to_owned(),
    };
    let client = json!({
        "Platform": {"Name": "Essaim"},
        "Version": session.version,
        "ApiVersion": spoken,
        "DefaultAPIVersion": NEWEST_VERSION,
        "Os": "linux",
        "Arch": arch(),
        "Context": "default",
    });
    let shown = match raw.format.as_deref().filter(|format| !format.is_empty()) {
        Some(format) => {
            let value = json!({
                "Client": client,
                "Server": server.as_ref().map_or(Value::Null, Clone::clone),
            });
            object(format, value.to_string().as_bytes(), &value).map(|text| text + "\n")
        }
        None => Ok(report(&client, server.as_ref().ok())),
    };
    // The client's half is true without an engine.
    output::print(&shown?)?;
    match server {
        Ok(_) => Ok(()),
        Err(Failure::Client(error)) if error.is_unreachable() => Err(Failure::Client(error)),
        Err(Failure::Client(error)) => Err(Failure::message(text_of(&error))),
        Err(failure) => Err(failure),
    }
}

fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn report(client: &Value, server: Option<&Value>) -> String {
    let platform = |value: &Value| format!("{}/{}", text(value, "Os"), text(value, "Arch"));
    let mut lines = format!(
        "Client: {}\n Version:\t{}\n API version:\t{}\n OS/Arch:\t{}\n Context:\t{}\n",
        text(client, "/Platform/Name"),
        text(client, "Version"),
        spoken(client),
        platform(client),
        text(client, "Context"),
    );
    if let Some(server) = server {
        lines.push_str(format!("\nServer: {}", text(server, "/Platform/Name")).trim_end());
        lines.push('\n');
        let components = list(server, "Components");
        if components.is_empty() {
            lines.push_str(&format!(
                " Engine:\n  Version:\t{}\n  API version:\t{} (minimum version {})\n  OS/Arch:\t{}\n",
                text(server, "Version"),
                text(server, "ApiVersion"),
                text(server, "MinAPIVersion"),
                platform(server),
            ));
        }
        for component in components {
            lines.push_str(&format!(" {}:\n", text(component, "Name")));
            lines.push_str(&format!("  Version:\t{}\n", text(component, "Version")));
            lines.push_str(&details(component));
        }
    }
    align_by(&lines, 0, 2)
}

/// The version that is spoken, and the one that could be.
fn spoken(client: &Value) -> String {
    match (
        text(client, "ApiVersion"),
        text(client, "DefaultAPIVersion"),
    ) {
        (spoken, newest) if spoken == newest => spoken.to_owned(),
        (spoken, newest) => format!("{spoken} (downgraded from {newest})"),
    }
}

/// The details that people ask for, in the order in which Docker shows them.
fn details(component: &Value) -> String {
    let details = component.get("Details").cloned().unwrap_or_default();
    let of = |name: &str| text(&details, name).to_owned();
    let mut lines = String::new();
    let mut line = |title: &str, value: String| {
        if !value.is_empty() {
            lines.push_str(&format!("  {title}:\t{value}\n"));
        }
    };
    if !of("ApiVersion").is_empty() {
        line(
            "API version",
            format!(
                "{} (minimum version {})",
                of("ApiVersion"),
                of("MinAPIVersion")
            ),
        );
    }
    line("Go version", of("GoVersion"));
    line("Git commit", of("GitCommit"));
    line("Built", of("BuildTime"));
    if !of("Os").is_empty() {
        line("OS/Arch", format!("{}/{}", of("Os"), of("Arch")));
    }
    if !of("Experimental").is_empty() || flag(&details, "Experimental") {
        line("Experimental", of("Experimental"));
    }
    lines
}

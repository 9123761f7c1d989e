//! `info`.

use client::Request;
use serde_json::{Map, Value, json};

use crate::args::system::Info;
use crate::failure::Failure;
use crate::output;
use crate::output::field::{flag, joined, list, map, number, text, texts};
use crate::output::listing::object;
use crate::output::units::{binary_size, float};
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Info) -> Result<(), Failure> {
    let answer = match session.client.send(Request::get("/info")).await {
        Ok(answer) => answer,
        Err(error) if raw.format.is_none() => {
            output::print(&client_report(session))?;
            output::print("\nServer:\n")?;
            return Err(error.into());
        }
        Err(error) => return Err(error.into()),
    };
    let mut found: Value = answer.json().await?;
    if let Some(format) = raw.format.as_deref().filter(|format| !format.is_empty()) {
        if let Some(members) = found.as_object_mut() {
            members.insert("ClientInfo".to_owned(), client_info(session));
        }
        let text = object(format, found.to_string().as_bytes(), &found)?;
        return output::print_line(&text);
    }
    output::print(&client_report(session))?;
    output::print(&format!("\nServer:\n{}", report(&found)))?;
    for warning in texts(&found, "Warnings") {
        output::warn(&warning);
    }
    Ok(())
}

fn client_info(session: &Session) -> Value {
    json!({"Version": session.version, "Context": "default", "Debug": false, "Plugins": [], "Warnings": null})
}

fn client_report(session: &Session) -> String {
    format!(
        "Client:\n Version:    {}\n Context:    default\n Debug Mode: false\n",
        session.version
    )
}

fn report(info: &Value) -> String {
    let mut lines = Vec::new();
    let mut line = |title: &str, value: String| lines.push(format!(" {title}: {value}"));
    line("Containers", number(info, "Containers").to_string());
    line(" Running", number(info, "ContainersRunning").to_string());
    line(" Paused", number(info, "ContainersPaused").to_string());
    line(" Stopped", number(info, "ContainersStopped").to_string());
    line("Images", number(info, "Images").to_string());
    line("Server Version", text(info, "ServerVersion").to_owned());
    line("Storage Driver", text(info, "Driver").to_owned());
    for pair in list(info, "DriverStatus") {
        let at = |index: usize| {
            pair.get(index)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        line(&format!(" {}", at(0)), at(1));
    }
    line("Logging Driver", text(info, "LoggingDriver").to_owned());
    line("Cgroup Driver", text(info, "CgroupDriver").to_owned());
    line("Cgroup Version", text(info, "CgroupVersion").to_owned());
    lines.push(" Plugins:".to_owned());
    for kind in ["Volume", "Network", "Log"] {
        lines.push(format!(
            "  {kind}: {}",
            texts(info, &format!("/Plugins/{kind}")).join(" ")
        ));
    }
    let mut line = |title: &str, value: String| lines.push(format!(" {title}: {value}"));
    line(
        "Swarm",
        match text(info, "/Swarm/LocalNodeState") {
            "" => "inactive".to_owned(),
            state => state.to_owned(),
        },
    );
    let runtimes = info.get("Runtimes").and_then(Value::as_object);
    let runtimes: Vec<&str> = runtimes
        .into_iter()
        .flat_map(Map::keys)
        .map(String::as_str)
        .collect();
    line("Runtimes", runtimes.join(" "));
    line("Default Runtime", text(info, "DefaultRuntime").to_owned());
    line("Init Binary", text(info, "InitBinary").to_owned());
    for (title, name) in [
        ("containerd version", "/ContainerdCommit/ID"),
        ("runc version", "/RuncCommit/ID"),
        ("init version", "/InitCommit/ID"),
    ] {
        match text(info, name) {
            "" => {}
            version => line(title, version.to_owned()),
        }
    }
    let options = texts(info, "SecurityOptions");
    if !options.is_empty() {
        lines.push(" Security Options:".to_owned());
        lines.extend(options.iter().flat_map(|option| security_option(option)));
    }
    lines.extend(host(info));
    lines.join("\n") + "\n"
}

/// `name=seccomp,profile=default`: the name, and beneath it what more is said.
fn security_option(option: &str) -> Vec<String> {
    option
        .split(',')
        .map(|part| match part.split_once('=') {
            Some(("name", name)) => format!("  {name}"),
            Some(("profile", profile)) => format!("   Profile: {profile}"),
            Some((key, value)) => format!("   {key}: {value}"),
            None => format!("  {part}"),
        })
        .collect()
}

fn host(info: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |title: &str, value: String| lines.push(format!(" {title}: {value}"));
    line("Kernel Version", text(info, "KernelVersion").to_owned());
    line("Operating System", text(info, "OperatingSystem").to_owned());
    line("OSType", text(info, "OSType").to_owned());
    line("Architecture", text(info, "Architecture").to_owned());
    line("CPUs", number(info, "NCPU").to_string());
    line("Total Memory", binary_size(float(number(info, "MemTotal"))));
    line("Name", text(info, "Name").to_owned());
    line("ID", text(info, "ID").to_owned());
    line("Docker Root Dir", text(info, "DockerRootDir").to_owned());
    line("Debug Mode", flag(info, "Debug").to_string());
    for (title, name) in [
        ("HTTP Proxy", "HttpProxy"),
        ("HTTPS Proxy", "HttpsProxy"),
        ("No Proxy", "NoProxy"),
    ] {
        match text(info, name) {
            "" => {}
            proxy => line(title, proxy.to_owned()),
        }
    }
    line("Experimental", flag(info, "ExperimentalBuild").to_string());
    let labels = texts(info, "Labels");
    if !labels.is_empty() {
        lines.push(" Labels:".to_owned());
        lines.extend(labels.iter().map(|label| format!("  {label}")));
    }
    let insecure = insecure_registries(info);
    if !insecure.is_empty() {
        lines.push(" Insecure Registries:".to_owned());
        lines.extend(insecure.iter().map(|registry| format!("  {registry}")));
    }
    let mirrors = texts(info, "/RegistryConfig/Mirrors");
    if !mirrors.is_empty() {
        lines.push(" Registry Mirrors:".to_owned());
        lines.extend(mirrors.iter().map(|mirror| format!("  {mirror}")));
    }
    lines.push(format!(
        " Live Restore Enabled: {}",
        flag(info, "LiveRestoreEnabled")
    ));
    let product = text(info, "ProductLicense");
    if !product.is_empty() {
        lines.push(format!(" Product License: {product}"));
    }
    let pools = list(info, "DefaultAddressPools");
    if !pools.is_empty() {
        lines.push(" Default Address Pools:".to_owned());
        lines.extend(pools.iter().map(|pool| {
            format!(
                "   Base: {}, Size: {}",
                text(pool, "Base"),
                number(pool, "Size")
            )
        }));
    }
    let annotations = map(info, "Annotations");
    if !annotations.is_empty() {
        lines.push(format!(" Annotations: {}", joined(&annotations)));
    }
    lines
}

fn insecure_registries(info: &Value) -> Vec<String> {
    let configured = info
        .pointer("/RegistryConfig/IndexConfigs")
        .and_then(Value::as_object);
    let mut names: Vec<String> = configured
        .into_iter()
        .flatten()
        .filter(|(_, index)| !flag(index, "Secure"))
        .map(|(name, _)| name.clone())
        .collect();
    names.extend(texts(info, "/RegistryConfig/InsecureRegistryCIDRs"));
    names
}

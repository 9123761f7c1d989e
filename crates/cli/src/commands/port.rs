//! `port`.

use client::Request;
use serde_json::Value;

use super::container_path;
use crate::args::container::Port;
use crate::failure::Failure;
use crate::output;
use crate::output::field::text;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Port) -> Result<(), Failure> {
    let found: Value = session
        .client
        .send(Request::get(container_path(&raw.container, "/json")?))
        .await?
        .json()
        .await?;
    let ports = found
        .pointer("/NetworkSettings/Ports")
        .and_then(Value::as_object);
    let wanted = raw.port.as_deref().map(|port| {
        if port.contains('/') {
            port.to_owned()
        } else {
            format!("{port}/tcp")
        }
    });
    let mut lines = Vec::new();
    for (port, bindings) in ports.into_iter().flatten() {
        if wanted.as_ref().is_some_and(|wanted| wanted != port) {
            continue;
        }
        for binding in bindings.as_array().into_iter().flatten() {
            let address = text(binding, "HostIp");
            let address = if address.contains(':') {
                format!("[{address}]")
            } else {
                address.to_owned()
            };
            let host = format!("{address}:{}", text(binding, "HostPort"));
            lines.push((
                port_number(port),
                if wanted.is_some() {
                    host
                } else {
                    format!("{port} -> {host}")
                },
            ));
        }
    }
    if let Some(wanted) = &raw.port
        && lines.is_empty()
    {
        return Err(Failure::message(format!(
            "Error: No public port '{wanted}' published for {}",
            raw.container
        )));
    }
    lines.sort();
    output::print(
        &lines
            .into_iter()
            .map(|(_, line)| line + "\n")
            .collect::<String>(),
    )
}

fn port_number(port: &str) -> u16 {
    port.split('/')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

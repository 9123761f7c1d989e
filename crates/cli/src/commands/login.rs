//! `login` and `logout`.

use std::io::Read;

use client::Request;
use serde_json::Value;

use crate::args::system::{Login as RawLogin, Logout};
use crate::config::{DOCKER_HUB, Login};
use crate::failure::Failure;
use crate::output;
use crate::output::field::text;
use crate::session::Session;
use crate::terminal::raw::{read_line, read_secret};
use crate::terminal::stdin_is_terminal;

/// A password on standard input is not longer.
const SECRET_LIMIT: u64 = 64 * 1024;

/// `login`.
pub(crate) async fn login(session: &mut Session, raw: &RawLogin) -> Result<(), Failure> {
    let server = server(raw.server.as_deref());
    let login = asked(raw, &server)?;
    let answer: Value = session
        .client
        .send(Request::post("/auth").json(&login))
        .await?
        .json()
        .await?;
    let mut kept = login;
    let token = text(&answer, "IdentityToken");
    if !token.is_empty() {
        kept.password = String::new();
        token.clone_into(&mut kept.identitytoken);
    }
    if session.config.keep(&kept)? {
        output::warn(&format!(
            "WARNING! Your credentials are stored unencrypted in '{}'.\nConfigure a credential helper (credsStore) to keep them elsewhere.\n",
            session.config.path().display()
        ));
    }
    let status = text(&answer, "Status");
    output::print_line(if status.is_empty() {
        "Login Succeeded"
    } else {
        status
    })
}

fn asked(raw: &RawLogin, server: &str) -> Result<Login, Failure> {
    if raw.password_stdin && raw.password.is_some() {
        return Err(Failure::message(
            "--password and --password-stdin are mutually exclusive",
        ));
    }
    if raw.password_stdin && raw.username.as_deref().unwrap_or_default().is_empty() {
        return Err(Failure::message(
            "the --password-stdin option requires --username to be set",
        ));
    }
    let interactive = stdin_is_terminal();
    let username = match &raw.username {
        Some(username) => username.clone(),
        None if interactive => read_line("Username: ")?.trim().to_owned(),
        None => {
            return Err(Failure::message(
                "Error: Cannot perform an interactive login from a non TTY device",
            ));
        }
    };
    if username.is_empty() {
        return Err(Failure::message("Error: Non-null Username Required"));
    }
    let password = match &raw.password {
        Some(password) => {
            output::warn(
                "WARNING! Using --password via the CLI is insecure. Use --password-stdin.",
            );
            password.clone()
        }
        None if raw.password_stdin => {
            let mut secret = String::new();
            std::io::stdin()
                .take(SECRET_LIMIT)
                .read_to_string(&mut secret)
                .map_err(|error| {
                    Failure::caused("reading the password from standard input", &error)
                })?;
            // One line end belongs to whoever wrote it, not to the password.
            let secret = secret.strip_suffix('\n').unwrap_or(&secret);
            secret.strip_suffix('\r').unwrap_or(secret).to_owned()
        }
        None if interactive => read_secret("Password: ")?,
        None => {
            return Err(Failure::message(
                "Error: Cannot perform an interactive login from a non TTY device",
            ));
        }
    };
    if password.is_empty() {
        return Err(Failure::message("Error: Password Required"));
    }
    Ok(Login {
        username,
        password,
        serveraddress: server.to_owned(),
        identitytoken: String::new(),
    })
}

/// `logout`.
pub(crate) fn logout(session: &mut Session, raw: &Logout) -> Result<(), Failure> {
    let server = server(raw.server.as_deref());
    let known = session.config.forget(&server)?;
    output::print_line(&format!("Removing login credentials for {server}"))?;
    if !known && session.config.helper(&server).is_none() {
        output::hint("there were none");
    }
    Ok(())
}

/// The name under which a registry's login is kept: its host, or Docker's own address for its own.
fn server(named: Option<&str>) -> String {
    match named.map(str::trim).filter(|server| !server.is_empty()) {
        None | Some("docker.io" | "index.docker.io" | "registry-1.docker.io") => {
            DOCKER_HUB.to_owned()
        }
        Some(server) if server == DOCKER_HUB => DOCKER_HUB.to_owned(),
        Some(server) => {
            let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
            rest.split('/').next().unwrap_or(rest).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::server;

    #[test]
    fn a_registry_is_its_host() {
        assert_eq!(server(None), "https://index.docker.io/v1/");
        assert_eq!(server(Some("docker.io")), "https://index.docker.io/v1/");
        assert_eq!(server(Some("https://host:5000/v2/")), "host:5000");
        assert_eq!(server(Some("host:5000")), "host:5000");
    }
}

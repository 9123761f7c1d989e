//! What every command works with: the engine's client, the configuration file, the time and its zone.

use std::path::PathBuf;
use std::sync::Arc;

use client::{Client, Endpoint, EndpointChoice, Settings, TlsFiles};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::Program;
use crate::args::Global;
use crate::config::ConfigFile;
use crate::failure::Failure;

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) program: String,
    pub(crate) version: &'static str,
    pub(crate) client: Arc<Client>,
    pub(crate) config: ConfigFile,
    pub(crate) zone: TimeZone,
    began: Timestamp,
}

impl Session {
    /// Decides by flags before environment before the program's name.
    pub(crate) fn open(program: &Program, global: &Global) -> Result<Self, Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = std::env::home_dir().unwrap_or_default();
        let folder = global
            .config
            .clone()
            .or_else(|| variable("DOCKER_CONFIG"))
            .map_or_else(|| home.join(".docker"), PathBuf::from);
        let config = ConfigFile::read(&folder)?;
        let context = global
            .context
            .clone()
            .or_else(|| variable("DOCKER_CONTEXT"));
        if let Some(context) = context.filter(|context| context != "default") {
            return Err(Failure::message(format!(
                "context {context:?} is not known: only the default one is"
            ))
            .with_hint("name the engine with -H or DOCKER_HOST"));
        }
        let host = match global.host.as_slice() {
            [] => variable("DOCKER_HOST"),
            [host] => Some(host.clone()),
            _ => return Err(Failure::message("specify only one -H")),
        };
        let asked_by_flag = global.tls || global.tlsverify;
        let verify = global.tlsverify || variable("DOCKER_TLS_VERIFY").is_some();
        let tls_wanted = asked_by_flag || verify || variable("DOCKER_TLS").is_some();
        let certificates = variable("DOCKER_CERT_PATH").map_or(folder, PathBuf::from);
        let file = |flag: &Option<String>, name: &str| {
            flag.as_ref()
                .map_or_else(|| certificates.join(name), PathBuf::from)
        };
        let tls = tls_wanted.then(|| TlsFiles {
            authorities: file(&global.tlscacert, "ca.pem"),
            certificate: file(&global.tlscert, "cert.pem"),
            key: file(&global.tlskey, "key.pem"),
            verify,
        });
        let endpoint = Endpoint::resolve(EndpointChoice {
            host,
            default_socket: default_socket(&program.name),
            tls,
        })
        .map_err(|error| {
            Failure::message(error.to_string())
                .with_hint("unix:///path, tcp://host:port and ssh://host are known")
        })?;
        let settings = Settings {
            api_version: variable("DOCKER_API_VERSION"),
            user_agent: format!("{}/{} (linux)", program.name, program.version),
            headers: config.headers(),
        };
        Ok(Self {
            program: program.name.clone(),
            version: program.version,
            client: Arc::new(Client::new(endpoint, settings)?),
            config,
            zone: TimeZone::system(),
            began: Timestamp::now(),
        })
    }

    /// The present: one for the whole command.
    pub(crate) fn now(&self) -> Timestamp {
        self.began
    }

    /// A time of `--since` or `--until` as the API takes it.
    pub(crate) fn api_timestamp(&self, text: &str) -> String {
        crate::value::time::api_timestamp(text, self.now(), &self.zone)
    }

    /// A time in the words of tables: `2026-11-27 07:00:00 +0000 UTC`.
    pub(crate) fn local_time(&self, seconds: i64) -> String {
        let Ok(point) = Timestamp::from_second(seconds) else {
            return String::new();
        };
        point
            .to_zoned(self.zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S %z %Z")
            .to_string()
    }
}

fn default_socket(name: &str) -> PathBuf {
    if name == "docker" {
        "/var/run/docker.sock"
    } else {
        "/run/essaim.sock"
    }
    .into()
}

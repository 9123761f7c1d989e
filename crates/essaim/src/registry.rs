//! `essaim registry`: a registry of one's own, from flags to a served one.
//!
//! ```text
//! essaim registry serve             keeps images for others, until a signal
//! essaim registry garbage-collect   removes what no image needs, also beside a server
//! essaim registry user NAME         makes a line of the file of users, from a password on standard input
//! ```

use std::ffi::OsString;
use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Command, FromArgMatches, Parser, Subcommand};
use image::registry::server::{
    Deletion, Registry, Settings, TlsFiles, Untagged, collect_garbage, serve, user_line,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Keep images for others: a registry
#[derive(Debug, Parser)]
#[command(name = "registry", bin_name = "essaim registry")]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serve a registry until a signal ends it
    Serve(Serve),
    /// Remove what no image of a registry needs
    GarbageCollect(GarbageCollect),
    /// Print a line for the file of users; the password is the first line of standard input
    User {
        /// The user's name
        name: String,
    },
}

#[derive(Debug, Args)]
struct Serve {
    /// Directory of everything that is kept
    #[arg(long, value_name = "DIR", env = "ESSAIM_REGISTRY_ROOT", default_value = ROOT)]
    root: PathBuf,

    /// Where to listen
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        env = "ESSAIM_REGISTRY_LISTEN",
        default_value = "127.0.0.1:5000"
    )]
    listen: SocketAddr,

    /// Certificate in PEM form, with those between it and an authority
    #[arg(
        long,
        value_name = "FILE",
        env = "ESSAIM_REGISTRY_TLSCERT",
        requires = "tlskey"
    )]
    tlscert: Option<PathBuf>,

    /// The certificate's key in PEM form
    #[arg(
        long,
        value_name = "FILE",
        env = "ESSAIM_REGISTRY_TLSKEY",
        requires = "tlscert"
    )]
    tlskey: Option<PathBuf>,

    /// File of users, lines of `essaim registry user`; without it, everybody may pull and push
    #[arg(long, value_name = "FILE", env = "ESSAIM_REGISTRY_USERS")]
    users: Option<PathBuf>,

    /// Refuse to remove anything
    #[arg(long, env = "ESSAIM_REGISTRY_NO_DELETE")]
    no_delete: bool,
}

#[derive(Debug, Args)]
struct GarbageCollect {
    /// Directory of everything that is kept
    #[arg(long, value_name = "DIR", env = "ESSAIM_REGISTRY_ROOT", default_value = ROOT)]
    root: PathBuf,

    /// Remove images without a tag too, though they can be had by their digests
    #[arg(long)]
    delete_untagged: bool,

    /// Leave what was pushed less than so many seconds ago: an upload may be under way
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    spare: u64,
}

/// Where a registry keeps everything, if nobody says.
const ROOT: &str = "/var/lib/essaim-registry";

/// The command, for help and completions.
pub(crate) fn command() -> Command {
    <Arguments as clap::CommandFactory>::command()
}

/// Does what these arguments say.
pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    let name = OsString::from("essaim registry");
    let parsed = command()
        .try_get_matches_from(std::iter::once(&name).chain(arguments))
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let action = match parsed {
        Ok(arguments) => arguments.command,
        Err(error) => {
            // Nothing to be done if even that cannot be written.
            let _told = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    match run(action) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            let text = format!("essaim registry: {}\n", causes.join(": "));
            let _told = std::io::stderr().write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(action: Action) -> Result<()> {
    match action {
        Action::Serve(options) => {
            crate::daemon::log::start(tracing::level_filters::LevelFilter::INFO);
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .context("cannot start the threads")?
                .block_on(serve_registry(options))
        }
        Action::GarbageCollect(options) => {
            let untagged = if options.delete_untagged {
                Untagged::Remove
            } else {
                Untagged::Keep
            };
            let spared = Duration::from_secs(options.spare);
            let collected = collect_garbage(&options.root, untagged, spared)?;
            let (manifests, blobs) = (collected.manifests, collected.blobs);
            say(&format!(
                "removed {manifests} manifests and {blobs} blobs of {} bytes",
                collected.bytes
            ))
        }
        Action::User { name } => {
            anyhow::ensure!(
                !name.is_empty() && !name.contains([':', '\n']),
                "a user's name cannot be empty or have a colon in it"
            );
            let mut password = String::new();
            std::io::stdin()
                .lock()
                .read_line(&mut password)
                .context("cannot read the password")?;
            let password = password.trim_end_matches(['\r', '\n']);
            anyhow::ensure!(!password.is_empty(), "the password is empty");
            say(&user_line(&name, password)?)
        }
    }
}

async fn serve_registry(options: Serve) -> Result<()> {
    let registry = Registry::open(&Settings {
        root: options.root,
        users: options.users,
        deletion: if options.no_delete {
            Deletion::Refused
        } else {
            Deletion::Allowed
        },
    })?;
    let tls = options
        .tlscert
        .zip(options.tlskey)
        .map(|(certificate, key)| TlsFiles { certificate, key });
    let mut stops = [SignalKind::terminate(), SignalKind::interrupt()]
        .map(|kind| signal(kind).context("cannot listen for signals"))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let stop = async {
        if let [terminate, interrupt] = stops.as_mut_slice() {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        }
        tracing::info!("stopping");
    };
    Ok(serve(&registry, listener, tls.as_ref(), stop).await?)
}

fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write the answer")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{Action, Arguments, command};

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let parse = |arguments: &[&str]| Arguments::try_parse_from(arguments);
        assert!(parse(&["registry", "serve", "--tlscert", "a"]).is_err());
        let both = parse(&["registry", "serve", "--tlscert", "a", "--tlskey", "b"]).unwrap();
        let Action::Serve(serve) = both.command else {
            panic!("another command");
        };
        assert_eq!(serve.listen.to_string(), "127.0.0.1:5000");
    }
}

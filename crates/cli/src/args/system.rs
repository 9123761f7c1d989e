//! Arguments of the commands about the engine, registries' logins, and this program itself.

use clap::{Args, Subcommand};

/// `system …`.
#[derive(Debug, Subcommand)]
pub(crate) enum System {
    /// Show the space that images, containers and volumes take
    Df(Df),
    /// Pass standard input and output on to the engine
    #[command(hide = true)]
    DialStdio,
    /// Show the engine's events as they happen
    Events(Events),
    /// Show what the engine says of itself
    Info(Info),
    /// Remove what nothing uses
    Prune(PruneSystem),
}

/// `version`.
#[derive(Debug, Args)]
pub(crate) struct Version {
    /// "json" or a Go template
    #[arg(short, long, value_name = "string")]
    pub(crate) format: Option<String>,
}

/// `info`.
#[derive(Debug, Args)]
pub(crate) struct Info {
    /// "json" or a Go template
    #[arg(short, long, value_name = "string")]
    pub(crate) format: Option<String>,
}

/// `events`.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Show only what meets a condition, such as type=container
    #[arg(short, long, value_name = "filter", value_parser = crate::value::filter)]
    pub(crate) filter: Vec<String>,
    /// "json" or a Go template
    #[arg(long, value_name = "string")]
    pub(crate) format: Option<String>,
    /// Show events since a time or an age
    #[arg(long, value_name = "string")]
    pub(crate) since: Option<String>,
    /// Show events until a time or an age
    #[arg(long, value_name = "string")]
    pub(crate) until: Option<String>,
}

/// `system df`.
#[derive(Debug, Args)]
pub(crate) struct Df {
    /// "table", "table TEMPLATE", "json" or a Go template
    #[arg(long, value_name = "string")]
    pub(crate) format: Option<String>,
    /// Show each object
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// `container prune`, `network prune`.
#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Remove only what meets a condition, such as until=24h
    #[arg(long, value_name = "filter", value_parser = crate::value::filter)]
    pub(crate) filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// `image prune`, `volume prune`, `builder prune`.
#[derive(Debug, Args)]
pub(crate) struct PruneAll {
    /// Remove all that nothing uses, not only what has no name
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Remove only what meets a condition, such as label=key
    #[arg(long, value_name = "filter", value_parser = crate::value::filter)]
    pub(crate) filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// `system prune`.
#[derive(Debug, Args)]
pub(crate) struct PruneSystem {
    /// Remove all images that nothing uses, not only those without a name
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Remove only what meets a condition, such as until=24h
    #[arg(long, value_name = "filter", value_parser = crate::value::filter)]
    pub(crate) filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Remove anonymous volumes too
    #[arg(long)]
    pub(crate) volumes: bool,
}

/// `inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// "json" or a Go template
    #[arg(short, long, value_name = "string")]
    pub(crate) format: Option<String>,
    /// Show sizes of containers' file systems
    #[arg(short, long)]
    pub(crate) size: bool,
    /// Look only among objects of this type: container, image, network, volume
    #[arg(long = "type", value_name = "string")]
    pub(crate) kind: Option<String>,
    #[arg(value_name = "NAME|ID [NAME|ID...]", required = true)]
    pub(crate) names: Vec<String>,
}

/// `login`.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Password
    #[arg(short, long, value_name = "string")]
    pub(crate) password: Option<String>,
    /// Take the password from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// User name
    #[arg(short, long, value_name = "string")]
    pub(crate) username: Option<String>,
    #[arg(value_name = "[SERVER]")]
    pub(crate) server: Option<String>,
}

/// `logout`.
#[derive(Debug, Args)]
pub(crate) struct Logout {
    #[arg(value_name = "[SERVER]")]
    pub(crate) server: Option<String>,
}

/// `manual`.
#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// Where to put them: a directory, made if it is not there
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directory: std::path::PathBuf,
}

/// `completion`.
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// bash, zsh or fish
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    pub(crate) shell: String,
}

//! Arguments of the commands about volumes.

use clap::{Args, Subcommand};

use crate::args::system::PruneAll;

/// `volume …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Volume {
    /// Create a volume
    Create(Create),
    /// Show all that is known of one or more volumes
    Inspect(Inspect),
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Remove local volumes that nothing uses
    Prune(PruneAll),
    /// Remove one or more volumes
    #[command(visible_alias = "remove")]
    Rm(Rm),
}

/// `volume create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Driver of the volume
    #[arg(short, long, value_name = "string", default_value = "local")]
    pub(crate) driver: String,
    /// Set labels of the volume
    #[arg(long, value_name = "list")]
    pub(crate) label: Vec<String>,
    /// Name, as an option
    #[arg(long, value_name = "string", hide = true)]
    pub(crate) name: Option<String>,
    /// Options for the driver
    #[arg(short, long, value_name = "map")]
    pub(crate) opt: Vec<String>,
    #[arg(value_name = "[VOLUME]")]
    pub(crate) volume: Option<String>,
}

/// `volume inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// "json" or a Go template
    #[arg(short, long, value_name = "string")]
    pub(crate) format: Option<String>,
    #[arg(value_name = "VOLUME [VOLUME...]", required = true)]
    pub(crate) volumes: Vec<String>,
}

/// `volume ls`.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Show only what meets a condition, such as dangling=true
    #[arg(short, long, value_name = "filter", value_parser = crate::value::filter)]
    pub(crate) filter: Vec<String>,
    /// "table", "table TEMPLATE", "json" or a Go template
    #[arg(long, value_name = "string")]
    pub(crate) format: Option<String>,
    /// Show only names
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `volume rm`.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// No error where a volume is not there
    #[arg(short, long)]
    pub(crate) force: bool,
    #[arg(value_name = "VOLUME [VOLUME...]", required = true)]
    pub(crate) volumes: Vec<String>,
}

//! Arguments of the commands about networks.

use clap::{Args, Subcommand};

use crate::args::system::Prune;

/// `network …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Network {
    /// Connect a container to a network
    Connect(Connect),
    /// Create a network
    Create(Create),
    /// Disconnect a container from a network
    Disconnect(Disconnect),
    /// Show all that is known of one or more networks
    Inspect(Inspect),
    /// List networks
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Remove all networks that nothing uses
    Prune(Prune),
    /// Remove one or more networks
    #[command(visible_alias = "remove")]
    Rm(Rm),
}

/// `network connect`.
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// Add a name for the container on the network
    #[arg(long, value_name = "strings")]
    pub(crate) alias: Vec<String>,
    /// Options for the network's driver
    #[arg(long, value_name = "strings")]
    pub(crate) driver_opt: Vec<String>,
    /// IPv4 address
    #[arg(long, value_name = "string")]
    pub(crate) ip: Option<String>,
    /// IPv6 address
    #[arg(long, value_name = "string")]
    pub(crate) ip6: Option<String>,
    /// Add a link to another container
    #[arg(long, value_name = "list")]
    pub(crate) link: Vec<String>,
    /// Add a link-local address
    #[arg(long, value_name = "strings")]
    pub(crate) link_local_ip: Vec<String>,
    #[arg(value_name = "NETWORK")]
    pub(crate) network: String,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

/// `network create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Let containers be attached by hand
    #[arg(long)]
    pub(crate) attachable: bool,
    /// Addresses that the driver uses itself
    #[arg(long, value_name = "map")]
    pub(crate) aux_address: Vec<String>,
    /// Driver of the network
    #[arg(short, long, value_name = "string", default_value = "bridge")]
    pub(crate) driver: String,
    /// Gateway of a subnet
    #[arg(long, value_name = "strings")]
    pub(crate) gateway: Vec<String>,
    /// Keep the network apart from the outside
    #[arg(long)]
    pub(crate) internal: bool,
    /// Range within a subnet to take addresses from
    #[arg(long, value_name = "strings")]
    pub(crate) ip_range: Vec<String>,
    /// Driver that manages addresses
    #[arg(long, value_name = "string", default_value = "default")]
    pub(crate) ipam_driver: String,
    /// Options for that driver
    #[arg(long, value_name = "map")]
    pub(crate) ipam_opt: Vec<String>,
    /// Use IPv6
    #[arg(long)]
    pub(crate) ipv6: bool,
    /// Set labels of the network
    #[arg(long, value_name = "list")]
    pub(crate) label: Vec<String>,
    /// Options for the driver
    #[arg(short, long, value_name = "map")]
    pub(crate) opt: Vec<String>,
    /// How far the network reaches
    #[arg(long, value_name = "string")]
    pub(crate) scope: Option<String>,
    /// Subnet, such as 10.5.0.0/16
    #[arg(long, value_name = "strings", value_delimiter = ',')]
    pub(crate) subnet: Vec<String>,
    #[arg(value_name = "NETWORK")]
    pub(crate) network: String,
}

/// `network disconnect`.
#[derive(Debug, Args)]
pub(crate) struct Disconnect {
    /// Disconnect it whatever stands in the way
    #[arg(short, long)]
    pub(crate) force: bool,
    #[arg(value_name = "NETWORK")]
    pub(crate) network: String,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

/// `network inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// "json" or a Go template
    #[arg(short, long, value_name = "string")]
    pub(crate) format: Option<String>,
    /// Show more
    #[arg(short, long)]
    pub(crate) verbose: bool,
    #[arg(value_name = "NETWORK [NETWORK...]", required = true)]
    pub(crate) networks: Vec<String>,
}

/// `network ls`.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Show only what meets a condition, such as driver=bridge
    #[arg(short, long, value_name = "filter", value_parser = crate::value::filter)]
    pub(crate) filter: Vec<String>,
    /// "table", "table TEMPLATE", "json" or a Go template
    #[arg(long, value_name = "string")]
    pub(crate) format: Option<String>,
    /// Do not shorten anything
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Show only ids
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `network rm`.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// No error where a network is not there
    #[arg(short, long)]
    pub(crate) force: bool,
    #[arg(value_name = "NETWORK [NETWORK...]", required = true)]
    pub(crate) networks: Vec<String>,
}

//! What the daemon can be told, and by what: flags, the environment, a file.
//!
//! A flag `--data-root` is `ESSAIM_DATA_ROOT` in the environment and `data-root` in the file. The environment
//! gives way to flags, the file to the environment; a flag and the file about the same thing is an error, as in
//! Docker's daemon: one of the two is not what somebody thinks it is.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde::{Deserialize, Serialize};

use super::file::{self, FileError};

/// Where the file is looked for if nobody says; it need not be there.
const DEFAULT_FILE: &str = "/etc/essaim/daemon.toml";

/// All that can be told, before it is understood.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Options {
    /// Directory of everything that is kept; /var/lib/essaim if none is given
    #[arg(
        long,
        value_name = "DIR",
        env = "ESSAIM_DATA_ROOT",
        help_heading = "Places"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data_root: Option<PathBuf>,

    /// Directory of what only running containers need; /run/essaim if none is given
    #[arg(
        long,
        value_name = "DIR",
        env = "ESSAIM_EXEC_ROOT",
        help_heading = "Places"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exec_root: Option<PathBuf>,

    /// File for the daemon's process number
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "ESSAIM_PIDFILE",
        help_heading = "Places"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pidfile: Option<PathBuf>,

    // Not a comment for help: lints take an address in one for a link.
    #[arg(
        help = "Where to listen: unix:///path or tcp://address:port, several times if need be; unix:///run/essaim.sock if none is given",
        short = 'H',
        long,
        value_name = "PLACE",
        env = "ESSAIM_HOST",
        value_delimiter = ',',
        help_heading = "Places"
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) host: Vec<String>,

    /// Group that may use the socket
    #[arg(
        short = 'G',
        long,
        value_name = "GROUP",
        env = "ESSAIM_GROUP",
        help_heading = "Places"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,

    /// Cgroup that the containers' cgroups are made in; /essaim if none is given
    #[arg(
        long,
        value_name = "CGROUP",
        env = "ESSAIM_CGROUP_PARENT",
        help_heading = "Places"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cgroup_parent: Option<String>,

    /// Let in over TCP only clients with a certificate of the authority
    #[arg(long, env = "ESSAIM_TLSVERIFY", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "TLS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tlsverify: Option<bool>,

    /// Use TLS; without --tlsverify it is refused
    #[arg(long, env = "ESSAIM_TLS", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<bool>,

    /// Certificates of the clients' authority
    #[arg(
        long,
        value_name = "FILE",
        env = "ESSAIM_TLSCACERT",
        help_heading = "TLS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tlscacert: Option<PathBuf>,

    /// The daemon's certificate
    #[arg(
        long,
        value_name = "FILE",
        env = "ESSAIM_TLSCERT",
        help_heading = "TLS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tlscert: Option<PathBuf>,

    /// The daemon's private key
    #[arg(long, value_name = "FILE", env = "ESSAIM_TLSKEY", help_heading = "TLS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tlskey: Option<PathBuf>,

    /// Registry to ask before Docker's own
    #[arg(
        long,
        value_name = "URL",
        env = "ESSAIM_REGISTRY_MIRROR",
        value_delimiter = ',',
        help_heading = "Registries"
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) registry_mirror: Vec<String>,

    /// Registry that may be spoken to without verified TLS
    #[arg(
        long,
        value_name = "NAME|RANGE",
        env = "ESSAIM_INSECURE_REGISTRY",
        value_delimiter = ',',
        help_heading = "Registries"
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) insecure_registry: Vec<String>,

    /// Address and prefix length of the default bridge
    #[arg(
        long,
        value_name = "CIDR",
        env = "ESSAIM_BIP",
        help_heading = "Network"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bip: Option<String>,

    /// Prefix of the names of network devices and tables; engines in one network namespace differ in it
    #[arg(
        long,
        value_name = "NAME",
        env = "ESSAIM_NETWORK_NAME",
        help_heading = "Network"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) network_name: Option<String>,

    /// Range that networks get their subnets from: base=10.10.0.0/16,size=24
    #[arg(
        long,
        value_name = "POOL",
        env = "ESSAIM_DEFAULT_ADDRESS_POOL",
        value_delimiter = ';',
        help_heading = "Network"
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) default_address_pool: Vec<String>,

    /// Server that containers look names up at
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "ESSAIM_DNS",
        value_delimiter = ',',
        help_heading = "Network"
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dns: Vec<String>,

    /// Domain that containers look names up in
    #[arg(
        long,
        value_name = "DOMAIN",
        env = "ESSAIM_DNS_SEARCH",
        value_delimiter = ',',
        help_heading = "Network"
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dns_search: Vec<String>,

    /// Option for the containers' resolv.conf
    #[arg(
        long,
        visible_alias = "dns-option",
        value_name = "OPTION",
        env = "ESSAIM_DNS_OPT",
        value_delimiter = ',',
        help_heading = "Network"
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dns_opt: Vec<String>,

    /// Limit of a container that asks for none: nofile=1024:2048
    #[arg(
        long,
        value_name = "LIMIT",
        env = "ESSAIM_DEFAULT_ULIMIT",
        value_delimiter = ',',
        help_heading = "Containers"
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) default_ulimit: Vec<String>,

    /// Size of /dev/shm: 64m
    #[arg(
        long,
        value_name = "SIZE",
        env = "ESSAIM_DEFAULT_SHM_SIZE",
        help_heading = "Containers"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) default_shm_size: Option<String>,

    /// Run an init in every container
    #[arg(long, env = "ESSAIM_INIT", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Containers")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) init: Option<bool>,

    /// Keep containers running when the daemon ends
    #[arg(long, env = "ESSAIM_LIVE_RESTORE", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Containers")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) live_restore: Option<bool>,

    /// Seconds that containers get when the daemon ends
    #[arg(
        long,
        value_name = "SECONDS",
        env = "ESSAIM_SHUTDOWN_TIMEOUT",
        help_heading = "Containers"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shutdown_timeout: Option<u64>,

    /// How output is kept: json-file
    #[arg(
        long,
        value_name = "DRIVER",
        env = "ESSAIM_LOG_DRIVER",
        help_heading = "Containers"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log_driver: Option<String>,

    /// Option of how output is kept: max-size=10m, max-file=3
    #[arg(
        long,
        value_name = "NAME=VALUE",
        env = "ESSAIM_LOG_OPT",
        value_delimiter = ',',
        help_heading = "Containers"
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) log_opt: Vec<String>,

    /// Where layers are kept: overlay2
    #[arg(
        short,
        long,
        value_name = "DRIVER",
        env = "ESSAIM_STORAGE_DRIVER",
        hide = true
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storage_driver: Option<String>,

    /// Label of this engine
    #[arg(
        long,
        value_name = "NAME=VALUE",
        env = "ESSAIM_LABEL",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) label: Vec<String>,

    /// Tell everything
    #[arg(short = 'D', long, env = "ESSAIM_DEBUG", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) debug: Option<bool>,

    /// How grave what is told has to be: debug, info, warn, error
    #[arg(short, long, value_name = "LEVEL", env = "ESSAIM_LOG_LEVEL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log_level: Option<String>,
}

/// Why there are no options.
pub(super) enum Unusable {
    /// The flags are wrong, or ask for help.
    Flags(clap::Error),
    /// The file is wrong.
    File(FileError),
}

/// The command with its flags.
pub(super) fn command() -> Command {
    let command = Command::new("daemon").bin_name("essaim daemon").arg(
        clap::arg!(--"config-file" <FILE> "File with the same settings, in TOML")
            .env("ESSAIM_CONFIG_FILE")
            .value_parser(clap::value_parser!(PathBuf)),
    );
    // Last: the flags' own comment would take its place.
    Options::augment_args(command).about("Run the engine: containers behind Docker's API")
}

/// Reads flags, environment and file.
pub(super) fn parse(arguments: &[OsString]) -> Result<Options, Unusable> {
    let name = OsString::from("essaim daemon");
    let matches = command()
        .try_get_matches_from(std::iter::once(&name).chain(arguments))
        .map_err(Unusable::Flags)?;
    let told = Options::from_arg_matches(&matches).map_err(Unusable::Flags)?;
    let path = matches.get_one::<PathBuf>("config-file");
    let text = match path {
        Some(path) => Some(file::read(path)),
        None => file::read_if_there(DEFAULT_FILE.as_ref()),
    };
    let Some(text) = text.transpose().map_err(Unusable::File)? else {
        return Ok(told);
    };
    let path = path.cloned().unwrap_or_else(|| DEFAULT_FILE.into());
    file::merge(&path, &text, told, |key| source(&matches, key)).map_err(Unusable::File)
}

fn source(matches: &ArgMatches, key: &str) -> Option<ValueSource> {
    let id = key.replace('-', "_");
    matches.try_contains_id(&id).ok()?;
    matches.value_source(&id)
}

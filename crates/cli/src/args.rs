//! Raw arguments: what may be typed, as clap definitions, and the words of Docker's clients for what may not.
//!
//! The definitions serve twice: as they stand for help, manual pages and completions, and changed by
//! [`for_parsing`] into what is parsed, where every flag also takes `=true` and `=false`. Nothing here looks at
//! the world or decides anything: a value's text is checked, its meaning is the command's.
#![expect(
    clippy::struct_excessive_bools,
    reason = "a command's flags are the user's, and independent of each other"
)]

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::failure::Failure;
use crate::value;

pub(crate) mod container;
pub(crate) mod create;
pub(crate) mod help;
pub(crate) mod image;
pub(crate) mod network;
pub(crate) mod system;
pub(crate) mod usage;
pub(crate) mod volume;

/// Containers, images, networks and volumes from the command line.
#[derive(Debug, Parser)]
#[command(
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true
)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options before the command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder of the configuration file (default "~/.docker")
    #[arg(long, value_name = "string")]
    pub(crate) config: Option<String>,
    /// Accepted for scripts; only the default context exists
    #[arg(short, long, value_name = "string", hide = true)]
    pub(crate) context: Option<String>,
    /// Accepted for scripts
    #[arg(short = 'D', long, hide = true)]
    pub(crate) debug: bool,
    /// Engine to connect to: unix://, tcp:// or ssh://
    #[arg(short = 'H', long, value_name = "list")]
    pub(crate) host: Vec<String>,
    /// Accepted for scripts
    #[arg(short, long, value_name = "string", hide = true)]
    pub(crate) log_level: Option<String>,
    /// Use TLS; implied by --tlsverify
    #[arg(long)]
    pub(crate) tls: bool,
    /// Trust only certificates of this authority (default "~/.docker/ca.pem")
    #[arg(long, value_name = "string")]
    pub(crate) tlscacert: Option<String>,
    /// The client's certificate (default "~/.docker/cert.pem")
    #[arg(long, value_name = "string")]
    pub(crate) tlscert: Option<String>,
    /// The client's key (default "~/.docker/key.pem")
    #[arg(long, value_name = "string")]
    pub(crate) tlskey: Option<String>,
    /// Use TLS and check the engine's certificate
    #[arg(long)]
    pub(crate) tlsverify: bool,
    /// Print the version and quit
    #[arg(short, long)]
    pub(crate) version: bool,
}

/// The heading under which a command's most used neighbours stand in the help.
pub(crate) const COMMON: &[&str] = &[
    "run", "exec", "ps", "build", "pull", "push", "images", "login", "logout", "version", "info",
];

/// Every command. Those of a management command are the same ones again.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create and run a new container from an image
    Run(create::Run),
    /// Execute a command in a running container
    Exec(container::Exec),
    /// List containers
    Ps(container::Ls),
    /// Build an image from a Dockerfile
    Build(image::Build),
    /// Download an image from a registry
    Pull(image::Pull),
    /// Upload an image to a registry
    Push(image::Push),
    /// List images
    Images(image::Ls),
    /// Log in to a registry
    Login(system::Login),
    /// Log out from a registry
    Logout(system::Logout),
    /// Show the versions of client and engine
    Version(system::Version),
    /// Show what the engine says of itself
    Info(system::Info),

    /// Manage containers
    #[command(subcommand)]
    Container(container::Container),
    /// Manage images
    #[command(subcommand)]
    Image(image::Image),
    /// Manage networks
    #[command(subcommand)]
    Network(network::Network),
    /// Manage the engine
    #[command(subcommand)]
    System(system::System),
    /// Manage volumes
    #[command(subcommand)]
    Volume(volume::Volume),
    /// Manage builds
    #[command(subcommand)]
    Builder(image::Builder),

    /// Attach this terminal's streams to a running container
    Attach(container::Attach),
    /// Create a new image from a container's changes
    Commit(container::Commit),
    /// Print a completion script for a shell
    Completion(system::Completion),
    /// Copy files between a container and the local file system
    Cp(container::Cp),
    /// Create a new container
    Create(create::Create),
    /// Show what changed on a container's file system
    Diff(container::One),
    /// Show the engine's events as they happen
    Events(system::Events),
    /// Export a container's file system as a tar archive
    Export(container::Export),
    /// Show how an image was made
    History(image::History),
    /// Create an image from a tar archive of a file system
    Import(image::Import),
    /// Show all that is known of an object
    Inspect(system::Inspect),
    /// Kill one or more running containers
    Kill(container::Kill),
    /// Load images from a tar archive or standard input
    Load(image::Load),
    /// Show a container's output
    Logs(container::Logs),
    /// Write the manual pages of all commands into a directory
    Manual(system::Manual),
    /// Pause all processes of one or more containers
    Pause(container::Many),
    /// List a container's published ports
    Port(container::Port),
    /// Rename a container
    Rename(container::Rename),
    /// Restart one or more containers
    Restart(container::Stop),
    /// Remove one or more containers
    Rm(container::Rm),
    /// Remove one or more images
    Rmi(image::Rm),
    /// Save images to a tar archive, by default on standard output
    Save(image::Save),
    /// Start one or more stopped containers
    Start(container::Start),
    /// Show what containers use, as it changes
    Stats(container::Stats),
    /// Stop one or more running containers
    Stop(container::Stop),
    /// Give an image another name
    Tag(image::Tag),
    /// Show the processes of a container
    Top(container::Top),
    /// Resume all processes of one or more containers
    Unpause(container::Many),
    /// Change the limits of one or more containers
    Update(create::Update),
    /// Wait until containers stop, then print their exit codes
    Wait(container::Many),
}

/// The definitions, as help shows them.
pub(crate) fn definitions(name: &str, more: &[clap::Command]) -> clap::Command {
    let mut command = CommandLine::command().name(name.to_owned()).bin_name(name);
    for other in more {
        command = command.subcommand(other.clone());
    }
    command
}

/// Parses what was typed.
pub(crate) fn parse(
    name: &str,
    more: &[clap::Command],
    arguments: &[OsString],
) -> Result<CommandLine, Failure> {
    let definitions = definitions(name, more);
    let words = std::iter::once(OsStr::new(name)).chain(arguments.iter().map(OsString::as_os_str));
    for_parsing(definitions.clone(), true)
        .try_get_matches_from(words)
        .and_then(|matches| CommandLine::from_arg_matches(&matches))
        .map_err(|error| usage::failure(&definitions, arguments, &error))
}

/// Changes definitions into what Docker's clients accept: a flag may be told its value, the last of several
/// values counts, a value may begin with a dash, and `--help` is everywhere.
pub(crate) fn for_parsing(command: clap::Command, root: bool) -> clap::Command {
    let command = command
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
        .subcommand_required(false)
        .arg_required_else_help(false)
        .mut_args(|arg| match arg.get_action() {
            ArgAction::SetTrue => switch(arg),
            ArgAction::Set | ArgAction::Append if !arg.is_positional() => {
                arg.allow_hyphen_values(true)
            }
            _ => arg,
        })
        .mut_subcommands(|sub| for_parsing(sub, false));
    let help = Arg::new("help").long("help").action(ArgAction::Help);
    let short_is_free = command
        .get_arguments()
        .all(|arg| arg.get_short() != Some('h'));
    command.arg(if root || short_is_free {
        help.short('h')
    } else {
        help
    })
}

fn switch(arg: Arg) -> Arg {
    let is_on = arg
        .get_default_values()
        .first()
        .is_some_and(|default| default == "true");
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value(if is_on { "true" } else { "false" })
        .value_parser(value::boolean)
}

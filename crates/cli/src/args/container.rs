//! Arguments of the commands about containers.

use clap::{Args, Subcommand};

use super::create;
use crate::args::system::Prune;

/// `container …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Container {
    /// Attach this terminal's streams to a running container
    Attach(Attach),
    /// Create a new image from a container's changes
    Commit(Commit),
    /// Copy files between a container and the local file system
    Cp(Cp),
    /// Create a new container
    Create(create::Create),
    /// Show what changed on a container's file system
    Diff(One),
    /// Execute a command in a running container
    Exec(Exec),
    /// Export a container's file system as a tar archive
    Export(Export),
    /// Show all that is known of one or more containers
    Inspect(Inspect),
    /// Kill one or more running containers
    Kill(Kill),
    /// Show a container's output
    Logs(Logs),
    /// List containers
    #[command(visible_aliases = ["list", "ps"])]
    Ls(Ls),
    /// Pause all processes of one or more containers
    Pause(Many),
    /// List a container's published ports
    Port(Port),
    /// Remove all stopped containers
    Prune(Prune),
    /// Rename a container
    Rename(Rename),
    /// Restart one or more containers
    Restart(Stop),
    /// Remove one or more containers
    #[command(visible_alias = "remove")]
    Rm(Rm),
    /// Create and run a new container from an image
    Run(create::Run),
    /// Start one or more stopped containers
    Start(Start),
    /// Show what containers use, as it changes
    Stats(Stats),
    /// Stop one or more running containers
    Stop(Stop),
    /// Show the processes of a container
    Top(Top),
    /// Resume all processes of one or more containers
    Unpause(Many),
    /// Change the limits of one or more containers
    Update(create::Update),
    /// Wait until containers stop, then print their exit codes
    Wait(Many),
}

/// One container and nothing else.
#[derive(Debug, Args)]
pub(crate) struct One {
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

/// Containers and nothing else.
#[derive(Debug, Args)]
pub(crate) struct Many {
    #[arg(value_name = "CONTAINER [CONTAINER...]", required = true)]
    pub(crate) containers: Vec<String>,
}

/// `ps`.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Show all containers, not only running ones
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Show only what meets a condition, such as status=exited
    #[arg(short, long, value_name = "filter", value_parser = crate::value::filter)]
    pub(crate) filter: Vec<String>,
    /// "table", "table TEMPLATE", "json" or a Go template
    #[arg(long, value_name = "string")]
    pub(crate) format: Option<String>,
    /// Show the n containers created last, in any state (default -1)
    #[arg(short = 'n', long, value_name = "int", value_parser = crate::value::integer)]
    pub(crate) last: Option<i64>,
    /// Show the container created last, in any state
    #[arg(short, long)]
    pub(crate) latest: bool,
    /// Do not shorten anything
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Show only ids
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Show sizes of the file systems
    #[arg(short, long)]
    pub(crate) size: bool,
}

/// `exec`.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// Run the command in the background
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Keys that detach from a container
    #[arg(long, value_name = "string")]
    pub(crate) detach_keys: Option<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "list")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "list")]
    pub(crate) env_file: Vec<String>,
    /// Keep standard input open
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the command all rights
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// User to run as: name or id, and group after a colon
    #[arg(short, long, value_name = "string")]
    pub(crate) user: Option<String>,
    /// Folder to run in
    #[arg(short, long, value_name = "string")]
    pub(crate) workdir: Option<String>,
    #[arg(value_name = "CONTAINER COMMAND [ARG...]", required = true, num_args = 2.., trailing_var_arg = true)]
    pub(crate) container_and_command: Vec<String>,
}

/// `attach`.
#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// Keys that detach from the container
    #[arg(long, value_name = "string")]
    pub(crate) detach_keys: Option<String>,
    /// Leave standard input alone
    #[arg(long)]
    pub(crate) no_stdin: bool,
    /// Pass signals on to the process
    #[arg(long, default_value = "true")]
    pub(crate) sig_proxy: bool,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

/// `commit`.
#[derive(Debug, Args)]
pub(crate) struct Commit {
    /// Who made it
    #[arg(short, long, value_name = "string")]
    pub(crate) author: Option<String>,
    /// Apply an instruction of a Dockerfile to the image
    #[arg(short, long, value_name = "list")]
    pub(crate) change: Vec<String>,
    /// What changed
    #[arg(short, long, value_name = "string")]
    pub(crate) message: Option<String>,
    /// Pause the container meanwhile
    #[arg(short, long, default_value = "true")]
    pub(crate) pause: bool,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
    #[arg(value_name = "[REPOSITORY[:TAG]]")]
    pub(crate) image: Option<String>,
}

/// `cp`.
#[derive(Debug, Args)]
pub(crate) struct Cp {
    /// Keep user and group of what is copied
    #[arg(short, long)]
    pub(crate) archive: bool,
    /// Follow the source where it is a symbolic link
    #[arg(short = 'L', long)]
    pub(crate) follow_link: bool,
    /// Say nothing of how far it is
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// `CONTAINER:PATH`, a local path, or `-` for an archive on standard input
    #[arg(value_name = "[CONTAINER:]SRC_PATH|-")]
    pub(crate) source: String,
    /// A local path, `CONTAINER:PATH`, or `-` for an archive on standard output
    #[arg(value_name = "[CONTAINER:]DEST_PATH|-")]
    pub(crate) destination: String,
}

/// `export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "string")]
    pub(crate) output: Option<String>,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

/// `container inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// "json" or a Go template
    #[arg(short, long, value_name = "string")]
    pub(crate) format: Option<String>,
    /// Show sizes of the file systems
    #[arg(short, long)]
    pub(crate) size: bool,
    #[arg(value_name = "CONTAINER [CONTAINER...]", required = true)]
    pub(crate) containers: Vec<String>,
}

/// `kill`.
#[derive(Debug, Args)]
pub(crate) struct Kill {
    /// Signal to send, by name or number
    #[arg(short, long, value_name = "string")]
    pub(crate) signal: Option<String>,
    #[arg(value_name = "CONTAINER [CONTAINER...]", required = true)]
    pub(crate) containers: Vec<String>,
}

/// `logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Show the attributes of each line
    #[arg(long)]
    pub(crate) details: bool,
    /// Go on as more is written
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Show lines since a time ("2026-01-02T13:23:37Z") or an age ("42m")
    #[arg(long, value_name = "string")]
    pub(crate) since: Option<String>,
    /// Number of lines to show from the end
    #[arg(short = 'n', long, value_name = "string", default_value = "all")]
    pub(crate) tail: String,
    /// Show when each line was written
    #[arg(short, long)]
    pub(crate) timestamps: bool,
    /// Show lines before a time or an age
    #[arg(long, value_name = "string")]
    pub(crate) until: Option<String>,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

/// `port`.
#[derive(Debug, Args)]
pub(crate) struct Port {
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
    #[arg(value_name = "[PRIVATE_PORT[/PROTO]]")]
    pub(crate) port: Option<String>,
}

/// `rename`.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
    #[arg(value_name = "NEW_NAME")]
    pub(crate) name: String,
}

/// `stop` and `restart`.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Signal to send first, by name or number
    #[arg(short, long, value_name = "string")]
    pub(crate) signal: Option<String>,
    /// Seconds to wait before killing
    #[arg(short = 't', long, visible_alias = "time", value_name = "int", value_parser = crate::value::integer)]
    pub(crate) timeout: Option<i64>,
    #[arg(value_name = "CONTAINER [CONTAINER...]", required = true)]
    pub(crate) containers: Vec<String>,
}

/// `rm`.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Kill what runs, then remove it
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Remove a link
    #[arg(short, long)]
    pub(crate) link: bool,
    /// Remove anonymous volumes too
    #[arg(short, long)]
    pub(crate) volumes: bool,
    #[arg(value_name = "CONTAINER [CONTAINER...]", required = true)]
    pub(crate) containers: Vec<String>,
}

/// `start`.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Attach output and pass signals on
    #[arg(short, long)]
    pub(crate) attach: bool,
    /// Keys that detach from the container
    #[arg(long, value_name = "string")]
    pub(crate) detach_keys: Option<String>,
    /// Attach standard input
    #[arg(short, long)]
    pub(crate) interactive: bool,
    #[arg(value_name = "CONTAINER [CONTAINER...]", required = true)]
    pub(crate) containers: Vec<String>,
}

/// `stats`.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Show all containers, not only running ones
    #[arg(short, long)]
    pub(crate) all: bool,
    /// "table", "table TEMPLATE", "json" or a Go template
    #[arg(long, value_name = "string")]
    pub(crate) format: Option<String>,
    /// Print one reading and end
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Do not shorten anything
    #[arg(long)]
    pub(crate) no_trunc: bool,
    #[arg(value_name = "[CONTAINER...]")]
    pub(crate) containers: Vec<String>,
}

/// `top`.
#[derive(Debug, Args)]
pub(crate) struct Top {
    #[arg(value_name = "CONTAINER [ps OPTIONS]", required = true, num_args = 1.., trailing_var_arg = true)]
    pub(crate) container_and_options: Vec<String>,
}

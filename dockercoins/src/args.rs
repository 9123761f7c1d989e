//! The command line as it is typed: flags, their environment variables, their defaults. It must never
//! decide anything; each role turns its arguments into settings of its own.
//!
//! The environment variable of a flag is made from its name, `DOCKERCOINS_<ROLE>_<FLAG>`: `rng --delay-ms`
//! is `DOCKERCOINS_RNG_DELAY_MS`. The prefix is not for show: Kubernetes sets `RNG_PORT=tcp://10.…` in every
//! pod beside a service called `rng`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use ping::Target;

/// The worker's releases and the delay that tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Release {
    /// Waits 100 ms per unit of work.
    #[value(name = "0.1")]
    V0_1,
    /// The faster one: waits 10 ms per unit of work.
    #[value(name = "0.2")]
    V0_2,
}

/// How SIGTERM is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnSigterm {
    /// Finish what is under way, report it and stop.
    Finish,
    /// Go on, as the original does: whoever stops the container waits for its time-out.
    Ignore,
}

/// What is written to the log for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessLog {
    /// A line for each request.
    Each,
    /// A line a second that counts them.
    Summary,
}

#[derive(Debug, Parser)]
#[command(
    name = "dockercoins",
    version,
    propagate_version = true,
    about = "Dockercoins: a small micro-service application to learn containers and clusters with",
    long_about = "Dockercoins: a small micro-service application to learn containers and clusters with.\n\n\
        A worker asks rng for 32 random bytes, has hasher compute their SHA-256, and keeps each hash that\n\
        begins with 0 as a coin in Redis; webui shows how fast that goes. `dockercoins up` runs all of it on\n\
        this computer.",
    after_help = "Each flag is an environment variable too: `rng --delay-ms` is DOCKERCOINS_RNG_DELAY_MS.",
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) role: Role,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Serve random bytes, strictly one request at a time
    Rng(RngArgs),
    /// Serve SHA-256 hashes, 20 requests at a time
    Hasher(HasherArgs),
    /// Mine: random bytes from rng, hash from hasher, coins to Redis
    #[command(disable_version_flag = true)]
    Worker(WorkerArgs),
    /// Serve the page that shows the rate of hashes, live
    Webui(WebuiArgs),
    /// Serve the Redis protocol where no Redis is at hand
    Store(StoreArgs),
    /// Run the whole application on this computer, on loopback
    Up(UpArgs),
    /// Time HTTP requests to an address, as httping does
    Ping(PingArgs),
}

/// What every service takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProcessArgs {
    /// Serve health and Prometheus metrics on this port: /healthz, /readyz, /metrics [default: off]
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// How SIGTERM is taken; `ignore` shows what it means when a container doesn't stop by itself
    #[arg(long, value_name = "HOW", value_enum, default_value = "finish")]
    pub(crate) on_sigterm: OnSigterm,
}

/// What every HTTP service takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct HttpArgs {
    /// Address to listen on, for metrics too
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub(crate) listen: IpAddr,
    /// Port to listen on; 0 takes a free one and says which
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    pub(crate) port: u16,
    /// Connections held at a time; past that, the one that has been idle longest is closed
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_connections: u32,
    /// How long a client may take to send its request, or stay idle
    #[arg(long, value_name = "MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) read_timeout_ms: u64,
    /// CPU time to burn for each request, for lessons on limits and scaling
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub(crate) burn_ms: u64,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

/// How slow rng and hasher are, and how much they tell.
#[derive(Debug, Args)]
pub(crate) struct PaceArgs {
    /// Wait before each answer to a worker [default: 100; with --fast: 0]
    #[arg(long, value_name = "MS")]
    delay_ms: Option<u64>,
    /// Per request a line, or a summary each second [default: each; with --fast: summary]
    #[arg(long, value_name = "WHAT", value_enum)]
    access_log: Option<AccessLog>,
    /// No artificial delay, and connections are kept
    #[arg(long)]
    pub(crate) fast: bool,
}

impl PaceArgs {
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.unwrap_or(if self.fast { 0 } else { 100 }))
    }

    pub(crate) fn access_log(&self) -> AccessLog {
        self.access_log.unwrap_or(if self.fast {
            AccessLog::Summary
        } else {
            AccessLog::Each
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct RngArgs {
    #[command(flatten)]
    pub(crate) http: HttpArgs,
    /// The most bytes given at once; asking for more is answered 413
    #[arg(long, value_name = "N", default_value_t = 1_048_576)]
    pub(crate) max_bytes: u64,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct HasherArgs {
    #[command(flatten)]
    pub(crate) http: HttpArgs,
    /// Requests served at a time
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) concurrency: u32,
    /// The longest body that is hashed; a longer one is answered 413
    #[arg(long, value_name = "N", default_value_t = 67_108_864)]
    pub(crate) max_body_bytes: u64,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Where rng is; several addresses, separated by commas, are taken in turn
    #[arg(
        long,
        value_name = "URL",
        value_delimiter = ',',
        default_value = "http://rng"
    )]
    pub(crate) rng_url: Vec<Target>,
    /// Where hasher is; several addresses, separated by commas, are taken in turn
    #[arg(
        long,
        value_name = "URL",
        value_delimiter = ',',
        default_value = "http://hasher"
    )]
    pub(crate) hasher_url: Vec<Target>,
    /// Where Redis is
    #[arg(
        long,
        value_name = "URL",
        default_value = "redis://redis:6379",
        hide_env_values = true
    )]
    pub(crate) redis_url: String,
    /// Which of the worker's two releases this is
    #[arg(long, value_enum, default_value = "0.1")]
    pub(crate) release: Release,
    /// Wait before each unit of work [default: 100 in release 0.1, 10 in 0.2; with --fast: 0]
    #[arg(long, value_name = "MS")]
    pub(crate) delay_ms: Option<u64>,
    /// Random bytes per hash
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub(crate) chunk_bytes: u32,
    /// A hash that begins so is a coin
    #[arg(long, value_name = "HEX", default_value = "0")]
    pub(crate) coin_prefix: String,
    /// How often the units done are added to Redis [default: 1000; with --fast: 250]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) report_interval_ms: Option<u64>,
    /// How long to wait after an error
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub(crate) back_off_ms: u64,
    /// How long connecting, and then an answer, may take
    #[arg(long, value_name = "MS", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout_ms: u64,
    /// Units of work under way at a time [default: 1; with --fast: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) units_in_flight: Option<u32>,
    /// CPU time to burn for each unit of work
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub(crate) burn_ms: u64,
    /// No artificial delay, connections are kept, several units at a time, coins saved in batches
    #[arg(long)]
    pub(crate) fast: bool,
    /// Address for metrics
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub(crate) listen: IpAddr,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
    /// Print the release's version
    #[arg(long, short = 'V')]
    pub(crate) version: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WebuiArgs {
    #[command(flatten)]
    pub(crate) http: HttpArgs,
    /// Where Redis is
    #[arg(
        long,
        value_name = "URL",
        default_value = "redis://redis:6379",
        hide_env_values = true
    )]
    pub(crate) redis_url: String,
    /// Share one reading of Redis among all requests of the same tenth of a second
    #[arg(long)]
    pub(crate) fast: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Address to listen on; the store asks for no password, so the default is this computer only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) listen: IpAddr,
    /// Port to listen on; 0 takes a free one and says which
    #[arg(long, value_name = "PORT", default_value_t = 6379)]
    pub(crate) port: u16,
    /// Keep the data in this folder, so that what was acknowledged is there after a restart
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
    /// Connections held at a time; past that, the one that has been idle longest is closed
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_connections: u32,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct UpArgs {
    /// How many workers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=200))]
    pub(crate) workers: u32,
    /// How many rng, at 127.0.0.1, 127.0.0.2 and so on; the workers ask them in turn
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) rng: u32,
    /// A Redis to use instead of the store
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub(crate) redis: Option<String>,
    /// Where the store keeps coins and counts [default: a folder per port in the user's state directory]
    #[arg(long, value_name = "FOLDER", conflicts_with = "redis")]
    pub(crate) dir: Option<PathBuf>,
    /// No artificial delays, connections are kept, several units at a time
    #[arg(long)]
    pub(crate) fast: bool,
    /// Which release of the worker to run
    #[arg(long, value_enum, default_value = "0.1")]
    pub(crate) release: Release,
    /// Added to each port: webui 8000, rng 8001, hasher 8002, store 8003
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=57_532))]
    pub(crate) port_offset: u16,
}

#[derive(Debug, Args)]
pub(crate) struct PingArgs {
    /// What to ask, as in localhost:8001 or localhost:8000/json
    #[arg(value_name = "URL")]
    pub(crate) target: Target,
    /// Stop after so many requests [default: until Ctrl-C]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Time from the beginning of one request to that of the next
    #[arg(long, short, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(crate) interval: Duration,
    /// How long connecting, and then an answer, may take
    #[arg(long, value_name = "MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout_ms: u64,
    /// Print a JSON object per request, then one of the statistics
    #[arg(long)]
    pub(crate) json: bool,
}

/// The command line of this process, or clap's own message and exit.
pub(crate) fn parse() -> Cli {
    let matches = command().get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// The whole command, each flag with its environment variable.
pub(crate) fn command() -> clap::Command {
    let mut command = Cli::command();
    let roles: Vec<String> = command
        .get_subcommands()
        .map(|role| role.get_name().to_owned())
        .collect();
    for role in roles {
        command = command.mut_subcommand(&role, |sub| with_environment(sub, &role));
    }
    command
}

fn with_environment(command: clap::Command, role: &str) -> clap::Command {
    let prefix = format!("DOCKERCOINS_{}", role.to_uppercase());
    // Of a flag given twice, as by an alias and by hand, the last one counts.
    command
        .args_override_self(true)
        .mut_args(|arg| match arg.get_long() {
            Some("help" | "version") | None => arg,
            Some(long) => {
                let name = format!("{prefix}_{}", long.to_uppercase().replace('-', "_"));
                let arg = match arg.get_action() {
                    // In a variable, "1", "yes" and "" are as good as "true" and "false".
                    ArgAction::SetTrue => arg.value_parser(FalseyValueParser::new()),
                    _ => arg,
                };
                arg.env(name)
            }
        })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "a number of seconds is wanted, as in 0.5".to_owned())?;
    if !(0.0..=86_400.0).contains(&seconds) {
        return Err("between 0 and 86400 seconds are possible".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_has_its_own_variable() {
        let command = command();
        let mut names = Vec::new();
        for role in command.get_subcommands() {
            for argument in role.get_arguments().filter(|a| a.get_long().is_some()) {
                let long = argument.get_long().unwrap();
                match argument.get_env() {
                    Some(name) => names.push(name.to_owned()),
                    None => assert!(["help", "version"].contains(&long), "{long}"),
                }
            }
        }
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.contains(&"DOCKERCOINS_RNG_DELAY_MS".into()));
    }
}

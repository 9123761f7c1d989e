//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Simulates clusters and checks what must always hold.
///
/// Without a command: runs one simulated cluster per seed, prints one line, and fails if an invariant did not
/// hold. A failure names its seed; `--first SEED --seeds 1` replays it.
#[derive(Debug, Parser)]
#[command(name = "sim", args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// How many seeds to run.
    #[arg(long, default_value_t = 100)]
    pub(crate) seeds: u64,

    /// The first seed.
    #[arg(long, default_value_t = 0)]
    pub(crate) first: u64,

    /// How many nodes a cluster begins with.
    #[arg(long, default_value_t = 5)]
    pub(crate) nodes: u32,

    /// How many services its users keep busy.
    #[arg(long, default_value_t = 4)]
    pub(crate) services: u32,

    /// How many things users and faults do to it.
    #[arg(long, default_value_t = 30)]
    pub(crate) steps: u32,

    /// Plants a bug, which some invariant should catch; `list` tells which there are.
    #[arg(long = "break", value_name = "NAME")]
    pub(crate) breaks: Option<String>,

    /// Prints each commit of each run: for looking at one seed.
    #[arg(long)]
    pub(crate) trace: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measures decisions on large clusters.
    Bench(BenchOptions),
    /// Plays a script and prints what happens.
    Script(ScriptOptions),
}

#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    /// Where the figure of the cost per task is written, as SVG.
    #[arg(long)]
    pub(crate) svg: Option<PathBuf>,

    /// Where the numbers behind it are written, as CSV.
    #[arg(long)]
    pub(crate) csv: Option<PathBuf>,

    /// Measures a tenth of everything: to see that it works, not for the numbers.
    #[arg(long)]
    pub(crate) small: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ScriptOptions {
    /// The script.
    pub(crate) script: PathBuf,
}

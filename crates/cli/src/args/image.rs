//! Arguments of the commands about images and builds.
#![expect(clippy::large_enum_variant, reason = "one command is parsed in a life")]
#![expect(
    clippy::struct_field_names,
    reason = "the fields are named as their flags are"
)]

use clap::{Args, Subcommand};

use crate::args::system::PruneAll;

/// `image …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// Build an image from a Dockerfile
    Build(Build),
    /// Show how an image was made
    History(History),
    /// Create an image from a tar archive of a file system
    Import(Import),
    /// Show all that is known of one or more images
    Inspect(Inspect),
    /// Load images from a tar archive or standard input
    Load(Load),
    /// List images
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Remove images that nothing uses
    Prune(PruneAll),
    /// Download an image from a registry
    Pull(Pull),
    /// Upload an image to a registry
    Push(Push),
    /// Remove one or more images
    #[command(visible_alias = "remove")]
    Rm(Rm),
    /// Save images to a tar archive, by default on standard output
    Save(Save),
    /// Give an image another name
    Tag(Tag),
}

/// `builder …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Builder {
    /// Build an image from a Dockerfile
    Build(Build),
    /// Remove what builds have kept
    Prune(PruneAll),
}

/// `build`.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// Add a host's address, "name:address"
    #[arg(long, value_name = "list")]
    pub(crate) add_host: Vec<String>,
    /// Set variables of the build
    #[arg(long, value_name = "list")]
    pub(crate) build_arg: Vec<String>,
    /// Images whose steps may be used again
    #[arg(long, value_name = "strings")]
    pub(crate) cache_from: Vec<String>,
    /// Parent of the control groups of "RUN"
    #[arg(long, value_name = "string")]
    pub(crate) cgroup_parent: Option<String>,
    /// Send the context compressed
    #[arg(long, hide = true)]
    pub(crate) compress: bool,
    /// Limit the processor time in a period
    #[arg(long, value_name = "int", value_parser = crate::value::integer)]
    pub(crate) cpu_period: Option<i64>,
    /// Limit the processor time of a period
    #[arg(long, value_name = "int", value_parser = crate::value::integer)]
    pub(crate) cpu_quota: Option<i64>,
    /// Share of the processors, relative to others
    #[arg(short, long, value_name = "int", value_parser = crate::value::integer)]
    pub(crate) cpu_shares: Option<i64>,
    /// Processors to run on (0-3, 0,1)
    #[arg(long, value_name = "string")]
    pub(crate) cpuset_cpus: Option<String>,
    /// Memory nodes to use (0-3, 0,1)
    #[arg(long, value_name = "string")]
    pub(crate) cpuset_mems: Option<String>,
    /// Accepted for scripts
    #[arg(long, hide = true)]
    pub(crate) disable_content_trust: bool,
    /// The Dockerfile (default "PATH/Dockerfile")
    #[arg(short, long, value_name = "string")]
    pub(crate) file: Option<String>,
    /// Remove containers of the build even where it fails
    #[arg(long)]
    pub(crate) force_rm: bool,
    /// Write the image's id to a file
    #[arg(long, value_name = "string")]
    pub(crate) iidfile: Option<String>,
    /// Set labels of the image
    #[arg(long, value_name = "list")]
    pub(crate) label: Vec<String>,
    /// Limit the memory
    #[arg(short, long, value_name = "bytes", value_parser = crate::value::bytes)]
    pub(crate) memory: Option<i64>,
    /// Limit memory and swap together; -1 lifts the limit
    #[arg(long, value_name = "bytes", value_parser = crate::value::bytes_or_unlimited)]
    pub(crate) memory_swap: Option<i64>,
    /// Network of "RUN" (default "default")
    #[arg(long, value_name = "string")]
    pub(crate) network: Option<String>,
    /// Use no step of an earlier build again
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Platform of the image
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
    /// Look for newer versions of the images it builds on
    #[arg(long)]
    pub(crate) pull: bool,
    /// Print nothing but the image's id
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Remove containers of the build afterwards
    #[arg(long, default_value = "true")]
    pub(crate) rm: bool,
    /// Security options
    #[arg(long, value_name = "strings")]
    pub(crate) security_opt: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "bytes", value_parser = crate::value::bytes)]
    pub(crate) shm_size: Option<i64>,
    /// Name of the image, "name:tag"
    #[arg(short, long, value_name = "list")]
    pub(crate) tag: Vec<String>,
    /// Stage to build
    #[arg(long, value_name = "string")]
    pub(crate) target: Option<String>,
    /// Limits of processes
    #[arg(long, value_name = "ulimit", value_parser = crate::value::ulimit)]
    pub(crate) ulimit: Vec<crate::value::Ulimit>,
    #[arg(value_name = "PATH | -")]
    pub(crate) path: String,
}

/// `history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// "table", "table TEMPLATE", "json" or a Go template
    #[arg(long, value_name = "string")]
    pub(crate) format: Option<String>,
    /// Print sizes and times for people
    #[arg(short = 'H', long, default_value = "true")]
    pub(crate) human: bool,
    /// Do not shorten anything
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Show only ids
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
}

/// `import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Apply an instruction of a Dockerfile to the image
    #[arg(short, long, value_name = "list")]
    pub(crate) change: Vec<String>,
    /// What the image's history says
    #[arg(short, long, value_name = "string")]
    pub(crate) message: Option<String>,
    /// Platform of the image
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
    #[arg(value_name = "file|URL|-")]
    pub(crate) source: String,
    #[arg(value_name = "[REPOSITORY[:TAG]]")]
    pub(crate) image: Option<String>,
}

/// `image inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// "json" or a Go template
    #[arg(short, long, value_name = "string")]
    pub(crate) format: Option<String>,
    #[arg(value_name = "IMAGE [IMAGE...]", required = true)]
    pub(crate) images: Vec<String>,
}

/// `load`.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Read from a file instead of standard input
    #[arg(short, long, value_name = "string")]
    pub(crate) input: Option<String>,
    /// Say nothing of how far it is
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `images`.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Show all images, also those in between
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Show digests
    #[arg(long)]
    pub(crate) digests: bool,
    /// Show only what meets a condition, such as dangling=true
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
    #[arg(value_name = "[REPOSITORY[:TAG]]")]
    pub(crate) repository: Option<String>,
}

/// `pull`.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Download all tags of the repository
    #[arg(short, long)]
    pub(crate) all_tags: bool,
    /// Accepted for scripts
    #[arg(long, hide = true)]
    pub(crate) disable_content_trust: bool,
    /// Platform of the image
    #[arg(
        long,
        value_name = "string",
        env = "DOCKER_DEFAULT_PLATFORM",
        hide_env = true
    )]
    pub(crate) platform: Option<String>,
    /// Print nothing but the image's name
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    pub(crate) image: String,
}

/// `push`.
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// Upload all tags of the repository
    #[arg(short, long)]
    pub(crate) all_tags: bool,
    /// Accepted for scripts
    #[arg(long, hide = true)]
    pub(crate) disable_content_trust: bool,
    /// Print nothing but the image's name
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[arg(value_name = "NAME[:TAG]")]
    pub(crate) image: String,
}

/// `rmi`.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Remove it though it is used
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Keep parents that have no name
    #[arg(long)]
    pub(crate) no_prune: bool,
    #[arg(value_name = "IMAGE [IMAGE...]", required = true)]
    pub(crate) images: Vec<String>,
}

/// `save`.
#[derive(Debug, Args)]
pub(crate) struct Save {
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "string")]
    pub(crate) output: Option<String>,
    #[arg(value_name = "IMAGE [IMAGE...]", required = true)]
    pub(crate) images: Vec<String>,
}

/// `tag`.
#[derive(Debug, Args)]
pub(crate) struct Tag {
    #[arg(value_name = "SOURCE_IMAGE[:TAG]")]
    pub(crate) source: String,
    #[arg(value_name = "TARGET_IMAGE[:TAG]")]
    pub(crate) target: String,
}

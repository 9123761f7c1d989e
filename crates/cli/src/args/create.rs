//! Arguments of `run`, `create` and `update`.
#![expect(
    rustdoc::broken_intra_doc_links,
    reason = "these comments are what `--help` prints, where brackets say that something may be left out"
)]

use clap::Args;

use crate::value;

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Run in the background and print the container's id
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Keys that detach from the container
    #[arg(long, value_name = "string")]
    pub(crate) detach_keys: Option<String>,
    /// Pass signals on to the process
    #[arg(long, default_value = "true")]
    pub(crate) sig_proxy: bool,
    #[command(flatten)]
    pub(crate) create: Create,
}

/// `create`, and most of `run`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// When to pull the image: always, missing, never
    #[arg(long, value_name = "string", default_value = "missing", value_parser = value::pull_policy)]
    pub(crate) pull: value::PullPolicy,
    /// Say nothing while pulling
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Name of the container
    #[arg(long, value_name = "string")]
    pub(crate) name: Option<String>,
    /// Platform of the image
    #[arg(
        long,
        value_name = "string",
        env = "DOCKER_DEFAULT_PLATFORM",
        hide_env = true
    )]
    pub(crate) platform: Option<String>,
    /// Accepted for scripts
    #[arg(long, hide = true)]
    pub(crate) disable_content_trust: bool,
    #[command(flatten)]
    pub(crate) process: Process,
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) network: Networking,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) isolation: Isolation,
    #[command(flatten)]
    pub(crate) lifecycle: Lifecycle,
    #[arg(value_name = "IMAGE [COMMAND] [ARG...]", required = true, num_args = 1.., trailing_var_arg = true)]
    pub(crate) image_and_command: Vec<String>,
}

/// What runs, and with which streams.
#[derive(Debug, Args)]
pub(crate) struct Process {
    /// Streams to attach: stdin, stdout, stderr
    #[arg(short, long, value_name = "list", value_parser = value::attachment)]
    pub(crate) attach: Vec<value::Attachment>,
    /// Program to run in place of the image's; "" for none
    #[arg(long, value_name = "string")]
    pub(crate) entrypoint: Option<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "list")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "list")]
    pub(crate) env_file: Vec<String>,
    /// Keep standard input open
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the container a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// User to run as: name or id, and group after a colon
    #[arg(short, long, value_name = "string")]
    pub(crate) user: Option<String>,
    /// Groups to join besides the user's
    #[arg(long, value_name = "list")]
    pub(crate) group_add: Vec<String>,
    /// Folder to run in
    #[arg(short, long, value_name = "string")]
    pub(crate) workdir: Option<String>,
    /// Run a small init that passes signals on and reaps processes
    #[arg(long)]
    pub(crate) init: bool,
}

/// What the container sees of files.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// Mount a volume or a folder: [SOURCE:]TARGET[:OPTIONS]
    #[arg(short, long, value_name = "list")]
    pub(crate) volume: Vec<String>,
    /// Mount something: type=bind|volume|tmpfs,source=…,target=…
    #[arg(long, value_name = "mount", value_parser = value::mount)]
    pub(crate) mount: Vec<value::Mount>,
    /// Mount a file system in memory: TARGET[:OPTIONS]
    #[arg(long, value_name = "list")]
    pub(crate) tmpfs: Vec<String>,
    /// Mount the volumes of other containers
    #[arg(long, value_name = "list")]
    pub(crate) volumes_from: Vec<String>,
    /// Driver of volumes made on the way
    #[arg(long, value_name = "string")]
    pub(crate) volume_driver: Option<String>,
    /// Keep the root file system from being written
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Add a device of the host
    #[arg(long, value_name = "list")]
    pub(crate) device: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "bytes", value_parser = value::bytes)]
    pub(crate) shm_size: Option<i64>,
    /// Options for the storage driver
    #[arg(long, value_name = "list")]
    pub(crate) storage_opt: Vec<String>,
}

/// How the container is reached and reaches others.
#[derive(Debug, Args)]
pub(crate) struct Networking {
    /// Add a host's address, "name:address"
    #[arg(long, value_name = "list")]
    pub(crate) add_host: Vec<String>,
    /// Name servers
    #[arg(long, value_name = "list")]
    pub(crate) dns: Vec<String>,
    /// Options for resolving names
    #[arg(long, visible_alias = "dns-opt", value_name = "list")]
    pub(crate) dns_option: Vec<String>,
    /// Domains to search for names
    #[arg(long, value_name = "list")]
    pub(crate) dns_search: Vec<String>,
    /// Domain of the host name
    #[arg(long, value_name = "string")]
    pub(crate) domainname: Option<String>,
    /// Host name
    #[arg(short = 'h', long, value_name = "string")]
    pub(crate) hostname: Option<String>,
    /// Ports that the container listens on
    #[arg(long, value_name = "list")]
    pub(crate) expose: Vec<String>,
    /// IPv4 address
    #[arg(long, value_name = "string")]
    pub(crate) ip: Option<String>,
    /// IPv6 address
    #[arg(long, value_name = "string")]
    pub(crate) ip6: Option<String>,
    /// Add a link to another container
    #[arg(long, value_name = "list")]
    pub(crate) link: Vec<String>,
    /// Link-local addresses
    #[arg(long, value_name = "list")]
    pub(crate) link_local_ip: Vec<String>,
    /// Hardware address
    #[arg(long, value_name = "string")]
    pub(crate) mac_address: Option<String>,
    /// Network to connect to: a name, bridge, host, none, container:NAME
    #[arg(long, visible_alias = "net", value_name = "network")]
    pub(crate) network: Vec<String>,
    /// Names for the container on its network
    #[arg(long, visible_alias = "net-alias", value_name = "list")]
    pub(crate) network_alias: Vec<String>,
    /// Publish ports: [ADDRESS:][HOST_PORT:]PORT[/PROTOCOL]
    #[arg(short, long, value_name = "list")]
    pub(crate) publish: Vec<String>,
    /// Publish all exposed ports on free ports of the host
    #[arg(short = 'P', long)]
    pub(crate) publish_all: bool,
}

/// How much the container may use.
#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// Share of the disk's time, 10 to 1000, relative to others
    #[arg(long, value_name = "uint16", value_parser = value::small_integer)]
    pub(crate) blkio_weight: Option<u16>,
    /// Limit reading from a device, PATH:BYTES per second
    #[arg(long, value_name = "list", value_parser = value::device_rate_bytes)]
    pub(crate) device_read_bps: Vec<value::ThrottleDevice>,
    /// Limit reads from a device, PATH:NUMBER per second
    #[arg(long, value_name = "list", value_parser = value::device_rate)]
    pub(crate) device_read_iops: Vec<value::ThrottleDevice>,
    /// Limit writing to a device, PATH:BYTES per second
    #[arg(long, value_name = "list", value_parser = value::device_rate_bytes)]
    pub(crate) device_write_bps: Vec<value::ThrottleDevice>,
    /// Limit writes to a device, PATH:NUMBER per second
    #[arg(long, value_name = "list", value_parser = value::device_rate)]
    pub(crate) device_write_iops: Vec<value::ThrottleDevice>,
    /// Limit the processor time in a period
    #[arg(long, value_name = "int", value_parser = value::integer)]
    pub(crate) cpu_period: Option<i64>,
    /// Limit the processor time of a period
    #[arg(long, value_name = "int", value_parser = value::integer)]
    pub(crate) cpu_quota: Option<i64>,
    /// Share of the processors, relative to others
    #[arg(short, long, value_name = "int", value_parser = value::integer)]
    pub(crate) cpu_shares: Option<i64>,
    /// Number of processors
    #[arg(long, value_name = "decimal", value_parser = value::nano_cpus)]
    pub(crate) cpus: Option<i64>,
    /// Processors to run on (0-3, 0,1)
    #[arg(long, value_name = "string")]
    pub(crate) cpuset_cpus: Option<String>,
    /// Memory nodes to use (0-3, 0,1)
    #[arg(long, value_name = "string")]
    pub(crate) cpuset_mems: Option<String>,
    /// Limit the memory
    #[arg(short, long, value_name = "bytes", value_parser = value::bytes)]
    pub(crate) memory: Option<i64>,
    /// Memory to shrink to where it is short
    #[arg(long, value_name = "bytes", value_parser = value::bytes)]
    pub(crate) memory_reservation: Option<i64>,
    /// Limit memory and swap together; -1 lifts the limit
    #[arg(long, value_name = "bytes", value_parser = value::bytes_or_unlimited)]
    pub(crate) memory_swap: Option<i64>,
    /// How eagerly memory is swapped, 0 to 100
    #[arg(long, value_name = "int", value_parser = value::integer)]
    pub(crate) memory_swappiness: Option<i64>,
    /// Limit the number of processes; -1 lifts the limit
    #[arg(long, value_name = "int", value_parser = value::integer)]
    pub(crate) pids_limit: Option<i64>,
    /// Limits of processes, such as nofile=1024:2048
    #[arg(long, value_name = "ulimit", value_parser = value::ulimit)]
    pub(crate) ulimit: Vec<value::Ulimit>,
    /// Do not kill processes where memory runs out
    #[arg(long)]
    pub(crate) oom_kill_disable: bool,
    /// How readily processes are killed where memory runs out, -1000 to 1000
    #[arg(long, value_name = "int", value_parser = value::integer)]
    pub(crate) oom_score_adj: Option<i64>,
}

/// What keeps the container apart.
#[derive(Debug, Args)]
pub(crate) struct Isolation {
    /// Add capabilities
    #[arg(long, value_name = "list")]
    pub(crate) cap_add: Vec<String>,
    /// Take capabilities away
    #[arg(long, value_name = "list")]
    pub(crate) cap_drop: Vec<String>,
    /// Parent of the container's control groups
    #[arg(long, value_name = "string")]
    pub(crate) cgroup_parent: Option<String>,
    /// Namespace of control groups: host or private
    #[arg(long, value_name = "string")]
    pub(crate) cgroupns: Option<String>,
    /// Add a rule for devices
    #[arg(long, value_name = "list")]
    pub(crate) device_cgroup_rule: Vec<String>,
    /// Namespace of shared memory: private, shareable, host, container:NAME
    #[arg(long, value_name = "string")]
    pub(crate) ipc: Option<String>,
    /// Namespace of processes: host or container:NAME
    #[arg(long, value_name = "string")]
    pub(crate) pid: Option<String>,
    /// Give the container all rights
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Program that runs containers
    #[arg(long, value_name = "string")]
    pub(crate) runtime: Option<String>,
    /// Security options, such as no-new-privileges
    #[arg(long, value_name = "list")]
    pub(crate) security_opt: Vec<String>,
    /// Settings of the kernel
    #[arg(long, value_name = "map")]
    pub(crate) sysctl: Vec<String>,
    /// Namespace of users: host
    #[arg(long, value_name = "string")]
    pub(crate) userns: Option<String>,
    /// Namespace of the host name: host
    #[arg(long, value_name = "string")]
    pub(crate) uts: Option<String>,
}

/// What becomes of the container over time, and what it is marked with.
#[derive(Debug, Args)]
pub(crate) struct Lifecycle {
    /// Attach notes for the runtime
    #[arg(long, value_name = "map")]
    pub(crate) annotation: Vec<String>,
    /// Write the container's id to a file
    #[arg(long, value_name = "string")]
    pub(crate) cidfile: Option<String>,
    /// Command that tells whether the container is healthy
    #[arg(long, value_name = "string")]
    pub(crate) health_cmd: Option<String>,
    /// Time between two checks (ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = value::duration)]
    pub(crate) health_interval: Option<i64>,
    /// Failures in a row that make it unhealthy
    #[arg(long, value_name = "int", value_parser = value::integer)]
    pub(crate) health_retries: Option<i64>,
    /// Time between two checks while it starts (ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = value::duration)]
    pub(crate) health_start_interval: Option<i64>,
    /// Time that it may take to start (ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = value::duration)]
    pub(crate) health_start_period: Option<i64>,
    /// Longest time for a check (ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = value::duration)]
    pub(crate) health_timeout: Option<i64>,
    /// Set no check, whatever the image says
    #[arg(long)]
    pub(crate) no_healthcheck: bool,
    /// Set labels
    #[arg(short, long, value_name = "list")]
    pub(crate) label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "list")]
    pub(crate) label_file: Vec<String>,
    /// Driver of logs
    #[arg(long, value_name = "string")]
    pub(crate) log_driver: Option<String>,
    /// Options for the driver of logs
    #[arg(long, value_name = "list")]
    pub(crate) log_opt: Vec<String>,
    /// What to do when it ends: no, on-failure[:n], always, unless-stopped
    #[arg(long, value_name = "string", default_value = "no", value_parser = value::restart_policy)]
    pub(crate) restart: value::RestartPolicy,
    /// Remove the container when it ends, with its anonymous volumes
    #[arg(long)]
    pub(crate) rm: bool,
    /// Signal that stops the container
    #[arg(long, value_name = "string")]
    pub(crate) stop_signal: Option<String>,
    /// Seconds to wait when stopping before killing
    #[arg(long, value_name = "int", value_parser = value::integer)]
    pub(crate) stop_timeout: Option<i64>,
}

/// `update`.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Share of the disk's time, 10 to 1000, relative to others
    #[arg(long, value_name = "uint16", value_parser = value::small_integer)]
    pub(crate) blkio_weight: Option<u16>,
    /// Limit the processor time in a period
    #[arg(long, value_name = "int", value_parser = value::integer)]
    pub(crate) cpu_period: Option<i64>,
    /// Limit the processor time of a period
    #[arg(long, value_name = "int", value_parser = value::integer)]
    pub(crate) cpu_quota: Option<i64>,
    /// Share of the processors, relative to others
    #[arg(short, long, value_name = "int", value_parser = value::integer)]
    pub(crate) cpu_shares: Option<i64>,
    /// Number of processors
    #[arg(long, value_name = "decimal", value_parser = value::nano_cpus)]
    pub(crate) cpus: Option<i64>,
    /// Processors to run on (0-3, 0,1)
    #[arg(long, value_name = "string")]
    pub(crate) cpuset_cpus: Option<String>,
    /// Memory nodes to use (0-3, 0,1)
    #[arg(long, value_name = "string")]
    pub(crate) cpuset_mems: Option<String>,
    /// Limit the memory
    #[arg(short, long, value_name = "bytes", value_parser = value::bytes)]
    pub(crate) memory: Option<i64>,
    /// Memory to shrink to where it is short
    #[arg(long, value_name = "bytes", value_parser = value::bytes)]
    pub(crate) memory_reservation: Option<i64>,
    /// Limit memory and swap together; -1 lifts the limit
    #[arg(long, value_name = "bytes", value_parser = value::bytes_or_unlimited)]
    pub(crate) memory_swap: Option<i64>,
    /// Limit the number of processes; -1 lifts the limit
    #[arg(long, value_name = "int", value_parser = value::integer)]
    pub(crate) pids_limit: Option<i64>,
    /// What to do when it ends: no, on-failure[:n], always, unless-stopped
    #[arg(long, value_name = "string", value_parser = value::restart_policy)]
    pub(crate) restart: Option<value::RestartPolicy>,
    #[arg(value_name = "CONTAINER [CONTAINER...]", required = true)]
    pub(crate) containers: Vec<String>,
}

//! What a container engine under test is to its tests: a socket in a sandbox, reached by Docker's clients.
//!
//! There are two: Debian's ([`crate::docker_engine`]) and ours ([`crate::essaim_engine`]).

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    command::{installed, run, run_with_input},
    sandbox::Sandbox,
};

/// A client's own time limit: builds and scaling take seconds.
pub const CLIENT_LIMIT: Duration = Duration::from_mins(1);

/// See the module.
pub trait Engine {
    /// The namespaces and the folder that it lives in.
    fn sandbox(&self) -> &Sandbox;

    /// The path of its API's socket.
    fn socket(&self) -> PathBuf;

    /// What the daemon has logged.
    fn log(&self) -> String;

    /// What `DOCKER_HOST` is to say.
    fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// A command that talks to this engine: no setting of the user's is in its environment.
    fn client(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        without_settings(&mut command, self.sandbox().folder()).env("DOCKER_HOST", self.host());
        command
    }

    /// Runs Debian's `docker` with these arguments, asserts success and returns what it printed.
    #[track_caller]
    fn docker(&self, arguments: &[&str]) -> String {
        let docker = installed("docker", "docker.io");
        run(self.client(docker).args(arguments), CLIENT_LIMIT).success()
    }

    /// As [`Self::docker`], with something to read.
    #[track_caller]
    fn docker_with_input(&self, arguments: &[&str], input: &[u8]) -> String {
        let docker = installed("docker", "docker.io");
        let mut command = self.client(docker);
        run_with_input(command.args(arguments), input, CLIENT_LIMIT).success()
    }

    /// What is known of a container, an image, a service …: `docker KIND inspect`. A name alone would do for
    /// `docker inspect` only while nothing of another kind has it.
    #[track_caller]
    fn inspect(&self, kind: &str, name: &str) -> serde_json::Value {
        let found: serde_json::Value = serde_json::from_str(&self.docker(&[kind, "inspect", name]))
            .expect("inspect prints JSON");
        found[0].clone()
    }
}

/// Docker's clients on this computer: Debian's, and a newer one where one is installed before it.
pub fn docker_clients() -> Vec<PathBuf> {
    let mut clients = vec![installed("docker", "docker.io")];
    clients.extend(
        ["/usr/local/bin/docker"]
            .iter()
            .map(PathBuf::from)
            .filter(|path| path.is_file()),
    );
    clients
}

/// Takes the user's settings from a command: proxies, contexts, logins, languages.
pub(crate) fn without_settings<'command>(
    command: &'command mut Command,
    folder: &Path,
) -> &'command mut Command {
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .env("HOME", folder.join("home"))
        // The builder of Docker 20.10, which needs no plug-in: what Debian has.
        .env("DOCKER_BUILDKIT", "0")
        .env("COMPOSE_DOCKER_CLI_BUILD", "0")
}

/// The last lines of a log, for the message of a failed test.
pub(crate) fn tell(who: &str, log: &str) {
    let tail = log.lines().rev().take(15).collect::<Vec<_>>();
    #[expect(
        clippy::print_stderr,
        reason = "a failed test tells what the daemon said last"
    )]
    for line in tail.iter().rev() {
        eprintln!("{who}: {line}");
    }
}

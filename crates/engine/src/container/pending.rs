//! Operations on containers whose bodies are not there yet.
#![expect(clippy::unused_async, unused_variables, reason = "bodies are to come")]

use std::future::Future;
use std::path::PathBuf;

use model::api::IdAnswer;
use model::api::container::{
    AttachOptions, Create, CreateOptions, Created, ListOptions, RemoveOptions, StopOptions,
    Summary, Update, Updated, WaitCondition, Waited,
};
use model::api::exec;
use model::api::inspect::Inspect;

use super::{Attached, Base};
use crate::Engine;
use crate::error::{Error, Result};

fn not_yet<T>(what: &str) -> Result<T> {
    Err(Error::not_implemented(what))
}

impl Engine {
    /// Makes a container.
    pub async fn create_container(
        &self,
        options: CreateOptions,
        create: Create,
    ) -> Result<Created> {
        not_yet("create")
    }

    /// Makes a container for a step of a build, on a root that need not be an image.
    pub async fn create_step(&self, base: Base, create: Create) -> Result<Created> {
        not_yet("create")
    }

    /// The writable layer of a container that does not run: what a step of a build changed.
    pub async fn writable_layer(&self, name: &str) -> Result<PathBuf> {
        not_yet("create")
    }

    /// Containers as a list shows them, newest first.
    pub async fn list_containers(&self, options: &ListOptions) -> Result<Vec<Summary>> {
        not_yet("list")
    }

    /// All about a container; with `size`, how much it wrote, too.
    pub async fn inspect_container(&self, name: &str, size: bool) -> Result<Inspect> {
        not_yet("inspect")
    }

    /// Starts a container. [`NotModified`](crate::error::Kind::NotModified) if it runs already.
    pub async fn start_container(&self, name: &str) -> Result<()> {
        not_yet("start")
    }

    /// Stops a container: asks, waits, kills. [`NotModified`](crate::error::Kind::NotModified) if it does not run.
    pub async fn stop_container(&self, name: &str, options: &StopOptions) -> Result<()> {
        not_yet("stop")
    }

    /// Stops a container if it runs, and starts it.
    pub async fn restart_container(&self, name: &str, options: &StopOptions) -> Result<()> {
        not_yet("restart")
    }

    /// Sends a signal to a container; `SIGKILL` where none is named.
    pub async fn kill_container(&self, name: &str, signal: Option<&str>) -> Result<()> {
        not_yet("kill")
    }

    /// Waits for a container. The outer answer comes at once, and from then on nothing is missed; the inner one
    /// when the condition is met.
    pub async fn wait_container(
        &self,
        name: &str,
        condition: WaitCondition,
    ) -> Result<impl Future<Output = Waited> + Send + 'static> {
        not_yet::<()>("wait")?;
        Ok(std::future::ready(Waited::default()))
    }

    /// Removes a container.
    pub async fn remove_container(&self, name: &str, options: RemoveOptions) -> Result<()> {
        not_yet("remove")
    }

    /// Gives a container another name.
    pub async fn rename_container(&self, name: &str, new: &str) -> Result<()> {
        not_yet("rename")
    }

    /// Holds a container's processes.
    pub async fn pause_container(&self, name: &str) -> Result<()> {
        not_yet("pause")
    }

    /// Lets a held container's processes go on.
    pub async fn unpause_container(&self, name: &str) -> Result<()> {
        not_yet("unpause")
    }

    /// Changes a container's limits and restart policy.
    pub async fn update_container(&self, name: &str, update: Update) -> Result<Updated> {
        not_yet("update")
    }

    /// Attaches to a container's standard streams; one that does not run yet is waited for.
    pub async fn attach_container(&self, name: &str, options: &AttachOptions) -> Result<Attached> {
        not_yet("attach")
    }

    /// Sets the size of a container's terminal.
    pub async fn resize_container(&self, name: &str, rows: u16, columns: u16) -> Result<()> {
        not_yet("resize")
    }

    /// Prepares a further program in a running container.
    pub async fn create_exec(&self, name: &str, create: exec::Create) -> Result<IdAnswer> {
        not_yet("exec")
    }

    /// Starts a further program. Its streams, unless it is to run detached.
    pub async fn start_exec(&self, id: &str, start: &exec::Start) -> Result<Option<Attached>> {
        not_yet("exec")
    }

    /// All about a further program.
    pub async fn inspect_exec(&self, id: &str) -> Result<exec::Inspect> {
        not_yet("exec")
    }

    /// Sets the size of a further program's terminal.
    pub async fn resize_exec(&self, id: &str, rows: u16, columns: u16) -> Result<()> {
        not_yet("exec")
    }

    /// Ends in good order: stops the containers unless they are to live on, and writes what waits.
    pub async fn shutdown(&self) {}
}

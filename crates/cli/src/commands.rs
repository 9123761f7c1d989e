//! The commands: each asks the engine and has the answer shown. A file each, or one for a few that are alike.

use std::ffi::OsString;
use std::path::Path;

use client::encode_component;
use futures_util::StreamExt;

use crate::Program;
use crate::args::container::Container;
use crate::args::image::{Builder, Image};
use crate::args::network::Network;
use crate::args::system::System;
use crate::args::volume::Volume;
use crate::args::{self, Command, CommandLine};
use crate::failure::Failure;
use crate::output;
use crate::reference;
use crate::session::Session;

mod attach;
mod build;
mod commit;
mod container_ls;
mod cp;
mod create;
mod diff;
mod events;
mod exec;
mod export;
mod history;
mod image_ls;
mod image_rm;
mod info;
mod inspect;
mod kill;
mod load;
mod login;
mod logs;
mod network;
mod port;
mod prune;
mod pull;
mod push;
mod rename;
mod run;
mod save;
mod start;
mod stats;
mod stop;
mod system_df;
mod tag;
mod top;
mod update;
mod upload;
mod version;
mod volume;
mod wait;

/// How many objects of one command are worked on at once.
const AT_ONCE: usize = 16;

/// Runs the command of a line.
pub(crate) async fn dispatch(
    program: &Program,
    arguments: &[OsString],
    line: CommandLine,
) -> Result<(), Failure> {
    if line.global.version {
        return output::print_line(&version::line(program));
    }
    let Some(command) = line.command else {
        let definitions = args::definitions(&program.name, &program.more_commands);
        let path = args::usage::command_path(&definitions, arguments);
        return output::print(&args::help::render(&definitions, &path));
    };
    if let Command::Completion(raw) = &command {
        return output::print(&reference::completion(program, &raw.shell));
    }
    if let Command::Manual(raw) = &command {
        return write_manual(program, &raw.directory);
    }
    let mut session = Session::open(program, &line.global)?;
    Box::pin(perform(&mut session, command)).await
}

/// Writes a file per command: `man -l DIRECTORY/essaim-run.1` shows one.
fn write_manual(program: &Program, directory: &Path) -> Result<(), Failure> {
    let failed = |cause: std::io::Error| {
        Failure::caused(
            &format!("cannot write manual pages to {}", directory.display()),
            &cause,
        )
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    for (name, page) in reference::manual_pages(program).map_err(failed)? {
        std::fs::write(directory.join(name), page).map_err(failed)?;
    }
    Ok(())
}

async fn perform(session: &mut Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::Container(command) => Box::pin(container(session, command)).await,
        Command::Image(command) => Box::pin(image(session, command)).await,
        Command::Network(command) => match command {
            Network::Connect(raw) => network::connect(session, &raw).await,
            Network::Create(raw) => network::create(session, &raw).await,
            Network::Disconnect(raw) => network::disconnect(session, &raw).await,
            Network::Inspect(raw) => inspect::networks(session, &raw).await,
            Network::Ls(raw) => network::list(session, &raw).await,
            Network::Prune(raw) => prune::networks(session, &raw).await,
            Network::Rm(raw) => network::remove(session, &raw).await,
        },
        Command::Volume(command) => match command {
            Volume::Create(raw) => volume::create(session, &raw).await,
            Volume::Inspect(raw) => inspect::volumes(session, &raw).await,
            Volume::Ls(raw) => volume::list(session, &raw).await,
            Volume::Prune(raw) => prune::volumes(session, &raw).await,
            Volume::Rm(raw) => volume::remove(session, &raw).await,
        },
        Command::System(command) => match command {
            System::Df(raw) => system_df::run(session, &raw).await,
            System::DialStdio => attach::dial_stdio(session).await,
            System::Events(raw) => events::run(session, &raw).await,
            System::Info(raw) => info::run(session, &raw).await,
            System::Prune(raw) => prune::system(session, &raw).await,
        },
        Command::Builder(command) => match command {
            Builder::Build(raw) => build::run(session, &raw).await,
            Builder::Prune(raw) => prune::builds(session, &raw).await,
        },
        Command::Login(raw) => login::login(session, &raw).await,
        Command::Logout(raw) => login::logout(session, &raw),
        Command::Version(raw) => version::run(session, &raw).await,
        Command::Info(raw) => info::run(session, &raw).await,
        Command::Events(raw) => events::run(session, &raw).await,
        Command::Inspect(raw) => inspect::run(session, &raw).await,
        // They need no engine, and were answered before one was looked for.
        Command::Completion(_) | Command::Manual(_) => Ok(()),
        other => Box::pin(shorthand(session, other)).await,
    }
}

/// The commands about containers and images that have a name of their own besides `container …` and `image …`.
async fn shorthand(session: &Session, command: Command) -> Result<(), Failure> {
    let container_command = match command {
        Command::Run(raw) => Container::Run(raw),
        Command::Exec(raw) => Container::Exec(raw),
        Command::Ps(raw) => Container::Ls(raw),
        Command::Attach(raw) => Container::Attach(raw),
        Command::Commit(raw) => Container::Commit(raw),
        Command::Cp(raw) => Container::Cp(raw),
        Command::Create(raw) => Container::Create(raw),
        Command::Diff(raw) => Container::Diff(raw),
        Command::Export(raw) => Container::Export(raw),
        Command::Kill(raw) => Container::Kill(raw),
        Command::Logs(raw) => Container::Logs(raw),
        Command::Pause(raw) => Container::Pause(raw),
        Command::Port(raw) => Container::Port(raw),
        Command::Rename(raw) => Container::Rename(raw),
        Command::Restart(raw) => Container::Restart(raw),
        Command::Rm(raw) => Container::Rm(raw),
        Command::Start(raw) => Container::Start(raw),
        Command::Stats(raw) => Container::Stats(raw),
        Command::Stop(raw) => Container::Stop(raw),
        Command::Top(raw) => Container::Top(raw),
        Command::Unpause(raw) => Container::Unpause(raw),
        Command::Update(raw) => Container::Update(raw),
        Command::Wait(raw) => Container::Wait(raw),
        other => return image_shorthand(session, other).await,
    };
    container(session, container_command).await
}

async fn image_shorthand(session: &Session, command: Command) -> Result<(), Failure> {
    let image_command = match command {
        Command::Build(raw) => Image::Build(raw),
        Command::History(raw) => Image::History(raw),
        Command::Images(raw) => Image::Ls(raw),
        Command::Import(raw) => Image::Import(raw),
        Command::Load(raw) => Image::Load(raw),
        Command::Pull(raw) => Image::Pull(raw),
        Command::Push(raw) => Image::Push(raw),
        Command::Rmi(raw) => Image::Rm(raw),
        Command::Save(raw) => Image::Save(raw),
        Command::Tag(raw) => Image::Tag(raw),
        other => {
            let text = format!("no command handles {other:?}");
            return Err(Failure::message(text));
        }
    };
    image(session, image_command).await
}

async fn container(session: &Session, command: Container) -> Result<(), Failure> {
    match command {
        Container::Attach(raw) => attach::run(session, &raw).await,
        Container::Commit(raw) => commit::run(session, &raw).await,
        Container::Cp(raw) => cp::run(session, &raw).await,
        Container::Create(raw) => create::run(session, &raw).await,
        Container::Diff(raw) => diff::run(session, &raw).await,
        Container::Exec(raw) => exec::run(session, &raw).await,
        Container::Export(raw) => export::run(session, &raw).await,
        Container::Inspect(raw) => inspect::containers(session, &raw).await,
        Container::Kill(raw) => kill::run(session, &raw).await,
        Container::Logs(raw) => logs::run(session, &raw).await,
        Container::Ls(raw) => container_ls::run(session, &raw).await,
        Container::Pause(raw) => stop::pause(session, &raw).await,
        Container::Port(raw) => port::run(session, &raw).await,
        Container::Prune(raw) => prune::containers(session, &raw).await,
        Container::Rename(raw) => rename::run(session, &raw).await,
        Container::Restart(raw) => stop::restart(session, &raw).await,
        Container::Rm(raw) => stop::remove(session, &raw).await,
        Container::Run(raw) => run::run(session, &raw).await,
        Container::Start(raw) => start::run(session, &raw).await,
        Container::Stats(raw) => stats::run(session, &raw).await,
        Container::Stop(raw) => stop::stop(session, &raw).await,
        Container::Top(raw) => top::run(session, &raw).await,
        Container::Unpause(raw) => stop::unpause(session, &raw).await,
        Container::Update(raw) => update::run(session, &raw).await,
        Container::Wait(raw) => wait::run(session, &raw).await,
    }
}

async fn image(session: &Session, command: Image) -> Result<(), Failure> {
    match command {
        Image::Build(raw) => build::run(session, &raw).await,
        Image::History(raw) => history::run(session, &raw).await,
        Image::Import(raw) => load::import(session, &raw).await,
        Image::Inspect(raw) => inspect::images(session, &raw).await,
        Image::Load(raw) => load::load(session, &raw).await,
        Image::Ls(raw) => image_ls::run(session, &raw).await,
        Image::Prune(raw) => prune::images(session, &raw).await,
        Image::Pull(raw) => pull::run(session, &raw).await,
        Image::Push(raw) => push::run(session, &raw).await,
        Image::Rm(raw) => image_rm::run(session, &raw).await,
        Image::Save(raw) => save::run(session, &raw).await,
        Image::Tag(raw) => tag::run(session, &raw).await,
    }
}

/// The path of a container's resource.
fn container_path(name: &str, rest: &str) -> Result<String, Failure> {
    // An empty name would ask something else: the list, or all.
    if name.trim_matches('/').trim().is_empty() {
        return Err(Failure::message(
            "invalid container name or ID: value is empty",
        ));
    }
    Ok(format!(
        "/containers/{}{rest}",
        encode_component(name.trim_start_matches('/'))
    ))
}

/// The path of an image's resource. The slashes of a name stay: they are part of the API's path.
fn image_path(name: &str, rest: &str) -> String {
    let name = encode_component(name)
        .replace("%2F", "/")
        .replace("%3A", ":")
        .replace("%40", "@");
    format!("/images/{name}{rest}")
}

/// Does the same to several objects and prints each one's name as it is done. All are tried; any that failed
/// makes the command fail.
async fn each<'names, F>(
    names: &'names [String],
    act: impl Fn(&'names str) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<String, Failure>>,
{
    let mut outcomes = futures_util::stream::iter(names)
        .map(|name| act(name))
        .buffered(AT_ONCE);
    let mut failed = None;
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(text) if text.is_empty() => {}
            Ok(text) => output::print_line(&text)?,
            Err(Failure::OutputClosed) => return Err(Failure::OutputClosed),
            // No engine for one is no engine for any.
            Err(Failure::Client(error)) if error.is_unreachable() => {
                return Err(Failure::Client(error));
            }
            Err(failure) => {
                if let Some(text) = failure.text() {
                    output::warn(&text);
                }
                failed = Some(Failure::Exit(1));
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// A request's filters.
fn filters(filters: &[String]) -> Result<Option<String>, Failure> {
    crate::request::filters::query(filters).map_err(Failure::message)
}

/// Asks before something is removed.
fn confirmed(question: &str) -> Result<bool, Failure> {
    let answer = crate::terminal::raw::read_line(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

//! Going through a Dockerfile: stage by stage, step by step, each from the cache or made.
//!
//! ```text
//! FROM ─▶ State ─┬─ ENV, CMD, …: configure (pure) ──────────────────┐
//!                ├─ COPY, ADD, WORKDIR: layer ──┐                   ├─▶ image ─▶ State
//!                └─ RUN: container ─────────────┴─▶ layer ──────────┘     ▲
//!                      key of all that ─────────────▶ known? ─────────────┘
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use image::dockerfile::{Command, Copy, Dockerfile, Instruction, Network, Place, Stage};
use image::{Config, ConfigHistory, Hold, Image, Store};
use model::api::build::Options;
use model::api::image::{ImageConfig, PullOptions};
use model::digest::{DiffId, ImageId};
use model::platform::architecture;
use model::reference::Reference;
use rootfs::{Overlay, Root};

use super::arguments::Arguments;
use super::configure::{self, Cmd, configure, variable};
use super::context::{Context, internal};
use super::expand::replaced;
use super::files::{self, Source};
use super::key::Key;
use super::layer::{self, Copying, Made};
use super::output::Output;
use super::run::{self, Step};
use crate::Engine;
use crate::container::Base;
use crate::error::{Error, Result};
use crate::moment;

/// What a step did not come through with.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// What a command of the build exited with.
    pub(super) code: Option<i64>,
    /// Which instruction it was.
    pub(super) place: Option<Place>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            code: None,
            place: None,
        }
    }
}

/// A build on its way.
pub(super) struct Builder<'a> {
    pub(super) engine: &'a Engine,
    pub(super) options: &'a Options,
    pub(super) dockerfile: &'a Dockerfile,
    pub(super) context: Arc<Context>,
    pub(super) output: Output,
    pub(super) arguments: Arguments,
    /// What the stages before came to.
    pub(super) stages: Vec<State>,
    /// Of the step that is being done, counted from 1.
    pub(super) number: usize,
    /// How many steps there are.
    pub(super) count: usize,
    /// The images that may be taken from the cache, where the client has named some.
    pub(super) cache: Option<BTreeSet<ImageId>>,
}

/// What there is after a step.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// None only on `scratch`, before the first step.
    pub(super) image: Option<Arc<Image>>,
    config: Config,
    cmd: Cmd,
    /// Keeps its layers, whoever removes images meanwhile.
    hold: Arc<Hold>,
}

impl State {
    /// The id of the image, or nothing.
    fn id(&self) -> String {
        self.image
            .as_ref()
            .map_or_else(String::new, |image| image.id.to_string())
    }

    fn short(&self) -> String {
        self.image
            .as_ref()
            .map_or_else(String::new, |image| image.id.short())
    }

    fn layers(&self) -> &[DiffId] {
        &self.config.rootfs.diff_ids
    }
}

impl Builder<'_> {
    /// Goes through these stages and gives what the last one came to.
    pub(super) async fn go(&mut self, stages: &[Stage]) -> Result<State, Failure> {
        for instruction in &self.dockerfile.arguments {
            self.say_step(&instruction.place).await?;
            self.global(instruction)
                .map_err(|error| at(&instruction.place, error))?;
        }
        let mut last = None;
        for stage in stages {
            self.say_step(&stage.place).await?;
            self.arguments.begin_stage();
            let begun = self.begin_stage(stage).await;
            let mut state = begun.map_err(|error| at(&stage.place, error))?;
            self.say_image(&state).await?;
            state = Box::pin(self.triggers(state, &stage.place)).await?;
            for instruction in &stage.instructions {
                self.say_step(&instruction.place).await?;
                state = self.step(state, instruction).await?;
                self.say_image(&state).await?;
            }
            if let Some(image) = &state.image {
                self.output.stage(image.id).await?;
            }
            self.stages.push(state.clone());
            last = Some(state);
        }
        last.ok_or_else(|| Error::internal("a Dockerfile has a stage").into())
    }

    async fn say_step(&mut self, place: &Place) -> Result<()> {
        self.number += 1;
        let text = format!("Step {}/{} : {}\n", self.number, self.count, place.text);
        self.output.text(text).await
    }

    async fn say_image(&self, state: &State) -> Result<()> {
        self.output.text(format!(" ---> {}\n", state.short())).await
    }

    /// An `ARG` before the first `FROM`.
    fn global(&mut self, instruction: &Instruction) -> Result<()> {
        let arguments = &self.arguments;
        let lookup = |name: &str| arguments.global(name);
        if let Command::Arg(declared) = self.expanded(&instruction.command, &lookup)? {
            for (name, default) in declared {
                self.arguments.declare_global(&name, default);
            }
        }
        Ok(())
    }

    fn expanded(
        &self,
        command: &Command,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Command> {
        replaced(command, self.dockerfile.escape, lookup)
            .map_err(|error| Error::bad_parameter(error.to_string()).because(error))
    }

    // ---- FROM -----------------------------------------------------------------------------------------------

    async fn begin_stage(&mut self, stage: &Stage) -> Result<State> {
        let lookup = |name: &str| self.arguments.global(name);
        let escape = self.dockerfile.escape;
        let expand = |word: &str| {
            image::dockerfile::expand::expand(word, escape, &lookup)
                .map_err(|error| Error::bad_parameter(error.to_string()).because(error))
        };
        let name = expand(&stage.from.image)?;
        if name.is_empty() {
            return Err(Error::bad_parameter(format!(
                "base name ({}) should not be blank",
                stage.from.image
            )));
        }
        let platform = match &stage.from.platform {
            Some(platform) => Some(expand(platform)?),
            None => self
                .options
                .platform
                .clone()
                .filter(|text| !text.is_empty()),
        };
        if let Some(state) = self.earlier(&name) {
            return Ok(State {
                cmd: Cmd::Inherited,
                ..state.clone()
            });
        }
        if name == "scratch" {
            return self.scratch();
        }
        let image = self.image(&name, self.options.pull).await?;
        if let Some(platform) = platform {
            check_platform(&image, &platform, &name)?;
        }
        self.begin(image)
    }

    /// The state that an earlier stage came to, by its name or number.
    fn earlier(&self, name: &str) -> Option<&State> {
        self.stages.get(self.dockerfile.stage(name)?)
    }

    fn scratch(&self) -> Result<State> {
        let config = Config {
            architecture: architecture(std::env::consts::ARCH).to_owned(),
            os: "linux".to_owned(),
            config: ImageConfig {
                env: Some(vec![configure::PATH.to_owned()]),
                ..ImageConfig::default()
            },
            ..Config::default()
        };
        Ok(State {
            image: None,
            config,
            cmd: Cmd::Inherited,
            hold: Arc::new(self.store().hold(&[])?),
        })
    }

    fn begin(&self, image: Arc<Image>) -> Result<State> {
        let hold = Arc::new(self.store().hold(image.layers())?);
        let mut config = image.config.clone();
        if variable(&config.config, "PATH").is_none() {
            let env = config.config.env.get_or_insert_default();
            env.push(configure::PATH.to_owned());
        }
        Ok(State {
            image: Some(image),
            config,
            cmd: Cmd::Inherited,
            hold,
        })
    }

    /// An image by its name, fetched if it is not here or if `pull` asks for it.
    async fn image(&self, name: &str, pull: bool) -> Result<Arc<Image>> {
        if !pull {
            match self.store().resolve(name) {
                Err(image::Error::NoSuchImage { .. }) => {}
                found => return Ok(found?),
            }
        }
        let reference: Reference = name
            .parse()
            .map_err(|error| Error::bad_parameter(format!("{error}")))?;
        let auth = self.credentials(&reference);
        let options = PullOptions {
            image: name.to_owned(),
            platform: self.options.platform.clone(),
            ..PullOptions::default()
        };
        self.engine
            .pull_image(options, auth, self.output.of_pull())
            .await?;
        Ok(self.store().resolve(name)?)
    }

    fn credentials(&self, reference: &Reference) -> model::api::system::AuthConfig {
        let registry = reference.repository().registry();
        let names = [registry, "https://index.docker.io/v1/"];
        let known = if registry == "docker.io" {
            &names[..]
        } else {
            &names[..1]
        };
        known
            .iter()
            .find_map(|name| self.options.registries.get(*name))
            .cloned()
            .unwrap_or_default()
    }

    /// The instructions that the image below left for whoever builds on it.
    async fn triggers(&mut self, mut state: State, place: &Place) -> Result<State, Failure> {
        let triggers = state.config.config.on_build.take().unwrap_or_default();
        if triggers.is_empty() {
            return Ok(state);
        }
        let plural = if triggers.len() == 1 { "" } else { "s" };
        let text = format!("# Executing {} build trigger{plural}\n", triggers.len());
        self.output.text(text).await?;
        for trigger in triggers {
            let parsed = image::dockerfile::parse_trigger(&trigger);
            let instruction = parsed.map_err(|error| {
                let message = format!("ONBUILD trigger of the image: {trigger}: {}", error.problem);
                at(place, Error::bad_parameter(message))
            })?;
            state = self.step(state, &instruction).await?;
            self.say_image(&state).await?;
        }
        Ok(state)
    }

    // ---- the other instructions -----------------------------------------------------------------------------

    async fn step(&mut self, state: State, instruction: &Instruction) -> Result<State, Failure> {
        let place = &instruction.place;
        let command = {
            let arguments = &self.arguments;
            let config = &state.config.config;
            let lookup = |name: &str| variable(config, name).or_else(|| arguments.get(name));
            self.expanded(&instruction.command, &lookup)
                .map_err(|error| at(place, error))?
        };
        let done = match &command {
            Command::Run(network, line) => {
                let words = configure::words(&state.config.config, line);
                self.run(state, words, *network).await
            }
            Command::Copy(copy) => self.copy(state, copy, "COPY").await.map_err(Failure::from),
            Command::Add(copy) => self.copy(state, copy, "ADD").await.map_err(Failure::from),
            _ => self.configure(state, &command).await.map_err(Failure::from),
        };
        done.map_err(|failure| Failure {
            place: Some(place.clone()),
            ..failure
        })
    }

    /// An instruction that changes the configuration; `WORKDIR` makes its folder too.
    async fn configure(&mut self, mut state: State, command: &Command) -> Result<State> {
        let history = configure(&mut state.config.config, command, &mut state.cmd)?;
        match command {
            Command::Arg(declared) => {
                for (name, default) in declared {
                    self.arguments.declare(name, default.clone());
                }
            }
            Command::Maintainer(author) => state.config.author.clone_from(author),
            _ => {}
        }
        let mut key = Key::new(&state.id());
        key.add(format!("{command:?}"));
        let history = format!("/bin/sh -c #(nop)  {history}");
        let key = key.finish();
        if let Some(known) = self.known(&state, &key).await? {
            return Ok(known);
        }
        let made = if let Command::Workdir(_) = command {
            let folder = state.config.config.working_dir.clone();
            self.on_layers(&state, move |root| layer::make_folder(root, &folder))
                .await?
        } else {
            Made { layer: None }
        };
        self.commit(state, made, history, key).await
    }

    async fn copy(&mut self, state: State, copy: &Copy, name: &'static str) -> Result<State> {
        if let Some(url) = copy.sources.iter().find(|source| is_url(source)) {
            return Err(Error::not_implemented(format!("{name} of a URL ({url})")));
        }
        let mut key = Key::new(&state.id());
        key.add(format!("{name} {copy:?}"));
        let (from, sources, digest, quick) = match &copy.from {
            None => {
                let (sources, digest) = self.in_context(copy, name)?;
                (
                    Files::Context(Arc::clone(&self.context)),
                    sources,
                    digest,
                    None,
                )
            }
            Some(other) => {
                let other = self.other(other).await?;
                // The same image, the same files: nothing has to be read to know that.
                let mut quick = key.clone();
                quick.add(other.id());
                let quick = quick.finish();
                if let Some(known) = self.known(&state, &quick).await? {
                    return Ok(known);
                }
                let (from, sources, digest) = self.in_layers(other, copy, name).await?;
                (from, sources, digest, Some(quick))
            }
        };
        key.add(&digest);
        let key = key.finish();
        if let Some(known) = self.known(&state, &key).await? {
            return Ok(known);
        }
        let folder = state.config.config.working_dir.clone();
        let target = copy.destination.clone();
        let copying = copy.clone();
        let made = self
            .on_layers(&state, move |root| {
                layer::put(
                    root,
                    &Copying {
                        name,
                        copy: &copying,
                        from: from.root(),
                        sources: &sources,
                        folder: &folder,
                        unpacks: name == "ADD",
                    },
                )
            })
            .await?;
        let short = digest.get(..64).unwrap_or(&digest);
        let history = format!("/bin/sh -c #(nop) {name} file:{short} in {target} ");
        let state = self.commit(state, made, history, key).await?;
        if let (Some(quick), Some(image)) = (quick, &state.image) {
            self.remember(&quick, image.id).await?;
        }
        Ok(state)
    }

    /// What a `COPY` means in the context, and a digest of it.
    fn in_context(&self, copy: &Copy, name: &str) -> Result<(Vec<Source>, String)> {
        let sources = files::sources(&self.context.root, &copy.sources, name)?;
        let mut key = Key::new("");
        for source in &sources {
            key.add(source.name.as_encoded_bytes());
            key.add(self.context.digest(&source.path).as_bytes());
        }
        Ok((sources, key.finish()))
    }

    /// What a `COPY --from` means.
    async fn other(&self, name: &str) -> Result<State> {
        if let Some(state) = self.earlier(name) {
            return Ok(state.clone());
        }
        if self
            .dockerfile
            .stage(name)
            .is_some_and(|number| number >= self.stages.len())
        {
            return Err(Error::bad_parameter(format!(
                "invalid from flag value {name}: refers to the stage itself or to one after it"
            )));
        }
        let image = self.image(name, false).await.map_err(|error| {
            Error::new(
                error.kind(),
                format!("invalid from flag value {name}: {error}"),
            )
        })?;
        self.begin(image)
    }

    async fn in_layers(
        &self,
        other: State,
        copy: &Copy,
        name: &'static str,
    ) -> Result<(Files, Vec<Source>, String)> {
        let lower = self.store().layer_directories(other.layers())?;
        let patterns = copy.sources.clone();
        blocking(move || {
            if lower.is_empty() {
                return Err(Error::bad_parameter(format!(
                    "{name} failed: there is nothing in that stage"
                )));
            }
            let root = Overlay::read_only(lower).mount().map_err(internal)?;
            let sources = files::sources(&root, &patterns, name)?;
            let mut key = Key::new("");
            for source in &sources {
                key.add(source.name.as_encoded_bytes());
                key.add(files::digest(&root, &source.path)?.as_bytes());
            }
            let from = Files::Layers {
                root,
                _hold: Arc::clone(&other.hold),
            };
            Ok((from, sources, key.finish()))
        })
        .await
    }

    async fn run(
        &mut self,
        state: State,
        words: Vec<String>,
        network: Network,
    ) -> Result<State, Failure> {
        let config = &state.config.config;
        let own_env = config.env.clone().unwrap_or_default();
        let arguments = self.arguments.of_run(&own_env);
        let mut key = Key::new(&state.id());
        key.add("RUN");
        key.add(format!("{words:?} {arguments:?} {network:?}"));
        let key = key.finish();
        if let Some(known) = self.known(&state, &key).await? {
            return Ok(known);
        }
        let mut env = own_env;
        let proxies = self.arguments.proxies(&env);
        env.extend(arguments.iter().cloned());
        env.extend(proxies);
        let step = Step {
            base: Base {
                id: state.id(),
                config: config.clone(),
                layers: state.layers().to_vec(),
            },
            words: words.clone(),
            env,
            network_mode: match network {
                Network::Default => self.options.network_mode.clone(),
                Network::None => "none".to_owned(),
            },
        };
        let container = run::create(self.engine, step, self.options).await?;
        let running = format!(" ---> Running in {}\n", container.short());
        self.output.text(running).await?;
        let code = run::run(self.engine, &container, &self.output).await?;
        let line = words.join(" ");
        if code != 0 {
            if !self.options.force_remove {
                container.keep();
            }
            let message = format!("The command '{line}' returned a non-zero code: {code}");
            return Err(Failure {
                code: Some(code),
                ..Error::bad_parameter(message).into()
            });
        }
        let changes = self.engine.writable_layer(container.id()).await?;
        let store = self.store().clone();
        let is_kept = !self.options.remove;
        let layer = blocking(move || {
            if is_kept {
                layer::copied(&store, &changes)
            } else {
                layer::adopt(&store, &changes)
            }
        })
        .await?;
        let short = container.short().to_owned();
        if is_kept {
            container.keep();
        } else {
            container.remove().await?;
            let removed = format!("Removing intermediate container {short}\n");
            self.output.text(removed).await?;
        }
        let history = if arguments.is_empty() {
            line
        } else {
            format!("|{} {} {line}", arguments.len(), arguments.join(" "))
        };
        Ok(self.commit(state, layer, history, key).await?)
    }

    // ---- the cache and the store ----------------------------------------------------------------------------

    fn store(&self) -> &Store {
        self.engine.image_store()
    }

    /// What this step came to before, if that is still there and the cache is to be used.
    async fn known(&self, state: &State, key: &str) -> Result<Option<State>> {
        if self.options.no_cache {
            return Ok(None);
        }
        let Some(image) = self.store().remembered_step(key) else {
            return Ok(None);
        };
        if self
            .cache
            .as_ref()
            .is_some_and(|may| !may.contains(&image.id))
        {
            return Ok(None);
        }
        // Its layers may go in this very moment, with an image that is being removed.
        let Ok(hold) = self.store().hold(image.layers()) else {
            return Ok(None);
        };
        self.output.text(" ---> Using cache\n").await?;
        Ok(Some(State {
            config: image.config.clone(),
            image: Some(image),
            cmd: state.cmd,
            hold: Arc::new(hold),
        }))
    }

    /// Lets `change` work on what there is so far.
    async fn on_layers(
        &self,
        state: &State,
        change: impl FnOnce(&Root) -> Result<()> + Send + 'static,
    ) -> Result<Made> {
        let store = self.store().clone();
        let context = Arc::clone(&self.context);
        let layers = state.layers().to_vec();
        blocking(move || layer::make(&store, &context.workspace, &layers, change)).await
    }

    /// Records what a step came to as an image.
    async fn commit(
        &self,
        mut state: State,
        made: Made,
        created_by: String,
        key: String,
    ) -> Result<State> {
        let now = moment::now();
        let config = &mut state.config;
        config.created = now.to_string();
        // What the image below says of its own making.
        config.comment.clear();
        config.docker_version.clear();
        config.history.push(ConfigHistory {
            created: now.to_string(),
            created_by,
            author: config.author.clone(),
            empty_layer: made.layer.is_none(),
            ..ConfigHistory::default()
        });
        if let Some(layer) = &made.layer {
            config.rootfs.diff_ids.push(layer.diff_id);
        }
        let store = self.store().clone();
        let config = config.clone();
        let parent = state.image.as_ref().map(|image| image.id);
        let (image, hold) = blocking(move || {
            let hold = store.hold(&config.rootfs.diff_ids)?;
            drop(made);
            let image = store.put_image(&config, parent)?;
            store.remember_step(&key, image.id)?;
            Ok((image, hold))
        })
        .await?;
        state.image = Some(image);
        state.hold = Arc::new(hold);
        Ok(state)
    }

    async fn remember(&self, key: &str, id: ImageId) -> Result<()> {
        let key = key.to_owned();
        self.engine
            .on_store(move |store| store.remember_step(&key, id))
            .await
    }
}

/// Where the files of a `COPY` are.
enum Files {
    Context(Arc<Context>),
    Layers { root: Root, _hold: Arc<Hold> },
}

impl Files {
    fn root(&self) -> &Root {
        match self {
            Self::Context(context) => &context.root,
            Self::Layers { root, .. } => root,
        }
    }
}

fn at(place: &Place, error: Error) -> Failure {
    Failure {
        error,
        code: None,
        place: Some(place.clone()),
    }
}

fn is_url(source: &str) -> bool {
    ["http://", "https://", "git@", "git://"]
        .iter()
        .any(|scheme| source.starts_with(scheme))
}

fn check_platform(image: &Image, wanted: &str, name: &str) -> Result<()> {
    let mut parts = wanted.split('/');
    let (os, architecture) = (parts.next().unwrap_or_default(), parts.next());
    let config = &image.config;
    let fits = os == config.os && architecture.is_none_or(|wanted| wanted == config.architecture);
    if fits {
        return Ok(());
    }
    Err(Error::not_found(format!(
        "image with reference {name} was found but does not match the specified platform: wanted {wanted}, actual: {}/{}",
        config.os, config.architecture
    )))
}

/// Does something on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::internal("a thread of a build ended").because(error)),
    }
}

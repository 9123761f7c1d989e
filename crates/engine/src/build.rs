//! Building images by Docker's classic protocol: a context comes in, an image comes out, and what happens meanwhile
//! is told line by line.
//!
//! ```text
//! archive ─ context ─▶ files and digests ─┐
//!                      Dockerfile ─ parse ┴─▶ steps ─▶ image ─▶ names
//! ```
//!
//! Each step is an image of its own, known by a key of all that it depends on: the image below, the instruction with
//! its variables replaced, the contents of what is copied. So what was built once is found again whatever the times
//! and owners of the files, and a change ends the finding from its step on.
//!
//! Start reading at `steps`. What decides is pure: `arguments`, `configure`, `expand`, `key`. A context is the
//! work of a stranger: it is only ever touched through `rootfs`, and nothing of it is run outside of a container.
//! Dropping a build's future ends it: its container, its files and its unfinished layers go.

mod account;
mod arguments;
mod configure;
mod context;
mod expand;
mod files;
mod key;
mod layer;
mod output;
mod run;
mod steps;
mod workspace;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use image::Store;
use image::dockerfile::{Command, Dockerfile, Instruction, ParseError, Place, Stage};
use model::api::build::{Options, PruneOptions, Pruned};
use model::api::progress::Message;
use model::digest::ImageId;
use model::reference::Reference;
use tokio::sync::mpsc;

use crate::Engine;
use crate::error::{Error, Result};
use arguments::Arguments;
use context::Context;
use output::Output;
use steps::{Builder, Failure};
use workspace::Workspace;

pub use configure::apply_changes;
pub(crate) use workspace::sweep;

/// The Dockerfile that is taken when none is named.
const DOCKERFILE: &str = "Dockerfile";

impl Engine {
    /// Builds an image of the context that `archive` gives.
    ///
    /// What is wrong with the request or the Dockerfile is the error; a failed step is told as the last message,
    /// with the line and what its command exited with, or is the error where nothing can be told any more.
    pub async fn build_image(
        &self,
        options: Options,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
        progress: mpsc::Sender<Message>,
    ) -> Result<()> {
        refuse(&options)?;
        let tags = references(&options.tags)?;
        let name = match options.dockerfile.as_str() {
            "" => DOCKERFILE,
            name => name,
        };
        let workspace = Workspace::new(&self.settings().data_root)?;
        let mut context = Context::receive(archive, workspace).await?;
        let text = context.dockerfile(name)?;
        context.forget_ignored(name)?;
        let mut dockerfile = Dockerfile::parse(&text).map_err(|error| parse_error(name, &error))?;
        let stages = planned(&mut dockerfile, &options)?;
        let output = Output::new(progress, options.quiet);
        for warning in &dockerfile.warnings {
            let text = format!(
                "[Warning] {name} line {}: {}\n",
                warning.line, warning.message
            );
            output.text(text).await?;
        }
        let count = dockerfile.arguments.len()
            + stages
                .iter()
                .map(|stage| 1 + stage.instructions.len())
                .sum::<usize>();
        let mut builder = Builder {
            engine: self,
            options: &options,
            dockerfile: &dockerfile,
            context: Arc::new(context),
            output: output.clone(),
            arguments: Arguments::new(&options.arguments),
            stages: Vec::new(),
            number: 0,
            count,
            cache: steps_of(self.image_store(), &options.cache_from),
        };
        let last = match Box::pin(builder.go(&stages)).await {
            Ok(last) => last,
            Err(failure) => return tell_failure(&output, name, failure).await,
        };
        let unused = builder.arguments.unused();
        if !unused.is_empty() {
            let text = format!(
                "[Warning] One or more build-args [{}] were not consumed\n",
                unused.join(" ")
            );
            output.text(text).await?;
        }
        let Some(image) = last.image else {
            return Err(Error::bad_parameter(
                "No image was generated. Is your Dockerfile empty?",
            ));
        };
        self.finish(image.id, tags, &output).await
    }

    /// Makes sure that the image is on disk, and gives it its names.
    async fn finish(&self, id: ImageId, tags: Vec<Reference>, output: &Output) -> Result<()> {
        self.on_store(Store::settle).await?;
        let text = format!("Successfully built {}\n", id.short());
        output.text(text).await?;
        for tag in tags {
            let familiar = tag.familiar();
            self.tag_image(&id.to_string(), &familiar, None).await?;
            let text = format!("Successfully tagged {familiar}\n");
            output.text(text).await?;
        }
        output.quiet_end(id).await
    }

    /// Forgets what steps of builds came to; images that nothing else needs go with it by `image prune`.
    pub async fn prune_build_cache(&self, options: PruneOptions) -> Result<Pruned> {
        // Steps are images, and so take nothing by themselves: there is nothing to choose among.
        drop(options);
        self.on_store(Store::forget_steps).await?;
        Ok(Pruned {
            caches_deleted: None,
            space_reclaimed: 0,
        })
    }
}

/// What these images were built of, step by step. None where that is no choice: nothing is named, or an image whose
/// steps nobody knows here, since it was pulled.
fn steps_of(store: &Store, names: &[String]) -> Option<BTreeSet<ImageId>> {
    if names.is_empty() {
        return None;
    }
    let mut steps = BTreeSet::new();
    for image in names.iter().filter_map(|name| store.resolve(name).ok()) {
        let mut parent = Some(image.parent?);
        steps.insert(image.id);
        while let Some(step) = parent {
            steps.insert(step);
            parent = store.get(step).and_then(|image| image.parent);
        }
    }
    Some(steps)
}

/// What this engine does not do is refused by name.
fn refuse(options: &Options) -> Result<()> {
    if !matches!(options.remote.as_str(), "" | "-") {
        return Err(Error::not_implemented(format!(
            "a remote build context ({})",
            options.remote
        )));
    }
    if options.squash {
        return Err(Error::not_implemented("--squash"));
    }
    Ok(())
}

fn references(tags: &[String]) -> Result<Vec<Reference>> {
    tags.iter()
        .map(|tag| {
            let reference: Reference = tag.parse().map_err(|error| {
                Error::bad_parameter(format!(
                    "invalid argument {tag:?} for \"-t, --tag\" flag: {error}"
                ))
            })?;
            if reference.digest().is_some() {
                return Err(Error::bad_parameter(
                    "build tag cannot contain a digest".to_owned(),
                ));
            }
            Ok(reference.or_latest())
        })
        .collect()
}

/// The stages to go through: up to the one that is wanted, with the labels that the client adds to it.
fn planned(dockerfile: &mut Dockerfile, options: &Options) -> Result<Vec<Stage>> {
    let mut stages = std::mem::take(&mut dockerfile.stages);
    dockerfile.stages.clone_from(&stages);
    if !options.target.is_empty() {
        let last = dockerfile.stage(&options.target).ok_or_else(|| {
            Error::bad_parameter(format!(
                "failed to reach build target {} in Dockerfile",
                options.target
            ))
        })?;
        stages.truncate(last + 1);
    }
    if let Some(last) = stages.last_mut()
        && !options.labels.is_empty()
    {
        let labels: Vec<_> = options.labels.clone().into_iter().collect();
        let words: Vec<_> = labels
            .iter()
            .map(|(name, value)| format!("{name:?}={value:?}"))
            .collect();
        // Quoted, so that what the client says is not taken for variables.
        let command = Command::Label(
            labels
                .iter()
                .map(|(name, value)| (single_quoted(name), single_quoted(value)))
                .collect(),
        );
        last.instructions.push(Instruction {
            place: Place {
                line: last.place.line,
                text: format!("LABEL {}", words.join(" ")),
            },
            command,
        });
    }
    Ok(stages)
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r#"'"'"'"#))
}

fn parse_error(name: &str, error: &ParseError) -> Error {
    let mut message = format!("{error}\n{name}:{}: {}", error.line, error.text);
    if let Some(hint) = error.hint() {
        message.push_str("\nhint: ");
        message.push_str(&hint);
    }
    Error::bad_parameter(message).because(error.clone())
}

/// Says where it was, after what it was.
async fn tell_failure(output: &Output, dockerfile: &str, failure: Failure) -> Result<()> {
    let mut message = failure.error.to_string();
    if let Some(place) = &failure.place {
        message = format!("{message}\n{dockerfile}:{}: {}", place.line, place.text);
    }
    match failure.code {
        Some(code) => output.failure(message, code).await,
        None => Err(Error::new(failure.error.kind(), message).because(failure.error)),
    }
}

#[cfg(test)]
mod tests {
    use image::dockerfile::{Command, Dockerfile};
    use model::api::build::Options;

    use super::{planned, references, refuse};

    /// The server drives builds on any of its threads.
    #[test]
    fn a_build_can_move_between_threads() {
        fn is_send<T: Send>(_: impl FnOnce() -> T) {}
        is_send(|| {
            let engine: Option<crate::Engine> = None;
            async move {
                let (sender, _receiver) = tokio::sync::mpsc::channel(1);
                if let Some(engine) = engine {
                    let nothing = futures_util::stream::empty();
                    let built = engine.build_image(Options::default(), nothing, sender);
                    drop(built.await);
                }
            }
        });
    }

    #[test]
    fn stages_end_at_the_target_and_take_labels() {
        let text = "FROM a AS one\nFROM b\nFROM c\n";
        let mut dockerfile = Dockerfile::parse(text).unwrap();
        let options = Options {
            target: "1".to_owned(),
            labels: [("a".to_owned(), "it's $x".to_owned())].into(),
            ..Options::default()
        };
        let stages = planned(&mut dockerfile, &options).unwrap();
        assert_eq!(stages.len(), 2);
        assert_eq!(dockerfile.stages.len(), 3, "names still mean what they did");
        let added = &stages[1].instructions[0];
        assert_eq!(added.place.text, r#"LABEL "a"="it's $x""#);
        let expanded = super::expand::replaced(&added.command, '\\', &|_| None).unwrap();
        assert_eq!(
            expanded,
            Command::Label(vec![("a".to_owned(), "it's $x".to_owned())])
        );
        let options = Options {
            target: "four".to_owned(),
            ..Options::default()
        };
        let error = planned(&mut dockerfile, &options).unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to reach build target four in Dockerfile"
        );
    }

    #[test]
    fn names_are_checked_before_anything_is_done() {
        let tags = |tags: &[&str]| {
            let tags: Vec<_> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            references(&tags)
        };
        assert_eq!(tags(&["a", "b:1"]).unwrap().len(), 2);
        assert!(tags(&["A"]).is_err());
        let digest = format!("a@sha256:{}", "0".repeat(64));
        assert!(tags(&[&digest]).is_err());
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        let remote = Options {
            remote: "https://example.com/x.git".to_owned(),
            ..Options::default()
        };
        assert!(refuse(&remote).unwrap_err().to_string().contains("x.git"));
        assert!(refuse(&Options::default()).is_ok());
    }
}

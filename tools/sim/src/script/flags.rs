//! The flags of Docker's commands that scripts use.

use std::num::NonZeroU32;
use std::time::Duration;

use model::port::Protocol;
use swarm_core::object::node::{Availability, NodeSpec};
use swarm_core::object::spec::{
    EndpointMode, FailureAction, NetworkAttachment, PortSpec, PublishMode, RestartCondition,
    ServiceMode, ServiceSpec, UpdateOrder,
};
use swarm_core::state::ClusterState;

use crate::script::{ScriptError, parse};

/// A change of a spec.
type Edit<Spec> = Box<dyn FnOnce(&mut Spec)>;

/// Changes of a spec, in the order in which they were asked for.
pub(super) struct Changes<Spec>(Vec<Edit<Spec>>);

impl<Spec> Changes<Spec> {
    pub(super) fn apply(self, spec: &mut Spec) {
        for change in self.0 {
            change(spec);
        }
    }
}

/// The flags among `words`, and the words that are none.
pub(super) fn service<'w>(
    words: &[&'w str],
    state: &ClusterState,
) -> Result<(Changes<ServiceSpec>, Vec<&'w str>), ScriptError> {
    let (mut changes, mut rest) = (Vec::new(), Vec::new());
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        // Whatever follows the image is the container's command.
        if !word.starts_with('-') || rest.len() > 1 {
            rest.push(word);
            continue;
        }
        let (flag, value) = match word.split_once('=') {
            Some(("--detach", _)) => continue,
            Some((flag, value)) => (flag, value),
            None => match word {
                "--force" => {
                    changes.push(
                        Box::new(|spec: &mut ServiceSpec| spec.task.force_update += 1)
                            as Box<dyn FnOnce(&mut ServiceSpec)>,
                    );
                    continue;
                }
                flag => (flag, words.next().unwrap_or_default()),
            },
        };
        changes.push(change(flag, value, state)?);
    }
    Ok((Changes(changes), rest))
}

fn change(flag: &str, value: &str, state: &ClusterState) -> Result<Edit<ServiceSpec>, ScriptError> {
    Ok(match flag {
        "--name" => {
            let name = parse("name", value)?;
            Box::new(move |spec| spec.name = name)
        }
        "--image" => {
            let image = value.to_owned();
            Box::new(move |spec| spec.task.container.image = image)
        }
        "--replicas" => {
            let replicas = parse("number", value)?;
            Box::new(move |spec| spec.mode = ServiceMode::Replicated { replicas })
        }
        "--mode" => {
            let mode = mode(value)?;
            Box::new(move |spec| spec.mode = mode)
        }
        "--network" => {
            let network = state.network_named(value).map(|network| network.id);
            let network = network.ok_or_else(|| ScriptError::NotThere {
                kind: "network",
                name: value.to_owned(),
            })?;
            Box::new(move |spec| {
                spec.task.networks.push(NetworkAttachment {
                    network,
                    aliases: Vec::new(),
                });
            })
        }
        "-p" | "--publish" | "--publish-add" => {
            let port = port(value)?;
            Box::new(move |spec| spec.endpoint.ports.push(port))
        }
        "--publish-rm" => {
            let target: u16 = parse("port", value.rsplit(':').next().unwrap_or(value))?;
            Box::new(move |spec| spec.endpoint.ports.retain(|port| port.target != target))
        }
        "--endpoint-mode" => {
            let mode = if value == "dnsrr" {
                EndpointMode::Dnsrr
            } else {
                EndpointMode::Vip
            };
            Box::new(move |spec| spec.endpoint.mode = mode)
        }
        "--mount" => {
            let mount = serde_json::json!({ "mounts": [value] });
            Box::new(move |spec| spec.task.container.settings = mount)
        }
        flag => return policy(flag, value),
    })
}

fn policy(flag: &str, value: &str) -> Result<Edit<ServiceSpec>, ScriptError> {
    Ok(match flag {
        "--constraint" => {
            let constraint = parse("constraint", value)?;
            Box::new(move |spec| spec.placement.constraints.push(constraint))
        }
        "--replicas-max-per-node" => {
            let max: NonZeroU32 = parse("number", value)?;
            Box::new(move |spec| spec.placement.max_replicas = Some(max))
        }
        "--placement-pref" => {
            let attribute = parse("attribute", value.trim_start_matches("spread="))?;
            Box::new(move |spec| spec.placement.preferences.push(attribute))
        }
        "--reserve-memory" => {
            let gibibytes: u64 = parse("size", value.trim_end_matches('G'))?;
            Box::new(move |spec| spec.task.reservations.memory_bytes = gibibytes << 30)
        }
        "--update-parallelism" => {
            let parallelism = parse("number", value)?;
            Box::new(move |spec| spec.update.parallelism = parallelism)
        }
        "--update-delay" => {
            let delay = time(value)?;
            Box::new(move |spec| spec.update.delay = delay)
        }
        "--update-order" => {
            let start_first = value == "start-first";
            let order = if start_first {
                UpdateOrder::StartFirst
            } else {
                UpdateOrder::StopFirst
            };
            Box::new(move |spec| spec.update.order = order)
        }
        "--update-failure-action" => {
            let action = match value {
                "pause" => FailureAction::Pause,
                "continue" => FailureAction::Continue,
                "rollback" => FailureAction::Rollback,
                _ => return Err(word("failure action", value)),
            };
            Box::new(move |spec| spec.update.failure_action = action)
        }
        "--restart-condition" => {
            let condition = match value {
                "none" => RestartCondition::None,
                "on-failure" => RestartCondition::OnFailure,
                "any" => RestartCondition::Any,
                _ => return Err(word("restart condition", value)),
            };
            Box::new(move |spec| spec.restart.condition = condition)
        }
        "--restart-delay" => {
            let delay = time(value)?;
            Box::new(move |spec| spec.restart.delay = delay)
        }
        "--restart-max-attempts" => {
            let attempts: NonZeroU32 = parse("number", value)?;
            Box::new(move |spec| spec.restart.max_attempts = Some(attempts))
        }
        _ => return Err(word("flag", flag)),
    })
}

fn mode(value: &str) -> Result<ServiceMode, ScriptError> {
    match value {
        "global" => Ok(ServiceMode::Global),
        "replicated" => Ok(ServiceMode::Replicated { replicas: 1 }),
        "global-job" => Ok(ServiceMode::GlobalJob),
        _ => Err(word("mode", value)),
    }
}

/// `published:target`, `target`, or `mode=host,published=…,target=…`.
fn port(value: &str) -> Result<PortSpec, ScriptError> {
    let mut port = PortSpec {
        protocol: Protocol::Tcp,
        target: 0,
        published: None,
        mode: PublishMode::Ingress,
    };
    if value.contains('=') {
        for part in value.split(',') {
            match part.split_once('=') {
                Some(("mode", "host")) => port.mode = PublishMode::Host,
                Some(("published", number)) => port.published = Some(parse("port", number)?),
                Some(("target", number)) => port.target = parse("port", number)?,
                Some(_) | None => return Err(word("port", value)),
            }
        }
        return Ok(port);
    }
    match value.split_once(':') {
        Some((published, target)) => {
            port.published = Some(parse("port", published)?);
            port.target = parse("port", target)?;
        }
        None => port.target = parse("port", value)?,
    }
    Ok(port)
}

/// The flags of `node update`.
pub(super) fn node(words: &[&str]) -> Result<Changes<NodeSpec>, ScriptError> {
    let mut changes: Vec<Edit<NodeSpec>> = Vec::new();
    for pair in words.chunks(2) {
        match pair {
            ["--availability", value] => {
                let availability = match *value {
                    "active" => Availability::Active,
                    "pause" => Availability::Pause,
                    "drain" => Availability::Drain,
                    _ => return Err(word("availability", value)),
                };
                changes.push(Box::new(move |spec| spec.availability = availability));
            }
            ["--label-add", value] => {
                let (key, label) = value.split_once('=').ok_or_else(|| word("label", value))?;
                let (key, label) = (key.to_owned(), label.to_owned());
                changes.push(Box::new(move |spec| {
                    spec.labels.insert(key, label);
                }));
            }
            _ => return Err(word("flag", &words.join(" "))),
        }
    }
    Ok(Changes(changes))
}

/// The flags of `network create`: overlays are all there are here.
pub(super) fn network(words: &[&str]) -> Result<(), ScriptError> {
    match words {
        [] | ["--driver", "overlay"] => Ok(()),
        _ => Err(word("flag", &words.join(" "))),
    }
}

/// `500ms`, `5s`, `2m`.
pub(super) fn time(text: &str) -> Result<Duration, ScriptError> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let found = units.iter().find_map(|(unit, scale)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(Duration::from_millis(number * scale))
    });
    found.ok_or_else(|| word("time", text))
}

fn word(what: &'static str, text: &str) -> ScriptError {
    ScriptError::Word {
        what,
        text: text.to_owned(),
    }
}

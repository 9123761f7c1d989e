//! Docker's commands, as far as they concern the cluster's decisions.

use std::time::Duration;

use model::id::{NetworkId, ServiceId};
use swarm_core::object::network::NetworkPurpose;
use swarm_core::object::node::{Node, NodeRole};
use swarm_core::object::service::Service;
use swarm_core::object::spec::{ServiceMode, ServiceSpec};
use swarm_core::state::transaction::Transaction;

use crate::script::{ScriptError, flags, node_named, parse, table};
use crate::user;
use crate::world::World;

/// Runs one command; returns what it shows.
pub(super) fn run(world: &mut World, words: &[&str]) -> Result<String, ScriptError> {
    match words {
        ["node", "ls"] => Ok(table::nodes(&world.state)),
        ["node", "ps", host] => Ok(table::tasks_on(&world.state, node_named(world, host)?)),
        ["node", "promote", host] => {
            change_node(world, host, |node| node.spec.role = NodeRole::Manager)
        }
        ["node", "demote", host] => {
            change_node(world, host, |node| node.spec.role = NodeRole::Worker)
        }
        ["node", "update", rest @ .., host] => {
            let change = flags::node(rest)?;
            change_node(world, host, |node| change.apply(&mut node.spec))
        }
        ["network", "ls"] => Ok(table::networks(&world.state)),
        ["network", "create", rest @ .., name] => {
            let id = NetworkId::from_number(world.random.u128(..));
            flags::network(rest)?;
            write(
                world,
                user::network(parse("name", name)?, id, NetworkPurpose::Services),
            )
        }
        ["network", "rm", name] => {
            let network = world.state.network_named(name);
            let network = network.ok_or_else(|| no_such("network", name))?;
            write(world, user::remove_network(network))
        }
        ["service", "ls"] => Ok(table::services(&world.state)),
        ["service", "ps", name] => {
            let service = service(world, name)?;
            Ok(table::tasks(world, &service))
        }
        ["service", "create", rest @ ..] => create(world, rest),
        ["service", "update", rest @ ..] => update(world, rest),
        ["service", "scale", scales @ ..] => scale(world, scales),
        ["service", "rollback", name] => {
            let service = service(world, name)?;
            match service.rolled_back(world.state.revision(), world.now) {
                Ok(back) => write(world, Transaction::of(back.into())),
                Err(error) => Ok(format!("Error: {error}\n")),
            }
        }
        ["service", "rm", names @ ..] => {
            let mut shown = String::new();
            for name in names {
                let service = service(world, name)?;
                shown += &write(world, user::remove_service(&service))?;
            }
            Ok(shown)
        }
        _ => Err(ScriptError::NotACommand(words.join(" "))),
    }
}

fn create(world: &mut World, words: &[&str]) -> Result<String, ScriptError> {
    let id = ServiceId::from_number(world.random.u128(..));
    let (flags, rest) = flags::service(words, &world.state)?;
    let image = rest
        .first()
        .ok_or_else(|| ScriptError::NotACommand("service create".to_owned()))?;
    let mut spec = user::spec(parse("name", "unnamed")?, image);
    if rest.len() > 1 {
        spec.task.container.settings = serde_json::json!({ "command": rest[1..].join(" ") });
    }
    flags.apply(&mut spec);
    write(world, user::create_service(id, spec))
}

fn update(world: &mut World, words: &[&str]) -> Result<String, ScriptError> {
    // Options may stand before and after the name.
    let (flags, rest) = flags::service(words, &world.state)?;
    let name = rest
        .first()
        .ok_or_else(|| ScriptError::NotACommand("service update".to_owned()))?;
    let service = service(world, name)?;
    write(
        world,
        user::update_service(&service, |spec: &mut ServiceSpec| flags.apply(spec)),
    )
}

fn scale(world: &mut World, scales: &[&str]) -> Result<String, ScriptError> {
    let mut shown = String::new();
    for scale in scales {
        let (name, count) = scale
            .split_once('=')
            .ok_or_else(|| ScriptError::NotACommand((*scale).to_owned()))?;
        let replicas = parse("number", count)?;
        let service = service(world, name)?;
        let transaction = user::update_service(&service, |spec| {
            spec.mode = ServiceMode::Replicated { replicas }
        });
        shown += &write(world, transaction)?;
    }
    Ok(shown)
}

fn change_node(
    world: &mut World,
    host: &str,
    change: impl FnOnce(&mut Node),
) -> Result<String, ScriptError> {
    let id = node_named(world, host)?;
    let mut node = world
        .state
        .nodes()
        .get(&id)
        .cloned()
        .ok_or_else(|| no_such("node", host))?;
    change(&mut node);
    write(world, Transaction::of(node.into()))
}

/// Writes what a user asked for; shows why not, if it is refused.
fn write(world: &mut World, transaction: Transaction) -> Result<String, ScriptError> {
    match world.write(transaction)? {
        Ok(()) => {
            world.run_for(Duration::ZERO)?;
            Ok(String::new())
        }
        Err(refusal) => {
            let source = std::error::Error::source(&refusal);
            let cause = source.map(|cause| format!(": {cause}")).unwrap_or_default();
            Ok(format!("Error: {refusal}{cause}\n"))
        }
    }
}

fn service(world: &World, name: &str) -> Result<Service, ScriptError> {
    world
        .state
        .service_named(name)
        .cloned()
        .ok_or_else(|| no_such("service", name))
}

fn no_such(kind: &'static str, name: &str) -> ScriptError {
    ScriptError::NotThere {
        kind,
        name: name.to_owned(),
    }
}

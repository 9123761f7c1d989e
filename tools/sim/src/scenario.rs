//! One seed: a cluster, users and faults that keep it busy, and then peace.

use std::time::Duration;

use model::id::NetworkId;
use model::name::Name;
use swarm_core::object::network::NetworkPurpose;

use crate::bug::Bug;
use crate::fault;
use crate::invariant::{Failure, When};
use crate::user;
use crate::workload;
use crate::world::{Pace, World};

/// How large a scenario is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) nodes: u32,
    pub(crate) services: u32,
    pub(crate) steps: u32,
}

/// How long a cluster may take to come to rest after the last fault.
const PATIENCE: Duration = Duration::from_mins(30);

/// Plays the scenario of `seed` in `world`.
pub(crate) fn play(world: &mut World, size: Size) -> Result<(), Failure> {
    world.clocks_jumped = world.random.u8(..) < 32;
    begin(world, size)?;
    for _ in 0..size.steps {
        if world.random.u8(..) < 64 {
            fault::strike(world);
        } else {
            workload::act(world, size);
        }
        let pause = Duration::from_millis(world.random.u64(0..6_000));
        world.run_for(pause)?;
    }
    fault::end_all(world);
    world.run_for(Duration::from_secs(30))?;
    workload::mend(world)?;
    world.settle(PATIENCE)?;
    world.check(When::End, None, &[])
}

/// The world of `seed`.
pub(crate) fn world(seed: u64, bug: Option<Bug>) -> World {
    World::new(seed, Pace::Varying, bug)
}

fn begin(world: &mut World, size: Size) -> Result<(), Failure> {
    let ingress: Name = "ingress".parse().expect("a plain word is a name");
    let id = NetworkId::from_number(1);
    let made = world.write(user::network(ingress, id, NetworkPurpose::Ingress))?;
    made.map_err(|refusal| Failure::new("the ingress network is made", &refusal))?;
    for number in 1..=size.nodes {
        world.join(user::node(number, world.now))?;
    }
    world.run_for(Duration::from_secs(1))
}

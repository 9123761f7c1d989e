//! What goes wrong: nodes die, are cut off or slow, tasks fail or hang, leaders fall, clocks jump.

use model::id::{NodeId, TaskId};
use swarm_core::object::task::TaskState;
use swarm_core::task_machine::Outcome;

use crate::agent::{Agent, Link, Power};
use crate::world::World;

/// Lets one thing go wrong, or right again.
pub(crate) fn strike(world: &mut World) {
    let Some(node) = world.random.choice(world.agents.keys().copied()) else {
        return;
    };
    match world.random.u8(0..12) {
        0 => world.lose(node, Power::Off, Link::Open),
        1 => world.lose(node, Power::On, Link::Cut),
        2..=4 => world.bring_back(node),
        5 => slow_down(world, node),
        6..=7 => fail_a_task(world),
        8 => hang_a_task(world, node),
        9..=10 => world.depose(),
        _ => jump(world),
    }
}

/// Ends all faults: every node is there, at its usual speed, and nothing hangs.
pub(crate) fn end_all(world: &mut World) {
    for node in world.agents.keys().copied().collect::<Vec<_>>() {
        let Some(agent) = world.agents.get_mut(&node) else {
            continue;
        };
        agent.slowness = 1;
        let hanging: Vec<TaskId> = agent
            .tasks
            .iter()
            .filter(|(_, it)| it.hangs)
            .map(|(id, _)| *id)
            .collect();
        for task in hanging {
            unhang(world, node, task);
        }
        if world
            .agents
            .get(&node)
            .is_some_and(|agent| !agent.is_connected())
        {
            world.bring_back(node);
        }
    }
}

fn slow_down(world: &mut World, node: NodeId) {
    let slowness = world.random.u32(1..20);
    if let Some(agent) = world.agents.get_mut(&node) {
        agent.slowness = slowness;
    }
}

fn fail_a_task(world: &mut World) {
    let running = |agent: &Agent| {
        agent
            .running()
            .map(|((_, task), _)| (agent.node, task))
            .collect::<Vec<_>>()
    };
    let all: Vec<(NodeId, TaskId)> = world.agents.values().flat_map(running).collect();
    if let Some((node, task)) = world.random.choice(all) {
        let code = world.random.i32(0..3);
        world.exit(node, task, code);
    }
}

fn hang_a_task(world: &mut World, node: NodeId) {
    let Some(agent) = world.agents.get_mut(&node) else {
        return;
    };
    let live: Vec<_> = agent
        .tasks
        .values_mut()
        .filter(|it| it.state < TaskState::Complete && !it.hangs)
        .collect();
    if let Some(task) = world.random.choice(live) {
        task.hangs = true;
    }
}

/// A task that hung goes on: what it was about to do has failed, what it ran still runs.
fn unhang(world: &mut World, node: NodeId, task: TaskId) {
    let Some(local) = world
        .agents
        .get_mut(&node)
        .and_then(|agent| agent.tasks.get_mut(&task))
    else {
        return;
    };
    local.hangs = false;
    local.stopping = false;
    let stuck = matches!(local.state, TaskState::Preparing | TaskState::Starting);
    let step = local.step;
    if stuck {
        world.finish(node, task, step, Outcome::Lost);
    } else {
        world.nudge(node);
    }
}

fn jump(world: &mut World) {
    if !world.clocks_jumped {
        return;
    }
    let clock = world.any_clock();
    if let Some(leader) = &mut world.leader {
        leader.clock = clock;
        leader.wakes = None;
    }
    world.nudge_leader();
}

//! The cluster's resources, on a host that is in no cluster.

use http::StatusCode;

use crate::failure::Failure;
use crate::routes::{Work, later, now};

/// The table: all that a manager would answer is told why nobody does.
pub(super) fn find<'a>(method: &str, path: &[&str]) -> Option<Work<'a>> {
    Some(match (method, path) {
        ("POST", ["swarm", "init"]) => later("swarm init"),
        ("POST", ["swarm", "join"]) => later("swarm join"),
        ("POST", ["swarm", "leave"]) => refused(Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "This node is not part of a swarm",
        )),
        (
            "GET",
            ["swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs"]
            | ["swarm", "unlockkey"]
            | ["services" | "tasks", _, "logs"],
        )
        | (
            "POST",
            ["swarm", "update" | "unlock"]
            | ["services" | "secrets" | "configs", "create"]
            | ["nodes" | "services" | "secrets" | "configs", _, "update"],
        )
        | ("GET" | "DELETE", ["nodes" | "services" | "tasks" | "secrets" | "configs", _]) => {
            refused(Failure::not_in_a_swarm())
        }
        _ => return None,
    })
}

fn refused<'a>(failure: Failure) -> Work<'a> {
    now(Err(failure))
}

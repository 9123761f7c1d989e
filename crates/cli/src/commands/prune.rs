//! What removes everything that nothing uses: `container prune`, `image prune`, … and `system prune`.

use client::Request;
use serde_json::Value;

use super::{confirmed, filters, image_rm};
use crate::args::system::{Prune, PruneAll, PruneSystem};
use crate::failure::Failure;
use crate::output;
use crate::output::field::{list, number, texts};
use crate::output::units::{float, precise_size};
use crate::session::Session;

/// What one request removed.
struct Removed {
    /// Under which title it is listed, and what.
    title: &'static str,
    lines: Vec<String>,
    reclaimed: i64,
}

/// `container prune`.
pub(crate) async fn containers(session: &Session, raw: &Prune) -> Result<(), Failure> {
    if !raw.force
        && !confirmed(
            "WARNING! This will remove all stopped containers.\nAre you sure you want to continue?",
        )?
    {
        return Err(Failure::message("container prune has been cancelled"));
    }
    let removed = prune_containers(session, &raw.filter).await?;
    show(&[removed], true)
}

/// `image prune`.
pub(crate) async fn images(session: &Session, raw: &PruneAll) -> Result<(), Failure> {
    let question = if raw.all {
        "WARNING! This will remove all images without at least one container associated to them."
    } else {
        "WARNING! This will remove all dangling images."
    };
    if !raw.force && !confirmed(&format!("{question}\nAre you sure you want to continue?"))? {
        return Err(Failure::message("image prune has been cancelled"));
    }
    let removed = prune_images(session, &raw.filter, raw.all).await?;
    show(&[removed], true)
}

/// `network prune`.
pub(crate) async fn networks(session: &Session, raw: &Prune) -> Result<(), Failure> {
    let question =
        "WARNING! This will remove all custom networks not used by at least one container.";
    if !raw.force && !confirmed(&format!("{question}\nAre you sure you want to continue?"))? {
        return Err(Failure::message("network prune has been cancelled"));
    }
    let removed = prune_networks(session, &raw.filter).await?;
    show(&[removed], false)
}

/// `volume prune`.
pub(crate) async fn volumes(session: &Session, raw: &PruneAll) -> Result<(), Failure> {
    let question = if raw.all {
        "WARNING! This will remove all local volumes not used by at least one container."
    } else {
        "WARNING! This will remove anonymous local volumes not used by at least one container."
    };
    if !raw.force && !confirmed(&format!("{question}\nAre you sure you want to continue?"))? {
        return Err(Failure::message("volume prune has been cancelled"));
    }
    let removed = prune_volumes(session, &raw.filter, raw.all).await?;
    show(&[removed], true)
}

/// `builder prune`.
pub(crate) async fn builds(session: &Session, raw: &PruneAll) -> Result<(), Failure> {
    let question = if raw.all {
        "WARNING! This will remove all build cache."
    } else {
        "WARNING! This will remove all dangling build cache."
    };
    if !raw.force && !confirmed(&format!("{question} Are you sure you want to continue?"))? {
        return Err(Failure::message("builder prune has been cancelled"));
    }
    let removed = prune_builds(session, &raw.filter, raw.all).await?;
    output::print(&listed(std::slice::from_ref(&removed)))?;
    output::print_line(&format!(
        "Total:\t{}",
        precise_size(float(removed.reclaimed))
    ))
}

/// `system prune`.
pub(crate) async fn system(session: &Session, raw: &PruneSystem) -> Result<(), Failure> {
    if !raw.force && !confirmed(&question(raw))? {
        return Err(Failure::message("system prune has been cancelled"));
    }
    let mut removed = vec![
        prune_containers(session, &raw.filter).await?,
        prune_networks(session, &raw.filter).await?,
    ];
    if raw.volumes {
        removed.push(prune_volumes(session, &raw.filter, false).await?);
    }
    removed.push(prune_images(session, &raw.filter, raw.all).await?);
    match prune_builds(session, &raw.filter, raw.all).await {
        Ok(builds) => removed.push(builds),
        // An engine may keep nothing of builds and say so.
        Err(Failure::Client(error))
            if matches!(
                error.status(),
                Some(http::StatusCode::NOT_FOUND | http::StatusCode::NOT_IMPLEMENTED)
            ) => {}
        Err(failure) => return Err(failure),
    }
    show(&removed, true)
}

fn question(raw: &PruneSystem) -> String {
    let mut text = "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n".to_owned();
    if raw.volumes {
        text.push_str("  - all anonymous volumes not used by at least one container\n");
    }
    text.push_str(if raw.all {
        "  - all images without at least one container associated to them\n  - all build cache\n"
    } else {
        "  - all dangling images\n  - unused build cache\n"
    });
    if !raw.filter.is_empty() {
        text.push_str(&format!(
            "\n  Items to be pruned will be filtered with:\n  - {}\n",
            raw.filter.join("\n  - ")
        ));
    }
    text.push_str("\nAre you sure you want to continue?");
    text
}

fn show(removed: &[Removed], with_space: bool) -> Result<(), Failure> {
    output::print(&listed(removed))?;
    if !with_space {
        return Ok(());
    }
    let reclaimed = removed.iter().map(|removed| removed.reclaimed).sum();
    output::print_line(&format!(
        "Total reclaimed space: {}",
        precise_size(float(reclaimed))
    ))
}

fn listed(removed: &[Removed]) -> String {
    let mut text = String::new();
    for removed in removed.iter().filter(|removed| !removed.lines.is_empty()) {
        text.push_str(&format!(
            "{}:\n{}\n\n",
            removed.title,
            removed.lines.join("\n")
        ));
    }
    text
}

async fn ask(session: &Session, path: &str, conditions: &[String]) -> Result<Value, Failure> {
    let request = Request::post(path).query_if("filters", filters(conditions)?);
    Ok(session.client.send(request).await?.json().await?)
}

async fn prune_containers(session: &Session, conditions: &[String]) -> Result<Removed, Failure> {
    let answer = ask(session, "/containers/prune", conditions).await?;
    Ok(Removed {
        title: "Deleted Containers",
        lines: texts(&answer, "ContainersDeleted"),
        reclaimed: number(&answer, "SpaceReclaimed"),
    })
}

async fn prune_networks(session: &Session, conditions: &[String]) -> Result<Removed, Failure> {
    let answer = ask(session, "/networks/prune", conditions).await?;
    Ok(Removed {
        title: "Deleted Networks",
        lines: texts(&answer, "NetworksDeleted"),
        reclaimed: 0,
    })
}

async fn prune_volumes(
    session: &Session,
    conditions: &[String],
    all: bool,
) -> Result<Removed, Failure> {
    let mut conditions = conditions.to_vec();
    // Before 1.42 engines know no other way than all.
    if all && session.client.speaks("1.42").await? {
        conditions.push("all=true".to_owned());
    }
    let answer = ask(session, "/volumes/prune", &conditions).await?;
    Ok(Removed {
        title: "Deleted Volumes",
        lines: texts(&answer, "VolumesDeleted"),
        reclaimed: number(&answer, "SpaceReclaimed"),
    })
}

async fn prune_images(
    session: &Session,
    conditions: &[String],
    all: bool,
) -> Result<Removed, Failure> {
    let mut conditions = conditions.to_vec();
    conditions.push(format!("dangling={}", !all));
    let answer = ask(session, "/images/prune", &conditions).await?;
    let lines = image_rm::lines(list(&answer, "ImagesDeleted")).to_lowercase();
    Ok(Removed {
        title: "Deleted Images",
        lines: lines.lines().map(str::to_owned).collect(),
        reclaimed: number(&answer, "SpaceReclaimed"),
    })
}

async fn prune_builds(
    session: &Session,
    conditions: &[String],
    all: bool,
) -> Result<Removed, Failure> {
    let request = Request::post("/build/prune")
        .flag("all", all)
        .query_if("filters", filters(conditions)?);
    let answer: Value = session.client.send(request).await?.json().await?;
    Ok(Removed {
        title: "Deleted build cache objects",
        lines: texts(&answer, "CachesDeleted"),
        reclaimed: number(&answer, "SpaceReclaimed"),
    })
}

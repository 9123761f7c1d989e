//! `store`: a small server of the Redis protocol, for where no Redis is at hand. It serves the commands
//! that this application uses and those that a client or a curious person sends first. It must never
//! acknowledge a write that a `kill -9` could lose, once a folder to keep it in is named.
//!
//! ```text
//! connection: bytes ──framing──▶ request ──command──▶ Command ─┐         one owner of the data:
//!                                                              ├──▶ keeper: apply ──▶ journal ──▶ reply
//! connection: …                                               ─┘    (undone if the journal fails)
//! ```
//!
//! Start reading at [`run`]; `data` holds what the commands mean and is pure.

mod command;
mod connection;
mod data;
mod framing;
mod glob;
mod journal;
mod keeper;
mod reply;
mod request;

use std::net::SocketAddr;

use prometheus_client::metrics::counter::Counter;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::args::StoreArgs;
use crate::failure::Failure;
use crate::log::Log;
use crate::metrics::{self, Readiness};
use crate::serve::{Slots, affordable_connections, listen};
use crate::service::{self, ProcessSettings, listen_for_metrics, serve_metrics};
use crate::stop::Stop;
use data::Data;
use journal::Journal;
pub(crate) use journal::JournalError;
use keeper::{Batch, keep};

/// Batches of commands that wait for the keeper; past that, connections wait.
const WAITING_BATCHES: usize = 1024;

/// Runs the store until it is told to stop.
pub(crate) fn run(args: &StoreArgs) -> Result<(), Failure> {
    let process = ProcessSettings::new("store", args.listen, &args.process);
    service::block_on(process.on_sigterm, async |log, stop| {
        let (data, journal) = open(args, &log)?;
        let listener = listen("store", SocketAddr::new(args.listen, args.port)).await?;
        let mut registry = metrics::registry();
        let commands: Counter = Counter::default();
        registry.register("store_commands", "Commands answered", commands.clone());
        let metrics = listen_for_metrics(process, &log).await?;
        log.line(greeting(args, &listener));
        let (batches, received) = mpsc::channel(WAITING_BATCHES);
        let slots = Slots::new(affordable_connections(args.max_connections));
        tokio::join!(
            keep(data, journal, received, log.clone(), commands),
            accept(listener, slots, batches, log.clone(), stop.clone()),
            serve_metrics(metrics, registry, Readiness::new(true), log.clone(), stop),
        );
        log.line("store stopped");
        Ok(())
    })
}

fn open(args: &StoreArgs, log: &Log) -> Result<(Data, Option<Journal>), Failure> {
    let Some(folder) = &args.dir else {
        return Ok((Data::default(), None));
    };
    let (journal, data, repair) = Journal::open(folder)?;
    if let Some(cut) = repair {
        log.line(format!(
            "the last {cut} bytes of the journal were not whole, as after a kill in mid-write, and are cut off; \
             nothing acknowledged was in them"
        ));
    }
    Ok((data, Some(journal)))
}

/// Takes connections until stopping is wished; those open then end with what they are doing.
async fn accept(
    listener: TcpListener,
    slots: Slots,
    batches: mpsc::Sender<Batch>,
    log: Log,
    stop: Stop,
) {
    let mut tasks = JoinSet::new();
    let mut id = 0;
    loop {
        let accepted = tokio::select! {
            () = stop.wished() => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                log.line(format!("cannot take a connection: {error}; trying again"));
                tokio::time::sleep(crate::serve::ACCEPT_PAUSE).await;
                continue;
            }
        };
        let slot = tokio::select! {
            () = stop.wished() => break,
            slot = slots.take() => slot,
        };
        id += 1;
        tasks.spawn(connection::serve(
            stream,
            id,
            slot,
            batches.clone(),
            stop.clone(),
        ));
    }
    drop((listener, batches));
    while tasks.join_next().await.is_some() {}
}

fn greeting(args: &StoreArgs, listener: &TcpListener) -> String {
    let asked = SocketAddr::new(args.listen, args.port);
    let address = listener.local_addr().unwrap_or(asked);
    let keeping = args.dir.as_ref().map_or_else(
        || "in memory only; name a folder with --dir to keep the data".to_owned(),
        |folder| format!("data in {}", folder.display()),
    );
    format!(
        "store {} listening on redis://{address}, {keeping}",
        env!("CARGO_PKG_VERSION")
    )
}

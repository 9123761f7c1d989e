//! `ping`: shows timed requests and their statistics, as `httping` does. It must never measure anything
//! itself; the crate `ping` does.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ping::{Limits, PingError, Reply, Resolver, Statistics, Summary, ping};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::args::PingArgs;
use crate::failure::{Failure, with_causes};

/// The longest answer that is read; what comes after is an error and not a time.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Pings until the count is reached or Ctrl-C; the exit code is 0 if anything answered without an error.
pub(crate) fn run(args: &PingArgs) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    let summary = runtime.block_on(rounds(args))?;
    let succeeded = summary.answered > summary.refused;
    Ok(if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn rounds(args: &PingArgs) -> Result<Summary, Failure> {
    let resolver = Resolver::from_system()?;
    let time_limit = Duration::from_millis(args.timeout_ms);
    let limits = Limits {
        connect: time_limit,
        answer: time_limit,
        body_bytes: LONGEST_BODY,
    };
    let began = Instant::now();
    let mut statistics = Statistics::default();
    // A zero interval is a wish for no pause at all.
    let mut pace = interval(args.interval.max(Duration::from_nanos(1)));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    if !args.json {
        print(&format!("PING {}", args.target))?;
    }
    for seq in 0..args.count.unwrap_or(u64::MAX) {
        let round = async {
            pace.tick().await;
            let turn = usize::try_from(seq).unwrap_or(0);
            ping(&resolver, &args.target, limits, turn).await
        };
        let result = tokio::select! {
            result = round => result,
            _ = &mut interrupted => break,
        };
        match &result {
            Ok(reply) => statistics.answered(reply.took, reply.status),
            Err(_) => statistics.lost(),
        }
        print(&if args.json {
            as_json(seq, &result)
        } else {
            as_text(seq, &result)
        })?;
    }
    let summary = statistics.summary();
    print(&if args.json {
        serde_json::json!({ "target": args.target.to_string(), "summary": summary }).to_string()
    } else {
        closing(args, &summary, began.elapsed())
    })?;
    Ok(summary)
}

fn as_text(seq: u64, result: &Result<Reply, PingError>) -> String {
    match result {
        Ok(reply) => {
            let milliseconds = milliseconds(reply.took);
            let status = if reply.status.is_success() {
                String::new()
            } else {
                format!(", {}", reply.status)
            };
            format!(
                "connected to {} ({} bytes), seq={seq} time={milliseconds:.2} ms{status}",
                reply.address, reply.bytes,
            )
        }
        Err(error) => format!("no answer, seq={seq}: {}", with_causes(error)),
    }
}

fn as_json(seq: u64, result: &Result<Reply, PingError>) -> String {
    let error = result.as_ref().err().map(|error| with_causes(error));
    let reply = result.as_ref().ok();
    let line = Line {
        seq,
        address: reply.map(|reply| reply.address.to_string()),
        status: reply.map(|reply| reply.status.as_u16()),
        bytes: reply.map(|reply| reply.bytes),
        time_ms: reply.map(|reply| milliseconds(reply.took)),
        error: error.as_deref(),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

fn closing(args: &PingArgs, summary: &Summary, took: Duration) -> String {
    let mut text = format!(
        "--- {} ping statistics ---\n{} requests, {} answered, {} lost ({:.0} %), {:.1} s",
        args.target,
        summary.sent,
        summary.answered,
        summary.lost,
        summary.lost_percent,
        took.as_secs_f64(),
    );
    if summary.refused > 0 {
        text.push_str(&format!(", {} with an error status", summary.refused));
    }
    let times = (
        summary.min_ms,
        summary.avg_ms,
        summary.max_ms,
        summary.p99_ms,
    );
    if let (Some(min), Some(avg), Some(max), Some(p99)) = times {
        text.push_str(&format!(
            "\nmin/avg/max/p99 = {min:.2}/{avg:.2}/{max:.2}/{p99:.2} ms"
        ));
    }
    text
}

fn print(line: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")
        .and_then(|()| output.flush())
        .map_err(Failure::Output)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

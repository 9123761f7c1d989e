//! Health checks: a program run in a container every now and then, whose status says how the container is.

use std::sync::Arc;

use model::api::exec::Create;
use model::api::inspect::{Health, HealthResult};
use model::api::time;
use tokio::io::AsyncReadExt as _;

use super::{Container, Phase};
use crate::error::{Error, Result};
use crate::resolve::health::Probe;
use crate::resolve::{exec, health};
use crate::{Engine, moment};

/// How many results are kept.
const KEPT: usize = 5;

/// How much of a result's output is kept.
const MOST_OUTPUT: usize = 4096;

/// What a probe has that took too long, or could not be run.
const NO_STATUS: i64 = -1;

/// What a container's health is while nothing is known yet.
pub(super) fn starting() -> Health {
    Health {
        status: "starting".to_owned(),
        failing_streak: 0,
        log: Vec::new(),
    }
}

/// The health after a further result. Pure.
fn after(mut health: Health, result: HealthResult, probe: &Probe, in_start_period: bool) -> Health {
    if result.exit_code == 0 {
        health.failing_streak = 0;
        "healthy".clone_into(&mut health.status);
    } else if !(in_start_period && health.status == "starting") {
        health.failing_streak += 1;
        if health.failing_streak >= probe.retries {
            "unhealthy".clone_into(&mut health.status);
        }
    }
    health.log.push(result);
    let surplus = health.log.len().saturating_sub(KEPT);
    health.log.drain(..surplus);
    health
}

impl Engine {
    /// Checks a container that was just started, as long as it runs.
    pub(super) fn watch_health(&self, container: &Arc<Container>) {
        // One that makes no sense was refused when the container was made.
        let Ok(Some(probe)) = health::probe(&container.record().config) else {
            return;
        };
        container.change(|condition| condition.health = Some(starting()));
        let (engine, container) = (self.clone(), Arc::clone(container));
        crate::spawn(async move { engine.check_health(&container, &probe).await });
    }

    async fn check_health(&self, container: &Arc<Container>, probe: &Probe) {
        let exits = container.condition().exits;
        let started = tokio::time::Instant::now();
        let mut watch = container.watch();
        loop {
            let in_start_period = started.elapsed() < probe.start_period;
            let first = container
                .condition()
                .health
                .as_ref()
                .is_some_and(|health| health.status == "starting");
            let interval = if in_start_period && first {
                probe.start_interval.min(probe.interval)
            } else {
                probe.interval
            };
            let ended = watch.wait_for(|now| now.exits != exits || !now.phase.is_running());
            if tokio::time::timeout(interval, ended).await.is_ok() {
                return;
            }
            // Who is held is not asked.
            let running = watch.wait_for(|now| now.exits != exits || now.phase != Phase::Paused);
            if running.await.is_err() {
                return;
            }
            let result = self.run_probe(container, probe).await;
            let now = container.condition();
            if now.exits != exits || !now.phase.is_running() {
                return;
            }
            let before = now.health.clone().unwrap_or_else(starting);
            let in_start_period = started.elapsed() < probe.start_period;
            let new = after(before.clone(), result, probe, in_start_period);
            let changed = (new.status != before.status).then(|| new.status.clone());
            container.change(|condition| condition.health = Some(new));
            if let Some(status) = changed {
                self.container_event(container, &format!("health_status: {status}"), []);
            }
        }
    }

    async fn run_probe(&self, container: &Arc<Container>, probe: &Probe) -> HealthResult {
        let start = moment::now();
        let (exit_code, output) = match self.probe_once(container, probe).await {
            Ok(answer) => answer,
            Err(error) => (NO_STATUS, error.to_string()),
        };
        HealthResult {
            start: time::text(start),
            end: time::text(moment::now()),
            exit_code,
            output,
        }
    }

    async fn probe_once(&self, container: &Arc<Container>, probe: &Probe) -> Result<(i64, String)> {
        let record = container.record();
        let create = Create {
            cmd: Some(probe.args.clone().into()),
            // A terminal would mix the streams and needs no frames; pipes keep the program as it is.
            attach_stdout: true,
            attach_stderr: true,
            ..Create::default()
        };
        let spec = exec::spec(
            &record,
            &create,
            self.settings(),
            self.seccomp(&record)?,
            false,
        )?;
        let shim = container
            .shim()
            .ok_or_else(|| Error::not_running(container.id))?;
        let failed =
            |error: runtime::client::Error| Error::internal(crate::error::with_causes(&error));
        let mut process = shim.exec(&spec).await.map_err(failed)?;
        let stream = process.take_stream();
        let run = async {
            let output = match stream {
                Some(stream) => read_frames(stream).await,
                None => String::new(),
            };
            process.wait().await.map(|code| (i64::from(code), output))
        };
        let in_time = tokio::time::timeout(probe.timeout, run).await;
        if let Ok(answer) = in_time {
            return answer.map_err(failed);
        }
        if let Err(error) = process.signal(crate::resolve::signal::KILL).await {
            tracing::debug!(id = %container.id, %error, "cannot kill a health check");
        }
        let exceeded = format!("Health check exceeded timeout ({:?})", probe.timeout);
        Ok((NO_STATUS, exceeded))
    }
}

/// The output in Docker's frames, both streams as they came, cut to what is kept; all of it is read.
async fn read_frames(mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut output = Vec::new();
    let mut piece = vec![0; 4096];
    let mut header = [0; 8];
    'frames: while stream.read_exact(&mut header).await.is_ok() {
        let [_, _, _, _, length @ ..] = header;
        let mut left = u32::from_be_bytes(length) as usize;
        while left > 0 {
            let most = left.min(piece.len());
            match stream.read(&mut piece[..most]).await {
                Ok(0) | Err(_) => break 'frames,
                Ok(read) => {
                    let room = MOST_OUTPUT.saturating_sub(output.len()).min(read);
                    output.extend_from_slice(&piece[..room]);
                    left -= read;
                }
            }
        }
    }
    String::from_utf8_lossy(&output).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::api::inspect::HealthResult;

    use super::{KEPT, after, read_frames, starting};
    use crate::resolve::health::Probe;

    fn probe() -> Probe {
        Probe {
            args: vec!["true".to_owned()],
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            start_period: Duration::from_secs(5),
            start_interval: Duration::from_secs(1),
            retries: 2,
        }
    }

    #[track_caller]
    fn check(results: &[(i64, bool)], expect: &str, streak: u64) {
        let mut health = starting();
        for (exit_code, in_start_period) in results {
            let result = HealthResult {
                exit_code: *exit_code,
                ..HealthResult::default()
            };
            health = after(health, result, &probe(), *in_start_period);
        }
        assert_eq!(
            (health.status.as_str(), health.failing_streak),
            (expect, streak)
        );
        assert!(health.log.len() <= KEPT);
    }

    #[test]
    fn health_follows_the_results() {
        check(&[], "starting", 0);
        check(&[(1, true), (1, true), (1, true)], "starting", 0);
        check(&[(1, false)], "starting", 1);
        check(&[(1, false), (-1, false)], "unhealthy", 2);
        check(&[(0, true), (1, true)], "healthy", 1);
        check(&[(0, true), (1, true), (1, true)], "unhealthy", 2);
        check(&[(1, false), (1, false), (0, false)], "healthy", 0);
        check(&[(0, false); 9], "healthy", 0);
    }

    #[tokio::test]
    async fn output_is_read_whole_and_kept_in_part() {
        let mut frames = Vec::new();
        for stream in [1, 2] {
            frames.extend([stream, 0, 0, 0, 0, 0, 0x0c, 0]);
            frames.extend([b'a'; 0x0c00]);
        }
        assert_eq!(read_frames(frames.as_slice()).await.len(), 4096);
        assert_eq!(read_frames(&b"\x01\0\0\0\0\0\0\x05ab"[..]).await, "ab");
    }
}

//! What a series of timed requests amounts to. Pure; it must never grow with the length of the series.

use std::time::Duration;

use serde::Serialize;

/// Round trips that the percentile looks back on: enough for a day at one a second, 256 KiB at the most.
const KEPT: usize = 65_536;

/// Running figures over a series of requests.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    sent: u64,
    refused: u64,
    answered: u64,
    sum: Duration,
    min: Option<Duration>,
    max: Duration,
    latest_micros: Vec<u32>,
    next: usize,
}

/// The figures of a [`Statistics`], as they are shown. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Requests sent or tried.
    pub sent: u64,
    /// Requests that got an answer, whatever its status.
    pub answered: u64,
    /// Answers whose status says that the request failed (400 and above).
    pub refused: u64,
    /// Requests that got no answer.
    pub lost: u64,
    /// Share of the requests that got none, in percent.
    pub lost_percent: f64,
    /// The shortest round trip; the four times are absent while nothing has answered.
    pub min_ms: Option<f64>,
    /// The mean round trip.
    pub avg_ms: Option<f64>,
    /// The longest round trip.
    pub max_ms: Option<f64>,
    /// The round trip that 99 of 100 did not exceed, of the latest 65,536.
    pub p99_ms: Option<f64>,
}

impl Statistics {
    /// Counts a request that got an answer. `succeeded` tells apart answers that report a failure.
    pub fn answered(&mut self, took: Duration, status: http::StatusCode) {
        self.sent += 1;
        self.answered += 1;
        if status.is_client_error() || status.is_server_error() {
            self.refused += 1;
        }
        self.sum += took;
        self.min = Some(self.min.map_or(took, |min| min.min(took)));
        self.max = self.max.max(took);
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        if self.latest_micros.len() < KEPT {
            self.latest_micros.push(micros);
        } else {
            self.latest_micros[self.next] = micros;
            self.next = (self.next + 1) % KEPT;
        }
    }

    /// Counts a request that got no answer.
    pub fn lost(&mut self) {
        self.sent += 1;
    }

    /// The figures so far.
    pub fn summary(&self) -> Summary {
        let lost = self.sent - self.answered;
        Summary {
            sent: self.sent,
            answered: self.answered,
            refused: self.refused,
            lost,
            lost_percent: if self.sent == 0 {
                0.0
            } else {
                100.0 * as_f64(lost) / as_f64(self.sent)
            },
            min_ms: self.min.map(milliseconds),
            avg_ms: self
                .min
                .map(|_| milliseconds(self.sum) / as_f64(self.answered)),
            max_ms: self.min.map(|_| milliseconds(self.max)),
            p99_ms: self.percentile_99(),
        }
    }

    /// The nearest-rank percentile: a time that really occurred.
    fn percentile_99(&self) -> Option<f64> {
        let mut sorted = self.latest_micros.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * 99).div_ceil(100);
        let micros = sorted.get(rank.checked_sub(1)?)?;
        Some(f64::from(*micros) / 1000.0)
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of requests stays far below 2^52"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these figures are exact in binary")]
mod tests {
    use super::*;
    use http::StatusCode;

    #[track_caller]
    fn check(times_ms: &[u64], lost: u64, expect: [f64; 4]) {
        let mut statistics = Statistics::default();
        for time in times_ms {
            statistics.answered(Duration::from_millis(*time), StatusCode::OK);
        }
        for _ in 0..lost {
            statistics.lost();
        }
        let summary = statistics.summary();
        assert_eq!(summary.lost, lost);
        let times = [
            summary.min_ms,
            summary.avg_ms,
            summary.max_ms,
            summary.p99_ms,
        ];
        assert_eq!(times.map(Option::unwrap), expect);
    }

    #[test]
    fn figures_of_a_series() {
        check(&[7], 0, [7.0, 7.0, 7.0, 7.0]);
        check(&[1, 2, 3, 10], 1, [1.0, 4.0, 10.0, 10.0]);
        let hundred: Vec<u64> = (1..=100).collect();
        check(&hundred, 0, [1.0, 50.5, 100.0, 99.0]);
    }

    #[test]
    fn nothing_answered_has_no_times() {
        let mut statistics = Statistics::default();
        statistics.lost();
        let summary = statistics.summary();
        assert_eq!((summary.lost_percent, summary.p99_ms), (100.0, None));
        assert_eq!(Statistics::default().summary().lost_percent, 0.0);
    }

    #[test]
    fn a_long_series_is_kept_in_bounded_room() {
        let mut statistics = Statistics::default();
        for _ in 0..KEPT {
            statistics.answered(Duration::from_secs(9), StatusCode::OK);
        }
        for _ in 0..KEPT {
            statistics.answered(Duration::from_millis(1), StatusCode::NOT_FOUND);
        }
        assert_eq!(statistics.latest_micros.len(), KEPT);
        let summary = statistics.summary();
        assert_eq!((summary.p99_ms, summary.max_ms), (Some(1.0), Some(9000.0)));
        assert_eq!(summary.refused, KEPT as u64);
    }
}

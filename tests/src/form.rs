//! The two forms of the tests: a short one for every change, and a full one that measures as long as the
//! figures in the documentation were measured.
//!
//! `ESSAIM_TEST_FORM=full` asks for the full one. Both run the same scenarios; only durations and bounds may
//! differ, never what is checked.

use std::{ops::RangeInclusive, time::Duration};

/// How long to measure, and so how sharp the bounds can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// About ten seconds for a rate.
    Short,
    /// Thirty seconds for a rate, as in the figures that the documentation gives.
    Full,
}

impl Form {
    /// Reads `ESSAIM_TEST_FORM`: `full`, or `short`, which is also what no value means.
    pub fn from_environment() -> Self {
        match std::env::var("ESSAIM_TEST_FORM").as_deref() {
            Ok("full") => Self::Full,
            Ok("short" | "") | Err(_) => Self::Short,
            Ok(other) => {
                panic!("ESSAIM_TEST_FORM is `{other}`, which is neither `short` nor `full`")
            }
        }
    }

    /// How long a rate is measured.
    pub fn measured_for(self) -> Duration {
        match self {
            Self::Short => Duration::from_secs(10),
            Self::Full => Duration::from_secs(30),
        }
    }

    /// The bounds of a rate in hashes per second: over ten seconds each end may be a tick of a second off.
    pub fn bounds(self, full: RangeInclusive<f64>) -> RangeInclusive<f64> {
        match self {
            Self::Short => full.start() * 0.93..=full.end() * 1.05,
            Self::Full => full,
        }
    }
}

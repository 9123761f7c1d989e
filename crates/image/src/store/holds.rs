//! What must not be removed though no image may name it: layers that containers or builds use.
//!
//! Holds are in memory only: whoever used a layer before the program ended holds it again before
//! [`Store::sweep`](super::Store::sweep) is called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::digest::DiffId;

/// Keeps layers in the store until it is dropped.
#[derive(Debug)]
pub struct Hold {
    layers: Vec<DiffId>,
    counts: Counts,
}

type Counts = Arc<Mutex<HashMap<DiffId, usize>>>;

/// How often each layer is held.
#[derive(Debug, Default)]
pub(super) struct Holds {
    counts: Counts,
}

impl Holds {
    pub(super) fn hold(&self, layers: &[DiffId]) -> Hold {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for layer in layers {
            *counts.entry(*layer).or_default() += 1;
        }
        Hold {
            layers: layers.to_vec(),
            counts: Arc::clone(&self.counts),
        }
    }

    pub(super) fn holds(&self, layer: DiffId) -> bool {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&layer)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for layer in &self.layers {
            if let Some(count) = counts.get_mut(layer) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(layer);
                }
            }
        }
    }
}

//! The bounded set of open connections. When it is full, the connection that has been idle longest gives
//! way: neither idle clients nor those that send a byte now and then can keep others out. It must never
//! close a connection whose request is being served.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// All slots of one server.
#[derive(Clone)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    idle: Arc<Mutex<Idle>>,
}

/// Connections that may be closed, oldest first.
#[derive(Default)]
struct Idle {
    next: u64,
    by_age: BTreeMap<u64, Arc<Notify>>,
    /// A new connection waits: whoever becomes idle next gives way.
    wanted: bool,
}

/// One connection's place; its clones are of the same place. Given back when the last is dropped.
#[derive(Clone)]
pub(crate) struct Slot {
    place: Arc<Place>,
}

struct Place {
    idle: Arc<Mutex<Idle>>,
    age: Mutex<Option<u64>>,
    give_up: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

/// While this lives, the connection is not idle.
pub(crate) struct Serving {
    place: Arc<Place>,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            idle: Arc::default(),
        }
    }

    /// Takes a slot, closing the connection that has been idle longest if none is free, and waiting for
    /// the next to become idle if none is.
    pub(crate) async fn take(&self) -> Slot {
        let permit = if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            permit
        } else {
            lock(&self.idle).give_way();
            let freed = Arc::clone(&self.free).acquire_owned().await;
            lock(&self.idle).wanted = false;
            freed.expect("the semaphore is never closed")
        };
        let place = Arc::new(Place {
            idle: Arc::clone(&self.idle),
            age: Mutex::new(None),
            give_up: Arc::default(),
            _permit: permit,
        });
        place.rest();
        Slot { place }
    }
}

impl Idle {
    fn give_way(&mut self) {
        match self.by_age.pop_first() {
            Some((_, give_up)) => give_up.notify_one(),
            None => self.wanted = true,
        }
    }
}

impl Slot {
    /// Marks the connection as serving a request, until the answer is dropped.
    pub(crate) fn serving(&self) -> Serving {
        self.place.rouse();
        Serving {
            place: Arc::clone(&self.place),
        }
    }

    /// Resolves when the connection is to be closed to make room.
    pub(crate) async fn given_up(&self) {
        self.place.give_up.notified().await;
    }
}

impl Place {
    /// Is idle no longer.
    fn rouse(&self) {
        let age = lock(&self.age).take();
        if let Some(age) = age {
            lock(&self.idle).by_age.remove(&age);
        }
    }

    /// Becomes idle, as the youngest of all.
    fn rest(&self) {
        let mut idle = lock(&self.idle);
        idle.next += 1;
        let age = idle.next;
        idle.by_age.insert(age, Arc::clone(&self.give_up));
        if std::mem::take(&mut idle.wanted) {
            idle.give_way();
        }
        drop(idle);
        *lock(&self.age) = Some(age);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.place.rest();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.rouse();
    }
}

/// These locks are held for a few instructions that cannot panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn is_given_up(slot: &Slot) -> bool {
        slot.given_up().now_or_never().is_some()
    }

    #[tokio::test]
    async fn the_longest_idle_gives_way() {
        let slots = Slots::new(2);
        let (old, young) = (slots.take().await, slots.take().await);
        drop(old.serving()); // a request came and went: `young` is now idle for longer
        let waiting = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take().await }
        });
        young.given_up().await;
        assert!(!is_given_up(&old));
        drop(young);
        drop(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn a_request_being_served_is_left_alone() {
        let slots = Slots::new(1);
        let busy = slots.take().await;
        let serving = busy.serving();
        let mut waiting = Box::pin(slots.take());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(!is_given_up(&busy));
        drop(serving);
        assert!(is_given_up(&busy), "idle now, and somebody waits");
        drop(busy);
        waiting.await;
    }
}

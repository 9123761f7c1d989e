//! What happened on this host, for whoever wants to hear of it: the bus behind `docker events`.
//!
//! ```text
//! publish ──▶ ring of the last events ◀── Subscription: its place in the ring, woken on every change
//! ```
//!
//! The ring is all there is: a subscriber that replays the past and one that waits for the future read the same
//! events at their own place, so that none comes twice or is missed between the two. Publishing never waits for
//! a subscriber; one that falls behind by a whole ring loses the oldest. Nothing here decides what happened.

mod select;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::Stream;
use jiff::Timestamp;
use model::api::Labels;
use model::api::event::{Actor, Event, Options};
use tokio::sync::watch;

use crate::Engine;
use crate::error::Result;
use crate::moment;
pub use select::Selection;

/// How many events are kept: more than a client can miss between two commands, a megabyte at the very most.
const KEPT: usize = 1024;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// The build cache.
    Builder,
    /// The daemon itself.
    Daemon,
}

impl Kind {
    /// The word for it on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Builder => "builder",
            Self::Daemon => "daemon",
        }
    }
}

/// An event with the fields that older clients read filled in.
pub fn event(
    kind: Kind,
    action: impl Into<String>,
    id: impl Into<String>,
    attributes: Labels,
    at: Timestamp,
) -> Event {
    let (action, id) = (action.into(), id.into());
    let told_twice = matches!(kind, Kind::Container | Kind::Image);
    let if_told_twice = |text: &String| {
        if told_twice {
            text.clone()
        } else {
            String::new()
        }
    };
    let from = match kind {
        Kind::Container => attributes.get("image").cloned().unwrap_or_default(),
        Kind::Image | Kind::Network | Kind::Volume | Kind::Builder | Kind::Daemon => String::new(),
    };
    Event {
        status: if_told_twice(&action),
        id: if_told_twice(&id),
        from,
        kind: kind.as_str().to_owned(),
        action,
        actor: Actor { id, attributes },
        scope: "local".to_owned(),
        time: at.as_second(),
        time_nano: nanoseconds(at),
    }
}

fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}

/// Where events are published; clones are the same bus.
#[derive(Debug, Clone)]
pub struct EventBus {
    ring: Arc<Mutex<Ring>>,
    newest: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Ring {
    /// How many events were ever published: the number of the next one.
    next: u64,
    events: VecDeque<Arc<Event>>,
}

impl Ring {
    fn oldest(&self) -> u64 {
        self.next - self.events.len() as u64
    }

    fn at(&self, number: u64) -> Option<&Arc<Event>> {
        let index = usize::try_from(number.checked_sub(self.oldest())?).ok()?;
        self.events.get(index)
    }
}

impl Default for EventBus {
    fn default() -> Self {
        Self::new()
    }
}

impl EventBus {
    /// A bus on which nothing has happened yet.
    pub fn new() -> Self {
        Self {
            ring: Arc::default(),
            newest: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Tells everybody that something happened just now.
    pub fn publish(
        &self,
        kind: Kind,
        action: impl Into<String>,
        id: impl Into<String>,
        attributes: Labels,
    ) {
        self.publish_event(event(kind, action, id, attributes, moment::now()));
    }

    /// Tells everybody of an event that has its time already.
    pub fn publish_event(&self, event: Event) {
        let next = {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            if ring.events.len() == KEPT {
                ring.events.pop_front();
            }
            ring.events.push_back(Arc::new(event));
            ring.next += 1;
            ring.next
        };
        self.newest
            .send_modify(|newest| *newest = next.max(*newest));
    }

    /// How many subscribers there are.
    pub fn listeners(&self) -> u64 {
        self.newest.receiver_count() as u64
    }

    /// Events from now on, or from `since` on if the ring still has them, as far as `selection` wants them.
    pub fn subscribe(&self, since: Option<Timestamp>, selection: Selection) -> Subscription {
        let woken = self.newest.subscribe();
        let place = {
            let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            match since {
                None => ring.next,
                Some(since) => {
                    let past = ring.events.iter();
                    let later = past
                        .rev()
                        .take_while(|event| event.time_nano >= nanoseconds(since));
                    ring.next - later.count() as u64
                }
            }
        };
        Subscription {
            bus: self.clone(),
            woken,
            place,
            selection,
        }
    }
}

/// A reader of the bus.
#[derive(Debug)]
pub struct Subscription {
    bus: EventBus,
    woken: watch::Receiver<u64>,
    place: u64,
    selection: Selection,
}

impl Subscription {
    /// The next event that is wanted, once it happens. It may be dropped and called again: nothing gets lost.
    pub async fn next(&mut self) -> Arc<Event> {
        loop {
            self.woken.mark_unchanged();
            if let Some(event) = self.try_next() {
                return event;
            }
            if self.woken.changed().await.is_err() {
                // The bus is held by this subscription itself, so its sender cannot be gone.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next event that is wanted and happens before `until`; nothing once that is over.
    async fn next_until(&mut self, until: Option<Timestamp>) -> Option<Arc<Event>> {
        let Some(until) = until else {
            return Some(self.next().await);
        };
        let left = until.duration_since(moment::now());
        let next = match u64::try_from(left.as_millis()) {
            Ok(left_ms) => {
                let left = std::time::Duration::from_millis(left_ms);
                tokio::time::timeout(left, self.next()).await.ok()?
            }
            Err(_) => self.try_next()?,
        };
        (next.time_nano <= nanoseconds(until)).then_some(next)
    }

    /// The next event that is wanted, if it has happened already.
    pub fn try_next(&mut self) -> Option<Arc<Event>> {
        let ring = self.bus.ring.lock().unwrap_or_else(PoisonError::into_inner);
        self.place = self.place.max(ring.oldest());
        while let Some(event) = ring.at(self.place) {
            self.place += 1;
            if self.selection.wants(event) {
                return Some(Arc::clone(event));
            }
        }
        None
    }
}

impl Engine {
    /// What happens from now on, or from `since` on, to the moment `until` or for ever.
    pub fn events(&self, options: &Options) -> Result<impl Stream<Item = Event> + Send + use<>> {
        let selection = Selection::of(options.filters.clone())?;
        let subscription = self.event_bus().subscribe(options.since, selection);
        let until = options.until;
        Ok(futures_util::stream::unfold(
            subscription,
            move |mut subscription| async move {
                let event = subscription.next_until(until).await?;
                Some((Event::clone(&event), subscription))
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use model::api::Labels;
    use model::api::event::Event;

    use super::{EventBus, KEPT, Kind, Selection};

    fn event(number: u32) -> Event {
        let at = Timestamp::from_second(number.into()).unwrap();
        super::event(
            Kind::Container,
            "start",
            number.to_string(),
            Labels::new(),
            at,
        )
    }

    fn ids(bus: &EventBus, since: Option<i64>) -> Vec<String> {
        let since = since.map(|second| Timestamp::from_second(second).unwrap());
        let mut subscription = bus.subscribe(since, Selection::default());
        std::iter::from_fn(|| subscription.try_next())
            .map(|event| event.actor.id.clone())
            .collect()
    }

    #[test]
    fn the_past_is_replayed_from_a_moment_on() {
        let bus = EventBus::new();
        for number in 1..=5 {
            bus.publish_event(event(number));
        }
        assert_eq!(ids(&bus, Some(4)), ["4", "5"]);
        assert_eq!(ids(&bus, Some(0)).len(), 5);
        assert!(ids(&bus, None).is_empty());
        assert!(ids(&bus, Some(6)).is_empty());
    }

    #[test]
    fn a_full_ring_forgets_the_oldest() {
        let bus = EventBus::new();
        let mut slow = bus.subscribe(None, Selection::default());
        for number in 0..u32::try_from(KEPT).unwrap() + 2 {
            bus.publish_event(event(number));
        }
        assert_eq!(slow.try_next().unwrap().actor.id, "2");
        assert_eq!(ids(&bus, Some(0)).len(), KEPT);
    }

    #[tokio::test]
    async fn a_subscriber_is_woken() {
        let bus = EventBus::new();
        let mut subscription = bus.subscribe(None, Selection::default());
        let waiting = tokio::spawn(async move { subscription.next().await });
        tokio::task::yield_now().await;
        bus.publish_event(event(7));
        assert_eq!(waiting.await.unwrap().actor.id, "7");
    }

    #[test]
    fn an_event_is_written_as_docker_does() {
        let attributes = [("image", "nginx"), ("name", "web"), ("exitCode", "0")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let at = Timestamp::new(1_700_000_000, 7).unwrap();
        let event = super::event(Kind::Container, "die", "c0ffee", attributes.into(), at);
        insta::assert_snapshot!(serde_json::to_string_pretty(&event).unwrap(), @r#"
        {
          "status": "die",
          "id": "c0ffee",
          "from": "nginx",
          "Type": "container",
          "Action": "die",
          "Actor": {
            "ID": "c0ffee",
            "Attributes": {
              "exitCode": "0",
              "image": "nginx",
              "name": "web"
            }
          },
          "scope": "local",
          "time": 1700000000,
          "timeNano": 1700000000000000007
        }
        "#);
        let event = super::event(Kind::Volume, "create", "data", Labels::new(), at);
        let json = serde_json::to_value(&event).unwrap();
        assert!(json.get("status").is_none() && json.get("id").is_none());
    }
}

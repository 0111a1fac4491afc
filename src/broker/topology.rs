//! All exchanges, queues and bindings, with every name and argument: the one place where they are written down.

mod apply;
mod diff;
mod render;

use std::fmt;

pub use self::{
    apply::{Applied, Checked, apply, check},
    diff::{Difference, diff_management},
};

/// The name prefix that holds unless it is set.
pub const DEFAULT_PREFIX: &str = "conversions";
/// The platforms, in the order in which they are shown.
pub const PLATFORMS: [&str; 3] = ["meta", "google", "tiktok"];

// Explicit everywhere: without one, RabbitMQ 3.x never gives up and 4.x gives up after 20; -1 is lethal on 3.x.
const WORK_DELIVERY_LIMIT: i64 = 100;
// Dead letters are looked at again and again, and each look counts.
const DEAD_DELIVERY_LIMIT: i64 = 100_000;

/// The exchanges, queues and bindings under one name prefix.
///
/// RabbitMQ cannot change the arguments of a queue: a changed one means a new queue, named `….v2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    prefix: String,
}

/// An exchange; all are durable, and none goes away by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// With the prefix.
    pub name: String,
    /// How it routes.
    pub kind: ExchangeKind,
    /// Its arguments.
    pub arguments: Vec<(&'static str, Argument)>,
}

/// How an exchange routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeKind {
    /// By patterns of the routing key.
    Topic,
    /// To every queue bound.
    Fanout,
}

impl ExchangeKind {
    /// RabbitMQ's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            ExchangeKind::Topic => "topic",
            ExchangeKind::Fanout => "fanout",
        }
    }
}

/// A queue; all are quorum queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// With the prefix.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<(&'static str, Argument)>,
}

/// A binding of a queue to an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// With the prefix.
    pub exchange: String,
    /// With the prefix.
    pub queue: String,
    /// The key or pattern; empty for a fanout.
    pub routing_key: String,
}

/// The value of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
}

impl fmt::Display for Argument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Text(text) => formatter.write_str(text),
            Argument::Integer(number) => number.fmt(formatter),
        }
    }
}

/// The ways to a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What just happened.
    Live,
    /// What woke from waiting in numbers, resends, and what exceeds an account's share.
    Bulk,
    /// What a replay of dead letters sends again; it lands in the bulk queue.
    Replay,
}

/// The routing key that brings a dispatch to a platform's sender; to be published to [`Topology::work`].
pub fn lane(platform: &str, lane: Lane) -> String {
    let first = match lane {
        Lane::Live => "live",
        Lane::Bulk => "bulk",
        Lane::Replay => "replay",
    };
    format!("{first}.{platform}")
}

/// The routing key with which a role puts a message aside; to be published to [`Topology::dead`]. The name is a
/// platform, `events` or `webhooks`.
pub fn dead(name: &str) -> String {
    format!("app.{name}")
}

/// The routing key with which the broker itself puts a message aside, at the delivery limit.
fn dead_by_broker(name: &str) -> String {
    format!("broker.{name}")
}

impl Topology {
    /// The topology under this prefix.
    pub fn new(prefix: impl Into<String>) -> Self {
        Topology { prefix: prefix.into() }
    }

    /// The exchange that producers publish to, with keys under `events.` and `webhooks.`.
    pub fn events(&self) -> String {
        self.named("events")
    }

    /// The exchange of dispatches; its keys come from [`lane`].
    pub fn work(&self) -> String {
        self.named("work")
    }

    /// The exchange of what was put aside; its keys come from [`dead`].
    pub fn dead(&self) -> String {
        self.named("dead")
    }

    /// The exchange, and the queue, of what no binding wanted.
    pub fn unrouted(&self) -> String {
        self.named("unrouted")
    }

    /// The queue of funnel events.
    pub fn events_queue(&self) -> String {
        self.named("in.events")
    }

    /// The queue of webhooks.
    pub fn webhooks_queue(&self) -> String {
        self.named("in.webhooks")
    }

    /// A platform's live queue.
    pub fn send_queue(&self, platform: &str) -> String {
        self.named(&format!("send.{platform}"))
    }

    /// A platform's bulk queue.
    pub fn bulk_queue(&self, platform: &str) -> String {
        self.named(&format!("bulk.{platform}"))
    }

    /// The queue of dead letters of a platform, of `events` or of `webhooks`.
    pub fn dead_queue(&self, name: &str) -> String {
        self.named(&format!("dead.{name}"))
    }

    /// All exchanges, in the order in which they are to be declared.
    pub fn exchanges(&self) -> Vec<Exchange> {
        let unrouted = Exchange {
            name: self.unrouted(),
            kind: ExchangeKind::Fanout,
            arguments: Vec::new(),
        };
        let topics = [self.events(), self.work(), self.dead()].map(|name| Exchange {
            name,
            kind: ExchangeKind::Topic,
            arguments: vec![("alternate-exchange", Argument::Text(self.unrouted()))],
        });
        std::iter::once(unrouted).chain(topics).collect()
    }

    /// All queues.
    pub fn queues(&self) -> Vec<Queue> {
        let mut queues = vec![
            self.work_queue(self.events_queue(), "events"),
            self.work_queue(self.webhooks_queue(), "webhooks"),
        ];
        for platform in PLATFORMS {
            queues.push(self.work_queue(self.send_queue(platform), platform));
            queues.push(self.work_queue(self.bulk_queue(platform), platform));
        }
        queues.extend(dead_names().map(|name| resting_queue(self.dead_queue(name))));
        queues.push(resting_queue(self.unrouted()));
        queues
    }

    /// All bindings.
    pub fn bindings(&self) -> Vec<Binding> {
        let binding = |exchange: String, queue: String, routing_key: String| Binding {
            exchange,
            queue,
            routing_key,
        };
        let mut bindings = vec![
            binding(self.events(), self.events_queue(), "events.#".to_owned()),
            binding(self.events(), self.webhooks_queue(), "webhooks.#".to_owned()),
        ];
        for platform in PLATFORMS {
            let (send, bulk) = (self.send_queue(platform), self.bulk_queue(platform));
            bindings.push(binding(self.work(), send, lane(platform, Lane::Live)));
            bindings.push(binding(self.work(), bulk.clone(), lane(platform, Lane::Bulk)));
            bindings.push(binding(self.work(), bulk, lane(platform, Lane::Replay)));
        }
        for name in dead_names() {
            bindings.push(binding(self.dead(), self.dead_queue(name), dead(name)));
            bindings.push(binding(self.dead(), self.dead_queue(name), dead_by_broker(name)));
        }
        bindings.push(binding(self.unrouted(), self.unrouted(), String::new()));
        bindings
    }

    fn named(&self, rest: &str) -> String {
        format!("{}.{rest}", self.prefix)
    }

    /// A queue that roles consume. At the delivery limit the broker puts a message aside, and lets go of it only when
    /// the dead queue has confirmed it: that takes a quorum queue with `reject-publish`.
    /// <https://www.rabbitmq.com/docs/quorum-queues#dead-lettering> (read 2026-11-21).
    fn work_queue(&self, name: String, dead_name: &str) -> Queue {
        let mut queue = quorum_queue(name, WORK_DELIVERY_LIMIT);
        queue.arguments.extend([
            ("x-dead-letter-exchange", Argument::Text(self.dead())),
            ("x-dead-letter-routing-key", Argument::Text(dead_by_broker(dead_name))),
            ("x-dead-letter-strategy", Argument::Text("at-least-once".to_owned())),
        ]);
        queue
    }
}

impl Default for Topology {
    fn default() -> Self {
        Topology::new(DEFAULT_PREFIX)
    }
}

/// A queue in which messages lie until someone looks at them; it has nowhere to pass them on to.
fn resting_queue(name: String) -> Queue {
    quorum_queue(name, DEAD_DELIVERY_LIMIT)
}

fn quorum_queue(name: String, delivery_limit: i64) -> Queue {
    let arguments = vec![
        ("x-queue-type", Argument::Text("quorum".to_owned())),
        ("x-overflow", Argument::Text("reject-publish".to_owned())),
        ("x-delivery-limit", Argument::Integer(delivery_limit)),
    ];
    Queue { name, arguments }
}

fn dead_names() -> impl Iterator<Item = &'static str> {
    ["events", "webhooks"].into_iter().chain(PLATFORMS)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_queue_says_how_often_a_message_may_come_back() {
        for queue in Topology::default().queues() {
            let limit = queue.arguments.iter().find(|(name, _)| *name == "x-delivery-limit");
            assert!(
                matches!(limit, Some((_, Argument::Integer(limit))) if *limit >= 100),
                "{}",
                queue.name
            );
        }
    }

    #[test]
    fn a_queue_passes_its_dead_on_to_another_queue_and_never_to_itself() {
        let topology = Topology::default();
        let bindings = topology.bindings();
        for queue in topology.queues() {
            let key = queue
                .arguments
                .iter()
                .find(|(name, _)| *name == "x-dead-letter-routing-key");
            let Some((_, Argument::Text(key))) = key else { continue };

            let targets: Vec<_> = bindings
                .iter()
                .filter(|bound| bound.exchange == topology.dead() && &bound.routing_key == key)
                .map(|bound| bound.queue.as_str())
                .collect();

            assert_eq!(targets.len(), 1, "{} dies into {targets:?}", queue.name);
            assert!(
                targets[0].starts_with("conversions.dead."),
                "{} dies into {targets:?}",
                queue.name
            );
        }
    }

    #[test]
    fn every_binding_joins_an_exchange_and_a_queue_of_the_topology() {
        let topology = Topology::new("test");
        let exchanges: HashSet<_> = topology.exchanges().into_iter().map(|it| it.name).collect();
        let queues: HashSet<_> = topology.queues().into_iter().map(|it| it.name).collect();
        let bound: HashSet<_> = topology.bindings().into_iter().map(|it| it.queue).collect();

        for binding in topology.bindings() {
            assert!(exchanges.contains(&binding.exchange) && queues.contains(&binding.queue));
        }
        assert_eq!(bound, queues, "a queue without a binding gets nothing");
    }

    #[test]
    fn the_keys_that_roles_publish_with_are_bound() {
        let keys: HashSet<_> = Topology::default()
            .bindings()
            .into_iter()
            .map(|bound| bound.routing_key)
            .collect();

        for platform in PLATFORMS {
            for way in [Lane::Live, Lane::Bulk, Lane::Replay] {
                assert!(keys.contains(&lane(platform, way)));
            }
            assert!(keys.contains(&dead(platform)));
        }
        assert!(keys.contains(&dead("events")) && keys.contains(&dead("webhooks")));
    }
}

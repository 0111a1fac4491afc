//! Declares the topology on a broker, and asks a broker whether it has it.

use lapin::{
    Channel, ExchangeKind as AmqpExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString},
};

use super::{Argument, Binding, Difference, Exchange, ExchangeKind, Queue, Topology};
use crate::broker::{
    BrokerError, BrokerSettings,
    link::Link,
    patience::{ANSWER_TIMEOUT, within},
};

const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;

/// What an apply did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Objects that were not there before, such as `queue conversions.in.events`.
    pub created: Vec<String>,
    /// Objects that were there and are as they should be.
    pub present: Vec<String>,
    /// Objects that are there and differ; they were left as they are.
    pub differences: Vec<Difference>,
}

/// What a check over AMQP found. Bindings cannot be asked for over AMQP; see
/// [`diff_management`](super::diff_management).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What is missing or differs. Of an object that differs in several arguments, the broker names one.
    pub differences: Vec<Difference>,
    /// Objects that are there, or may be there, and that this user may not look at more closely.
    pub unchecked: Vec<String>,
}

/// Declares every exchange, queue and binding of the topology. What is there already stays; what is there and differs
/// is reported, and the rest is still declared. Needs the permission to configure all of it.
pub async fn apply(settings: &BrokerSettings, topology: &Topology) -> Result<Applied, BrokerError> {
    let mut desk = Desk::open(settings).await?;
    let mut applied = Applied::default();
    for object in objects(topology) {
        let exists = match desk.ask(&object, Passive::Yes).await? {
            Reply::Done => true,
            Reply::Refused { code: NOT_FOUND, .. } => false,
            Reply::Refused { code, text } => return Err(refused(&object, code, text)),
        };
        match desk.ask(&object, Passive::No).await? {
            Reply::Done if exists => applied.present.push(object.to_string()),
            Reply::Done => applied.created.push(object.to_string()),
            Reply::Refused {
                code: ACCESS_REFUSED,
                text,
            } => {
                return Err(refused(&object, ACCESS_REFUSED, text));
            }
            Reply::Refused { text, .. } => applied.differences.push(difference(&object, &text)),
        }
    }
    for binding in topology.bindings() {
        if let Reply::Refused { code, text } = desk.bind(&binding).await? {
            if code == ACCESS_REFUSED {
                return Err(BrokerError::Refused {
                    doing: bind_in_words(&binding),
                    code,
                    text,
                });
            }
            applied.differences.push(Difference {
                object: bind_in_words(&binding),
                what: "binding".to_owned(),
                expected: Some("bound".to_owned()),
                found: Some(text),
            });
        }
    }
    desk.link.close(ANSWER_TIMEOUT).await;
    Ok(applied)
}

/// Asks whether every exchange and queue is there and as it should be. Changes nothing.
pub async fn check(settings: &BrokerSettings, topology: &Topology) -> Result<Checked, BrokerError> {
    let mut desk = Desk::open(settings).await?;
    let mut checked = Checked::default();
    for object in objects(topology) {
        match desk.ask(&object, Passive::Yes).await? {
            // Declaring what is there changes nothing, and is answered with what differs.
            Reply::Done => match desk.ask(&object, Passive::No).await? {
                Reply::Done => {}
                Reply::Refused {
                    code: ACCESS_REFUSED, ..
                } => {
                    checked.unchecked.push(object.to_string());
                }
                Reply::Refused { text, .. } => checked.differences.push(difference(&object, &text)),
            },
            Reply::Refused { code: NOT_FOUND, .. } => {
                checked.differences.push(Difference::missing(object.to_string()));
            }
            Reply::Refused {
                code: ACCESS_REFUSED, ..
            } => checked.unchecked.push(object.to_string()),
            Reply::Refused { text, .. } => checked.differences.push(difference(&object, &text)),
        }
    }
    desk.link.close(ANSWER_TIMEOUT).await;
    Ok(checked)
}

/// An exchange or a queue.
enum Object {
    Exchange(Exchange),
    Queue(Queue),
}

impl std::fmt::Display for Object {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Object::Exchange(exchange) => write!(formatter, "exchange {}", exchange.name),
            Object::Queue(queue) => write!(formatter, "queue {}", queue.name),
        }
    }
}

/// Whether a declaration only asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passive {
    Yes,
    No,
}

/// The broker's answer to one request.
enum Reply {
    Done,
    Refused { code: u16, text: String },
}

/// A connection with a channel, which the broker closes at every refusal.
struct Desk {
    link: Link,
    channel: Option<Channel>,
}

impl Desk {
    async fn open(settings: &BrokerSettings) -> Result<Self, BrokerError> {
        let link = Link::open(settings, &format!("{} topology", settings.name)).await?;
        Ok(Desk { link, channel: None })
    }

    async fn ask(&mut self, object: &Object, passive: Passive) -> Result<Reply, BrokerError> {
        let channel = self.channel().await?;
        let passive = passive == Passive::Yes;
        let doing = format!("declare {object}");
        let answer = match object {
            Object::Exchange(exchange) => {
                let kind = match exchange.kind {
                    ExchangeKind::Topic => AmqpExchangeKind::Topic,
                    ExchangeKind::Fanout => AmqpExchangeKind::Fanout,
                };
                let options = ExchangeDeclareOptions {
                    passive,
                    durable: true,
                    ..ExchangeDeclareOptions::default()
                };
                let arguments = table(&exchange.arguments);
                let name = exchange.name.as_str().into();
                let declared = channel.exchange_declare(name, kind, options, arguments);
                within(ANSWER_TIMEOUT, &doing, declared).await
            }
            Object::Queue(queue) => {
                let options = QueueDeclareOptions {
                    passive,
                    durable: true,
                    ..QueueDeclareOptions::default()
                };
                let arguments = table(&queue.arguments);
                let declared = channel.queue_declare(queue.name.as_str().into(), options, arguments);
                within(ANSWER_TIMEOUT, &doing, declared).await.map(drop)
            }
        };
        self.reply(answer)
    }

    async fn bind(&mut self, binding: &Binding) -> Result<Reply, BrokerError> {
        let channel = self.channel().await?;
        let bound = channel.queue_bind(
            binding.queue.as_str().into(),
            binding.exchange.as_str().into(),
            binding.routing_key.as_str().into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        let answer = within(ANSWER_TIMEOUT, &bind_in_words(binding), bound).await;
        self.reply(answer)
    }

    async fn channel(&mut self) -> Result<Channel, BrokerError> {
        if let Some(channel) = &self.channel {
            return Ok(channel.clone());
        }
        let channel = self.link.channel().await?;
        self.channel = Some(channel.clone());
        Ok(channel)
    }

    fn reply(&mut self, answer: Result<(), BrokerError>) -> Result<Reply, BrokerError> {
        match answer {
            Ok(()) => Ok(Reply::Done),
            Err(BrokerError::Refused { code, text, .. }) => {
                self.channel = None;
                Ok(Reply::Refused { code, text })
            }
            Err(error) => Err(error),
        }
    }
}

fn objects(topology: &Topology) -> impl Iterator<Item = Object> {
    let exchanges = topology.exchanges().into_iter().map(Object::Exchange);
    exchanges.chain(topology.queues().into_iter().map(Object::Queue))
}

fn table(arguments: &[(&'static str, Argument)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString(LongString::from(text.as_bytes())),
            Argument::Integer(number) => AMQPValue::LongLongInt(*number),
        };
        table.insert((*name).into(), value);
    }
    table
}

fn bind_in_words(binding: &Binding) -> String {
    format!(
        "bind {} to {} with {:?}",
        binding.queue, binding.exchange, binding.routing_key
    )
}

fn refused(object: &Object, code: u16, text: String) -> BrokerError {
    BrokerError::Refused {
        doing: format!("declare {object}"),
        code,
        text,
    }
}

/// Reads RabbitMQ's refusal of a declaration: `PRECONDITION_FAILED - inequivalent arg 'x-overflow' for queue 'q' in
/// vhost '/': received the value 'reject-publish' of type 'longstr' but current is none`.
fn difference(object: &Object, text: &str) -> Difference {
    let quoted = |part: &str| part.split('\'').nth(1).map(ToOwned::to_owned);
    let value = |part: &str| quoted(part).filter(|_| part.trim() != "none");
    let parts = text.split_once(": received ").and_then(|(about, values)| {
        let (received, current) = values.split_once(" but current is ")?;
        Some((quoted(about)?, value(received), value(current)))
    });
    let object = object.to_string();
    match parts {
        Some((what, expected, found)) => Difference {
            object,
            what,
            expected,
            found,
        },
        None => Difference {
            object,
            what: "declaration".to_owned(),
            expected: Some("accepted".to_owned()),
            found: Some(text.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_argument_and_both_values() {
        let queue = Object::Queue(Queue {
            name: "q".to_owned(),
            arguments: Vec::new(),
        });
        let cases = [
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'q' in vhost '/': received \
                 '100' but current is '5'",
                ("x-delivery-limit", Some("100"), Some("5")),
            ),
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-overflow' for queue 'q' in vhost '/': received the value \
                 'reject-publish' of type 'longstr' but current is none",
                ("x-overflow", Some("reject-publish"), None),
            ),
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received none but \
                 current is the value '3' of type 'long'",
                ("x-max-length", None, Some("3")),
            ),
            (
                "RESOURCE_LOCKED - cannot obtain exclusive access",
                (
                    "declaration",
                    Some("accepted"),
                    Some("RESOURCE_LOCKED - cannot obtain exclusive access"),
                ),
            ),
        ];
        for (text, (what, expected, found)) in cases {
            let expected_difference = Difference {
                object: "queue q".to_owned(),
                what: what.to_owned(),
                expected: expected.map(ToOwned::to_owned),
                found: found.map(ToOwned::to_owned),
            };
            assert_eq!(difference(&queue, text), expected_difference);
        }
    }
}

//! The topology as text for people and as a definitions file for RabbitMQ.

use std::fmt::{self, Write};

use serde_json::{Map, Value, json};

use super::{Argument, Topology};

impl Topology {
    /// The topology as text: each queue with its bindings and arguments.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_to(&mut text);
        text
    }

    fn write_to(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "EXCHANGES (durable)")?;
        for exchange in self.exchanges() {
            writeln!(text, "{} ({})", exchange.name, exchange.kind.as_str())?;
            write_arguments(text, &exchange.arguments)?;
        }
        writeln!(text, "\nQUEUES (durable)")?;
        for queue in self.queues() {
            writeln!(text, "{}", queue.name)?;
            for binding in self.bindings().iter().filter(|binding| binding.queue == queue.name) {
                let key = if binding.routing_key.is_empty() {
                    "everything"
                } else {
                    &binding.routing_key
                };
                writeln!(text, "    gets {key} from {}", binding.exchange)?;
            }
            write_arguments(text, &queue.arguments)?;
        }
        Ok(())
    }

    /// The topology in the shape of RabbitMQ's definitions file, for `rabbitmqctl import_definitions` or
    /// `load_definitions`. <https://www.rabbitmq.com/docs/definitions> (read 2026-11-21).
    pub fn definitions(&self, vhost: &str) -> Value {
        let exchanges = self.exchanges().into_iter().map(|exchange| {
            json!({
                "name": exchange.name,
                "vhost": vhost,
                "type": exchange.kind.as_str(),
                "durable": true,
                "auto_delete": false,
                "internal": false,
                "arguments": object(&exchange.arguments),
            })
        });
        let queues = self.queues().into_iter().map(|queue| {
            json!({
                "name": queue.name,
                "vhost": vhost,
                "durable": true,
                "auto_delete": false,
                "arguments": object(&queue.arguments),
            })
        });
        let bindings = self.bindings().into_iter().map(|binding| {
            json!({
                "source": binding.exchange,
                "vhost": vhost,
                "destination": binding.queue,
                "destination_type": "queue",
                "routing_key": binding.routing_key,
                "arguments": {},
            })
        });
        json!({
            "exchanges": exchanges.collect::<Vec<_>>(),
            "queues": queues.collect::<Vec<_>>(),
            "bindings": bindings.collect::<Vec<_>>(),
        })
    }
}

fn write_arguments(text: &mut String, arguments: &[(&str, Argument)]) -> fmt::Result {
    for (name, value) in arguments {
        writeln!(text, "    {name} = {value}")?;
    }
    Ok(())
}

fn object(arguments: &[(&str, Argument)]) -> Map<String, Value> {
    let json_of = |argument: &Argument| match argument {
        Argument::Text(text) => json!(text),
        Argument::Integer(number) => json!(number),
    };
    arguments
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json_of(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_name_every_object_and_its_vhost() {
        let topology = Topology::default();

        let definitions = topology.definitions("ads");

        for (kind, count) in [
            ("exchanges", topology.exchanges().len()),
            ("queues", topology.queues().len()),
            ("bindings", topology.bindings().len()),
        ] {
            let objects = definitions[kind].as_array().unwrap();
            assert_eq!(objects.len(), count);
            assert!(objects.iter().all(|object| object["vhost"] == "ads"));
        }
        assert_eq!(definitions["queues"][0]["arguments"]["x-delivery-limit"], 100);
    }

    #[test]
    fn the_text_shows_what_reaches_a_queue_and_how_often_it_may_come_back() {
        insta::assert_snapshot!(Topology::default().render());
    }
}

//! `schemas/asyncapi.yaml` against the topology and the headers, both ways.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use conversion_relay::broker::topology::{Argument, Topology};
use serde_json::{Map, Value, json};

use crate::{file, schema, yaml};

fn document() -> Value {
    yaml("schemas/asyncapi.yaml")
}

fn channels(document: &Value) -> impl Iterator<Item = &Value> {
    document["channels"].as_object().expect("there are channels").values()
}

/// A text for every value that its parameter can have; a parameter without a list stands for anything, as `#` does in a binding.
fn expanded(document: &Value, text: &str) -> Vec<String> {
    let Some((before, rest)) = text.split_once('{') else {
        return vec![text.to_owned()];
    };
    let (name, after) = rest.split_once('}').expect("a parameter closes");
    let values = document["components"]["parameters"][name]["enum"].as_array();
    match values {
        Some(values) => values
            .iter()
            .map(|value| format!("{before}{}{after}", value.as_str().expect("a value is text")))
            .collect(),
        None => vec![format!("{before}#{after}")],
    }
}

/// All texts of a value for one value of its parameter.
fn filled(value: &Value, parameter: &str, with: &str) -> Value {
    let text = value.to_string().replace(&format!("{{{parameter}}}"), with);
    serde_json::from_str(&text).expect("it stays JSON")
}

/// The queues of the document, one each, with their channel.
fn queues(document: &Value) -> BTreeMap<String, Value> {
    let of_queues = channels(document).filter(|channel| channel["bindings"]["amqp"]["is"] == "queue");
    of_queues
        .flat_map(|channel| {
            let address = channel["address"].as_str().expect("a queue has a name").to_owned();
            let parameter = address.split(['{', '}']).nth(1).unwrap_or_default().to_owned();
            let values = document["components"]["parameters"][&parameter]["enum"].clone();
            let values = values.as_array().cloned().unwrap_or_else(|| vec![json!("")]);
            values.into_iter().map(move |value| {
                let channel = filled(channel, &parameter, value.as_str().unwrap_or_default());
                (channel["address"].as_str().unwrap_or_default().to_owned(), channel)
            })
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_exchanges_are_those_of_the_topology() {
    let document = document();
    let described: BTreeSet<(String, String)> = channels(&document)
        .map(|channel| &channel["bindings"]["amqp"]["exchange"])
        .filter(|exchange| exchange.is_object())
        .map(|exchange| (text(&exchange["name"]), text(&exchange["type"])))
        .collect();
    let declared: BTreeSet<(String, String)> = Topology::default()
        .exchanges()
        .into_iter()
        .map(|exchange| (exchange.name, exchange.kind.as_str().to_owned()))
        .collect();

    assert_eq!(described, declared);
}

#[test]
fn the_queues_are_those_of_the_topology_with_their_arguments() {
    let document = document();
    let described: BTreeMap<String, Value> = queues(&document)
        .into_iter()
        .map(|(name, channel)| {
            assert_eq!(channel["bindings"]["amqp"]["queue"]["name"], name);
            (name, channel["x-arguments"].clone())
        })
        .collect();
    let declared: BTreeMap<String, Value> = Topology::default()
        .queues()
        .into_iter()
        .map(|queue| {
            let arguments: Map<String, Value> = queue
                .arguments
                .into_iter()
                .map(|(name, argument)| match argument {
                    Argument::Text(text) => (name.to_owned(), json!(text)),
                    Argument::Integer(number) => (name.to_owned(), json!(number)),
                })
                .collect();
            (queue.name, Value::Object(arguments))
        })
        .collect();

    assert_eq!(described, declared);
}

#[test]
fn the_bindings_are_those_of_the_topology() {
    let document = document();
    let described: BTreeSet<(String, String, String)> = queues(&document)
        .into_iter()
        .flat_map(|(name, channel)| {
            let bound = channel["x-bound-to"].as_array().cloned().unwrap_or_default();
            bound
                .into_iter()
                .map(move |bound| (text(&bound["exchange"]), text(&bound["routing-key"]), name.clone()))
        })
        .collect();
    let declared: BTreeSet<(String, String, String)> = Topology::default()
        .bindings()
        .into_iter()
        .map(|binding| (binding.exchange, binding.routing_key, binding.queue))
        .collect();

    assert_eq!(described, declared);
}

#[test]
fn the_routing_keys_are_those_that_are_bound() {
    let document = document();
    let described: BTreeSet<(String, String)> = channels(&document)
        .filter(|channel| channel["bindings"]["amqp"]["is"] == "routingKey")
        .flat_map(|channel| {
            let exchange = text(&channel["bindings"]["amqp"]["exchange"]["name"]);
            let keys = expanded(&document, &text(&channel["address"]));
            keys.into_iter().map(move |key| (exchange.clone(), key))
        })
        .collect();
    let bound: BTreeSet<(String, String)> = Topology::default()
        .bindings()
        .into_iter()
        .map(|binding| (binding.exchange, binding.routing_key))
        .collect();

    assert_eq!(described, bound);
}

/// The headers that the code knows: the constants of `wire::dispatch::header`.
fn headers_of_the_code() -> BTreeSet<String> {
    let source = file("src/wire/dispatch.rs");
    let (_, rest) = source
        .split_once("pub mod header {")
        .expect("the headers have a module");
    let module = rest.split("\n}").next().expect("it ends");
    module
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub const "))
        .filter_map(|line| Some(line.split_once('"')?.1.trim_end_matches("\";").to_owned()))
        .collect()
}

#[test]
fn the_headers_are_those_of_the_code() {
    let document = document();
    let messages = document["components"]["messages"].as_object().unwrap();
    let mut described = BTreeSet::new();
    for message in messages.values() {
        let headers = match message["headers"]["$ref"].as_str() {
            Some(reference) => schema(reference.strip_prefix("./messages/").unwrap()),
            None => message["headers"].clone(),
        };
        described.extend(
            headers["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone()),
        );
    }

    assert_eq!(described, headers_of_the_code());
    assert!(described.len() > 5, "the constants are found");
}

#[test]
fn every_schema_of_a_message_is_used_and_every_used_one_exists() {
    let text = file("schemas/asyncapi.yaml");
    let used: BTreeSet<String> = text
        .split("\"./messages/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/messages");
    let there: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();

    assert_eq!(used, there);
}

#[test]
fn the_document_is_of_this_version() {
    assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document()["asyncapi"], "3.0.0");
}

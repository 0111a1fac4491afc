//! What happens when connections and brokers go away.

use std::{
    collections::HashSet,
    io::Read,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
    time::{Duration, Instant},
};

use conversion_relay::broker::{Arrivals, Broker, BrokerSettings, PublishCause, Publisher};
use reqwest::Method;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::{
    support::node::Node,
    world::{DEADLINE, World, connected, deliveries, eventually, from, id, is_good, message, metrics, next, take},
};

const MINUTE: Duration = Duration::from_secs(60);
/// RabbitMQ 3.10.8 writes down the name of a new quorum queue some time after it has confirmed its declaration. Killed
/// before that, the queue has no leader after a restart and answers nothing (seen at 0.2 s, not at 2 s).
const NAMES_ON_DISK: Duration = Duration::from_secs(5);

/// Publishes windows of messages until told to stop; returns the IDs that were confirmed.
async fn publish_until(publisher: Publisher, stop: &AtomicBool) -> HashSet<String> {
    let mut confirmed = HashSet::new();
    while !stop.load(Ordering::Acquire) {
        let ids: Vec<_> = (0..200).map(|one| (confirmed.len() + one).to_string()).collect();
        let messages = ids.iter().map(|id| message("q", id)).collect();
        publisher.publish(messages, MINUTE).await.expect("confirmed in the end");
        confirmed.extend(ids);
    }
    confirmed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_and_started_again_loses_nothing_that_was_confirmed() {
    let mut node = Node::start().await;
    let world = World::on(&node).await;
    world.queue("q", json!({})).await;
    let declared = Instant::now();
    let broker = world.broker().await;
    let publisher = broker.publisher("test");
    publisher
        .publish(
            (0..1000).map(|one| message("q", format!("early-{one}"))).collect(),
            MINUTE,
        )
        .await
        .unwrap();
    let mut intake = broker.intake(from("q", 300));
    let mut early = 0;
    while early < 1000 {
        for delivery in deliveries(&mut intake).await {
            delivery.ack();
            early += 1;
        }
    }
    assert!(
        intake.drain(DEADLINE).await.clean,
        "the acks of the early ones are processed"
    );

    let stop = AtomicBool::new(false);
    let mut intake = broker.intake(from("q", 300));
    let mut arrived = HashSet::new();
    let mut reopened = false;
    let (confirmed, ()) = tokio::join!(publish_until(publisher, &stop), async {
        while arrived.len() < 2000 || declared.elapsed() < NAMES_ON_DISK {
            arrived.extend(acked(deliveries(&mut intake).await));
        }
        node.kill().await;
        node.start_again().await;
        let after = arrived.len() + 2000;
        while arrived.len() < after {
            match next(&mut intake).await {
                Arrivals::Deliveries(deliveries) => arrived.extend(acked(deliveries)),
                Arrivals::Reopened => reopened = true,
                Arrivals::Closed => panic!("closed"),
            }
        }
        stop.store(true, Ordering::Release);
    });
    while !confirmed.is_subset(&arrived) {
        arrived.extend(acked(deliveries(&mut intake).await));
    }

    assert!(reopened, "the role was told that its deliveries are gone");
    assert!(
        !arrived.iter().any(|id| id.starts_with("early")),
        "acked and back again"
    );
    assert!(intake.drain(DEADLINE).await.clean);
}

fn acked(deliveries: Vec<conversion_relay::broker::Delivery>) -> Vec<String> {
    let ack = |delivery: conversion_relay::broker::Delivery| {
        let id = id(&delivery).to_owned();
        delivery.ack();
        id
    };
    deliveries.into_iter().map(ack).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_closed_by_an_operator_come_back_by_themselves() {
    metrics();
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let publisher = broker.publisher("test");
    let mut intake = broker.intake(from("q", 100));
    publisher.publish(vec![message("q", "held")], MINUTE).await.unwrap();
    let held = take(&mut intake, 1).await.remove(0);

    let mut names: Vec<String> = Vec::new();
    let path = format!("vhosts/{}/connections", world.name());
    eventually("the management API lists both connections", async || {
        let connections = world.api(Method::GET, &path, None).await;
        let shown = |it: &Value| {
            it["client_properties"]["connection_name"]
                .as_str()
                .map(ToOwned::to_owned)
        };
        let mut shown: Vec<_> = connections.as_array().unwrap().iter().filter_map(shown).collect();
        shown.sort();
        let name = |it: &Value| it["name"].as_str().map(ToOwned::to_owned);
        names = connections.as_array().unwrap().iter().filter_map(name).collect();
        shown == ["relay-test consume", "relay-test publish"]
    })
    .await;
    for name in names {
        let name = name.replace(' ', "%20").replace('>', "%3E");
        world.api(Method::DELETE, &format!("connections/{name}"), None).await;
    }

    assert!(matches!(next(&mut intake).await, Arrivals::Reopened));
    assert!(!held.is_held());
    held.ack();
    is_good(&broker).await;
    publisher.publish(vec![message("q", "new")], MINUTE).await.unwrap();
    let ids: Vec<_> = acked(take(&mut intake, 2).await);
    assert_eq!(ids, ["held", "new"], "a late ack must not reach another message");
    assert!(intake.drain(DEADLINE).await.clean);
    assert!(
        broker
            .health()
            .last_error
            .is_some_and(|error| error.contains("CONNECTION_FORCED"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_it_starts_all_the_same_and_says_what_is_wrong() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let broker = Broker::start(BrokerSettings::new(
        vec![format!("amqp://u:secret@{nobody}").into()],
        "test",
    ));

    let publishing = broker.publisher("test");
    let failure = publishing
        .publish(vec![message("q", 1)], Duration::from_millis(500))
        .await
        .unwrap_err();

    assert_eq!(
        (failure.unconfirmed, failure.cause),
        (vec![0], PublishCause::Disconnected)
    );
    let health = broker.health();
    assert!(!health.is_good() && !health.consume_connected);
    let error = health.last_error.expect("a reason");
    assert!(
        error.contains(&nobody.to_string()) && !error.contains("secret"),
        "{error}"
    );
    assert!(broker.queue_depth("q").await.is_err());
    broker.close(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_down_is_passed_over() {
    let world = World::new().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut settings = world.settings();
    settings
        .urls
        .extend([format!("amqp://{nobody}/1").into(), format!("amqp://{nobody}/2").into()]);

    let broker = connected(settings).await;

    assert_eq!(
        broker.health().last_error,
        None,
        "the others are tried before it is a failure"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_says_nothing_is_given_up_and_its_socket_is_closed() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", silent.local_addr().unwrap());
    let mut settings = BrokerSettings::new(vec![url.into()], "test");
    settings.connect_timeout = Duration::from_millis(200);
    let _broker = Broker::start(settings);

    let (mut socket, _) = silent.accept().await.unwrap();

    let mut said = Vec::new();
    let ended = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut said)).await;
    ended.expect("the socket is closed").unwrap();
    assert_eq!(said, b"AMQP\x00\x00\x09\x01");
}

/// A listener that takes TLS connections, one after the other, and tells the first bytes that come through each.
fn tls_listener(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> (u16, Receiver<std::io::Result<[u8; 8]>>) {
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .expect("a certificate");
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (results, first_bytes) = std::sync::mpsc::channel();
    let take_one = move || {
        let (mut socket, _) = listener.accept()?;
        let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
        let mut bytes = [0; 8];
        rustls::Stream::new(&mut connection, &mut socket).read_exact(&mut bytes)?;
        Ok(bytes)
    };
    std::thread::spawn(move || while results.send(take_one()).is_ok() {});
    (port, first_bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_own_authority_is_trusted_if_it_is_given_and_only_then() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, certificate.cert.pem()).unwrap();
    let settings = |port: u16, ca: Option<PathBuf>| BrokerSettings {
        ca,
        ..BrokerSettings::new(vec![format!("amqps://u:p@localhost:{port}").into()], "test")
    };

    let (port, first) = tls_listener(&certificate);
    let trusting = Broker::start(settings(port, Some(ca)));
    assert_eq!(&first.recv().unwrap().unwrap(), b"AMQP\x00\x00\x09\x01");
    drop(trusting);

    let (port, first) = tls_listener(&certificate);
    let distrusting = Broker::start(settings(port, None));
    assert!(first.recv().unwrap().is_err());
    eventually("the certificate is named", async || {
        distrusting
            .health()
            .last_error
            .is_some_and(|error| error.contains("certificate"))
    })
    .await;

    let astray = Broker::start(settings(port, Some(directory.path().join("nothing.pem"))));
    eventually("the file is named", async || {
        astray
            .health()
            .last_error
            .is_some_and(|error| error.contains("nothing.pem"))
    })
    .await;
}

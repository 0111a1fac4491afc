//! `publish`: what is confirmed lies in the queue, and what is refused does not.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::world::{Ran, World};

const GOOD: &str = r#"{"client_id":"acme","event_name":"Lead","event_id":"e-1"}"#;
const ORDER: &str = r#"{"client_id":"acme","event_name":"Lead","order_id":"10482"}"#;
const BAD: &str = r#"{"event_name":"Lead","event_id":"e-2"}"#;

async fn publish(world: &World, options: &[&str], input: &str) -> Ran {
    let mut command = world.command(&[&["publish"], options].concat());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = command.spawn().expect("the binary starts");
    let mut stdin = process.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).await.expect("it is read");
    drop(stdin);
    Ran::from(process.wait_with_output().await.expect("it ends"))
}

#[tokio::test(flavor = "multi_thread")]
async fn good_lines_lie_in_the_queue_and_bad_ones_are_named() {
    let world = World::new().await;

    let ran = publish(&world, &[], &format!("{GOOD}\n\n{BAD}\n{ORDER}\n")).await;

    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out
            .contains("line 3: missing_field client_id. The event lacks a required field."),
        "{ran:?}"
    );
    assert!(
        ran.out
            .ends_with("2 published, 1 refused (line 3: missing_field client_id)\n"),
        "{ran:?}"
    );
    let messages = world.take(&world.topology.events_queue()).await;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].message_id.as_deref(), Some("e-1"));
    assert_eq!(messages[0].routing_key, "events.cli");
    assert_eq!(messages[0].body, GOOD);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_events_have_the_same_ids_each_time() {
    let world = World::new().await;

    for _ in 0..2 {
        publish(&world, &["-"], ORDER).await.good();
    }

    let messages = world.take(&world.topology.events_queue()).await;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].message_id, messages[1].message_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn strictly_it_is_all_or_nothing() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    let path = file.to_str().unwrap();

    std::fs::write(&file, format!("{GOOD}\n{BAD}\n")).unwrap();
    let refused = world.run(&["publish", "--strict", path]).await;
    let from_input = publish(&world, &["--strict"], &format!("{GOOD}\n{BAD}")).await;
    let nothing = world.take(&world.topology.events_queue()).await;
    std::fs::write(&file, format!("{GOOD}\n{ORDER}\n")).unwrap();
    let taken = world.run(&["publish", "--strict", path]).await;

    for ran in [refused, from_input] {
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.out.contains("nothing published: 1 refused (line 2"), "{ran:?}");
    }
    assert_eq!(nothing.len(), 0);
    assert_eq!(taken.good(), "2 published\n");
    assert_eq!(world.take(&world.topology.events_queue()).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_lines_go_as_they_are() {
    let world = World::new().await;

    publish(&world, &["--raw"], "not json\n").await.good();

    let messages = world.take(&world.topology.events_queue()).await;
    assert_eq!(messages[0].body, "not json");
    assert!(messages[0].headers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_window_is_published_whole() {
    let world = World::new().await;
    let lines: String = (0..1_201)
        .map(|number| GOOD.replace("e-1", &format!("e-{number}")) + "\n")
        .collect();

    let out = publish(&world, &[], &lines).await.good();

    assert_eq!(out, "1,201 published\n");
    assert_eq!(world.depth(&world.topology.events_queue()).await, 1_201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_named() {
    let world = World::new().await;

    let ran = world.run(&["publish", "nowhere.ndjson"]).await;

    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("read nowhere.ndjson: No such file"), "{}", ran.err);
}

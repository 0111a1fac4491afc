//! The dead letters about a forgotten person, of every kind: they go, and all others stay.

use crate::{
    forget::{FORGET, hers, johns, yes},
    inbound::{ids, inbound_letter},
    world::{META, World},
};

/// Letters about her, and letters that are not, by queue.
async fn letters(world: &World) {
    let missing = [("relay-cause", "missing_field")];
    let of_globex = [("relay-cause", "missing_field"), ("relay-client", "globex")];
    let letter = |queue, id, body: &str, headers: &[(&str, &str)]| inbound_letter(queue, id, body, headers);
    world.refused_sale(hers("lost"), META).await;
    // Its time of keeping is over; the letter lies there still.
    world.sql("DELETE FROM dispatches; DELETE FROM events").await;
    world.refused_sale(johns("johns"), META).await;
    world
        .put(vec![
            letter(
                "events",
                "hers",
                r#"{"client_id":"acme","event_id":"e-bad","user":{"email":"JANE@example.com"}}"#,
                &missing,
            ),
            letter(
                "events",
                "hers-cut",
                r#"{"client_id":"acme","user":{"email":"jane@example.com","#,
                &missing,
            ),
            letter(
                "events",
                "hers-nowhere",
                r#"{"user":{"email":"jane@example.com"}}"#,
                &missing,
            ),
            letter(
                "events",
                "jane@example.com",
                r#"{"client_id":"Jane <jane@example.com>"}"#,
                &missing,
            ),
            letter(
                "events",
                "at-globex",
                r#"{"client_id":"globex","user":{"email":"jane@example.com"}}"#,
                &missing,
            ),
            letter(
                "events",
                "johns",
                r#"{"client_id":"acme","user":{"email":"john@example.com"}}"#,
                &missing,
            ),
            letter(
                "webhooks",
                "hook-hers",
                r#"{"contact":{"mail":"jane@example.com"}}"#,
                &[("relay-cause", "bug")],
            ),
            letter(
                "webhooks",
                "hook-globex",
                r#"{"contact":{"mail":"jane@example.com"}}"#,
                &of_globex,
            ),
            letter(
                "webhooks",
                "hook-johns",
                r#"{"contact":{"mail":"john@example.com"}}"#,
                &missing,
            ),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_letter_about_the_person_goes_and_is_named_and_all_others_stay() {
    let world = World::new().await;
    letters(&world).await;

    let forecast = world.run(&FORGET).await.good();
    assert_eq!(world.depth("dead.events").await, 6, "a forecast removes nothing");
    let done = world.run(&yes()).await.good();

    for (part, gone) in [("4 letters", " removed"), ("1 letter", " removed")] {
        assert!(forecast.contains(&format!("{part} (")), "{forecast}");
        assert!(done.contains(&format!("{part}{gone} (")), "{done}");
    }
    for name in [
        "event e-lost, refused, ",
        "event e-bad, missing field, ",
        "message hers-cut, missing field, ",
        "message hers-nowhere, missing field, ",
        "without an ID to show, missing field, ",
        "message hook-hers, bug, ",
    ] {
        assert!(forecast.contains(name) && done.contains(name), "{name} in {done}");
    }
    assert!(!(forecast + &done).to_lowercase().contains("jane"), "{done}");
    assert_eq!(
        ids(&world.take("conversions.dead.events").await),
        ["at-globex", "johns"]
    );
    assert_eq!(
        ids(&world.take("conversions.dead.webhooks").await),
        ["hook-globex", "hook-johns"]
    );
    assert_eq!(ids(&world.take("conversions.dead.meta").await), ["e-johns"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_an_event_that_was_forgotten_earlier_goes_too() {
    let world = World::new().await;
    let letter = world.refused_sale(hers("1"), META).await;
    world.run(&yes()).await.good();
    // As by a sender that was about to put it there.
    world.put(vec![letter]).await;

    let said = world.run(&yes()).await.good();

    assert!(
        said.contains("dead.meta: 1 letter removed (event e-1, refused, "),
        "{said}"
    );
    assert_eq!(world.depth("dead.meta").await, 0);
}

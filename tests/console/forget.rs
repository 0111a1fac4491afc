//! `forget`: of the person nothing is left, of everybody else everything, however often and wherever it is cut off.

use std::process::Stdio;

use chrono::TimeDelta;
use conversion_relay::{
    domain::{Cause, Click, ClickKind, ClientId, State, hash::sha256_hex, person::Personal},
    store::routing::{NewDispatch, NewEvent},
};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::{
    inbound::ids,
    support::wait::until,
    world::{DEADLINE, GOOGLE, META, TIKTOK, World, digests, key, now, part, purchase, with},
};

/// Everything that the ledger may know of her.
const HERS: [&str; 11] = [
    "jane",
    "1234567",
    "hers-fbc",
    "hers-gclid",
    "203.0.113.77",
    "Mozilla/5.0 (Hers)",
    "shop.example/hers",
    "her engraving",
    "her note",
    "her-browser",
    "granted",
];
/// A forecast; and with `--yes` the deed.
pub const FORGET: [&str; 5] = ["forget", "--client", "acme", "--email", " Jane@Example.com"];

/// The command, and that it is to be done.
pub fn yes() -> Vec<&'static str> {
    [&FORGET[..], &["--yes"]].concat()
}

/// A sale of hers with all that the relay keeps of one.
pub fn hers(order: &str) -> NewEvent {
    let mut event = purchase(order);
    let mut record = serde_json::to_value(&event.record).expect("JSON");
    record["source_url"] = json!("https://shop.example/hers");
    record["clicks"] = json!({"fbc": "fb.1.1795000000000.hers-fbc", "gclid": "hers-gclid", "fbp": "her-browser"});
    record["ip"] = json!("203.0.113.77");
    record["user_agent"] = json!("Mozilla/5.0 (Hers)");
    record["contents"] = json!([{"id": "sku", "name": "her engraving"}]);
    record["custom"] = json!({"note": "her note"});
    record["consent"] = json!({"ad_user_data": "granted"});
    record["identities"] = json!({"meta": {"em": [sha256_hex("jane@example.com")], "ph": [sha256_hex("491701234567")]}, "google": {}, "tiktok": {}});
    event.record = serde_json::from_value(record).expect("a record");
    event
}

/// A sale of John's at the same client.
pub fn johns(order: &str) -> NewEvent {
    let mut event = purchase(order);
    event.identities = digests(&[Personal::new("john@example.com")], &[]);
    event
}

/// Hers, attributed to a click of hers.
fn clicked(dispatch: NewDispatch) -> NewDispatch {
    let click = Click {
        kind: ClickKind::Gclid,
        value: "hers-gclid".to_owned(),
        first_seen: now(),
        time_is_known: true,
        waba: None,
    };
    NewDispatch {
        click: Some(click),
        detail: Some("her note".to_owned()),
        ..dispatch
    }
}

/// Remembers a click under each of these identities.
async fn remember(world: &World, client: &str, value: &str, identities: &[uuid::Uuid]) {
    for identity in identities {
        world
            .sql(&format!(
                "INSERT INTO clicks (client_id, identity, click, source, kind, value, first_seen, time_is_known)
                 VALUES ('{client}', '{identity}', md5('{value}')::uuid, 'google', 'gclid', '{value}', now(), true)"
            ))
            .await;
    }
}

/// Her sales in every state but that of being sent, her clicks, and one of John's of each.
async fn a_life(world: &World) {
    let due = Some(now() + TimeDelta::hours(1));
    let waiting = NewDispatch {
        due,
        ..clicked(part(TIKTOK, State::Waiting, None))
    };
    let states = [
        (
            "sold",
            vec![
                clicked(part(META, State::Sent, None)),
                clicked(part(GOOGLE, State::Confirmed, None)),
            ],
        ),
        (
            "kept-back",
            vec![clicked(part(META, State::NotSent, Some(Cause::NoClick))), waiting],
        ),
        ("queued", vec![clicked(part(META, State::Queued, None))]),
        (
            "paused",
            vec![clicked(part(META, State::Paused, Some(Cause::LoginRefused)))],
        ),
    ];
    for (order, parts) in states {
        world.store_event(with(hers(order), parts)).await;
    }
    world.refused_sale(hers("refused"), META).await;
    world
        .store_event(with(johns("johns"), vec![part(META, State::Queued, None)]))
        .await;
    let by_mail = digests(&[Personal::new("jane@example.com")], &[]);
    let by_phone = digests(&[], &[Personal::new("+491701234567")]);
    remember(world, "acme", "hers-gclid", &[by_mail[0], by_phone[0]]).await;
    remember(world, "acme", "hers-second", &by_mail).await;
    remember(
        world,
        "acme",
        "johns-gclid",
        &digests(&[Personal::new("john@example.com")], &[]),
    )
    .await;
}

/// Every row of every table, as text.
async fn dump(world: &World) -> String {
    let client = world.schema.client().await;
    let tables = client
        .query(
            "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')",
            &[],
        )
        .await
        .expect("the tables");
    let mut all = String::new();
    for table in tables {
        let table: String = table.get(0);
        let rows = client.query(&format!("SELECT t::text FROM {table} t"), &[]).await;
        for row in rows.expect("the rows") {
            all.push_str(&format!("{table}: {}\n", row.get::<_, String>(0)));
        }
    }
    all
}

async fn assert_nothing_of_her(world: &World, said: &str) {
    let hashes = [sha256_hex("jane@example.com"), sha256_hex("491701234567")];
    let keyed = digests(&[Personal::new("jane@example.com")], &[Personal::new("+491701234567")]);
    let keyed = keyed.iter().map(ToString::to_string);
    let needles = HERS.map(str::to_owned).into_iter().chain(hashes).chain(keyed);
    let mut places = vec![
        ("the ledger".to_owned(), dump(world).await),
        ("the output".to_owned(), said.to_owned()),
    ];
    for queue in [
        "dead.meta",
        "dead.google",
        "dead.tiktok",
        "dead.events",
        "dead.webhooks",
    ] {
        for message in world.messages(queue).await {
            let text = String::from_utf8_lossy(&message.body).into_owned();
            places.push((
                queue.to_owned(),
                format!("{text} {:?} {}", message.headers, message.properties),
            ));
        }
    }
    for needle in needles {
        for (place, text) in &places {
            let line = text
                .lines()
                .find(|line| line.to_lowercase().contains(&needle.to_lowercase()));
            assert_eq!(line, None, "{needle} in {place}");
        }
    }
    let ledger = &places[0].1;
    assert!(ledger.contains("johns-gclid") && ledger.len() > 3_000, "{ledger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_person_nothing_is_left_and_of_others_everything() {
    let world = World::new().await;
    a_life(&world).await;
    let before = dump(&world).await;

    let forecast = world.run(&FORGET).await.good();
    assert_eq!(dump(&world).await, before, "a forecast changes nothing");
    assert_eq!(world.depth("dead.meta").await, 1);
    let deed = world.command(&yes()).output().await.expect("the binary runs");
    assert_eq!(deed.status.code(), Some(0));
    let done = String::from_utf8_lossy(&deed.stdout).into_owned();
    let log = String::from_utf8_lossy(&deed.stderr).into_owned();

    let told = "(2 sent, 1 failed, 1 not sent, 3 stopped before they";
    assert!(
        forecast.starts_with(&format!("ACME Shoes: 3 clicks, 5 conversions {told} go out)\n")),
        "{forecast}"
    );
    assert!(
        forecast.contains("dead.meta: 1 letter (event e-refused, refused, "),
        "{forecast}"
    );
    assert!(
        forecast.ends_with("Nothing was done. With --yes it is.\n"),
        "{forecast}"
    );
    assert!(
        done.starts_with(&format!(
            "ACME Shoes: 3 clicks removed, 5 conversions emptied {told} went out)\n"
        )),
        "{done}"
    );
    assert!(
        done.contains("dead.meta: 1 letter removed (event e-refused, refused, "),
        "{done}"
    );
    assert_nothing_of_her(&world, &(forecast + &done + &log)).await;
    let states = world.states().await;
    for (state, count) in [
        ("meta sent", 1),
        ("google confirmed", 1),
        ("meta not_sent no_click", 1),
        ("tiktok not_sent forgotten", 1),
        ("meta not_sent forgotten", 2),
        ("meta failed refused", 1),
        ("meta queued", 1),
    ] {
        assert_eq!(states.get(state), Some(&count), "{states:?}");
    }
    let kept = "SELECT count(*) FROM events WHERE forgotten_at IS NOT NULL AND order_id IS NOT NULL AND value = 59.90 AND currency = 'EUR'";
    assert_eq!(world.number(kept).await, 5, "order, value and times stay");
    let again = world.run(&yes()).await.good();
    assert_eq!(again, "ACME Shoes: 0 clicks removed, 0 conversions emptied\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_client_knows_of_the_person_stays() {
    let world = World::new().await;
    let mut elsewhere = hers("elsewhere");
    elsewhere.record.client = ClientId::parse("globex").expect("an ID");
    world.refused_sale(elsewhere, META).await;
    let by_mail = digests(&[Personal::new("jane@example.com")], &[]);
    remember(&world, "globex", "hers-at-globex", &by_mail).await;
    let before = dump(&world).await;

    let said = world.run(&yes()).await.good();

    assert_eq!(said, "ACME Shoes: 0 clicks removed, 0 conversions emptied\n");
    assert_eq!(dump(&world).await, before);
    assert_eq!(world.depth("dead.meta").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_it_is_cut_off_the_same_command_mends_it() {
    for point in ["forget.after_clicks", "forget.after_page", "forget.before_ack"] {
        let world = World::new().await;
        a_life(&world).await;
        world.refused_sale(johns("johns-refused"), META).await;

        let died = world
            .command(&yes())
            .env("FAILPOINTS", format!("{point}=return"))
            .output()
            .await
            .expect("the binary runs");
        assert_eq!(died.status.code(), None, "{point}: {died:?}");
        until("the dead process's letters are back", DEADLINE, async || {
            let said = world.run(&yes()).await.good();
            match world.depth("dead.meta").await {
                1 => Ok(()),
                depth => Err(format!("{depth}: {said}")),
            }
        })
        .await;

        assert_nothing_of_her(&world, "").await;
        // What was looked at goes back a moment later.
        until("the other letter is back", DEADLINE, async || {
            match world.depth("dead.meta").await {
                1 => Ok(()),
                depth => Err(depth.to_string()),
            }
        })
        .await;
        assert_eq!(
            ids(&world.take("conversions.dead.meta").await),
            ["e-johns-refused"],
            "{point}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_may_come_from_standard_input_and_is_never_repeated() {
    let world = World::new().await;
    a_life(&world).await;
    let from_input = ["forget", "--client", "acme", "--phone", "-"];
    let ask = async |input: &str| {
        let mut command = world.command(&from_input);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(input.as_bytes()).await.expect("it reads");
        drop(pipe);
        let output = child.wait_with_output().await.expect("it ends");
        (
            output.status.code(),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        )
    };

    let (code, said) = ask("0170 / 1234567\n").await;
    let (refused, complaint) = ask("wilhelmina\n").await;
    let unkeyed = world
        .command(&FORGET)
        .env_remove("RELAY_IDENTITY_KEY")
        .output()
        .await
        .expect("it runs");
    let nobody = world
        .run(&["forget", "--client", "acmee", "--email", "jane@example.com"])
        .await;

    assert_eq!(code, Some(0));
    assert!(said.contains("ACME Shoes: 2 clicks, 5 conversions"), "{said}");
    assert!(
        refused != Some(0) && complaint.contains("no phone number that can be read"),
        "{complaint}"
    );
    assert!(!complaint.contains("wilhelmina"), "{complaint}");
    assert!(
        String::from_utf8_lossy(&unkeyed.stderr).contains("RELAY_IDENTITY_KEY"),
        "{unkeyed:?}"
    );
    assert!(
        nobody
            .err
            .contains("there is no client called acmee; did you mean acme?"),
        "{nobody:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_said() {
    let world = World::new().await;
    let event = with(hers("1"), vec![part(META, State::Queued, None)]);
    world.store_event(event.clone()).await;
    let claimed = world
        .store()
        .claim(&[key(&event, META)], uuid::Uuid::now_v7(), DEADLINE)
        .await
        .expect("the statement runs");
    assert_eq!(claimed.len(), 1);
    world.publish(&[json!({"client_id": "acme"})]).await;

    let busy = world.run(&yes()).await;
    let mut away = world.command(&yes());
    let away = away
        .env("RELAY_AMQP_URL", "amqp://127.0.0.1:1")
        .output()
        .await
        .expect("it runs");

    assert_eq!(busy.code, Some(1));
    assert!(busy.out.contains("1 conversion emptied (1 being sent)"), "{busy:?}");
    assert!(
        busy.out.contains(
            "1 conversion of forgotten people is being sent or put aside right now: run it again in a minute."
        ),
        "{busy:?}"
    );
    assert!(
        busy.out
            .contains("in.events: 1 message not looked at; run it again when it is through."),
        "{busy:?}"
    );
    assert_eq!(away.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&away.stdout).contains("The dead letters were not looked at"),
        "{away:?}"
    );
}

//! Ten thousand messages of nonsense: each ends as a stored event or as a dead letter with a named cause, and the relay does not even stumble.

use std::collections::{BTreeMap, HashMap};

use conversion_relay::{broker::topology::Topology, domain::Cause, wire::dispatch::header};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Map, Value, json};

use super::support::{
    relay::Relay,
    wait::until,
    world::{ALL, Found, PATIENCE, World, account_of, purchase},
};

/// Another seed gives other messages; the same gives the same.
const SEED: u64 = 20_261_121;
const MESSAGES: usize = 10_000;
/// What may be wrong with a message from outside. Anything else is the relay's own fault.
const FAULTS: [Cause; 7] = [
    Cause::MalformedJson,
    Cause::MissingField,
    Cause::WrongType,
    Cause::InvalidField,
    Cause::EventTimeInMilliseconds,
    Cause::EventTimeInFuture,
    Cause::TooLarge,
];
/// Pieces that have broken something somewhere before.
const HOSTILE: [&str; 16] = [
    "",
    " ",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "'; DROP TABLE events; --",
    "{\"a\":",
    "${jndi:ldap://x}",
    "%s%n%x",
    "NaN",
    "-0",
    "1e400",
    "99999999999999999999999999999999",
    "9223372036854775808",
    "0001-01-01T00:00:00Z",
    "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f466}",
];

/// The messages, each from those before it and the seed alone (but for the times in it).
fn messages(seed: u64) -> Vec<Vec<u8>> {
    let base = purchase("base", &ALL);
    let mut bodies: Vec<Vec<u8>> = Vec::with_capacity(MESSAGES);
    for index in 0..MESSAGES {
        let rng = &mut StdRng::seed_from_u64(seed.wrapping_add(index as u64));
        let mut event = base.clone();
        event["event_id"] = json!(format!("fuzz-{index}"));
        let body = match index % 10 {
            0 => random_bytes(rng, 600),
            1 => random_json(rng, 0).to_string().into_bytes(),
            2..5 => mangled(rng, event.to_string().into_bytes()),
            5..9 => {
                for _ in 0..rng.random_range(1..4) {
                    change(rng, &mut event);
                }
                event.to_string().into_bytes()
            }
            _ if index % 400 == 9 => huge(rng, &event),
            // A repetition.
            _ => bodies[rng.random_range(0..bodies.len())].clone(),
        };
        bodies.push(body);
    }
    bodies
}

pub(super) fn random_bytes(rng: &mut StdRng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; rng.random_range(0..most)];
    rng.fill_bytes(&mut bytes);
    bytes
}

pub(super) fn random_json(rng: &mut StdRng, depth: usize) -> Value {
    match rng.random_range(0..if depth < 4 { 9 } else { 7 }) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random::<i64>()),
        3 => json!(rng.random::<f64>() * 1e9),
        4 => json!(rng.random_range(1_000_000_000u64..4_000_000_000_000)),
        5 => json!(HOSTILE.choose(rng)),
        6 => json!(String::from_utf8_lossy(&random_bytes(rng, 40))),
        7 => (0..rng.random_range(0..5))
            .map(|_| random_json(rng, depth + 1))
            .collect(),
        _ => {
            // What serde_json hides a number behind must not be taken for one at the top; further down the simulator would take it so.
            let hidden = if depth == 0 {
                "$serde_json::private::Number"
            } else {
                "__proto__"
            };
            let names = ["client_id", "event_name", "email", "a", hidden, ""];
            let fields: Map<String, Value> = (0..rng.random_range(0..5))
                .map(|_| {
                    (
                        names.choose(rng).expect("a name").to_string(),
                        random_json(rng, depth + 1),
                    )
                })
                .collect();
            Value::Object(fields)
        }
    }
}

/// Changes, adds or removes bytes, or cuts the end.
pub(super) fn mangled(rng: &mut StdRng, mut body: Vec<u8>) -> Vec<u8> {
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..body.len());
        match rng.random_range(0..5) {
            0 => body[at] = rng.random(),
            1 => body[at] ^= 1 << rng.random_range(0..8),
            2 => drop(body.splice(at..at, random_bytes(rng, 8))),
            3 => drop(body.drain(at..(at + rng.random_range(1..20)).min(body.len()))),
            _ => body.truncate(at.max(1)),
        }
        if body.is_empty() {
            break;
        }
    }
    body
}

/// Takes a field, at the top or one level below, and removes it, or gives it another value.
pub(super) fn change(rng: &mut StdRng, event: &mut Value) {
    let inner = ["click", "user"].choose(rng).expect("a name");
    let fields = if rng.random() && event[inner].is_object() {
        &mut event[inner]
    } else {
        event
    };
    let fields = fields.as_object_mut().expect("an object");
    let names: Vec<String> = fields.keys().cloned().chain(more_fields()).collect();
    let name = names.choose(rng).expect("a name");
    match rng.random_range(0..4) {
        0 => drop(fields.remove(name)),
        1 => drop(fields.insert(name.clone(), json!(HOSTILE.choose(rng)))),
        2 => {
            let text = fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            fields.insert(name.clone(), json!(text + HOSTILE.choose(rng).expect("a piece")));
        }
        _ => drop(fields.insert(name.clone(), random_json(rng, 1))),
    }
}

fn more_fields() -> impl Iterator<Item = String> {
    [
        "referrer_url",
        "action_source",
        "contents",
        "consent",
        "custom",
        "external_id",
        "postal_code",
        "country",
        "date_of_birth",
        "gender",
        "city",
    ]
    .map(ToOwned::to_owned)
    .into_iter()
}

/// Too large, or nested too deeply.
fn huge(rng: &mut StdRng, event: &Value) -> Vec<u8> {
    let mut event = event.clone();
    match rng.random_range(0..3) {
        0 => event["custom"] = json!({"long": "x".repeat(300 * 1024)}),
        1 => return format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(),
        _ => event["contents"] = (0..3000).map(|n| json!({"id": n.to_string()})).collect(),
    }
    event.to_string().into_bytes()
}

/// A message as a person can look at it.
fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(2000).collect()
}

/// Waits until all messages are accounted for: stored, repeated, unwanted or dead. None may be lost, and none twice.
async fn accounted_for(world: &World, relay: &Relay, messages: usize) {
    until("all messages are accounted for", PATIENCE, async || {
        let stored = world.number("SELECT count(*) FROM events").await;
        let unwanted = world
            .number("SELECT coalesce(sum(count), 0)::bigint FROM unwanted_events")
            .await;
        let repeated = relay.metric("relay_events_repeated_total", "").await as i64;
        let dead = i64::from(world.depth("dead.events").await);
        let sum = stored + unwanted + repeated + dead;
        let text =
            format!("{stored} stored, {unwanted} unwanted, {repeated} repeated, {dead} dead: {sum} of {messages}");
        if sum == messages as i64 && world.depth("in.events").await == 0 {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
}

/// Asserts that each dead letter is one of the messages, byte for byte, with a cause that says what is wrong with it.
fn assert_dead_letters_are_explained(letters: &[Found], bodies: &[Vec<u8>]) {
    let mut published: HashMap<&[u8], usize> = HashMap::new();
    for body in bodies {
        *published.entry(body).or_default() += 1;
    }
    let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
    for letter in letters {
        let cause = letter.header(header::CAUSE).unwrap_or("none");
        *causes.entry(cause).or_default() += 1;
        let is_explained = FAULTS.iter().any(|fault| fault.as_str() == cause);
        assert!(is_explained, "cause {cause} for {}", shown(&letter.body));
        let left = published.get_mut(letter.body.as_slice()).filter(|left| **left > 0);
        *left.unwrap_or_else(|| panic!("nobody published {}", shown(&letter.body))) -= 1;
    }
    assert!(causes.len() > 4, "the messages are too much alike: {causes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_of_nonsense_are_each_accounted_for() {
    let world = World::new().await;
    let wanted =
        r#"UPDATE ad_accounts SET rules = rules || '{"events": ["Purchase", "Lead"]}' WHERE client_id = 'acme'"#;
    world
        .schema
        .client()
        .await
        .execute(wanted, &[])
        .await
        .expect("the rules are written");
    let mut relay = world.relay().start().ready().await;
    let bodies = messages(SEED);

    world.publish_bytes(bodies.iter().cloned()).await;
    accounted_for(&world, &relay, MESSAGES).await;

    assert_dead_letters_are_explained(&world.messages("dead.events").await, &bodies);
    for queue in ["unrouted", "in.events", "dead.webhooks"] {
        assert_eq!(world.depth(queue).await, 0, "{queue}");
    }
    let stored = world.number("SELECT count(*) FROM events").await;
    assert!(stored > 1000, "only {stored} were taken: the messages are too bad");
    all_is_done(&world).await;
    assert_every_failure_is_explained(&world).await;
    assert_a_good_event_is_reported(&world, &mut relay).await;
}

/// Waits until nothing is left to do today: some clicks are too fresh for Google.
async fn all_is_done(world: &World) {
    let open = "SELECT count(*) FROM dispatches WHERE state IN ('queued', 'sending', 'paused') OR state = 'waiting' AND due < now() + interval '1 hour'
                OR state = 'failed' AND attend_at IS NOT NULL";
    until("all is done", PATIENCE, async || {
        let open = world.number(open).await;
        if open == 0 {
            Ok(())
        } else {
            Err(format!("{open} open, {:?}", world.states().await))
        }
    })
    .await;
}

/// Asserts that what failed did so for a fault of the event, and that no platform was sent something it refuses.
async fn assert_every_failure_is_explained(world: &World) {
    let client = world.schema.client().await;
    let sql = "SELECT platform || ' ' || dispatches.cause || ' ' || coalesce(detail, ''), min(body::text), count(*) FROM dispatches JOIN events ON key = event_key
               WHERE state = 'failed' GROUP BY 1";
    for row in client.query(sql, &[]).await.expect("the ledger can be read") {
        let (why, body, count): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
        let is_relays_fault = [" refused ", " bug ", " crash_loop ", " personal_data_refused "]
            .iter()
            .any(|cause| why.contains(cause));
        assert!(!is_relays_fault, "{count} failed, {why}: {body}");
    }
}

async fn assert_a_good_event_is_reported(world: &World, relay: &mut Relay) {
    let good =
        "SELECT count(*) FROM dispatches JOIN events ON key = event_key WHERE event_id = 'good' AND state = 'sent'";
    world.publish(&[purchase("good", &ALL)]).await;
    world.at_least(ALL.len() as i64, good).await;
    for platform in ALL {
        let events = world.simulator.events(platform, account_of(platform)).await;
        let counted: u32 = events
            .iter()
            .filter(|event| event.event_id.as_deref() == Some("good"))
            .map(|event| event.counted)
            .sum();
        assert_eq!(counted, 1, "{platform}");
    }
    assert!(relay.is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_in_other_queues_is_put_aside_byte_for_byte() {
    const EACH: usize = 300;
    let world = World::new().await;
    let mut relay = world.relay().start().ready().await;
    let topology = Topology::default();
    let nonsense: Vec<Vec<u8>> = messages(SEED + 1).into_iter().take(EACH).collect();

    world.publish_to(&topology.work(), "live.meta", nonsense.clone()).await;
    world
        .publish_to(&topology.work(), "bulk.tiktok", nonsense.clone())
        .await;
    world
        .publish_to(&topology.events(), "webhooks.unheard-of", nonsense.clone())
        .await;

    let ends = [
        ("dead.meta", "malformed_json"),
        ("dead.tiktok", "malformed_json"),
        ("dead.webhooks", "unknown_webhook_source"),
    ];
    for (queue, cause) in ends {
        until(queue, PATIENCE, async || {
            let depth = world.depth(queue).await as usize;
            if depth == EACH {
                Ok(())
            } else {
                Err(format!("{depth} of {EACH}"))
            }
        })
        .await;
        let mut found = world.messages(queue).await;
        assert!(
            found.iter().all(|letter| letter.header(header::CAUSE) == Some(cause)),
            "{queue}"
        );
        found.sort_by(|one, other| one.body.cmp(&other.body));
        let mut expected = nonsense.clone();
        expected.sort();
        assert!(
            found.iter().map(|letter| &letter.body).eq(&expected),
            "{queue}: other bytes than were published"
        );
    }
    assert_a_good_event_is_reported(&world, &mut relay).await;
}

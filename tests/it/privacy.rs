//! The sweep: personal data stays on the raw side, and secrets nowhere, whatever goes wrong.

use conversion_relay::{broker::topology::Topology, domain::hash::sha256_hex};
use serde_json::{Value, json};

use super::support::{
    relay::Relay,
    wait::until,
    world::{ALL, Found, GOOGLE_TOKEN, META_TOKEN, PATIENCE, TIKTOK_TOKEN, World, purchase},
};

const EMAIL: &str = "wilhelmina.testperson@privat.example";
const PHONE: &str = "+49 170 5550123";
const CITY: &str = "Quakenbrueck";
const STATE: &str = "Niederwaldsachsen";
const POSTAL_CODE: &str = "QX9-7ZJ";
const IP: &str = "203.0.113.77";
const USER_AGENT: &str = "Mozilla/5.0 (Sweep 4711)";

/// Something that must not be found.
struct Needle {
    name: &'static str,
    text: String,
}

fn needles(list: &[(&'static str, &str)]) -> Vec<Needle> {
    let needle = |(name, text): &(&'static str, &str)| Needle {
        name,
        text: text.to_lowercase(),
    };
    list.iter().map(needle).collect()
}

/// What identifies the person, in every form that something might write it in.
fn person() -> Vec<Needle> {
    needles(&[
        ("e-mail", "wilhelmina.testperson"),
        ("e-mail of the event", "@customers.example"),
        ("e-mail in a URL", "%40privat.example"),
        ("e-mail's domain", "privat.example"),
        ("phone", "5550123"),
        ("given name", "wilhelmina"),
        ("family name", "testperson"),
        ("external ID", "kundin-4711-geheim"),
        ("street", "lindwurmgasse"),
        ("city", CITY),
        ("state", STATE),
        ("postal code", POSTAL_CODE),
        ("postal code without its hyphen", "qx97zj"),
        ("date of birth", "1971-03-29"),
        ("date of birth in Meta's form", "19710329"),
    ])
}

/// What opens doors.
fn secrets(world: &World) -> Vec<Needle> {
    let password = |url: &str| {
        url::Url::parse(url)
            .expect("a URL")
            .password()
            .expect("it has a password")
            .to_owned()
    };
    needles(&[
        ("Meta's token", META_TOKEN),
        ("TikTok's token", TIKTOK_TOKEN),
        ("Google's refresh token", GOOGLE_TOKEN),
        ("Google's access token", "ya29.simulated-"),
        ("Google's client secret", "the-secret-of-the-google-client"),
        ("identity key", "a-key-of-the-tests-that-is-long-enough"),
        ("broker's password", &password(&world.amqp)),
        ("database's password", &password(&world.schema.url)),
    ])
}

/// What may lie in the ledger and in the queues, and nowhere else.
fn plain_in_the_ledger() -> Vec<Needle> {
    needles(&[
        ("IP address", IP),
        ("user agent", USER_AGENT),
        ("Meta's click ID", "fb.1.1700000000000.clicked"),
        ("Google's click ID", "Cj0K_clicked"),
        ("TikTok's click ID", "E.C.P.clicked"),
        ("hash of the e-mail", &sha256_hex(EMAIL)),
    ])
}

/// Collects every needle that is found, with what stands around it.
struct Sweep {
    found: Vec<String>,
    looked_at: usize,
}

impl Sweep {
    fn look(&mut self, place: &str, text: &str, needles: &[Needle]) {
        self.looked_at += text.len();
        let lower = text.to_lowercase();
        for needle in needles {
            let Some(position) = lower.find(&needle.text) else {
                continue;
            };
            let before = lower[..position]
                .chars()
                .rev()
                .take(300)
                .collect::<Vec<_>>()
                .into_iter()
                .rev();
            let around: String = before.chain(lower[position..].chars().take(100)).collect();
            self.found.push(format!("{} in {place}: …{around}…", needle.name));
        }
    }

    fn assert_clean(self) {
        assert!(
            self.looked_at > 10_000,
            "it has looked at {} bytes only",
            self.looked_at
        );
        assert!(
            self.found.is_empty(),
            "{} leaks:\n{}",
            self.found.len(),
            self.found.join("\n")
        );
    }
}

/// A purchase of the person, with her data also where it does not belong.
fn event(id: &str) -> Value {
    let mut event = purchase(id, &ALL);
    event["click"]["fbc"] = json!(format!("fb.1.1700000000000.clicked-{id}"));
    event["click"]["gclid"] = json!(format!("Cj0K_clicked-{id}"));
    event["click"]["ttclid"] = json!(format!("E.C.P.clicked-{id}"));
    event["source_url"] = json!(format!(
        "https://shop.example/thanks/{EMAIL}?email=wilhelmina.testperson%40privat.example&again=wilhelmina.testperson%2540privat.example\
         &tel=%2B491705550123&{EMAIL}=1&token={META_TOKEN}&gclid=Cj0K_clicked-{id}&ok=1#{EMAIL}"
    ));
    event["referrer_url"] = json!(format!(
        "https://wilhelmina.testperson:pw@shop.example/u?mail={EMAIL}&phone=00491705550123"
    ));
    event["user"] = json!({
        "email": [EMAIL, format!("{id}@customers.example")], "phone": [PHONE, "0170/5550123"], "external_id": "kundin-4711-geheim",
        "first_name": "Wilhelmina", "last_name": "Testperson", "city": CITY, "state": STATE, "postal_code": POSTAL_CODE, "country": "DE",
        "date_of_birth": "1971-03-29", "gender": "f", "ip": IP, "user_agent": USER_AGENT, "street": "Lindwurmgasse 17"
    });
    event["address"] = json!("Lindwurmgasse 17");
    event["contents"] =
        json!([{"id": "sku", "quantity": 1, "price": 59.9, "name": format!("Engraving for {EMAIL}"), "brand": EMAIL}]);
    event["custom"] = json!({
        "note": format!("please call {PHONE} or write to <{EMAIL}>"), "phone": PHONE, EMAIL: 1,
        "deep": [{"mail": EMAIL, "list": [EMAIL, "fine"]}], "colour": "red"
    });
    event
}

/// Messages that are no events, with her data in the very places that are wrong.
fn malformed() -> Vec<Vec<u8>> {
    let changed = |field: &str, value: Value| {
        let mut event = event("malformed");
        event[field] = value;
        event.to_string().into_bytes()
    };
    let cut = event("cut").to_string().into_bytes();
    vec![
        changed("event_name", json!(EMAIL)),
        changed("event_name", json!("+491705550123")),
        changed("client_id", json!(format!("Wilhelmina Testperson <{EMAIL}>"))),
        changed("client_id", json!(EMAIL)),
        changed("event_id", json!(EMAIL)),
        changed("order_id", json!(EMAIL)),
        changed("event_time", json!(EMAIL)),
        changed("action_source", json!(EMAIL)),
        changed("value", json!(EMAIL)),
        changed("currency", json!(EMAIL)),
        changed("user", json!(EMAIL)),
        changed("user", json!({"email": {EMAIL: PHONE}})),
        changed("user", json!({"city": [CITY]})),
        changed("contents", json!([{"quantity": EMAIL}])),
        changed("custom", json!(EMAIL)),
        changed("consent", json!({"ad_user_data": EMAIL})),
        changed("click", json!({"clicked_at": EMAIL})),
        cut[..cut.len() / 2].to_vec(),
        EMAIL.as_bytes().to_vec(),
    ]
}

/// Every way to go wrong, each with the platform's words full of her data and our tokens.
fn faults() -> Value {
    let words = format!(
        "Invalid value {EMAIL} (tel. {PHONE}, +491705550123) for user '{EMAIL}' with token {META_TOKEN}/{TIKTOK_TOKEN}"
    );
    let meta = json!({"error": {
        "message": words, "type": "OAuthException", "code": 100, "error_user_title": words, "error_user_msg": words, "fbtrace_id": EMAIL, "error_data": words
    }});
    let google = json!({"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT", "details": [
        {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": EMAIL},
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "events", "description": words, "reason": "INVALID_ARGUMENT"}]}
    ]}});
    let tiktok = json!({"code": 40002, "message": words, "request_id": EMAIL, "data": {"detail": words}});
    let permission = json!({"error": {"message": words, "type": "OAuthException", "code": 200}});
    let says = |status: u16, body: &Value| json!({"kind": "status", "status": status, "body": body.to_string(), "headers": {"x-tt-logid": EMAIL}});
    json!([
        {"platform": "meta", "event_id": "echo-meta", "fault": says(400, &meta)},
        {"platform": "google", "event_id": "echo-google", "fault": says(400, &google)},
        {"platform": "tiktok", "event_id": "echo-tiktok", "fault": says(200, &tiktok)},
        {"platform": "meta", "event_id": "paused", "fault": says(403, &permission)},
        {"platform": "google", "fault": {"kind": "bad_token"}, "times": 1},
        {"platform": "meta", "fault": {"kind": "status", "status": 500, "body": format!("<html>{words}</html>")}, "times": 1},
        {"platform": "tiktok", "fault": {"kind": "html", "status": 502}, "times": 1},
        {"platform": "google", "fault": {"kind": "reset_after"}, "times": 1},
        {"platform": "meta", "fault": {"kind": "truncate"}, "times": 1}
    ])
}

/// Without what a platform demands plain: TikTok city, state and country, Google region and postal code.
fn without_what_must_be_plain(value: &mut Value) {
    if let Some(identities) = value.get_mut("identities") {
        for (platform, key) in [
            ("tiktok", "city"),
            ("tiktok", "state"),
            ("tiktok", "country"),
            ("google", "region_code"),
            ("google", "postal_code"),
        ] {
            if let Some(identity) = identities.get_mut(platform).and_then(Value::as_object_mut) {
                identity.remove(key);
            }
        }
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(without_what_must_be_plain),
        Value::Array(items) => items.iter_mut().for_each(without_what_must_be_plain),
        _ => {}
    }
}

fn look_at_messages(sweep: &mut Sweep, queue: &str, messages: &[Found], needles: &[Needle]) {
    for message in messages {
        let mut body: Value = serde_json::from_slice(&message.body).expect("a dispatch is JSON");
        without_what_must_be_plain(&mut body);
        let text = format!("{body} {:?} {}", message.headers, message.properties);
        sweep.look(queue, &text, needles);
    }
}

async fn look_at_tables(sweep: &mut Sweep, world: &World) {
    let client = world.schema.client().await;
    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()";
    for table in client.query(tables, &[]).await.expect("the tables are listed") {
        let table: String = table.get(0);
        let rows = client
            .query(&format!("SELECT row_to_json(t)::text FROM \"{table}\" t"), &[])
            .await
            .expect("a table can be read");
        for row in rows {
            let mut row: Value = serde_json::from_str(row.get(0)).expect("JSON");
            without_what_must_be_plain(&mut row);
            let text = row.to_string();
            sweep.look(&table, &text, &person());
            sweep.look(&table, &text, &secrets(world));
            let mut elsewhere = plain_in_the_ledger();
            match table.as_str() {
                "events" | "dispatches" => elsewhere.clear(),
                "clicks" => elsewhere.retain(|needle| !needle.name.ends_with("click ID")),
                _ => {}
            }
            sweep.look(&table, &text, &elsewhere);
        }
    }
}

async fn look_at_what_is_shown(sweep: &mut Sweep, world: &World, relay: &Relay) {
    let shown = [("the log", world.all_logs()), ("the metrics", relay.metrics().await)];
    for (place, text) in shown {
        for needles in [person(), secrets(world), plain_in_the_ledger()] {
            sweep.look(place, &text, &needles);
        }
    }
}

/// A day with everything in it; gives what the relay shows of it once it is over.
async fn sweep_a_day(log: &str) {
    let world = World::new().await;
    world.simulator.set_faults(faults()).await;
    let google =
        json!({"client_id": "id", "client_secret": "the-secret-of-the-google-client", "refresh_token": GOOGLE_TOKEN})
            .to_string();
    let start = || world.relay().with("RELAY_LOG", log).with("TEST_GOOGLE", &google);
    let mut sweep = Sweep {
        found: Vec::new(),
        looked_at: 0,
    };
    let ids = ["fine-1", "fine-2", "fine-3", "echo-meta", "echo-google", "echo-tiktok"];
    let malformed = malformed();

    // While the senders are away, what the router made lies in their queues.
    let router = start().role("router").start().ready().await;
    world.publish(&ids.map(event)).await;
    world.publish(&[event("fine-1")]).await;
    world.publish_bytes(malformed.clone()).await;
    world
        .publish_to(
            &Topology::default().events(),
            "webhooks.unknown",
            [event("webhook").to_string().into_bytes()],
        )
        .await;
    until("the malformed ones are put aside", PATIENCE, async || {
        let depth = world.depth("dead.events").await as usize;
        if depth == malformed.len() {
            Ok(())
        } else {
            Err(format!("{depth} of {}", malformed.len()))
        }
    })
    .await;
    world
        .at_least(
            ids.len() as i64 * 3,
            "SELECT count(*) FROM dispatches WHERE state = 'queued'",
        )
        .await;
    for platform in ALL {
        let queue = format!("send.{platform}");
        until(&queue, PATIENCE, async || {
            let depth = world.depth(&queue).await;
            if depth >= ids.len() as u32 {
                Ok(())
            } else {
                Err(depth.to_string())
            }
        })
        .await;
        look_at_messages(&mut sweep, &queue, &world.messages(&queue).await, &person());
        look_at_messages(&mut sweep, &queue, &world.messages(&queue).await, &secrets(&world));
    }
    look_at_what_is_shown(&mut sweep, &world, &router).await;

    let relay = start().role("sender").role("keeper").start().ready().await;
    world.settled(ids.len() as i64).await;
    world.publish(&[event("paused")]).await;
    world.in_state(1, "meta paused permission_missing").await;
    for platform in ALL {
        let queue = format!("dead.{platform}");
        let dead = world.messages(&queue).await;
        assert_eq!(dead.len(), 1, "{queue}");
        look_at_messages(&mut sweep, &queue, &dead, &person());
        look_at_messages(&mut sweep, &queue, &dead, &secrets(&world));
    }
    look_at_tables(&mut sweep, &world).await;
    look_at_what_is_shown(&mut sweep, &world, &relay).await;

    sweep.assert_clean();
    // The raw side has them, byte for byte.
    let mut raw: Vec<Vec<u8>> = world
        .messages("dead.events")
        .await
        .into_iter()
        .map(|letter| letter.body)
        .collect();
    let mut expected = malformed;
    raw.sort();
    expected.sort();
    assert!(raw == expected, "the raw side has other bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn personal_data_and_tokens_are_nowhere_past_the_router_at_log_level_debug() {
    sweep_a_day("debug,conversion_relay=trace").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_even_a_log_of_everything_tells_personal_data_or_tokens() {
    sweep_a_day("trace,lapin=trace,lapin::channels=trace,tokio_postgres=trace,tokio_postgres::query=trace").await;
}

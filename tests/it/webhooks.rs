//! Webhooks on the relay's own exchange, and other systems' queues: what they tell ends where it should.

use std::collections::BTreeMap;

use chrono::Utc;
use conversion_relay::broker::{
    BrokerSettings, HeaderValue, Headers,
    topology::{self, Topology},
};
use serde_json::{Value, json};

use super::support::{
    wait::until,
    world::{PATIENCE, World, account_of},
};

const WABA: &str = "102290129340398";
const DATASET: &str = "778899001122334";

/// Gives ACME a dataset for its WhatsApp chats.
async fn add_dataset(world: &World) {
    let rules = json!({"mode": "live", "waba": WABA}).to_string();
    world
        .add_ruled_account("acme", "meta", DATASET, "agency-meta", &rules)
        .await;
}

/// A world in which ACME has a dataset for its WhatsApp chats.
async fn world() -> World {
    let world = World::new().await;
    add_dataset(&world).await;
    world
}

/// A sample of the providers' public documentation.
fn sample(path: &str) -> Value {
    let path = format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("the sample is there")).expect("it is JSON")
}

/// Somebody writes to a business after a tap on its ad, just now.
fn chat(phone: &str, clid: &str) -> Value {
    let mut message = sample("whatsapp/ctwa_ad_text.json");
    let value = &mut message["entry"][0]["changes"][0]["value"];
    value["contacts"][0]["wa_id"] = json!(phone);
    value["messages"][0]["from"] = json!(phone);
    value["messages"][0]["id"] = json!(format!("wamid.{clid}"));
    value["messages"][0]["timestamp"] = json!((Utc::now().timestamp() - 600).to_string());
    value["messages"][0]["referral"]["ctwa_clid"] = json!(clid);
    message
}

async fn publish(world: &World, source: &str, headers: &[(&str, &str)], bodies: impl IntoIterator<Item = Value>) {
    let headers: Headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), HeaderValue::Text((*value).to_owned())))
        .collect();
    let bodies = bodies.into_iter().map(|body| body.to_string().into_bytes());
    world
        .publish_with(
            &Topology::default().events(),
            &format!("webhooks.{source}"),
            &headers,
            bodies,
        )
        .await;
}

/// A lead that the CRM tells of, with a phone number and nothing else.
fn lead(id: &str, user: Value) -> Value {
    json!({"event_id": id, "client_id": "acme", "event_name": "Lead", "user": user, "action_source": "chat"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_event_with_a_phone_number_becomes_a_conversion_of_the_chat_that_an_ad_began() {
    let world = world().await;
    let relay = world.relay().start().ready().await;
    let mut nameless = chat("", "Aff-nameless");
    let value = &mut nameless["entry"][0]["changes"][0]["value"];
    value["contacts"][0] =
        sample("whatsapp/bsuid_text_no_phone.json")["entry"][0]["changes"][0]["value"]["contacts"][0].clone();
    let message = value["messages"][0].as_object_mut().expect("a message");
    message.remove("from");
    message.insert("from_user_id".to_owned(), json!("US.13491208655302741918"));
    let bodies = [
        chat("551187654321", "Aff-older"),
        chat("551187654321", "Aff-newer"),
        // The provider tells it again.
        chat("551187654321", "Aff-newer"),
        nameless,
        sample("whatsapp/bsuid_status_delivered.json"),
        sample("whatsapp/ctwa_status_ad_no_clid.json"),
        sample("whatsapp/plain_text_no_referral.json"),
    ];
    publish(&world, "whatsapp", &[], bodies).await;
    world.at_least(3, "SELECT count(DISTINCT value) FROM clicks").await;
    world
        .schema
        .client()
        .await
        .execute(
            "UPDATE clicks SET first_seen = first_seen - interval '1 hour' WHERE value = 'Aff-older'",
            &[],
        )
        .await
        .expect("one is older");

    world
        .publish(&[
            // With the ninth digit that WhatsApp's number lacks.
            lead("with-number", json!({"phone": "+55 11 98765-4321"})),
            lead("by-user", json!({"whatsapp_user_id": "US.13491208655302741918"})),
            lead("stranger", json!({"phone": "+55 11 91111-1111"})),
        ])
        .await;
    world.settled(3).await;

    let counted = world.simulator.events("meta", DATASET).await;
    let mut sent: Vec<(String, Value)> = counted
        .iter()
        .map(|event| {
            (
                event.event_id.clone().unwrap_or_default(),
                event.first_body.clone().unwrap_or_default(),
            )
        })
        .collect();
    sent.sort_by(|one, other| one.0.cmp(&other.0));
    let told: Vec<_> = sent
        .iter()
        .map(|(id, body)| (id.as_str(), body["user_data"]["ctwa_clid"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(told, [("by-user", "Aff-nameless"), ("with-number", "Aff-newer")]);
    for (_, body) in &sent {
        assert_eq!(body["user_data"]["whatsapp_business_account_id"], WABA);
        assert_eq!(
            (&body["action_source"], &body["messaging_channel"]),
            (&json!("business_messaging"), &json!("whatsapp"))
        );
        assert_eq!(body["event_name"], "LeadSubmitted");
    }
    let states = world.states().await;
    assert_eq!(
        states.get("meta not_sent no_ctwa_click_id_for_phone"),
        Some(&1),
        "{states:?}"
    );
    assert_eq!(world.depth("dead.webhooks").await, 0, "none of this is an error");
    assert_eq!(relay.metric("relay_webhook_parts_total", "click").await, 4.0);
    assert!(relay.metric("relay_webhook_parts_total", "ignored").await >= 3.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_whatsapp_itself_found_in_a_chat_goes_out_once_and_its_message_id_nowhere() {
    let world = world().await;
    let mut sale = sample("whatsapp/automatic_event_purchase.json");
    let event = &mut sale["entry"][0]["changes"][0]["value"]["automatic_events"][0];
    event["timestamp"] = json!(Utc::now().timestamp() - 60);
    let wamid = event["id"].as_str().expect("an ID").to_owned();
    let mut dying = world.relay().dying_at("router.after_commit", 1).start();
    publish(&world, "whatsapp", &[], [sale.clone()]).await;
    dying.dead_at_its_point(PATIENCE).await;

    let _relay = world.relay().start();
    publish(&world, "whatsapp", &[], [sale.clone(), sale]).await;
    world.settled(1).await;
    until("all webhooks are worked off", PATIENCE, async || {
        match world.depth("in.webhooks").await {
            0 => Ok(()),
            left => Err(format!("{left} are left")),
        }
    })
    .await;

    let counted = world.simulator.events("meta", DATASET).await;
    assert_eq!(counted.iter().map(|event| event.counted).collect::<Vec<_>>(), [1]);
    let body = counted[0].first_body.as_ref().expect("a body");
    assert_eq!(
        body["messaging_outcome_data"],
        json!({"outcome_type": "automatic_events"})
    );
    assert_eq!(body["custom_data"]["value"], json!(25));
    let row = world
        .schema
        .client()
        .await
        .query_one("SELECT row_to_json(events)::text FROM events", &[])
        .await
        .expect("one event");
    let stored: String = row.get(0);
    let phone_within = wamid.trim_start_matches("wamid.");
    assert!(
        !stored.contains(phone_within) && !body.to_string().contains(phone_within),
        "{stored}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_of_a_business_account_that_nobody_has_is_kept_until_somebody_does() {
    let world = World::new().await;
    let _relay = world.relay().start();
    // One message with a good part and one that concerns nobody yet.
    let mut both = chat("4917055501234", "Aff-unknown");
    let known = json!({"id": "555", "changes": chat("4917055501234", "Aff-known")["entry"][0]["changes"]});
    both["entry"].as_array_mut().expect("entries").push(known);
    world
        .add_ruled_account(
            "globex",
            "meta",
            "2000000099",
            "globex-meta",
            r#"{"mode": "live", "waba": "555"}"#,
        )
        .await;
    publish(&world, "whatsapp", &[], [both]).await;
    world.at_least(1, "SELECT count(DISTINCT value) FROM clicks").await;

    let dead = world.messages("dead.webhooks").await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].header("relay-cause"), Some("unknown_waba"));
    assert_eq!(dead[0].header("relay-detail"), Some("entry[0].id"));
    add_dataset(&world).await;
    let mut replay = world
        .relay()
        .command(&["dead", "replay", "--queue", "webhooks", "--yes"])
        .start();
    assert!(replay.dead(PATIENCE).await.success(), "{}", replay.log());
    world.at_least(2, "SELECT count(DISTINCT value) FROM clicks").await;

    assert_eq!(
        world
            .number("SELECT count(DISTINCT value) FROM clicks WHERE client_id = 'acme' AND value = 'Aff-unknown'")
            .await,
        1
    );
    assert_eq!(
        world
            .number("SELECT count(DISTINCT value) FROM clicks WHERE client_id = 'globex' AND value = 'Aff-known'")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_systems_payloads_become_events_or_say_which_pointer_failed() {
    let world = world().await;
    let _relay = world.relay().start();
    let mut order = sample("webhooks/shopify_order.json");
    order["created_at"] = json!(Utc::now().to_rfc3339());
    order["processed_at"] = order["created_at"].clone();
    order["financial_status"] = json!("paid");
    order["cancelled_at"] = json!(null);
    order["test"] = json!(false);
    let mut broken = order.clone();
    broken["id"] = json!(123_456);
    broken["total_price"] = json!({"amount": "secret-value"});
    let shopify = [("relay-client", "acme"), ("x-shopify-topic", "orders/paid")];
    publish(&world, "shopify", &shopify, [order.clone(), order.clone(), broken]).await;
    publish(
        &world,
        "shopify",
        &[("relay-client", "acme"), ("x-shopify-topic", "orders/updated")],
        [order],
    )
    .await;
    publish(&world, "unheard-of", &[("relay-client", "acme")], [json!({"a": 1})]).await;
    world.settled(1).await;
    until("two are put aside", PATIENCE, async || {
        match world.depth("dead.webhooks").await {
            2 => Ok(()),
            found => Err(format!("{found} lie there")),
        }
    })
    .await;

    assert_eq!(
        world
            .number("SELECT count(*) FROM events WHERE client_id = 'acme' AND name = 'Purchase'")
            .await,
        1
    );
    let dead = world.messages("dead.webhooks").await;
    let told: BTreeMap<_, _> = dead
        .iter()
        .map(|found| (found.header("relay-cause"), found.header("relay-detail")))
        .collect();
    let pointer = told[&Some("webhook_not_mapped")].expect("the pointer is named");
    assert!(
        pointer.starts_with("/total_price") || pointer.contains("total_price"),
        "{pointer}"
    );
    assert_eq!(told[&Some("unknown_webhook_source")], Some("unheard-of"));
    assert!(!world.all_logs().contains("secret-value"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_lie_in_somebody_elses_queue_are_read_by_their_mapping() {
    let world = world().await;
    let crm = Topology::new("crm");
    let client = world.schema.client().await;
    let add = "INSERT INTO inputs (name, queue, mapping, client_id) VALUES ('crm', 'crm.in.events', 'generic', 'acme')";
    client.execute(add, &[]).await.expect("the input is added");
    // It is not there yet, which costs the others nothing.
    let relay = world.relay().start();
    world.publish_purchases("usual", 1).await;
    world.settled(1).await;
    let applied = topology::apply(&BrokerSettings::new(vec![world.amqp.as_str().into()], "test"), &crm).await;
    assert!(applied.expect("the CRM's queue is made").differences.is_empty());
    let relay = relay.ready().await;

    let won = |id: &str| {
        json!({"id": id, "event": "Purchase", "time": Utc::now().to_rfc3339(), "value": 900, "currency": "EUR",
               "email": "jane@customers.example", "gclid": format!("Cj0K_{id}")})
    };
    let bodies = [
        won("deal-1"),
        won("deal-2"),
        won("deal-1"),
        json!({"id": "deal-3", "event": "Purchase"}),
    ];
    world
        .publish_to(
            &crm.events(),
            "events.won",
            bodies.iter().map(|body| body.to_string().into_bytes()),
        )
        .await;
    world.settled(3).await;
    until("the faulty one is put aside", PATIENCE, async || {
        match world.depth("dead.webhooks").await {
            1 => Ok(()),
            found => Err(format!("{found} lie there")),
        }
    })
    .await;

    let ids = ["usual-0", "deal-1", "deal-2"].map(str::to_owned);
    world.assert_counted_once("google", account_of("google"), ids).await;
    let dead = world.messages("dead.webhooks").await;
    assert_eq!(dead[0].header("relay-client"), Some("acme"));
    assert_eq!(dead[0].header("relay-routing-key"), Some("webhooks.generic"));
    assert_eq!(relay.metric("relay_events_received_total", "inputs").await, 4.0);

    // Taken away, it is left alone at once.
    client
        .batch_execute("UPDATE inputs SET removed_at = now(); UPDATE directory_version SET version = version + 1")
        .await
        .expect("the input is removed");
    until("the input has ended", PATIENCE, async || {
        if relay.log().contains("input ends") {
            Ok(())
        } else {
            Err("it goes on".to_owned())
        }
    })
    .await;
    assert_eq!(relay.page("/readyz").await.0, 200);
}

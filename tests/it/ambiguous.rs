//! What becomes of conversions that the platform may have taken although nobody knows, where it recognises no repetitions.

use serde_json::{Value, json};

use super::support::world::{META_TOKEN, PATIENCE, World, purchase};

/// ACME's dataset for chats that began with an ad.
const DATASET: &str = "778899001122334";

/// A world with a WhatsApp dataset of this rule.
async fn world(after_ambiguity: &str) -> World {
    let world = World::new().await;
    let rules = json!({"mode": "live", "waba": "102290129340398", "after_ambiguity": after_ambiguity}).to_string();
    world
        .add_ruled_account("acme", "meta", DATASET, "agency-meta", &rules)
        .await;
    world
}

/// A sale in a chat that an ad began.
fn chat_purchase(id: &str) -> Value {
    let mut event = purchase(id, &[]);
    event["action_source"] = json!("business_messaging");
    event["click"]["ctwa_clid"] = json!(format!("ARAk_{id}"));
    event
}

/// Takes the first request and never answers it.
async fn break_off_once(world: &World) {
    let fault = json!([{"account": DATASET, "fault": {"kind": "reset_after"}, "times": 1}]);
    world.simulator.set_faults(fault).await;
}

/// How often Meta counted each event of the dataset.
async fn counted(world: &World) -> Vec<u32> {
    let events = world.simulator.events("meta", DATASET).await;
    events.iter().map(|event| event.counted).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_sale_whose_answer_is_lost_is_never_sent_again_where_the_ad_account_says_so() {
    let world = world("never").await;
    break_off_once(&world).await;
    let _relay = world.relay().start().ready().await;

    world.publish(&[chat_purchase("chat-1")]).await;
    world.settled(1).await;
    // The next one shows that the ad account still sends.
    world.publish(&[chat_purchase("chat-2")]).await;
    world.settled(2).await;

    let states = world.states().await;
    assert_eq!(states.get("meta failed may_be_counted"), Some(&1), "{states:?}");
    assert_eq!(states.get("meta sent"), Some(&1), "{states:?}");
    assert_eq!(counted(&world).await, [1, 1]);
    assert_eq!(world.depth("dead.meta").await, 1);
    let attempts = "SELECT count(*) FROM attempts WHERE outcome = 'ambiguous'";
    assert_eq!(world.number(attempts).await, 1);
    assert!(!world.all_logs().contains(META_TOKEN));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_sale_whose_answer_is_lost_is_sent_again_where_nothing_else_is_said() {
    let world = world("resend").await;
    break_off_once(&world).await;
    let _relay = world.relay().start().ready().await;

    world.publish(&[chat_purchase("chat-1")]).await;
    world.settled(1).await;

    assert_eq!(world.states().await.get("meta sent"), Some(&1));
    // Meta recognises no repetition here: that is what the rule is about.
    assert_eq!(counted(&world).await, [2]);
}

#[cfg(feature = "crash-points")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_dies_over_a_chat_sale_obeys_the_same_rule() {
    let world = world("never").await;
    world.publish(&[chat_purchase("chat-1")]).await;
    let mut dying = world.relay().dying_at("sender.after_answer", 1).start();
    dying.dead_at_its_point(PATIENCE).await;

    let _next = world.relay().start().ready().await;
    world.settled(1).await;

    let states = world.states().await;
    assert_eq!(states.get("meta failed may_be_counted"), Some(&1), "{states:?}");
    assert_eq!(counted(&world).await, [1]);
    assert_eq!(world.depth("dead.meta").await, 1);
}

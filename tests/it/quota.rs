//! Google's quota: shared by all workers and never exceeded; each sale travels alone as long as there is enough of it.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Timelike, Utc};
use conversion_relay::store::{
    Store,
    quotas::{QuotaGrant, QuotaRequest, Reserve},
};
use serde_json::json;

use super::support::{
    purchases::purchase_of,
    relay::Start,
    schema::Schema,
    simulator::LoggedRequest,
    wait::until,
    world::{PATIENCE, World, account_of, purchase},
};

/// What is left to others: live, bulk, receipts.
const RESERVES: [f64; 3] = [0.0, 0.1, 0.2];

async fn take(store: &Store, wanted: u32, limits: (u32, u32), reserve: f64) -> QuotaGrant {
    let request = QuotaRequest {
        name: "project",
        wanted,
        per_minute: limits.0,
        per_day: limits.1,
        reserve: Reserve {
            always: reserve,
            at_first: 0.0,
        },
    };
    store.take_quota(&request).await.expect("Postgres answers")
}

/// Waits until a minute is young enough for what must happen within one.
async fn early_in_a_minute() {
    until("a minute begins", PATIENCE, async || match Utc::now().second() {
        1..=15 => Ok(()),
        second => Err(format!("second {second}")),
    })
    .await;
}

fn metered<'a>(world: &'a World, per_minute: u32) -> Start<'a> {
    world
        .relay()
        .with("RELAY_GOOGLE_QUOTA_PER_MINUTE", &per_minute.to_string())
}

/// Requests to Google that its quota counts, as the simulator has logged them.
async fn counted(world: &World) -> Vec<LoggedRequest> {
    let requests = world.simulator.requests().await;
    let counts = |request: &LoggedRequest| matches!(request.platform.as_deref(), Some("google" | "google_status"));
    requests.into_iter().filter(counts).collect()
}

fn minute(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(60)
}

/// Adds clients with an ad account each that share the agency's login at Google.
async fn add_clients(world: &World, count: usize) -> Vec<String> {
    let mut clients = Vec::new();
    for number in 0..count {
        let client = format!("client-{number}");
        let destination = format!("30000000{number:02}");
        world
            .add_account(&client, "google", &destination, "agency-google")
            .await;
        clients.push(client);
    }
    let client = world.schema.client().await;
    client
        .batch_execute(
            r#"UPDATE ad_accounts SET rules = '{"mode":"live","actions":{"Purchase":"987"}}' WHERE platform = 'google';
               UPDATE directory_version SET version = version + 1"#,
        )
        .await
        .expect("the rules are written");
    clients
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_more_than_there_is_and_those_behind_leave_a_reserve() {
    let schema = Schema::create().await;
    early_in_a_minute().await;
    let limits = (20, 100_000);

    let receipts = take(&schema.store, 100, limits, RESERVES[2]).await;
    let bulk = take(&schema.store, 100, limits, RESERVES[1]).await;
    let live = take(&schema.store, 1, limits, RESERVES[0]).await;
    let rest = take(&schema.store, 100, limits, RESERVES[0]).await;
    let none = take(&schema.store, 100, limits, RESERVES[0]).await;

    let grants = [receipts, bulk, live, rest, none].map(|grant| (grant.granted, grant.left));
    assert_eq!(grants, [(16, 4), (2, 2), (1, 1), (1, 0), (0, 0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_can_wait_takes_nothing_beforehand_that_others_may_need() {
    let schema = Schema::create().await;
    early_in_a_minute().await;
    let questions = QuotaRequest {
        name: "project",
        wanted: 1_000,
        per_minute: 300,
        per_day: 100_000_000,
        reserve: Reserve {
            always: 0.2,
            at_first: 0.8,
        },
    };

    let early = schema.store.take_quota(&questions).await.expect("Postgres answers");

    // At the begin a fifth of the minute's; 35 seconds later, two thirds.
    assert!((60..205).contains(&early.granted), "{early:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_at_once_share_what_there_is() {
    let schema = Schema::create().await;
    early_in_a_minute().await;

    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..80 {
        let store = schema.store.clone();
        asking.spawn(async move { take(&store, 1, (50, 0xffff_ffff), 0.0).await.granted });
    }
    let granted: u32 = asking.join_all().await.into_iter().sum();

    assert_eq!(granted, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_of_the_day_is_the_last_and_no_minute_takes_it_all() {
    let schema = Schema::create().await;
    let client = schema.client().await;
    early_in_a_minute().await;
    take(&schema.store, 1, (300, 100_000), 0.0).await;
    client
        .batch_execute("UPDATE quotas SET used = 0, used_day = 99999")
        .await
        .expect("the count can be changed");

    assert_eq!(take(&schema.store, 5, (300, 100_000), 0.0).await.granted, 1);
    assert_eq!(take(&schema.store, 5, (300, 100_000), 0.0).await.granted, 0);

    // With five times its even share a minute before noon UTC gets less than a hundredth of what is left.
    client
        .batch_execute("UPDATE quotas SET used = 0, used_day = 90000")
        .await
        .expect("the count can be changed");
    let now = Utc::now();
    let minutes_left = 24 * 60 - (now.hour() * 60 + now.minute());
    let granted = take(&schema.store, 100_000, (100_000, 100_000), 0.0).await.granted;
    assert!(
        granted <= 5 * 10_000 / minutes_left + 5,
        "{granted} with {minutes_left} minutes left"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_out_at_the_end_of_a_minute_counts_in_the_next_as_well() {
    let schema = Schema::create().await;
    let client = schema.client().await;
    early_in_a_minute().await;
    let former = "INSERT INTO quotas (name, minute, used, used_ahead, day, used_day)
                  VALUES ('project', date_trunc('minute', clock_timestamp()) - interval '1 minute', 10, 7, (now() AT TIME ZONE 'UTC')::date, 10)";
    client.batch_execute(former).await.expect("the count can be written");

    assert_eq!(take(&schema.store, 10, (10, 100_000), 0.0).await.granted, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_pressure_each_google_sale_travels_alone() {
    const SALES: usize = 30;
    let world = World::new().await;
    let _relay = metered(&world, 300).start().ready().await;

    let sales: Vec<_> = (0..SALES)
        .map(|n| purchase(&format!("alone-{n}"), &["google"]))
        .collect();
    world.publish(&sales).await;
    world.settled(SALES as i64).await;

    let sizes: Vec<usize> = counted(&world).await.iter().map(|request| request.events).collect();
    assert_eq!(sizes, [1; SALES]);
    let receipts = "SELECT count(DISTINCT receipt) FROM dispatches WHERE platform = 'google' AND state = 'sent'";
    assert_eq!(world.number(receipts).await, SALES as i64);
    let ids = (0..SALES).map(|n| format!("alone-{n}"));
    world.assert_counted_once("google", account_of("google"), ids).await;
    assert!(world.number("SELECT used_day::bigint FROM quotas").await >= SALES as i64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_senders_and_a_receipts_worker_never_exceed_the_quota() {
    const PER_MINUTE: u32 = 20;
    const SALES: usize = 30;
    let world = World::new().await;
    world
        .simulator
        .set_google(json!({"requests_per_minute": PER_MINUTE}))
        .await;
    let clients = add_clients(&world, 3).await;
    let mut relays = Vec::new();
    for _ in 0..2 {
        relays.push(metered(&world, PER_MINUTE).start().ready().await);
    }

    let sales: Vec<_> = clients
        .iter()
        .flat_map(|client| (0..SALES).map(move |n| purchase_of(client, &format!("{client}-{n}"), &["google"])))
        .collect();
    world.publish(&sales).await;
    // Several workers may need another minute or two when requests are short.
    let sent = "SELECT count(*) FROM dispatches WHERE state = 'sent'";
    let all = sales.len() as i64;
    until("all are sent", 3 * PATIENCE, async || match world.number(sent).await {
        number if number == all => Ok(()),
        number => Err(format!("{number} of {all}")),
    })
    .await;
    let client = world.schema.client().await;
    client
        .batch_execute("UPDATE dispatches SET attend_at = now() WHERE state = 'sent' AND attend_at IS NOT NULL")
        .await
        .expect("the time comes");
    world
        .at_least(
            5,
            "SELECT count(DISTINCT receipt) FROM dispatches WHERE state = 'confirmed'",
        )
        .await;

    let mut by_minute: BTreeMap<i64, u32> = BTreeMap::new();
    let requests = counted(&world).await;
    for request in &requests {
        *by_minute.entry(minute(request.at)).or_default() += 1;
        assert_ne!(request.status, Some(429), "{by_minute:?}");
    }
    assert!(by_minute.values().all(|count| *count <= PER_MINUTE), "{by_minute:?}");
    // It was short, and so batches grew; and nothing was tried in vain.
    assert!(requests.iter().any(|request| request.events > 1), "{requests:?}");
    assert_eq!(world.number("SELECT count(*) FROM pauses").await, 0);
    let tried = "SELECT count(*) FROM attempts";
    assert_eq!(
        world.number(tried).await,
        sales.len() as i64,
        "{:?}",
        world.states().await
    );
    for relay in &relays {
        let silent = relay.metric("relay_silent_dispatches_total", "").await;
        assert!(silent == 0.0, "what waits for quota was taken for lost");
    }
    let short = relays[0].metric("relay_quota_requests_total", "granted=\"no\"").await
        + relays[1].metric("relay_quota_requests_total", "granted=\"no\"").await;
    assert!(short > 0.0, "it was never short");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_just_happened_goes_before_what_woke_from_waiting() {
    const PER_MINUTE: u32 = 10;
    const WAITING: usize = 40;
    let world = World::new().await;
    let clients = add_clients(&world, WAITING).await;
    let client = world.schema.client().await;
    let pause = "INSERT INTO pauses (scope, cause, by_hand) VALUES ('login:agency-google', 'paused_by_hand', true);
                 UPDATE directory_version SET version = version + 1";
    client.batch_execute(pause).await.expect("a pause by hand");
    let relay = metered(&world, PER_MINUTE).start().ready().await;
    let sales: Vec<_> = clients
        .iter()
        .map(|client| purchase_of(client, &format!("woken-{client}"), &["google"]))
        .collect();
    world.publish(&sales).await;
    world.in_state(WAITING as i64, "google paused paused_by_hand").await;
    assert_eq!(
        world.number("SELECT count(*) FROM quotas").await,
        0,
        "what is parked needs no quota"
    );

    early_in_a_minute().await;
    client
        .batch_execute("DELETE FROM pauses; UPDATE directory_version SET version = version + 1")
        .await
        .expect("the pause ends");
    until("what woke has used up what it may", PATIENCE, async || {
        let refused = relay
            .metric("relay_quota_requests_total", "purpose=\"bulk\",granted=\"no\"")
            .await;
        if refused > 0.0 {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    })
    .await;
    let ahead: HashSet<Option<String>> = counted(&world)
        .await
        .into_iter()
        .map(|request| request.account)
        .collect();
    world.publish(&[purchase("live", &["google"])]).await;
    world
        .at_least(
            1,
            "SELECT count(*) FROM dispatches JOIN events ON events.key = event_key
             WHERE event_id = 'live' AND platform = 'google' AND state = 'sent'",
        )
        .await;

    let requests = counted(&world).await;
    let live = requests
        .iter()
        .position(|request| request.account.as_deref() == Some(account_of("google")))
        .expect("it was sent");
    assert_eq!(live, ahead.len(), "something that woke went before it: {requests:?}");
    assert!(ahead.len() < WAITING, "there was quota for all");
    assert_eq!(
        minute(requests[live].at),
        minute(requests[live - 1].at),
        "it had to wait for the next minute"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_has_no_quota_asks_for_it_in_peace() {
    let world = World::new().await;
    early_in_a_minute().await;
    let client = world.schema.client().await;
    let used = "INSERT INTO quotas (name, minute, used, used_ahead, day, used_day)
                VALUES ('agency-google', date_trunc('minute', clock_timestamp()), 10, 10, (now() AT TIME ZONE 'UTC')::date, 10)";
    client.batch_execute(used).await.expect("the count can be written");
    let relay = metered(&world, 10).start().ready().await;
    world.publish(&[purchase("later", &["google", "meta"])]).await;
    // The other platforms know nothing of it.
    world.in_state(1, "meta sent").await;
    let refusals = async || {
        relay
            .metric("relay_quota_requests_total", "purpose=\"live\",granted=\"no\"")
            .await
    };
    until("it has been refused some times", PATIENCE, async || {
        if refusals().await >= 4.0 {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    })
    .await;
    let first = std::time::Instant::now();
    let from = refusals().await;
    until("and some more", PATIENCE, async || {
        if refusals().await >= from + 4.0 {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    })
    .await;

    assert!(first.elapsed().as_secs_f64() > 1.0, "it asks all the time");
    assert_eq!(counted(&world).await.len(), 0);
    client
        .batch_execute("UPDATE quotas SET used = 0")
        .await
        .expect("the count can be changed");
    world.in_state(1, "google sent").await;
}

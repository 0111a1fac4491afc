//! A look-up in the click ledger reads its index and nothing else, however many clicks there are.

#[path = "it/support/schema.rs"]
mod schema;
#[path = "it/support/wait.rs"]
mod wait;

use std::time::Duration;

use chrono::Utc;
use conversion_relay::{
    domain::{ClickSource, ClientId},
    store::{Store, clicks::ClickQuestion},
};
use tokio_postgres::Client;

use self::{schema::Schema, wait::until};

const CLICKS: i64 = 100_000;

/// Fills the ledger with clicks of as many people at twenty clients, and vacuums it as autovacuum would.
async fn fill(client: &Client) {
    client
        .execute(
            "INSERT INTO clicks (client_id, identity, click, source, kind, value, first_seen, time_is_known)
             SELECT 'shop-' || n % 20, md5('person ' || n)::uuid, md5('click ' || n)::uuid, (ARRAY['meta', 'google', 'tiktok'])[1 + n % 3], 'gclid',
                    'Cj0KCQiA' || md5('value ' || n), now() - n % 90 * interval '1 day', true
             FROM generate_series(0, $1::bigint - 1) n",
            &[&CLICKS],
        )
        .await
        .expect("clicks are remembered");
    // What another test's transaction may still see is not known to be visible to all; the next vacuum tries again.
    until(
        "every page is known to be visible",
        Duration::from_secs(60),
        async || {
            client
                .batch_execute("VACUUM (ANALYZE) clicks")
                .await
                .map_err(|failure| failure.to_string())?;
            let seen = client
                .query_one(
                    "SELECT relpages - relallvisible FROM pg_class WHERE oid = 'clicks'::regclass",
                    &[],
                )
                .await
                .map_err(|failure| failure.to_string())?;
            match seen.get::<_, i32>(0) {
                0 => Ok(()),
                unseen => Err(format!("{unseen} pages are not")),
            }
        },
    )
    .await;
}

/// How Postgres looks up a batch of 500 events with three identities each, half of them known.
async fn plan(client: &Client, mode: &str) -> String {
    let columns = "array_agg((i / 3)::integer ORDER BY i), array_agg('shop-' || n % 20 ORDER BY i),
                   array_agg(md5(CASE WHEN i % 2 = 0 THEN 'person ' ELSE 'nobody ' END || n)::uuid ORDER BY i),
                   array_agg((ARRAY['meta', 'google', 'tiktok'])[1 + n % 3] ORDER BY i), array_agg(now() ORDER BY i)";
    let asked = client
        .query_one(
            &format!(
                "SELECT format('%L::integer[], %L::text[], %L::uuid[], %L::text[], %L::timestamptz[]', a, b, c, d, e)
                 FROM (SELECT {columns} FROM (SELECT i, i * 61 % {CLICKS} AS n FROM generate_series(0, 1499) i) question) batch(a, b, c, d, e)"
            ),
            &[],
        )
        .await
        .expect("a batch");
    let asked: String = asked.get(0);
    client
        .batch_execute(&format!(
            "DEALLOCATE ALL; SET plan_cache_mode = {mode}; PREPARE latest AS {}",
            Store::latest_clicks_statement()
        ))
        .await
        .expect("the statement is prepared");
    let rows = client
        .query(
            &format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) EXECUTE latest({asked})"),
            &[],
        )
        .await
        .expect("a plan");
    rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
}

#[tokio::test]
async fn a_batch_of_look_ups_reads_the_index_alone() {
    let schema = Schema::create().await;
    let client = schema.client().await;
    fill(&client).await;

    for mode in ["force_custom_plan", "force_generic_plan"] {
        let plan = plan(&client, mode).await;

        let of_clicks: Vec<&str> = plan.lines().filter(|line| line.contains(" on clicks")).collect();
        assert_eq!(of_clicks.len(), 1, "{mode}\n{plan}");
        assert!(
            of_clicks[0].contains("Index Only Scan using clicks_latest on clicks"),
            "{mode}\n{plan}"
        );
        assert!(of_clicks[0].contains("loops=1500"), "{mode}\n{plan}");
        assert!(plan.contains("Heap Fetches: 0\n"), "{mode}\n{plan}");
        assert!(!plan.contains("Sort"), "{mode}: the index has the order\n{plan}");
        assert!(
            plan.contains("(actual rows=750"),
            "{mode}: half of them are known\n{plan}"
        );
    }
    let row = client.query_one("SELECT md5('person 61')::uuid", &[]).await;
    let question = ClickQuestion {
        client: ClientId::parse("shop-1").expect("an ID"),
        identities: vec![row.expect("a row").get(0)],
        sources: vec![ClickSource::Google],
        until: Utc::now(),
    };
    let answers = schema.store.latest_clicks(&[question]).await.expect("an answer");
    assert_eq!(answers[0].len(), 1, "what was filled in is what is asked for");
}

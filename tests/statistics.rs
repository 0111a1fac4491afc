//! A ledger that grows within seconds is planned for as what it is.

#[path = "it/support/schema.rs"]
mod schema;

use self::schema::Schema;

/// How Postgres would look up a batch of dispatches.
async fn plan(schema: &Schema) -> String {
    let rows = schema
        .client()
        .await
        .query(
            "EXPLAIN SELECT FROM dispatches JOIN (SELECT gen_random_uuid() AS event_key, n AS account_id FROM generate_series(1, 20) n) wanted
             USING (event_key, account_id)",
            &[],
        )
        .await
        .expect("a plan");
    rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
}

#[tokio::test]
async fn a_table_that_has_outgrown_its_statistics_is_counted_anew_once() {
    let schema = Schema::create().await;
    let client = schema.client().await;
    // What stands in a ledger of which Postgres knows nothing yet is no matter.
    assert!(
        schema
            .store
            .refresh_statistics()
            .await
            .expect("nothing to do")
            .is_empty()
    );

    client
        .batch_execute(
            "ALTER TABLE dispatches SET (autovacuum_enabled = off); ANALYZE dispatches;
             INSERT INTO dispatches (event_key, account_id, platform, destination, state, deadline)
             SELECT gen_random_uuid(), 1, 'meta', '1', 'sent', now() FROM generate_series(1, 20000)",
        )
        .await
        .expect("the ledger grows");

    assert_eq!(
        schema.store.refresh_statistics().await.expect("counted"),
        ["dispatches"]
    );
    assert!(
        schema
            .store
            .refresh_statistics()
            .await
            .expect("nothing left")
            .is_empty()
    );
    let known: f32 = client
        .query_one("SELECT reltuples FROM pg_class WHERE oid = 'dispatches'::regclass", &[])
        .await
        .expect("a row")
        .get(0);
    assert!((known - 20_000.0).abs() < 1.0, "{known}");
    let plan = plan(&schema).await;
    assert!(plan.contains("Index") && !plan.contains("Seq Scan"), "{plan}");
}

//! What platforms answer at the same time is recorded together, and yet each for itself.

#[path = "it/support/schema.rs"]
mod schema;

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use conversion_relay::{
    domain::{AccountId, DispatchKey, EventKey, State},
    roles::recorder::Recorder,
    store::sending::{Record, Report, RequestFacts},
};
use uuid::Uuid;

use self::schema::Schema;

/// Puts a dispatch into the ledger as claimed under a lease.
async fn claimed(schema: &Schema, account: i32, lease: Uuid) -> DispatchKey {
    let event = Uuid::new_v4();
    schema
        .client()
        .await
        .execute(
            "INSERT INTO dispatches (event_key, account_id, platform, destination, state, deadline, lease, attempts)
             VALUES ($1, $2, 'meta', '1', 'sending', now() + interval '7 days', $3, 1)",
            &[&event, &account, &lease],
        )
        .await
        .expect("Postgres");
    DispatchKey {
        event: EventKey(event),
        account: AccountId(account),
    }
}

fn delivered(lease: Uuid, keys: &[DispatchKey], request_id: &str) -> Arc<Report> {
    let record = |key: &DispatchKey| Record {
        key: *key,
        state: State::Sent,
        cause: None,
        detail: None,
        due: None,
        deadline: Utc::now() + TimeDelta::days(7),
        is_deferral: false,
        is_ambiguous: false,
        receipt: None,
        outcome: Some("delivered"),
        code: None,
        message: None,
    };
    Arc::new(Report {
        lease,
        records: keys.iter().map(record).collect(),
        facts: RequestFacts {
            request_id: Some(request_id.to_owned()),
            http_status: Some(200),
            duration_ms: 12,
            batch: i32::try_from(keys.len()).expect("a small batch"),
        },
    })
}

async fn state_of(schema: &Schema, key: DispatchKey) -> (String, Option<String>) {
    let row = schema
        .client()
        .await
        .query_one(
            "SELECT dispatch.state, attempt.request_id FROM dispatches dispatch LEFT JOIN attempts attempt USING (event_key, account_id)
             WHERE dispatch.event_key = $1",
            &[&key.event.0],
        )
        .await
        .expect("Postgres");
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn answers_recorded_in_one_statement_keep_their_own_lease_and_facts() {
    let schema = Schema::create().await;
    let (first, second, lost) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let ours = [claimed(&schema, 1, first).await, claimed(&schema, 1, first).await];
    let theirs = claimed(&schema, 2, second).await;
    let taken_over = claimed(&schema, 3, Uuid::new_v4()).await;
    let mut late = Report::clone(&delivered(lost, &[taken_over], "request-3"));
    late.records[0].state = State::Waiting;

    let reports = [
        delivered(first, &ours, "request-1"),
        delivered(second, &[theirs], "request-2"),
        Arc::new(late),
    ];
    let recorded = schema
        .store
        .record_all(&reports.each_ref().map(AsRef::as_ref))
        .await
        .unwrap();

    assert_eq!(recorded.len(), 3);
    assert!(!recorded.contains_key(&taken_over));
    for (key, request) in [(ours[0], "request-1"), (ours[1], "request-1"), (theirs, "request-2")] {
        assert_eq!(
            state_of(&schema, key).await,
            ("sent".to_owned(), Some(request.to_owned()))
        );
    }
    assert_eq!(state_of(&schema, taken_over).await, ("sending".to_owned(), None));
}

#[tokio::test]
async fn an_answer_that_postgres_refuses_costs_no_other() {
    let schema = Schema::create().await;
    let recorder = Recorder::start(schema.store.clone());
    let lease = Uuid::new_v4();
    let mut asked = Vec::new();
    for number in 0..40 {
        let key = claimed(&schema, number, lease).await;
        let mut report = Report::clone(&delivered(lease, &[key], "request"));
        let is_bad = number % 10 == 3;
        if is_bad {
            // No text of Postgres holds it.
            report.records[0].message = Some("\0".to_owned());
        }
        asked.push((key, is_bad, report));
    }

    let answers = asked.into_iter().map(|(key, is_bad, report)| {
        let recorder = recorder.clone();
        async move { (key, is_bad, recorder.record(Arc::new(report)).await) }
    });
    let answers = futures_util::future::join_all(answers).await;

    for (key, is_bad, answer) in answers {
        assert_eq!(answer.is_err(), is_bad);
        if let Ok(recorded) = answer {
            assert_eq!(recorded.keys().collect::<Vec<_>>(), [&key]);
            assert_eq!(state_of(&schema, key).await.0, "sent");
        }
    }
}

//! What the click ledger keeps, and what it gives: the newest first, and no time that is later than one it knew.

#[path = "it/support/schema.rs"]
mod schema;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use conversion_relay::{
    domain::{Click, ClickKind, ClickSource, ClientId},
    store::clicks::{ClickQuestion, NewClick},
};
use uuid::Uuid;

use self::schema::Schema;

fn client(id: &str) -> ClientId {
    ClientId::parse(id).expect("an ID")
}

fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

fn click(kind: ClickKind, value: &str, hours: i64) -> Click {
    Click {
        kind,
        value: value.to_owned(),
        first_seen: now() - TimeDelta::hours(hours),
        time_is_known: false,
        waba: None,
    }
}

fn of(identity: Uuid, click: Click) -> NewClick {
    NewClick {
        client: client("acme"),
        identities: vec![identity],
        click,
    }
}

async fn asked(schema: &Schema, who: &str, identities: &[Uuid], sources: &[ClickSource]) -> Vec<Click> {
    let question = ClickQuestion {
        client: client(who),
        identities: identities.to_vec(),
        sources: sources.to_vec(),
        until: now() + TimeDelta::minutes(1),
    };
    let mut answers = schema.store.latest_clicks(&[question]).await.expect("Postgres answers");
    answers.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_is_found_by_each_identity_of_its_own_client_alone_the_newest_first() {
    let schema = Schema::create().await;
    let (phone, email, other) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let both = NewClick {
        identities: vec![phone, email],
        ..of(phone, click(ClickKind::Gclid, "older", 9))
    };
    let new = [
        both,
        of(email, click(ClickKind::Wbraid, "newer", 2)),
        of(phone, click(ClickKind::Ttclid, "elsewhere", 1)),
        of(other, click(ClickKind::Gclid, "somebody else's", 1)),
    ];

    let found = schema.store.remember_clicks(&new).await.unwrap();

    assert_eq!(found, 5);
    let google = [ClickSource::Google];
    let values = |clicks: Vec<Click>| clicks.into_iter().map(|click| click.value).collect::<Vec<_>>();
    assert_eq!(values(asked(&schema, "acme", &[phone], &google).await), ["older"]);
    assert_eq!(
        values(asked(&schema, "acme", &[phone, email], &google).await),
        ["newer", "older"]
    );
    assert!(asked(&schema, "globex", &[phone, email], &google).await.is_empty());
    assert!(schema.store.latest_clicks(&[]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_that_comes_again_is_as_old_as_it_ever_was() {
    let schema = Schema::create().await;
    let phone = Uuid::new_v4();
    let first = click(ClickKind::Fbclid, "IwAR", 5);
    let known = Click {
        time_is_known: true,
        ..click(ClickKind::Fbclid, "IwAR", 7)
    };

    // Twice in a batch, then later, then with its true time, then later again.
    let twice = [of(phone, click(ClickKind::Fbclid, "IwAR", 3)), of(phone, first.clone())];
    assert_eq!(schema.store.remember_clicks(&twice).await.unwrap(), 1);
    assert_eq!(
        schema
            .store
            .remember_clicks(&[of(phone, click(ClickKind::Fbclid, "IwAR", 1))])
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        asked(&schema, "acme", &[phone], &[ClickSource::Meta]).await[0].first_seen,
        first.first_seen
    );
    schema.store.remember_clicks(&[of(phone, known.clone())]).await.unwrap();
    schema.store.remember_clicks(&twice).await.unwrap();

    let clicks = asked(&schema, "acme", &[phone], &[ClickSource::Meta]).await;
    assert_eq!(clicks, [known]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_account_is_part_of_a_whatsapp_click() {
    let schema = Schema::create().await;
    let phone = Uuid::new_v4();
    let of_waba = |waba: Option<&str>, value: &str, hours| Click {
        waba: waba.map(str::to_owned),
        ..click(ClickKind::CtwaClid, value, hours)
    };
    let new = [
        of(phone, of_waba(Some("111"), "one", 1)),
        of(phone, of_waba(Some("222"), "two", 2)),
        of(phone, of_waba(None, "three", 3)),
    ];
    schema.store.remember_clicks(&new).await.unwrap();

    let sources = [
        ClickSource::Whatsapp(None),
        ClickSource::Whatsapp(Some("222".to_owned())),
    ];
    let found = asked(&schema, "acme", &[phone], &sources).await;

    let seen: Vec<_> = found
        .iter()
        .map(|click| (click.value.as_str(), click.waba.as_deref()))
        .collect();
    assert_eq!(seen, [("two", Some("222")), ("three", None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_routers_that_remember_the_same_clicks_do_not_stop_each_other() {
    let schema = Schema::create().await;
    let people: Vec<Uuid> = (0..60).map(|_| Uuid::new_v4()).collect();
    let batch = |offset: usize| -> Vec<NewClick> {
        let rotated = people.iter().cycle().skip(offset).take(people.len());
        rotated
            .map(|person| of(*person, click(ClickKind::Gclid, "shared", offset as i64)))
            .collect()
    };

    let mut routers = tokio::task::JoinSet::new();
    for offset in 0..8 {
        let (store, batch) = (schema.store.clone(), batch(offset * 7));
        routers.spawn(async move {
            for _ in 0..10 {
                store.remember_clicks(&batch).await.expect("no deadlock");
            }
        });
    }

    assert_eq!(routers.join_all().await.len(), 8);
    let client = schema.client().await;
    let row = client.query_one("SELECT count(*) FROM clicks", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 60, "in {}", schema.url);
}

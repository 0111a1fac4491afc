//! Of a forgotten person's conversions nothing is made any more, whatever was on its way, comes again, or is asked for.

use std::time::Duration;

use conversion_relay::{
    domain::{Cause, Platform, State},
    roles::messages::{Lane, dispatch_message},
    store::{
        forgetting::Person,
        routing::NewEvent,
        sending::{Claim, Record, Report, RequestFacts},
    },
};
use uuid::Uuid;

use crate::{
    forget::{hers, johns},
    support::world::account_of,
    world::{DEADLINE, META, World, delivered, key, now, part, refused, with},
};

const SILENCE: Duration = Duration::from_secs(900);
const LEASE: Duration = Duration::from_secs(90);

/// What the command does to the ledger.
async fn forget(world: &World, event: &NewEvent) {
    let person = Person {
        client: event.record.client.clone(),
        identities: event.identities.clone(),
    };
    let told = world.store().forget_conversions(&person, 100).await;
    assert_eq!(told.expect("the statements run").events, 1);
}

/// A sale queued at Meta; its message.
async fn queued(world: &World, event: NewEvent) -> (NewEvent, conversion_relay::broker::Outgoing) {
    let event = with(event, vec![part(META, State::Queued, None)]);
    let stored = world.store().store_events(std::slice::from_ref(&event), SILENCE).await;
    let dispatch = stored.expect("it is stored").remove(0).queued.remove(0);
    let message = dispatch_message(&world.topology, &dispatch, Lane::Live);
    (event, message)
}

async fn claim(world: &World, event: &NewEvent, lease: Uuid) -> Claim {
    let claims = world.store().claim(&[key(event, META)], lease, LEASE).await;
    claims.expect("the statement runs").remove(0)
}

async fn record(world: &World, event: &NewEvent, lease: Uuid, how: impl Fn(Record) -> Record) {
    let report = Report {
        lease,
        records: vec![how(delivered(key(event, META)))],
        facts: RequestFacts::default(),
    };
    let recorded = world.store().record(&report, &[], None).await;
    assert_eq!(recorded.expect("the statement runs").len(), 1);
}

fn put_off(record: Record) -> Record {
    Record {
        state: State::Waiting,
        cause: Some(Cause::PlatformError),
        due: Some(now()),
        is_deferral: true,
        outcome: Some("deferred"),
        ..record
    }
}

async fn assert_stopped(world: &World) {
    let stopped = "SELECT count(*) FROM dispatches WHERE state = 'not_sent' AND cause = 'forgotten' AND attend_at IS NULL AND due IS NULL";
    assert_eq!(world.number(stopped).await, 1, "{:?}", world.states().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_lies_in_a_lane_is_absorbed() {
    let world = World::new().await;
    let (event, message) = queued(&world, hers("1")).await;
    let of_john = NewEvent {
        identities: johns("2").identities,
        ..hers("2")
    };
    let (_, johns) = queued(&world, of_john).await;
    forget(&world, &event).await;
    world.put(vec![message, johns]).await;

    let relay = world.relay().start();
    world.in_state(1, "meta sent").await;
    relay.terminate(DEADLINE).await;

    assert_stopped(&world).await;
    world
        .assert_counted_once("meta", account_of("meta"), ["e-2".to_owned()])
        .await;
    assert_eq!((world.depth("send.meta").await, world.depth("dead.meta").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_sent_ends_as_it_ends_and_is_not_tried_again() {
    for (how, ended) in [
        (None, "meta sent"),
        (Some(put_off as fn(Record) -> Record), "meta not_sent forgotten"),
        (Some(refused as fn(Record) -> Record), "meta failed refused"),
    ] {
        let world = World::new().await;
        let (event, _) = queued(&world, hers("1")).await;
        let lease = Uuid::now_v7();
        assert!(matches!(claim(&world, &event, lease).await, Claim::Ours(_)));

        forget(&world, &event).await;
        record(&world, &event, lease, |record| {
            how.map_or(record.clone(), |how| how(record))
        })
        .await;

        assert_eq!(world.states().await.get(ended), Some(&1), "{:?}", world.states().await);
        world
            .sql("UPDATE dispatches SET attend_at = now() - interval '1 hour'")
            .await;
        assert!(world.store().wake(10).await.expect("the statement runs").is_empty());
        let copies = world.store().missing_dead_copies(10).await.expect("the statement runs");
        assert!(copies.is_empty(), "no dead letter is made of it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_given_back_or_abandoned_ends_there() {
    for is_given_back in [true, false] {
        let world = World::new().await;
        let (event, _) = queued(&world, hers("1")).await;
        let lease = Uuid::now_v7();
        claim(&world, &event, lease).await;
        forget(&world, &event).await;

        if is_given_back {
            let given = world.store().give_back(lease, &[key(&event, META)], SILENCE).await;
            given.expect("the statement runs");
        } else {
            world.sql("UPDATE dispatches SET attend_at = now()").await;
            let resumed = world
                .store()
                .take_back(10, |abandoned| conversion_relay::store::keeping::Resumption {
                    due: Some(now()),
                    deadline: abandoned.deadline,
                });
            assert_eq!(resumed.await.expect("the statement runs"), 1);
        }

        assert_stopped(&world).await;
        assert!(matches!(claim(&world, &event, Uuid::now_v7()).await, Claim::NotOurs));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_and_a_forgetting_at_once_end_in_one_of_two_ways() {
    let world = World::new().await;
    for round in 0..40 {
        let event = with(hers(&format!("race-{round}")), vec![part(META, State::Queued, None)]);
        world.store_event(event.clone()).await;

        let (claimed, ()) = tokio::join!(claim(&world, &event, Uuid::now_v7()), forget(&world, &event));

        let expected = match claimed {
            Claim::Ours(_) => "meta sending forgotten",
            _ => "meta not_sent forgotten",
        };
        assert_eq!(world.states().await.get(expected), Some(&1), "round {round}");
        world.sql("DELETE FROM dispatches").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_revives_it() {
    let world = World::new().await;
    let letter = world.refused_sale(hers("1"), META).await;
    world
        .run(&["forget", "--client", "acme", "--email", "jane@example.com", "--yes"])
        .await
        .good();
    world.put(vec![letter]).await;

    let forecast = world.run(&["dead", "replay", "--platform", "meta"]).await.good();
    let replayed = world
        .run(&["dead", "replay", "--platform", "meta", "--yes"])
        .await
        .good();
    let resent = world
        .run(&["resend", "--client", "acme", "--accept-duplicates", "--yes"])
        .await
        .good();
    let repeated = world
        .store()
        .store_events(&[with(hers("1"), vec![part(META, State::Queued, None)])], SILENCE)
        .await;
    world
        .sql("UPDATE dispatches SET state = 'waiting', attend_at = now(), due = now()")
        .await;
    let woken = world.store().wake(10).await.expect("the statement runs");

    assert!(
        !forecast.contains("would go out") || forecast.contains("0 would go out"),
        "{forecast}"
    );
    assert!(
        replayed.contains("meta: 0 went out; 1 of the past dropped"),
        "{replayed}"
    );
    assert!(resent.contains("1 forgotten"), "{resent}");
    let repeated = repeated.expect("the statement runs").remove(0);
    assert!(
        repeated.is_repetition && !repeated.differs && repeated.queued.is_empty(),
        "{repeated:?}"
    );
    assert!(woken.is_empty(), "{woken:?}");
    assert_stopped(&world).await;
    for queue in [Platform::Meta, Platform::Google, Platform::Tiktok] {
        assert_eq!(world.depth(&format!("bulk.{queue}")).await, 0);
    }
    assert_eq!(world.depth("dead.meta").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_concerned_nobody_stays_forgotten_when_its_client_comes() {
    let world = World::new().await;
    let stranger = NewEvent {
        cause: Some(Cause::UnknownClient),
        ..hers("1")
    };
    world.store_event(stranger.clone()).await;
    forget(&world, &stranger).await;

    let again = with(hers("1"), vec![part(META, State::Queued, None)]);
    let stored = world
        .store()
        .store_events(&[again], SILENCE)
        .await
        .expect("it is stored");

    assert!(stored[0].is_repetition && stored[0].queued.is_empty(), "{stored:?}");
    assert_eq!(world.number("SELECT count(*) FROM dispatches").await, 0);
    assert_eq!(
        world
            .number("SELECT count(*) FROM events WHERE body::text LIKE '%hers%'")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_and_explain_say_so() {
    let world = World::new().await;
    world
        .store_event(with(hers("10482"), vec![part(META, State::Sent, None)]))
        .await;
    world
        .run(&["forget", "--client", "acme", "--email", "jane@example.com", "--yes"])
        .await
        .good();

    let table = world.run(&["audit", "--client", "acme"]).await.good();
    let story = world.run(&["audit", "10482"]).await.good();
    let machine = world.run(&["audit", "10482", "--json"]).await.good();
    let explained = world.run(&["explain", "10482"]).await.good();
    let nobody = world.run(&["audit", "jane@example.com"]).await;

    assert!(
        table.contains("Purchase (1)") && table.contains("(1) forgotten  Its person was forgotten "),
        "{table}"
    );
    assert!(
        story.contains("its person was forgotten: what told of them is gone"),
        "{story}"
    );
    assert!(
        story.contains("acme/meta, pixel or dataset 1000000001: sent\n"),
        "{story}"
    );
    assert!(machine.contains("\"forgotten\":\"20"), "{machine}");
    assert!(
        explained.contains("its person was forgotten ") && !explained.contains("POST"),
        "{explained}"
    );
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
}

//! `explain` of an event that the ledger knows.

use serde_json::Value;

use crate::world::{World, purchase};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_the_ledger_is_explained_as_of_when_it_came_in() {
    let world = World::new().await;
    let mut sale = purchase("10482");
    sale.record.clicks.fbc = Some("fb.1.1795161600000.IwAR1clickclickclick".to_owned());
    sale.record.source_url = Some("https://shop.example/thanks".to_owned());
    world.store_event(sale).await;

    let page = world.run(&["explain", "10482"]).await.good();
    let lines = world.run(&["explain", "--json", "e-10482"]).await.good();

    assert!(page.starts_with("Purchase of "), "{page}");
    assert!(page.contains("order 10482, event ID e-10482"), "{page}");
    // Of the person only hashes are kept.
    assert!(
        page.contains("(not kept)") && page.contains("Nothing was sent."),
        "{page}"
    );
    assert!(!page.contains("jane") && !page.contains("clickclick"), "{page}");
    let line: Value = serde_json::from_str(lines.trim_end()).unwrap();
    assert_eq!(line["event_id"], "e-10482");
    let results = line["results"].as_array().unwrap();
    let meta = results.iter().find(|result| result["platform"] == "meta").unwrap();
    assert!(meta["request"]["url"].as_str().unwrap().ends_with("/events"), "{meta}");
    for result in results {
        assert!(
            result.get("request").is_some() != result.get("not_sent").is_some(),
            "{result}"
        );
        // Long after it came in it would be too old everywhere.
        assert_ne!(result["not_sent"], "event_too_old", "{result}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_nobody_knows_is_named() {
    let world = World::new().await;

    let ran = world.run(&["explain", "99999"]).await;

    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("99999") && ran.err.contains("audit"), "{}", ran.err);
}

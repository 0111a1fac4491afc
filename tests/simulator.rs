//! The simulator as its users see it: what it counts, and what its faults do to a connection.
use std::io::ErrorKind;
use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};

#[path = "it/support/platform_request.rs"]
mod platform_request;
#[path = "it/support/simulator.rs"]
#[expect(dead_code, reason = "each test program uses a part of it")]
mod simulator;

use platform_request::{DATASET, PIXEL, PlatformRequest, google, meta, meta_event, tiktok, upload};
use simulator::{LoggedRequest, Simulator};

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_reset_before_counts_nothing_and_answers_nothing() {
    let simulator = Simulator::start();
    simulator
        .set_faults(json!([{"platform": "meta", "fault": {"kind": "reset_before"}}]))
        .await;

    let (received, end) = meta(&simulator, DATASET, &[meta_event("o1")]).bytes_until_the_end();

    assert_eq!((received, end), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(simulator.counts().await.of("meta", DATASET).events_accepted, 0);
    let request = simulator.requests().await.pop().unwrap();
    assert_eq!(
        (request.status, request.fault.as_deref(), request.events),
        (None, Some("reset_before"), 1)
    );
}

#[tokio::test]
async fn a_reset_after_counts_and_answers_nothing() {
    let simulator = Simulator::start();
    simulator
        .set_faults(json!([{"account": DATASET, "fault": {"kind": "reset_after"}, "times": 1}]))
        .await;

    let (received, end) = meta(&simulator, DATASET, &[meta_event("o1")]).bytes_until_the_end();

    assert_eq!((received, end), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(simulator.counts().await.of("meta", DATASET).counted, 1);
    assert_eq!(simulator.requests().await[0].status, None);
}

#[tokio::test]
async fn what_is_sent_again_after_a_reset_counts_once() {
    let simulator = Simulator::start();
    simulator
        .set_faults(json!([{"fault": {"kind": "reset_after"}, "times": 1}]))
        .await;
    let batch = meta(&simulator, DATASET, &[meta_event("o1"), meta_event("o2")]);

    assert!(batch.request().send().await.is_err());
    assert_eq!(batch.answer().await.0, 200);

    let totals = simulator.counts().await.of("meta", DATASET);
    assert_eq!((totals.events_accepted, totals.counted, totals.duplicates), (4, 2, 2));
    let events = simulator.events("meta", DATASET).await;
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.event_id.as_deref(),
                event.count,
                event.counted,
                event.differing_copies,
            )
        })
        .collect();
    assert_eq!(seen, [(Some("o1"), 2, 1, 0), (Some("o2"), 2, 1, 0)]);
    assert_eq!(
        (events[0].account.as_str(), events[0].event_name.as_str()),
        (DATASET, "Purchase")
    );
    assert_eq!(events[0].first_body.as_ref(), batch.body.pointer("/data/0"));
}

#[tokio::test]
async fn one_bad_event_costs_the_whole_batch() {
    let simulator = Simulator::start();
    let mut bad = meta_event("o2");
    bad["user_data"] = json!({});

    let (status, answer) = meta(&simulator, DATASET, &[meta_event("o1"), bad]).json().await;

    assert_eq!((status, &answer["error"]["error_subcode"]), (400, &json!(2_804_050)));
    let totals = simulator.counts().await.of("meta", DATASET);
    assert_eq!(
        (totals.requests, totals.refused_requests, totals.events_accepted),
        (1, 1, 0)
    );
    let request = simulator.requests().await.pop().unwrap();
    assert_eq!(
        (request.platform.as_deref(), request.account.as_deref()),
        (Some("meta"), Some(DATASET))
    );
    assert_eq!((request.code.as_str(), request.events), ("100/2804050", 2));
    assert!(request.detail.unwrap().starts_with("data[1]"));
}

#[tokio::test]
async fn a_slow_request_is_counted_long_before_its_answer() {
    let simulator = Simulator::start();
    simulator
        .set_faults(json!([{"fault": {"kind": "slow", "milliseconds": 600_000}}]))
        .await;

    let waiting = tokio::spawn(meta(&simulator, DATASET, &[meta_event("o1")]).request().send());

    assert_eq!(first_request(&simulator).await.fault.as_deref(), Some("slow"));
    assert!(!waiting.is_finished());
    assert_eq!(simulator.counts().await.of("meta", DATASET).counted, 1);
}

#[tokio::test]
async fn a_hanging_request_counts_nothing() {
    let simulator = Simulator::start();
    simulator.set_faults(json!([{"fault": {"kind": "hang"}}])).await;

    let waiting = tokio::spawn(meta(&simulator, DATASET, &[meta_event("o1")]).request().send());

    assert_eq!(first_request(&simulator).await.fault.as_deref(), Some("hang"));
    assert!(!waiting.is_finished());
    assert_eq!(simulator.counts().await.of("meta", DATASET).requests, 0);
}

/// Waits until the simulator has taken note of a request.
async fn first_request(simulator: &Simulator) -> LoggedRequest {
    let noted = async {
        loop {
            if let Some(request) = simulator.requests().await.into_iter().next() {
                return request;
            }
        }
    };
    tokio::time::timeout(DEADLINE, noted).await.expect("a request arrives")
}

#[tokio::test]
async fn a_truncated_answer_is_half_a_json_and_counted() {
    let simulator = Simulator::start();
    simulator.set_faults(json!([{"fault": {"kind": "truncate"}}])).await;

    let (status, body) = tiktok(&simulator).answer().await;

    assert_eq!(status, 200);
    assert!(
        body.starts_with('{') && serde_json::from_str::<Value>(&body).is_err(),
        "{body}"
    );
    assert_eq!(simulator.counts().await.of("tiktok", PIXEL).counted, 1);
}

#[tokio::test]
async fn a_fault_hits_only_the_account_the_token_or_the_event_that_it_names() {
    let simulator = Simulator::start();
    simulator
        .set_faults(json!([
            {"platform": "meta", "account": "111", "fault": {"kind": "status", "status": 503}},
            {"platform": "tiktok", "token": "other", "fault": {"kind": "status", "status": 504}},
            {"event_id": "o9", "fault": {"kind": "status", "status": 502}, "skip": 1},
        ]))
        .await;
    let status = async |send: PlatformRequest<'_>| send.answer().await.0;

    assert_eq!(status(meta(&simulator, "111", &[meta_event("o1")])).await, 503);
    assert_eq!(status(meta(&simulator, "222", &[meta_event("o1")])).await, 200);
    assert_eq!(status(tiktok(&simulator)).await, 200);
    assert_eq!(
        status(PlatformRequest {
            login: ("access-token", "other".to_owned()),
            ..tiktok(&simulator)
        })
        .await,
        504
    );
    assert_eq!(
        status(meta(&simulator, "222", &[meta_event("o8"), meta_event("o9")])).await,
        200
    );
    assert_eq!(
        status(meta(&simulator, "222", &[meta_event("o8"), meta_event("o9")])).await,
        502
    );

    simulator.clear_faults().await;
    assert_eq!(status(meta(&simulator, "111", &[meta_event("o1")])).await, 200);
}

#[tokio::test]
async fn faults_speak_as_the_platform_does() {
    let simulator = Simulator::start();
    let kinds = [
        json!({"kind": "rate_limit", "retry_after_seconds": 120}),
        json!({"kind": "bad_token"}),
        json!({"kind": "server_error_platform_body"}),
    ];
    let expected = [
        // Meta, TikTok, Data Manager, Google Ads API: status and where its code stands.
        [
            (400, "/error/code", json!(80004)),
            (401, "/error/code", json!(190)),
            (500, "/error/code", json!(2)),
        ],
        [
            (200, "/code", json!(40100)),
            (200, "/code", json!(40105)),
            (200, "/code", json!(50000)),
        ],
        [
            (429, "/error/status", json!("RESOURCE_EXHAUSTED")),
            (401, "/error/status", json!("UNAUTHENTICATED")),
            (503, "/error/status", json!("UNAVAILABLE")),
        ],
        [
            (
                429,
                "/error/details/0/errors/0/errorCode/quotaError",
                json!("RESOURCE_EXHAUSTED"),
            ),
            (401, "/error/status", json!("UNAUTHENTICATED")),
            (503, "/error/status", json!("UNAVAILABLE")),
        ],
    ];
    let sends = [
        meta(&simulator, DATASET, &[meta_event("o1")]),
        tiktok(&simulator),
        google(&simulator, "any"),
        upload(&simulator),
    ];

    for (column, kind) in kinds.iter().enumerate() {
        simulator.set_faults(json!([{"fault": kind}])).await;
        for (send, expected) in sends.iter().zip(&expected) {
            let (status, pointer, code) = &expected[column];
            let (found, answer) = send.json().await;
            assert_eq!(
                (found, answer.pointer(pointer)),
                (*status, Some(code)),
                "{kind}: {answer}"
            );
        }
    }
    let counts = simulator.counts().await;
    assert_eq!(
        counts.of("meta", DATASET).events_accepted + counts.of("google", DATASET).events_accepted,
        0
    );
}

#[tokio::test]
async fn another_servers_answer_comes_before_or_after_the_platform_took_the_events() {
    let simulator = Simulator::start();
    let headers = json!({"retry-after": "7"});
    simulator
        .set_faults(json!([
            {"account": "1", "fault": {"kind": "status", "status": 503, "body": "busy", "headers": headers}},
            {"account": "2", "fault": {"kind": "html", "status": 502, "taken": true}},
        ]))
        .await;

    let busy = meta(&simulator, "1", &[meta_event("o1")])
        .request()
        .send()
        .await
        .unwrap();
    let (status, page) = meta(&simulator, "2", &[meta_event("o1")]).answer().await;

    assert_eq!(
        (busy.status().as_u16(), busy.headers()["retry-after"].as_bytes()),
        (503, b"7".as_slice())
    );
    assert_eq!(busy.text().await.unwrap(), "busy");
    assert!(status == 502 && page.starts_with("<html>"));
    let counts = simulator.counts().await;
    assert_eq!((counts.of("meta", "1").counted, counts.of("meta", "2").counted), (0, 1));
}

#[tokio::test]
async fn a_token_can_be_revoked_and_made_good_again() {
    let simulator = Simulator::start();
    let send = meta(&simulator, DATASET, &[meta_event("o1")]);

    simulator.set_token("token-1", json!({"valid": false})).await;
    assert_eq!(send.answer().await.0, 401);
    simulator.set_token("token-1", json!({"accounts": ["999"]})).await;
    assert_eq!(send.json().await.1["error"]["error_subcode"], 33);
    simulator.set_token("token-1", json!({"valid": true})).await;
    assert_eq!(send.answer().await.0, 200);
}

#[tokio::test]
async fn google_gives_a_token_takes_an_event_and_tells_later() {
    let simulator = Simulator::start();
    simulator
        .set_google(json!({"expires_in_seconds": 600, "allow_listed": [DATASET]}))
        .await;
    simulator
        .set_clicks(json!({"google": {"Cj0K": {"outcome": "TOO_RECENT_CLICK"}}}))
        .await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let form = "grant_type=refresh_token&client_id=c&client_secret=s&refresh_token=1%2F%2Flogin";
    let token = client
        .post(format!("{}/token", simulator.url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let granted: Value = token.send().await.unwrap().json().await.unwrap();
    let token = granted["access_token"].as_str().unwrap();

    let (_, ingested) = google(&simulator, token).json().await;

    let request_id = ingested["requestId"].as_str().unwrap();
    let url = format!("{}/v1/requestStatus:retrieve?requestId={request_id}", simulator.url());
    let status: Value = client
        .get(url)
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let status = &status["requestStatusPerDestination"][0];
    assert_eq!(
        (&granted["expires_in"], &status["requestStatus"]),
        (&json!(600), &json!("FAILED"))
    );
    assert_eq!(
        status["errorInfo"]["errorCounts"],
        json!([{"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_TOO_RECENT_CLICK"}])
    );
    let (_, uploaded) = upload(&simulator).json().await;
    let error = uploaded.pointer("/partialFailureError/details/0/errors/0/errorCode/conversionUploadError");
    assert_eq!(error, Some(&json!("TOO_RECENT_EVENT")));
    assert_eq!(simulator.counts().await.of("google", DATASET).counted, 0);
}

#[tokio::test]
async fn a_reset_puts_everything_back_to_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let at_start = json!({
        "tokens": {"token-1": {"accounts": [DATASET]}},
        "faults": [{"platform": "tiktok", "fault": {"kind": "bad_token"}}],
    });
    std::fs::write(&state, at_start.to_string()).unwrap();
    let simulator = Simulator::start_with(&["--state", state.to_str().unwrap(), "--no-bodies"]);
    let messaging = json!({
        "event_name": "Purchase", "event_time": Utc::now().timestamp(), "action_source": "business_messaging",
        "messaging_channel": "whatsapp", "custom_data": {"value": 1, "currency": "ARS"},
        "user_data": {"ctwa_clid": "ARAk", "whatsapp_business_account_id": "1"},
    });

    simulator.clear_faults().await;
    simulator.set_meta(json!({"waba_datasets": {}})).await;
    assert_eq!(meta(&simulator, DATASET, &[meta_event("o1")]).answer().await.0, 200);
    assert!(simulator.events("meta", DATASET).await[0].first_body.is_none());
    assert_eq!(
        meta(&simulator, DATASET, std::slice::from_ref(&messaging))
            .answer()
            .await
            .0,
        400
    );
    assert_eq!(tiktok(&simulator).json().await.1["code"], 40001);

    simulator.reset().await;
    assert_eq!(simulator.counts().await.of("meta", DATASET).requests, 0);
    assert_eq!(meta(&simulator, DATASET, &[messaging]).answer().await.0, 200);
    assert_eq!(tiktok(&simulator).json().await.1["code"], 40105);
    assert_eq!(
        meta(&simulator, "555", &[meta_event("o1")]).json().await.1["error"]["error_subcode"],
        33
    );
}

#[tokio::test]
async fn a_misspelt_rule_is_refused_and_an_unknown_path_is_not_found() {
    let simulator = Simulator::start();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();

    let rules = json!([{"platform": "meta", "fault": {"kind": "reset_befor"}}]);
    let refused = client
        .put(format!("{}/simulator/faults", simulator.url()))
        .json(&rules)
        .send()
        .await
        .unwrap();
    let unknown = PlatformRequest {
        path: "/v26.0/me".to_owned(),
        ..tiktok(&simulator)
    };

    let wrong_verb = client
        .get(format!("{}/v1/events:ingest", simulator.url()))
        .send()
        .await
        .unwrap();

    assert!(refused.status().is_client_error());
    assert_eq!(wrong_verb.status().as_u16(), 404);
    assert_eq!(unknown.answer().await.0, 404);
}

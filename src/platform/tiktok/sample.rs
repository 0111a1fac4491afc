//! Samples for the tests of this folder: an ad account, dispatches, and any dispatch there may be.

use chrono::{DateTime, Utc};
use proptest::strategy::Strategy;
use rust_decimal::Decimal;

use crate::{
    domain::{
        Account, Click, ClickKind, Dispatch, EventId, EventRecord, Platform, account::AccountRules, hash::sha256_hex,
    },
    platform::sample::{self, Vocabulary},
};

/// 2026-11-20T10:00:00Z
const TIME: i64 = 1_795_168_800;

const WORDS: Vocabulary = Vocabulary {
    names: &[
        "Purchase",
        "Lead",
        "PageView",
        "CompletePayment",
        "QuizDone",
        "\u{1f6d2}",
    ],
    hashed: &["email", "phone", "external_id", "first_name", "last_name", "zip_code"],
    plain: &["city", "state", "country"],
    custom: &[
        "locale",
        "status",
        "search_string",
        "query",
        "predicted_ltv",
        "num_items",
        "content_ids",
        "content_type",
        "description",
        "shop_id",
        "delivery_category",
        "checkin_date",
        "make",
        "city",
    ],
    clicks: &[ClickKind::Ttclid, ClickKind::Gclid],
};

fn time() -> DateTime<Utc> {
    DateTime::from_timestamp(TIME, 0).unwrap()
}

pub(super) fn account() -> Account {
    sample::account(Platform::Tiktok, "C0PIXEL0000000000001", AccountRules::default())
}

/// An event that says nothing but what happened, when and on which page.
pub(super) fn bare_event() -> EventRecord {
    let mut event = sample::event("order-1001", "Purchase", time());
    event.source_url = Some("https://shop.example/thanks".to_owned());
    event
}

fn click(value: &str) -> Click {
    Click {
        kind: ClickKind::Ttclid,
        value: value.to_owned(),
        first_seen: time(),
        time_is_known: true,
        waba: None,
    }
}

/// The purchase of vector V1.
pub(super) fn purchase_of_jane() -> Dispatch {
    let mut dispatch = sample::dispatch(&account(), bare_event());
    dispatch
        .event
        .identities
        .tiktok
        .add("email", sha256_hex("jane.doe@example.com"));
    dispatch.event.value = Some(Decimal::new(5_990, 2));
    dispatch.event.currency = Some("USD".to_owned());
    dispatch
}

/// A purchase with click, cookie and browser.
pub(super) fn dispatch() -> Dispatch {
    let mut dispatch = purchase_of_jane();
    dispatch.click = Some(click("E.C.P.Ab-1"));
    dispatch.event.clicks.ttp = Some("2F7h37Yk".to_owned());
    dispatch.event.ip = Some([203, 0, 113, 9].into());
    dispatch.event.user_agent = Some("Mozilla/5.0".to_owned());
    dispatch
}

/// The same with another event ID.
pub(super) fn numbered(index: usize) -> Dispatch {
    let mut dispatch = dispatch();
    dispatch.event.event_id = EventId::parse(&format!("order-{index}")).unwrap();
    dispatch
}

/// Any dispatch of this ad account.
pub(super) fn any_dispatch() -> impl Strategy<Value = Dispatch> {
    sample::any_dispatch(account(), WORDS)
}

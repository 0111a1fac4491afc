//! `uploadClickConversions` of the Google Ads API: rows are taken or refused one by one.
use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::access::{self, ADS_SCOPE};
use super::conversion::{self, Row, RowError};
use super::request::{self, Item, Message};
use super::schema::SCHEMAS;
use super::{data_manager, errors};
use crate::answer::{Answer, Handled};
use crate::call::{Call, Platform};
use crate::copies::{Key, Memory};
use crate::ledger::Accepted;
use crate::settings::{NotAllowListed, Settings};
use crate::world::World;

const VERSIONS: [&str; 4] = ["v23", "v24", "v25", "v26"];
const MOST_CONVERSIONS: usize = 2000;
/// Job ids that Google makes up begin here.
const FIRST_OWN_JOB: u64 = 1 << 31;

/// Answers `POST /{version}/customers/{customer}:uploadClickConversions`.
pub fn upload(world: &World, call: &Call, version: &str, customer: &str) -> Handled {
    let mut handled = Handled {
        answer: errors::unavailable(),
        accounts: vec![customer.to_owned()],
        events: 0,
    };
    handled.answer = take(world, call, version, customer, &mut handled.events).unwrap_or_else(|refusal| refusal);
    handled
}

fn take(world: &World, call: &Call, version: &str, customer: &str, event_count: &mut usize) -> Result<Answer, Answer> {
    if !call.is_post {
        return Err(errors::not_found());
    }
    let settings = world.settings();
    if !VERSIONS.contains(&version) {
        return Err(errors::ads_refused(400, "requestError", "UNSUPPORTED_VERSION", "v26"));
    }
    let refused = |status, category, value| errors::ads_refused(status, category, value, version);
    let caller = access::caller(world, &settings, call, ADS_SCOPE)?;
    if !is_customer_id(customer) {
        return Err(refused(400, "requestError", "INVALID_CUSTOMER_ID"));
    }
    check_login_customer(call, customer, &settings, version)?;
    if !caller.reaches(&settings, customer) {
        return Err(refused(403, "authorizationError", "USER_PERMISSION_DENIED"));
    }
    let message = request::read(&SCHEMAS.ads_api, &call.body, "conversions")?;
    *event_count = message.items.len();
    if message.fields.get("partialFailure") != Some(&Value::Bool(true)) {
        return Err(refused(400, "partialFailureError", "PARTIAL_FAILURE_MODE_REQUIRED"));
    }
    if message.items.is_empty() {
        return Err(refused(400, "fieldError", "REQUIRED"));
    }
    if message.items.len() > MOST_CONVERSIONS {
        return Err(refused(400, "conversionUploadError", "TOO_MANY_CONVERSIONS_IN_REQUEST"));
    }
    let is_allow_listed = settings
        .google
        .allow_listed
        .iter()
        .any(|one| one == customer || one == "*");
    if !is_allow_listed && settings.google.not_allow_listed == NotAllowListed::Request {
        return Err(refused(
            403,
            "notAllowlistedError",
            "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
        ));
    }

    let mut rows = judge(world, &settings, call, customer, &message.items);
    if !is_allow_listed {
        let error = RowError {
            category: "notAllowlistedError",
            value: "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE".to_owned(),
            field: None,
        };
        rows = message.items.iter().map(|_| Err(error.clone())).collect();
    }
    let is_dry_run = message.fields.get("validateOnly") == Some(&Value::Bool(true));
    if !is_dry_run {
        count(world, call, customer, &message.items, &rows);
    }
    Ok(reply(version, &message, &rows, is_dry_run))
}

fn is_customer_id(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn check_login_customer(call: &Call, customer: &str, settings: &Settings, version: &str) -> Result<(), Answer> {
    let login = call.header("login-customer-id");
    if login.is_some_and(|login| !is_customer_id(login)) {
        return Err(errors::ads_refused(
            400,
            "headerError",
            "INVALID_LOGIN_CUSTOMER_ID",
            version,
        ));
    }
    let managers = settings
        .google
        .customers
        .get(customer)
        .map_or(&[][..], |one| one.managers.as_slice());
    let is_managed = managers.is_empty() || login.is_some_and(|login| managers.iter().any(|one| one == login));
    if is_managed {
        return Ok(());
    }
    Err(errors::ads_refused(
        403,
        "authorizationError",
        "USER_PERMISSION_DENIED",
        version,
    ))
}

fn judge<'a>(
    world: &World,
    settings: &Settings,
    call: &Call,
    customer: &str,
    items: &'a [Item<'_>],
) -> Vec<Result<Row<'a>, RowError>> {
    let now = call.received_at;
    let mut rows: Vec<Result<Row<'a>, RowError>> =
        items.iter().map(|item| conversion::check(&item.value, now)).collect();
    let mut copies: HashMap<Key, usize> = HashMap::new();
    for row in rows.iter().flatten() {
        *copies.entry(key(row)).or_default() += 1;
    }
    let actions = settings
        .google
        .customers
        .get(customer)
        .and_then(|one| one.actions.as_ref());
    let mut ledger = world.ledger();
    for row in &mut rows {
        let Ok(good) = row else { continue };
        let is_known = ledger.recognises(Platform::Google, customer, key(good), now);
        let click = good.click.and_then(|click| settings.clicks.google.get(click));
        let by_click = click.and_then(|click| data_manager::click_reason(click, good.happened_at, now));
        let error = if actions.is_some_and(|actions| !actions.iter().any(|action| action == good.action)) {
            RowError::upload("NO_CONVERSION_ACTION_FOUND", Some("conversion_action"))
        } else if copies.get(&key(good)).is_some_and(|copies| *copies > 1) {
            // None of the copies is processed.
            let by_order = good.order_id.map(|_| "DUPLICATE_ORDER_ID");
            RowError::upload(by_order.unwrap_or("DUPLICATE_CLICK_CONVERSION_IN_REQUEST"), None)
        } else if is_known {
            let by_order = good.order_id.map(|_| "ORDER_ID_ALREADY_IN_USE");
            RowError::upload(by_order.unwrap_or("CLICK_CONVERSION_ALREADY_EXISTS"), None)
        } else if let Some(reason) = by_click {
            RowError::upload(conversion::upload_error_of(&reason), Some("gclid"))
        } else {
            continue;
        };
        *row = Err(error);
    }
    rows
}

fn key(row: &Row<'_>) -> Key {
    match row.order_id {
        Some(order_id) => Key::of(&[row.action, order_id]),
        None => Key::of(&[row.action, "", row.click.unwrap_or_default(), row.date_time]),
    }
}

fn count(world: &World, call: &Call, customer: &str, items: &[Item<'_>], rows: &[Result<Row<'_>, RowError>]) {
    let accepted: Vec<Accepted<'_>> = items
        .iter()
        .zip(rows)
        .filter_map(|(item, row)| row.as_ref().ok().map(|row| (item, row)))
        .map(|(item, row)| Accepted {
            name: row.action,
            id: row.order_id,
            key: key(row),
            memory: Memory::Always,
            body: item.text,
        })
        .collect();
    let mut ledger = world.ledger();
    ledger.accept(Platform::Google, customer, &accepted, call.received_at);
    ledger.totals(Platform::Google, customer).refused_events += (rows.len() - accepted.len()) as u64;
}

fn reply(version: &str, message: &Message<'_>, rows: &[Result<Row<'_>, RowError>], is_dry_run: bool) -> Answer {
    let request_id = errors::request_id();
    let mut body = json!({});
    let failed: Vec<(usize, &RowError)> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| row.as_ref().err().map(|error| (index, error)))
        .collect();
    if let Some((_, first)) = failed.first() {
        let details: Vec<Value> = failed.iter().map(|(index, error)| error.json(*index)).collect();
        let message = match failed.len() {
            1 => format!("{}.", first.value),
            _ => format!("Multiple errors in 'details'. First error: {}.", first.value),
        };
        body["partialFailureError"] = json!({
            "code": 3,
            "message": message,
            "details": [errors::ads_failure(version, &details, &request_id)],
        });
    }
    if !is_dry_run {
        let results: Vec<Value> = message
            .items
            .iter()
            .zip(rows)
            .map(|(item, row)| result(&item.value, row.is_ok()))
            .collect();
        body["results"] = json!(results);
        let job = message
            .fields
            .get("jobId")
            .map(|job| job.to_string().trim_matches('"').to_owned());
        body["jobId"] = json!(job.unwrap_or_else(|| (FIRST_OWN_JOB + 1).to_string()));
    }
    let mut answer = Answer::taken(&body).with_header("request-id", request_id);
    if let Some((index, first)) = failed.first() {
        answer.code.clone_from(&first.value);
        answer.detail = Some(format!("conversions[{index}], {} of {} rows", failed.len(), rows.len()));
    }
    answer
}

/// What the answer repeats of a row; nothing when it was not taken.
fn result(row: &Value, is_taken: bool) -> Value {
    let repeated = [
        "gclid",
        "gbraid",
        "wbraid",
        "conversionAction",
        "conversionDateTime",
        "userIdentifiers",
    ];
    let fields: BTreeMap<&str, &Value> = repeated
        .into_iter()
        .filter(|_| is_taken)
        .filter_map(|key| Some((key, row.get(key)?)))
        .collect();
    fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect::<Map<String, Value>>()
        .into()
}

//! Custom conversion variables: what of an event's `custom` an ad account has one for.
//! <https://support.google.com/google-ads/answer/9964350>

use serde_json::Value;

use crate::domain::{Account, ClickKind, Dispatch, redact};

/// Google cuts nothing and takes no more.
const CHARACTERS_MAX: usize = 100;

/// The variables of a conversion with their values, in the order of the event's keys. A value that is no text, number or truth, is too long, or looks
/// like an e-mail address or a phone number is left out: it would refuse the conversion (`CUSTOM_VARIABLE_VALUE_CONTAINS_PII`). Nothing is sent with
/// gbraid and wbraid, of which no document says that they take variables.
pub(super) fn variables<'a>(dispatch: &Dispatch, account: &'a Account) -> Vec<(&'a str, String)> {
    if dispatch
        .click
        .as_ref()
        .is_none_or(|click| click.kind != ClickKind::Gclid)
    {
        return Vec::new();
    }
    let value_of = |key: &str| {
        let value = match dispatch.event.custom.get(key)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        let fits = !value.is_empty() && value.chars().count() <= CHARACTERS_MAX && !redact::looks_personal(&value);
        fits.then_some(value)
    };
    account
        .rules
        .variables
        .iter()
        .filter_map(|(key, variable)| Some((variable.as_str(), value_of(key)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        domain::{Platform, account::AccountRules},
        platform::sample,
    };

    fn of(custom: Value, kind: ClickKind) -> Vec<(String, String)> {
        let keys = ["margin", "member", "tier", "note"];
        let rules = AccountRules {
            variables: keys.map(|key| (key.to_owned(), format!("{key}_variable"))).into(),
            ..AccountRules::default()
        };
        let account = sample::account(Platform::Google, "1234567890", rules);
        let at = "2026-11-21T10:00:00Z".parse().unwrap();
        let mut dispatch = sample::dispatch(&account, sample::event("e-1", "Purchase", at));
        dispatch.event.custom = custom.as_object().unwrap().clone();
        dispatch.click = Some(crate::domain::Click {
            kind,
            value: "click-1".to_owned(),
            first_seen: at,
            time_is_known: true,
            waba: None,
        });
        let variables = variables(&dispatch, &account);
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    #[test]
    fn only_what_the_ad_account_has_a_variable_for_goes_out() {
        let custom = json!({"margin": 0.25, "tier": " gold ", "member": true, "other": "x"});
        let expected = [
            ("margin_variable", "0.25"),
            ("member_variable", "true"),
            ("tier_variable", "gold"),
        ];

        assert_eq!(
            of(custom.clone(), ClickKind::Gclid),
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        for kind in [ClickKind::Gbraid, ClickKind::Wbraid] {
            assert!(of(custom.clone(), kind).is_empty());
        }
    }

    #[test]
    fn a_value_that_google_would_refuse_is_left_out() {
        for value in [
            json!("anna@mail.example"),
            json!("+49 151 23456789"),
            json!("x".repeat(101)),
            json!(""),
            json!(null),
            json!([1]),
            json!({"a": 1}),
        ] {
            assert!(of(json!({"note": value}), ClickKind::Gclid).is_empty(), "{value}");
        }
    }
}

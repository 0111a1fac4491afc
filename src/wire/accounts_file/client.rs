//! Clients: `[client.acme]`, with an ad account in each table below.

use toml::de::DeValue;

use super::{account::AccountDraft, rules::RuleLayer, section::Section, values, webhook::WebhookDraft};
use crate::domain::{Client, ClientId, phone, spelling::closest};

/// A client as one file says it.
pub(super) struct ClientDraft {
    /// `None` if its ID cannot be.
    pub client: Option<Client>,
    pub rules: RuleLayer,
    pub accounts: Vec<AccountDraft>,
    pub webhooks: Vec<WebhookDraft>,
}

impl ClientDraft {
    /// Reads a client's table.
    pub fn read(mut section: Section<'_>) -> Self {
        let id = ClientId::parse(section.name())
            .map_err(|error| section.wrong(format!("the client's ID {error}")))
            .ok();
        let name = section.take("name", values::text);
        let country = section.take("country", country);
        let currency = section.take("currency", currency);
        let timezone = section.take("timezone", timezone);
        let rules = RuleLayer::read(&mut section);
        let webhooks: Vec<WebhookDraft> = section
            .tables_of("webhooks")
            .into_iter()
            .map(WebhookDraft::read)
            .collect();
        let accounts = section.other_tables().into_iter().map(AccountDraft::read).collect();
        let client = id.map(|id| Client {
            name: name.unwrap_or_else(|| id.to_string()),
            id,
            country,
            currency,
            timezone,
            webhooks: webhooks
                .iter()
                .filter_map(|draft| Some((draft.source.clone(), draft.webhook.clone()?)))
                .collect(),
        });
        section.finish();
        Self {
            client,
            rules,
            accounts,
            webhooks,
        }
    }
}

fn country(value: &DeValue<'_>) -> Result<String, String> {
    let code = values::text(value)?.to_ascii_uppercase();
    if phone::is_country(&code) {
        return Ok(code);
    }
    Err(if code == "UK" {
        "must be a country of two letters; the United Kingdom is \"GB\"".to_owned()
    } else {
        "must be a country of two letters, such as \"DE\"".to_owned()
    })
}

fn currency(value: &DeValue<'_>) -> Result<String, String> {
    let code = values::text(value)?.to_ascii_uppercase();
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code
        .then_some(code)
        .ok_or_else(|| "must be a currency of three letters, such as \"EUR\"".to_owned())
}

fn timezone(value: &DeValue<'_>) -> Result<String, String> {
    let name = values::text(value)?;
    if name.parse::<chrono_tz::Tz>().is_ok() {
        return Ok(name);
    }
    let likely = closest(&name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
    Err(match likely {
        Some(likely) => format!("must be a time zone's name; did you mean \"{likely}\"?"),
        None => "must be a time zone's name, such as \"Europe/Berlin\"".to_owned(),
    })
}

//! A payload and what is known of it: read as WhatsApp's own, or by the mapping that is meant for it.

use chrono::{DateTime, Utc};

use super::{Reading, builtin, mapped, whatsapp, whatsapp::Owners};
use crate::domain::{Cause, ClientId, Directory, webhook::WHATSAPP};

/// A payload of another system, as it came.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    /// Its bytes.
    pub body: &'a [u8],
    /// Gives the headers that came with it, by their names in lower case.
    pub headers: &'a dyn Fn(&str) -> Option<String>,
    /// Whose it is, if that is told beside it.
    pub client: Option<&'a ClientId>,
}

impl Payload<'_> {
    /// Reads a webhook of a source: by the mapping that the client names for this source, else by the one that is called like it.
    pub fn read_of_source(&self, source: &str, directory: &Directory, now: DateTime<Utc>) -> Reading {
        let client = self.client.and_then(|client| directory.client(client));
        let named = client.and_then(|client| client.webhooks.get(source)?.mapping.as_deref());
        self.read_by(named.unwrap_or(source), directory, now)
    }

    /// Reads it by the mapping of this name; `whatsapp` is none, but WhatsApp's own form.
    pub fn read_by(&self, mapping: &str, directory: &Directory, now: DateTime<Utc>) -> Reading {
        if mapping == WHATSAPP {
            let secret = |id: &ClientId| Some(&directory.client(id)?.webhooks.get(WHATSAPP)?.secret);
            let own_secret = self.client.and_then(secret);
            let owners = Owners {
                client: self.client,
                clients_of_waba: &|waba| directory.clients_of_waba(waba).into_iter().cloned().collect(),
                is_of_same_app: &|owner| own_secret.is_some() && secret(owner) == own_secret,
            };
            return whatsapp::read(self.body, &owners, now);
        }
        match builtin::lookup(directory, mapping) {
            Some(found) => mapped::read(&found, self.body, self.headers, self.client, now),
            None => Reading::failed(Cause::UnknownWebhookSource, Some(mapping.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::directory::DirectoryParts,
        wire::accounts_file::{SourceFile, parse},
    };

    fn directory() -> Directory {
        let file = SourceFile {
            name: "a.toml".to_owned(),
            text: "[client.acme.webhooks.form]\nsecret = 'env:A'\nmapping = 'generic'".to_owned(),
        };
        let desired = parse(&[file]).unwrap();
        Directory::new(DirectoryParts {
            clients: desired.clients.into_values().collect(),
            ..DirectoryParts::default()
        })
    }

    fn reading(source: &str, body: &str) -> Reading {
        let acme = ClientId::parse("acme").unwrap();
        let payload = Payload {
            body: body.as_bytes(),
            headers: &|_| None,
            client: Some(&acme),
        };
        payload.read_of_source(source, &directory(), "2026-11-28T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_source_is_read_by_the_mapping_that_its_client_names_for_it_or_that_is_called_like_it() {
        let lead = r#"{"id":"1","event":"Lead"}"#;

        assert_eq!(reading("form", lead).events.len(), 1);
        assert_eq!(reading("generic", lead).events.len(), 1);
        assert_eq!(reading("shopify", lead).ignored, 1);
    }

    #[test]
    fn whatsapp_is_read_without_a_mapping() {
        let message = include_str!("../../../tests/fixtures/whatsapp/ctwa_ad_text.json");

        assert_eq!(reading("whatsapp", message).clicks.len(), 1);
    }

    #[test]
    fn an_apps_payloads_go_to_the_clients_of_their_accounts_and_no_further() {
        let text = "
            [login.m]
            token = 'env:M'
            [client.acme.webhooks.whatsapp]
            secret = 'env:APP'
            [client.globex.webhooks.whatsapp]
            secret = 'env:APP'
            [client.globex.chats]
            platform = 'meta'
            login = 'm'
            dataset = '778899001122334'
            waba = '102290129340398'";
        let whose = |text: &str, client: &str| {
            let file = SourceFile {
                name: "a.toml".to_owned(),
                text: text.to_owned(),
            };
            let desired = parse(&[file]).unwrap();
            let directory = Directory::new(DirectoryParts {
                clients: desired.clients.into_values().collect(),
                accounts: (1..)
                    .zip(desired.accounts)
                    .map(|(number, account)| account.standing(number))
                    .collect(),
                ..DirectoryParts::default()
            });
            let client = ClientId::parse(client).unwrap();
            let payload = Payload {
                body: include_bytes!("../../../tests/fixtures/whatsapp/ctwa_ad_text.json"),
                headers: &|_| None,
                client: Some(&client),
            };
            let reading = payload.read_of_source("whatsapp", &directory, "2026-11-28T12:00:00Z".parse().unwrap());
            let clients: Vec<String> = reading.clicks.iter().map(|click| click.client.to_string()).collect();
            (clients, reading.fault.map(|fault| fault.cause))
        };

        assert_eq!(whose(text, "globex"), (vec!["globex".to_owned()], None));
        // Meta has one address for all payloads of an app.
        assert_eq!(whose(text, "acme"), (vec!["globex".to_owned()], None));
        // Whoever has another app's secret speaks for nobody else.
        let apart = text.replacen("env:APP", "env:OTHER", 1);
        assert_eq!(whose(&apart, "acme"), (vec![], Some(Cause::UnknownWaba)));
    }

    #[test]
    fn a_source_that_nobody_knows_is_named() {
        let fault = reading("unheard-of", "{}").fault.unwrap();

        assert_eq!(
            (fault.cause, fault.field.as_deref()),
            (Cause::UnknownWebhookSource, Some("unheard-of"))
        );
    }
}

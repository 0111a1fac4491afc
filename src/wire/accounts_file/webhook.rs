//! Where a client's webhooks come from: `[client.acme.webhooks.shopify]`; and other systems' queues: `[input.crm]`.

use toml::de::DeValue;

use super::{error::Place, section::Section, values};
use crate::domain::{
    ClientId,
    webhook::{Signature, WHATSAPP, WebhookSource},
};

/// A source of webhooks as one file says it.
pub(super) struct WebhookDraft {
    pub place: Place,
    pub source: String,
    /// `None` if something of it is wrong.
    pub webhook: Option<WebhookSource>,
}

impl WebhookDraft {
    /// Reads a source's table.
    pub fn read(mut section: Section<'_>) -> Self {
        let source = section.name().to_owned();
        if !values::is_name(&source) {
            section.wrong("the source's name must be 1 to 64 letters, digits, dashes or underscores");
        }
        if source == WHATSAPP {
            section.refuse(
                "mapping",
                "is for other sources; WhatsApp's webhooks are read without one",
            );
        } else {
            section.refuse("verify_token", "is for whatsapp, whose handshake needs it");
        }
        if !section.has("secret") {
            section.wrong("needs secret: what its webhooks are signed with");
        }
        let signature = signature(&mut section, &source);
        let mapping = section.take("mapping", values::text);
        let secret = section.take("secret", values::secret);
        let verify_token = section.take("verify_token", values::secret);
        let place = section.place().clone();
        section.finish();
        let webhook = signature.zip(secret).map(|(signature, secret)| WebhookSource {
            mapping,
            signature,
            secret,
            verify_token,
        });
        Self { place, source, webhook }
    }

    /// The mapping that makes events of what comes; WhatsApp needs none.
    pub fn mapping(&self) -> Option<&str> {
        let named = self.webhook.as_ref()?.mapping.as_deref();
        (self.source != WHATSAPP).then(|| named.unwrap_or(&self.source))
    }
}

fn signature(section: &mut Section<'_>, source: &str) -> Option<Signature> {
    #[derive(Clone, Copy)]
    enum Word {
        Meta,
        Shopify,
        Stripe,
        Hubspot,
        Hmac,
    }
    let words = [
        ("meta", Word::Meta),
        ("shopify", Word::Shopify),
        ("stripe", Word::Stripe),
        ("hubspot", Word::Hubspot),
        ("hmac", Word::Hmac),
    ];
    let is_given = section.has("signature");
    let word = section.take("signature", values::word(&words));
    let has_header = section.has("header");
    let header = section.take("header", header);
    let signature = match word {
        Some(Word::Meta) => Signature::Meta,
        Some(Word::Shopify) => Signature::Shopify,
        Some(Word::Stripe) => Signature::Stripe,
        Some(Word::Hubspot) => Signature::Hubspot,
        Some(Word::Hmac) => Signature::usual_of(""),
        None if is_given => return None,
        None => Signature::usual_of(source),
    };
    match signature {
        Signature::Hmac(usual) if has_header => header.map(Signature::Hmac).or(Some(Signature::Hmac(usual))),
        signature if has_header => {
            section.wrong("header is for signature = \"hmac\"; the others have a header of their own");
            Some(signature)
        }
        signature => Some(signature),
    }
}

fn header(value: &DeValue<'_>) -> Result<String, String> {
    let name = values::text(value)?.to_ascii_lowercase();
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_name
        .then_some(name)
        .ok_or_else(|| "must be the name of a header, such as \"x-signature\"".to_owned())
}

/// An input as one file says it.
pub(super) struct InputDraft {
    pub queue: Option<String>,
    pub mapping: Option<String>,
    pub client: Option<ClientId>,
}

impl InputDraft {
    /// Reads an input's table.
    pub fn read(mut section: Section<'_>) -> Self {
        if !values::is_name(section.name()) {
            section.wrong("the input's name must be 1 to 64 letters, digits, dashes or underscores");
        }
        if !section.has("queue") {
            section.wrong("needs queue: the queue whose messages become events");
        }
        if !section.has("mapping") {
            section.wrong("needs mapping: how its messages become events");
        }
        let draft = Self {
            queue: section.take("queue", queue),
            mapping: section.take("mapping", values::text),
            client: section.take("client", client),
        };
        section.finish();
        draft
    }
}

fn queue(value: &DeValue<'_>) -> Result<String, String> {
    let name = values::text(value)?;
    let is_name = name.len() <= 255 && !name.starts_with("amq.");
    is_name
        .then_some(name)
        .ok_or_else(|| "must be the name of a queue: at most 255 bytes, and not beginning with amq.".to_owned())
}

fn client(value: &DeValue<'_>) -> Result<ClientId, String> {
    ClientId::parse(&values::text(value)?).map_err(|error| format!("{error}"))
}

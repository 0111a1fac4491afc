//! Where a client's webhooks come from, and how their sender proves itself.

use serde::{Deserialize, Serialize};

use super::secret::SecretRef;

/// The source whose webhooks are WhatsApp's own.
pub const WHATSAPP: &str = "whatsapp";

/// One source of webhooks of one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSource {
    /// The mapping that makes events of them; none: that of the source's own name. WhatsApp's need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// How they are signed.
    pub signature: Signature,
    /// What they are signed with: the app secret (Meta, HubSpot), the signing secret (Shopify, Stripe), or the shared key.
    pub secret: SecretRef,
    /// WhatsApp: the verify token of the handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_token: Option<SecretRef>,
}

/// How a webhook is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// `X-Hub-Signature-256: sha256=<hex>` over the raw body.
    /// <https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validate-payloads>
    Meta,
    /// `X-Shopify-Hmac-Sha256: <base64>` over the raw body. <https://shopify.dev/docs/apps/build/webhooks/subscribe/https>
    Shopify,
    /// `Stripe-Signature: t=…,v1=<hex>` over time and body. <https://docs.stripe.com/webhooks#verify-manually>
    Stripe,
    /// `X-HubSpot-Signature-v3: <base64>` over method, URL, body and time. <https://developers.hubspot.com/docs/api/webhooks/validating-requests>
    Hubspot,
    /// HMAC-SHA256 over the raw body in a header of this name (lower case), in hex or base64, with or without `sha256=` before it.
    Hmac(String),
}

impl Signature {
    /// What a source of this name is signed with, if nobody says otherwise.
    pub fn usual_of(source: &str) -> Self {
        match source {
            WHATSAPP => Signature::Meta,
            "shopify" => Signature::Shopify,
            "stripe" => Signature::Stripe,
            "hubspot" => Signature::Hubspot,
            _ => Signature::Hmac("x-signature".to_owned()),
        }
    }
}

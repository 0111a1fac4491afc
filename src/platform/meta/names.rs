//! Event names as Meta gets them: free for a pixel, a closed list for a Click-to-WhatsApp dataset.

use crate::domain::Account;

/// The names that Meta takes for business messaging; any other fails the whole request with 100/2804066.
/// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/business-messaging>
const MESSAGING_NAMES: [&str; 14] = [
    "Purchase",
    "LeadSubmitted",
    "InitiateCheckout",
    "AddToCart",
    "ViewContent",
    "OrderCreated",
    "OrderShipped",
    "OrderDelivered",
    "OrderCanceled",
    "OrderReturned",
    "CartAbandoned",
    "QualifiedLead",
    "RatingProvided",
    "ReviewProvided",
];

/// Standard names with a plain counterpart in that list. `Contact`, `Schedule` and others have none: whether they are a `LeadSubmitted` or a
/// `QualifiedLead` the ad account must say with `rename`.
const MESSAGING_COUNTERPARTS: [(&str, &str); 3] = [
    ("Lead", "LeadSubmitted"),
    ("CompleteRegistration", "LeadSubmitted"),
    ("Subscribe", "Purchase"),
];

/// The name under which Meta gets the event, `rename` of the ad account first; nothing if Meta does not take it here.
pub(super) fn event_name<'a>(name: &'a str, account: &'a Account) -> Option<&'a str> {
    let name = account.renamed(name);
    if account.rules.waba.is_none() {
        return (!name.trim().is_empty()).then_some(name);
    }
    let name = MESSAGING_COUNTERPARTS
        .iter()
        .find(|(given, _)| *given == name)
        .map_or(name, |(_, counterpart)| counterpart);
    MESSAGING_NAMES.contains(&name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::meta::sample;

    #[test]
    fn vector_17_a_dataset_takes_its_list_and_what_is_mapped_to_it() {
        let mut account = sample::whatsapp();
        account.rules.rename = [("Schedule", "QualifiedLead"), ("Signup", "Lead")]
            .map(|(given, name)| (given.to_owned(), name.to_owned()))
            .into();

        for name in MESSAGING_NAMES {
            assert_eq!(event_name(name, &account), Some(name));
        }
        for (given, expected) in [
            ("Lead", Some("LeadSubmitted")),
            ("CompleteRegistration", Some("LeadSubmitted")),
            ("Subscribe", Some("Purchase")),
            ("Schedule", Some("QualifiedLead")),
            ("Signup", Some("LeadSubmitted")),
            ("Contact", None),
            ("StartTrial", None),
            ("lead", None),
            ("TrialExtended", None),
        ] {
            assert_eq!(event_name(given, &account), expected, "{given}");
        }
    }

    #[test]
    fn a_pixel_takes_any_name_unchanged() {
        for name in ["Lead", "Purchase", "TrialExtended"] {
            assert_eq!(event_name(name, &sample::pixel()), Some(name));
        }
    }
}

//! Words of the screens: short names of causes, sentences with their blanks filled, ordinals and plurals.

use rust_decimal::Decimal;

use super::table::one_line;
use crate::domain::{Account, Cause, Platform, Who};

/// Currencies without a minor unit, ISO 4217.
const WHOLE_CURRENCIES: [&str; 16] = [
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF",
];

/// A cause in a word or three, for a table's cell.
pub fn label(cause: Cause) -> String {
    let word = match cause {
        Cause::LoginRefused => "login",
        Cause::LoginMissing => "login secret",
        Cause::PermissionMissing => "permission",
        Cause::AccountNotSetUp => "not set up",
        Cause::TransportNotAllowlisted => "interface not open to you",
        Cause::InterfaceGone => "interface version",
        Cause::QuotaExhausted => "quota",
        Cause::PausedByHand => "by hand",
        Cause::ConsentDenied => "consent",
        Cause::ConsentMissing => "consent unknown",
        Cause::NoCtwaClickIdForPhone => "no WhatsApp click",
        Cause::ClickKindElsewhere => "click of another ad account",
        Cause::DuplicateAtPlatform => "already counted",
        Cause::Shadow => "shadow mode",
        Cause::BeforeLiveFrom => "before live date",
        Cause::HostNotWanted => "other website",
        Cause::EventNotMapped => "no conversion action",
        Cause::EventNameNotTaken => "event name",
        Cause::NoIdentifiers => "too little about the person",
        Cause::EventTooOld => "too old",
        Cause::DeadlinePassed => "too late",
        other => return other.as_str().replace('_', " "),
    };
    word.to_owned()
}

/// What fills the blanks of a cause's sentence.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blanks<'a> {
    /// `{platform}`
    pub platform: Option<Platform>,
    /// `{client}`: its name.
    pub client: Option<&'a str>,
    /// `{account}` and `{login}`
    pub account: Option<&'a Account>,
    /// `{detail}`
    pub detail: Option<&'a str>,
}

impl Blanks<'_> {
    /// What happened.
    pub fn sentence(&self, cause: Cause) -> String {
        self.fill(cause.sentence())
    }

    /// Who must act and what they do, as the end of a line: `you: renew the token`, `nobody needs to act`.
    pub fn action(&self, cause: Cause) -> String {
        let action = self.fill(cause.action());
        let action = action.strip_suffix('.').unwrap_or(&action);
        match cause.who() {
            Who::Nobody => match action
                .strip_prefix("Nothing")
                .map(|rest| rest.trim_start_matches([';', ' ']))
            {
                Some("") => "nobody needs to act".to_owned(),
                Some(rest) => format!("nobody needs to act; {rest}"),
                None => format!("nobody needs to act; {}", lower_first(action)),
            },
            Who::You => format!("you: {}", lower_first(action)),
            Who::Client => format!("{}: {}", self.client.unwrap_or("the client"), lower_first(action)),
            Who::Developer => format!("developer: {}", lower_first(action)),
            Who::Platform => {
                let platform = self.platform.map_or("the platform", Platform::title);
                format!("{platform} must act; you: {}", lower_first(action))
            }
        }
    }

    fn fill(&self, text: &str) -> String {
        let account = self.account;
        let label = account.map(Account::label);
        let number = account.map(|account| format!("account:{}", account.id));
        let text = text
            .replace("{platform}", self.platform.map_or("the platform", Platform::title))
            .replace("{client}", self.client.unwrap_or("the client"))
            // A pause is resumed by the ad account's number.
            .replace("account:{account}", number.as_deref().unwrap_or("account:NUMBER"))
            .replace("{account}", label.as_deref().unwrap_or("(unknown)"))
            .replace("{login}", account.map_or("(unknown)", |account| &account.login));
        match self.detail {
            // It comes last: it is not ours, and a placeholder in it is none.
            Some(detail) => text.replace("{detail}", one_line(detail).trim_end_matches('.')),
            // Without the words, the sentence ends where they would begin.
            None => text.replace(": {detail}", "").replace("{detail}", "not known"),
        }
    }
}

/// `1st`, `2nd`, `3rd`, `4th`, `11th`.
pub fn ordinal(number: i32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// `1 conversion`, `38 conversions`, `4,812 conversions`.
pub fn count(number: i64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(number))
}

/// `4,812`.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// `149.00 EUR`, `1499 JPY`; `-` without a value.
pub fn money(value: Option<Decimal>, currency: Option<&str>) -> String {
    let Some(mut value) = value else { return "-".to_owned() };
    let Some(currency) = currency else {
        return value.to_string();
    };
    if value.scale() < 2 && !WHOLE_CURRENCIES.contains(&currency) {
        value.rescale(2);
    }
    format!("{value} {currency}")
}

/// The text with a small first letter, unless it begins with an abbreviation or a name that is not a word.
fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            let mut lowered: String = first.to_lowercase().collect();
            lowered.push_str(&text[first.len_utf8()..]);
            lowered
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountId, ClientId, account::AccountRules};

    /// Words of the machinery that say nothing to whoever reads a screen.
    pub const MACHINE_WORDS: [&str; 5] = ["dispatch", "lease", "lane", "outcome", "deliver"];

    fn account() -> Account {
        Account {
            id: AccountId(7),
            client: ClientId::parse("acme").unwrap(),
            name: "whatsapp".to_owned(),
            platform: Platform::Meta,
            destination: "1".to_owned(),
            login: "agency-meta".to_owned(),
            rules: AccountRules::default(),
            removed: false,
        }
    }

    #[test]
    fn no_cause_speaks_of_the_machinery() {
        let account = account();
        let blanks = Blanks {
            platform: Some(Platform::Tiktok),
            client: Some("ACME Shoes"),
            account: Some(&account),
            detail: Some("x"),
        };
        for cause in Cause::ALL {
            let text = format!(
                "{} {} {}",
                label(*cause),
                blanks.sentence(*cause),
                blanks.action(*cause)
            )
            .to_lowercase();
            let found = MACHINE_WORDS.iter().find(|word| text.contains(**word));
            assert_eq!(found, None, "{cause}: {text}");
            assert!(!text.contains('{'), "{cause}: {text}");
        }
    }

    #[test]
    fn every_kind_of_actor_is_named() {
        let account = account();
        let blanks = Blanks {
            platform: Some(Platform::Meta),
            client: Some("ACME Shoes"),
            account: Some(&account),
            detail: None,
        };
        let causes = [
            Cause::LoginRefused,
            Cause::PermissionMissing,
            Cause::AccountNotSetUp,
            Cause::PlatformError,
            Cause::MissingValue,
            Cause::ClickTooRecent,
            Cause::NoClick,
            Cause::ClickNotFound,
        ];

        let lines: Vec<String> = causes
            .iter()
            .map(|cause| format!("{} | {}", blanks.sentence(*cause), blanks.action(*cause)))
            .collect();

        insta::assert_snapshot!(lines.join("\n"), @r#"
        Meta refuses login agency-meta. | you: renew the token, then `logins check agency-meta`
        Login agency-meta has no permission for ad account acme/whatsapp. | ACME Shoes: let the client grant the permission, then `resume account:7`
        Meta says that ad account acme/whatsapp is not set up for this. | ACME Shoes: let the client set it up at Meta, then `resume account:7`
        Meta had an error of its own; it is tried again. | Meta must act; you: nothing, unless it lasts: see the platform's status page
        The event lacks value or currency, and Meta wants them here. | developer: send value and currency, or set `currency` for the client
        Meta takes a conversion 6 hours after the click; it goes out by itself. | nobody needs to act
        The person did not come from a Meta ad that the relay knows of. | nobody needs to act; without_click = "person" sends such conversions to Meta and TikTok all the same
        Meta could not match the click ID to one of its ads. | nobody needs to act; if it happens often, see that click IDs are stored unshortened and in their own case
        "#);
    }

    #[test]
    fn ordinals_end_as_they_are_spoken() {
        let spoken: Vec<String> = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal).into();

        assert_eq!(
            spoken,
            [
                "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"
            ]
        );
    }

    #[test]
    fn numbers_are_grouped_and_nouns_agree() {
        assert_eq!(count(1, "conversion"), "1 conversion");
        assert_eq!(count(0, "conversion"), "0 conversions");
        assert_eq!(count(1_234_567, "conversion"), "1,234,567 conversions");
        assert_eq!(grouped(-4_812), "-4,812");
    }

    #[test]
    fn money_has_the_places_of_its_currency() {
        let show = |value: &str, currency| money(Some(value.parse().unwrap()), currency);

        assert_eq!(show("149", Some("EUR")), "149.00 EUR");
        assert_eq!(show("59.9", Some("EUR")), "59.90 EUR");
        assert_eq!(show("0.125", Some("KWD")), "0.125 KWD");
        assert_eq!(show("1499", Some("JPY")), "1499 JPY");
        assert_eq!(show("3", None), "3");
        assert_eq!(money(None, Some("EUR")), "-");
    }
}

//! Check: what TikTok would refuse or could not use, found before it is sent.
//! <https://ads.tiktok.com/help/article/supported-standard-events>

use super::build;
use crate::{
    domain::{Account, Cause, Dispatch},
    platform::Rejection,
};

/// Names from before May 2025; TikTok still takes them and turns them into the new ones.
/// <https://ads.tiktok.com/help/article/how-to-adopt-tiktoks-updated-standard-events>
const RENAMED: [(&str, &str); 2] = [("CompletePayment", "Purchase"), ("SubmitForm", "Lead")];

/// None of TikTok's standard events; its own texts do not agree on the spelling, and the browser's pixel reports pages by itself.
const PAGE_VIEWS: [&str; 2] = ["PageView", "Pageview"];

/// The name under which TikTok gets events of this name. The 18 standard events are called as at Meta; others are custom events.
///
/// What the account's `rename` says stands as it is: TikTok recognises a repetition by name and ID, so whoever still has CompletePayment in
/// the browser's pixel must be able to say the same here.
pub(super) fn event_name<'a>(name: &'a str, account: &'a Account) -> &'a str {
    if account.rules.rename.contains_key(name) {
        return account.renamed(name);
    }
    RENAMED
        .iter()
        .find(|(former, _)| *former == name)
        .map_or(name, |(_, today)| today)
}

/// Says how the dispatch ends without being sent, if it does.
pub(super) fn check(dispatch: &Dispatch, account: &Account) -> Result<(), Rejection> {
    let event = &dispatch.event;
    let by_choice = account.rules.rename.contains_key(&event.name);
    let name = event_name(&event.name, account);
    if name.is_empty() || PAGE_VIEWS.contains(&name) && !by_choice {
        return Err(Rejection::NotSent(Cause::EventNameNotTaken));
    }
    if !is_identifiable(dispatch) {
        return Err(Rejection::NotSent(Cause::NoIdentifiers));
    }
    Ok(())
}

/// TikTok enforces no minimum that anyone knows of; with less than this it can match nobody.
fn is_identifiable(dispatch: &Dispatch) -> bool {
    let event = &dispatch.event;
    let identity = &event.identities.tiktok;
    ["email", "phone", "external_id"].iter().any(|key| identity.has(key))
        || build::ttclid(dispatch).is_some()
        || build::ttp(event).is_some()
        || event.ip.is_some() && build::user_agent(event).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{EventRecord, event::ActionSource, hash::Identity},
        platform::tiktok::sample,
    };

    fn verdict(change: impl FnOnce(&mut EventRecord)) -> Result<(), Rejection> {
        let mut dispatch = sample::dispatch();
        change(&mut dispatch.event);
        check(&dispatch, &sample::account())
    }

    #[test]
    fn names_become_tiktoks_of_today_v10() {
        let cases = [
            ("Lead", "Lead"),
            ("SubmitForm", "Lead"),
            ("CompletePayment", "Purchase"),
            ("QuizDone", "QuizDone"),
        ];
        for (name, expected) in cases {
            assert_eq!(event_name(name, &sample::account()), expected);
        }
    }

    #[test]
    fn the_eighteen_standard_events_keep_their_names() {
        let standard = [
            "AddPaymentInfo",
            "AddToCart",
            "AddToWishlist",
            "ApplicationApproval",
            "CompleteRegistration",
            "Contact",
            "CustomizeProduct",
            "Download",
            "FindLocation",
            "InitiateCheckout",
            "Lead",
            "Purchase",
            "Schedule",
            "Search",
            "StartTrial",
            "SubmitApplication",
            "Subscribe",
            "ViewContent",
        ];
        for name in standard {
            assert_eq!(event_name(name, &sample::account()), name);
            assert_eq!(verdict(|event| event.name = name.to_owned()), Ok(()));
        }
    }

    #[test]
    fn what_the_account_calls_it_stands() {
        let mut account = sample::account();
        account.rules.rename = [
            ("Order", "CompletePayment"),
            ("SubmitForm", "Contact"),
            ("PageView", "Pageview"),
        ]
        .map(|(from, to)| (from.to_owned(), to.to_owned()))
        .into();

        assert_eq!(event_name("Order", &account), "CompletePayment");
        assert_eq!(event_name("SubmitForm", &account), "Contact");
        let mut page_view = sample::dispatch();
        page_view.event.name = "PageView".to_owned();
        assert_eq!(check(&page_view, &account), Ok(()));
    }

    #[test]
    fn page_views_are_left_to_the_pixel() {
        for name in PAGE_VIEWS {
            assert_eq!(
                verdict(|event| event.name = name.to_owned()),
                Err(Rejection::NotSent(Cause::EventNameNotTaken))
            );
        }
    }

    #[test]
    fn a_person_whom_nothing_tells_apart_is_not_sent() {
        let mut nobody = sample::dispatch();
        nobody.click = None;
        nobody.event.identities.tiktok = Identity::default();
        nobody.event.identities.tiktok.add("city", "berlin".to_owned());
        nobody.event.clicks.ttp = None;
        nobody.event.user_agent = None;
        let refused = Err(Rejection::NotSent(Cause::NoIdentifiers));
        assert_eq!(check(&nobody, &sample::account()), refused);

        let enough: [fn(&mut Dispatch); 6] = [
            |dispatch| dispatch.event.user_agent = Some("Mozilla/5.0".to_owned()),
            |dispatch| dispatch.event.clicks.ttp = Some("2F7h37Yk".to_owned()),
            |dispatch| dispatch.click = sample::dispatch().click,
            |dispatch| dispatch.event.identities.tiktok.add("email", "0".repeat(64)),
            |dispatch| dispatch.event.identities.tiktok.add("phone", "0".repeat(64)),
            |dispatch| dispatch.event.identities.tiktok.add("external_id", "0".repeat(64)),
        ];
        for add in enough {
            let mut somebody = nobody.clone();
            add(&mut somebody);
            assert_eq!(check(&somebody, &sample::account()), Ok(()));
        }
    }

    #[test]
    fn without_a_page_it_is_sent_all_the_same_v1() {
        for source in [
            ActionSource::Website,
            ActionSource::PhoneCall,
            ActionSource::SystemGenerated,
            ActionSource::PhysicalStore,
        ] {
            let sent = verdict(|event| {
                event.source_url = None;
                event.action_source = source;
            });
            assert_eq!(sent, Ok(()), "{source:?}");
        }
    }

    #[test]
    fn a_currency_that_tiktok_does_not_list_does_not_stop_the_conversion_v20() {
        assert_eq!(verdict(|event| event.currency = Some("UYU".to_owned())), Ok(()));
    }
}

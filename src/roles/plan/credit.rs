//! `credit = "latest_click"`: where clicks of several platforms are known for one sale, only the latest gets it. Pure.

use chrono::{DateTime, Utc};

use super::{
    Part,
    attribution::clicked_at,
    ruling::{Ruling, end_of_wait},
};
use crate::domain::{Cause, Mode, Platform, State, account::Credit};

/// What one ad account brings forward.
struct Claim {
    platform: Platform,
    is_shadow: bool,
    what: Merit,
}

#[derive(Clone, Copy)]
enum Merit {
    /// A click of this time.
    Click(DateTime<Utc>),
    /// It waits for a click until then.
    MayCome(DateTime<Utc>),
}

/// Takes the sale from the ad accounts whose credit goes to the latest click and whose platform did not bring it. While another platform's ad
/// account waits for a click, so do they.
pub(super) fn give(parts: &mut [Part<'_>], now: DateTime<Utc>) {
    if parts
        .iter()
        .all(|part| part.account.rules.credit == Credit::EveryPlatform)
    {
        return;
    }
    let claims: Vec<Claim> = parts.iter().filter_map(|part| claim(part, now)).collect();
    for part in parts {
        // One that waits for its own click may yet have the latest.
        let is_open = is_on_its_way(part) && part.ruling.cause != Some(Cause::WaitingForClick);
        if part.account.rules.credit == Credit::LatestClick
            && is_open
            && let Some(ruling) = judged(part, &claims, now)
        {
            part.ruling = ruling;
        }
    }
}

/// What goes out, or would if the ad account were not in shadow mode.
fn is_on_its_way(part: &Part<'_>) -> bool {
    matches!(part.ruling.state, State::Queued | State::Waiting) || part.ruling.cause == Some(Cause::Shadow)
}

fn claim(part: &Part<'_>, now: DateTime<Utc>) -> Option<Claim> {
    let what = match (&part.dispatch.click, part.ruling.cause, part.ruling.due) {
        (None, Some(Cause::WaitingForClick), Some(due)) => Merit::MayCome(due),
        (Some(click), ..) if is_on_its_way(part) => Merit::Click(clicked_at(click)),
        _ => return None,
    };
    Some(Claim {
        platform: part.account.platform,
        is_shadow: part.account.mode_at(now) == Mode::Shadow,
        what,
    })
}

fn judged(part: &Part<'_>, claims: &[Claim], now: DateTime<Utc>) -> Option<Ruling> {
    let is_shadow = part.account.mode_at(now) == Mode::Shadow;
    // What goes out is never given away to what does not.
    let others = claims
        .iter()
        .filter(|claim| claim.platform != part.account.platform && (is_shadow || !claim.is_shadow));
    let mine = part
        .dispatch
        .click
        .as_ref()
        .map(|click| (clicked_at(click), part.account.platform));
    let mut wait = None;
    for other in others {
        match other.what {
            // At the same time the platforms' order decides, so that exactly one gets it.
            Merit::Click(at) if mine.is_none_or(|mine| (at, other.platform) > mine) => {
                return Some(Ruling::not_sent(Cause::CreditElsewhere));
            }
            Merit::Click(_) => {}
            Merit::MayCome(due) => wait = wait.max(Some(due)),
        }
    }
    let due = end_of_wait(wait?, &part.dispatch, now)?;
    Some(Ruling::waiting(due, Cause::WaitingForClick))
}

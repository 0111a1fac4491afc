//! The answer: which interface gave it, and what is read the same way at both.

use super::{ads_api, codes::Meaning, data_manager};
use crate::{
    domain::{Account, Classification, Dispatch, Mode, Outcome, account::Transport},
    platform::Answer,
};

/// Says what an answer means.
pub(super) fn classify(answer: &Answer, dispatches: &[&Dispatch], account: &Account) -> Classification {
    match account.rules.transport {
        Transport::DataManager => data_manager::classify(answer, dispatches, account),
        Transport::AdsApi => ads_api::classify(answer, dispatches, account),
    }
}

/// What an answer without a body of Google's means. A 401 may come without one and says enough all the same.
pub(super) fn without_body(answer: &Answer, dispatches: usize) -> Classification {
    let outcome = answer.without_platform_body();
    if answer.status == 401 {
        let verdict = Meaning::Reauthenticate.verdict(None);
        return Classification::Reauthenticate(Outcome { verdict, ..outcome });
    }
    Classification::Each(vec![outcome; dispatches])
}

/// Says whether the status tells of success.
pub(super) const fn is_success(answer: &Answer) -> bool {
    answer.status >= 200 && answer.status <= 299
}

/// Says whether the request was only validated, so that the answer names neither results nor a receipt.
pub(super) fn is_test(account: &Account) -> bool {
    account.rules.mode == Mode::Test
}

//! What the tests of this folder share, and the tests of the whole.

use chrono::{DateTime, Utc};

use super::*;
use crate::domain::{Account, AccountId, ClientId, Platform, account::AccountRules};

/// An ad account that takes everything.
pub(super) fn account(platform: Platform) -> Account {
    Account {
        id: AccountId(1),
        client: ClientId::parse("acme").unwrap(),
        name: platform.to_string(),
        platform,
        destination: "1234567890".to_owned(),
        login: "agency".to_owned(),
        rules: AccountRules::default(),
        removed: false,
    }
}

#[test]
fn a_time_is_rfc_3339_or_unix_seconds() {
    let at: DateTime<Utc> = "2026-11-21T09:00:00Z".parse().unwrap();

    assert_eq!(moment("2026-11-21T10:00:00+01:00"), Ok(at));
    assert_eq!(moment(&at.timestamp().to_string()), Ok(at));
    assert!(moment("yesterday").is_err() && moment("99999999999999999").is_err());
}

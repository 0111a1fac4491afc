//! Logins: `[login.agency-meta]`.

use std::collections::BTreeMap;

use super::{
    error::{Place, Problems},
    section::Section,
    values,
};
use crate::domain::{Login, Platform, account::Credential, secret::SecretRef};

/// The words for platforms.
pub(super) const PLATFORMS: [(&str, Platform); 3] = [
    ("meta", Platform::Meta),
    ("google", Platform::Google),
    ("tiktok", Platform::Tiktok),
];

/// A login as one file says it.
pub(super) struct LoginDraft {
    pub name: String,
    place: Place,
    platform: Option<Platform>,
    credential: Option<Credential>,
    manager: Option<String>,
    app_secret: Option<SecretRef>,
    quota: Option<String>,
}

impl LoginDraft {
    /// Reads a login's table.
    pub fn read(mut section: Section<'_>) -> Self {
        let name = section.name().to_owned();
        if !(1..=64).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            section.wrong("the login's name must be 1 to 64 visible ASCII characters");
        }
        let credential = credential(&mut section);
        let draft = Self {
            place: section.place().clone(),
            name,
            platform: section.take("platform", values::word(&PLATFORMS)),
            credential,
            manager: section.take("manager", values::digits(10..=10)),
            app_secret: section.take("app_secret", values::secret),
            quota: section.take("quota", values::text),
        };
        section.finish();
        draft
    }

    /// The login, given the platforms of the ad accounts that use it (each with one such ad account).
    pub fn finish(&self, users: &BTreeMap<Platform, String>, problems: &Problems) -> Option<Login> {
        let credential = self.credential.clone()?;
        let platform = self.the_platform(&credential, users, problems)?;
        for (user, account) in users.iter().filter(|(user, _)| **user != platform) {
            let message = format!(
                "is a login at {}, but {account} at {} uses it; each platform needs a login of its own",
                platform.title(),
                user.title()
            );
            problems.add(&self.place, message);
        }
        let of_google = platform == Platform::Google;
        if !of_google && (self.manager.is_some() || self.quota.is_some()) {
            problems.add(&self.place, "manager and quota are for logins at Google");
        }
        if platform != Platform::Meta && self.app_secret.is_some() {
            problems.add(&self.place, "app_secret is for logins at Meta");
        }
        Some(Login {
            name: self.name.clone(),
            platform,
            credential,
            manager: self.manager.clone(),
            app_secret: self.app_secret.clone(),
            quota: self.quota.clone(),
            revision: 1,
        })
    }

    fn the_platform(
        &self,
        credential: &Credential,
        users: &BTreeMap<Platform, String>,
        problems: &Problems,
    ) -> Option<Platform> {
        let is_token = matches!(credential, Credential::Token(_));
        match (is_token, self.platform) {
            (false, None | Some(Platform::Google)) => Some(Platform::Google),
            (false, Some(_)) => {
                problems.add(
                    &self.place,
                    "service_account and refresh_token are for Google; others take token",
                );
                None
            }
            (true, Some(Platform::Google)) => {
                problems.add(&self.place, "Google takes service_account or refresh_token, not token");
                None
            }
            (true, Some(platform)) => Some(platform),
            (true, None) => {
                let platform = users.keys().copied().find(|platform| *platform != Platform::Google);
                if platform.is_none() {
                    let message = match users.get(&Platform::Google) {
                        Some(account) => format!(
                            "{account} at Google uses it: Google takes service_account or refresh_token, not token"
                        ),
                        None => {
                            "no ad account uses it, so say whose it is: platform = \"meta\" or \"tiktok\"".to_owned()
                        }
                    };
                    problems.add(&self.place, message);
                }
                platform
            }
        }
    }
}

fn credential(section: &mut Section<'_>) -> Option<Credential> {
    let is_there = ["token", "service_account", "refresh_token"].map(|key| section.has(key));
    let token = section.take("token", values::secret);
    let service_account = section.take("service_account", values::secret);
    let refresh_token = section.take("refresh_token", values::secret);
    match is_there {
        [true, false, false] => token.map(Credential::Token),
        [false, true, false] => service_account.map(Credential::ServiceAccount),
        [false, false, true] => refresh_token.map(Credential::RefreshToken),
        _ => {
            section.wrong("must have one of token (Meta, TikTok), service_account (Google) and refresh_token (Google)");
            None
        }
    }
}

//! Ad accounts: `[client.acme.meta]`, or any other name with a `platform`.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::{
    client::ClientDraft,
    error::{Place, Problems},
    login::PLATFORMS,
    rules::RuleLayer,
    section::Section,
    values,
};
use crate::domain::{Login, Mode, Platform, account::WithoutClick, desired::DesiredAccount, spelling::closest};

/// An ad account as one file says it.
pub(super) struct AccountDraft {
    pub place: Place,
    pub name: String,
    pub platform: Option<Platform>,
    pub destination: Option<String>,
    pub login: Option<String>,
    rules: RuleLayer,
    test_code: Option<String>,
    manager: Option<String>,
    actions: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    waba: Option<String>,
}

impl AccountDraft {
    /// Reads an ad account's table.
    pub fn read(mut section: Section<'_>) -> Self {
        let name = section.name().to_owned();
        let platform = platform(&mut section, &name);
        if !section.has("login") {
            section.wrong("needs login: which of the logins serves it");
        }
        let login = section.take("login", values::text);
        if let Some(platform) = platform {
            refuse_keys_of_others(&mut section, platform);
        }
        if platform == Some(Platform::Google) && !section.has("actions") {
            section.wrong(
                "needs actions: which conversion action counts which events, such as actions = { Purchase = \"987\" }",
            );
        }
        let destination = platform.and_then(|platform| destination(&mut section, platform));
        let draft = Self {
            place: section.place().clone(),
            name,
            platform,
            destination,
            login,
            rules: RuleLayer::read(&mut section),
            test_code: section.take("test_code", values::text),
            manager: section.take("manager", values::digits(10..=10)),
            variables: section
                .take("variables", values::by_name(|| values::text))
                .unwrap_or_default(),
            actions: section
                .take("actions", values::by_name(|| values::digits(1..=20)))
                .unwrap_or_default(),
            waba: section.take("waba", values::digits(5..=20)),
        };
        // Without a platform nobody asked for them, and they are no mistake.
        for key in ["pixel", "dataset", "customer"] {
            let _ = section.take(key, |_| Ok(()));
        }
        section.finish();
        draft
    }

    /// The ad account as it should be, below the rules of its client; `None` if something of it is wrong.
    pub fn finish(
        &self,
        client: &ClientDraft,
        layer: &RuleLayer,
        logins: &BTreeMap<String, Login>,
        problems: &Problems,
    ) -> Option<DesiredAccount> {
        let platform = self.platform?;
        let layers = layer.overridden_by(&self.rules);
        // Said further up, it is about WhatsApp datasets: Meta recognises the repetitions of all others.
        let after_ambiguity = match self.waba {
            Some(_) => layers.after_ambiguity,
            None => self.rules.after_ambiguity,
        };
        let mut rules = layers.rules_at(platform);
        rules.after_ambiguity = after_ambiguity.unwrap_or_default();
        if self.rules.without_click.is_some_and(|rule| rule != WithoutClick::Skip) && platform == Platform::Google {
            problems.add(
                &self.place,
                "without_click must be \"skip\" at Google: it takes nothing without a click",
            );
        }
        if rules.mode == Mode::Test && self.test_code.is_none() && platform != Platform::Google {
            let message = format!(
                "needs test_code for mode = \"test\": without it {} would count what is sent",
                platform.title()
            );
            problems.add(&self.place, message);
        }
        let login = logins.get(self.login.as_deref()?)?;
        rules.test_code = self.test_code.clone();
        rules.actions = self.actions.clone();
        rules.variables = self.variables.clone();
        rules.waba = self.waba.clone();
        rules.manager = self.manager.clone().or_else(|| login.manager.clone());
        Some(DesiredAccount {
            client: client.client.as_ref()?.id.clone(),
            name: self.name.clone(),
            platform,
            destination: self.destination.clone()?,
            login: login.name.clone(),
            rules,
        })
    }
}

fn platform(section: &mut Section<'_>, name: &str) -> Option<Platform> {
    let by_name: Option<Platform> = name.parse().ok();
    let is_given = section.has("platform");
    let given = section.take("platform", values::word(&PLATFORMS));
    match (given, by_name) {
        (Some(given), Some(by_name)) if given != by_name => {
            section.wrong(format!(
                "is called {by_name} and has platform = \"{given}\"; give it another name"
            ));
            None
        }
        (None, None) if !is_given => {
            let names = PLATFORMS.iter().map(|(word, _)| *word);
            section.wrong(match closest(name, names) {
                Some(likely) => {
                    format!("is the name of no platform; did you mean \"{likely}\"? Or add platform = \"{likely}\"")
                }
                None => "needs platform = \"meta\", \"google\" or \"tiktok\", for its name is none of these".to_owned(),
            });
            None
        }
        (given, by_name) => given.or(by_name.filter(|_| !is_given)),
    }
}

/// Keys that only some platforms know, in the words of an error.
fn refuse_keys_of_others(section: &mut Section<'_>, platform: Platform) {
    use Platform::{Google, Meta, Tiktok};
    const KEYS: [(&str, &[Platform], &str); 13] = [
        ("pixel", &[Meta, Tiktok], "is for Meta and TikTok; Google has customer"),
        ("dataset", &[Meta], "is for Meta; TikTok has pixel, Google has customer"),
        (
            "customer",
            &[Google],
            "is for Google; Meta has pixel or dataset, TikTok has pixel",
        ),
        (
            "actions",
            &[Google],
            "is for Google; `events` and `rename` choose and name events elsewhere",
        ),
        (
            "variables",
            &[Google],
            "is for Google; Meta and TikTok get what `custom` holds",
        ),
        ("manager", &[Google], "is for Google"),
        ("transport", &[Google], "is for Google"),
        ("transaction_id", &[Google], "is for Google"),
        ("waba", &[Meta], "is for Meta"),
        ("partner_agent", &[Meta], "is for Meta"),
        (
            "after_ambiguity",
            &[Meta],
            "is for Meta; the others recognise what is sent again",
        ),
        (
            "max_age",
            &[Tiktok],
            "is for TikTok; the others say themselves what is too old",
        ),
        (
            "test_code",
            &[Meta, Tiktok],
            "is for Meta and TikTok; Google checks without it",
        ),
    ];
    for (key, platforms, message) in KEYS {
        if !platforms.contains(&platform) {
            section.refuse(key, message);
        }
    }
}

fn destination(section: &mut Section<'_>, platform: Platform) -> Option<String> {
    let is_given = |section: &Section<'_>| ["pixel", "dataset", "customer"].map(|key| section.has(key));
    match (platform, is_given(section)) {
        (Platform::Meta, [true, true, _]) => {
            section.wrong("has pixel and dataset; they are two names for one thing, so give one");
            None
        }
        (Platform::Meta, [true, ..]) => section.take("pixel", values::digits(10..=20)),
        (Platform::Meta, [_, true, _]) => section.take("dataset", values::digits(10..=20)),
        (Platform::Google, [.., true]) => section.take("customer", values::digits(10..=10)),
        (Platform::Tiktok, [true, ..]) => section.take("pixel", pixel_code),
        (Platform::Meta, _) => {
            section.wrong("needs pixel, or dataset: where to send at Meta");
            None
        }
        (Platform::Google, _) => {
            section.wrong("needs customer: where to send at Google, such as \"123-456-7890\"");
            None
        }
        (Platform::Tiktok, _) => {
            section.wrong("needs pixel: where to send at TikTok");
            None
        }
    }
}

fn pixel_code(value: &DeValue<'_>) -> Result<String, String> {
    let wrong = || "must be TikTok's pixel code: 10 to 32 capital letters and digits, in quotes".to_owned();
    let code = values::text(value).map_err(|_| wrong())?;
    let is_code = (10..=32).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_code.then_some(code).ok_or_else(wrong)
}

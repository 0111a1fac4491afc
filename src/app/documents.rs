//! The documents that are made from the code: the messages' JSON Schemas and the list of causes. A test compares them with what is committed.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context as _;

use crate::{
    domain::{Cause, Who},
    roles::gateway::openapi,
    wire::schema,
};

/// The one source of the causes; its comments hold what the enum does not: which causes belong together.
const CAUSES: &str = include_str!("../../schemas/causes.toml");

const CAUSES_HEAD: &str = "\
# Causes

Every reason that conversion-relay gives, in audit, metrics and dead letters by the same name. Written by `make schemas` from
`schemas/causes.toml`. Words in capitals are filled in where a cause is shown: PLATFORM, CLIENT, ACCOUNT, LOGIN, DETAIL.

Who acts: *you* run the relay, the *client* is the advertiser, the *developer* publishes the events, the *platform* is Meta, Google or TikTok.
";

/// A file that is made from the code.
pub struct Document {
    /// From the repository's root.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// All of them.
pub fn all() -> Vec<Document> {
    let schemas = schema::documents().into_iter().map(|(name, schema)| Document {
        path: format!("schemas/messages/{name}"),
        text: format!("{schema:#}\n"),
    });
    let causes = Document {
        path: "docs/CAUSES.md".to_owned(),
        text: causes(),
    };
    let openapi = Document {
        path: "schemas/openapi.json".to_owned(),
        text: format!("{:#}\n", openapi::document()),
    };
    schemas.chain([causes, openapi]).collect()
}

/// Writes them below the repository's root; gives back the paths of those that have changed.
pub(super) fn write(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut changed = Vec::new();
    for document in all() {
        let path = root.join(&document.path);
        if fs::read_to_string(&path).is_ok_and(|text| text == document.text) {
            continue;
        }
        fs::write(&path, &document.text).with_context(|| format!("write {}", document.path))?;
        changed.push(document.path);
    }
    Ok(changed)
}

/// `docs/CAUSES.md`.
fn causes() -> String {
    let mut text = CAUSES_HEAD.to_owned();
    for line in CAUSES.lines() {
        // Writing to a string cannot fail.
        if let Some(group) = line.strip_prefix("# ----") {
            let (title, rest) = title_of(group.trim_matches(['-', ' ']));
            let _ = write!(text, "\n## {title}\n");
            let _ = rest.map(|rest| write!(text, "\n{rest}\n"));
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let cause: Cause = name.parse().expect("the enum is made from the same file");
            let _ = write!(
                text,
                "\n### {name}\n\n{}\n{}\n",
                filled(cause.sentence()),
                advice(cause)
            );
        }
    }
    text
}

/// `failed: someone can repair it` as a title and a sentence.
fn title_of(group: &str) -> (String, Option<String>) {
    let (title, rest) = match group.split_once(": ").or_else(|| group.split_once("; ")) {
        Some((title, rest)) => (title, Some(format!("{}.", capital(rest)))),
        None => (group, None),
    };
    (capital(title), rest)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn filled(text: &str) -> String {
    ["platform", "client", "account", "login", "detail"]
        .iter()
        .fold(text.to_owned(), |text, name| {
            text.replace(&format!("{{{name}}}"), &name.to_uppercase())
        })
}

fn advice(cause: Cause) -> String {
    let action = filled(cause.action());
    match (cause.who(), action.strip_prefix("Nothing")) {
        // "Nothing." or "Nothing; that other thing would change it."
        (Who::Nobody, Some(rest)) => format!("Nobody needs to act{rest}"),
        (Who::Nobody, None) => format!("Nobody needs to act. {action}"),
        (who, _) => format!("**{}**: {action}", capital(who.as_str())),
    }
}

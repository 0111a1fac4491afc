//! The documents that `make schemas` writes.

use std::{collections::BTreeSet, fs, path::Path};

use conversion_relay::{app::documents, domain::Cause};
use serde_json::Value;

use crate::file;

#[test]
fn what_is_committed_is_what_the_code_says() {
    for document in documents::all() {
        let committed = file(&document.path);
        let is_same = match (
            document.path.ends_with(".json"),
            serde_json::from_str::<Value>(&committed),
        ) {
            // As JSON: the order of the keys may depend on what else is compiled in.
            (true, Ok(committed)) => committed == serde_json::from_str::<Value>(&document.text).unwrap(),
            _ => committed == document.text,
        };
        assert!(
            is_same,
            "{} is not what the code says: run `make schemas`",
            document.path
        );
    }
}

#[test]
fn no_schema_lies_there_that_nothing_is_made_from() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/messages");
    let found: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| format!("schemas/messages/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    let made: BTreeSet<String> = documents::all()
        .into_iter()
        .map(|document| document.path)
        .filter(|path| path.starts_with("schemas/messages/"))
        .collect();

    assert_eq!(found, made);
}

#[test]
fn every_cause_stands_in_the_list_with_its_advice() {
    let text = file("docs/CAUSES.md");

    for cause in Cause::ALL {
        assert!(text.contains(&format!("\n### {cause}\n")), "{cause}");
    }
    assert!(!text.contains('{'), "a placeholder is left");
}

//! Writes the enum `Cause` from `schemas/causes.toml`, its one source.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

#[derive(serde::Deserialize)]
struct Entry {
    sentence: String,
    who: String,
    action: String,
}

fn main() {
    println!("cargo::rerun-if-changed=schemas/causes.toml");
    println!("cargo::rerun-if-changed=schemas/postgres");
    let text = fs::read_to_string("schemas/causes.toml").expect("schemas/causes.toml is readable");
    // TOML tables come back sorted; the order of the file is the order in which people read the causes.
    let order: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'))
        .collect();
    let entries: BTreeMap<String, Entry> =
        toml::from_str(&text).expect("schemas/causes.toml: each cause has sentence, who and action");
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("causes.rs");
    fs::write(out, generate(&order, &entries)).expect("OUT_DIR is writable");
}

fn generate(order: &[&str], entries: &BTreeMap<String, Entry>) -> String {
    let mut variants = String::new();
    let mut all = String::new();
    let mut facts = String::new();
    for name in order {
        let entry = &entries[*name];
        let variant = camel_case(name);
        let who = camel_case(&entry.who);
        write!(variants, "/// {}\n{variant},\n", entry.sentence).expect("writing to a String");
        write!(all, "Cause::{variant}, ").expect("writing to a String");
        writeln!(
            facts,
            "Cause::{variant} => CauseFacts {{ name: {name:?}, sentence: {:?}, who: Who::{who}, action: {:?} }},",
            entry.sentence, entry.action
        )
        .expect("writing to a String");
    }
    format!(
        "/// Why a conversion stands where it stands: a closed list, the same word everywhere.\n\
         #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]\npub enum Cause {{\n{variants}}}\n\
         impl Cause {{\n/// Every cause, in the order of `schemas/causes.toml`.\npub const ALL: &'static [Cause] = &[{all}];\n\
         const fn facts(self) -> CauseFacts {{ match self {{\n{facts}}} }}\n}}\n"
    )
}

fn camel_case(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect()
}

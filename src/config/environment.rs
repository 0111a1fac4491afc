//! Where variables come from: the process, or a table in a test.

use std::collections::BTreeMap;

/// A set of environment variables.
pub trait Environment {
    /// All of them, by name.
    fn variables(&self) -> BTreeMap<String, String>;
}

/// The variables of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variables(&self) -> BTreeMap<String, String> {
        // What is not UTF-8 comes out visibly broken and then fails its own check, instead of being passed over.
        std::env::vars_os()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .collect()
    }
}

impl<const N: usize> Environment for [(&str, &str); N] {
    fn variables(&self) -> BTreeMap<String, String> {
        self.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }
}

impl Environment for BTreeMap<String, String> {
    fn variables(&self) -> BTreeMap<String, String> {
        self.clone()
    }
}

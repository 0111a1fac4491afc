//! The mappings that come with the relay, in the notation of the accounts file: one defined there under the same name goes before.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use crate::{
    domain::{Directory, mapping::Mapping},
    wire::accounts_file::{self, SourceFile},
};

/// Their names.
pub const NAMES: [&str; 4] = ["generic", "hubspot", "shopify", "stripe"];

/// Their files, in the order of their names.
const FILES: [&str; 4] = [
    include_str!("../../../schemas/mappings/generic.toml"),
    include_str!("../../../schemas/mappings/hubspot.toml"),
    include_str!("../../../schemas/mappings/shopify.toml"),
    include_str!("../../../schemas/mappings/stripe.toml"),
];

static MAPPINGS: LazyLock<BTreeMap<String, Arc<Mapping>>> = LazyLock::new(|| {
    let files = NAMES.iter().zip(FILES).map(|(name, text)| SourceFile {
        name: format!("{name}.toml"),
        text: text.to_owned(),
    });
    let files: Vec<SourceFile> = files.collect();
    let desired = accounts_file::parse(&files).expect("the mappings that come with the relay are well written");
    let mappings = desired.mappings.into_iter();
    mappings.map(|(name, mapping)| (name, Arc::new(mapping))).collect()
});

/// The mapping of this name that comes with the relay.
pub fn builtin(name: &str) -> Option<Arc<Mapping>> {
    MAPPINGS.get(name).cloned()
}

/// How it is written, for copying and changing.
pub fn text(name: &str) -> Option<&'static str> {
    let index = NAMES.iter().position(|known| *known == name)?;
    FILES.get(index).copied()
}

/// The mapping that this name means: the directory's own, else the one that comes with the relay.
pub fn lookup(directory: &Directory, name: &str) -> Option<Arc<Mapping>> {
    directory.mapping(name).cloned().or_else(|| builtin(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::directory::DirectoryParts;

    #[test]
    fn every_mapping_that_comes_with_the_relay_is_well_written() {
        for name in NAMES {
            assert!(
                builtin(name).is_some_and(|mapping| !mapping.events.is_empty()),
                "{name}"
            );
            assert!(text(name).is_some_and(|text| text.contains(&format!("[[mapping.{name}.event]]"))));
        }
        assert_eq!(builtin("whatsapp"), None);
    }

    #[test]
    fn the_accounts_file_s_own_mapping_goes_before() {
        let directory = Directory::new(DirectoryParts {
            mappings: vec![("stripe".to_owned(), Mapping::default())],
            ..DirectoryParts::default()
        });

        assert_eq!(lookup(&directory, "stripe").as_deref(), Some(&Mapping::default()));
        assert_eq!(lookup(&directory, "shopify"), builtin("shopify"));
        assert_eq!(lookup(&directory, "unheard-of"), None);
    }
}

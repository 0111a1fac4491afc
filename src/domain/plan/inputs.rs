//! What changes of mappings and inputs.

use std::sync::Arc;

use super::Change;
use crate::domain::{desired::DesiredDirectory, directory::Directory, mapping::Input};

pub(super) fn mapping_changes(desired: &DesiredDirectory, current: &Directory) -> Vec<Change> {
    let changes = desired
        .mappings
        .iter()
        .filter_map(|(name, to)| match current.mapping(name) {
            None => Some(Change::AddMapping(name.clone(), to.clone())),
            Some(from) if **from == *to => None,
            Some(from) => Some(Change::ChangeMapping {
                name: name.clone(),
                from: Arc::clone(from),
                to: to.clone(),
            }),
        });
    changes.collect()
}

pub(super) fn input_changes(desired: &DesiredDirectory, current: &Directory) -> Vec<Change> {
    let standing = |name: &str| current.inputs().iter().find(|input| input.name == name);
    let changes = desired
        .inputs
        .values()
        .filter_map(|to: &Input| match standing(&to.name) {
            None => Some(Change::AddInput(to.clone())),
            Some(from) if from == to => None,
            Some(from) => Some(Change::ChangeInput {
                from: from.clone(),
                to: to.clone(),
            }),
        });
    changes.collect()
}

/// What stands and is not wanted; inputs first, for they use mappings.
pub(super) fn unlisted(desired: &DesiredDirectory, current: &Directory) -> impl Iterator<Item = Change> {
    let inputs = current
        .inputs()
        .iter()
        .filter(|input| !desired.inputs.contains_key(&input.name))
        .map(|input| Change::RemoveInput(input.clone()));
    let mappings = current
        .mappings()
        .filter(|(name, _)| !desired.mappings.contains_key(*name))
        .map(|(name, _)| Change::RemoveMapping(name.to_owned()));
    inputs.chain(mappings)
}

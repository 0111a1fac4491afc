//! Reads the files of accounts: one, or all of a folder.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::ConsoleError;
use crate::{
    domain::desired::DesiredDirectory,
    wire::accounts_file::{SourceFile, parse},
};

/// Reads a file, or every file of a folder that ends in `.toml`, as one.
pub(super) fn read(path: &Path) -> Result<DesiredDirectory, ConsoleError> {
    let paths = if path.is_dir() {
        in_folder(path)?
    } else {
        vec![path.to_owned()]
    };
    let files = paths.iter().map(|path| {
        let text = std::fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
        let name = path.display().to_string();
        Ok(SourceFile { name, text })
    });
    let files = files.collect::<Result<Vec<_>, ConsoleError>>()?;
    parse(&files).map_err(ConsoleError::Files)
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, ConsoleError> {
    let entries = std::fs::read_dir(folder).map_err(|source| unreadable(folder, source))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| unreadable(folder, source))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(ConsoleError::NoFiles(folder.to_owned()));
    }
    paths.sort();
    Ok(paths)
}

fn unreadable(path: &Path, source: io::Error) -> ConsoleError {
    ConsoleError::Read {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_folder_count_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("logins.toml", "[login.m]\ntoken = 'env:META'");
        write("acme.toml", "[client.acme.meta]\nlogin = 'm'\npixel = '1234567890'");
        write("notes.txt", "not TOML at all");

        let desired = read(folder.path()).unwrap();

        assert_eq!(desired.accounts.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();

        let missing = read(&folder.path().join("none.toml")).unwrap_err();
        let empty = read(folder.path()).unwrap_err();

        assert!(missing.to_string().contains("none.toml"), "{missing}");
        assert!(matches!(empty, ConsoleError::NoFiles(_)), "{empty}");
    }
}

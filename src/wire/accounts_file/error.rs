//! What is wrong with the files: each with its place, all together.

use std::{cell::RefCell, fmt};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct AccountsFileError {
    /// Where.
    pub place: Place,
    /// What is wrong and what was expected; never a secret.
    pub message: String,
}

/// Every mistake, in the order of files and lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountsFileErrors(pub Vec<AccountsFileError>);

impl fmt::Display for AccountsFileErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.iter();
        if let Some(first) = lines.next() {
            write!(formatter, "{first}")?;
        }
        lines.try_for_each(|error| write!(formatter, "\n{error}"))
    }
}

impl std::error::Error for AccountsFileErrors {}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The table or key, such as `client.acme.meta.pixel`; empty for the file itself.
    pub path: String,
}

impl Place {
    /// File and line alone.
    pub fn line(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.line())?;
        if self.path.is_empty() {
            return Ok(());
        }
        write!(formatter, ": {}", self.path)
    }
}

/// Gathers mistakes while reading goes on.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<AccountsFileError>>);

impl Problems {
    pub fn add(&self, place: &Place, message: impl Into<String>) {
        self.0.borrow_mut().push(AccountsFileError {
            place: place.clone(),
            message: message.into(),
        });
    }

    /// Fails if there was any.
    pub fn check(&self) -> Result<(), AccountsFileErrors> {
        let mut errors = self.0.borrow().clone();
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by(|one, other| one.place.cmp(&other.place));
        Err(AccountsFileErrors(errors))
    }
}

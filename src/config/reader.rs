//! Reads single variables, and gathers everything that is wrong with them.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr, time::Duration};

use secrecy::SecretString;
use url::Url;

use super::{
    environment::Environment,
    variables::{VARIABLES, Variable, is_foreign},
};
use crate::domain::spelling::closest;

/// One variable that is wrong. It never holds the value: that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: String,
    /// What is wrong, or what was expected.
    pub problem: String,
}

/// Everything that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables = if self.0.len() == 1 { "variable" } else { "variables" };
        write!(
            formatter,
            "{} environment {variables} must be corrected (.env.example explains each)",
            self.0.len()
        )?;
        for error in &self.0 {
            write!(formatter, "\n  {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Hands out variables in types, with the defaults of [`VARIABLES`]. A method gives `None` after it has noted an error.
#[derive(Debug)]
pub struct Reader {
    variables: BTreeMap<String, String>,
    errors: Vec<ConfigError>,
}

impl Reader {
    /// Takes the relay's variables out of an environment. Blank ones count as absent: compose files and charts leave such.
    pub fn new(environment: &impl Environment) -> Self {
        let variables = environment
            .variables()
            .into_iter()
            .filter(|(name, value)| (name.starts_with("RELAY_") || is_known(name)) && !value.trim().is_empty())
            .collect();
        let mut reader = Self {
            variables,
            errors: Vec::new(),
        };
        reader.find_unknown();
        reader
    }

    /// Gives the value, or everything that was wrong.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, ConfigErrors> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(ConfigErrors(self.errors)),
        }
    }

    /// Notes that a variable is wrong. The problem must not hold its value.
    pub fn wrong(&mut self, name: &str, problem: impl Into<String>) {
        self.errors.push(ConfigError {
            name: name.to_owned(),
            problem: problem.into(),
        });
    }

    /// The variable's text, else its default; `None` if it has neither.
    pub fn optional(&mut self, name: &'static str) -> Option<String> {
        let default = variable(name).and_then(|variable| variable.default);
        self.given(name).or_else(|| default.map(str::to_owned))
    }

    /// The variable's text; an error if there is none.
    pub fn required(&mut self, name: &'static str) -> Option<String> {
        let about = variable(name).map_or("", |variable| variable.about);
        let count = self.errors.len();
        let text = self.optional(name);
        if text.is_none() && self.errors.len() == count {
            self.wrong(name, format!("is missing: {about}"));
        }
        text
    }

    /// A secret that must be there.
    pub fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        self.required(name).map(SecretString::from)
    }

    /// A value with a default, read by its own `FromStr`.
    pub fn parsed<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        self.checked(name, expected, |text| text.parse().ok())
    }

    /// A value with a default, read by a function that gives `None` for what cannot be.
    pub fn checked<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.required(name)?;
        let value = read(text.trim());
        if value.is_none() {
            self.wrong(name, format!("expected {expected}"));
        }
        value
    }

    /// A whole number that is at least 1.
    pub fn count(&mut self, name: &'static str) -> Option<usize> {
        self.checked(name, "a whole number from 1 to 1000000", |text| {
            text.parse().ok().filter(|number| (1..=1_000_000).contains(number))
        })
    }

    /// A length of time that is not zero.
    pub fn duration(&mut self, name: &'static str) -> Option<Duration> {
        self.checked(name, "a length of time such as 500ms, 30s, 15m or 3h", |text| {
            humantime::parse_duration(text).ok().filter(|length| !length.is_zero())
        })
    }

    /// A file that exists, if one is named.
    pub fn file(&mut self, name: &'static str) -> Option<PathBuf> {
        let path = PathBuf::from(self.optional(name)?);
        if path.is_file() {
            return Some(path);
        }
        self.wrong(name, "names a file that is not there");
        None
    }

    /// The file that the `_FILE` form names, where the file itself is wanted and not what it holds now.
    pub fn file_form(&self, name: &'static str) -> Option<PathBuf> {
        self.variables.get(&format!("{name}_FILE")).map(PathBuf::from)
    }

    /// A web address without a slash at the end, if one is given.
    pub fn web_address(&mut self, name: &'static str) -> Option<String> {
        let text = self.optional(name)?;
        let is_valid = Url::parse(text.trim())
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none());
        if !is_valid {
            self.wrong(name, "expected an address such as https://host:port");
            return None;
        }
        Some(text.trim().trim_end_matches('/').to_owned())
    }

    /// The text that is set, be it in the file that the `_FILE` form names.
    fn given(&mut self, name: &'static str) -> Option<String> {
        let text = self.variables.get(name).cloned();
        let file_name = format!("{name}_FILE");
        let has_file_form = variable(name).is_some_and(|variable| variable.has_file_form);
        let Some(path) = self.variables.get(&file_name).filter(|_| has_file_form).cloned() else {
            return text;
        };
        if text.is_some() {
            self.wrong(&file_name, format!("{name} is set as well; only one of them can hold"));
            return None;
        }
        match std::fs::read_to_string(path) {
            Ok(content) if !content.trim().is_empty() => Some(content.trim_end_matches(['\r', '\n']).to_owned()),
            Ok(_) => {
                self.wrong(&file_name, "names a file that is empty");
                None
            }
            Err(error) => {
                self.wrong(
                    &file_name,
                    format!("names a file that cannot be read: {}", error.kind()),
                );
                None
            }
        }
    }

    fn find_unknown(&mut self) {
        let unknown: Vec<String> = self
            .variables
            .iter()
            .filter(|(name, value)| !is_known(name) && !is_foreign(name, value))
            .map(|(name, _)| name.clone())
            .collect();
        for name in unknown {
            let problem = match likely(&name) {
                Some(likely) => format!("is not known; did you mean {likely}?"),
                None => "is not known; variables that a login's secret lies in must not begin with RELAY_".to_owned(),
            };
            self.wrong(&name, problem);
        }
    }
}

fn variable(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

fn is_known(name: &str) -> bool {
    let of_file_form = |name| variable(name).is_some_and(|variable| variable.has_file_form);
    variable(name).is_some() || name.strip_suffix("_FILE").is_some_and(of_file_form)
}

fn likely(name: &str) -> Option<&'static str> {
    // Without the prefix that all have in common, and that makes all alike.
    let own_part = |name: &'static str| name.strip_prefix("RELAY_").unwrap_or(name);
    let given = name.strip_prefix("RELAY_").unwrap_or(name);
    let found = closest(given, VARIABLES.iter().map(|variable| own_part(variable.name)))?;
    VARIABLES
        .iter()
        .map(|variable| variable.name)
        .find(|name| own_part(name) == found)
}

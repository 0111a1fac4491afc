//! Who a Google request comes from: access tokens, scopes and the quota of the Cloud project.
use chrono::{DateTime, Utc};

use super::errors;
use crate::answer::Answer;
use crate::call::Call;
use crate::settings::{Access, GoogleSettings, Settings};
use crate::world::World;

pub const DATA_MANAGER_SCOPE: &str = "https://www.googleapis.com/auth/datamanager";
pub const ADS_SCOPE: &str = "https://www.googleapis.com/auth/adwords";
/// How the access tokens of this simulator begin; one that begins so and is unknown is not good.
pub const TOKEN_PREFIX: &str = "ya29.simulated-";

/// An access token that was handed out.
#[derive(Debug)]
pub struct Issued {
    /// The refresh token or the service account's e-mail.
    pub login: String,
    pub project: String,
    pub scopes: Vec<String>,
    pub expires_at: DateTime<Utc>,
}

/// Requests of a project in the current minute and day.
#[derive(Debug, Default)]
pub struct Usage {
    minute: (i64, u32),
    day: (i64, u32),
}

/// Whose request it is.
#[derive(Debug)]
pub struct Caller {
    token: String,
    login: Option<String>,
    pub project: String,
}

impl Caller {
    /// Whether the token, and the login that it was issued to, reach the customer.
    pub fn reaches(&self, settings: &Settings, customer: &str) -> bool {
        let names = self.login.iter().chain(std::iter::once(&self.token));
        names
            .map(|name| settings.access(name, customer))
            .all(|access| access == Access::Granted)
    }
}

/// Finds the caller and checks that the token is good for the scope.
pub fn caller(world: &World, settings: &Settings, call: &Call, scope: &str) -> Result<Caller, Answer> {
    let token = call.bearer().ok_or_else(errors::unauthenticated)?;
    let google = world.google();
    let issued = google.issued.get(token);
    let (login, project) = match issued {
        Some(issued) if issued.expires_at > call.received_at => (Some(issued.login.clone()), issued.project.clone()),
        Some(_) => return Err(errors::unauthenticated()),
        None if token.starts_with(TOKEN_PREFIX) => return Err(errors::unauthenticated()),
        None => (None, "default".to_owned()),
    };
    let rules: Vec<_> = login
        .iter()
        .map(String::as_str)
        .chain([token])
        .filter_map(|name| settings.tokens.get(name))
        .collect();
    if rules.iter().any(|rule| !rule.valid) {
        return Err(errors::unauthenticated());
    }
    let granted = |scopes: &[String]| scopes.iter().any(|one| one == scope);
    let is_granted = issued.is_none_or(|issued| granted(&issued.scopes))
        && rules.iter().all(|rule| rule.scopes.as_deref().is_none_or(granted));
    if !is_granted {
        let service = if scope == ADS_SCOPE {
            "googleads.googleapis.com"
        } else {
            "datamanager.googleapis.com"
        };
        return Err(errors::scope_insufficient(service));
    }
    Ok(Caller {
        token: token.to_owned(),
        login,
        project,
    })
}

/// Charges one request to the project; `Err` holds the seconds until there is quota again.
pub fn charge(world: &World, settings: &GoogleSettings, project: &str, now: DateTime<Utc>) -> Result<(), u64> {
    if settings.requests_per_minute.is_none() && settings.requests_per_day.is_none() {
        return Ok(());
    }
    let mut google = world.google();
    let usage = google.usage.entry(project.to_owned()).or_default();
    let now = now.timestamp();
    let minute = spend(&mut usage.minute, now, 60, settings.requests_per_minute);
    let day = spend(&mut usage.day, now, 86_400, settings.requests_per_day);
    minute.and(day)
}

fn spend(window: &mut (i64, u32), now: i64, seconds: i64, limit: Option<u32>) -> Result<(), u64> {
    let Some(limit) = limit else { return Ok(()) };
    let start = now - now.rem_euclid(seconds);
    if window.0 != start {
        *window = (start, 0);
    }
    if window.1 >= limit {
        return Err(u64::try_from(start + seconds - now).unwrap_or(1));
    }
    window.1 += 1;
    Ok(())
}

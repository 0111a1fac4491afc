//! Times as people read them: in a client's time zone, as short as they are clear.

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;

use crate::domain::account::Client;

/// The time zone of a screen, and its now.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zone: Option<Tz>,
    now: DateTime<Utc>,
}

impl Clock {
    /// The time zone of these clients if they share one, else UTC.
    pub fn of_clients<'a>(clients: impl IntoIterator<Item = Option<&'a Client>>, now: DateTime<Utc>) -> Self {
        let mut zones = clients
            .into_iter()
            .map(|client| client.and_then(|client| client.timezone.as_deref()?.parse().ok()));
        let first: Option<Tz> = zones.next().flatten();
        let zone = first.filter(|first| zones.all(|zone| zone == Some(*first)));
        Self { zone, now }
    }

    /// Now.
    pub fn now(self) -> DateTime<Utc> {
        self.now
    }

    /// The zone's name: `Europe/Berlin`, `UTC`.
    pub fn zone_name(self) -> &'static str {
        self.tz().name()
    }

    /// Whether no client's time zone is meant, so that the screen must say which one is.
    pub fn is_fallback(self) -> bool {
        self.zone.is_none()
    }

    /// `09:17` today, `27 Nov 09:17` this year, `3 Jan 2027 09:17` otherwise.
    pub fn short(self, at: DateTime<Utc>) -> String {
        let form = if self.is_today(at) { "%H:%M" } else { self.dated(at) };
        self.show(at, form)
    }

    /// `27 Nov 09:17`, with the year if it is another.
    pub fn with_date(self, at: DateTime<Utc>) -> String {
        self.show(at, self.dated(at))
    }

    /// `27 Nov 09:17:05`, with the year if it is another.
    pub fn exact(self, at: DateTime<Utc>) -> String {
        format!("{}{}", self.with_date(at), self.show(at, ":%S"))
    }

    /// Says whether a time is of today.
    pub fn is_today(self, at: DateTime<Utc>) -> bool {
        at.with_timezone(&self.tz()).date_naive() == self.now.with_timezone(&self.tz()).date_naive()
    }

    fn dated(self, at: DateTime<Utc>) -> &'static str {
        let is_this_year = at.with_timezone(&self.tz()).year() == self.now.with_timezone(&self.tz()).year();
        if is_this_year {
            "%-d %b %H:%M"
        } else {
            "%-d %b %Y %H:%M"
        }
    }

    fn show(self, at: DateTime<Utc>, form: &str) -> String {
        at.with_timezone(&self.tz()).format(form).to_string()
    }

    fn tz(self) -> Tz {
        self.zone.unwrap_or(Tz::UTC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ClientId;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn client(timezone: Option<&str>) -> Client {
        Client {
            id: ClientId::parse("acme").unwrap(),
            name: "ACME".to_owned(),
            country: None,
            currency: None,
            timezone: timezone.map(str::to_owned),
            webhooks: Default::default(),
        }
    }

    #[test]
    fn a_zone_holds_only_if_all_clients_share_it() {
        let berlin = client(Some("Europe/Berlin"));
        let kolkata = client(Some("Asia/Kolkata"));
        let none = client(None);
        let now = at("2026-11-21T12:00:00Z");
        let cases: [(&[Option<&Client>], &str); 5] = [
            (&[Some(&berlin), Some(&berlin)], "Europe/Berlin"),
            (&[Some(&berlin), Some(&kolkata)], "UTC"),
            (&[Some(&berlin), Some(&none)], "UTC"),
            (&[None], "UTC"),
            (&[], "UTC"),
        ];
        for (clients, expected) in cases {
            let clock = Clock::of_clients(clients.iter().copied(), now);
            assert_eq!(clock.zone_name(), expected);
            assert_eq!(clock.is_fallback(), expected == "UTC");
        }
    }

    #[test]
    fn a_time_is_as_short_as_it_is_clear() {
        // 23:30 UTC is the next day in Berlin already.
        let clock = Clock::of_clients([Some(&client(Some("Europe/Berlin")))], at("2026-11-21T23:30:00Z"));

        assert_eq!(clock.short(at("2026-11-21T23:10:00Z")), "00:10");
        assert_eq!(clock.short(at("2026-11-21T22:10:00Z")), "21 Nov 23:10");
        assert_eq!(clock.short(at("2027-01-02T23:10:00Z")), "3 Jan 2027 00:10");
        assert_eq!(clock.exact(at("2026-11-21T23:10:07Z")), "22 Nov 00:10:07");
    }

    #[test]
    fn summer_time_is_minded() {
        let clock = Clock::of_clients([Some(&client(Some("Europe/Berlin")))], at("2026-07-01T12:00:00Z"));

        assert_eq!(clock.short(at("2026-07-01T12:00:00Z")), "14:00");
        assert_eq!(clock.short(at("2026-01-01T12:00:00Z")), "1 Jan 13:00");
    }
}

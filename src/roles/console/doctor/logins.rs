//! Logins: can each one's secret be read from here? What it holds is not shown, and no platform is asked.

use secrecy::{ExposeSecret, SecretString};

use super::{Finding, why};
use crate::{
    domain::{Directory, Login, account::Credential},
    platform::google::oauth::Grant,
    secrets::Secrets,
};

pub(super) async fn look(directory: &Directory, secrets: &Secrets) -> Vec<Finding> {
    let mut findings = Vec::new();
    for login in directory.logins() {
        let subject = format!("login {}", login.name);
        findings.push(match problem(login, secrets).await {
            None => Finding::ok(subject, "its secret can be read"),
            Some(problem) => Finding::wrong(
                subject,
                format!("{problem}. Put the secret where the login says it is, or correct that with `accounts apply`"),
            ),
        });
    }
    findings
}

async fn problem(login: &Login, secrets: &Secrets) -> Option<String> {
    let (Credential::Token(reference) | Credential::ServiceAccount(reference) | Credential::RefreshToken(reference)) =
        &login.credential;
    let secret = match secrets.resolve(reference).await {
        Ok(secret) => secret,
        Err(failure) => return Some(why(&failure)),
    };
    if let Some(app_secret) = &login.app_secret
        && let Err(failure) = secrets.resolve(app_secret).await
    {
        return Some(format!("app secret: {}", why(&failure)));
    }
    let grant = match &login.credential {
        Credential::Token(_) => return misshapen(&secret),
        Credential::ServiceAccount(_) => Grant::service_account(&secret),
        Credential::RefreshToken(_) => Grant::refresh_token(&secret),
    };
    grant.err().map(|failure| why(&failure))
}

/// A token that no header can hold was copied with something around it.
fn misshapen(token: &SecretString) -> Option<String> {
    let is_clean = token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic());
    (!is_clean).then(|| "its token holds blanks or other characters that no token has".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_with_something_around_it_is_told_without_showing_it() {
        assert_eq!(misshapen(&"EAABtoken".into()), None);
        let problem = misshapen(&"EAABtoken\n".into()).unwrap();
        assert!(!problem.contains("EAAB"), "{problem}");
    }
}

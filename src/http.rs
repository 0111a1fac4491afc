//! HTTP to the platforms: sends a request with its token, reads a bounded answer, and tells whether bytes may have left us. The only place that
//! knows reqwest.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, StatusCode,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
    redirect::Policy,
};
use secrecy::{ExposeSecret, SecretString};

use crate::platform::{
    Answer, Request,
    request::{Method, TokenHeader},
};

/// The most that is read of an answer, in bytes; a platform that says more has said enough.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The way to the platforms; cheap to clone.
#[derive(Clone)]
pub struct Http {
    client: Client,
    timeout: Duration,
}

/// What a login proves itself with.
#[derive(Clone, Debug)]
pub struct Access {
    /// The access token.
    pub token: SecretString,
    /// The proof that whoever uses the token knows its app's secret, where the login has one.
    pub proof: Option<SecretString>,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The answer, or why there is none.
    pub result: Result<Answer, NoAnswer>,
    /// From the first byte out to the last byte in.
    pub duration: Duration,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// No connection came about: nothing was sent.
    #[error("no connection")]
    NotSent,
    /// The connection broke or the time ran out: the platform may have taken it.
    #[error("no answer")]
    Ambiguous,
}

/// The client could not be made, or a token does not fit into a header.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Without a TLS provider or system certificates there is no HTTPS.
    #[error("make the HTTP client")]
    Client(#[source] reqwest::Error),
}

impl Http {
    /// Makes the client. `timeout` is for a whole exchange; connecting may take a quarter of it.
    pub fn new(timeout: Duration) -> Result<Self, HttpError> {
        let client = Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout / 4)
            // A redirect would resend personal data somewhere nobody has chosen.
            .redirect(Policy::none())
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .user_agent(concat!("conversion-relay/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(HttpError::Client)?;
        Ok(Self { client, timeout })
    }

    /// The time that an exchange may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a request and reads the answer. A token that no header can hold counts as not sent.
    pub async fn send(&self, request: &Request, access: &Access) -> Exchange {
        let started = Instant::now();
        let result = self.exchange(request, access).await;
        Exchange {
            result,
            duration: started.elapsed(),
        }
    }

    /// Posts a form, for token endpoints.
    pub async fn post_form(&self, url: &str, body: &SecretString) -> Exchange {
        let started = Instant::now();
        let request = self
            .client
            .post(url)
            .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.expose_secret().to_owned());
        let result = read(request.send().await).await;
        Exchange {
            result,
            duration: started.elapsed(),
        }
    }

    /// Reads a JSON document of the broker's management interface or the like; `url` may hold a user and a password.
    pub async fn get(&self, url: &str) -> Exchange {
        let started = Instant::now();
        let result = read(self.client.get(url).send().await).await;
        Exchange {
            result,
            duration: started.elapsed(),
        }
    }

    async fn exchange(&self, request: &Request, access: &Access) -> Result<Answer, NoAnswer> {
        let url = match (request.token, &access.proof) {
            // Hexadecimal: nothing of it needs escaping.
            (TokenHeader::BearerWithProof(parameter), Some(proof)) => {
                &format!("{}?{parameter}={}", request.url, proof.expose_secret())
            }
            _ => &request.url,
        };
        let mut builder = match request.method {
            Method::Post => self.client.post(url).body(request.body.clone()),
            Method::Get => self.client.get(url),
        };
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let token = &access.token;
        let (name, value) = match request.token {
            TokenHeader::Bearer | TokenHeader::BearerWithProof(_) => {
                (AUTHORIZATION, format!("Bearer {}", token.expose_secret()))
            }
            TokenHeader::AccessToken => (
                HeaderName::from_static("access-token"),
                token.expose_secret().to_owned(),
            ),
        };
        let mut value = HeaderValue::from_str(&value).map_err(|_| NoAnswer::NotSent)?;
        value.set_sensitive(true);
        read(builder.header(name, value).send().await).await
    }
}

async fn read(response: Result<reqwest::Response, reqwest::Error>) -> Result<Answer, NoAnswer> {
    let mut response = response.map_err(|error| no_answer(&error))?;
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let mut body = BytesMut::new();
    while body.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            // A refusal that breaks off is still a refusal by its status; a success that breaks off proves nothing.
            Err(_) if status >= StatusCode::BAD_REQUEST.as_u16() => break,
            Err(_) => return Err(NoAnswer::Ambiguous),
        }
    }
    body.truncate(ANSWER_BYTES_MAX);
    Ok(Answer {
        status,
        headers,
        body: Bytes::from(body),
    })
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    // A name that does not resolve is a connect error for reqwest, too.
    if error.is_connect() || error.is_builder() {
        NoAnswer::NotSent
    } else {
        NoAnswer::Ambiguous
    }
}

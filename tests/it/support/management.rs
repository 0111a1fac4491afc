//! RabbitMQ's management API, as tests use it.

use reqwest::{Client, Method};
use serde_json::Value;
use url::Url;

/// The management API of one broker.
#[derive(Clone)]
pub struct Management {
    client: Client,
    base: Url,
}

impl Management {
    /// The API at an address with user and password, such as `http://relay:secret@127.0.0.1:15672`.
    pub fn at(url: &str) -> Self {
        let base = url.parse().expect("RELAY_MANAGEMENT_URL is a URL");
        Management {
            client: Client::new(),
            base,
        }
    }

    /// Sends a request; panics with the broker's words if it is refused. `path` comes after `/api/`, encoded already.
    pub async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut url = self.base.clone();
        let password = url.password().map(ToOwned::to_owned);
        let user = url.username().to_owned();
        url.set_username("")
            .and_then(|()| url.set_password(None))
            .expect("an http address has room for a user");
        url.set_path(&format!("/api/{path}"));
        let mut request = self.client.request(method.clone(), url).basic_auth(user, password);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

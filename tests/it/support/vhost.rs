//! A vhost for one test, made for it and removed after it.

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::management::Management;

/// A vhost of the broker at `RELAY_AMQP_URL`, removed with everything in it when it is dropped.
pub struct Vhost {
    /// The `amqp://` address of the vhost.
    pub url: String,
    name: String,
    management: Management,
}

impl Vhost {
    /// Makes one; panics, saying what is missing, without `RELAY_AMQP_URL` and `RELAY_MANAGEMENT_URL`.
    pub async fn create() -> Vhost {
        Vhost::create_on(&variable("RELAY_AMQP_URL"), &variable("RELAY_MANAGEMENT_URL")).await
    }

    /// Makes one on the broker at these addresses.
    pub async fn create_on(amqp: &str, management: &str) -> Vhost {
        let name = format!("test-{}", Uuid::new_v4().simple());
        let mut url: Url = amqp.parse().expect("RELAY_AMQP_URL is a URL");
        let user = url.username().to_owned();
        url.set_path(&name);
        let management = Management::at(management);
        management.request(Method::PUT, &format!("vhosts/{name}"), None).await;
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        management
            .request(Method::PUT, &format!("permissions/{name}/{user}"), Some(all))
            .await;
        Vhost {
            url: url.to_string(),
            name,
            management,
        }
    }
}

impl Vhost {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The management API of its broker.
    pub fn management(&self) -> &Management {
        &self.management
    }

    /// What the management API says of a queue. Its numbers are up to five seconds old.
    pub async fn queue(&self, queue: &str) -> Value {
        let path = format!("queues/{}/{queue}", self.name);
        self.management.request(Method::GET, &path, None).await
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        let (management, path) = (self.management.clone(), format!("vhosts/{}", self.name));
        // A thread with a runtime of its own: the test's runtime cannot be waited for from inside it.
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime
                .expect("a runtime")
                .block_on(management.request(Method::DELETE, &path, None));
        });
        // A broker that the test has killed took the vhost with it.
        let _ = removing.join();
    }
}

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `make test`, or `scripts/with-services dev -- cargo test`"))
}

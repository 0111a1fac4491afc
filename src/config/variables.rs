//! The list of variables: name, default and meaning of each; `.env.example` says the same.

/// One variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What holds where it is not set.
    pub default: Option<&'static str>,
    /// What it means.
    pub about: &'static str,
    /// Whether `NAME_FILE` may name a file that holds the value.
    pub has_file_form: bool,
}

const fn set(name: &'static str, default: &'static str, about: &'static str) -> Variable {
    Variable {
        name,
        default: Some(default),
        about,
        has_file_form: false,
    }
}

const fn unset(name: &'static str, about: &'static str) -> Variable {
    Variable {
        name,
        default: None,
        about,
        has_file_form: false,
    }
}

const fn secret(name: &'static str, about: &'static str) -> Variable {
    Variable {
        name,
        default: None,
        about,
        has_file_form: true,
    }
}

/// Every variable that the relay reads, in the order of `.env.example`.
pub const VARIABLES: &[Variable] = &[
    secret(
        "RELAY_AMQP_URL",
        "where RabbitMQ is, such as amqps://user:password@host:5671/vhost; several nodes with commas between them",
    ),
    unset(
        "RELAY_AMQP_CA",
        "file with the certificate authority of RabbitMQ, in PEM; none: the system's",
    ),
    set(
        "RELAY_TOPOLOGY_PREFIX",
        "conversions",
        "what the names of exchanges and queues begin with",
    ),
    unset(
        "RELAY_MANAGEMENT_URL",
        "RabbitMQ's management interface, such as http://user:password@host:15672; only `doctor` and `dead` ask it",
    ),
    secret(
        "RELAY_DATABASE_URL",
        "where Postgres is, such as postgres://user:password@host:5432/database?sslmode=require",
    ),
    unset(
        "RELAY_DATABASE_CA",
        "file with the certificate authority of Postgres, in PEM; none: the system's",
    ),
    set(
        "RELAY_DATABASE_CONNECTIONS",
        "16",
        "the most connections to Postgres at a time",
    ),
    secret(
        "RELAY_IDENTITY_KEY",
        "key for the hashes by which people's conversions are found, at least 16 characters; older keys behind a comma",
    ),
    secret(
        "RELAY_SEAL_KEY",
        "key for secrets that lie sealed in Postgres (db:), 32 bytes in base64: openssl rand -base64 32",
    ),
    unset(
        "RELAY_VAULT_ADDR",
        "where Vault is, for secrets of the kind vault:; wins over VAULT_ADDR",
    ),
    secret(
        "RELAY_VAULT_TOKEN",
        "Vault's token; wins over VAULT_TOKEN; the file of the _FILE form is read anew each time",
    ),
    unset("RELAY_VAULT_NAMESPACE", "Vault's namespace; wins over VAULT_NAMESPACE"),
    unset(
        "RELAY_VAULT_CA",
        "file with the certificate authority of Vault, in PEM; wins over VAULT_CACERT",
    ),
    unset("VAULT_ADDR", "where Vault is, as Vault's own tools have it"),
    unset("VAULT_TOKEN", "Vault's token, as Vault's own tools have it"),
    unset("VAULT_NAMESPACE", "Vault's namespace, as Vault's own tools have it"),
    unset(
        "VAULT_CACERT",
        "file with the certificate authority of Vault, as Vault's own tools have it",
    ),
    set(
        "RELAY_ADMIN_ADDRESS",
        "127.0.0.1:9464",
        "where /metrics, /healthz and /readyz are",
    ),
    set(
        "RELAY_GATEWAY_ADDRESS",
        "127.0.0.1:8080",
        "where `run --role gateway` takes events and webhooks",
    ),
    unset(
        "RELAY_GATEWAY_PUBLIC_URL",
        "how others reach the gateway, such as https://relay.example; HubSpot's signatures need it",
    ),
    set(
        "RELAY_GATEWAY_RATE",
        "100",
        "how many requests a second one key may make; as many may come at once",
    ),
    set(
        "RELAY_LOG",
        "info",
        "what is logged: error, warn, info, debug, or such as info,conversion_relay::roles=debug",
    ),
    set("RELAY_LOG_FORMAT", "json", "json or text"),
    unset(
        "RELAY_META_URL",
        "where Meta is, if elsewhere than usual: for tests and demonstrations",
    ),
    set("RELAY_META_VERSION", "v26.0", "version of Meta's Graph API"),
    unset(
        "RELAY_GOOGLE_URL",
        "where Google's Data Manager API is, if elsewhere than usual",
    ),
    unset(
        "RELAY_GOOGLE_ADS_URL",
        "where the Google Ads API is, if elsewhere than usual",
    ),
    unset(
        "RELAY_GOOGLE_ADS_VERSION",
        "version of the Google Ads API, if another than the built-in one, such as v26",
    ),
    unset(
        "RELAY_GOOGLE_TOKEN_URL",
        "where Google gives out access tokens, if elsewhere than usual",
    ),
    unset("RELAY_TIKTOK_URL", "where TikTok is, if elsewhere than usual"),
    set(
        "RELAY_GOOGLE_QUOTA_PER_MINUTE",
        "300",
        "requests a minute that Google takes from one Cloud project, all workers together; 0: they are not counted",
    ),
    set(
        "RELAY_GOOGLE_QUOTA_PER_DAY",
        "100000",
        "the same for a day; 0: as many as the minutes take",
    ),
    set("RELAY_HTTP_TIMEOUT", "20s", "how long a platform may take to answer"),
    set(
        "RELAY_LEASE",
        "90s",
        "how long a sender holds what it has claimed; more than twice RELAY_HTTP_TIMEOUT",
    ),
    set(
        "RELAY_PREFETCH",
        "400",
        "how many messages a lane holds unacknowledged, from 1 to 65535",
    ),
    set(
        "RELAY_RETRY_BASE",
        "5s",
        "how long the first wait after a failed attempt is; each further one is twice as long",
    ),
    set("RELAY_RETRY_CAP", "3h", "how long such a wait is at most"),
    set(
        "RELAY_KEEPER_INTERVAL",
        "1s",
        "how often the keeper looks for what is due",
    ),
    set(
        "RELAY_WAKE_RATE",
        "500",
        "how many conversions a second the keeper wakes at most",
    ),
    set(
        "RELAY_SILENCE",
        "15m",
        "after which time without news a conversion is published again",
    ),
    set(
        "RELAY_PROBE_INTERVAL",
        "5m",
        "how often a pause is tried with one conversion",
    ),
    set(
        "RELAY_SHUTDOWN_DEADLINE",
        "25s",
        "how long the process may take to stop",
    ),
    set(
        "RELAY_DIRECTORY_INTERVAL",
        "1s",
        "how often a worker looks for changed clients, ad accounts and logins",
    ),
    set(
        "RELAY_CLICKS_KEPT",
        "90d",
        "how long an ad click is remembered for the people who clicked",
    ),
];

/// Says whether a variable in the relay's space is set by others and no mistake: by our scripts and tests, or by Kubernetes beside a
/// service called `relay` or `relay-something`.
/// <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>
pub(super) fn is_foreign(name: &str, value: &str) -> bool {
    const OF_SCRIPTS: [&str; 10] = [
        "RELAY_SERVICES",
        "RELAY_INSTANCES",
        "RELAY_TEST_",
        "RELAY_SIMULATOR_",
        "RELAY_DEMO_",
        "RELAY_RABBITMQ",
        "RELAY_POSTGRES_",
        "RELAY_AMQP_PORT",
        "RELAY_MANAGEMENT_PORT",
        "RELAY_ACCOUNTS_FILE",
    ];
    let is_link = value.starts_with("tcp://") || value.starts_with("udp://");
    let of_kubernetes = name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT") && is_link
        || name.contains("_PORT_") && (name.contains("_TCP") || name.contains("_UDP"));
    of_kubernetes || OF_SCRIPTS.iter().any(|prefix| name.starts_with(prefix))
}

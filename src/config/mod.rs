//! The configuration: read from the environment once, checked whole, plain data from then on.

mod broker;
mod database;
mod environment;
mod gateway;
mod keys;
mod log;
mod pace;
mod platforms;
mod reader;
mod variables;
mod vault;

pub use self::{
    broker::BrokerConfig,
    database::DatabaseConfig,
    environment::{Environment, ProcessEnvironment},
    gateway::GatewayConfig,
    keys::{KeysConfig, seal_key},
    log::{LogConfig, LogFormat},
    pace::{PaceConfig, QuotaConfig},
    platforms::PlatformsConfig,
    reader::{ConfigError, ConfigErrors, Reader},
    variables::{VARIABLES, Variable},
    vault::{VaultConfig, VaultToken},
};

use std::net::SocketAddr;

/// Everything that `run` needs. A command that needs less reads only its parts: see [`read`].
#[derive(Clone, Debug)]
pub struct Config {
    /// RabbitMQ.
    pub broker: BrokerConfig,
    /// Postgres.
    pub database: DatabaseConfig,
    /// Keys that hash and seal.
    pub keys: KeysConfig,
    /// Vault, if there is one.
    pub vault: Option<VaultConfig>,
    /// Where the platforms are, if elsewhere than usual.
    pub platforms: PlatformsConfig,
    /// How fast, how often, how long.
    pub pace: PaceConfig,
    /// What is logged.
    pub log: LogConfig,
    /// `RELAY_ADMIN_ADDRESS`: where `/metrics`, `/healthz` and `/readyz` are.
    pub admin_address: SocketAddr,
    /// The gateway.
    pub gateway: GatewayConfig,
}

impl Config {
    /// Reads all of it; the error lists every key that is wrong, and no value that may be a secret.
    pub fn from_env(environment: &impl Environment) -> Result<Self, ConfigErrors> {
        read(environment, Self::read)
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        // Each part is read before any is found missing, so that all errors come out together.
        let broker = BrokerConfig::read(reader);
        let database = DatabaseConfig::read(reader);
        let keys = KeysConfig::read(reader);
        let vault = VaultConfig::read(reader);
        let platforms = PlatformsConfig::read(reader);
        let pace = PaceConfig::read(reader);
        let log = LogConfig::read(reader);
        let admin_address = reader.parsed("RELAY_ADMIN_ADDRESS", "an address and port such as 127.0.0.1:9464");
        let gateway = GatewayConfig::read(reader);
        Some(Self {
            broker: broker?,
            database: database?,
            keys: keys?,
            vault,
            platforms: platforms?,
            pace: pace?,
            log: log?,
            admin_address: admin_address?,
            gateway: gateway?,
        })
    }
}

/// Reads one part of the configuration, such as `read(&environment, DatabaseConfig::read)`. Unknown variables are errors all the same.
pub fn read<T>(environment: &impl Environment, part: impl FnOnce(&mut Reader) -> Option<T>) -> Result<T, ConfigErrors> {
    let mut reader = Reader::new(environment);
    let value = part(&mut reader);
    reader.finish(value)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use secrecy::ExposeSecret;

    use super::*;

    const NEEDED: [(&str, &str); 3] = [
        ("RELAY_AMQP_URL", "amqp://guest:guest@127.0.0.1/%2f"),
        ("RELAY_DATABASE_URL", "postgres://relay:pw@127.0.0.1/relay"),
        ("RELAY_IDENTITY_KEY", "0123456789abcdef"),
    ];

    fn with(more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut variables = NEEDED.variables();
        variables.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        variables
    }

    fn problems(environment: &impl Environment) -> Vec<String> {
        let ConfigErrors(errors) = Config::from_env(environment).unwrap_err();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn three_variables_are_enough_and_the_rest_has_safe_defaults() {
        let config = Config::from_env(&NEEDED).unwrap();

        assert_eq!(config.broker.prefix, "conversions");
        assert_eq!(config.database.connections, 16);
        assert_eq!(config.admin_address.to_string(), "127.0.0.1:9464");
        assert_eq!(config.gateway.address.to_string(), "127.0.0.1:8080");
        assert_eq!(config.gateway.rate.get(), 100);
        assert_eq!(config.pace.lease, Duration::from_secs(90));
        assert_eq!(config.pace.prefetch, 400);
        assert_eq!(config.pace.retry_cap, Duration::from_secs(3 * 3600));
        assert_eq!(config.platforms.meta_version, "v26.0");
        assert!(config.vault.is_none() && config.keys.seal.is_none());
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let problems = problems(&[
            ("RELAY_DATABASE_URL", "mysql://x"),
            ("RELAY_PREFETCH", "0"),
            ("RELAY_HTTP_TIMEOUT", "20"),
            ("RELAY_LOG_FORMAT", "xml"),
            ("RELAY_ADMIN_ADDRESS", "localhost"),
            ("RELAY_GATEWAY_ADDRESS", "8080"),
            ("RELAY_GATEWAY_PUBLIC_URL", "relay.example"),
            ("RELAY_GATEWAY_RATE", "0"),
            ("RELAY_SEAL_KEY", "c2hvcnQ="),
            ("RELAY_AMQP_CA", "/nowhere/ca.pem"),
        ]);

        let names: Vec<&str> = problems.iter().map(|p| p.split(':').next().unwrap()).collect();
        assert_eq!(
            names,
            [
                "RELAY_AMQP_URL",
                "RELAY_AMQP_CA",
                "RELAY_DATABASE_URL",
                "RELAY_IDENTITY_KEY",
                "RELAY_SEAL_KEY",
                "RELAY_HTTP_TIMEOUT",
                "RELAY_PREFETCH",
                "RELAY_LOG_FORMAT",
                "RELAY_ADMIN_ADDRESS",
                "RELAY_GATEWAY_ADDRESS",
                "RELAY_GATEWAY_PUBLIC_URL",
                "RELAY_GATEWAY_RATE",
            ]
        );
    }

    #[test]
    fn no_error_holds_the_value_of_a_secret() {
        let wrong: BTreeMap<String, String> = VARIABLES
            .iter()
            .map(|variable| (variable.name.to_owned(), "hunter2 hunter2".to_owned()))
            .chain([("RELAY_TOKEN".to_owned(), "hunter2".to_owned())])
            .collect();

        let errors = Config::from_env(&wrong).unwrap_err();

        assert!(errors.0.len() > 20, "{errors}");
        assert!(!format!("{errors} {errors:?}").contains("hunter2"), "{errors}");
    }

    #[test]
    fn debug_output_of_the_configuration_holds_no_secret() {
        let config = Config::from_env(&with(&[
            ("RELAY_MANAGEMENT_URL", "http://user:hunter2@host:15672"),
            ("VAULT_ADDR", "http://127.0.0.1:8200"),
            ("VAULT_TOKEN", "hunter2"),
            ("RELAY_IDENTITY_KEY", "hunter2hunter2hunter2"),
            ("RELAY_AMQP_URL", "amqp://user:hunter2@host"),
            ("RELAY_DATABASE_URL", "postgres://user:hunter2@host/db"),
        ]))
        .unwrap();

        let shown = format!("{config:?}");

        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_mistyped_variable_is_an_error_that_names_the_likely_one() {
        let problems = problems(&with(&[("RELAY_HTTP_TIMOUT", "5s"), ("RELAY_WHATEVER_ELSE", "x")]));

        assert_eq!(
            problems,
            [
                "RELAY_HTTP_TIMOUT: is not known; did you mean RELAY_HTTP_TIMEOUT?",
                "RELAY_WHATEVER_ELSE: is not known; variables that a login's secret lies in must not begin with RELAY_",
            ]
        );
    }

    #[test]
    fn what_kubernetes_and_the_scripts_set_is_no_mistake() {
        let environment = with(&[
            ("RELAY_SERVICE_HOST", "10.0.0.1"),
            ("RELAY_SERVICE_PORT_ADMIN", "9464"),
            ("RELAY_PORT", "tcp://10.0.0.1:9464"),
            ("RELAY_PORT_9464_TCP_ADDR", "10.0.0.1"),
            ("RELAY_INSTANCES", "somewhere"),
        ]);

        assert!(Config::from_env(&environment).is_ok());
        assert_eq!(problems(&with(&[("RELAY_ADMIN_PORT", "9464")])).len(), 1);
    }

    #[test]
    fn a_secret_may_lie_in_a_file_and_never_in_two_places() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        std::fs::write(&path, "postgres://a:b@c/d\n").unwrap();
        let path = path.to_str().unwrap();
        let mut variables = with(&[("RELAY_DATABASE_URL_FILE", path)]);

        let both = problems(&variables);
        variables.remove("RELAY_DATABASE_URL");
        let config = Config::from_env(&variables).unwrap();

        assert_eq!(config.database.url.expose_secret(), "postgres://a:b@c/d");
        assert_eq!(
            both,
            ["RELAY_DATABASE_URL_FILE: RELAY_DATABASE_URL is set as well; only one of them can hold"]
        );
    }

    #[test]
    fn a_file_form_exists_only_for_secrets() {
        assert_eq!(problems(&with(&[("RELAY_PREFETCH_FILE", "/nowhere/x")])).len(), 1);
    }

    #[test]
    fn lengths_of_time_fit_each_other() {
        let problems = problems(&with(&[
            ("RELAY_HTTP_TIMEOUT", "45s"),
            ("RELAY_RETRY_CAP", "1s"),
            ("RELAY_SILENCE", "60s"),
        ]));

        let names: Vec<&str> = problems.iter().map(|p| p.split(':').next().unwrap()).collect();
        assert_eq!(names, ["RELAY_LEASE", "RELAY_RETRY_CAP", "RELAY_SILENCE"]);
    }

    #[test]
    fn the_relays_own_name_of_a_vault_setting_wins() {
        let config = Config::from_env(&with(&[
            ("VAULT_ADDR", "http://one:8200"),
            ("VAULT_TOKEN", "one"),
            ("RELAY_VAULT_ADDR", "http://two:8200/"),
        ]))
        .unwrap();

        let vault = config.vault.unwrap();
        assert_eq!(vault.address, "http://two:8200");
        assert!(matches!(vault.token, VaultToken::Text(token) if token.expose_secret() == "one"));
    }

    #[test]
    fn several_nodes_and_several_identity_keys_stand_with_commas_between_them() {
        let config = Config::from_env(&with(&[
            ("RELAY_AMQP_URL", "amqp://a, amqps://b:5671/v"),
            ("RELAY_IDENTITY_KEY", "0123456789abcdef,fedcba9876543210"),
        ]))
        .unwrap();

        assert_eq!(config.broker.urls[1].expose_secret(), "amqps://b:5671/v");
        assert_eq!(config.keys.identity.len(), 2);
        assert_eq!(
            problems(&with(&[("RELAY_IDENTITY_KEY", "0123456789abcdef,short")])).len(),
            1
        );
    }

    #[test]
    fn a_command_that_needs_only_the_database_asks_for_no_more() {
        let environment = [("RELAY_DATABASE_URL", "postgres://relay:pw@127.0.0.1/relay")];

        assert!(read(&environment, DatabaseConfig::read).is_ok());
    }

    /// `.env.example` is what `VARIABLES` says, line for line.
    #[test]
    fn the_example_file_holds_every_variable_with_its_default_and_nothing_else() {
        let expected: String = VARIABLES
            .iter()
            .map(|variable| {
                let file_form = if variable.has_file_form {
                    format!("; or {}_FILE", variable.name)
                } else {
                    String::new()
                };
                let default = variable.default.unwrap_or_default();
                format!("# {}{file_form}\n# {}={default}\n", variable.about, variable.name)
            })
            .collect();

        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example");
        let text = std::fs::read_to_string(path).unwrap();
        let (_, listed) = text.split_once("\n\n").unwrap();

        assert_eq!(
            listed, expected,
            "write this into .env.example below its head:\n{expected}"
        );
    }
}

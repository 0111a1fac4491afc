//! Reads the directory whole, and tells its version.

use tokio_postgres::{IsolationLevel, Row, Transaction};

use super::{
    pauses,
    pool::{Store, StoreError},
    row::Columns,
};
pub use crate::domain::Directory;
use crate::domain::{
    Account, AccountId, Client, ClientId, Login,
    account::SecretRef,
    api_key::ApiKey,
    directory::DirectoryParts,
    mapping::{Input, Mapping},
};

impl Store {
    /// The version of the directory that stands now: it counts up with every change, pauses included.
    pub async fn directory_version(&self) -> Result<i64, StoreError> {
        let rows = self
            .client()
            .await?
            .query_typed("SELECT version FROM directory_version", &[])
            .await?;
        version(&rows)
    }

    /// The whole directory, as of one moment.
    pub async fn directory(&self) -> Result<Directory, StoreError> {
        let mut client = self.client().await?;
        let transaction = client
            .build_transaction()
            // All tables as of one moment: the version belongs to what is read with it.
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let parts = read(&transaction).await?;
        transaction.commit().await?;
        Ok(Directory::new(parts))
    }
}

async fn read(transaction: &Transaction<'_>) -> Result<DirectoryParts, StoreError> {
    let version_rows = transaction
        .query_typed("SELECT version FROM directory_version", &[])
        .await?;
    let clients = transaction
        .query_typed(
            "SELECT id, name, country, currency, timezone, webhooks FROM clients WHERE removed_at IS NULL",
            &[],
        )
        .await?;
    let logins = transaction
        .query_typed(
            "SELECT name, platform, credential, manager, app_secret, quota, revision FROM logins WHERE removed_at IS NULL",
            &[],
        )
        .await?;
    let accounts = transaction
        .query_typed(
            "SELECT id, client_id, name, platform, destination, login, rules, removed_at IS NOT NULL AS removed FROM ad_accounts",
            &[],
        )
        .await?;
    let pauses = transaction.query_typed(pauses::SELECT, &[]).await?;
    let mappings = transaction
        .query_typed("SELECT name, definition FROM mappings WHERE removed_at IS NULL", &[])
        .await?;
    let inputs = transaction
        .query_typed(
            "SELECT name, queue, mapping, client_id FROM inputs WHERE removed_at IS NULL",
            &[],
        )
        .await?;
    let keys = transaction
        .query_typed("SELECT id, client_id, hash FROM api_keys WHERE revoked_at IS NULL", &[])
        .await?;
    Ok(DirectoryParts {
        version: version(&version_rows)?,
        clients: clients.iter().map(client).collect::<Result<_, _>>()?,
        logins: logins.iter().map(login).collect::<Result<_, _>>()?,
        accounts: accounts.iter().map(account).collect::<Result<_, _>>()?,
        pauses: pauses.iter().map(pauses::pause).collect::<Result<_, _>>()?,
        mappings: mappings.iter().map(mapping).collect::<Result<_, _>>()?,
        inputs: inputs.iter().map(input).collect::<Result<_, _>>()?,
        api_keys: keys.iter().map(api_key).collect::<Result<_, _>>()?,
    })
}

fn version(rows: &[Row]) -> Result<i64, StoreError> {
    let misfit = StoreError::Row {
        table: "directory_version",
        column: "version",
    };
    rows.first().and_then(|row| row.try_get(0).ok()).ok_or(misfit)
}

fn client(row: &Row) -> Result<Client, StoreError> {
    let columns = Columns { table: "clients", row };
    Ok(Client {
        id: columns.parse("id", |text| ClientId::parse(text).ok())?,
        name: columns.get("name")?,
        country: columns.get("country")?,
        currency: columns.get("currency")?,
        timezone: columns.get("timezone")?,
        webhooks: columns.json("webhooks")?,
    })
}

fn login(row: &Row) -> Result<Login, StoreError> {
    let columns = Columns { table: "logins", row };
    Ok(Login {
        name: columns.get("name")?,
        platform: columns.parse("platform", |text| text.parse().ok())?,
        credential: columns.json("credential")?,
        manager: columns.get("manager")?,
        app_secret: columns.get::<Option<String>>("app_secret")?.map(SecretRef),
        quota: columns.get("quota")?,
        revision: columns.get("revision")?,
    })
}

fn account(row: &Row) -> Result<Account, StoreError> {
    let columns = Columns {
        table: "ad_accounts",
        row,
    };
    Ok(Account {
        id: AccountId(columns.get("id")?),
        client: columns.parse("client_id", |text| ClientId::parse(text).ok())?,
        name: columns.get("name")?,
        platform: columns.parse("platform", |text| text.parse().ok())?,
        destination: columns.get("destination")?,
        login: columns.get("login")?,
        rules: columns.json("rules")?,
        removed: columns.get("removed")?,
    })
}

fn mapping(row: &Row) -> Result<(String, Mapping), StoreError> {
    let columns = Columns { table: "mappings", row };
    Ok((columns.get("name")?, columns.json("definition")?))
}

fn input(row: &Row) -> Result<Input, StoreError> {
    let columns = Columns { table: "inputs", row };
    let client: Option<&str> = columns.get("client_id")?;
    Ok(Input {
        name: columns.get("name")?,
        queue: columns.get("queue")?,
        mapping: columns.get("mapping")?,
        client: client
            .map(|_| columns.parse("client_id", |text| ClientId::parse(text).ok()))
            .transpose()?,
    })
}

fn api_key(row: &Row) -> Result<ApiKey, StoreError> {
    let columns = Columns { table: "api_keys", row };
    let hash: &[u8] = columns.get("hash")?;
    let misfit = StoreError::Row {
        table: "api_keys",
        column: "hash",
    };
    Ok(ApiKey {
        id: columns.get("id")?,
        client: columns.parse("client_id", |text| ClientId::parse(text).ok())?,
        hash: hash.try_into().map_err(|_| misfit)?,
    })
}

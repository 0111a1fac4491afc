//! Changes clients, logins, ad accounts, mappings and inputs, as a plan says.

use tokio_postgres::{Transaction, types::Json};

use super::{
    pauses,
    pool::{Store, StoreError},
};
use crate::domain::{Account, Client, Login, desired::DesiredAccount, mapping::Input, plan::Change};

// The same scopes, in the same words, as `domain::pause::Scope::all_of`.
const SCOPES: &str = "
UPDATE ad_accounts AS account SET scopes = now_in.scopes
FROM (
    SELECT account.id, ARRAY['platform:' || account.platform, 'quota:' || coalesce(login.quota, login.name),
                             'login:' || login.name, 'account:' || account.id] AS scopes
    FROM ad_accounts AS account JOIN logins AS login ON login.name = account.login
) AS now_in
WHERE account.id = now_in.id AND account.scopes IS DISTINCT FROM now_in.scopes";

const PUT_LOGIN: &str = "
INSERT INTO logins AS old (name, platform, credential, manager, app_secret, quota) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (name) DO UPDATE
SET platform = excluded.platform, credential = excluded.credential, manager = excluded.manager, app_secret = excluded.app_secret,
    quota = excluded.quota, revision = old.revision + 1, removed_at = NULL";

const PUT_CLIENT: &str = "
INSERT INTO clients (id, name, country, currency, timezone, webhooks) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, country = excluded.country, currency = excluded.currency, timezone = excluded.timezone,
    webhooks = excluded.webhooks, removed_at = NULL";

const PUT_MAPPING: &str = "
INSERT INTO mappings (name, definition) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, removed_at = NULL";

const PUT_INPUT: &str = "
INSERT INTO inputs (name, queue, mapping, client_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE
SET queue = excluded.queue, mapping = excluded.mapping, client_id = excluded.client_id, removed_at = NULL";

const PUT_ACCOUNT: &str = "
INSERT INTO ad_accounts (client_id, name, platform, destination, login, rules) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (client_id, platform, destination) DO UPDATE
SET name = excluded.name, login = excluded.login, rules = excluded.rules, removed_at = NULL";

impl Store {
    /// Does all changes of a plan, or none. What a changed login or ad account was paused for by the relay is tried again in a moment; pauses
    /// made by hand stay as they are.
    pub async fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        // Two plans at once would do their changes in different orders and wait for each other.
        transaction
            .execute(
                "SELECT pg_advisory_xact_lock(hashtext('conversion-relay accounts'))",
                &[],
            )
            .await?;
        for change in changes {
            apply(&transaction, change).await?;
        }
        transaction.execute(SCOPES, &[]).await?;
        let scopes: Vec<String> = changes.iter().filter_map(retried_scope).collect();
        pauses::probe_soon(&transaction, &scopes).await?;
        pauses::changed(&transaction).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// The scope whose pause may have lost its reason.
fn retried_scope(change: &Change) -> Option<String> {
    match change {
        Change::ChangeLogin { to, .. } => Some(format!("login:{}", to.name)),
        Change::ChangeAccount { from, .. } => Some(format!("account:{}", from.id)),
        _ => None,
    }
}

async fn apply(transaction: &Transaction<'_>, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::AddClient(client) | Change::ChangeClient { to: client, .. } => put_client(transaction, client).await,
        Change::AddLogin(login) | Change::ChangeLogin { to: login, .. } => put_login(transaction, login).await,
        Change::AddAccount(account)
        | Change::ReviveAccount { to: account, .. }
        | Change::ChangeAccount { to: account, .. } => put_account(transaction, account).await,
        Change::RemoveAccount { account, .. } => remove_account(transaction, account).await,
        Change::RemoveLogin(login) => {
            let statement = "UPDATE logins SET removed_at = now() WHERE name = $1 AND removed_at IS NULL";
            transaction.execute(statement, &[&login.name]).await?;
            Ok(())
        }
        Change::AddMapping(name, to) | Change::ChangeMapping { name, to, .. } => {
            transaction.execute(PUT_MAPPING, &[name, &Json(to)]).await?;
            Ok(())
        }
        Change::AddInput(input) | Change::ChangeInput { to: input, .. } => put_input(transaction, input).await,
        Change::RemoveMapping(name) => {
            let statement = "UPDATE mappings SET removed_at = now() WHERE name = $1 AND removed_at IS NULL";
            transaction.execute(statement, &[name]).await?;
            Ok(())
        }
        Change::RemoveInput(input) => {
            let statement = "UPDATE inputs SET removed_at = now() WHERE name = $1 AND removed_at IS NULL";
            transaction.execute(statement, &[&input.name]).await?;
            Ok(())
        }
        Change::RemoveClient(client) => {
            let statement = "UPDATE clients SET removed_at = now() WHERE id = $1 AND removed_at IS NULL";
            transaction.execute(statement, &[&client.id.as_str()]).await?;
            Ok(())
        }
    }
}

async fn put_client(transaction: &Transaction<'_>, client: &Client) -> Result<(), StoreError> {
    transaction
        .execute(
            PUT_CLIENT,
            &[
                &client.id.as_str(),
                &client.name,
                &client.country,
                &client.currency,
                &client.timezone,
                &Json(&client.webhooks),
            ],
        )
        .await?;
    Ok(())
}

async fn put_input(transaction: &Transaction<'_>, input: &Input) -> Result<(), StoreError> {
    transaction
        .execute(
            PUT_INPUT,
            &[
                &input.name,
                &input.queue,
                &input.mapping,
                &input.client.as_ref().map(|client| client.as_str()),
            ],
        )
        .await?;
    Ok(())
}

async fn put_login(transaction: &Transaction<'_>, login: &Login) -> Result<(), StoreError> {
    transaction
        .execute(
            PUT_LOGIN,
            &[
                &login.name,
                &login.platform.as_str(),
                &Json(&login.credential),
                &login.manager,
                &login.app_secret.as_ref().map(|reference| reference.0.as_str()),
                &login.quota,
            ],
        )
        .await?;
    Ok(())
}

async fn put_account(transaction: &Transaction<'_>, account: &DesiredAccount) -> Result<(), StoreError> {
    transaction
        .execute(
            PUT_ACCOUNT,
            &[
                &account.client.as_str(),
                &account.name,
                &account.platform.as_str(),
                &account.destination,
                &account.login,
                &Json(&account.rules),
            ],
        )
        .await?;
    Ok(())
}

async fn remove_account(transaction: &Transaction<'_>, account: &Account) -> Result<(), StoreError> {
    let statement = "UPDATE ad_accounts SET removed_at = now() WHERE id = $1 AND removed_at IS NULL";
    transaction.execute(statement, &[&account.id.0]).await?;
    Ok(())
}

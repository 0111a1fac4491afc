//! Pauses: made by answers, by hand, lifted by probes and by people.

use deadpool_postgres::GenericClient;

use super::{pool::StoreError, sending::NewPause};
use crate::domain::AccountId;

/// Begins or prolongs a pause that the relay itself makes. One made by hand is never replaced, shortened or lifted by the relay.
pub(super) async fn hold(client: &impl GenericClient, pause: &NewPause) -> Result<(), StoreError> {
    let scope = pause.scope.to_string();
    let statement = client
        .prepare_cached(
            "INSERT INTO pauses (scope, cause, detail, until, probe_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (scope) DO UPDATE
             SET until = CASE WHEN pauses.until <= now() OR (pauses.until IS NOT NULL AND excluded.until IS NULL) THEN excluded.until
                              WHEN pauses.until IS NULL THEN NULL ELSE greatest(pauses.until, excluded.until) END,
                 cause = CASE WHEN pauses.until IS NULL THEN pauses.cause ELSE excluded.cause END,
                 detail = coalesce(excluded.detail, pauses.detail),
                 since = CASE WHEN pauses.until <= now() THEN now() ELSE pauses.since END,
                 probe_at = coalesce(pauses.probe_at, excluded.probe_at)
             WHERE NOT pauses.by_hand",
        )
        .await?;
    client
        .execute(
            &statement,
            &[
                &scope,
                &pause.cause.as_str(),
                &pause.detail,
                &pause.until,
                &pause.probe_at,
            ],
        )
        .await?;
    changed(client).await
}

/// Lifts the pauses without an end that hold an ad account back, since a probe got through; not those made by hand.
pub(super) async fn lift_by_probe(client: &impl GenericClient, account: AccountId) -> Result<(), StoreError> {
    client
        .execute(
            "DELETE FROM pauses USING ad_accounts account
             WHERE account.id = $1 AND pauses.scope = ANY (account.scopes) AND NOT pauses.by_hand AND pauses.until IS NULL",
            &[&account.0],
        )
        .await?;
    changed(client).await
}

/// Tells all workers that the directory or a pause changed.
pub(super) async fn changed(client: &impl GenericClient) -> Result<(), StoreError> {
    client
        .execute("UPDATE directory_version SET version = version + 1", &[])
        .await?;
    Ok(())
}

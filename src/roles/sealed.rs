//! Joins secrets and store: sealed secrets lie in Postgres.

use futures_util::future::BoxFuture;

use crate::{
    domain::secret::SealedSecret,
    secrets::{BoxError, SealedSecrets},
    store::Store,
};

impl SealedSecrets for Store {
    fn sealed<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<SealedSecret>, BoxError>> {
        Box::pin(async move { Ok(self.sealed_secret(name).await?) })
    }
}

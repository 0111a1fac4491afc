//! Who is to blame when a worker dies: a message that came back often is handled alone and on record.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    broker::{Delivery, SOLO_FROM},
    store::{Store, StoreError},
};

/// So many trials that never ended prove that the message kills its worker.
const DEATHS: i32 = 3;

/// What a trial comes to before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// The message is under no suspicion.
    None,
    /// It is to be handled now, alone, and then the trial is to be ended.
    Begun(Uuid),
    /// It has killed its worker several times when it was alone: not to be touched.
    CrashLoop(Uuid),
}

/// Begins the trial of a delivery that came back often; the broker layer hands such deliveries out one at a time.
pub async fn begin(store: &Store, delivery: &Delivery) -> Result<Trial, StoreError> {
    if delivery.delivery_count < SOLO_FROM {
        return Ok(Trial::None);
    }
    let digest = digest(&delivery.body);
    let deaths = store.begin_trial(digest).await?;
    Ok(if deaths >= DEATHS {
        Trial::CrashLoop(digest)
    } else {
        Trial::Begun(digest)
    })
}

fn digest(body: &[u8]) -> Uuid {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256::digest(body)[..16]);
    Uuid::from_bytes(short)
}

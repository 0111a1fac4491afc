//! Puts the questions of several events to the click ledger at once: the one part of planning that is not pure.

use super::Remembered;
use crate::store::{Store, StoreError, clicks::ClickQuestion};

/// Asks the click ledger about several events in one statement; of those without a question nothing is remembered.
pub async fn ask(store: &Store, questions: Vec<Option<ClickQuestion>>) -> Result<Vec<Remembered>, StoreError> {
    let asked: Vec<ClickQuestion> = questions.iter().flatten().cloned().collect();
    let mut answers = store.latest_clicks(&asked).await?.into_iter();
    let remembered = questions.iter().map(|question| Remembered {
        clicks: question.as_ref().and_then(|_| answers.next()).unwrap_or_default(),
        may_grow: question.is_some(),
        chats_are_known: false,
    });
    Ok(remembered.collect())
}

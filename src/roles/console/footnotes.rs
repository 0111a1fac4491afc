//! The numbered sentences below a table: each reason once, with who must act and what they do.

use crate::domain::Cause;

/// The notes of one screen, in the order in which they were asked for.
#[derive(Default)]
pub struct Footnotes(Vec<Note>);

/// One of them.
#[derive(PartialEq, Eq)]
pub struct Note {
    /// The cause.
    pub cause: Cause,
    /// What happened.
    pub sentence: String,
    /// Who must act, and how.
    pub action: String,
}

impl Footnotes {
    /// The number of a note; the same note has one number.
    pub fn number(&mut self, note: Note) -> usize {
        let known = self.0.iter().position(|known| *known == note);
        1 + known.unwrap_or_else(|| {
            self.0.push(note);
            self.0.len() - 1
        })
    }

    /// The notes, a line each.
    pub fn render(&self) -> String {
        let width = self.0.iter().map(|note| note.cause.as_str().len()).max().unwrap_or(0);
        let digits = self.0.len().to_string().len() + 2;
        let lines = self.0.iter().enumerate().map(|(index, note)| {
            format!(
                "{:<digits$} {:<width$}  {}   {}\n",
                format!("({})", index + 1),
                note.cause.as_str(),
                note.sentence,
                note.action
            )
        });
        lines.collect()
    }
}

//! Shows a plan as people read it: + what is added, ~ what changes, - what is removed.

use std::fmt::{self, Write as _};

use crate::domain::plan::{Change, Field, Plan, Removal};

/// The plan, a block a change, and what it comes to.
pub(super) fn render(plan: &Plan) -> String {
    let mut text = String::new();
    write_plan(&mut text, plan).expect("writing to a String");
    text
}

/// What the plan comes to: `2 to add, 1 to change, none to remove`.
pub(super) fn summary(plan: &Plan) -> String {
    let count = |sign: char| {
        let count = plan.changes.iter().filter(|change| self::sign(change) == sign).count();
        if count == 0 {
            "none".to_owned()
        } else {
            count.to_string()
        }
    };
    format!(
        "{} to add, {} to change, {} to remove",
        count('+'),
        count('~'),
        count('-')
    )
}

fn write_plan(text: &mut String, plan: &Plan) -> fmt::Result {
    for change in &plan.changes {
        writeln!(text, "{} {}{}", sign(change), change.subject(), remark(change))?;
        for field in fields(change) {
            writeln!(text, "    {}", line(&field))?;
        }
    }
    if !plan.kept.is_empty() {
        let kept = plan.kept.join(", ");
        writeln!(text, "Not in the files, and kept (--prune removes it): {kept}.")?;
    }
    Ok(())
}

fn sign(change: &Change) -> char {
    match change {
        Change::AddClient(_)
        | Change::AddLogin(_)
        | Change::AddAccount(_)
        | Change::ReviveAccount { .. }
        | Change::AddMapping(..)
        | Change::AddInput(_) => '+',
        Change::ChangeClient { .. }
        | Change::ChangeLogin { .. }
        | Change::ChangeAccount { .. }
        | Change::ChangeMapping { .. }
        | Change::ChangeInput { .. } => '~',
        Change::RemoveClient(_)
        | Change::RemoveLogin(_)
        | Change::RemoveAccount { .. }
        | Change::RemoveMapping(_)
        | Change::RemoveInput(_) => '-',
    }
}

/// Where an ad account sends and what else there is to know, for the first line of a change.
fn remark(change: &Change) -> String {
    match change {
        Change::AddAccount(to) => format!("    {} {}", to.platform, to.destination),
        Change::ReviveAccount { from, to } => {
            let former = format!("comes back as account:{}", from.id);
            format!("    {} {}, {former}", to.platform, to.destination)
        }
        Change::RemoveAccount { account, why } => {
            let why = match why {
                Removal::Repointed => "now points elsewhere",
                Removal::Unlisted => "not in the files",
            };
            let rest = "what waits for it fails as account_removed";
            format!("    {} {}, {why}; {rest}", account.platform, account.destination)
        }
        _ => String::new(),
    }
}

/// The fields below the first line, without those that it shows.
fn fields(change: &Change) -> Vec<Field> {
    let mut fields = change.fields();
    if matches!(change, Change::AddAccount(_) | Change::ReviveAccount { .. }) {
        fields.retain(|field| !["name", "platform", "destination"].contains(&field.name.as_str()));
    }
    fields
}

fn line(field: &Field) -> String {
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "(nothing)".to_owned());
    match (&field.from, &field.to) {
        (None, Some(to)) => format!("{}: {to}", field.name),
        (from, to) => format!("{}: {} -> {}", field.name, shown(from), shown(to)),
    }
}

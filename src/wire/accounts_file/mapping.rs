//! Mappings: `[mapping.stripe]`, each with kinds of events below it.

use std::collections::BTreeMap;

use super::{
    field_rule::{self, root_or_pointer},
    section::{Given, Section},
    values,
};
use crate::domain::{
    mapping::{Condition, ContentsRule, EventRule, FieldRule, Mapping, Test},
    spelling::closest,
    webhook::WHATSAPP,
};

/// The fields of a funnel event that a mapping fills, by path; `custom.` may be followed by any name.
const FIELDS: [&str; 37] = [
    "action_source",
    "click.clicked_at",
    "click.ctwa_clid",
    "click.fbc",
    "click.fbclid",
    "click.fbp",
    "click.gbraid",
    "click.gclid",
    "click.ttclid",
    "click.ttp",
    "click.wbraid",
    "consent.ad_personalization",
    "consent.ad_user_data",
    "consent.limited_data_use",
    "currency",
    "event_id",
    "event_name",
    "event_time",
    "order_id",
    "referrer_url",
    "source_url",
    "user.city",
    "user.country",
    "user.date_of_birth",
    "user.email",
    "user.external_id",
    "user.first_name",
    "user.gender",
    "user.ip",
    "user.last_name",
    "user.phone",
    "user.postal_code",
    "user.state",
    "user.user_agent",
    "user.whatsapp_user_id",
    "value",
    "custom.",
];

/// The fields of a product.
const CONTENT_FIELDS: [&str; 6] = ["id", "quantity", "price", "name", "category", "brand"];

/// The groups of fields, which may be written as tables.
const GROUPS: [&str; 4] = ["click", "user", "consent", "custom"];

/// Reads a mapping's table.
pub(super) fn read(mut section: Section<'_>) -> Mapping {
    if !values::is_name(section.name()) {
        section.wrong("the mapping's name must be 1 to 64 letters, digits, dashes or underscores");
    }
    if section.name() == WHATSAPP {
        section.wrong("WhatsApp's webhooks are read without a mapping; give it another name");
    }
    let client = section.given("client").and_then(field_rule::read);
    let each = section.take("each", root_or_pointer);
    if !section.has("event") {
        section.wrong("needs [[…event]]: at least one kind of event");
    }
    let events = section.list("event").into_iter().map(event).collect();
    section.finish();
    Mapping { client, each, events }
}

fn event(mut section: Section<'_>) -> EventRule {
    let mut rule = EventRule {
        when: section.list("when").into_iter().filter_map(condition).collect(),
        ..EventRule::default()
    };
    match section.table("fields") {
        Some(mut fields) => {
            rule.contents = fields.table("contents").map(contents);
            for given in fields.others() {
                field(String::new(), given, &mut rule.fields);
            }
            for (name, why) in [
                (
                    "event_id",
                    "by which a repetition is recognised: the other system's own ID of it",
                ),
                ("event_name", "such as event_name = { constant = \"Purchase\" }"),
            ] {
                if !rule.fields.contains_key(name) {
                    fields.wrong(format!("needs {name}, {why}"));
                }
            }
        }
        None => section.wrong("needs fields: how each field of the event is filled"),
    }
    section.finish();
    rule
}

/// Reads a field, or the fields of a group: `"user.email" = …` and `user.email = …` mean the same.
fn field(group: String, given: Given<'_>, fields: &mut BTreeMap<String, FieldRule>) {
    let path = format!("{group}{}", given.name());
    if group.is_empty() && GROUPS.contains(&path.as_str()) {
        let members = given.section().map(|mut section| section.others());
        for member in members.into_iter().flatten() {
            field(format!("{path}."), member, fields);
        }
        return;
    }
    if let Some(problem) = unknown(&path) {
        given.wrong(problem);
        return;
    }
    if let Some(rule) = field_rule::read(given) {
        fields.insert(path, rule);
    }
}

fn unknown(path: &str) -> Option<String> {
    let is_custom = path.strip_prefix("custom.").is_some_and(|rest| !rest.is_empty());
    if is_custom || (FIELDS.contains(&path) && path != "custom.") {
        return None;
    }
    Some(match (path, closest(path, FIELDS)) {
        ("client_id", _) => "is said above the events: client = \"/…\"".to_owned(),
        (_, Some(likely)) => format!("is no field of an event; did you mean \"{likely}\"?"),
        _ => "is no field of an event; see schemas/messages/event.json".to_owned(),
    })
}

fn contents(mut section: Section<'_>) -> ContentsRule {
    if !section.has("each") {
        section.wrong("needs each: where the list of products is, such as \"/line_items\"");
    }
    let each = section.take("each", root_or_pointer).unwrap_or_default();
    let mut fields = BTreeMap::new();
    for name in CONTENT_FIELDS {
        if let Some(rule) = section.given(name).and_then(field_rule::read) {
            fields.insert(name.to_owned(), rule);
        }
    }
    if !fields.contains_key("id") {
        section.wrong("needs id: a product without an ID tells no platform anything");
    }
    section.finish();
    ContentsRule { each, fields }
}

fn condition(mut section: Section<'_>) -> Option<Condition> {
    let source = field_rule::source(&mut section, &["pointer", "first", "header"]);
    let given = ["is", "is_not", "exists"].iter().filter(|key| section.has(key)).count();
    if given != 1 {
        section.wrong("needs one of is = \"…\" (or a list), is_not = \"…\" (or a list), exists = true");
    }
    let tests = [
        section.take("is", field_rule::texts).map(Test::Is),
        section.take("is_not", field_rule::texts).map(Test::IsNot),
        section.take("exists", values::flag).map(Test::Exists),
    ];
    let test = tests.into_iter().flatten().next().filter(|_| given == 1);
    section.finish();
    Some(Condition {
        source: source?,
        test: test?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::wire::event::FunnelEvent;

    #[test]
    fn every_field_of_the_funnel_event_can_be_filled() {
        let schema = serde_json::to_value(schemars::schema_for!(FunnelEvent)).unwrap();
        let mut expected = BTreeSet::new();
        for (name, property) in schema["properties"].as_object().unwrap() {
            let group = property.to_string();
            let definition = ["ClickFields", "UserFields", "ConsentFields"]
                .into_iter()
                .find(|definition| group.contains(definition));
            match (name.as_str(), definition) {
                // These are said in places of their own.
                ("client_id" | "contents", _) => {}
                ("custom", _) => drop(expected.insert("custom.".to_owned())),
                (_, Some(definition)) => {
                    let members = schema["$defs"][definition]["properties"].as_object().unwrap();
                    expected.extend(members.keys().map(|member| format!("{name}.{member}")));
                }
                _ => drop(expected.insert(name.clone())),
            }
        }

        assert_eq!(
            FIELDS.iter().map(|field| (*field).to_owned()).collect::<BTreeSet<_>>(),
            expected
        );
    }

    #[test]
    fn pointers_are_told_from_other_texts() {
        let read = |text: &str| field_rule::pointer(&toml::de::DeValue::String(text.into()));

        assert_eq!(read("/a~1b/0").unwrap(), "/a~1b/0");
        for wrong in ["", "id", "/a~", "/a~2"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

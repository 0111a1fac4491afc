//! Which events of a request an error names.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::classify::number;
use crate::domain::json;

/// The events that the error names, which it seldom does: as `data[3]` in its words or in `error_data` (an object, or a text that holds one), or as
/// `event_index` there. One that is out of range makes all of them doubtful.
pub(super) fn culprits(error: &Map<String, Value>, count: usize) -> BTreeSet<usize> {
    let mut indices = BTreeSet::new();
    let error_data = error.get("error_data");
    let inner = error_data
        .and_then(Value::as_str)
        .and_then(|text| json::read::<Value>(text.as_bytes()).ok());
    for data in [error_data, inner.as_ref()].into_iter().flatten() {
        collect_indices(data, &mut indices);
    }
    for key in ["message", "error_user_msg"] {
        if let Some(text) = error.get(key).and_then(Value::as_str) {
            indices_in_text(text, &mut indices);
        }
    }
    if indices.last().is_some_and(|last| *last >= count) {
        indices.clear();
    }
    indices
}

fn collect_indices(value: &Value, indices: &mut BTreeSet<usize>) {
    match value {
        Value::String(text) => indices_in_text(text, indices),
        Value::Array(values) => values.iter().for_each(|value| collect_indices(value, indices)),
        Value::Object(fields) => {
            let index = number(fields, "event_index").and_then(|index| usize::try_from(index).ok());
            indices.extend(index);
            fields.values().for_each(|value| collect_indices(value, indices));
        }
        _ => {}
    }
}

/// `data[3]`, but not `custom_data[3]` or `user_data[3]`.
fn indices_in_text(text: &str, indices: &mut BTreeSet<usize>) {
    for (position, opening) in text.match_indices("data[") {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if text[..position].ends_with(is_word) {
            continue;
        }
        let rest = &text[position + opening.len()..];
        // No further than the digits, or a long text would be read again for every path in it.
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if rest[digits..].starts_with(']') {
            indices.extend(rest[..digits].parse::<usize>().ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_named_only_without_doubt() {
        let cases = [
            (
                json!({"message": "(#100) Param data[3][event_time] must be a valid time"}),
                vec![3],
            ),
            (
                json!({"error_data": {"blame_field_specs": [["data[0][user_data]"], ["data[7]"]]}}),
                vec![0, 7],
            ),
            (
                json!({"error_data": "{\"blame_field_specs\":[[\"data[2]\"]]}"}),
                vec![2],
            ),
            (json!({"error_data": [{"event_index": 4, "code": 2_804_030}]}), vec![4]),
            (json!({"message": "Param data[10] must be an object"}), vec![]),
            (json!({"message": "data[1] and data[10]"}), vec![]),
            (json!({"message": "data[] data[x] data[ custom_data[1]"}), vec![]),
            (json!({"message": "Invalid parameter"}), vec![]),
        ];
        for (error, expected) in cases {
            let named = culprits(error.as_object().unwrap(), 10);

            assert_eq!(named.into_iter().collect::<Vec<_>>(), expected, "{error}");
        }
    }
}

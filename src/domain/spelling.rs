//! Suggestions for mistyped words.

/// How alike two words must be for one to be suggested for the other, from 0 to 1.
const LIKENESS: f64 = 0.6;

/// The candidate that a mistyped word most likely means; `None` if none is like it.
pub fn closest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let likeness = strsim::normalized_damerau_levenshtein(&given, &candidate.to_lowercase());
            (likeness, candidate)
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_finds_the_one_that_was_meant_and_a_strange_one_finds_none() {
        let keys = ["pixel", "platform", "partner_agent", "mode"];
        for (given, expected) in [
            ("pixl", Some("pixel")),
            ("Mode", Some("mode")),
            ("partner-agent", Some("partner_agent")),
            ("plaftorm", Some("platform")),
            ("consent", None),
        ] {
            assert_eq!(closest(given, keys), expected, "{given}");
        }
    }
}

//! Countries and North American states as Meta's keys `country` and `st` want them.

/// ISO 3166-1 alpha-2, upper case.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR \
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP \
    KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ \
    NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ \
    UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

const US_STATES: &[(&str, &str)] = &[
    ("alabama", "al"),
    ("alaska", "ak"),
    ("arizona", "az"),
    ("arkansas", "ar"),
    ("california", "ca"),
    ("colorado", "co"),
    ("connecticut", "ct"),
    ("delaware", "de"),
    ("districtofcolumbia", "dc"),
    ("florida", "fl"),
    ("georgia", "ga"),
    ("hawaii", "hi"),
    ("idaho", "id"),
    ("illinois", "il"),
    ("indiana", "in"),
    ("iowa", "ia"),
    ("kansas", "ks"),
    ("kentucky", "ky"),
    ("louisiana", "la"),
    ("maine", "me"),
    ("maryland", "md"),
    ("massachusetts", "ma"),
    ("michigan", "mi"),
    ("minnesota", "mn"),
    ("mississippi", "ms"),
    ("missouri", "mo"),
    ("montana", "mt"),
    ("nebraska", "ne"),
    ("nevada", "nv"),
    ("newhampshire", "nh"),
    ("newjersey", "nj"),
    ("newmexico", "nm"),
    ("newyork", "ny"),
    ("northcarolina", "nc"),
    ("northdakota", "nd"),
    ("ohio", "oh"),
    ("oklahoma", "ok"),
    ("oregon", "or"),
    ("pennsylvania", "pa"),
    ("puertorico", "pr"),
    ("rhodeisland", "ri"),
    ("southcarolina", "sc"),
    ("southdakota", "sd"),
    ("tennessee", "tn"),
    ("texas", "tx"),
    ("utah", "ut"),
    ("vermont", "vt"),
    ("virginia", "va"),
    ("washington", "wa"),
    ("westvirginia", "wv"),
    ("wisconsin", "wi"),
    ("wyoming", "wy"),
];

const CA_PROVINCES: &[(&str, &str)] = &[
    ("alberta", "ab"),
    ("britishcolumbia", "bc"),
    ("manitoba", "mb"),
    ("newbrunswick", "nb"),
    ("newfoundlandandlabrador", "nl"),
    ("northwestterritories", "nt"),
    ("novascotia", "ns"),
    ("nunavut", "nu"),
    ("ontario", "on"),
    ("princeedwardisland", "pe"),
    ("quebec", "qc"),
    ("qu\u{e9}bec", "qc"),
    ("saskatchewan", "sk"),
    ("yukon", "yt"),
];

/// The ISO 3166-1 alpha-2 code in upper case; `UK`, as people write it, is `GB`. What is no code gives nothing.
pub(super) fn country(text: &str) -> Option<&'static str> {
    let code = text.trim().to_ascii_uppercase();
    let code = if code == "UK" { "GB" } else { code.as_str() };
    COUNTRIES.split_ascii_whitespace().find(|known| *known == code)
}

/// The two letters of a state of the USA or a province of Canada, for its name in lower case without blanks. Only where the country is
/// one of these or unknown: elsewhere a place of the same name (Victoria, Georgia) is another place.
pub(super) fn state_letters(name: &str, country: Option<&str>) -> Option<&'static str> {
    let tables: &[&[(&str, &str)]] = match country {
        Some("US") => &[US_STATES],
        Some("CA") => &[CA_PROVINCES],
        Some(_) => &[],
        None => &[US_STATES, CA_PROVINCES],
    };
    tables
        .iter()
        .flat_map(|table| table.iter())
        .find(|(known, _)| *known == name)
        .map(|(_, letters)| *letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_an_iso_code_and_uk_is_gb() {
        assert_eq!(country(" de "), Some("DE"));
        assert_eq!(country("UK"), Some("GB"));
        for text in ["", "Narnia", "XX", "D", "DE FR", "United States"] {
            assert_eq!(country(text), None, "{text}");
        }
        assert_eq!(COUNTRIES.split_ascii_whitespace().count(), 249);
    }

    #[test]
    fn a_state_of_another_country_keeps_its_name() {
        assert_eq!(state_letters("georgia", Some("US")), Some("ga"));
        assert_eq!(state_letters("georgia", None), Some("ga"));
        assert_eq!(state_letters("georgia", Some("GE")), None);
        assert_eq!(state_letters("ontario", Some("CA")), Some("on"));
        assert_eq!(state_letters("ontario", Some("US")), None);
    }
}

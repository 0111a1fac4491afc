//! Amounts in the smallest unit of their currency.

use rust_decimal::Decimal;

/// Currencies without a smaller unit. Stripe counts MGA among them, ISO 4217 does not. ISK and UGX have none either, but are given times 100
/// for the sake of older callers. <https://docs.stripe.com/currencies#zero-decimal> (read 2026-11-28)
const WITHOUT_DECIMALS: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
];
/// Currencies with a thousandth part.
const WITH_THREE_DECIMALS: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// How many decimals an amount has that is given in the smallest unit; `None`: that is no currency.
pub(super) fn decimals(currency: &str) -> Option<u32> {
    let currency = currency.trim().to_ascii_uppercase();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let is_in = |list: &[&str]| list.contains(&currency.as_str());
    Some(if is_in(&WITHOUT_DECIMALS) {
        0
    } else if is_in(&WITH_THREE_DECIMALS) {
        3
    } else {
        2
    })
}

/// The amount in whole units, exactly; `None` if it cannot be told.
pub(super) fn in_units(minor: Decimal, decimals: u32) -> Option<Decimal> {
    let mut amount = minor;
    amount.set_scale(minor.scale().checked_add(decimals)?).ok()?;
    Some(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_as_many_decimals_as_its_currency() {
        let cases = [
            ("usd", 25_000, "250.00"),
            ("EUR", 1, "0.01"),
            ("jpy", 500, "500"),
            ("KWD", 12_340, "12.340"),
            ("isk", 50_000, "500.00"),
        ];
        for (currency, minor, expected) in cases {
            let amount = in_units(Decimal::from(minor), decimals(currency).unwrap()).unwrap();
            assert_eq!(amount.to_string(), expected, "{currency}");
        }
    }

    #[test]
    fn what_is_no_currency_or_too_small_a_part_gives_no_amount() {
        for text in ["", "euro", "€", "12"] {
            assert_eq!(decimals(text), None, "{text}");
        }
        assert_eq!(in_units(Decimal::new(1, 28), 2), None);
    }
}

//! Numbers of JSON that a double holds to their last digit, and those that it does not.

use serde_json::{Map, Number, Value};

use super::fields::escape;

/// So many digits every double keeps.
const SAFE_DIGITS: usize = 15;

/// Doubles below this bound convert to `i128` without loss.
const WHOLE_BOUND: f64 = 1e38;

/// The first number of a JSON text that a double cannot hold to its last digit, as it is read.
pub(super) fn lossy_number(text: &str) -> Option<f64> {
    let mut rest = text.as_bytes();
    while let Some(byte) = rest.first() {
        match byte {
            b'"' => rest = behind_string(&rest[1..]),
            b'-' | b'0'..=b'9' => {
                let end = rest.iter().position(|byte| {
                    !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
                });
                let (number, behind) = rest.split_at(end.unwrap_or(rest.len()));
                rest = behind;
                let number = std::str::from_utf8(number).ok()?;
                let is_whole = number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
                // An exponent may lead to where doubles have few digits, or none.
                let plain = number.len() <= SAFE_DIGITS && !number.contains(['e', 'E']);
                if !plain && !is_whole && is_lossy(number) {
                    return number.parse().ok();
                }
            }
            _ => rest = &rest[1..],
        }
    }
    None
}

fn behind_string(mut rest: &[u8]) -> &[u8] {
    loop {
        match rest {
            [b'"', behind @ ..] => return behind,
            [b'\\', _, behind @ ..] | [_, behind @ ..] => rest = behind,
            [] => return rest,
        }
    }
}

fn is_lossy(number: &str) -> bool {
    let read: f64 = number.parse().unwrap_or_default();
    let exactly = whole(read).map(|whole| decimal(&whole.to_string()));
    // As it is given back: of two spellings of one double equally short, the writer knows which.
    let given_back = Number::from_f64(read).map(|read| decimal(&read.to_string()));
    let number = Some(decimal(number));
    number != given_back && number != exactly
}

/// The digits of a number without zeros around them, and the exponent of the first.
fn decimal(number: &str) -> (String, i64) {
    let number = number.trim_start_matches('-');
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(i64::MAX / 2);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    let place = i64::try_from(whole.len()).unwrap_or(0) - i64::try_from(zeros).unwrap_or(0);
    match digits.trim_matches('0') {
        "" => (String::new(), 0),
        digits => (digits.to_owned(), exponent.saturating_add(place)),
    }
}

/// Where in an object a number stands.
pub(super) fn pointer_to(object: &Map<String, Value>, number: f64) -> String {
    let entries = object.iter().map(|(name, value)| (name.clone(), value));
    for (name, value) in entries {
        let here = format!("/{}", escape(&name));
        match value {
            Value::Number(found) if found.as_f64() == Some(number) => return here,
            Value::Object(inner) => {
                let below = pointer_to(inner, number);
                if !below.is_empty() {
                    return here + &below;
                }
            }
            _ => {}
        }
    }
    String::new()
}

/// The whole number that a double is, if it is one.
pub(super) fn whole(value: f64) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "whole and below the bound")]
    (value.fract() == 0.0 && value.abs() < WHOLE_BOUND).then_some(value as i128)
}

#[cfg(test)]
mod tests {
    use crate::error::Code;
    use crate::http::json::parse_object;

    #[test]
    fn a_number_that_would_lose_digits_is_refused_where_it_stands() {
        for lossy in [
            "0.12345678901234567",
            "1234567890.123456789",
            "18446744073709551617",
            "-0.30000000000000001",
            "1.00000000000000001e5",
            "900719925474099.3",
            "1e-400",
            "2e-324",
            "3e-324",
            "-1e-99999999999999999999",
        ] {
            let text = format!("{{\"metadata\":{{\"x\":1.5,\"a/b\":{lossy}}}}}");
            let wrong = parse_object(text.as_bytes()).unwrap_err();
            assert_eq!(wrong.code(), Code::ValidationFailed, "{lossy}");
            assert_eq!(wrong.fields()[0].pointer, "/metadata/a~1b", "{lossy}");
        }
        for kept in [
            "0.30000000000000004",
            "1.5000000000000000000",
            "100000000000000000000",
            "1e300",
            "5e-324",
            "18446744073709551615",
            "-9223372036854775808",
            "0.0000000000000000000",
            "123456789012345.6",
            "900719925474099.2",
            "\"0.12345678901234567\"",
            "\"a\\\"0.12345678901234567\"",
        ] {
            assert!(
                parse_object(format!("{{\"a\":{kept}}}").as_bytes()).is_ok(),
                "{kept}"
            );
        }
    }
}

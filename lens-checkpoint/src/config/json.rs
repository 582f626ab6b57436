//! JSON as Python writes it: strict, but for the three names of numbers that are not finite.

use std::borrow::Cow;

use serde_json::Value;

/// The names that Python's `json` gives to numbers that JSON does not have. The longest come first.
const NOT_FINITE: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// Parses JSON in which `NaN`, `Infinity` and `-Infinity` may stand where a value does. Each becomes the string of that
/// name: this library needs none of them as a number, so a caller that wants a number there reports the string instead.
///
/// # Errors
/// When it is not JSON otherwise.
pub fn parse(json: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(&quoted(json))
}

/// `json` with quotation marks around the names, outside strings.
fn quoted(json: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Option<Vec<u8>> = None;
    let (mut at, mut copied, mut in_string) = (0, 0, false);
    while at < json.len() {
        match json[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'I' | b'N' if !in_string => {
                if let Some(name) = NOT_FINITE.iter().find(|name| json[at..].starts_with(name.as_bytes())) {
                    let out = out.get_or_insert_default();
                    out.extend_from_slice(&json[copied..at]);
                    out.extend_from_slice(format!("\"{name}\"").as_bytes());
                    at += name.len();
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    match out {
        None => json.into(),
        Some(mut out) => {
            out.extend_from_slice(&json[copied.min(json.len())..]);
            out.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn names_of_numbers_that_are_not_finite_are_read() {
        let text = br#"{"a": [0.0, Infinity], "b": -Infinity, "c":NaN, "NaN": "x: \"Infinity\\", "d": -1}"#;
        let expected =
            json!({"a": [0.0, "Infinity"], "b": "-Infinity", "c": "NaN", "NaN": "x: \"Infinity\\", "d": -1});
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn all_else_is_as_strict_as_json() {
        for text in [
            "{\"a\": nan}",
            "{\"a\": infinity}",
            "{\"a\": +Infinity}",
            "{\"a\": InfinityInfinity}",
            "{\"a\": NaNo}",
            "{Infinity: 1}x",
            "{\"a\": 'NaN'}",
            "{\"a\": 1,}",
            "{\"a\": \"\\",
            "",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}

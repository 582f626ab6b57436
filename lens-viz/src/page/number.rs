//! Numbers of the page's data.

use serde::{Serialize, Serializer};

/// A number with five significant digits, which is more than a page shows; null where it is not finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rounded(pub(super) f32);

impl From<f64> for Rounded {
    fn from(number: f64) -> Self {
        Self(number as f32)
    }
}

/// A statistic: a whole number as it is, any other rounded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Number {
    Whole(u32),
    Rounded(Rounded),
}

impl Serialize for Rounded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Through text, so that the decimal digits are what is rounded.
        let rounded = format!("{:.4e}", self.0).parse::<f64>().ok().filter(|number| number.is_finite());
        match rounded {
            // A probability below 1 must not become certainty.
            Some(1.0) if self.0 < 1.0 => serializer.serialize_f64(0.99999),
            // 3 and not 3.0: a tenth of the file.
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => {
                serializer.serialize_i64(whole as i64)
            }
            Some(number) => serializer.serialize_f64(number),
            None => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_digits_stay() {
        let written = |number| serde_json::to_string(&Rounded(number)).unwrap();
        assert_eq!(written(0.123_456_78), "0.12346");
        assert_eq!(written(1.234_567e-12), "1.2346e-12");
        assert_eq!(written(-17.25), "-17.25");
        assert_eq!(written(1.0), "1");
        assert_eq!(written(0.999_999), "0.99999");
        assert_eq!(written(f32::NAN), "null");
        assert_eq!(written(f32::NEG_INFINITY), "null");
    }
}

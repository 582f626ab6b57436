//! A share of a whole, as an argument.

/// A number above 0 and below 1.
pub(super) fn share(written: &str) -> Result<f64, String> {
    let share: f64 = written.parse().map_err(|_| "it is not a number".to_owned())?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("it is not above 0 and below 1".to_owned()) }
}

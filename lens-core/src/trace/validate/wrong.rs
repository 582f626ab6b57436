//! What is wrong, and where.

use crate::trace::TraceError;

/// Whether something can be true.
pub(super) type Checked = Result<(), TraceError>;

/// How far rounding may take a probability beyond 1 and a divergence below 0.
const ROUNDING: f32 = 1e-3;

/// Something wrong at `path`, which is empty for the thing itself.
pub(super) fn wrong(path: &str, problem: impl Into<String>) -> TraceError {
    TraceError::Value { path: path.to_owned(), problem: problem.into() }
}

/// Says inside what something was found.
pub(super) trait Under {
    /// Puts the name of the outer thing before the path of the inner one.
    fn under(self, outer: impl FnOnce() -> String) -> Self;
}

impl Under for Checked {
    fn under(self, outer: impl FnOnce() -> String) -> Self {
        self.map_err(|error| match error {
            TraceError::Value { path, problem } if path.is_empty() => {
                TraceError::Value { path: outer(), problem }
            }
            TraceError::Value { path, problem } => {
                TraceError::Value { path: format!("{}.{path}", outer()), problem }
            }
            other => other,
        })
    }
}

pub(super) fn finite(name: &str, value: f32) -> Checked {
    if value.is_finite() { Ok(()) } else { Err(wrong(name, format!("{} is not a number", written(value)))) }
}

pub(super) fn at_least_zero(name: &str, value: f32) -> Checked {
    finite(name, value)?;
    if value >= 0.0 { Ok(()) } else { Err(wrong(name, format!("{value} is below 0"))) }
}

pub(super) fn probability(name: &str, value: f32) -> Checked {
    // Written so that what is not a number is refused too.
    if (0.0..=1.0 + ROUNDING / 10.0).contains(&value) {
        return Ok(());
    }
    Err(wrong(name, format!("{} is not a probability: it has to be from 0 to 1", written(value))))
}

/// A statistic that lies between `least` and `most`, up to rounding; either is infinite where nothing bounds it.
pub(super) fn within(name: &str, value: f32, least: f32, most: f32) -> Checked {
    finite(name, value)?;
    if value < least - ROUNDING {
        return Err(wrong(name, format!("{value} is below {least}")));
    }
    if value > most * (1.0 + ROUNDING) + ROUNDING {
        return Err(wrong(name, format!("{value} is above {most}, the most that there can be")));
    }
    Ok(())
}

/// A number as a message writes it: what JSON writes as `1e39` is not called `inf`.
fn written(value: f32) -> String {
    match value {
        f32::INFINITY => "a number too large for 32 bits".to_owned(),
        f32::NEG_INFINITY => "a negative number too large for 32 bits".to_owned(),
        value => value.to_string(),
    }
}

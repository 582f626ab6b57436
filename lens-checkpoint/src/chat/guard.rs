//! Limits where minijinja's own do not reach: values that are small in memory and huge as text.

use minijinja::{Error, ErrorKind, Output, State, Value, value::ValueKind};

use crate::limits::chat::DEEPEST_VALUE;

/// The widest field of `str.format`, in digits.
const WIDEST: usize = 4;

/// Pays for every value in `value`, as often as it would be written: a list that holds another twice is twice as long.
pub(super) fn weigh(state: &State, value: &Value) -> Result<(), Error> {
    weigh_at(state, value, 0)
}

fn weigh_at(state: &State, value: &Value, depth: usize) -> Result<(), Error> {
    let is_map = match value.kind() {
        ValueKind::Map => true,
        ValueKind::Seq => false,
        // An iterator without a length is written as a word.
        ValueKind::Iterable if value.len().is_some() => false,
        _ => return Ok(()),
    };
    if depth >= DEEPEST_VALUE {
        let reason = format!("a value that is nested deeper than {DEEPEST_VALUE} times cannot be written");
        return Err(Error::new(ErrorKind::InvalidOperation, reason));
    }
    for item in value.try_iter()? {
        state.consume_fuel(1)?;
        let inner = if is_map { value.get_item(&item)? } else { item };
        weigh_at(state, &inner, depth + 1)?;
    }
    Ok(())
}

/// Writes a value to the output.
pub(super) fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    weigh(state, value)?;
    minijinja::escape_formatter(out, state, value)
}

/// Calls a method that Python has and minijinja has not.
pub(super) fn call_method(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    for arg in args {
        weigh(state, arg)?;
    }
    if let (Some(format), "format") = (value.as_str(), method) {
        check_format(format)?;
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
}

/// Refuses fields of absurd width, and those whose width is an argument.
fn check_format(format: &str) -> Result<(), Error> {
    let wide = format.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > WIDEST);
    let fields = format.replace("{{", "");
    let nested = fields.split('{').skip(1).any(|field| !field.contains('}'));
    if wide || nested {
        return Err(Error::new(ErrorKind::InvalidOperation, "str.format: a field is too wide"));
    }
    Ok(())
}

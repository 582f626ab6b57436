//! The filter `tojson` as transformers has it: Python's `json.dumps`, without the escapes for HTML.

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Kwargs, ValueKind},
};

use crate::limits::chat::DEEPEST_VALUE;

/// Bytes that are paid for by one step: many times what a copy costs.
const BYTES_PER_STEP: usize = 4;

/// The JSON so far. Each byte is paid for before it is written, those of indents and separators, too.
struct Paid<'a, 'vm, 'env> {
    state: &'a State<'vm, 'env>,
    text: String,
    /// Bytes that were paid for and not written.
    credit: usize,
}

impl Paid<'_, '_, '_> {
    fn push_str(&mut self, text: &str) -> Result<(), Error> {
        if self.credit < text.len() {
            let steps = (text.len() - self.credit).div_ceil(BYTES_PER_STEP);
            self.state.consume_fuel(steps as u64)?;
            self.credit += steps * BYTES_PER_STEP;
        }
        self.credit -= text.len();
        self.text.push_str(text);
        Ok(())
    }

    fn push(&mut self, c: char) -> Result<(), Error> {
        self.push_str(c.encode_utf8(&mut [0; 4]))
    }
}

/// The filter's options.
struct Style {
    indent: Option<String>,
    between: String,
    colon: String,
    ascii: bool,
    sorted: bool,
}

/// The value as JSON.
#[expect(clippy::needless_pass_by_value, reason = "minijinja passes arguments by value")]
pub(super) fn tojson(
    state: &State,
    value: &Value,
    indent: Option<Value>,
    options: Kwargs,
) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get("indent")?,
    };
    let indent = indent.filter(|indent| !indent.is_none()).map(indentation).transpose()?;
    let separators: Option<Value> = options.get("separators")?;
    let (between, colon) = match separators.filter(|pair| !pair.is_none()) {
        Some(pair) => {
            let part = |i: usize| pair.get_item_by_index(i).map(|part| part.to_string());
            (part(0)?, part(1)?)
        }
        None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        None => (", ".to_owned(), ": ".to_owned()),
    };
    let ascii = options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    let sorted = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    options.assert_all_used()?;
    let mut out = Paid { state, text: String::new(), credit: 0 };
    write(value, &Style { indent, between, colon, ascii, sorted }, 0, &mut out)?;
    Ok(out.text)
}

/// A number of spaces, or the text itself.
#[expect(clippy::needless_pass_by_value, reason = "it is what minijinja hands over")]
fn indentation(indent: Value) -> Result<String, Error> {
    const WIDEST: usize = 64;
    match usize::try_from(indent.clone()) {
        Ok(n) if n <= WIDEST => Ok(" ".repeat(n)),
        Ok(_) => Err(refuse("tojson indents by 64 spaces at most".to_owned())),
        Err(_) => indent.as_str().map(str::to_owned).ok_or_else(|| {
            refuse(format!("tojson cannot indent by {}, only by a number or a string", indent.kind()))
        }),
    }
}

fn write(value: &Value, style: &Style, depth: usize, out: &mut Paid) -> Result<(), Error> {
    if depth > DEEPEST_VALUE {
        return Err(refuse(format!(
            "tojson cannot write a value that is nested deeper than {DEEPEST_VALUE} times"
        )));
    }
    match value.kind() {
        ValueKind::None => out.push_str("null")?,
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" })?,
        ValueKind::Number => out.push_str(&number(value))?,
        ValueKind::String => write_text(value.as_str().unwrap_or_default(), style.ascii, out)?,
        ValueKind::Seq => {
            let items = value.try_iter()?;
            let each = |item: Value, out: &mut Paid| write(&item, style, depth + 1, out);
            write_items(['[', ']'], items, style, depth, out, each)?;
        }
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if style.sorted {
                keys.sort();
            }
            write_items(['{', '}'], keys.into_iter(), style, depth, out, |key, out| {
                write_text(&key_text(&key)?, style.ascii, out)?;
                out.push_str(&style.colon)?;
                write(&value.get_item(&key)?, style, depth + 1, out)
            })?;
        }
        kind => return Err(refuse(format!("tojson cannot write a value that is {kind}"))),
    }
    Ok(())
}

fn write_items(
    [open, close]: [char; 2],
    items: impl Iterator<Item = Value>,
    style: &Style,
    depth: usize,
    out: &mut Paid,
    each: impl Fn(Value, &mut Paid) -> Result<(), Error>,
) -> Result<(), Error> {
    let line = |out: &mut Paid, depth: usize| {
        let Some(indent) = &style.indent else { return Ok(()) };
        out.push('\n')?;
        (0..depth).try_for_each(|_| out.push_str(indent))
    };
    out.push(open)?;
    let mut empty = true;
    for item in items {
        if !empty {
            out.push_str(&style.between)?;
        }
        empty = false;
        line(out, depth + 1)?;
        each(item, out)?;
    }
    if !empty {
        line(out, depth)?;
    }
    out.push(close)
}

/// A number as Python writes it: with an exponent from 1e16 on, and below 1e-4.
fn number(value: &Value) -> String {
    let x = if value.is_integer() { None } else { f64::try_from(value.clone()).ok() };
    let scientific = x.map(|x| format!("{x:e}")).unwrap_or_default();
    match scientific
        .split_once('e')
        .and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?)))
    {
        Some((digits, exponent)) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => value.to_string(),
    }
}

/// A key as Python writes it: what is not a string becomes one.
fn key_text(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.to_string()),
        ValueKind::Number => Ok(number(key)),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::None => Ok("null".to_owned()),
        kind => Err(refuse(format!("tojson cannot write a key that is {kind}"))),
    }
}

fn write_text(text: &str, ascii: bool, out: &mut Paid) -> Result<(), Error> {
    out.push('"')?;
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\"")?,
            '\\' => out.push_str("\\\\")?,
            '\n' => out.push_str("\\n")?,
            '\r' => out.push_str("\\r")?,
            '\t' => out.push_str("\\t")?,
            '\u{8}' => out.push_str("\\b")?,
            '\u{c}' => out.push_str("\\f")?,
            c if c < ' ' || (ascii && !c.is_ascii()) || (ascii && c == '\u{7f}') => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"))?;
                }
            }
            c => out.push(c)?,
        }
    }
    out.push('"')
}

fn refuse(reason: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

//! The ledger of keys: each key of config.json was read, or is known to change nothing. A key that says something and
//! that nobody read means a model that computes something else.

use serde_json::Value;

use super::{Config, ConfigError, cut, inert};

/// How many keys a message shows.
const SHOWN: usize = 4;

/// The keys that nothing read: those that may matter, and notes on the others.
#[derive(Debug, Default)]
pub struct Unread {
    /// Keys that may matter and were not understood, as `key = value`.
    active: Vec<String>,
    /// What the reader should know, as sentences.
    pub notes: Vec<String>,
}

impl Unread {
    /// Looks at what `family` did not read of `config`, whose text model is in the section `text`, if not all of it.
    pub fn of(config: &Config<'_>, family: &str, text: Option<&str>) -> Self {
        let mut unread = Self { notes: config.remarks(), ..Self::default() };
        for (name, value) in config.unread() {
            let key = match text {
                None => name.as_str(),
                // Around a text model are the towers for what is not text, and how their output gets in.
                Some(section) => match name.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')) {
                    Some(key) => key,
                    None => continue,
                },
            };
            if !inert::is_inert(family, key, value) && !repeats(config, key, value, text) {
                unread.sort(&name, key, value);
            }
        }
        unread
    }

    fn sort(&mut self, name: &str, key: &str, value: &Value) {
        let shown = format!("{name} = {}", cut(&value.to_string()));
        if let Some(what) = inert::ignored(key) {
            self.notes.push(format!("config.json has {shown}, which is left out: {what}"));
        } else if inert::is_remark(key, value) {
            self.notes
                .push(format!("config.json has {shown}, which nothing here reads; it is taken for a remark"));
        } else {
            self.active.push(shown);
        }
    }

    /// The keys that may matter and were not understood, with their values; empty if there is none.
    pub fn keys(&self) -> String {
        listed(&self.active)
    }

    /// The notes, if no such key is left or `ignore` says to ignore them.
    ///
    /// # Errors
    /// [`ConfigError::Unread`] when keys that may matter are left, unless they are to be ignored.
    pub fn settle(mut self, family: &str, ignore: bool) -> Result<Vec<String>, ConfigError> {
        if self.active.is_empty() {
            return Ok(self.notes);
        }
        let keys = listed(&self.active);
        if !ignore {
            return Err(ConfigError::Unread { family: family.to_owned(), keys });
        }
        self.notes.push(format!(
            "config.json says what {family} does not read: {keys}. It is ignored, as was asked for; the \
             results are right only if it changes nothing"
        ));
        Ok(self.notes)
    }
}

fn listed(keys: &[String]) -> String {
    let shown = keys.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match keys.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Whether a key of `rope_parameters` repeats what `rope_scaling` or the top says: some files have both generations.
fn repeats(config: &Config<'_>, key: &str, value: &Value, text: Option<&str>) -> bool {
    let Some(inner) = key.strip_prefix("rope_parameters.") else { return false };
    let keys = match text {
        None => Some(config.keys),
        Some(section) => section.split('.').try_fold(config.keys, |keys, key| keys.get(key)?.as_object()),
    };
    let same =
        |other: &Value| other == value || (other.as_f64().is_some() && other.as_f64() == value.as_f64());
    let said = |section: &serde_json::Map<String, Value>| section.get(inner).is_some_and(same);
    keys.is_some_and(|keys| {
        said(keys) || keys.get("rope_scaling").and_then(Value::as_object).is_some_and(said)
    })
}

//! The words after a chore's name: its own, and after `--` those for the program that it starts.

use std::ffi::OsString;

/// The call itself was wrong: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0} (see `cargo xtask --help`)")]
pub(crate) struct Usage(pub(crate) String);

#[derive(Debug, Default)]
pub(crate) struct Arguments {
    own: Vec<String>,
    through: Vec<OsString>,
}

impl Arguments {
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, Usage> {
        let mut words = words.into_iter();
        let mut own = Vec::new();
        for word in words.by_ref() {
            if word == "--" {
                break;
            }
            own.push(word.into_string().map_err(|word| Usage(format!("{} is not UTF-8", word.display())))?);
        }
        Ok(Self { own, through: words.collect() })
    }

    /// Whether `flag` was given; it then counts as understood.
    pub(crate) fn take_flag(&mut self, flag: &str) -> bool {
        let before = self.own.len();
        self.own.retain(|word| word != flag);
        self.own.len() < before
    }

    /// The value of `option`, given as `--option VALUE` or `--option=VALUE`; it then counts as understood.
    pub(crate) fn take_option(&mut self, option: &str) -> Result<Option<String>, Usage> {
        let value_of = |word: &str| word.strip_prefix(option)?.strip_prefix('=').map(str::to_owned);
        let Some(at) = self.own.iter().position(|word| word == option || value_of(word).is_some()) else {
            return Ok(None);
        };
        let word = self.own.remove(at);
        match value_of(&word) {
            Some(value) => Ok(Some(value)),
            None if at < self.own.len() => Ok(Some(self.own.remove(at))),
            None => Err(Usage(format!("{option} needs a value"))),
        }
    }

    /// The next word that is no option; call it once the options are taken.
    pub(crate) fn take_word(&mut self) -> Option<String> {
        let at = self.own.iter().position(|word| !word.starts_with('-'))?;
        Some(self.own.remove(at))
    }

    /// The words after `--`. It is an error if a word before it was not understood.
    pub(crate) fn finish(self) -> Result<Vec<OsString>, Usage> {
        match self.own.first() {
            Some(word) => {
                Err(Usage(format!("unknown argument {word:?}; what is for another program goes after `--`")))
            }
            None => Ok(self.through),
        }
    }
}

/// The end of a message about a name that is unknown: the nearest of those that are not, if one is near.
pub(crate) fn suggestion(name: &str, known: impl IntoIterator<Item = &'static str>) -> String {
    let nearest = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    match nearest {
        Some((distance, near)) if distance <= near.len() / 2 => format!(", did you mean {near:?}?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Arguments {
        Arguments::parse(words.iter().map(OsString::from)).unwrap()
    }

    #[test]
    fn words_after_the_dashes_pass_through_untouched() {
        let mut arguments = parse(&["--no-torch", "--", "--release", "--", "--nocapture"]);
        assert!(arguments.take_flag("--no-torch"));
        assert!(!arguments.take_flag("--release"));
        assert_eq!(arguments.finish().unwrap(), ["--release", "--", "--nocapture"]);
    }

    #[test]
    fn options_take_their_value_and_words_keep_their_order() {
        let mut arguments = parse(&["a", "--seed", "7", "b", "--dtype=f32", "--last"]);
        assert_eq!(arguments.take_option("--seed").unwrap().as_deref(), Some("7"));
        assert_eq!(arguments.take_option("--dtype").unwrap().as_deref(), Some("f32"));
        assert_eq!(arguments.take_option("--shards").unwrap(), None);
        assert!(arguments.take_option("--last").unwrap_err().to_string().contains("--last needs a value"));
        assert_eq!([arguments.take_word(), arguments.take_word()].map(Option::unwrap), ["a", "b"]);
        assert_eq!(arguments.take_word(), None);
    }

    #[test]
    fn a_word_that_nobody_understood_is_a_usage_error() {
        let error = parse(&["--no-troch"]).finish().unwrap_err();
        assert!(error.to_string().contains("--no-troch"), "{error}");
    }
}

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
    fn a_word_that_nobody_understood_is_a_usage_error() {
        let error = parse(&["--no-troch"]).finish().unwrap_err();
        assert!(error.to_string().contains("--no-troch"), "{error}");
    }
}

//! What somebody who wrote a wrong command line may have meant.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use lens_viz::Measure;

/// A hint beside clap's own message.
pub fn of(error: &clap::Error, args: impl Iterator<Item = OsString>) -> Option<String> {
    let args: Vec<OsString> = args.collect();
    match error.kind() {
        ErrorKind::UnknownArgument => after_grid(args.into_iter())
            .map(|statistic| format!("for the grid of another statistic, write --grid={statistic}"))
            .or_else(|| several_words(error)),
        // The first thing that somebody tries.
        ErrorKind::MissingRequiredArgument if args.get(1).is_some_and(|word| word == "run") => {
            Some("for example, lens run \"The capital of France is\"".to_owned())
        }
        _ => None,
    }
}

/// Where a word is one too many: a text without quotation marks.
fn several_words(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    (!word.starts_with('-')).then(|| "a text of several words stands in quotation marks".to_owned())
}

/// `lens help run` asks what `lens run --help` does: the arguments with the one for the other.
pub fn asked(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    if args.get(1).is_some_and(|word| word == "help") {
        args.remove(1);
        args.push("--help".into());
    }
    args
}

/// The word after a bare `--grid`, where it is the name of a statistic. A statistic is given after `=` only, so that a
/// prompt can come after `--grid`.
pub fn after_grid(args: impl Iterator<Item = OsString>) -> Option<String> {
    let args: Vec<OsString> = args.take_while(|arg| arg != "--").collect();
    let pair = args.windows(2).find(|pair| pair[0] == "--grid")?;
    let word = pair[1].to_str()?;
    word.parse::<Measure>().is_ok().then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{after_grid, asked, of};
    use crate::args::Cli;

    #[test]
    fn the_first_mistakes_are_met() {
        let hint = |words: &[&str]| {
            let error = <Cli as clap::Parser>::try_parse_from(words).unwrap_err();
            of(&error, words.iter().map(Into::into))
        };
        assert!(hint(&["lens", "run", "The", "capital"]).unwrap().contains("quotation marks"));
        assert!(hint(&["lens", "run"]).unwrap().contains("lens run \"The capital"));
        assert!(hint(&["lens", "run", "-m", "x"]).unwrap().contains("lens run \"The capital"));
        assert_eq!(hint(&["lens", "run", "a", "--postions", "all"]), None, "clap has a tip of its own");
        assert_eq!(hint(&["lens", "render"]), None);
    }

    #[test]
    fn help_is_asked_for_in_two_ways() {
        let ways = |words: &str| asked(words.split(' ').map(Into::into)).join(" ".as_ref());
        assert_eq!(ways("lens help"), "lens --help");
        assert_eq!(ways("lens help fit tuned"), "lens fit tuned --help");
        assert_eq!(ways("lens run help"), "lens run help");
    }

    #[test]
    fn only_a_statistic_right_after_grid_is_meant() {
        let after = |words: &str| after_grid(words.split(' ').map(Into::into));
        assert_eq!(after("lens run hi --grid kl").as_deref(), Some("kl"));
        assert_eq!(after("lens run --grid entropy hi").as_deref(), Some("entropy"));
        for other in
            ["lens run kl --grid", "lens run --grid hi kl", "lens run --grid=kl kl", "lens run -- --grid kl"]
        {
            assert_eq!(after(other), None, "{other}");
        }
    }
}

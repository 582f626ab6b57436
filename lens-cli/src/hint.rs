//! What somebody who wrote a wrong command line may have meant.

use std::ffi::OsString;

use clap::error::ErrorKind;
use lens_viz::Measure;

/// A hint beside clap's own message.
pub fn of(error: &clap::Error, args: impl Iterator<Item = OsString>) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    after_grid(args).map(|statistic| format!("for the grid of another statistic, write --grid={statistic}"))
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
    use super::after_grid;

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

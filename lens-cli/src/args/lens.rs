//! `lens lens`, and how lenses are named on the command line.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{Args, Subcommand, ValueEnum};
use lens_core::LensKind;

use super::{MORE_HELP, inspect::Format};

/// A lens by its kind and where it comes from: `logit`, `tuned=PATH` or `jacobian=NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LensName {
    /// The plain lens.
    Logit,
    /// A lens in files, by path or by a name on the hub.
    From(LensKind, String),
}

impl FromStr for LensName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let source = |kind, source: &str| match source {
            "" => Err(format!(
                "{text:?} does not say where the lens is: write {kind}=PATH, or a name on the hub"
            )),
            source => Ok(Self::From(kind, source.to_owned())),
        };
        match text.split_once('=') {
            None if text == "logit" => Ok(Self::Logit),
            Some(("tuned", from)) => source(LensKind::Tuned, from),
            Some(("jacobian", from)) => source(LensKind::Jacobian, from),
            None if text == "tuned" || text == "jacobian" => {
                Err(format!("which {text} lens? Write {text}=PATH, or a name on the hub"))
            }
            _ => Err("a lens is logit, tuned=PATH or jacobian=PATH".to_owned()),
        }
    }
}

impl fmt::Display for LensName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logit => f.write_str("logit"),
            Self::From(kind, source) => write!(f, "{kind}={source}"),
        }
    }
}

/// What one `--lens` says: a lens, or several with commas between. A comma is part of a path unless what comes after it
/// names a lens, and a path that is there is taken as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LensNames(pub Vec<LensName>);

impl FromStr for LensNames {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_there =
            |(kind, path): (&str, &str)| matches!(kind, "tuned" | "jacobian") && Path::new(path).exists();
        if text.split_once('=').is_some_and(is_there) {
            return Ok(Self(vec![text.parse()?]));
        }
        let (mut names, mut start) = (Vec::new(), 0);
        for (comma, _) in text.match_indices(',') {
            if begins_with_kind(&text[comma + 1..]) {
                names.push(text[start..comma].parse()?);
                start = comma + 1;
            }
        }
        names.push(text[start..].parse()?);
        Ok(Self(names))
    }
}

/// Whether a text begins with the kind of a lens, and what may come after one.
fn begins_with_kind(text: &str) -> bool {
    let rest = ["logit", "tuned", "jacobian"].iter().find_map(|kind| text.strip_prefix(kind));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([',', '=']))
}

/// A lens to look at or to convert: a path, or as for `--lens`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LensInput {
    /// A file or a folder.
    Path(PathBuf),
    /// By kind and name.
    Named(LensKind, String),
}

impl FromStr for LensInput {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        match LensName::from_str(text) {
            Ok(LensName::From(kind, name)) if !path.exists() => Ok(Self::Named(kind, name)),
            _ => Ok(Self::Path(path)),
        }
    }
}

/// Look at tuned and Jacobian lenses, and convert them
#[derive(Debug, Args)]
pub struct LensArgs {
    #[command(subcommand)]
    pub command: LensCommand,
}

#[derive(Debug, Subcommand)]
pub enum LensCommand {
    Inspect(LensInspectArgs),
    Convert(LensConvertArgs),
}

/// Say what a lens is: its kind, its maps, and the model that it was made for
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "Reads folders of the tuned-lens package of both generations, .pt and safetensors files of \
Jacobian lenses, .npz files of mlxterp, and this project's own files. A .pt file is read as data: nothing in it is run.

Examples:
  lens lens inspect lens.safetensors
  lens lens inspect tuned=EleutherAI/pythia-160m-deduped --format json"
)]
pub struct LensInspectArgs {
    /// A file or folder; or tuned=NAME or jacobian=NAME, for a lens on the hub
    #[arg(value_name = "LENS")]
    pub lens: LensInput,
    /// Use what is on this machine only
    #[arg(long)]
    pub offline: bool,
    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Write a lens in another form
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "safetensors is this project's own form, which keeps everything that is known of a lens; \
tuned-lens is the folder of that package (config.json and params.pt); jlens is a .pt of jlens, in float16.

Examples:
  lens lens convert params.pt lens.safetensors
  lens lens convert lens.safetensors folder --to tuned-lens
  lens lens convert jacobian=Qwen/Qwen3-1.7B lens.safetensors"
)]
pub struct LensConvertArgs {
    /// A file or folder; or tuned=NAME or jacobian=NAME, for a lens on the hub
    #[arg(value_name = "IN")]
    pub lens: LensInput,
    /// The file, or for tuned-lens the folder, to write
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// safetensors, tuned-lens or jlens [default: by the name of OUT]
    #[arg(long, value_enum, value_name = "FORM")]
    pub to: Option<LensForm>,
    /// Use what is on this machine only
    #[arg(long)]
    pub offline: bool,
}

/// A form in which lenses are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LensForm {
    Safetensors,
    TunedLens,
    Jlens,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lens_is_named_by_kind_and_source() {
        let name = |text: &str| text.parse::<LensName>();
        assert_eq!(name("logit"), Ok(LensName::Logit));
        assert_eq!(name("tuned=a/b"), Ok(LensName::From(LensKind::Tuned, "a/b".to_owned())));
        assert_eq!(name("jacobian=x=y").unwrap().to_string(), "jacobian=x=y");
        for (bad, says) in [
            ("tuned", "which tuned lens"),
            ("tuned=", "where"),
            ("logit=x", "logit, tuned="),
            ("", "logit, tuned="),
        ] {
            assert!(name(bad).unwrap_err().contains(says), "{bad}");
        }
        let names = |text: &str| -> Vec<String> {
            text.parse::<LensNames>().unwrap().0.iter().map(ToString::to_string).collect()
        };
        assert_eq!(names("logit,tuned=a,jacobian=b"), ["logit", "tuned=a", "jacobian=b"]);
        assert_eq!(names("tuned=a, b.pt,logit"), ["tuned=a, b.pt", "logit"]);
        assert_eq!(names("jacobian=x,y"), ["jacobian=x,y"]);
        for (bad, says) in
            [("tuned=a,tuned", "which tuned lens"), ("logit,", "a lens is"), ("logit,a", "a lens is")]
        {
            assert!(bad.parse::<LensNames>().unwrap_err().contains(says), "{bad}");
        }
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("a,logit");
        std::fs::write(&there, "").unwrap();
        let whole = format!("tuned={}", there.display());
        assert_eq!(
            names(&format!("logit,{whole}")),
            ["logit".to_owned(), format!("tuned={}", folder.path().join("a").display()), "logit".to_owned()]
        );
        assert_eq!(names(&whole), [whole]);
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let tuned = format!("tuned={}", plain.display());
        assert_eq!(names(&format!("logit,{tuned}")), ["logit".to_owned(), tuned]);
        assert_eq!("a/b.pt".parse(), Ok(LensInput::Path("a/b.pt".into())));
        assert_eq!("tuned=a/b".parse(), Ok(LensInput::Named(LensKind::Tuned, "a/b".to_owned())));
    }
}

//! `lens fit merge`.

use anyhow::{Result, bail};
use lens_cli::{args::FitMergeArgs, style::Console};
use lens_core::Translator;
use lens_models::{
    fit,
    lenses::{self, LensFile},
};

pub(super) fn merge(args: &FitMergeArgs, console: &Console) -> Result<()> {
    let mut made_for = None;
    let mut parts: Vec<Translator> = Vec::with_capacity(args.parts.len());
    for path in &args.parts {
        let file = lenses::open(path)?;
        file.notes.iter().for_each(|note| console.note(note));
        if *made_for.get_or_insert_with(|| file.made_for.clone()) != file.made_for {
            bail!("{} was made for another model than {}", path.display(), args.parts[0].display());
        }
        parts.push(file.translator);
    }
    let texts: Vec<_> = parts.iter().map(|part| part.provenance().details.get("text")).collect();
    let same = texts.iter().enumerate().any(|(i, text)| text.is_some() && texts[..i].contains(text));
    if same {
        console.note("two of the lenses were fitted to the same prompts, which count twice in the mean");
    }
    let merged = LensFile::new(fit::merge(&parts)?).with_made_for(made_for.unwrap_or_default());
    super::write(&merged, &args.out, console)
}

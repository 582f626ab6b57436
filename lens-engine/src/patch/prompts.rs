//! The prompts of a sweep, and which of their positions correspond.

use std::path::Path;

use anyhow::{Result, bail};
use lens_cli::{
    args::{PatchArgs, PatchMode},
    style::Console,
    values::TokenIds,
};
use lens_core::{
    Prepared, Texts, TokenId,
    patch::{Ablated, AlignError, Direction, Pairing, Prompt, pairs},
};
use lens_data::PromptInput;
use lens_models::{Request, Session, session::Input};
use sha2::{Digest as _, Sha256};

use crate::records::{self, What};

/// Prompts that a mean is taken over, at most.
const MOST_PROMPTS: usize = 1 << 16;

/// What the model reads.
pub(super) struct Prompts {
    /// The clean prompt, or the only one.
    pub(super) first: Prepared,
    /// The corrupted one, the one that is resampled from, or the one that says what a state holds.
    pub(super) second: Option<Prepared>,
    /// Those that a mean is taken over.
    pub(super) many: Vec<Vec<TokenId>>,
    /// The texts of both prompts' tokens.
    shown: [Vec<String>; 2],
    pub(super) notes: Vec<String>,
}

impl Prompts {
    pub(super) fn of(args: &PatchArgs, session: &Session, console: &Console) -> Result<Self> {
        let prepare = |text: Option<&String>, ids: Option<&TokenIds>| -> Result<Prepared> {
            let input = match (text, ids) {
                (_, Some(ids)) => Input::Tokens(ids.0.clone()),
                (Some(text), None) => Input::Text(text.clone()),
                (None, None) => bail!("there is no prompt"),
            };
            Ok(session.prepare(&Request::new(input))?)
        };
        let mut many = Vec::new();
        let mut notes = Vec::new();
        let (first, second) = match args.mode() {
            PatchMode::Patching => {
                let clean = prepare(args.clean.as_ref(), args.clean_ids.as_ref())?;
                (clean, Some(prepare(args.corrupted.as_ref(), args.corrupted_ids.as_ref())?))
            }
            PatchMode::Patchscope => {
                let target = prepare(Some(&args.other.target_prompt), args.other.target_ids.as_ref())?;
                (prepare(args.prompt.as_ref(), args.token_ids.as_ref())?, Some(target))
            }
            PatchMode::Ablation(with) => {
                let prompt = prepare(args.prompt.as_ref(), args.token_ids.as_ref())?;
                let mut other =
                    args.other.other.as_ref().map(|text| prepare(Some(text), None)).transpose()?;
                if let Some(path) = &args.other.prompts {
                    many = of_file(path, session, console)?;
                    if with == Ablated::Resample {
                        let (number, tokens) = chosen(&many, prompt.tokens.len(), args.other.seed, path)?;
                        notes.push(format!(
                            "activations are those of prompt {number} of {}, which the seed {} chose",
                            path.display(),
                            args.other.seed
                        ));
                        other = Some(session.prepare(&Request::new(Input::Tokens(tokens)))?);
                        many.clear();
                    } else {
                        notes.push(format!("means are over all positions of {} prompts", many.len()));
                    }
                }
                (prompt, other)
            }
        };
        for note in first.notes.iter().chain(second.iter().flat_map(|second| &second.notes)) {
            if !notes.contains(note) {
                notes.push(note.clone());
            }
        }
        let texts = session.speech().names();
        let of =
            |prepared: &Prepared| prepared.tokens.iter().map(|id| texts.text(*id).text.to_string()).collect();
        let shown = [of(&first), second.as_ref().map(of).unwrap_or_default()];
        Ok(Self { first, second, many, shown, notes })
    }

    /// The prompt whose run is changed.
    pub(super) fn changed(&self, args: &PatchArgs) -> &Prepared {
        match (&self.second, is_second_changed(args)) {
            (Some(second), true) => second,
            _ => &self.first,
        }
    }

    /// The prompt that activations are taken from, where there is one.
    pub(super) fn source(&self, args: &PatchArgs) -> Option<&Prepared> {
        if is_second_changed(args) { Some(&self.first) } else { self.second.as_ref() }
    }

    /// How long the prompts are, and where they differ.
    fn difference(&self, names: [&str; 2]) -> String {
        let [one, other] = &self.shown;
        let ids = self.second.as_ref().map_or(&[][..], |second| &second.tokens);
        let same = self.first.tokens.iter().zip(ids).take_while(|(a, b)| a == b).count();
        let said = |texts: &[String]| {
            const MOST: usize = 24;
            let quoted: Vec<String> = texts.iter().take(MOST).map(|text| format!("{text:?}")).collect();
            let more = if texts.len() > MOST { " ..." } else { "" };
            format!("{}{more}", quoted.join(" "))
        };
        format!(
            "the {} prompt has {} tokens and the {} one {}; they differ from position {same} on; {}: {}; {}: {}",
            names[0],
            one.len(),
            names[1],
            other.len(),
            names[0],
            said(one),
            names[1],
            said(other)
        )
    }
}

/// Whether the run of the second prompt is the one that is changed.
fn is_second_changed(args: &PatchArgs) -> bool {
    match args.mode() {
        PatchMode::Patching => super::direction(args) == Direction::Denoise,
        PatchMode::Ablation(_) => false,
        PatchMode::Patchscope => true,
    }
}

/// The positions that are changed, each with its partner.
pub(super) fn corresponding(
    args: &PatchArgs,
    prompts: &Prompts,
    changed: Prompt<'_>,
    other: Prompt<'_>,
) -> Result<Pairing> {
    let lengths = [changed.tokens.len(), other.tokens.len()];
    let align = args.places.align.map(Into::into);
    pairs(args.places.positions.as_ref(), align, lengths, changed.read).map_err(|error| {
        let names =
            if args.mode() == PatchMode::Patching { ["clean", "corrupted"] } else { ["first", "other"] };
        let says = matches!(error, AlignError::Lengths { .. }).then(|| prompts.difference(names));
        let error = anyhow::Error::new(error);
        match says {
            Some(says) => error.context(says),
            None => error,
        }
    })
}

/// The tokens of every prompt of a file.
fn of_file(path: &Path, session: &Session, console: &Console) -> Result<Vec<Vec<TokenId>>> {
    let mut all = Vec::new();
    for record in records::open(path, None, None, What::Prompts)? {
        let record = match record {
            Ok(record) => record,
            Err(error) if error.is_passing() => {
                console.note(&format!("a prompt of {} is passed over: {error}", path.display()));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if all.len() == MOST_PROMPTS {
            bail!("{} has more than {MOST_PROMPTS} prompts: give fewer", path.display());
        }
        all.push(match record.input {
            PromptInput::Text(text) => session.speech().encode(&text)?,
            PromptInput::Tokens(tokens) => tokens,
            PromptInput::Messages(_) => {
                bail!("prompt {} of {} is a conversation: give texts", record.index, path.display())
            }
        });
    }
    if all.is_empty() {
        bail!("there is no prompt in {}", path.display());
    }
    Ok(all)
}

/// The prompt that a seed chooses among those that are long enough, and its number in the file.
fn chosen(prompts: &[Vec<TokenId>], length: usize, seed: u64, path: &Path) -> Result<(usize, Vec<TokenId>)> {
    let long: Vec<usize> = (0..prompts.len()).filter(|i| prompts[*i].len() >= length).collect();
    if long.is_empty() {
        bail!("no prompt of {} has the {length} tokens that are replaced", path.display());
    }
    // A hash is as good as any draw, and the same on every machine.
    let hash = Sha256::digest(seed.to_le_bytes());
    let draw = hash.iter().take(8).fold(0u64, |draw, byte| draw << 8 | u64::from(*byte));
    let number = long[(draw % long.len() as u64) as usize];
    // Position for position: what is longer than the prompt is not needed.
    Ok((number, prompts[number][..length].to_vec()))
}

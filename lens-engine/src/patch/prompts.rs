//! The prompts of a sweep, and which of their positions correspond.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use lens_cli::{
    args::{ChatArgs, PatchArgs, PatchMode},
    style::Console,
    values::TokenIds,
};
use lens_core::{
    Prepared, Texts, TokenId,
    patch::{Ablated, AlignError, Direction, Pairing, Prompt, pairs},
};
use lens_models::{Request, Session, chat::Extras, session::Input};
use sha2::{Digest as _, Sha256};

use crate::{
    prompt,
    records::{self, What},
};

/// Prompts that a mean is taken over, at most.
const MOST_PROMPTS: usize = 1 << 16;

/// What the arguments say that the model is to read, before a checkpoint is there to make tokens of it.
pub(super) struct Inputs {
    first: Input,
    second: Option<Input>,
    /// What chat templates see beside the messages.
    pub(super) extras: Extras,
}

impl Inputs {
    /// Reads the files that are named.
    pub(super) fn of(args: &PatchArgs) -> Result<Self> {
        let chat = &args.chat;
        let mut told = Vec::new();
        let mut input = |text: Option<&String>, ids: Option<&TokenIds>, file: Option<&Path>| {
            if let Some(path) = file {
                let (input, tools) = prompt::of_file(path, chat)?;
                told.push((path.to_owned(), tools));
                return Ok(input);
            }
            match (text, ids) {
                (_, Some(ids)) => Ok(Input::Tokens(ids.0.clone())),
                (Some(text), None) => Ok(prompt::of_text(text.clone(), chat)),
                (None, None) => bail!("there is no prompt"),
            }
        };
        let one = (args.prompt.as_ref(), args.token_ids.as_ref(), args.messages.as_deref());
        let (first, second) = match args.mode() {
            PatchMode::Patching => {
                let clean =
                    input(args.clean.as_ref(), args.clean_ids.as_ref(), args.clean_messages.as_deref())?;
                let file = args.corrupted_messages.as_deref();
                (clean, Some(input(args.corrupted.as_ref(), args.corrupted_ids.as_ref(), file)?))
            }
            PatchMode::Patchscope => {
                let target = match &args.other.target_ids {
                    Some(ids) => Input::Tokens(ids.0.clone()),
                    // It makes the model go on in a form of its own: nothing is asked in it.
                    None => Input::Text(args.other.target_prompt.clone()),
                };
                (input(one.0, one.1, one.2)?, Some(target))
            }
            PatchMode::Ablation(_) => {
                let prompt = input(one.0, one.1, one.2)?;
                let other = args.other.other.as_ref();
                (prompt, other.map(|text| input(Some(text), None, None)).transpose()?)
            }
        };
        let tools = match &told[..] {
            [(a, tools), (b, others)] if tools != others => {
                bail!(
                    "{} and {} tell the model of different tools: give both the same",
                    a.display(),
                    b.display()
                )
            }
            _ => told.pop().and_then(|(_, tools)| tools),
        };
        Ok(Self { first, second, extras: prompt::extras(chat, tools) })
    }
}

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
    pub(super) fn of(inputs: Inputs, args: &PatchArgs, session: &Session, console: &Console) -> Result<Self> {
        let prepare = |input: Input| session.prepare(&Request::new(input));
        let first = prepare(inputs.first)?;
        let mut second = inputs.second.map(prepare).transpose()?;
        let mut many = Vec::new();
        let mut notes = Vec::new();
        if let Some(path) = &args.other.prompts {
            many = of_file(path, session, &args.chat, console)?;
            if args.mode() == PatchMode::Ablation(Ablated::Resample) {
                let (number, tokens) = chosen(&many, first.tokens.len(), args.other.seed, path)?;
                notes.push(format!(
                    "activations are those of prompt {number} of {}, which the seed {} chose",
                    path.display(),
                    args.other.seed
                ));
                second = Some(prepare(Input::Tokens(tokens))?);
                many.clear();
            } else {
                notes.push(format!("means are over all positions of {} prompts", many.len()));
            }
        }
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
fn of_file(path: &Path, session: &Session, chat: &ChatArgs, console: &Console) -> Result<Vec<Vec<TokenId>>> {
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
        let index = record.index;
        let prepared = session.prepare(&Request::new(prompt::of_record(record.input, chat)));
        all.push(prepared.with_context(|| format!("prompt {index} of {}", path.display()))?.tokens);
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

//! From the arguments to directions.

use anyhow::{Context, Result, bail};
use lens_checkpoint::{
    Checkpoint, Tokenizer,
    directions::{Choice, DirectionFile, Directions},
};
use lens_core::{Selection, TokenId};

use crate::{args::DecodeArgs, values::Target};

/// The directions that the arguments name.
pub(super) fn directions<'a>(
    args: &DecodeArgs,
    checkpoint: &'a Checkpoint,
    file: Option<&'a mut DirectionFile>,
    tokens: &[TokenId],
) -> Result<Directions<'a>> {
    let layers = args.layers.clone().unwrap_or_else(Selection::all);
    if let Some(file) = file {
        let choice = Choice::all()
            .with_tensors(args.tensors.clone())
            .with_transpose(args.transpose)
            .with_rows(args.rows.clone());
        return Ok(file.directions(checkpoint.outline(), &choice)?);
    }
    Ok(match (args.neurons, args.heads_ov) {
        (true, _) => Directions::of_neurons(checkpoint, &layers, &args.rows)?,
        (_, true) => Directions::of_heads(checkpoint, &layers, &args.rows, tokens)?,
        _ => Directions::of_embedding(checkpoint, tokens, &args.rows)?,
    })
}

/// The tokens that the arguments name, by text or by id.
pub(super) fn tokens(
    args: &DecodeArgs,
    checkpoint: &Checkpoint,
    tokenizer: Option<&Tokenizer>,
    notes: &mut Vec<String>,
) -> Result<Vec<TokenId>> {
    let mut tokens = Vec::with_capacity(args.tokens.len());
    for target in &args.tokens {
        let id = match (target, tokenizer) {
            (Target::Id(id), _) => *id,
            (Target::Text(_), None) => bail!(
                "{} has no tokenizer.json, so texts have no tokens: give token ids with --tokens 5",
                checkpoint.outline().id
            ),
            (Target::Text(text), Some(tokenizer)) => {
                let named = tokenizer.target(text).with_context(|| format!("cannot decode {text:?}"))?;
                notes.extend(named.note);
                named.id
            }
        };
        tokens.push(id);
    }
    Ok(tokens)
}

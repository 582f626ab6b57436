//! `lens patch`: what an answer owes to activations, place by place.

mod prompts;
mod show;

use std::ops::ControlFlow;

use anyhow::{Result, bail};
use lens_cli::{
    args::{PatchArgs, PatchMode},
    folder::Folder,
    model,
    progress::Running,
    style::Console,
};
use lens_core::{
    Backend, Prepared, Selection, Site, Target, Texts, TokenId,
    patch::{
        Ablated, AblationRequest, Ask, Direction, PatchContext, PatchPrompt, PatchRequest, PatchSite,
        PatchSites, PatchTrace, Patched, PatchscopeRequest, Places, Prompt, Replacement, ablate,
        patch as patch_places, patchscope,
    },
};
use lens_models::{Decoder, Session, demo};

use crate::{machine, run::GENERATOR, weights};
use prompts::{Inputs, Prompts, corresponding};

pub(crate) fn patch(args: &PatchArgs, console: &Console) -> Result<()> {
    let form = show::Form::of(args)?;
    let inputs = Inputs::of(args)?;
    let options = machine::apply(&args.machine)?;
    // Before anything is computed for it.
    let folder = args.out_folder().map(Folder::for_results).transpose()?;
    let name = args.model.as_deref().unwrap_or(demo::ID);
    let checkpoint = model::open(name, &args.source, args.machine.io.into(), console)?;
    let mut session = Session::new(checkpoint, options)?.with_chat(inputs.extras.clone())?;
    let prompts = Prompts::of(inputs, args, &session, console)?;
    let mut notes = prompts.notes.clone();
    let mut ask = Ask::default().with_metric(args.metric);
    let mut token = |target: &Target| -> Result<TokenId> {
        let named = session.speech().target(target)?;
        notes.extend(named.note);
        Ok(named.id)
    };
    ask.target = args.target.as_ref().map(|target| token(&target.into())).transpose()?;
    ask.versus = args.versus.as_ref().map(|versus| token(&versus.into())).transpose()?;
    notes.iter().for_each(|note| console.note(note));

    let running = Running::new("loading the model");
    session.model_with(&mut |progress| running.load(progress.done, progress.total))?;
    drop(running);
    let mut patched = sweep(args, &prompts, ask, session.model()?)?;
    patched.notes.iter().for_each(|note| console.note(note));
    notes.append(&mut patched.notes);
    let changed = weights::changed_weights();
    changed.iter().for_each(|note| console.note(note));
    notes.extend(changed);
    patched.notes = notes;

    let info = session.model()?.info().clone();
    let context = PatchContext::new(GENERATOR, &info, session.speech().names(), shown(prompts.changed(args)))
        .with_source(prompts.source(args).map(shown));
    let trace = PatchTrace::new(&patched, &context);
    show::show(&trace, args, form, folder, console)?;
    show::verdict(&trace)
}

/// Runs what was asked for.
fn sweep(args: &PatchArgs, prompts: &Prompts, ask: Ask, model: &mut Decoder) -> Result<Patched> {
    let running = Running::new("running the model");
    let mut watch = |done: usize, total: usize| {
        running.patch(done, total);
        ControlFlow::Continue(())
    };
    let places = |usual: PatchSites| {
        let sites = args.places.sites.clone().unwrap_or(usual);
        Places::new(sites).with_layers(args.places.layers.clone()).with_per(args.places.per)
    };
    let first = &prompts.first;
    match args.mode() {
        PatchMode::Patching => {
            let Some(second) = &prompts.second else { bail!("there is no corrupted prompt") };
            let direction = direction(args);
            let clean = Prompt::new(&first.tokens).with_read(position(&args.position, &first.tokens)?);
            let corrupted = Prompt::new(&second.tokens).with_read(position(&args.position, &second.tokens)?);
            let (changed, other) =
                if direction == Direction::Denoise { (corrupted, clean) } else { (clean, corrupted) };
            let pairing = corresponding(args, prompts, changed, other)?;
            let request = PatchRequest::new(clean, corrupted)
                .with_direction(direction)
                .with_places(places(PatchSites::usual()).with_pairs(Some(pairing.pairs)))
                .with_ask(ask);
            let mut patched = patch_places(model, &request, &mut watch)?;
            patched.notes.extend(pairing.notes);
            Ok(patched)
        }
        PatchMode::Ablation(with) => {
            let prompt = Prompt::new(&first.tokens).with_read(position(&args.position, &first.tokens)?);
            let (with, other) = match (with, &prompts.second) {
                (Ablated::Zero, _) => (Replacement::Zero, prompt),
                (Ablated::Mean, _) if prompts.many.is_empty() => (Replacement::Mean, prompt),
                (Ablated::Mean, _) => (Replacement::MeanOf(&prompts.many), prompt),
                (Ablated::Resample, Some(other)) => {
                    (Replacement::Resample(&other.tokens), Prompt::new(&other.tokens))
                }
                (Ablated::Resample, None) => bail!("there is no prompt to take activations of"),
            };
            let pairing = corresponding(args, prompts, prompt, other)?;
            let mut request = AblationRequest::new(prompt, with).with_ask(ask);
            let per = args.places.per.or(request.places.per);
            request.places = places(PatchSites::branches()).with_pairs(Some(pairing.pairs)).with_per(per);
            let mut patched = ablate(model, &request, &mut watch)?;
            patched.notes.extend(pairing.notes);
            Ok(patched)
        }
        PatchMode::Patchscope => {
            let Some(target) = &prompts.second else { bail!("there is no target prompt") };
            let source_positions = match &args.places.positions {
                None => vec![first.tokens.len() - 1],
                Some(positions) => positions.resolve(first.tokens.len(), "position")?,
            };
            let into = Prompt::new(&target.tokens).with_read(position(&args.position, &target.tokens)?);
            let request = PatchscopeRequest::new(Prompt::new(&first.tokens), into)
                .with_source_positions(source_positions)
                .with_source_layers(args.places.layers.clone())
                .with_target_position(position(&args.other.target_position, &target.tokens)?)
                .with_target_layers(args.other.target_layers.clone())
                .with_site(state(args)?)
                .with_ask(ask);
            Ok(patchscope(model, &request, &mut watch)?)
        }
    }
}

/// A prompt as a trace shows it.
fn shown(prepared: &Prepared) -> PatchPrompt<'_> {
    PatchPrompt::new(&prepared.tokens, prepared.text.as_deref())
}

fn direction(args: &PatchArgs) -> Direction {
    args.places.direction.map_or(Direction::default(), Into::into)
}

/// The one position that a selection names.
fn position(selection: &Selection, tokens: &[TokenId]) -> Result<usize> {
    match *selection.resolve(tokens.len(), "position")? {
        [position] => Ok(position),
        ref several => bail!("{selection} is {} positions: one is read", several.len()),
    }
}

/// The state that a patchscope takes.
fn state(args: &PatchArgs) -> Result<Site> {
    match args.places.sites.as_ref().map(PatchSites::as_slice) {
        None => Ok(Site::ResidPost),
        Some([PatchSite::One(site)]) => Ok(*site),
        Some(_) => bail!("--patchscope takes one of resid_pre and resid_post in --sites"),
    }
}

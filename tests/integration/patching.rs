//! Patching, ablations and patchscopes equal hooks in transformers, in float64.

use std::{collections::BTreeMap, ops::ControlFlow};

use lens_core::{
    Backend, BackendError, Branches, Forward, ModelInfo, PlainLogits, Point, ReadRequest, Readings, Site,
    StepBudget, TokenId,
    patch::{
        AblationRequest, Ask, Direction, Metric, PatchRequest, PatchSites, Patched, PatchedCell,
        PatchscopeRequest, Per, Places, Prompt, Replacement, ablate, patch, patchscope,
    },
};
use lens_models::Decoder;
use lens_tests::{Golden, checkpoint_names, decoder};
use serde::Deserialize;

/// What float32 may differ from float64.
const TOLERANCE: f64 = 1e-4;

/// Logit difference, and KL to the clean answer.
type Pair = [f64; 2];

/// What `tests/fixtures/make_patching.py` wrote.
#[derive(Deserialize)]
struct Found {
    clean: Vec<TokenId>,
    corrupted: Vec<TokenId>,
    others: Vec<Vec<TokenId>>,
    scope: Vec<TokenId>,
    target: TokenId,
    versus: TokenId,
    families: BTreeMap<String, OfFamily>,
}

#[derive(Deserialize)]
struct OfFamily {
    clean: Pair,
    corrupted: Pair,
    denoise: Grids,
    noise: Grids,
    ablations: BTreeMap<String, Ablations>,
    /// `[source layer][target layer]` of the top token and its probability.
    patchscope: Vec<Vec<(u32, f64)>>,
}

#[derive(Deserialize)]
struct Grids {
    #[serde(flatten)]
    sites: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Ablations {
    attn_out: BTreeMap<u16, Pair>,
    mlp_out: BTreeMap<u16, Pair>,
    heads: BTreeMap<u16, Vec<Pair>>,
}

fn found() -> Found {
    let text = std::fs::read(lens_tests::fixtures().join("patching.json")).expect("a fixture");
    serde_json::from_slice(&text).expect("a sound fixture")
}

fn go_on(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn ask(found: &Found) -> Ask {
    Ask::default().with_target(Some(found.target)).with_versus(Some(found.versus))
}

/// The cell of a grid, whose rows are layers by name.
fn in_grid(grids: &Grids, done: &PatchedCell) -> Pair {
    let Point::Block { layer, site } = done.cell.point else { panic!("{}", done.cell) };
    let name = if site.head().is_some() { "heads" } else { site.name() };
    let name = if done.cell.at.is_some() { name.to_owned() } else { format!("{name}.all") };
    let mut value = &grids.sites[&name][layer.to_string()];
    if let Some(head) = site.head() {
        value = &value[usize::from(head)];
    }
    if let Some(pair) = done.cell.at {
        value = &value[pair.to];
    }
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{}: {error}", done.cell))
}

fn assert_near(name: &str, done: &PatchedCell, expected: Pair) {
    let got = [Metric::LogitDiff, Metric::Kl].map(|metric| done.outcome.value(metric).expect("two tokens"));
    for (got, expected) in got.into_iter().zip(expected) {
        let off = (got - expected).abs();
        assert!(off < TOLERANCE, "{name}, {}: {got} instead of {expected}", done.cell);
    }
}

fn sites() -> PatchSites {
    "resid_pre,z,attn_out,resid_mid,mlp_out,resid_post,heads".parse().expect("sites")
}

/// All four combinations of direction and cells, in every way in which the runs can be grouped.
fn assert_patching<B: Backend>(name: &str, model: &mut B, found: &Found) {
    let family = &found.families[name];
    for (direction, grids) in [(Direction::Denoise, &family.denoise), (Direction::Noise, &family.noise)] {
        for per in [Per::Position, Per::Layer] {
            let request = PatchRequest::new(Prompt::new(&found.clean), Prompt::new(&found.corrupted))
                .with_direction(direction)
                .with_places(Places::new(sites()).with_per(Some(per)))
                .with_ask(ask(found));
            let patched = patch(model, &request, &mut go_on).expect("it can be patched");
            assert!(patched.check.passed, "{name}: {:?}", patched.check);
            let (clean, corrupted) = patched.clean_and_corrupted().expect("two runs");
            for (run, expected) in [(clean, family.clean), (corrupted, family.corrupted)] {
                let got =
                    [Metric::LogitDiff, Metric::Kl].map(|metric| run.outcome.value(metric).expect("two"));
                assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < TOLERANCE), "{name}: {got:?}");
            }
            patched.cells.iter().for_each(|done| assert_near(name, done, in_grid(grids, done)));
        }
    }
}

#[test]
fn every_cell_equals_a_hook_in_transformers() {
    let found = found();
    for name in found.families.keys() {
        assert_patching(name, &mut decoder(name), &found);
    }
}

/// A decoder with short steps, so that few runs share a pass and most begin after what the caches hold; or without
/// branches, so that each run is one of the whole prompt.
struct Limited {
    model: Decoder,
    longest: usize,
    has_branches: bool,
    forwards: usize,
}

impl Backend for Limited {
    type Hidden = <Decoder as Backend>::Hidden;

    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn forward(&mut self, step: &Forward<'_>) -> Result<Vec<Self::Hidden>, BackendError> {
        self.forwards += 1;
        self.model.forward(step)
    }

    fn forward_branches(
        &mut self,
        branches: &Branches<'_, Self::Hidden>,
    ) -> Result<Option<Self::Hidden>, BackendError> {
        if self.has_branches { self.model.forward_branches(branches) } else { Ok(None) }
    }

    fn step_budget(&self) -> StepBudget {
        self.model.step_budget().with_longest(self.longest)
    }

    fn heads(&self, layer: u16) -> Option<(usize, usize)> {
        self.model.heads(layer)
    }

    fn set_edits(
        &mut self,
        edits: Option<std::sync::Arc<lens_core::Edits>>,
    ) -> Result<Option<std::sync::Arc<lens_core::Edits>>, BackendError> {
        self.model.set_edits(edits)
    }

    fn rows(
        &self,
        hidden: &Self::Hidden,
        rows: std::ops::Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<usize, BackendError> {
        self.model.rows(hidden, rows, out)
    }

    fn select(
        &self,
        hidden: &Self::Hidden,
        rows: std::ops::Range<usize>,
    ) -> Result<Self::Hidden, BackendError> {
        self.model.select(hidden, rows)
    }

    fn read(&self, request: &ReadRequest<'_, Self::Hidden>) -> Result<Readings, BackendError> {
        self.model.read(request)
    }

    fn plain_logits(
        &self,
        last: &Self::Hidden,
        row: usize,
        ids: &[TokenId],
    ) -> Result<PlainLogits, BackendError> {
        self.model.plain_logits(last, row, ids)
    }
}

#[test]
fn runs_that_go_on_from_the_caches_equal_the_hooks_too() {
    let found = found();
    for name in found.families.keys() {
        let mut model = Limited { model: decoder(name), longest: 21, has_branches: true, forwards: 0 };
        assert_patching(name, &mut model, &found);
        assert_eq!(model.forwards, 2 * 4, "{name}: each sweep runs two prompts once");
    }
}

#[test]
fn runs_of_the_whole_prompt_equal_the_hooks_too() {
    let found = found();
    for name in ["llama31", "lfm2"] {
        let mut model = Limited { model: decoder(name), longest: 512, has_branches: false, forwards: 0 };
        assert_patching(name, &mut model, &found);
    }
}

#[test]
fn every_ablation_equals_a_hook_in_transformers() {
    let found = found();
    for (name, family) in &found.families {
        let mut model = decoder(name);
        for (kind, with) in [
            ("zero", Replacement::Zero),
            ("mean", Replacement::Mean),
            ("mean_of", Replacement::MeanOf(&found.others)),
            ("resample", Replacement::Resample(&found.others[0])),
        ] {
            let expected = &family.ablations[kind];
            let sites = "attn_out,mlp_out,heads".parse().expect("sites");
            let request = AblationRequest::new(Prompt::new(&found.clean), with)
                .with_places(Places::new(sites).with_per(Some(Per::Layer)))
                .with_ask(ask(&found));
            let ablated: Patched = ablate(&mut model, &request, &mut go_on).expect("it can be ablated");
            for done in &ablated.cells {
                let Point::Block { layer, site } = done.cell.point else { panic!("{}", done.cell) };
                let expected = match site {
                    Site::Head(head) => expected.heads[&layer][usize::from(head)],
                    Site::AttnOut => expected.attn_out[&layer],
                    _ => expected.mlp_out[&layer],
                };
                assert_near(&format!("{name} {kind}"), done, expected);
            }
        }
    }
}

#[test]
fn a_patchscope_equals_a_hook_in_transformers() {
    let found = found();
    for (name, family) in &found.families {
        let mut model = decoder(name);
        let request = PatchscopeRequest::new(Prompt::new(&found.clean), Prompt::new(&found.scope))
            .with_source_positions(vec![3])
            .with_target_position(2);
        let scoped = patchscope(&mut model, &request, &mut go_on).expect("it can be looked into");
        for done in &scoped.cells {
            let (source, target) =
                (done.cell.source_layer.expect("one"), done.cell.point.layer().expect("one"));
            let (id, prob) = family.patchscope[usize::from(source)][usize::from(target)];
            let top = done.outcome.top;
            assert_eq!(top.id, TokenId(id), "{name}, {}", done.cell);
            assert!((f64::from(top.prob) - prob).abs() < TOLERANCE, "{name}, {}: {}", done.cell, top.prob);
        }
    }
}

/// What enters a block at every position is all of a prompt, in every family whose blocks read nothing beside the stream.
#[test]
fn the_whole_input_of_a_block_is_the_whole_prompt() {
    for name in checkpoint_names() {
        let golden = Golden::of(&name);
        let mut corrupted = golden.tokens.clone();
        for token in corrupted.iter_mut().step_by(2) {
            token.0 = (token.0 + 5) % 50;
        }
        let mut model = decoder(&name);
        let n_layers = model.info().n_layers;
        // Vectors of tokens for blocks are those of the prompt that is changed.
        let is_whole = model.spec().embed.per_layer.is_none();
        let ask = Ask::default()
            .with_target(Some(TokenId(3)))
            .with_versus(Some(TokenId(8)))
            .with_metric(Some(Metric::LogitDiff));
        let places = Places::new("resid_pre".parse().expect("sites")).with_per(Some(Per::Layer));
        let request = PatchRequest::new(Prompt::new(&golden.tokens), Prompt::new(&corrupted))
            .with_places(places)
            .with_ask(ask);
        let patched =
            patch(&mut model, &request, &mut go_on).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(patched.cells.len(), usize::from(n_layers), "{name}");
        let source = patched.source.as_ref().and_then(|run| run.outcome.value(Metric::LogitDiff));
        let source = source.expect("two tokens");
        for done in &patched.cells {
            let got = done.outcome.value(Metric::LogitDiff).expect("two tokens");
            let is_alike = (got - source).abs() < TOLERANCE;
            assert_eq!(is_alike, is_whole, "{name}, {}: {got} and {source}", done.cell);
        }
    }
}

/// Cells a second, shared and one by one, on the demo model or the folder that `LENS_MODEL` names. Run it with
/// `-- --ignored --nocapture`.
#[test]
#[ignore = "it measures time"]
fn what_a_cell_costs() {
    let checkpoint = match std::env::var("LENS_MODEL") {
        Ok(folder) => {
            use lens_models::source::{Silent, SourceOptions, locate};
            let files =
                locate(&folder, &SourceOptions::from_lookup(|_| None), &mut Silent).expect("a folder");
            lens_models::Checkpoint::open(&files).expect("a checkpoint")
        }
        Err(_) => lens_models::demo::checkpoint().expect("the demo model"),
    };
    let model = Decoder::load(checkpoint, &lens_models::LoadOptions::default()).expect("it loads");
    let mut model = Limited { model, longest: 512, has_branches: true, forwards: 0 };
    for n in [8, 16] {
        let clean: Vec<TokenId> = (1..=n).map(TokenId).collect();
        let mut corrupted = clean.clone();
        corrupted[2] = TokenId(99);
        let ask = Ask::default()
            .with_target(Some(TokenId(3)))
            .with_versus(Some(TokenId(8)))
            .with_metric(Some(Metric::LogitDiff));
        let request = PatchRequest::new(Prompt::new(&clean), Prompt::new(&corrupted)).with_ask(ask);
        let mut rates = Vec::new();
        for has_branches in [true, false, true, false] {
            model.has_branches = has_branches;
            let began = std::time::Instant::now();
            let patched = patch(&mut model, &request, &mut go_on).expect("it can be patched");
            rates.push(patched.cells.len() as f64 / began.elapsed().as_secs_f64());
        }
        println!("{n} tokens: {:.0} cells/s shared, {:.0} one by one", rates[2], rates[3]);
    }
}

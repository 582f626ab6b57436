//! Pictures as narrow as a column of a journal: all of what is said of them is there, and nothing lies on anything else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod synthetic;

use std::{ops::ControlFlow, sync::LazyLock};

use lens_core::{
    Backend, Component, InterventionTrace, Lens, LensTrace, Plan, SampledTrace, Site, StepTrace, TokenId,
    TraceContext,
    attribution::{AttributionRequest, AttributionTrace, attribute},
    corpus::{CorpusOptions, CorpusStatistics, Spelling},
    diff::{Diff, DiffPlan, DiffText, DiffTrace},
    evaluate::{Evaluation, EvaluationOptions},
    patch::{PatchContext, PatchPrompt, PatchRequest, PatchTrace, Prompt, patch},
    toy::ToyBackend,
};
use lens_viz::{
    Named,
    difference::{Contrast, Difference},
    picture::{
        CorpusPicture, Picture, PictureError, PictureOptions, attribution, corpus, diff, difference,
        evaluation, patching, svg,
    },
};
use resvg::{tiny_skia::Rect, usvg};
use synthetic::{Shape, kinds};

/// Pixels that pictures are laid out in: the least there can be, 60 and 85 mm in text of 6 to 10 points, and wider.
const WIDTHS: [u32; 6] = [160, 213, 283, 344, 454, 1000];

const TITLE: &str =
    "What a model of a few layers would say at each of them of a capital, for a column of a journal";
const MODEL: &str =
    "models/an-organisation-with-a-long-name/a-model-with-a-longer-name-8x22B-instruct-v0.3-bf16";
const CHANGE: &str = "add L1.resid_post 4.5 vectors/a_direction_with_a_name.npy#refusal @ 0..12,14,15";
const FACT: &str = "sequences of up to 4 tokens of data/the_validation_part_of_a_corpus.jsonl.zst";
const TEXTS: [&str; 6] = [" the", " Paris", "ization", " capital", "ing", " of"];

fn tokens() -> Vec<TokenId> {
    [3, 14, 15, 9].map(TokenId).to_vec()
}

fn toy() -> ToyBackend {
    ToyBackend::new(4, 16, 50, 7)
}

fn options(width: u32) -> PictureOptions {
    PictureOptions::default().with_width(Some(width)).with_title(Some(TITLE.to_owned()))
}

/// A run of a model with a long name, in which something was changed and in which the model wrote.
fn trace() -> LensTrace {
    let every = Component::READABLE;
    let shape = Shape { layers: 8, components: &every, positions: 0..7, top: 3, texts: &TEXTS };
    let mut trace = synthetic::trace(&shape);
    trace.model.id = MODEL.to_owned();
    trace.interventions.push(InterventionTrace::new("L1.resid_post", "add", CHANGE));
    let step = |i: usize| {
        let token = &trace.tokens[i + 1];
        StepTrace::new(i - 3, i, SampledTrace::new(token.id, token.text.clone(), 0.5))
    };
    trace.steps = (3..6).map(step).collect();
    for token in &mut trace.tokens[4..] {
        token.generated = true;
    }
    trace
}

/// A picture, what it is, and what has to stand in it whole beside its title.
type Drawn = (String, Result<Vec<Picture>, PictureError>, Vec<&'static str>);

/// A picture of each kind of a run.
fn of_runs(width: u32) -> Vec<Drawn> {
    let trace = trace();
    let mut drawn: Vec<Drawn> = kinds()
        .into_iter()
        .map(|kind| (format!("{kind} at {width}"), svg(&trace, kind, &options(width)), vec![MODEL, CHANGE]))
        .collect();
    let mut other = trace.clone();
    other.readouts.iter_mut().for_each(|readout| readout.top.iter_mut().for_each(|top| top.prob /= 2.0));
    let [after, before] = ["traces/after_the_change.json", "traces/before_it.json"];
    let both = Difference::new(Named::new(after, &trace), Named::new(before, &other)).unwrap();
    let pages = difference(&both, Contrast::default(), &options(width));
    drawn.push((format!("difference at {width}"), pages, vec![MODEL]));
    drawn
}

/// A picture of each kind of what is made of many runs.
fn of_reports(width: u32) -> Vec<Drawn> {
    let facts = [MODEL.to_owned(), FACT.to_owned()];
    let asked = options(width);
    let mut drawn = Vec::new();
    let mut toy = toy();
    let mut evaluated = Evaluation::new(EvaluationOptions::default().with_resamplings(20));
    let plan = Evaluation::ask(Plan::default().with_components("resid_pre,resid_post".parse().unwrap()));
    let reading = Lens::new(&mut toy).read(&tokens(), &plan).unwrap();
    evaluated.add(&reading, &tokens(), &|_| Some(1)).unwrap();
    let says = vec![MODEL, FACT, "surprise at the next token, nats", "level line: the surprise of the model"];
    let pages = evaluation(&evaluated.report().unwrap(), &facts, &asked);
    drawn.push((format!("evaluation at {width}"), pages, says));

    let asking = CorpusOptions::default().with_resamplings(20);
    let plan = asking.ask(Plan::default().with_components("resid_pre,resid_post".parse().unwrap()));
    let reading = Lens::new(&mut toy).read(&tokens(), &plan).unwrap();
    let mut statistics = CorpusStatistics::new(asking);
    statistics.add(0, &tokens(), &reading, &Spelled).unwrap();
    statistics.end_documents();
    let report = statistics.report(0.9);
    for what in CorpusPicture::ALL.into_iter().filter(|what| what.is_of(&report)) {
        let pages = corpus(&report, what, &facts, &asked);
        drawn.push((format!("{} of a corpus at {width}", what.name()), pages, vec![MODEL, FACT]));
    }

    let (mut a, mut b) = (toy, ToyBackend::new(4, 16, 50, 7));
    b.add_to_weight(1, Site::AttnOut, (2, 12), 0.5);
    let plan = DiffPlan::default().with_components("all,heads".parse().unwrap());
    let mut compared = Diff::new(&mut a, &mut b, plan).unwrap();
    compared.add(&tokens()).unwrap();
    let report = compared.report().unwrap();
    let text = DiffText::new(None, 4);
    let compared = DiffTrace::new(("test", "0"), [a.info(), b.info()], text, report, Vec::new(), Vec::new());
    for picture in diff(&compared, &asked).unwrap() {
        drawn.push((
            format!("diff {} at {width}", picture.stem),
            Ok(picture.pages),
            vec!["A: toy", "B: toy"],
        ));
    }
    drawn
}

/// A picture of each kind of what is done to a run.
fn of_changes(width: u32) -> Vec<Drawn> {
    let mut model = toy();
    let tokens = tokens();
    let ask = AttributionRequest::new(TokenId(9), 3).with_versus(Some(TokenId(8)));
    let parts = attribute(&mut model, &tokens, &ask).unwrap();
    let context = TraceContext::new(("test", "0"), model.info(), &tokens, &());
    let attributed = AttributionTrace::new(&parts, &context);
    let says = vec!["logit before any cap", "the sum of all parts is off by"];
    let mut drawn =
        vec![(format!("attribution at {width}"), attribution(&attributed, &options(width)), says)];

    let corrupted = [3, 14, 26, 9].map(TokenId);
    let request = PatchRequest::new(Prompt::new(&tokens), Prompt::new(&corrupted));
    let patched = patch(&mut model, &request, &mut |_, _| ControlFlow::Continue(())).unwrap();
    let prompt =
        |tokens| PatchPrompt::new(tokens, Some("The capital of a country that is not named here is"));
    let context = PatchContext::new(("test", "0"), model.info(), &(), prompt(&corrupted))
        .with_source(Some(prompt(&tokens)));
    for picture in patching(&PatchTrace::new(&patched, &context), &options(width)).unwrap() {
        let says = vec!["corrupted answers", "that is not named here is · clean answers"];
        drawn.push((format!("patching {} at {width}", picture.stem), Ok(picture.pages), says));
    }
    drawn
}

struct Spelled;

impl Spelling for Spelled {
    fn script(&self, token: TokenId) -> &str {
        ["Latin", "Han", "A script with a name that is longer than a legend"][token.0 as usize % 3]
    }

    fn language(&self, _: &[TokenId]) -> Option<&str> {
        Some("English")
    }

    fn bytes(&self, _: TokenId) -> Option<usize> {
        Some(2)
    }
}

/// The embedded fonts, under the names that pictures have them.
static FONTS: LazyLock<usvg::Options<'static>> = LazyLock::new(|| {
    let mut options = usvg::Options::default();
    for name in ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "NotoSansSymbols2"] {
        let path = format!("{}/fonts/{name}-subset.ttf", env!("CARGO_MANIFEST_DIR"));
        options.fontdb_mut().load_font_data(std::fs::read(path).unwrap());
    }
    options
});

/// Every text with the outlines of its letters, in the order in which it is drawn, and the page's size.
fn written(picture: &Picture) -> (Vec<(String, Rect)>, usvg::Size) {
    fn collect(group: &usvg::Group, into: &mut Vec<(String, Rect)>) {
        for node in group.children() {
            match node {
                usvg::Node::Group(group) => collect(group, into),
                usvg::Node::Text(text) => {
                    let says = text.chunks().iter().map(usvg::TextChunk::text).collect();
                    into.push((says, text.flattened().abs_bounding_box()));
                }
                _ => {}
            }
        }
    }
    let tree = usvg::Tree::from_str(&picture.svg, &FONTS).unwrap();
    let mut texts = Vec::new();
    collect(tree.root(), &mut texts);
    (texts, tree.size())
}

/// What two texts have in common, in pixels of the layout.
fn overlap(a: &Rect, b: &Rect) -> f32 {
    let across = a.right().min(b.right()) - a.left().max(b.left());
    let down = a.bottom().min(b.bottom()) - a.top().max(b.top());
    across.min(down)
}

fn bare(text: &str) -> String {
    text.replace(' ', "")
}

/// Looks at a picture: its texts are whole, inside, and apart.
fn look(name: &str, pages: &[Picture], says: &[&str]) {
    for page in pages {
        let (texts, size) = written(page);
        let all: String = texts.iter().map(|(text, _)| bare(text)).collect();
        for says in says.iter().chain([&TITLE]) {
            assert!(all.contains(&bare(says)), "{says:?} is not whole in {name}: {all}");
        }
        assert_eq!(page.title, TITLE, "{name}");
        for (text, at) in &texts {
            assert!(at.width() > 0.0 && at.height() > 0.0, "{text:?} has no letters in {name}");
            let inside = at.left() >= 0.0
                && at.top() >= 0.0
                && at.right() <= size.width() + 0.01
                && at.bottom() <= size.height() + 0.01;
            assert!(inside, "{text:?} is outside {name}: {at:?} of {size:?}");
        }
        for (i, (text, at)) in texts.iter().enumerate() {
            for (other, place) in &texts[..i] {
                assert!(
                    overlap(at, place) < 0.6,
                    "{text:?} lies on {other:?} in {name}: {at:?} and {place:?}"
                );
            }
        }
    }
}

/// Looks at pictures of every width.
fn look_at(draw: fn(u32) -> Vec<Drawn>) {
    for (width, (name, pages, says)) in
        WIDTHS.into_iter().flat_map(|width| draw(width).into_iter().map(move |it| (width, it)))
    {
        match pages {
            Ok(pages) => look(&name, &pages, &says),
            // A very narrow page has few columns, so that a picture may need very many; then that is said.
            Err(error) => {
                let is_full = width < 283 && matches!(error, PictureError::TooManyPages { .. });
                assert!(is_full, "{name}: {error}");
            }
        }
    }
}

#[test]
fn pictures_of_runs_say_all_at_any_width_and_nothing_lies_on_anything_else() {
    look_at(of_runs);
}

#[test]
fn so_do_pictures_of_what_is_made_of_many_runs() {
    look_at(of_reports);
}

#[test]
fn so_do_pictures_of_what_is_done_to_a_run() {
    look_at(of_changes);
}

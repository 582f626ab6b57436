//! The lines above a picture: what it shows, of which model, how it was read, and what was changed.

use lens_core::LensTrace;

use super::{
    Fonts,
    canvas::{ALARM, Canvas, GREY, INK, Pen},
    fonts::Face,
    text::Shown,
};
use crate::source::Source;
use crate::{difference::Difference, measure::compared, ramp::Rgb};

/// Pixels from the edges of the page.
pub(super) const MARGIN: f64 = 16.0;

const TITLE: Pen = Pen::new(Face::Bold, 14.0, INK);
const LEAST_TITLE: f64 = 11.0;
const SMALL: f64 = 10.0;
const TITLE_HEIGHT: f64 = 20.0;
const LINE_HEIGHT: f64 = 14.0;

/// Interventions that are written out; of more, the number is.
const MOST_CHANGES: usize = 6;

struct Line {
    text: Shown,
    colour: Rgb,
}

/// What is said above a picture, whatever its width.
pub(super) struct Heading<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) title: String,
    /// Of a picture of one position.
    pub(super) position: Option<usize>,
    /// By what rule the picture shows what it shows.
    pub(super) rule: Option<String>,
    /// Of a picture of two traces: `source` is the first of them.
    pub(super) against: Option<&'a Difference<'a>>,
    pub(super) fonts: Fonts,
}

/// What is said above a picture.
pub(super) enum Above<'a> {
    /// Of one run, or of two.
    Runs(Heading<'a>),
    /// A title, and facts in order.
    Facts { title: String, facts: Vec<String>, fonts: Fonts },
}

impl<'a> From<Heading<'a>> for Above<'a> {
    fn from(heading: Heading<'a>) -> Self {
        Self::Runs(heading)
    }
}

impl Above<'_> {
    pub(super) fn head(&self, width: f64) -> Head {
        match self {
            Self::Runs(heading) => heading.head(width),
            Self::Facts { title, facts, fonts } => Head::of_facts(title, facts.clone(), width, *fonts),
        }
    }
}

/// The lines above a picture, made for a width.
pub(super) struct Head {
    title: Shown,
    lines: Vec<Line>,
    width: f64,
}

impl Heading<'_> {
    pub(super) fn head(&self, width: f64) -> Head {
        let (trace, fonts, room) = (self.source.trace, self.fonts, width - 2.0 * MARGIN);
        let mut head = Head { title: fonts.words(&self.title), lines: Vec::new(), width };
        if let Some(difference) = self.against {
            head.two(difference, fonts);
            return head;
        }
        head.flow(model_facts(trace), fonts);
        head.flow(lens_facts(trace, self.position), fonts);
        let prompt = match self.position.filter(|position| *position < trace.tokens.len()) {
            Some(position) => around(trace, position, fonts, room),
            None => fonts.words(&format!("prompt: {}", start_of(&trace.prompt))),
        };
        head.line(&prompt, GREY);
        if let Some(tokens) = compared(trace) {
            head.line(&fonts.words(&format!("logit difference: {tokens}")), GREY);
        }
        for change in changes(trace) {
            head.line(&fonts.words(&change), ALARM);
        }
        if let Some((says, colour)) = self_check(trace) {
            head.line(&fonts.words(says), colour);
        }
        if let Some(rule) = &self.rule {
            head.line(&fonts.words(rule), INK);
        }
        head
    }
}

impl Head {
    /// A title and facts, as many on a line as fit.
    pub(super) fn of_facts(title: &str, facts: Vec<String>, width: f64, fonts: Fonts) -> Self {
        let mut head = Self { title: fonts.words(title), lines: Vec::new(), width };
        head.flow(facts, fonts);
        head
    }

    /// Adds the facts of two traces: once where they are the same in both.
    fn two(&mut self, difference: &Difference<'_>, fonts: Fonts) {
        let both = [&difference.first, &difference.second];
        for facts in [model_facts, |trace: &LensTrace| lens_facts(trace, None)] {
            let [first, second] = both.map(|named| facts(named.trace));
            if first == second {
                self.flow(first, fonts);
                continue;
            }
            for (named, mut facts) in both.into_iter().zip([first, second]) {
                if let Some(fact) = facts.first_mut() {
                    *fact = format!("{}: {fact}", named.name);
                }
                self.flow(facts, fonts);
            }
        }
        let is_one_prompt = difference.first.trace.prompt == difference.second.trace.prompt;
        for named in both.into_iter().take(if is_one_prompt { 1 } else { 2 }) {
            let name = if is_one_prompt { "prompt" } else { &named.name };
            self.line(&fonts.words(&format!("{name}: {}", start_of(&named.trace.prompt))), GREY);
        }
        for named in both {
            let named_line = |says: &str| fonts.words(&format!("{}: {says}", named.name));
            for change in changes(named.trace) {
                self.line(&named_line(&change), ALARM);
            }
            if let Some((says, colour)) = self_check(named.trace) {
                self.line(&named_line(says), colour);
            }
        }
        for note in difference.notes() {
            self.line(&fonts.words(note), INK);
        }
    }

    /// Adds a line; what is too long for it loses its end.
    fn line(&mut self, text: &Shown, colour: Rgb) {
        let text = text.start(self.width - 2.0 * MARGIN, Face::Sans, SMALL);
        self.lines.push(Line { text, colour });
    }

    /// Adds facts, as many on a line as fit.
    fn flow(&mut self, facts: Vec<String>, fonts: Fonts) {
        let room = self.width - 2.0 * MARGIN;
        let mut line = String::new();
        for fact in facts.into_iter().filter(|fact| !fact.is_empty()) {
            let longer = if line.is_empty() { fact.clone() } else { format!("{line} · {fact}") };
            if !line.is_empty() && fonts.words(&longer).width(Face::Sans, SMALL) > room {
                self.line(&fonts.words(&line), GREY);
                line = fact;
            } else {
                line = longer;
            }
        }
        self.line(&fonts.words(&line), GREY);
    }

    pub(super) fn title(&self) -> &Shown {
        &self.title
    }

    /// Where the head ends, and the picture may begin.
    pub(super) fn bottom(&self, notes: usize) -> f64 {
        MARGIN + TITLE_HEIGHT + (self.lines.len() + notes) as f64 * LINE_HEIGHT + 8.0
    }

    /// Draws the head, with a note on this page alone below it.
    pub(super) fn draw(&self, canvas: &mut Canvas<'_>, note: Option<&Shown>) {
        let room = self.width - 2.0 * MARGIN;
        let mut y = MARGIN + TITLE_HEIGHT / 2.0 - 3.0;
        // A title that is a little too long is written smaller before it is cut.
        let size =
            (TITLE.size * room / self.title.width(Face::Bold, TITLE.size)).clamp(LEAST_TITLE, TITLE.size);
        let size = (size * 10.0).floor() / 10.0;
        canvas.text(&self.title.start(room, Face::Bold, size), (MARGIN, y), TITLE.sized(size));
        y += TITLE_HEIGHT / 2.0 + LINE_HEIGHT / 2.0 + 2.0;
        for line in &self.lines {
            canvas.text(&line.text, (MARGIN, y), Pen::new(Face::Sans, SMALL, line.colour));
            y += LINE_HEIGHT;
        }
        if let Some(note) = note {
            canvas.text(&note.start(room, Face::Sans, SMALL), (MARGIN, y), Pen::new(Face::Sans, SMALL, INK));
        }
    }
}

/// The warning of a self-check that was not passed, and its colour.
pub(super) fn self_check(trace: &LensTrace) -> Option<(&'static str, Rgb)> {
    match trace.self_check {
        Some(check) if check.passed => None,
        Some(_) => Some(("self-check FAILED: do not believe these numbers", ALARM)),
        None => Some(("self-check: not checked", GREY)),
    }
}

pub(super) fn model_facts(trace: &LensTrace) -> Vec<String> {
    let model = &trace.model;
    let id = match &model.revision {
        // A commit is known by its beginning; a branch is no longer than that, or worth its room.
        Some(revision) if is_commit(revision) => format!("{} @ {}", model.id, &revision[..12]),
        Some(revision) => format!("{} @ {revision}", model.id),
        None => model.id.clone(),
    };
    let assumed = if model.family_assumed { " (family assumed)" } else { "" };
    let layers =
        if model.n_layers == 1 { "1 layer".to_owned() } else { format!("{} layers", model.n_layers) };
    vec![id, format!("{}{assumed}", model.family), layers, model.dtype.clone()]
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn lens_facts(trace: &LensTrace, position: Option<usize>) -> Vec<String> {
    let mut facts = vec![format!("{} lens", trace.lens.kind), format!("norm {}", trace.lens.norm.name())];
    if let Some(position) = position {
        facts.push(format!("position {position} of 0..{}", trace.tokens.len()));
        let step = trace.steps.iter().find(|step| step.position == position);
        facts.extend(step.map(|step| format!("step {}, which wrote {:?}", step.step, &*step.token.text)));
    }
    facts
}

fn changes(trace: &LensTrace) -> Vec<String> {
    let changes = trace.interventions.iter().map(|change| format!("changed: {}", change.text));
    let mut changes: Vec<String> = changes.take(MOST_CHANGES).collect();
    if trace.interventions.len() > MOST_CHANGES {
        changes.push(format!("changed: {} more interventions", trace.interventions.len() - MOST_CHANGES));
    }
    changes
}

/// The text around a position, its token in brackets. What came before it matters more than what follows.
fn around(trace: &LensTrace, position: usize, fonts: Fonts, room: f64) -> Shown {
    const COLUMNS: usize = 400;
    let text = |places: &mut dyn Iterator<Item = usize>| crate::context::text_of(trace, places, COLUMNS);
    let before = fonts.words(&text(&mut (0..position).rev()));
    let after = fonts.words(&text(&mut (position + 1..trace.tokens.len())));
    let focus = crate::context::in_sequence(&trace.tokens, position).unwrap_or_default();
    let focus = fonts.token(&focus).fit(room / 3.0, SMALL).0;
    // What the model wrote is not part of the prompt.
    let written = trace.tokens.iter().any(|token| token.generated);
    let name = fonts.words(if written { "text: " } else { "prompt: " });
    let fixed = fonts.words(&format!("{}[{}]", name.as_str(), focus.as_str())).width(Face::Sans, SMALL) + 4.0;
    let for_after = after.width(Face::Sans, SMALL).min(room / 4.0);
    let before = before.end(room - fixed - for_after, Face::Sans, SMALL);
    let after = after.start(room - fixed - before.width(Face::Sans, SMALL), Face::Sans, SMALL);
    Shown::joined([&name, &before, &fonts.words("["), &focus, &fonts.words("]"), &after])
}

/// Enough of a text for any line.
fn start_of(text: &str) -> &str {
    text.char_indices().nth(4000).map_or(text, |(end, _)| &text[..end])
}

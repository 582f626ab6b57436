//! The lines above a picture: what it shows, of which model, how it was read, and what was changed.

use lens_core::LensTrace;

use super::{
    Fonts,
    canvas::{ALARM, Canvas, GREY, INK, Pen},
    fonts::Face,
    lines::lines,
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

/// Lines that a title, a fact or a note may take: what is longer is no title, and loses its end.
const MOST_LINES: usize = 8;
/// How much of a prompt is shown: as many lines as are this wide together, in pixels, and no more than so many.
const PROMPT: (f64, usize) = (560.0, 4);

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

/// A title in lines, and the size that they are written in.
struct Title {
    whole: Shown,
    lines: Vec<Shown>,
    size: f64,
}

impl Title {
    /// One that is a little too long for a line is written smaller; a longer one is broken, in letters as large as they can
    /// be without one more line.
    fn new(whole: Shown, room: f64) -> Self {
        let size = (TITLE.size * room / whole.width(Face::Bold, TITLE.size)).clamp(LEAST_TITLE, TITLE.size);
        let size = (size * 10.0).floor() / 10.0;
        let lines = |size| lines(&whole, room, Face::Bold, size, MOST_LINES);
        let fewest = lines(size);
        let sizes = (0..).map(|i| TITLE.size - 0.5 * f64::from(i)).take_while(|larger| *larger > size);
        let larger = sizes.map(|size| (lines(size), size)).find(|(lines, _)| lines.len() == fewest.len());
        // What has lost its end in small letters would lose more of it in large ones.
        let whole_fits = fewest.len() < MOST_LINES;
        let (lines, size) = larger.filter(|_| whole_fits).unwrap_or((fewest, size));
        Self { whole, lines, size }
    }

    /// Pixels from one line to the next.
    fn step(&self) -> f64 {
        (self.size * 1.25).round()
    }

    /// Pixels of the lines after the first.
    fn further(&self) -> f64 {
        self.step() * (self.lines.len() - 1) as f64
    }
}

/// The lines above a picture, made for a width.
pub(super) struct Head {
    title: Title,
    lines: Vec<Line>,
    width: f64,
}

impl Heading<'_> {
    pub(super) fn head(&self, width: f64) -> Head {
        let (trace, fonts) = (self.source.trace, self.fonts);
        let mut head = Head::new(fonts.words(&self.title), width);
        if let Some(difference) = self.against {
            head.two(difference, fonts);
            return head;
        }
        head.flow(model_facts(trace), fonts);
        head.flow(lens_facts(trace, self.position), fonts);
        match self.position.filter(|position| *position < trace.tokens.len()) {
            Some(position) => head.prompt(|room| around(trace, position, fonts, room)),
            None => head.prompt_of("prompt", trace, fonts),
        }
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
    fn new(title: Shown, width: f64) -> Self {
        Self { title: Title::new(title, width - 2.0 * MARGIN), lines: Vec::new(), width }
    }

    /// A title and facts, as many on a line as fit.
    pub(super) fn of_facts(title: &str, facts: Vec<String>, width: f64, fonts: Fonts) -> Self {
        let mut head = Self::new(fonts.words(title), width);
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
            self.prompt_of(name, named.trace, fonts);
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

    /// Pixels of a line.
    fn room(&self) -> f64 {
        self.width - 2.0 * MARGIN
    }

    /// Adds a text in as many lines as it takes.
    fn line(&mut self, text: &Shown, colour: Rgb) {
        let broken = lines(text, self.room(), Face::Sans, SMALL, MOST_LINES);
        self.lines.extend(broken.into_iter().map(|text| Line { text, colour }));
    }

    /// Adds a text that may be of any length, made for so many pixels: about as much of it as a line of a wide picture
    /// holds.
    fn prompt(&mut self, text: impl Fn(f64) -> Shown) {
        let room = self.room();
        let most = ((PROMPT.0 / room).ceil() as usize).clamp(1, PROMPT.1);
        // Lines that end at spaces hold a little less than they are wide.
        let pixels = |i: u32| room * most as f64 - room * 0.05 * f64::from(i);
        let broken = |i| lines(&text(pixels(i)), room, Face::Sans, SMALL, usize::MAX);
        let fitting = (0..20).map(broken).find(|lines| lines.len() <= most);
        let lines = fitting.unwrap_or_else(|| lines(&text(room), room, Face::Sans, SMALL, most));
        self.lines.extend(lines.into_iter().map(|text| Line { text, colour: GREY }));
    }

    /// Adds the beginning of a trace's prompt.
    fn prompt_of(&mut self, name: &str, trace: &LensTrace, fonts: Fonts) {
        let text = fonts.words(&format!("{name}: {}", start_of(&trace.prompt)));
        self.prompt(|room| text.start(room, Face::Sans, SMALL));
    }

    /// Adds facts, as many on a line as fit.
    fn flow(&mut self, facts: Vec<String>, fonts: Fonts) {
        let room = self.room();
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
        &self.title.whole
    }

    /// Where the head ends, and the picture may begin; so many lines are said of this page alone.
    pub(super) fn bottom(&self, notes: usize) -> f64 {
        let lines = (self.lines.len() + notes) as f64 * LINE_HEIGHT;
        MARGIN + TITLE_HEIGHT + self.title.further() + lines + 8.0
    }

    /// How many lines a note on a page takes.
    pub(super) fn lines_of(&self, note: &Shown) -> usize {
        lines(note, self.room(), Face::Sans, SMALL, MOST_LINES).len()
    }

    /// Draws the head, with a note on this page alone below it, in at most so many lines.
    pub(super) fn draw(&self, canvas: &mut Canvas<'_>, note: Option<(&Shown, usize)>) {
        let mut y = MARGIN + TITLE_HEIGHT / 2.0 - 3.0;
        for (i, line) in self.title.lines.iter().enumerate() {
            let y = y + self.title.step() * i as f64;
            canvas.text(line, (MARGIN, y), TITLE.sized(self.title.size));
        }
        y += self.title.further() + TITLE_HEIGHT / 2.0 + LINE_HEIGHT / 2.0 + 2.0;
        for line in &self.lines {
            canvas.text(&line.text, (MARGIN, y), Pen::new(Face::Sans, SMALL, line.colour));
            y += LINE_HEIGHT;
        }
        let note = note.map(|(note, most)| lines(note, self.room(), Face::Sans, SMALL, most));
        for line in note.iter().flatten() {
            canvas.text(line, (MARGIN, y), Pen::new(Face::Sans, SMALL, INK));
            y += LINE_HEIGHT;
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

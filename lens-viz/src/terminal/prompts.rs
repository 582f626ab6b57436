//! Many prompts: one line for each, as it was read.

use lens_core::{FinalTrace, LensTrace, Statistic};

use super::TableOptions;
use crate::digits::{nats, percent};
use crate::sheet::{
    label::Label,
    line::{Line, Sheet, cut},
    paint::{Ink, Paint},
};

/// Columns of the prompt's number, of its name in the file, and of the prediction.
const NUMBER: usize = 7;
const ID: usize = 12;
const TOKEN: usize = 16;

/// Draws the last position of one prompt after the other, a line each.
#[derive(Debug, Clone)]
pub struct PromptsView {
    sheet: Sheet,
}

impl PromptsView {
    /// A view for a terminal with these `options`.
    pub fn new(options: &TableOptions) -> Self {
        Self { sheet: Sheet { width: options.width, paint: Paint(options.color), ascii: options.ascii } }
    }

    /// The columns' names.
    pub fn header(&self) -> String {
        let mut line = Line::default();
        let names = format!(
            "{:>NUMBER$}  {:<ID$}  {:<TOKEN$}      p  decided      H  prompt",
            "prompt", "id", "prediction"
        );
        line.push(self.sheet.span(&names, Ink::Faint));
        self.text(line)
    }

    /// The line of a prompt: its last final readout, and how the prompt ends.
    pub fn line(&self, trace: &LensTrace) -> String {
        let mut line = self.begin(trace.prompt_index, trace.id.as_deref());
        if let Some(last) = trace.finals.last() {
            self.answer(&mut line, last);
        }
        let room = self.sheet.width.saturating_sub(line.width());
        let text = self.sheet.safe(&trace.prompt);
        let length = text.chars().count();
        let shown = match length > room {
            true => {
                let end: String = text.chars().skip(length - room.saturating_sub(1)).collect();
                format!("{}{end}", self.sheet.ellipsis())
            }
            false => text,
        };
        line.push(self.sheet.span(&cut(&shown, room, ""), Ink::Faint));
        self.text(line)
    }

    /// The line of a prompt that could not be read.
    pub fn failure(&self, index: u64, id: Option<&str>, reason: &str) -> String {
        let mut line = self.begin(Some(index), id);
        let room = self.sheet.width.saturating_sub(line.width());
        let text = cut(&self.sheet.safe(reason), room, self.sheet.ellipsis());
        line.push(self.sheet.span(&text, Ink::Bad));
        self.text(line)
    }

    fn begin(&self, index: Option<u64>, id: Option<&str>) -> Line {
        let sheet = &self.sheet;
        let mut line = Line::default();
        line.push(sheet.span(&format!("{:>NUMBER$}  ", index.unwrap_or(0)), Ink::Faint));
        line.push(sheet.span(&cut(&sheet.safe(id.unwrap_or("-")), ID, sheet.ellipsis()), Ink::Plain));
        line.pad(NUMBER + 2 + ID + 2);
        line
    }

    fn answer(&self, line: &mut Line, last: &FinalTrace) {
        let sheet = &self.sheet;
        if let Some(top) = last.top.first() {
            let label = Label::new(&top.text, sheet).fit(TOKEN, sheet.ellipsis());
            line.push(sheet.span(&label.lead, Ink::Faint));
            line.push(sheet.span(&label.text, Ink::Strong));
            line.push(sheet.span(&label.trail, Ink::Faint));
            line.pad(NUMBER + 2 + ID + 2 + TOKEN);
            line.push(sheet.span(&format!("  {:>5}", percent(top.prob, true)), Ink::Plain));
        }
        let decided = last.decided_at.map_or_else(|| "-".to_owned(), |layer| format!("L{layer}"));
        line.push(sheet.span(&format!("  {decided:>7}"), Ink::Decided));
        let entropy = last.get(Statistic::Entropy).map_or_else(|| "-".to_owned(), |value| nats(value as f32));
        line.push(sheet.span(&format!("  {entropy:>5}  "), Ink::Plain));
    }

    fn text(&self, line: Line) -> String {
        let mut text = String::new();
        line.write(&self.sheet, &mut text);
        text
    }
}

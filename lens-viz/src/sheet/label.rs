//! What a token looks like in a table.

use lens_core::TopTrace;

use unicode_width::UnicodeWidthStr;

use super::line::{Sheet, cut};

/// A token's text, in the parts that are drawn differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    /// Marks for the spaces before it.
    pub(crate) lead: String,
    pub(crate) text: String,
    /// Marks for the spaces after it.
    pub(crate) trail: String,
    /// The id, where the text alone does not say which token it is.
    pub(crate) id: String,
}

impl Label {
    /// The label of a text: spaces at its ends become middle dots (`_` in ASCII).
    pub(crate) fn new(text: &str, sheet: &Sheet) -> Self {
        let mark = sheet.glyph("·", "_");
        let inner = text.trim_start_matches(' ');
        let lead = mark.repeat(text.len() - inner.len());
        let body = inner.trim_end_matches(' ');
        let trail = mark.repeat(inner.len() - body.len());
        let mut shown = sheet.safe(body);
        // A token that itself begins with the mark must not pass for one that begins with a space.
        if shown.starts_with(mark) {
            shown.insert(0, '\\');
        }
        if text.is_empty() {
            shown.push_str("\"\"");
        }
        Self { lead, text: shown, trail, id: String::new() }
    }

    /// The labels of tokens that stand together: those with the same text say their ids.
    pub(crate) fn of_list<'a>(tokens: impl IntoIterator<Item = &'a TopTrace>, sheet: &Sheet) -> Vec<Self> {
        let tokens: Vec<&TopTrace> = tokens.into_iter().collect();
        let mut labels: Vec<Self> = tokens.iter().map(|token| Self::new(&token.text, sheet)).collect();
        let twins: Vec<bool> = (0..labels.len())
            .map(|i| (0..labels.len()).any(|j| labels[i] == labels[j] && tokens[i].id != tokens[j].id))
            .collect();
        for ((label, token), _) in labels.iter_mut().zip(&tokens).zip(&twins).filter(|(_, twin)| **twin) {
            label.id = format!(" <id {}>", token.id);
        }
        labels
    }

    /// The label, if it is of a token without a text, as `<id 3510>`: without a tokenizer, the id is all that
    /// there is.
    fn as_id(&self) -> Option<String> {
        let digits = self.text.strip_prefix("<id ")?.strip_suffix('>')?;
        let is_id = digits.bytes().all(|byte| byte.is_ascii_digit()) && self.plain() == self.text;
        is_id.then(|| self.text.clone())
    }

    /// Columns that it takes to say which token it is, where the label is nothing but an id.
    pub(crate) fn id_width(&self) -> Option<usize> {
        self.as_id().map(|id| id.len())
    }

    pub(crate) fn width(&self) -> usize {
        self.lead.width() + self.text.width() + self.trail.width() + self.id.width()
    }

    /// The label in at most `width` columns. An id is whole or not there: part of one is another.
    pub(crate) fn fit(mut self, width: usize, ellipsis: &str) -> Self {
        if self.width() <= width {
            return self;
        }
        if let Some(id) = self.as_id() {
            self.text = whole_or_none(id, width, ellipsis);
            return self;
        }
        self.id = whole_or_none(self.id, width, ellipsis);
        let mut room = width - self.id.width();
        let whole = self.lead.width() + self.text.width();
        // A cut that falls between the parts still has to show.
        if whole + self.trail.width() > room && whole <= room && !self.trail.is_empty() {
            self.trail = cut(&self.trail, room - whole, ellipsis);
            if self.trail.is_empty() {
                self.text = cut(&format!("{} ", self.text), room.saturating_sub(self.lead.width()), ellipsis);
            }
            return self;
        }
        if whole > room {
            self.trail.clear();
        }
        // Of very many spaces, show some and leave room for what follows.
        let for_lead =
            if self.text.is_empty() { room } else { room.min(self.lead.width().min(room / 2 + 1)) };
        self.lead = cut(&self.lead, for_lead, ellipsis);
        room -= self.lead.width();
        self.text = cut(&self.text, room, ellipsis);
        self
    }

    /// The label as plain text.
    pub(crate) fn plain(&self) -> String {
        format!("{}{}{}{}", self.lead, self.text, self.trail, self.id)
    }
}

fn whole_or_none(id: String, width: usize, ellipsis: &str) -> String {
    if id.len() <= width { id } else { cut(ellipsis, width, "") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lens_core::TokenId;

    use super::*;
    use crate::sheet::paint::{ColorLevel, Paint};

    const SHEET: Sheet = Sheet { width: 80, paint: Paint(ColorLevel::None), ascii: false };

    fn label(text: &str) -> String {
        Label::new(text, &SHEET).plain()
    }

    #[test]
    fn spaces_at_the_ends_are_seen() {
        assert_eq!(label(" the"), "·the");
        assert_eq!(label("a b "), "a b·");
        assert_eq!(label("   "), "···");
        assert_eq!(label(""), "\"\"");
        assert_eq!(label("·the"), "\\·the");
        assert_eq!(label(" \u{301}x"), "·◌\u{301}x");
    }

    #[test]
    fn tokens_with_one_text_say_their_ids() {
        let token = |id, text: &str| TopTrace::new(TokenId(id), Arc::from(text), 0.0, 0.1);
        let tokens = [token(5, " the"), token(7, " the"), token(9, "the")];
        let labels: Vec<String> = Label::of_list(&tokens, &SHEET).iter().map(Label::plain).collect();
        assert_eq!(labels, ["·the <id 5>", "·the <id 7>", "the"]);
    }

    #[test]
    fn an_id_is_never_cut_to_another_one() {
        let fitted = |width| Label::new("<id 3510>", &SHEET).fit(width, "…").plain();
        assert_eq!([9, 8, 5, 4, 1, 0].map(fitted), ["<id 3510>", "…", "…", "…", "…", ""]);
        let twin = |width| {
            Label { id: " <id 3510>".to_owned(), ..Label::new("the", &SHEET) }.fit(width, "…").plain()
        };
        assert_eq!([13, 11, 10, 4, 0].map(twin), ["the <id 3510>", "… <id 3510>", " <id 3510>", "the…", ""]);
        assert_eq!(Label::new(" <id 3510>", &SHEET).fit(6, "…").plain(), "·<id …");
    }

    #[test]
    fn a_label_never_gets_wider_than_asked() {
        for text in [" the", "<id 3510>", "      indent", "          ", "你好世界", "trailing      ", "ab "]
        {
            for width in 0..12 {
                let mut long = Label::new(text, &SHEET);
                long.id = " <id 151937>".to_owned();
                let fitted = long.fit(width, "…");
                assert!(fitted.width() <= width, "{fitted:?} is wider than {width}");
            }
        }
    }
}

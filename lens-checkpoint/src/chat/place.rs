//! Finds out where in a rendered text each message is.
//!
//! The conversation is rendered again with a mark at both ends of every message: characters for private use that occur
//! nowhere else. If that text without its marks is the very text that is looked at, the marks show the places; if
//! it is not, the template has looked at the marks, and nothing is concluded. So a place is never guessed from what a
//! message says.

use std::{cell::Cell, collections::HashMap, ops::Range};

use super::{ChatError, Message, RoleSpan, TEMPLATE_ROLE};
use crate::limits;

/// Which end of a message a mark is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Close,
}

/// Where marks are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// Around the whole message.
    Whole,
    /// Around it without the white space at its ends, which a template may trim.
    Core,
}

impl Edge {
    /// What is inside the marks.
    fn inside(self, content: &str) -> Range<usize> {
        match self {
            Self::Whole => 0..content.len(),
            Self::Core => {
                let start = content.len() - content.trim_start().len();
                start..start + content.trim().len()
            }
        }
    }
}

/// A mark that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    message: usize,
    end: End,
    at: usize,
}

/// The parts of `text`, and the messages whose place cannot be told.
pub(super) fn place(
    messages: &[Message],
    text: &str,
    source: &str,
    render: impl Fn(&[Message]) -> Result<String, ChatError>,
) -> (Vec<RoleSpan>, Vec<usize>) {
    let spoken: Vec<usize> =
        (0..messages.len()).filter(|i| !messages[*i].content.trim().is_empty()).collect();
    let mut found = match marks(messages, text, source) {
        Some(marks) => {
            Probe { messages, text, render, marks, left: Cell::new(limits::chat::MOST_PROBES) }.find(&spoken)
        }
        None => Vec::new(),
    };
    found.sort_by_key(|(_, bytes)| (bytes.start, bytes.end));
    // Places that overlap contradict each other.
    let clash = found.windows(2).any(|pair| pair[1].1.start < pair[0].1.end);
    if clash {
        found.clear();
    }
    let unplaced = spoken.into_iter().filter(|i| found.iter().all(|(message, _)| message != i)).collect();
    (fill(messages, text, found), unplaced)
}

/// The parts that were found, and between them what the template says.
fn fill(messages: &[Message], text: &str, found: Vec<(usize, Range<usize>)>) -> Vec<RoleSpan> {
    let mut spans = Vec::new();
    let mut done = 0;
    let template = |bytes: Range<usize>| RoleSpan { role: TEMPLATE_ROLE.to_owned(), message: None, bytes };
    for (message, bytes) in found {
        if done < bytes.start {
            spans.push(template(done..bytes.start));
        }
        done = bytes.end;
        spans.push(RoleSpan { role: messages[message].role.clone(), message: Some(message), bytes });
    }
    if done < text.len() {
        spans.push(template(done..text.len()));
    }
    spans
}

/// Two characters for private use for each message that occur in none of the texts.
fn marks(messages: &[Message], text: &str, source: &str) -> Option<Vec<[char; 2]>> {
    let contents = messages.iter().map(|message| message.content.as_str());
    let mut taken: Vec<char> =
        contents.chain([text, source]).flat_map(str::chars).filter(|c| *c >= '\u{F0000}').collect();
    taken.sort_unstable();
    taken.dedup();
    let private = ('\u{F0000}'..='\u{FFFFD}').chain('\u{100000}'..='\u{10FFFD}');
    let mut free = private.filter(|c| taken.binary_search(c).is_err());
    messages.iter().map(|_| Some([free.next()?, free.next()?])).collect()
}

struct Probe<'a, F> {
    messages: &'a [Message],
    text: &'a str,
    render: F,
    marks: Vec<[char; 2]>,
    left: Cell<usize>,
}

impl<F: Fn(&[Message]) -> Result<String, ChatError>> Probe<'_, F> {
    /// The places of those of the messages `spoken` that have one: of all at once, or else of each by itself.
    fn find(&self, spoken: &[usize]) -> Vec<(usize, Range<usize>)> {
        self.find_at_once(spoken).unwrap_or_else(|| {
            let alone = spoken.iter().filter(|_| spoken.len() > 1);
            alone.filter_map(|i| self.find_at_once(&[*i])).flatten().collect()
        })
    }

    fn find_at_once(&self, spoken: &[usize]) -> Option<Vec<(usize, Range<usize>)>> {
        [Edge::Whole, Edge::Core].into_iter().find_map(|edge| {
            let inside = |i: usize| edge.inside(&self.messages[i].content);
            let marked: Vec<_> = spoken.iter().map(|i| (*i, inside(*i))).collect();
            let marks = self.ask(&marked)?;
            Some(marked.into_iter().flat_map(|(i, inside)| self.settle(i, inside, &marks)).collect())
        })
    }

    /// The places of a message, given all marks that were found.
    fn settle(&self, message: usize, inside: Range<usize>, marks: &[Mark]) -> Vec<(usize, Range<usize>)> {
        let own: Vec<Mark> = marks.iter().copied().filter(|mark| mark.message == message).collect();
        let pairs = own.chunks(2).map(|pair| match pair {
            [Mark { end: End::Open, at: start, .. }, Mark { end: End::Close, at: end, .. }] => {
                Some((message, *start..*end))
            }
            _ => None,
        });
        match pairs.collect::<Option<Vec<_>>>() {
            Some(pairs) => pairs,
            None => self.cut(message, inside, &own).map(|bytes| (message, bytes)).into_iter().collect(),
        }
    }

    /// The place of a message of which the template has taken a piece off at one end: the longest rest both of
    /// whose ends show.
    fn cut(&self, message: usize, inside: Range<usize>, own: &[Mark]) -> Option<Range<usize>> {
        let [Mark { end, .. }] = own else { return None };
        let content = &self.messages[message].content;
        let mut ends: Vec<usize> = content.char_indices().map(|(i, _)| i).chain([content.len()]).collect();
        ends.retain(|i| (inside.start..=inside.end).contains(i));
        let rest = |at: usize| match end {
            End::Close => at..inside.end,
            End::Open => inside.start..at,
        };
        let shows = |at: usize| match self.ask(&[(message, rest(at))])?.as_slice() {
            [open, close] if (open.end, close.end) == (End::Open, End::Close) => Some(open.at..close.at),
            _ => None,
        };
        let at = match end {
            End::Close => *ends.get(ends.partition_point(|at| shows(*at).is_none()))?,
            End::Open => ends[ends.partition_point(|at| shows(*at).is_some()).checked_sub(1)?],
        };
        shows(at).filter(|bytes| !bytes.is_empty())
    }

    /// Renders the conversation with marks around parts of messages; the marks that are left, in order, or `None` if
    /// the text is another.
    fn ask(&self, marked: &[(usize, Range<usize>)]) -> Option<Vec<Mark>> {
        self.left.set(self.left.get().checked_sub(1)?);
        let mut messages = self.messages.to_vec();
        let mut meaning = HashMap::new();
        for (i, inside) in marked {
            let [open, close] = self.marks[*i];
            messages[*i].content.insert(inside.end, close);
            messages[*i].content.insert(inside.start, open);
            meaning.insert(open, (*i, End::Open));
            meaning.insert(close, (*i, End::Close));
        }
        let mut rest = self.text;
        let mut marks = Vec::new();
        let probe = (self.render)(&messages).inspect_err(|error| {
            // What took too long once is not tried again.
            if matches!(error, ChatError::Unbounded { .. }) {
                self.left.set(0);
            }
        });
        for c in probe.ok()?.chars() {
            match meaning.get(&c) {
                Some((message, end)) => {
                    marks.push(Mark { message: *message, end: *end, at: self.text.len() - rest.len() });
                }
                None => rest = rest.strip_prefix(c)?,
            }
        }
        rest.is_empty().then_some(marks)
    }
}

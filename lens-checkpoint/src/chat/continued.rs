//! A last message that goes on.

use super::{ChatError, Message, engine::Output};

/// The mark that is put after a message that goes on. The last white space tells whether a template trims messages.
const MARK: &str = "CONTINUE_FINAL_MESSAGE_TAG ";

/// The text of a conversation up to the end of its last message, to the letter what transformers makes of it: the message is
/// rendered with a mark after it, and the text is cut there. Where a template trims messages, so is the text.
pub(super) fn continued(
    messages: &[Message],
    render: impl Fn(&[Message]) -> Result<Output, ChatError>,
) -> Result<Output, ChatError> {
    let mut marked = messages.to_vec();
    let Some(last) = marked.last_mut() else { return Err(ChatError::NoMessages) };
    let (said, role) = (strip(&last.content).to_owned(), last.role.clone());
    last.content.push_str(MARK);
    let Output { mut text, dated } = render(&marked)?;
    let place = text.rfind(strip(MARK)).filter(|_| text.contains(&said));
    let Some(place) = place else { return Err(ChatError::NotContinued { role }) };
    let preserved = text[place..].starts_with(MARK);
    text.truncate(place);
    if !preserved {
        text.truncate(text.trim_end_matches(is_space).len());
    }
    Ok(Output { text, dated })
}

/// As Python strips a text.
fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// What Python takes for white space: four separators more than Unicode does.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

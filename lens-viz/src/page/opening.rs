//! What stands on the page of a running model before anything is typed.

use lens_core::Message;

use super::{escape, live::LivePage};

/// The box that a prompt is typed in, as the page's markup has it: its text goes between this tag and the next.
const BOX: &str = "<textarea id=\"prompt-0\"";
const BOX_ENDS: &str = "</textarea>";
/// What the messages stand before.
const PROMPTS: &str = "<div id=\"prompts\"";

impl LivePage {
    /// The page with `prompt` typed already, and with the messages that a prompt goes on where it is read as a chat message.
    /// The program reads what is typed as soon as it begins.
    #[must_use]
    pub fn opened(mut self, before: &[Message], prompt: Option<&str>) -> Self {
        if let Some(prompt) = prompt
            && let Some(at) = self.html.find(BOX)
            && let Some(end) = self.html[at..].find(BOX_ENDS)
        {
            // The first line feed in a box is not part of its text.
            self.html.insert_str(at + end, &format!("\n{}", escape::markup(prompt)));
        }
        if !before.is_empty()
            && let Some(at) = self.html.find(PROMPTS)
        {
            self.html.insert_str(at, &conversation(before));
        }
        self
    }
}

/// Messages as a list that is opened to be read.
fn conversation(messages: &[Message]) -> String {
    let n = messages.len();
    let are = if n == 1 { "1 message stands".to_owned() } else { format!("{n} messages stand") };
    let said = messages.iter().map(|message| {
        let (role, content) = (escape::html(&message.role), escape::html(&message.content));
        format!("<li><b>{role}</b>: <bdi>{content}</bdi></li>")
    });
    let said: String = said.collect();
    format!(
        "<details id=\"before\" class=\"notes\"><summary>{are} before the prompt, where it is read as a chat message</summary>\
         <ul>{said}</ul></details>\n  "
    )
}

#[cfg(test)]
mod tests {
    use super::{super::live, *};

    fn opened(before: &[Message], prompt: Option<&str>) -> String {
        live("m", "{}").opened(before, prompt).html
    }

    #[test]
    fn the_prompt_is_typed_and_the_messages_stand_before_it() {
        let before = [Message::new("user", "a </li> b"), Message::new("assistant", "c\nd \u{202e}")];
        let html = opened(&before, Some("\n1 < 2 </textarea>"));
        assert!(html.contains("\">\n\n1 &lt; 2 &lt;&#47;textarea&gt;</textarea>"), "{html}");
        let list = "<li><b>user</b>: <bdi>a &lt;&#47;li&gt; b</bdi></li><li><b>assistant</b>: <bdi>c⏎d ‹U+202E›</bdi></li>";
        let (messages, prompts) = (html.find(list).unwrap(), html.find(PROMPTS).unwrap());
        assert!(messages < prompts && html.contains("2 messages stand before the prompt"));
        assert_eq!(html.matches(BOX).count(), 1);
    }

    #[test]
    fn without_either_the_page_is_as_it_was() {
        assert_eq!(opened(&[], None), live("m", "{}").html);
    }
}

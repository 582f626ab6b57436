//! Variables, tools and messages that go on, as transformers has them.

use std::collections::BTreeMap;

use lens_checkpoint::{
    ChatError, ChatTemplate, Message, Tokenizer,
    chat::{Extras, Json},
};
use lens_core::TokenId;
use serde::Deserialize;

use crate::{fixtures, oracle, say, template, then};

#[derive(Deserialize)]
struct File {
    asked: Vec<Asked>,
    expected: BTreeMap<String, Vec<Expected>>,
}

#[derive(Deserialize)]
struct Asked {
    name: String,
    messages: Vec<oracle::Said>,
    variables: Json,
    tools: Option<Json>,
    goes_on: bool,
}

#[derive(Deserialize)]
struct Expected {
    text: Option<String>,
    ids: Option<Vec<TokenId>>,
    error: Option<String>,
}

impl Asked {
    fn extras(&self) -> Extras {
        let Json::Object(variables) = &self.variables else { panic!("{}: no object", self.name) };
        Extras { variables: variables.clone(), tools: self.tools.clone(), continues: self.goes_on }
    }

    fn messages(&self) -> Vec<Message> {
        self.messages.iter().map(|said| Message::new(&said.role, &said.content)).collect()
    }
}

#[test]
fn texts_tokens_and_refusals_are_those_of_transformers() {
    let file: File =
        serde_json::from_slice(&std::fs::read(fixtures().join("chat/extras.json")).unwrap()).unwrap();
    let tokenizer = Tokenizer::from_file(&fixtures().join("chat/tokenizer.json")).unwrap();
    let (mut texts, mut tokens, mut refusals) = (0, 0, 0);
    for (family, rows) in &file.expected {
        assert_eq!(rows.len(), file.asked.len());
        for (asked, expected) in file.asked.iter().zip(rows) {
            let context = format!("{family}, {}", asked.name);
            let template = oracle::family(family).at(then()).with(asked.extras()).unwrap();
            match (template.render(&asked.messages(), true), &expected.text) {
                (Ok(rendered), Some(text)) => {
                    texts += 1;
                    assert_eq!(&rendered.text, text, "{context}");
                    if let Some(ids) = &expected.ids {
                        tokens += 1;
                        assert_eq!(&rendered.encode(&tokenizer).unwrap().0, ids, "{context}");
                    }
                    let end = rendered
                        .roles
                        .iter()
                        .try_fold(0, |end, part| (part.bytes.start == end).then_some(part.bytes.end));
                    assert_eq!(end, Some(text.len()), "{context}: the parts are not the text");
                }
                (Err(ChatError::Refused { message }), None) => {
                    refusals += 1;
                    assert_eq!(Some(message), expected.error, "{context}");
                }
                (Err(ChatError::NotContinued { .. }), None) => assert_eq!(expected.error, None, "{context}"),
                (other, _) => panic!("{context}: {other:?} where transformers says {:?}", expected.text),
            }
        }
    }
    let counts = (texts, tokens, refusals);
    assert!(texts > 60 && tokens > 10 && refusals > 1, "{counts:?} are hardly all");
}

fn with(source: &str, extras: Extras) -> ChatTemplate {
    template(source).unwrap().with(extras).unwrap()
}

#[test]
fn what_a_template_does_not_read_is_noted() {
    let variables = ["seen", "unseen"].map(|name| (name.to_owned(), Json::Bool(true))).to_vec();
    let extras = Extras { variables, tools: Some(Json::List(Vec::new())), continues: false };
    let notes = with("{% if seen is defined %}{{ messages[0].content }}{% endif %}", extras.clone()).notes();
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].contains("never reads the variable unseen"), "{notes:?}");
    assert!(notes[1].contains("never reads tools") && notes[2].contains("no generation prompt"), "{notes:?}");
    let all = "{{ seen }}{{ unseen }}{{ tools }}{{ messages }}{{ add_generation_prompt }}";
    assert_eq!(with(all, extras.clone()).notes(), [""; 0]);
    let goes_on = Extras { continues: true, ..Extras::default() };
    assert_eq!(with("{{ messages[0].content }}", goes_on).notes(), [""; 0]);
}

#[test]
fn what_follows_from_the_conversation_cannot_be_set() {
    for name in ["messages", "add_generation_prompt", "tools", "continue_final_message"] {
        let variables = vec![(name.to_owned(), Json::Null)];
        let extras = Extras { variables, ..Extras::default() };
        assert_eq!(
            template("x").unwrap().with(extras).unwrap_err(),
            ChatError::Reserved { name: name.to_owned() }
        );
    }
}

#[test]
fn a_message_that_is_left_out_cannot_go_on() {
    let goes_on = Extras { continues: true, ..Extras::default() };
    let first = with("{{ messages[0].content }}", goes_on);
    let error = first.render(&say(&[("user", "a"), ("assistant", "b")]), true).unwrap_err();
    assert_eq!(error, ChatError::NotContinued { role: "assistant".to_owned() });
}

#[test]
fn large_extras_have_the_means_that_they_need_and_no_more() {
    let many = Json::List(vec![Json::Text("x".repeat(100)); 2_000]);
    let extras = Extras { tools: Some(many), ..Extras::default() };
    let written = with("{{ tools | tojson }}{{ messages[0].content }}", extras.clone());
    assert!(written.render(&say(&[("user", "a")]), true).unwrap().text.len() > 200_000);
    let harmful =
        with("{% for a in tools %}{% for b in tools %}{{ tools | tojson }}{% endfor %}{% endfor %}", extras);
    let error = harmful.render(&say(&[("user", "a")]), true).unwrap_err();
    assert!(matches!(error, ChatError::Unbounded { .. }), "{error}");
}

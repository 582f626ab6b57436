//! Who says what: places that are shown by the template itself, or not claimed.

use lens_checkpoint::{Message, Tokenizer, chat::Rendered};

use crate::{fixtures, say, template};

/// Every part as its role and its text.
fn parts(rendered: &Rendered) -> Vec<(&str, &str)> {
    rendered.roles.iter().map(|part| (part.role.as_str(), &rendered.text[part.bytes.clone()])).collect()
}

fn render(source: &str, messages: &[Message]) -> Rendered {
    template(source).unwrap().render(messages, false).unwrap()
}

const PLAIN: &str = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}";

#[test]
fn a_message_that_says_the_name_of_a_role_is_not_mistaken_for_it() {
    let rendered = render(PLAIN, &say(&[("user", "user"), ("assistant", "<user>user"), ("user", "user")]));
    let expected = [
        ("template", "<user>"),
        ("user", "user"),
        ("template", "<assistant>"),
        ("assistant", "<user>user"),
        ("template", "<user>"),
        ("user", "user"),
    ];
    assert_eq!(parts(&rendered), expected);
    assert!(rendered.unplaced.is_empty(), "{:?}", rendered.unplaced);
    assert_eq!(rendered.roles[3].message, Some(1));
}

#[test]
fn white_space_is_the_messages_own_unless_the_template_trims_it() {
    let messages = say(&[("user", "  a b \n")]);
    assert_eq!(parts(&render(PLAIN, &messages)), [("template", "<user>"), ("user", "  a b \n")]);
    let trimmed = "{% for m in messages %}\n {{ m.content | trim }} \n{% endfor %}.";
    let parts_of = render(trimmed, &messages);
    assert_eq!(parts(&parts_of), [("template", " "), ("user", "a b"), ("template", " \n.")]);
}

#[test]
fn a_message_that_is_written_twice_has_two_places() {
    let source = "{{ messages[0].content }} {{ messages[0].content }}{{ messages[1].content }}";
    let rendered = render(source, &say(&[("system", "s"), ("user", "u")]));
    let expected = [("system", "s"), ("template", " "), ("system", "s"), ("user", "u")];
    assert_eq!(parts(&rendered), expected);
}

#[test]
fn of_a_message_that_is_cut_the_rest_is_found_to_the_character() {
    let source = "{% for m in messages %}>{{ m.content.split('</t>')[-1].lstrip('\\n') }}\n{% endfor %}";
    let rendered =
        render(source, &say(&[("assistant", "why</t>\n\nü\nyes"), ("user", "why"), ("user", "a</t>")]));
    let expected = [
        ("template", ">"),
        ("assistant", "ü\nyes"),
        ("template", "\n>"),
        ("user", "why"),
        ("template", "\n>\n"),
    ];
    assert_eq!(parts(&rendered), expected);
    // Of the last message nothing is left.
    assert_eq!(rendered.unplaced, [2]);

    let head = "[{{ messages[0].content.split('|')[0] }}]{{ messages[1].content }}";
    let rendered = render(head, &say(&[("system", "a]b|c"), ("user", "u")]));
    assert_eq!(parts(&rendered), [("template", "["), ("system", "a]b"), ("template", "]"), ("user", "u")]);
}

#[test]
fn a_message_that_the_template_rewrites_is_placed_and_one_that_it_judges_is_not() {
    let upper = render("{{ messages[0].content | upper }}!", &say(&[("user", "grüße")]));
    assert_eq!(parts(&upper), [("user", "GRÜSSE"), ("template", "!")]);
    let source = "{% for m in messages %}{{ m.content if m.content | length < 3 else 'long' }},{% endfor %}";
    let rendered = render(source, &say(&[("user", "ab"), ("user", "much longer")]));
    // With marks at its ends, the first message is long, too: nothing shows that this "ab" is the message.
    assert_eq!(parts(&rendered), [("template", "ab,long,")]);
    assert_eq!(rendered.unplaced, [0, 1]);
}

#[test]
fn one_message_that_cannot_be_placed_does_not_hide_the_others() {
    let source = "{% for m in messages %}{{ m.content if m.content != 'x' else '?' }},{% endfor %}";
    let rendered = render(source, &say(&[("user", "one"), ("user", "x"), ("assistant", "two")]));
    assert_eq!(
        parts(&rendered),
        [("user", "one"), ("template", ",?,"), ("assistant", "two"), ("template", ",")]
    );
    assert_eq!(rendered.unplaced, [1]);
}

#[test]
fn messages_may_hold_characters_for_private_use() {
    let rendered = render(PLAIN, &say(&[("user", "\u{F0000}\u{F0001}\u{100000}"), ("user", "\u{F0003}")]));
    assert_eq!(rendered.roles.len(), 4);
    assert!(rendered.unplaced.is_empty(), "{:?}", rendered.unplaced);
}

#[test]
fn an_empty_message_has_no_part_and_is_not_missed() {
    let rendered = render(PLAIN, &say(&[("system", ""), ("user", "u")]));
    assert_eq!(parts(&rendered), [("template", "<system><user>"), ("user", "u")]);
    assert!(rendered.unplaced.is_empty(), "{:?}", rendered.unplaced);
}

#[test]
fn a_token_counts_to_where_most_of_it_is() {
    let tokenizer = Tokenizer::from_file(&fixtures().join("tokenizer/byte_level/tokenizer.json")).unwrap();
    // " the" is one token: a byte of the template and three of the message.
    let rendered = render("Is {{ messages[0].content }}", &say(&[("user", "the cat")]));
    let (tokens, roles) = rendered.encode(&tokenizer).unwrap();
    let texts: Vec<_> =
        tokens.iter().map(|id| String::from_utf8(tokenizer.bytes(*id).unwrap()).unwrap()).collect();
    assert_eq!(texts.concat(), "Is the cat");
    let edge = texts.iter().position(|text| text == " the").unwrap();
    let spans: Vec<_> = roles.iter().map(|role| (role.role.as_str(), role.start, role.end)).collect();
    assert_eq!(spans, [("template", 0, edge), ("user", edge, tokens.len())]);
}

#[test]
fn the_tokens_of_a_split_character_share_its_place() {
    let tokenizer = Tokenizer::from_file(&fixtures().join("tokenizer/byte_level/tokenizer.json")).unwrap();
    let rendered = render("{{ messages[0].content }}é", &say(&[("user", "𠀀")]));
    let (tokens, roles) = rendered.encode(&tokenizer).unwrap();
    assert_eq!(roles.len(), 2);
    assert_eq!((roles[0].start, roles[1].end), (0, tokens.len()));
    assert_eq!((roles[0].end, &*roles[0].role), (roles[1].start, "user"));
}

#[test]
fn a_template_that_asks_for_the_date_says_so() {
    let dated = render("{{ strftime_now('%Y') }}{{ messages[0].content }}", &say(&[("user", "u")]));
    assert!(dated.dated && dated.text.len() == 5, "{dated:?}");
    assert!(!render(PLAIN, &say(&[("user", "u")])).dated);
}

//! What is shown of foreign text, and traces that come from elsewhere.

use std::sync::OnceLock;

use lens_core::{
    Backend as _, Component, GeneratorTrace, Lens, LensTrace, Plan, Site, TokenId, TokenTrace, TraceContext,
    toy::ToyBackend,
};
use lens_viz::page::{PageOptions, page};

/// Any text.
///
/// What is shown has no control character, no bidirectional control and nothing that cannot be seen; made safe again it is
/// the same; and a text that has none of these is not touched.
pub fn display_safe(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let safe = lens_viz::display_safe(&text);
    for c in safe.chars() {
        assert!(!acts(c), "U+{:04X} is shown of {text:?}", u32::from(c));
    }
    assert_eq!(lens_viz::display_safe(&safe), safe);
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        assert_eq!(safe, text);
    }
}

/// Stated again, and not taken from what is tested: what no terminal and no page may get.
fn acts(c: char) -> bool {
    matches!(u32::from(c), 0..=0x1f | 0x7f..=0x9f | 0xad | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f
        | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe0fff)
}

/// A page of a trace whose every text is the input.
///
/// It has the elements that a page of a harmless trace has and no other, and its data hold the text as it is.
pub fn json_island(data: &[u8]) {
    let text = String::from_utf8_lossy(&data[..data.len().min(256)]);
    let html = page(&trace(&text), &PageOptions::default()).expect("a small sound trace");
    static HARMLESS: OnceLock<[usize; MARKS.len()]> = OnceLock::new();
    let harmless = HARMLESS
        .get_or_init(|| marks(&page(&trace("x"), &PageOptions::default()).expect("a small sound trace")));
    assert_eq!(&marks(&html), harmless, "{MARKS:?} in a page of {text:?}");
    let start = "<script type=\"application/json\" id=\"data\">";
    let (_, island) = html.split_once(start).expect("a page has its data");
    let (island, _) = island.split_once("</script>").expect("which end");
    let value: serde_json::Value = serde_json::from_str(island).expect("and are JSON");
    assert!(holds(&value, &text), "{text:?} is not in the data");
}

/// What begins an element, or ends one, that could act: a page has as many of each as a harmless one. As text, they may
/// stand there with a `<` that is written otherwise.
const MARKS: [&str; 7] = ["<script", "</script", "<!--", "<style", "<a ", "<img", "<iframe"];

/// How often each of [`MARKS`] stands in a page, in any case.
fn marks(page: &str) -> [usize; MARKS.len()] {
    let mut counts = [0; MARKS.len()];
    for (at, _) in page.match_indices('<') {
        let here = &page.as_bytes()[at..];
        for (count, mark) in counts.iter_mut().zip(MARKS) {
            let begins = here.get(..mark.len());
            *count += usize::from(begins.is_some_and(|begins| begins.eq_ignore_ascii_case(mark.as_bytes())));
        }
    }
    counts
}

fn holds(value: &serde_json::Value, text: &str) -> bool {
    use serde_json::Value;
    match value {
        Value::String(string) => string == text || *string == lens_viz::display_safe(text),
        Value::Array(values) => values.iter().any(|value| holds(value, text)),
        Value::Object(keys) => keys.values().any(|value| holds(value, text)),
        _ => false,
    }
}

/// A small trace of a toy model, whose texts are all `text`.
pub(crate) fn trace(text: &str) -> LensTrace {
    static TOY: OnceLock<LensTrace> = OnceLock::new();
    let tokens = [3, 14, 5].map(TokenId);
    let toy = TOY.get_or_init(|| {
        let mut model = ToyBackend::new(2, 8, 20, 7);
        let reading = Lens::new(&mut model).read(&tokens, &Plan::default()).expect("the toy can be read");
        LensTrace::new(&reading, &TraceContext::new(("fuzz", "0"), model.info(), &tokens, &()))
    });
    let mut trace = toy.clone();
    trace.prompt = text.to_owned();
    trace.model.id = text.to_owned();
    trace.generator = GeneratorTrace::new(text, "0");
    trace.tokens = tokens.map(|id| TokenTrace::new(id, text)).to_vec();
    trace.notes = vec![text.to_owned()];
    let post = Component::Site(Site::ResidPost);
    trace.readouts.retain(|readout| readout.component == post);
    trace
}

/// The JSON of a trace, and that of logitlenskit.
///
/// What is accepted is valid, is the same after it was written and read again, and can be drawn as a page and as tables.
pub fn trace_import(data: &[u8]) {
    if let Ok(trace) = LensTrace::from_json(data) {
        check(&trace);
    }
    if let Ok(file) = serde_json::from_slice::<lens_viz::logitlenskit::V2>(data)
        && let Ok(trace) = lens_viz::logitlenskit::from_v2(&file)
    {
        check(&trace);
    }
}

fn check(trace: &LensTrace) {
    trace.validate().expect("what is accepted is valid");
    let json = serde_json::to_vec(trace).expect("a trace has a JSON form");
    let again = LensTrace::from_json(&json).expect("what was written is read");
    assert_eq!(&again, trace);
    if trace.readouts.len() < 64 {
        drop(page(trace, &PageOptions::default()));
        drop(lens_viz::logitlenskit::to_v2(trace, Component::Site(Site::ResidPost)));
    }
}

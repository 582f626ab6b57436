//! The facts above the page's views: what ran, on what, and what must not be overlooked.

use lens_core::{GenerationTrace, LensTrace, Stopped, TokenText, token_bytes};

use super::{escape::html, heads::heads};
use crate::{measure::compared, named::Named};

/// The head of one trace of the page; all but the first are hidden until they are chosen.
pub(super) fn head(Named { name, trace, .. }: &Named<'_>, number: usize) -> String {
    let hidden = if number == 0 { "" } else { " hidden" };
    let run = (!name.is_empty()).then(|| ("Run", foreign(name)));
    let facts: String = run
        .into_iter()
        .chain(facts(trace))
        .map(|(name, value)| {
            // Texts have lines of their own.
            let class = if ["Prompt", "Generated text"].contains(&name) { " class=\"whole\"" } else { "" };
            format!("<div{class}><dt>{name}</dt><dd>{value}</dd></div>")
        })
        .collect();
    format!(
        "<header class=\"head\" id=\"head-{number}\"{hidden}>\n<h1>{title}</h1>\n<dl class=\"facts\">{facts}</dl>\n{}{}</header>\n",
        notices(trace),
        heads(trace),
        title = title(trace),
    )
}

/// The heading: kind of lens and model, as HTML.
fn title(trace: &LensTrace) -> String {
    format!(
        "{} lens <span class=\"of\">on</span> {}",
        capital(&html(&trace.lens.kind)),
        foreign(&trace.model.id)
    )
}

/// A text that may be in any language and direction.
fn foreign(text: &str) -> String {
    format!("<bdi lang=\"\">{}</bdi>", html(text))
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

fn facts(trace: &LensTrace) -> Vec<(&'static str, String)> {
    let model = &trace.model;
    let mut family = html(&model.family);
    if model.family_assumed {
        family.push_str(" (assumed)");
    }
    let layers =
        if model.n_layers == 1 { "1 layer".to_owned() } else { format!("{} layers", model.n_layers) };
    let mut facts = vec![("Prompt", foreign(&trace.prompt))];
    let written = written(trace);
    if !written.is_empty() {
        facts.push(("Generated text", foreign(&written)));
    }
    if let Some(revision) = &model.revision {
        facts.push(("Revision", foreign(revision)));
    }
    facts.extend(lens_source(trace).map(|source| ("Lens from", source)));
    facts.extend([
        ("Model", [family, layers, html(&model.dtype), html(&model.device)].join(" · ")),
        ("Norm", html(trace.lens.norm.name())),
        ("Read", read(trace)),
    ]);
    if let Some(generation) = &trace.generation {
        facts.push(("Generation", generated(generation)));
    }
    facts.extend(compared(trace).map(|tokens| ("Logit difference", html(&tokens))));
    facts.push(("Self-check", self_check(trace)));
    facts.push(("Written by", html(&format!("{} {}", trace.generator.name, trace.generator.version))));
    facts
}

/// Where the lens that is shown comes from, if it is not the plain one.
fn lens_source(trace: &LensTrace) -> Option<String> {
    let [lens] = trace.lenses.as_slice() else { return None };
    let source = foreign(lens.provenance.source.as_deref()?);
    let base = lens.provenance.base_model.as_deref().map(|base| format!(", made for {}", foreign(base)));
    Some(source + &base.unwrap_or_default())
}

/// The number of positions read, of all of the sequence.
fn read(trace: &LensTrace) -> String {
    let plural = if trace.tokens.len() == 1 { "" } else { "s" };
    format!("{} of {} position{plural}", trace.finals.len(), trace.tokens.len())
}

/// The text that the model generated, whether its positions were read or not.
fn written(trace: &LensTrace) -> String {
    let generated = trace.tokens.iter().filter(|token| token.generated);
    let bytes: Vec<u8> =
        generated.flat_map(|token| token_bytes(&token.text, token.bytes.as_deref()).into_owned()).collect();
    TokenText::from_bytes(&bytes).text.to_string()
}

fn generated(generation: &GenerationTrace) -> String {
    let choice = if generation.temperature == 0.0 {
        "greedy".to_owned()
    } else {
        let top_k = generation.top_k.map_or_else(String::new, |k| format!(", top-k {k}"));
        format!(
            "temperature {}, top-p {}{top_k}, seed {}, trial {}",
            generation.temperature, generation.top_p, generation.seed, generation.trial
        )
    };
    let end = match generation.stopped {
        Stopped::Length => "as long as asked for",
        Stopped::EndOfText => "ended by the model",
        Stopped::StopText => "ended by a stop text",
        Stopped::Context => "ended by the context's length",
        Stopped::Interrupted => "interrupted",
    };
    format!("{choice}; {end}")
}

fn self_check(trace: &LensTrace) -> String {
    let Some(check) = &trace.self_check else { return "not checked".to_owned() };
    let verdict = if check.passed { "passed" } else { "FAILED" };
    format!("{verdict}, largest logit error {:.1e}", check.max_abs_logit_error)
}

/// Warnings that change the meaning of everything below: interventions, an assumed family, a failed self-check.
fn notices(trace: &LensTrace) -> String {
    let mut notices = Vec::new();
    if !trace.interventions.is_empty() {
        let list: String = trace
            .interventions
            .iter()
            .map(|change| format!("<li><code>{}</code></li>", html(&change.text)))
            .collect();
        notices.push(format!(
            "The model was changed while it ran: these are not its own readouts.<ul>{list}</ul>"
        ));
    }
    if trace.model.family_assumed {
        notices.push(format!(
            "The checkpoint was read as family {}, against what its config.json says.",
            foreign(&trace.model.family)
        ));
    }
    if trace.self_check.is_some_and(|check| !check.passed) {
        notices.push("The self-check failed: do not believe these numbers.".to_owned());
    }
    let notices = notices.into_iter();
    let notices: String =
        notices.map(|notice| format!("<div class=\"notice\" role=\"note\">{notice}</div>\n")).collect();
    notices + &notes(trace)
}

/// What was assumed, dropped or left out: open, so that nobody has to look for it.
fn notes(trace: &LensTrace) -> String {
    if trace.notes.is_empty() {
        return String::new();
    }
    let list: String = trace.notes.iter().map(|note| format!("<li>{}</li>", foreign(note))).collect();
    format!("<details class=\"notes\" open><summary>Notes</summary><ul>{list}</ul></details>\n")
}

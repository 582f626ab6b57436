//! Traces to make pages of, from the toy model.

use lens_core::{
    Backend as _, GenerationTrace, Lens, LensTrace, Plan, SampledTrace, Sampling, Selection, StepTrace,
    Stopped, TokenId, TokenText, TokenTexts, TraceContext, toy::ToyBackend,
};

/// Tokens that would do harm as anything but text, and how they are shown.
pub(crate) const HOSTILE: [(&str, &str); 12] = [
    ("</script><script>hacked = 1</script>", "</script><script>hacked = 1</script>"),
    ("<img src=x onerror='hacked=1'>", "<img src=x onerror='hacked=1'>"),
    ("\"'`", "\"'`"),
    ("\u{202e}evil", "‹U+202E›evil"),
    ("\u{1b}[31m", "␛[31m"),
    ("a\u{2028}b\u{2029}", "a‹U+2028›b‹U+2029›"),
    ("<!--", "<!--"),
    ("&lt;&amp;", "&lt;&amp;"),
    ("\\u003c\\", "\\u003c\\"),
    ("]]>${hacked=1}", "]]>${hacked=1}"),
    (" \n ", "␠⏎␠"),
    ("\u{0}\u{301}", "‹U+0000›\u{301}"),
];

/// What a page is made of.
pub(crate) struct Model {
    pub(crate) layers: usize,
    pub(crate) positions: usize,
    /// How many of the positions the model wrote.
    pub(crate) generated: usize,
    /// Whether the first tokens of the vocabulary, and the sequence, are [`HOSTILE`].
    pub(crate) hostile: bool,
}

impl Default for Model {
    fn default() -> Self {
        Self { layers: 4, positions: 8, generated: 0, hostile: false }
    }
}

impl Model {
    /// What a token says.
    pub(crate) fn text(&self, id: u32) -> String {
        match HOSTILE.get(id as usize) {
            Some((text, _)) if self.hostile => (*text).to_owned(),
            _ => format!("{}w{id}", if id.is_multiple_of(3) { " " } else { "" }),
        }
    }
}

impl TokenTexts for Model {
    fn text(&self, id: TokenId) -> TokenText {
        TokenText { text: self.text(id.0).into(), bytes: None }
    }
}

/// The trace of a model that reads every position.
pub(crate) fn trace(model: &Model) -> LensTrace {
    const N_VOCAB: u32 = 60;
    let mut backend = ToyBackend::new(model.layers as _, 16, N_VOCAB as _, 7);
    let tokens: Vec<TokenId> = if model.hostile {
        (0..HOSTILE.len() as u32).map(TokenId).collect()
    } else {
        (0..model.positions as u32).map(|i| TokenId((i * 7 + 3) % N_VOCAB)).collect()
    };
    let plan = Plan::default().with_positions(Selection::all());
    let reading = Lens::new(&mut backend).read(&tokens, &plan).unwrap();
    let n_prompt = tokens.len() - model.generated;
    let context = TraceContext::new(("test", "1.0"), backend.info(), &tokens, model).with_n_prompt(n_prompt);
    let mut trace = LensTrace::new(&reading, &context);
    for (step, place) in (n_prompt..tokens.len()).enumerate() {
        let token = &trace.tokens[place];
        let token = SampledTrace::new(token.id, token.text.clone(), 0.25);
        trace.steps.push(StepTrace::new(step, place - 1, token));
    }
    trace.generation =
        (model.generated > 0).then(|| GenerationTrace::new(&Sampling::default(), Stopped::Length));
    trace
}

//! Names of modules, as adapter_config.json matches them: lists of endings, and Python's regular expressions.

use fancy_regex::Regex;

use crate::limits::adapters::LONGEST_PATTERN;

/// Which modules are meant.
#[derive(Debug, Clone)]
pub(super) enum Modules {
    /// Those whose names are, or end with a dot and, one of these.
    Named(Vec<String>),
    /// Those whose whole names match.
    Matching(Pattern),
    /// Every linear layer.
    AllLinear,
}

impl Modules {
    /// Whether the module of that name is meant; `None` where only the model's code could tell.
    pub(super) fn has(&self, module: &str) -> Result<Option<bool>, String> {
        match self {
            Self::Named(names) => Ok(Some(names.iter().any(|name| ends_with(module, name)))),
            Self::Matching(pattern) => pattern.is_match(module).map(Some),
            Self::AllLinear => Ok(None),
        }
    }
}

/// Whether a module has that name: the whole one, or the end of it after a dot.
pub(super) fn ends_with(module: &str, name: &str) -> bool {
    module.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// A regular expression.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// One that whole names have to match.
    pub(super) fn whole(text: &str) -> Result<Self, String> {
        Self::new(text, &format!(r"^(?:{text})$"))
    }

    /// One that names have to match, or their end after a dot.
    pub(super) fn ending(text: &str) -> Result<Self, String> {
        Self::new(text, &format!(r"^(?:.*\.)?(?:{text})$"))
    }

    /// One that names have to begin with.
    pub(super) fn beginning(text: &str) -> Result<Self, String> {
        Self::new(text, &format!("^(?:{text})"))
    }

    fn new(text: &str, whole: &str) -> Result<Self, String> {
        if text.len() > LONGEST_PATTERN {
            return Err(format!("a pattern has {} bytes, at most {LONGEST_PATTERN} are read", text.len()));
        }
        let regex = Regex::new(whole).map_err(|error| {
            format!("the pattern {:?} is not understood: {error}", crate::config::cut(text))
        })?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Whether a name matches.
    ///
    /// # Errors
    /// When the pattern tries too many ways.
    pub(super) fn is_match(&self, name: &str) -> Result<bool, String> {
        self.regex.is_match(name).map_err(|error| self.failed(&error))
    }

    /// The number in the first group of a name that matches.
    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, String> {
        let found = self.regex.captures(name).map_err(|error| self.failed(&error))?;
        Ok(found.and_then(|found| found.name("idx")?.as_str().parse().ok()))
    }

    fn failed(&self, error: &fancy_regex::Error) -> String {
        format!("the pattern {:?} cannot be matched: {error}", crate::config::cut(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_whole_parts() {
        assert!(
            ends_with("q_proj", "q_proj") && ends_with("model.layers.0.self_attn.q_proj", "self_attn.q_proj")
        );
        assert!(!ends_with("model.my_q_proj", "q_proj"));
    }

    #[test]
    fn patterns_match_as_pythons_do() {
        let whole = Pattern::whole(r"model\.layers\.[01]\..*(q|v)_proj|lm_head").unwrap();
        let is = |pattern: &Pattern, name| pattern.is_match(name).unwrap();
        assert!(is(&whole, "model.layers.1.self_attn.q_proj") && is(&whole, "lm_head"));
        assert!(!is(&whole, "model.layers.2.self_attn.q_proj") && !is(&whole, "x.lm_head"));
        let ending = Pattern::ending("layers.0.self_attn.q_proj|down_proj").unwrap();
        assert!(is(&ending, "model.layers.0.self_attn.q_proj") && is(&ending, "down_proj"));
        assert!(!is(&ending, "model.layers.0.updown_proj"));
        assert!(is(&Pattern::ending("^model.layers.0.mlp").unwrap(), "model.layers.0.mlp"));
        // Looking ahead is Python's as well.
        assert!(is(&Pattern::whole(r"(?!.*vision).*q_proj").unwrap(), "model.q_proj"));
        assert!(Pattern::whole("(").unwrap_err().contains("not understood"));
        assert!(Pattern::whole(&"a".repeat(LONGEST_PATTERN + 1)).unwrap_err().contains("bytes"));
        let endless = Pattern::whole("(a|aa|(a)\\2)*?b(?=c)").unwrap();
        let _ = endless.is_match(&"a".repeat(200)); // ends, whatever it says
    }
}

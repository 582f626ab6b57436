//! The strict parser of interventions.

use std::str::FromStr;

use super::{EditOperation, EditTarget, EditTerm, Intervention, VectorSource};
use crate::{
    point::{Component, Site},
    selection::Selection,
    suggest::did_you_mean,
};

/// Text that is not an intervention.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the intervention {written:?} at column {column}: {reason}")]
pub struct InterventionError {
    /// What was given.
    pub written: String,
    /// What is wrong.
    pub reason: String,
    /// Where it is wrong, in characters from 1.
    pub column: usize,
}

impl FromStr for Intervention {
    type Err = InterventionError;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        let mut parser = Parser { written, at: 0 };
        let target = parser.target()?;
        let operation = parser.operation()?;
        parser.skip_spaces();
        if parser.at < written.len() {
            return Err(parser.error(match operation {
                EditOperation::Project(_) => {
                    "something is left over (a sum of vectors needs parentheses: `proj(…)`)"
                }
                _ => "something is left over",
            }));
        }
        Ok(Self { target, operation })
    }
}

struct Parser<'a> {
    written: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.written[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Takes `text`, after any spaces, if it comes next.
    fn take(&mut self, text: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// The longest beginning of characters that `fits`.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn error(&self, reason: impl Into<String>) -> InterventionError {
        self.error_at(self.at, reason)
    }

    fn error_at(&self, at: usize, reason: impl Into<String>) -> InterventionError {
        let column = self.written[..at].chars().count() + 1;
        InterventionError { written: self.written.to_owned(), reason: reason.into(), column }
    }

    fn target(&mut self) -> Result<EditTarget, InterventionError> {
        let (layers, component, heads) = self.point()?;
        let positions = self.brackets()?;
        Ok(EditTarget { layers, component, heads, positions })
    }

    /// `embed`, `L3.attn_out`, `L0..4.z.h1`, `L*.mlp_out`.
    fn point(&mut self) -> Result<(Option<Selection>, Component, Option<Selection>), InterventionError> {
        self.skip_spaces();
        let start = self.at;
        if self.rest().starts_with("embed") {
            self.at += "embed".len();
            return Ok((None, Component::Embed, None));
        }
        if !self.take("L") {
            return Err(self.error(
                "a point is missing (write `embed`, `L3.attn_out`, `L0..4.resid_post`, `L*.mlp_out` or `L3.z.h5`)",
            ));
        }
        let layers = self.take_while(|c| c.is_ascii_digit() || "*.,=-".contains(c));
        let Some(layers) = layers.strip_suffix('.') else {
            return Err(self.error("a layer and a dot are missing (as in `L3.attn_out`)"));
        };
        let layers = if layers == "*" { "all" } else { layers };
        let layers = self.selection(layers, start + 1)?;

        let start = self.at;
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let component = name.parse::<Component>().ok().filter(|component| *component != Component::Embed);
        let Some(component) = component else {
            let hint = did_you_mean(name, Site::ALL.map(Site::name));
            let known = Site::ALL.map(Site::name).join(", ");
            return Err(self.error_at(start, format!("unknown point {name:?} (known: {known}){hint}")));
        };
        let heads = self.heads(component)?;
        Ok((Some(layers), component, heads))
    }

    fn heads(&mut self, component: Component) -> Result<Option<Selection>, InterventionError> {
        let Some(rest) = self.rest().strip_prefix('.') else { return Ok(None) };
        let start = self.at;
        self.at += 1;
        if component != Component::Site(Site::Z) {
            return Err(self.error_at(start, format!("only z has heads, {component} has none")));
        }
        if !rest.starts_with('h') {
            return Err(self.error("a head is missing (as in `L3.z.h5`)"));
        }
        self.at += 1;
        let start = self.at;
        // A `*` after numbers is the one of `*=`.
        if self.rest().starts_with('*') {
            self.at += 1;
            return Ok(Some(Selection::all()));
        }
        let heads = self.take_while(|c| c.is_ascii_digit() || ".,".contains(c));
        self.selection(heads, start).map(Some)
    }

    /// `[3]`, `[0..4]`, `[last]`, `[all]`.
    fn brackets(&mut self) -> Result<Option<Selection>, InterventionError> {
        match self.bracketed()? {
            None | Some(("all", _)) => Ok(None),
            Some((text, start)) => self.selection(text, start).map(Some),
        }
    }

    /// What stands in brackets, and where.
    fn bracketed(&mut self) -> Result<Option<(&'a str, usize)>, InterventionError> {
        if !self.take("[") {
            return Ok(None);
        }
        let start = self.at;
        let text = self.take_while(|c| c != ']');
        if !self.take("]") {
            return Err(self.error("a closing bracket is missing"));
        }
        Ok(Some((text.trim(), start)))
    }

    fn selection(&self, text: &str, start: usize) -> Result<Selection, InterventionError> {
        text.parse()
            .map_err(|error: crate::selection::SelectionError| self.error_at(start, error.to_string()))
    }

    fn operation(&mut self) -> Result<EditOperation, InterventionError> {
        if self.take("*=") {
            return Ok(EditOperation::Scale(self.number()?));
        }
        if self.take("+=") {
            return Ok(EditOperation::Add(self.terms(1.0)?));
        }
        if self.take("-=") {
            return match self.take("proj") {
                true => self.projected().map(EditOperation::Project),
                false => self.terms(-1.0).map(EditOperation::Add),
            };
        }
        if !self.take("=") {
            return Err(self.error("an operation is missing (one of `+=`, `-=`, `*=` and `=`)"));
        }
        self.skip_spaces();
        let start = self.at;
        if self.rest().trim_end() == "0" {
            self.at = self.written.len();
            return Ok(EditOperation::Zero);
        }
        self.at = start;
        Ok(EditOperation::Replace(self.terms(1.0)?))
    }

    /// What follows `proj`: a sum in parentheses, or one vector.
    fn projected(&mut self) -> Result<Vec<EditTerm>, InterventionError> {
        if !self.take("(") {
            return Ok(vec![EditTerm { coefficient: 1.0, source: self.source()? }]);
        }
        let terms = self.terms(1.0)?;
        if !self.take(")") {
            return Err(self.error("a closing parenthesis is missing"));
        }
        Ok(terms)
    }

    /// Vectors with signs and coefficients: `0.6*@'a' - @'b'`.
    fn terms(&mut self, sign: f64) -> Result<Vec<EditTerm>, InterventionError> {
        let mut terms = Vec::new();
        let mut next = self.signs().unwrap_or(1.0);
        loop {
            self.skip_spaces();
            let mut coefficient = sign * next;
            if self.rest().starts_with(|c: char| c.is_ascii_digit() || c == '.') {
                coefficient *= self.number()?;
                if !self.take("*") {
                    return Err(self.error("a number multiplies a vector: write `*` and the vector after it"));
                }
            }
            terms.push(EditTerm { coefficient, source: self.source()? });
            match self.signs() {
                Some(sign) => next = sign,
                None => return Ok(terms),
            }
        }
    }

    /// The product of all signs that follow, one after the other: `-` and `+ -` are -1, `- -` is 1.
    fn signs(&mut self) -> Option<f64> {
        let mut product = None;
        loop {
            if self.take("-") {
                product = Some(-product.unwrap_or(1.0));
            } else if self.take("+") {
                product = product.or(Some(1.0));
            } else {
                return product;
            }
        }
    }

    fn number(&mut self) -> Result<f64, InterventionError> {
        self.skip_spaces();
        let start = self.at;
        if self.rest().starts_with('-') {
            self.at += 1;
        }
        self.take_while(|c| c.is_ascii_digit() || c == '.');
        if self.rest().starts_with(['e', 'E']) {
            self.at += 1;
            if self.rest().starts_with(['-', '+']) {
                self.at += 1;
            }
            self.take_while(|c| c.is_ascii_digit());
        }
        let text = &self.written[start..self.at];
        text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
            self.error_at(start, if text.is_empty() { "a number is missing" } else { "this is not a number" })
        })
    }

    fn source(&mut self) -> Result<VectorSource, InterventionError> {
        if self.take("mean") {
            let text = if self.take("@") { Some(self.quoted()?) } else { None };
            return Ok(VectorSource::Mean { text });
        }
        if self.take("file:") {
            let path = self.quoted()?;
            let name = if self.rest().starts_with('#') {
                self.at += 1;
                Some(self.tensor_name()?)
            } else {
                None
            };
            return Ok(VectorSource::File { path, name });
        }
        if self.rest().starts_with("proj") {
            return Err(self.error(
                "a projection is the whole change: write `-= proj(…)` with the sum of vectors in it",
            ));
        }
        if !self.take("@") {
            return Err(self.error(
                "a vector is missing (one of `@'a prompt'`, `mean`, `mean@'a prompt'`, `file:'path'`)",
            ));
        }
        let text = self.quoted()?;
        match self.bracketed()? {
            None => Ok(VectorSource::Prompt { text, position: -1 }),
            Some(("same", _)) => Ok(VectorSource::PromptByPosition { text }),
            Some(("last", _)) => Ok(VectorSource::Prompt { text, position: -1 }),
            Some((index, start)) => match index.parse() {
                Ok(position) => Ok(VectorSource::Prompt { text, position }),
                Err(_) => Err(self.error_at(start, "a prompt's position is one number, `last` or `same`")),
            },
        }
    }

    /// The name of a tensor after `#`: in quotes, or up to a space or the end of a projection.
    fn tensor_name(&mut self) -> Result<String, InterventionError> {
        if self.rest().starts_with(['\'', '"']) {
            return self.quoted();
        }
        match self.take_while(|c| !c.is_whitespace() && c != ')') {
            "" => Err(self.error("the name of a tensor is missing after `#`")),
            name => Ok(name.to_owned()),
        }
    }

    /// A text in single or double quotes; `\` takes the next character as it is, but `\n` is a line feed.
    fn quoted(&mut self) -> Result<String, InterventionError> {
        self.skip_spaces();
        let start = self.at;
        let mut chars = self.rest().char_indices();
        let Some((_, quote @ ('\'' | '"'))) = chars.next() else {
            return Err(self.error("a text in quotes is missing"));
        };
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, other)) => text.push(other),
                    None => break,
                },
                c if c == quote => {
                    self.at += at + 1;
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(self.error_at(start, "this quote is never closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(written: &str) -> Intervention {
        written.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn refused(written: &str) -> String {
        written.parse::<Intervention>().expect_err(written).to_string()
    }

    #[test]
    fn the_target_names_layers_heads_and_positions() {
        let edit = parsed("L10..12.resid_post[0..3] *= 2");
        assert_eq!(edit.target.layers.unwrap().resolve(32, "layer").unwrap(), [10, 11]);
        assert_eq!(edit.target.component, Component::Site(Site::ResidPost));
        assert_eq!(edit.target.positions.unwrap().resolve(9, "position").unwrap(), [0, 1, 2]);
        assert_eq!(edit.operation, EditOperation::Scale(2.0));

        let edit = parsed("L-1.z.h0,2=0");
        assert_eq!(edit.target.layers.unwrap().resolve(4, "layer").unwrap(), [3]);
        assert_eq!(edit.target.heads.unwrap().resolve(4, "head").unwrap(), [0, 2]);
        assert_eq!((edit.target.positions, edit.operation), (None, EditOperation::Zero));

        let edit = parsed("L3.z.h1,4*=-2");
        assert_eq!(edit.target.heads.unwrap().resolve(6, "head").unwrap(), [1, 4]);
        assert_eq!(edit.operation, EditOperation::Scale(-2.0));
        assert_eq!(parsed("L3.z.h**=2").target.heads, Some(Selection::all()));

        assert_eq!(parsed("embed[all]=0").target.component, Component::Embed);
        assert_eq!(parsed("L*.mlp_output=0").target.layers, Some(Selection::all()));
    }

    #[test]
    fn vectors_have_signs_and_coefficients() {
        let edit =
            parsed(r"L1.attn_out -= 0.5*@'a \' b' - 2e-1 * @'c'[3] + mean@'d' - file:'e.gguf'#direction.3");
        let prompt = |text: &str, position| VectorSource::Prompt { text: text.to_owned(), position };
        let expected = [
            (-0.5, prompt("a ' b", -1)),
            (0.2, prompt("c", 3)),
            (-1.0, VectorSource::Mean { text: Some("d".to_owned()) }),
            (1.0, VectorSource::File { path: "e.gguf".to_owned(), name: Some("direction.3".to_owned()) }),
        ];
        let expected = expected.map(|(coefficient, source)| EditTerm { coefficient, source });
        assert_eq!(edit.operation, EditOperation::Add(expected.to_vec()));
        assert_eq!(edit.operation.kind(), "add");
        assert_eq!(parsed("L1.mlp_out=mean").operation.kind(), "mean");
        assert_eq!(parsed("L1.mlp_out = @\"x\"[same]").operation.kind(), "replace");
    }

    #[test]
    fn signs_follow_each_other() {
        let coefficients = |written: &str| match parsed(written).operation {
            EditOperation::Add(terms) | EditOperation::Replace(terms) | EditOperation::Project(terms) => {
                terms.iter().map(|term| term.coefficient).collect::<Vec<_>>()
            }
            other => panic!("{written}: {other:?}"),
        };
        for (sum, expected) in [
            ("4*@'a' + -4*@'b'", [4.0, -4.0]),
            ("4*@'a' - -4*@'b'", [4.0, 4.0]),
            ("4*@'a' - +4*@'b'", [4.0, -4.0]),
            ("4*@'a'+-0.5*@'b'", [4.0, -0.5]),
            ("-4*@'a' - - -@'b'", [-4.0, -1.0]),
            ("+ - 4*mean --.5*file:'b'", [-4.0, 0.5]),
        ] {
            assert_eq!(coefficients(&format!("L1.mlp_out += {sum}")), expected, "{sum}");
            assert_eq!(coefficients(&format!("L1.mlp_out = {sum}")), expected, "{sum}");
            assert_eq!(coefficients(&format!("L1.mlp_out -= {sum}")), expected.map(|c| -c), "{sum}");
            assert_eq!(coefficients(&format!("L1.mlp_out -= proj({sum})")), expected, "{sum}");
        }
    }

    #[test]
    fn a_trace_names_the_point_and_what_was_done() {
        let trace = parsed(" L3.z.h5[last] = 0 ").trace(Some(vec![4]));
        assert_eq!((trace.point.as_str(), trace.kind.as_str()), ("L3.z.h5", "zero"));
        assert_eq!((trace.text.as_str(), trace.positions), ("L3.z.h5[last] = 0", Some(vec![4])));
        let trace = parsed("L0..2.mlp_out-=proj@'a'").trace(None);
        assert_eq!((trace.point.as_str(), trace.kind.as_str()), ("L0..2.mlp_out", "project"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (written, parts) in [
            ("L3.atn_out=0", &["unknown point \"atn_out\"", "did you mean \"attn_out\"?", "column 4"][..]),
            ("M3.z=0", &["a point is missing", "column 1"]),
            ("L.z=0", &["column"]),
            ("L3.mlp_out.h2=0", &["only z has heads"]),
            ("L3.mlp_out", &["an operation is missing"]),
            ("L3.mlp_out+=0.6", &["a number multiplies a vector"]),
            ("L3.mlp_out+=0.6*", &["a vector is missing"]),
            ("L3.mlp_out+=@'abc", &["never closed", "column 14"]),
            ("L3.mlp_out+=@'a'[x]", &["one number, `last` or `same`"]),
            ("L3.mlp_out*=", &["a number is missing"]),
            ("L3.mlp_out*=1e999", &["not a number"]),
            ("L3.mlp_out=0 @'a'", &["column"]),
            ("L3.mlp_out[1=0", &["closing bracket"]),
            ("L3.mlp_out += proj(@'a')", &["-= proj(", "column 15"]),
            ("L3.mlp_out -= 2*proj(@'a')", &["-= proj(", "column 17"]),
            ("L3.mlp_out -= proj(@'a'", &["closing parenthesis"]),
            ("L3.mlp_out -= proj @'a' - @'b'", &["left over", "proj(…)"]),
            ("L3.mlp_out -= proj", &["a vector is missing"]),
            ("L3.mlp_out += @'a' -", &["a vector is missing"]),
            ("L3.mlp_out += file:'a'#", &["name of a tensor"]),
            ("", &["a point is missing"]),
        ] {
            let message = refused(written);
            for part in parts {
                assert!(message.contains(part), "{part:?} is not in {message}");
            }
        }
    }
}

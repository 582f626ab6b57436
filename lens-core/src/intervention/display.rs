//! The canonical form of an intervention, which parses back to the same intervention.

use std::fmt::{self, Display, Formatter, Write};

use super::{EditOperation, EditTarget, EditTerm, Intervention, VectorSource};
use crate::selection::Selection;

impl Display for Intervention {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = format!("{} {}", self.target, self.operation);
        f.pad(&text)
    }
}

impl Display for EditTarget {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Place(self).fmt(f)?;
        match &self.positions {
            None => Ok(()),
            // `[all]` would include the positions of a continuation, which a selection of the prompt's does not.
            Some(positions) if *positions == Selection::all() => f.write_str("[0..]"),
            Some(positions) => write!(f, "[{positions}]"),
        }
    }
}

/// A target without its positions: `embed`, `L0..4.z.h1,3`.
pub(super) struct Place<'a>(pub(super) &'a EditTarget);

impl Display for Place<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let EditTarget { layers, component, heads, .. } = self.0;
        // Names of selections are spelled as numbers in a point.
        let numbers = |selection: &Selection| selection.to_string().replace("last", "-1").replace("all", "*");
        if let Some(layers) = layers {
            write!(f, "L{}.", numbers(layers))?;
        }
        write!(f, "{component}")?;
        match heads {
            Some(heads) => write!(f, ".h{}", numbers(heads)),
            None => Ok(()),
        }
    }
}

impl Display for EditOperation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("= 0"),
            Self::Scale(factor) => write!(f, "*= {}", Number(*factor)),
            // A sum that begins with a minus is one that is subtracted.
            Self::Add(terms) if terms.first().is_some_and(|term| term.coefficient.is_sign_negative()) => {
                f.write_str("-= ")?;
                sum(f, terms, -1.0)
            }
            Self::Add(terms) => {
                f.write_str("+= ")?;
                sum(f, terms, 1.0)
            }
            Self::Replace(terms) => {
                f.write_str("= ")?;
                sum(f, terms, 1.0)
            }
            Self::Project(terms) => {
                f.write_str("-= proj(")?;
                sum(f, terms, 1.0)?;
                f.write_str(")")
            }
        }
    }
}

/// Terms with their signs, all of them multiplied by `sign`.
fn sum(f: &mut Formatter<'_>, terms: &[EditTerm], sign: f64) -> fmt::Result {
    for (i, EditTerm { coefficient, source }) in terms.iter().enumerate() {
        let coefficient = sign * coefficient;
        f.write_str(match (i, coefficient.is_sign_negative()) {
            (0, false) => "",
            (0, true) => "-",
            (_, false) => " + ",
            (_, true) => " - ",
        })?;
        if coefficient.abs() != 1.0 {
            write!(f, "{}*", Number(coefficient.abs()))?;
        }
        source.fmt(f)?;
    }
    Ok(())
}

impl Display for VectorSource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt { text, position: -1 } => write!(f, "@{}", Quoted(text)),
            Self::Prompt { text, position } => write!(f, "@{}[{position}]", Quoted(text)),
            Self::PromptByPosition { text } => write!(f, "@{}[same]", Quoted(text)),
            Self::Mean { text: None } => f.write_str("mean"),
            Self::Mean { text: Some(text) } => write!(f, "mean@{}", Quoted(text)),
            Self::File { path, name: None } => write!(f, "file:{}", Quoted(path)),
            Self::File { path, name: Some(name) } => {
                let is_plain = |c: char| c.is_alphanumeric() || "._-/:".contains(c);
                if !name.is_empty() && name.chars().all(is_plain) {
                    write!(f, "file:{}#{name}", Quoted(path))
                } else {
                    write!(f, "file:{}#{}", Quoted(path), Quoted(name))
                }
            }
        }
    }
}

/// A number that is read back exactly, with an exponent where it would be long.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let with_exponent = format!("{:?}", self.0);
        if with_exponent.contains('e') { f.write_str(&with_exponent) } else { write!(f, "{}", self.0) }
    }
}

/// A text in single quotes, as the parser reads it.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('\'')?;
        for c in self.0.chars() {
            match c {
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                '\'' | '\\' => write!(f, "\\{c}")?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('\'')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::point::{Component, Site};

    fn canonical(written: &str) -> String {
        written.parse::<Intervention>().unwrap_or_else(|error| panic!("{error}")).to_string()
    }

    #[test]
    fn an_intervention_is_shown_as_what_it_does() {
        for (written, shown) in [
            ("L4.resid_post[last]+=4*@'hot' + -4*@'cold'", "L4.resid_post[last] += 4*@'hot' - 4*@'cold'"),
            ("L4.resid_post += - -4*@'a' +-0.5*@\"b\"", "L4.resid_post += 4*@'a' - 0.5*@'b'"),
            ("L4.resid_post -= -@'a' - -2*@'b'", "L4.resid_post += @'a' - 2*@'b'"),
            ("L1.attn_out-=.5*@'a'-2*mean", "L1.attn_out -= 0.5*@'a' - 2*mean"),
            ("L*.mlp_output[ 1, 2 ] = mean@'it\\'s'", "L*.mlp_out[1,2] = mean@'it\\'s'"),
            ("L-1.z.h0,2 *= -2.50", "L-1.z.h0,2 *= -2.5"),
            ("embed[all]=0", "embed = 0"),
            ("L3.mlp_out -= proj @'a'[2]", "L3.mlp_out -= proj(@'a'[2])"),
            ("L3.mlp_out -= proj( 2*@'a' - file:'v'#'a b' )", "L3.mlp_out -= proj(2*@'a' - file:'v'#'a b')"),
        ] {
            assert_eq!(canonical(written), shown);
            assert_eq!(canonical(shown), shown);
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[ -~]{0,9}", any::<String>(), Just("a\n'\t\\\"".to_owned())]
    }

    fn number() -> impl Strategy<Value = f64> {
        let special = prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 0.1, 1e300, 5e-324]);
        prop_oneof![special, -9.0..9.0, any::<f64>().prop_filter("finite", |x| x.is_finite())]
    }

    fn source() -> impl Strategy<Value = VectorSource> {
        prop_oneof![
            (text(), any::<i64>()).prop_map(|(text, position)| VectorSource::Prompt { text, position }),
            text().prop_map(|text| VectorSource::Prompt { text, position: -1 }),
            text().prop_map(|text| VectorSource::PromptByPosition { text }),
            prop::option::of(text()).prop_map(|text| VectorSource::Mean { text }),
            (text(), prop::option::of(text())).prop_map(|(path, name)| VectorSource::File { path, name }),
        ]
    }

    fn operation() -> impl Strategy<Value = EditOperation> {
        let term = (number(), source()).prop_map(|(coefficient, source)| EditTerm { coefficient, source });
        let terms = prop::collection::vec(term, 1..4).boxed();
        prop_oneof![
            Just(EditOperation::Zero),
            number().prop_map(EditOperation::Scale),
            terms.clone().prop_map(EditOperation::Add),
            terms.clone().prop_map(EditOperation::Replace),
            terms.prop_map(EditOperation::Project),
        ]
    }

    /// Selections as they are written in points, and in brackets.
    fn selection(names: bool) -> impl Strategy<Value = Selection> {
        let item =
            prop_oneof!["[0-9]{1,3}", "-[1-9]", "[0-9]\\.\\.[0-9]?", "[0-9]\\.\\.=[0-9]", "\\.\\.[0-9]"];
        let named = prop::sample::select(vec!["last", "0,all", "all,1..=last"]).prop_map(str::to_owned);
        let list = prop::collection::vec(item, 1..4).prop_map(|items| items.join(","));
        let list = if names { prop_oneof![list, named].boxed() } else { list.boxed() };
        list.prop_map(|text| text.parse().expect("a selection"))
    }

    fn target() -> impl Strategy<Value = EditTarget> {
        let layers = prop_oneof![Just(Selection::all()), selection(false)];
        let heads = prop::option::of(prop_oneof![
            Just(Selection::all()),
            "[0-9]{1,2}(,[0-9]){0,2}".prop_map(|text| text.parse().expect("a selection")),
        ]);
        let component = prop::sample::select(Site::ALL.map(Component::Site).to_vec());
        let point = prop_oneof![
            Just((None, Component::Embed, None)),
            (layers, component, heads).prop_map(|(layers, component, heads)| {
                (Some(layers), component, heads.filter(|_| component == Component::Site(Site::Z)))
            }),
        ];
        (point, prop::option::of(selection(true))).prop_map(|((layers, component, heads), positions)| {
            EditTarget { layers, component, heads, positions }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn what_is_shown_parses_back_to_the_same(target in target(), operation in operation()) {
            let intervention = Intervention { target, operation };
            let shown = intervention.to_string();
            prop_assert_eq!(shown.parse::<Intervention>(), Ok(intervention), "{}", shown);
        }
    }
}

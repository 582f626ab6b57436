//! Selections of layers, positions and components as a user writes them.

use std::{fmt, str::FromStr};

use crate::point::{Component, ParsePointError, Site};

/// A choice of indices in `0..n`: `all`, single indices (negative ones count from the end, `last` is `-1`), half-open
/// ranges `a..b`, closed ranges `a..=b`, and comma-separated lists of these.
///
/// ```
/// use lens_core::Selection;
/// let some: Selection = "0..3,-1".parse().unwrap();
/// assert_eq!(some.resolve(32, "layer").unwrap(), [0, 1, 2, 31]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    items: Vec<Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    All,
    One(i64),
    Range { from: Option<i64>, to: Option<i64>, closed: bool },
}

impl Selection {
    /// Everything.
    pub fn all() -> Self {
        Self { items: vec![Item::All] }
    }

    /// The last index alone.
    pub fn last() -> Self {
        Self { items: vec![Item::One(-1)] }
    }

    /// The selected indices among `0..n`, ascending, each once. `noun` is what error messages call one of them, such as
    /// `layer`.
    ///
    /// # Errors
    /// When an index is outside `0..n`, or nothing is selected.
    pub fn resolve(&self, n: usize, noun: &'static str) -> Result<Vec<usize>, SelectionError> {
        let out_of_range = |index| SelectionError::OutOfRange { index, noun, n };
        let at = |index: i64| -> Result<usize, SelectionError> {
            let from_start = if index < 0 { index + n as i64 } else { index };
            usize::try_from(from_start).ok().filter(|i| *i < n).ok_or_else(|| out_of_range(index))
        };
        let mut picked = vec![false; n];
        for item in &self.items {
            match *item {
                Item::All => picked.fill(true),
                Item::One(index) => picked[at(index)?] = true,
                Item::Range { from, to, closed } => {
                    let from = from.map_or(Ok(0), at)?;
                    let end = match to {
                        None => n,
                        Some(to) if closed => at(to)? + 1,
                        // The end of a half-open range may be n itself.
                        Some(to) if to == n as i64 => n,
                        Some(to) => at(to)?,
                    };
                    if from < end {
                        picked[from..end].fill(true);
                    }
                }
            }
        }
        let indices: Vec<usize> = (0..n).filter(|i| picked[*i]).collect();
        if indices.is_empty() {
            return Err(SelectionError::Empty { written: self.to_string(), noun, n });
        }
        Ok(indices)
    }
}

/// As [`FromStr`] reads it: what is parsed again is the same selection.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = |index: Option<i64>| index.map_or_else(String::new, |index| index.to_string());
        for (i, item) in self.items.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            match *item {
                Item::All => f.write_str("all")?,
                Item::One(-1) => f.write_str("last")?,
                Item::One(index) => write!(f, "{index}")?,
                Item::Range { from, to, closed } => {
                    write!(f, "{}..{}{}", bound(from), if closed { "=" } else { "" }, bound(to))?;
                }
            }
        }
        Ok(())
    }
}

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        let bad = |item: &str| SelectionError::Form { item: item.to_owned() };
        let index = |text: &str| -> Result<i64, SelectionError> {
            match text.trim() {
                "last" => Ok(-1),
                text => text.parse().map_err(|_| bad(text)),
            }
        };
        let bound = |text: &str| {
            if text.trim().is_empty() { Ok(None) } else { index(text).map(Some) }
        };
        let items = written
            .split(',')
            .map(|item| match item.trim() {
                "all" => Ok(Item::All),
                item => match item.split_once("..") {
                    None => index(item).map(Item::One),
                    Some((from, to)) => {
                        let (to, closed) = to.strip_prefix('=').map_or((to, false), |to| (to, true));
                        let to = bound(to)?;
                        if closed && to.is_none() {
                            return Err(bad(item));
                        }
                        Ok(Item::Range { from: bound(from)?, to, closed })
                    }
                },
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { items })
    }
}

/// What stands for every head of a layer.
const HEADS: &str = "heads";

/// The components to read: `all`, `heads`, or a comma-separated list of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentSelection {
    components: Vec<Component>,
    is_all: bool,
    all_heads: bool,
}

impl ComponentSelection {
    /// Everything: those of `embed`, `attn_out`, `resid_mid`, `mlp_out` and `resid_post` that the model has.
    /// `resid_pre` is left out because every one of them is the `resid_post` before it, or `embed`.
    pub fn all() -> Self {
        let pre = Component::Site(Site::ResidPre);
        Self {
            components: Component::READABLE.into_iter().filter(|c| *c != pre).collect(),
            is_all: true,
            all_heads: false,
        }
    }

    /// The components, in order of execution, each once.
    pub fn as_slice(&self) -> &[Component] {
        &self.components
    }

    /// Whether every head of every layer was asked for, besides the components that have names. No "all" includes
    /// them: they are many.
    pub fn all_heads(&self) -> bool {
        self.all_heads
    }

    /// Whether everything was asked for, rather than components by name.
    pub fn is_all(&self) -> bool {
        self.is_all
    }
}

impl FromStr for ComponentSelection {
    type Err = SelectionError;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        let (mut components, mut is_all, mut all_heads) = (Vec::new(), false, false);
        for name in written.split(',').map(str::trim) {
            if name == "all" {
                components.extend(Self::all().components);
                is_all = true;
                continue;
            }
            if name == HEADS {
                all_heads = true;
                continue;
            }
            match name.parse()? {
                Component::Site(Site::Z) => return Err(SelectionError::NotReadable),
                component => components.push(component),
            }
        }
        components.sort_unstable();
        components.dedup();
        Ok(Self { components, is_all, all_heads })
    }
}

/// A selection that cannot be understood or does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// Not an index, a range, `all` or `last`.
    #[error(
        "\"{item}\" selects nothing: write all, last, an index (negative counts from the end), or a range like 0..8 or 2..=4"
    )]
    Form {
        /// The part that was not understood.
        item: String,
    },
    /// An index is out of range.
    #[error("there is no {noun} {index}: the {noun}s are 0 to {} (or -1 to -{n} from the end)", n.saturating_sub(1))]
    OutOfRange {
        /// The index given.
        index: i64,
        /// What is selected, such as `layer`.
        noun: &'static str,
        /// How many there are.
        n: usize,
    },
    /// Nothing was selected.
    #[error("\"{written}\" selects no {noun} of {n}")]
    Empty {
        /// The selection as written.
        written: String,
        /// What is selected, such as `layer`.
        noun: &'static str,
        /// How many there are.
        n: usize,
    },
    /// `z` was asked for, which is not in the space of the residual stream.
    #[error(
        "z has a vector per head, before the output projection: it cannot be decoded into tokens (attn_out can, and \
         heads: what each adds through its part of that projection)"
    )]
    NotReadable,
    /// An unknown component.
    #[error(transparent)]
    Component(#[from] ParsePointError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(written: &str, n: usize) -> Result<Vec<usize>, SelectionError> {
        written.parse::<Selection>()?.resolve(n, "layer")
    }

    #[test]
    fn every_form_selects_what_it_says() {
        assert_eq!(resolve("all", 3).unwrap(), [0, 1, 2]);
        assert_eq!(resolve("0..8", 8).unwrap(), (0..8).collect::<Vec<_>>());
        assert_eq!(resolve("-1", 8).unwrap(), [7]);
        assert_eq!(resolve("0, 4,last", 8).unwrap(), [0, 4, 7]);
        assert_eq!(resolve("6..", 8).unwrap(), [6, 7]);
        assert_eq!(resolve("..2", 8).unwrap(), [0, 1]);
        assert_eq!(resolve("2..=3,3", 8).unwrap(), [2, 3]);
        assert_eq!(resolve("-3..-1", 8).unwrap(), [5, 6]);
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        let message = resolve("9", 8).unwrap_err().to_string();
        assert!(message.contains("no layer 9") && message.contains("0 to 7"), "{message}");
        assert!(matches!(resolve("3..3", 8), Err(SelectionError::Empty { .. })));
        assert!(matches!(resolve("all", 0), Err(SelectionError::Empty { .. })));
        for bad in ["", "a", "1..b", "1;2", "0..=", "1.5", "--1"] {
            assert!(matches!(resolve(bad, 8), Err(SelectionError::Form { .. })), "{bad:?} was accepted");
        }
    }

    #[test]
    fn components_take_both_vocabularies() {
        let some: ComponentSelection = "block_output,attn_out,resid_post".parse().unwrap();
        assert_eq!(some.as_slice(), [Component::Site(Site::AttnOut), Component::Site(Site::ResidPost)]);
        assert_eq!("all".parse::<ComponentSelection>().unwrap().as_slice().len(), 5);
        let heads: ComponentSelection = "heads,attn_out,head.3".parse().unwrap();
        assert!(heads.all_heads() && !heads.is_all());
        let named = [Site::Head(3), Site::AttnOut].map(Component::Site);
        assert_eq!(heads.as_slice(), named);
        assert_eq!("z".parse::<ComponentSelection>(), Err(SelectionError::NotReadable));
    }
}

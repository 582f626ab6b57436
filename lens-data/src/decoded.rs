//! The table of decoded directions: one row for each.

use crate::column::{Cells, Column, Kind, Table};

/// The table of decoded directions: a row for every vector.
#[derive(Debug, Clone, Copy)]
pub enum Directions {}

/// One decoded direction.
#[derive(Debug, Clone, Copy)]
pub struct DirectionRow<'a> {
    /// Its name: `L3.n120`, `L2.h5`, `W_dec[12]`.
    pub source: &'a str,
    /// The layer that it belongs to.
    pub layer: Option<u32>,
    /// Its number among those of its origin: a neuron, a head, a row or a token id.
    pub row: u64,
    /// The token that it is about, and what that says.
    pub token: Option<(u32, &'a str)>,
    /// Euclidean length of the vector.
    pub norm: f64,
    /// How it met the unembedding: `folded`, `none`, ….
    pub mode: &'a str,
    /// Cosine to the unembedding row of the token with the largest logit.
    pub cosine: Option<f64>,
    /// Tokens with the largest logits, largest first.
    pub top: &'a [DirectionToken<'a>],
    /// Tokens with the smallest logits, smallest first.
    pub bottom: &'a [DirectionToken<'a>],
}

/// A token at one end of the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct DirectionToken<'a> {
    /// Its id.
    pub id: u32,
    /// What it says.
    pub text: &'a str,
    /// Its logit.
    pub logit: f32,
}

impl Table for Directions {
    type Row<'a> = DirectionRow<'a>;

    const NAME: &'static str = "directions";

    fn columns() -> Vec<Column> {
        vec![
            Column::new(
                "source",
                Kind::Text,
                "its name: `L3.n120`, `L3.e5.n120`, `L2.h5`, `W_dec[12]`, `embed[464]`",
            ),
            Column::new("layer", Kind::U32, "block that it belongs to, from 0, where that is known")
                .nullable(),
            Column::new("row", Kind::U64, "its number there: neuron, head, row or token id, from 0"),
            Column::new("token_id", Kind::U32, "id of the token that it is about, of heads and embeddings")
                .nullable(),
            Column::new("token_text", Kind::Text, "what that says").nullable(),
            Column::new("norm", Kind::F32, "Euclidean length of the vector, before any norm"),
            Column::new(
                "mode",
                Kind::Text,
                "how it met the unembedding: `folded`, `final-scale=…`, `none` or `recomputed`",
            ),
            Column::new(
                "cosine",
                Kind::F32,
                "cosine of what met the unembedding to the row of the token with the largest logit",
            )
            .nullable(),
            Column::new("top_id", Kind::U32s, "ids of the tokens with the largest logits, largest first"),
            Column::new("top_text", Kind::Texts, "what they say"),
            Column::new("top_logit", Kind::F32s, "their logits"),
            Column::new(
                "bottom_id",
                Kind::U32s,
                "ids of the tokens with the smallest logits, smallest first",
            ),
            Column::new("bottom_text", Kind::Texts, "what they say"),
            Column::new("bottom_logit", Kind::F32s, "their logits"),
        ]
    }

    fn append(row: &DirectionRow<'_>, cells: &mut Cells) {
        cells.text(Some(row.source));
        cells.u32(row.layer);
        cells.u64(row.row);
        cells.u32(row.token.map(|(id, _)| id));
        cells.text(row.token.map(|(_, text)| text));
        cells.f32(Some(row.norm as f32));
        cells.text(Some(row.mode));
        cells.f32(row.cosine.map(|cosine| cosine as f32));
        for end in [row.top, row.bottom] {
            cells.u32s(end.iter().map(|token| Some(token.id)));
            cells.texts(end.iter().map(|token| token.text));
            cells.f32s(end.iter().map(|token| token.logit));
        }
    }
}

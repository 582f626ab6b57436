//! The table of tokens: one row for each.

use lens_core::{FinalTrace, RoleTrace, Statistic, TokenTrace};

use crate::{
    Prompt,
    column::{Cells, Column, Kind, Table},
};

/// The table of tokens: a row for every token of every prompt.
#[derive(Debug, Clone, Copy)]
pub enum Tokens {}

/// A token of a prompt.
#[derive(Debug, Clone, Copy)]
pub struct TokenRow<'a> {
    /// The prompt that it belongs to.
    pub prompt: Prompt<'a>,
    /// Its place in the sequence, from 0.
    pub position: usize,
    /// The token.
    pub token: &'a TokenTrace,
    /// The role that says it, in a conversation.
    pub role: Option<&'a RoleTrace>,
    /// The model's answer after it, where that was read.
    pub last: Option<&'a FinalTrace>,
}

impl Table for Tokens {
    type Row<'a> = TokenRow<'a>;

    const NAME: &'static str = "tokens";

    fn columns() -> Vec<Column> {
        vec![
            Column::new("prompt", Kind::U64, "number of the prompt in the run, from 0"),
            Column::new("id", Kind::Text, "what the prompts' file calls it").nullable(),
            Column::new("position", Kind::U64, "position in the sequence, from 0"),
            Column::new("token_id", Kind::U32, "the token's id"),
            Column::new("token_text", Kind::Text, "what it says"),
            Column::new(
                "token_bytes",
                Kind::Text,
                "its exact bytes in hexadecimal, where the text is not exactly them",
            )
            .nullable(),
            Column::new("generated", Kind::Bool, "whether the model wrote it"),
            Column::new("role", Kind::Text, "who says it, in a conversation").nullable(),
            Column::new("final_id", Kind::U32, "id of the token that the model predicts after it").nullable(),
            Column::new("final_text", Kind::Text, "what that says").nullable(),
            Column::new("final_logit", Kind::F32, "its logit").nullable(),
            Column::new("final_prob", Kind::F32, "its probability, from 0 to 1").nullable(),
            Column::new("final_entropy", Kind::F32, "entropy of the model's own answer, nats").nullable(),
            Column::new("cross_entropy", Kind::F32, "surprise at the token that does come next, nats")
                .nullable(),
            Column::new(
                "decided_at",
                Kind::U32,
                "first layer from which the top-1 of resid_post is the final one and stays so",
            )
            .nullable(),
        ]
    }

    fn append(row: &TokenRow<'_>, cells: &mut Cells) {
        let top1 = row.last.and_then(|last| last.top.first());
        let statistic = |statistic| row.last.and_then(|last| last.get(statistic)).map(|value| value as f32);
        cells.u64(row.prompt.index);
        cells.text(row.prompt.id);
        cells.u64(row.position as u64);
        cells.u32(Some(row.token.id.0));
        cells.text(Some(&row.token.text));
        cells.text(row.token.bytes.as_deref());
        cells.bool(row.token.generated);
        cells.text(row.role.map(|role| role.role.as_str()));
        cells.u32(top1.map(|token| token.id.0));
        cells.text(top1.map(|token| &*token.text));
        cells.f32(top1.map(|token| token.logit));
        cells.f32(top1.map(|token| token.prob));
        cells.f32(statistic(Statistic::Entropy));
        cells.f32(statistic(Statistic::CrossEntropy));
        cells.u32(row.last.and_then(|last| last.decided_at).and_then(|layer| u32::try_from(layer).ok()));
    }
}

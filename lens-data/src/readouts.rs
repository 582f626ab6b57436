//! The table of readouts: one row for each.

use lens_core::{LensKindTrace, ReadoutTrace, Statistic, TopTrace};

use crate::{
    Prompt,
    column::{Cells, Column, Kind, Table},
};

/// The table of readouts: a row for every prompt, position, layer, component and lens.
#[derive(Debug, Clone, Copy)]
pub enum Readouts {}

impl Table for Readouts {
    type Row<'a> = (Prompt<'a>, &'a LensKindTrace, &'a ReadoutTrace);

    const NAME: &'static str = "readouts";

    fn columns() -> Vec<Column> {
        let mut columns = vec![
            Column::new("prompt", Kind::U64, "number of the prompt in the run, from 0"),
            Column::new("id", Kind::Text, "what the prompts' file calls it").nullable(),
            Column::new(
                "position",
                Kind::U64,
                "position in the sequence, from 0; it is about the next token",
            ),
            Column::new("layer", Kind::U32, "block, from 0; empty for `embed`").nullable(),
            Column::new(
                "component",
                Kind::Text,
                "what was read: `attn_out`, `resid_mid`, `mlp_out`, `resid_post`, …",
            ),
            Column::new("lens", Kind::Text, "name of the lens: `logit`, `tuned`, `jacobian`, `tuned-2`, …"),
            Column::new("virtual", Kind::Bool, "whether the point is a sum that no part of the model reads"),
        ];
        columns.extend(Statistic::ALL.into_iter().map(|statistic| {
            let kind = if statistic.unit().is_whole() { Kind::U32 } else { Kind::F32 };
            let unit = match statistic.unit().name() {
                "" => String::new(),
                unit => format!(", {unit}"),
            };
            Column::new(statistic.name(), kind, format!("{}{unit}", statistic.title())).nullable()
        }));
        columns.extend([
            Column::new("top_id", Kind::U32s, "ids of the most probable tokens, most probable first"),
            Column::new("top_text", Kind::Texts, "what they say"),
            Column::new("top_logit", Kind::F32s, "their logits"),
            Column::new("top_prob", Kind::F32s, "their probabilities, from 0 to 1"),
            Column::new("target_id", Kind::U32s, "ids of the tokens asked for"),
            Column::new("target_text", Kind::Texts, "what they say"),
            Column::new("target_logit", Kind::F32s, "their logits"),
            Column::new("target_prob", Kind::F32s, "their probabilities, from 0 to 1"),
            Column::new("target_rank", Kind::U32s, "their ranks, from 1, where they are known"),
            Column::new(
                "tracked_id",
                Kind::U32s,
                "ids of other tokens that are top-1 somewhere at this position, so that no trajectory has a hole",
            ),
            Column::new("tracked_text", Kind::Texts, "what they say"),
            Column::new("tracked_logit", Kind::F32s, "their logits"),
            Column::new("tracked_prob", Kind::F32s, "their probabilities, from 0 to 1"),
        ]);
        columns
    }

    fn append((prompt, lens, readout): &Self::Row<'_>, cells: &mut Cells) {
        cells.u64(prompt.index);
        cells.text(prompt.id);
        cells.u64(readout.position as u64);
        cells.u32(readout.layer.map(u32::from));
        cells.text(Some(readout.component.name()));
        cells.text(Some(readout.lens.as_deref().unwrap_or(&lens.kind)));
        cells.bool(readout.is_virtual);
        for statistic in Statistic::ALL {
            if statistic.unit().is_whole() {
                cells.u32(readout.statistics.whole(statistic));
            } else {
                cells.f32(readout.get(statistic).map(|value| value as f32));
            }
        }
        scores(readout.top.iter(), cells);
        scores(readout.targets.iter().map(|target| &target.token), cells);
        cells.u32s(readout.targets.iter().map(|target| target.rank));
        scores(readout.tracked.iter(), cells);
    }
}

/// Ids, texts, logits and probabilities of some tokens.
fn scores<'a>(tokens: impl Iterator<Item = &'a TopTrace> + Clone, cells: &mut Cells) {
    cells.u32s(tokens.clone().map(|token| Some(token.id.0)));
    cells.texts(tokens.clone().map(|token| &*token.text));
    cells.f32s(tokens.clone().map(|token| token.logit));
    cells.f32s(tokens.map(|token| token.prob));
}

//! Mixers other than attention over keys and values, in words.

use lens_checkpoint::spec::{GatedDeltaSpec, LatentAttentionSpec, LatentQuery, LinearSpec};

use super::number;

/// Latent attention.
pub(super) fn latent(attn: &LatentAttentionSpec) -> String {
    let queries = match &attn.query {
        LatentQuery::Plain(_) => String::new(),
        LatentQuery::LowRank { up, .. } => match up.weight.tensors[0].shape.last() {
            Some(rank) => format!(" and queries of {rank}"),
            None => String::new(),
        },
    };
    format!(
        "latent: {} heads, keys and values of {} kept values{queries}, keys {} and {} rotated, values {}, scale {}",
        attn.n_heads,
        attn.rank,
        attn.d_content,
        attn.d_rotary,
        attn.d_value,
        number(attn.scale)
    )
}

/// A gated delta net.
pub(super) fn gated_delta(delta: &GatedDeltaSpec) -> String {
    let shared = match delta.n_key_heads {
        n if n == delta.n_heads => String::new(),
        n => format!(" on {n} heads of keys"),
    };
    format!(
        "gated delta net: {} heads{shared}, keys {}, values {}, filtered over {} positions",
        delta.n_heads,
        delta.d_key,
        delta.d_value,
        delta.filters.first().map_or(0, |filter| filter.kernel)
    )
}

/// The linear maps of latent attention, by name.
pub(super) fn linears_of_latent(attn: &LatentAttentionSpec) -> Vec<(&'static str, &LinearSpec)> {
    let mut linears = match &attn.query {
        LatentQuery::Plain(q) => vec![("q", q)],
        LatentQuery::LowRank { down, up, .. } => vec![("q", down), ("q up", up)],
    };
    linears.extend([("kv", &attn.down), ("o", &attn.o)]);
    linears
}

//! Decoders that are known and not read, and why: so that a refusal says more than that a name is unknown.

/// Why a known decoder is not read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Why {
    /// It has no residual stream as a lens means it, but this.
    NoStream(&'static str),
    /// It needs what is not implemented: this.
    NotImplemented(&'static str),
}

const INDEXER: Why = Why::NotImplemented(
    "an indexer of its own chooses for every token which earlier ones it attends to (sparse attention)",
);

const SEVERAL_STREAMS: Why = Why::NoStream(
    "it runs several streams beside each other that every block mixes anew (hyper-connections), and no one of them is what \
     its unembedding reads",
);

const KIMI_DELTA: Why =
    Why::NotImplemented("its delta nets forget every channel of a key by itself (Kimi delta attention)");

const RELATIVE: Why = Why::NotImplemented(
    "its attention adds to the scores what a token says about distances (relative positions), between short convolutions",
);

const OTHERS: &[(&[&str], Why)] = &[
    (
        &["gemma3n", "gemma3n_text"],
        Why::NoStream(
            "it runs several streams beside each other that every block mixes anew (AltUp), and no one of them is what its \
             unembedding reads",
        ),
    ),
    (&["hy_v4", "deepseek_v4", "qwen4_exp_text"], SEVERAL_STREAMS),
    (
        &["hrm_text"],
        Why::NoStream(
            "two states go through two stacks of blocks over and over (recurrent depth), and none is a stream",
        ),
    ),
    (
        &["dory"],
        Why::NoStream(
            "its stream stays on a sphere, where a block moves it towards what it computes instead of adding that, and some \
             blocks run several times",
        ),
    ),
    (
        &["inkling2_text", "inkling2_loop_text"],
        Why::NoStream(
            "its blocks attend to the streams of earlier blocks (attention residuals), and none is a sum of branches",
        ),
    ),
    (
        &["beam"],
        Why::NoStream(
            "every sum weighs the stream and the branch by the depth, so that branches are no summands of it",
        ),
    ),
    (
        &["doge", "zaya"],
        Why::NoStream(
            "every sum multiplies the stream by learned factors, one a dimension, so that branches are no summands of it",
        ),
    ),
    (&["axk2", "deepseek_v32", "glm_moe_dsa", "minimax_m3_vl_text"], INDEXER),
    (&["inkling_text"], RELATIVE),
    (&["kimi_linear", "bailing_hybrid"], KIMI_DELTA),
    (
        &["longcat_flash"],
        Why::NotImplemented(
            "a block has two attentions and two MLPs one after the other, and experts beside them",
        ),
    ),
    (&["rwkv"], Why::NotImplemented("its mixer is RWKV's time mixing")),
    (&["xlstm"], Why::NotImplemented("its mixer is an mLSTM")),
    (&["recurrent_gemma"], Why::NotImplemented("most of its mixers are gated linear recurrences (RG-LRU)")),
    (
        &["zamba"],
        Why::NotImplemented("blocks share one attention and MLP, which read the embedding beside the stream"),
    ),
    (
        &["cpmant"],
        Why::NotImplemented("its attention adds a learned bias for distances and segments to the scores"),
    ),
];

/// Why decoders of this `model_type` are not read, if that is known.
pub(super) fn why(model_type: &str) -> Option<Why> {
    OTHERS.iter().find(|(types, _)| types.contains(&model_type)).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::OTHERS;
    use crate::families::of_model_type;

    #[test]
    fn no_family_that_is_read_is_said_not_to_be() {
        let read = OTHERS.iter().flat_map(|(types, _)| *types).filter(|other| of_model_type(other).is_some());
        assert_eq!(read.collect::<Vec<_>>(), [&""; 0]);
    }
}

//! Many short prompts in one forward pass, on the toy model.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{
    Backend, BackendError, Forward, Lens, ModelInfo, Pack, PlainLogits, Plan, ReadRequest, Readings,
    Selection, TokenId, toy::ToyBackend,
};

/// Prompts of many lengths, more tokens than a pack takes, and three that cannot be read.
#[test]
fn prompts_read_together_are_read_as_each_alone_and_fail_alone() {
    let mut toy = ToyBackend::new(2, 8, 50, 7);
    toy.set_embedding(TokenId(49), 3, f32::NAN);
    let plan = Plan::default().with_positions("-2..".parse().unwrap());
    let mut prompts: Vec<Vec<TokenId>> = (0..60)
        .map(|i| (0..2 + i * 7 % 23).map(|j| TokenId((i * 11 + j * 5) as u32 % 49)).collect())
        .collect();
    prompts[3].clear();
    prompts[20].push(TokenId(50));
    prompts[41][1] = TokenId(49);
    let slices: Vec<&[TokenId]> = prompts.iter().map(Vec::as_slice).collect();
    let together = Lens::new(&mut toy).read_many(&slices, &plan);
    assert_eq!(together.len(), prompts.len());
    for (i, (together, tokens)) in together.into_iter().zip(&prompts).enumerate() {
        match (together, Lens::new(&mut toy).read(tokens, &plan)) {
            (Ok(together), Ok(alone)) => assert_eq!(together, alone, "prompt {i}"),
            (Err(together), Err(alone)) => {
                assert!([3, 20, 41].contains(&i), "prompt {i}: {alone}");
                assert_eq!(together.to_string(), alone.to_string(), "prompt {i}");
            }
            (together, alone) => panic!("prompt {i}: {together:?} together, {alone:?} alone"),
        }
    }
}

/// Counts tokens a pack and rows captured at once.
struct Counting {
    toy: ToyBackend,
    packs: Vec<(usize, usize)>,
}

impl Backend for Counting {
    type Hidden = <ToyBackend as Backend>::Hidden;

    fn info(&self) -> &ModelInfo {
        self.toy.info()
    }

    fn forward(&mut self, step: &Forward<'_>) -> Result<Vec<Self::Hidden>, BackendError> {
        self.toy.forward(step)
    }

    fn forward_pack(&mut self, pack: &Pack<'_>) -> Result<Option<Vec<Self::Hidden>>, BackendError> {
        let tokens = pack.sequences.iter().map(|sequence| sequence.tokens.len()).sum();
        self.packs.push((tokens, pack.sequences.iter().map(|sequence| sequence.rows.len()).sum()));
        self.toy.forward_pack(pack)
    }

    fn rows(
        &self,
        hidden: &Self::Hidden,
        rows: std::ops::Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<usize, BackendError> {
        self.toy.rows(hidden, rows, out)
    }

    fn read(&self, request: &ReadRequest<'_, Self::Hidden>) -> Result<Readings, BackendError> {
        self.toy.read(request)
    }

    fn plain_logits(
        &self,
        last: &Self::Hidden,
        row: usize,
        ids: &[TokenId],
    ) -> Result<PlainLogits, BackendError> {
        self.toy.plain_logits(last, row, ids)
    }
}

#[test]
fn a_pack_is_bounded_in_tokens_and_by_the_budget() {
    let prompts: Vec<Vec<TokenId>> = (0..300).map(|i| vec![TokenId(i % 50); 10]).collect();
    let slices: Vec<&[TokenId]> = prompts.iter().map(Vec::as_slice).collect();
    let mut counting = Counting { toy: ToyBackend::new(2, 8, 50, 7), packs: Vec::new() };
    let all = Plan::default().with_positions(Selection::all());
    Lens::new(&mut counting).read_many(&slices, &all);
    assert!(counting.packs.iter().all(|(tokens, _)| *tokens <= 512), "{:?}", counting.packs);
    assert_eq!(counting.packs.len(), 6);
    // Captured points, the width and four bytes: room for 25 positions.
    let points = Lens::new(&mut counting).read(&prompts[0], &all).unwrap().points.len();
    counting.packs.clear();
    Lens::new(&mut counting).read_many(&slices, &all.with_memory_budget(Some(25 * points * 8 * 4)));
    assert!(counting.packs.iter().all(|(_, rows)| *rows == 20), "{:?}", counting.packs);
    assert_eq!(counting.packs.len(), 150);
}

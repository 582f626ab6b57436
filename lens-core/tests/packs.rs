//! Many short prompts in one forward pass, on the toy model.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{Lens, Plan, Selection, TokenId, toy::ToyBackend};

mod support;
use support::Counted;

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

#[test]
fn a_pack_is_bounded_in_tokens_and_by_the_budget() {
    let prompts: Vec<Vec<TokenId>> = (0..300).map(|i| vec![TokenId(i % 50); 10]).collect();
    let slices: Vec<&[TokenId]> = prompts.iter().map(Vec::as_slice).collect();
    let mut counting = Counted::new(ToyBackend::new(2, 8, 50, 7));
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

/// What comes after the last position that is read changes nothing, and is not run.
#[test]
fn a_pack_runs_no_prompt_beyond_what_is_read_of_it() {
    let prompts: Vec<Vec<TokenId>> =
        (0..40).map(|i| (0..30).map(|j| TokenId((i * 7 + j * 3) % 50)).collect()).collect();
    let slices: Vec<&[TokenId]> = prompts.iter().map(Vec::as_slice).collect();
    let plan = Plan::default().with_positions("0,9".parse().unwrap());
    let mut counted = Counted::new(ToyBackend::new(2, 8, 50, 7));
    let together = Lens::new(&mut counted).read_many(&slices, &plan);
    assert_eq!(counted.packs, [(400, 80)]);
    for (together, tokens) in together.into_iter().zip(&prompts) {
        let whole = Plan::default().with_positions("0,9,-1".parse().unwrap());
        let alone = Lens::new(&mut counted).read(tokens, &whole).unwrap();
        let together = together.unwrap();
        assert_eq!(together.finals, alone.finals[..2]);
        assert_eq!(together.readouts, alone.readouts[..2 * alone.points.len()]);
    }
}

//! Many prompts in one forward pass are read as each alone.

use lens_core::{Backend, Lens, LensError, NonFinite, Plan, Reading, Selection, TokenId};
use lens_models::Tap;
use lens_tests::{Golden, checkpoint_names, decoder};
use tch::Tensor;

/// How far sums over more rows may move a logit, in float32.
const TOLERANCE: f32 = 5e-5;

/// Prompts of the golden's tokens: lengths from one token to all of them, in no order.
fn prompts(tokens: &[TokenId]) -> Vec<&[TokenId]> {
    let n = tokens.len();
    let lengths = [3, n, 1, 7, 2, n / 2, 1, 3, n - 1, 5];
    lengths
        .into_iter()
        .enumerate()
        .map(|(i, length)| &tokens[(i * 3) % (n - length + 1)..][..length])
        .collect()
}

fn assert_close(name: &str, together: &Reading, alone: &Reading) {
    assert_eq!(together.points, alone.points, "{name}");
    assert_eq!(together.positions, alone.positions, "{name}");
    let finals =
        |reading: &Reading| reading.finals.iter().map(|last| last.readout.clone()).collect::<Vec<_>>();
    let all = |reading: &Reading| [reading.readouts.clone(), finals(reading)].concat();
    for (i, (one, other)) in all(together).iter().zip(&all(alone)).enumerate() {
        let scale = other.top.iter().fold(1.0f32, |most, token| most.max(token.logit.abs()));
        for (a, b) in one.top.iter().zip(&other.top) {
            let difference = (a.logit - b.logit).abs() / scale;
            assert!(difference <= TOLERANCE, "{name}: readout {i} differs by {difference} of {scale}");
        }
    }
}

#[test]
fn prompts_of_a_pack_are_read_as_each_alone_in_every_family() {
    for name in checkpoint_names() {
        let golden = Golden::of(&name);
        let prompts = prompts(&golden.tokens);
        let plan = Plan::default().with_positions(Selection::all());
        let mut model = decoder(&name);
        let together = Lens::new(&mut model).read_many(&prompts, &plan);
        for (prompt, together) in prompts.iter().zip(together) {
            let alone = Lens::new(&mut model).read(prompt, &plan).unwrap();
            let together = together.unwrap();
            assert!(
                together.self_check.is_some_and(|check| check.passed),
                "{name}: {:?}",
                together.self_check
            );
            assert_close(&name, &together, &alone);
        }
    }
}

/// The first `n` positions of a reading.
fn first(reading: &Reading, n: usize) -> Reading {
    let mut first = reading.clone();
    first.positions.truncate(n);
    first.finals.truncate(n);
    first.readouts.truncate(n * reading.points.len());
    first
}

/// A prompt is run as far as it is read. Rotary embeddings that depend on its length know all of it nevertheless.
#[test]
fn a_prompt_is_read_alike_however_far_it_is_run() {
    for name in checkpoint_names() {
        let tokens = Golden::of(&name).tokens;
        let mut model = decoder(&name);
        let at = |positions: &str| Plan::default().with_positions(positions.parse().unwrap());
        let whole = first(&Lens::new(&mut model).read(&tokens, &at("1,4,-1")).unwrap(), 2);
        let part = Lens::new(&mut model).read(&tokens, &at("1,4")).unwrap();
        assert!(part.self_check.is_some_and(|check| check.passed && check.position == 4), "{name}");
        assert_close(&name, &part, &whole);
        let together = Lens::new(&mut model).read_many(&[&tokens, &tokens[..6]], &at("1,4"));
        assert_close(&name, together[0].as_ref().unwrap(), &whole);
    }
}

/// Refuses to go on with a token's embedding: as a NaN among the weights of one token would.
fn breaks(token_row: f64) -> impl Tap {
    move |point: lens_core::Point, value: Tensor| -> Result<Tensor, lens_models::ModelError> {
        if point != lens_core::Point::Embed {
            return Ok(value);
        }
        let first = value.f_select(1, 0)?;
        let broken = first.f_eq(token_row)?.f_unsqueeze(1)?;
        Ok(value.f_masked_fill(&broken, f64::NAN)?)
    }
}

/// A token that breaks the model fails its own prompts, and says where in them it stands.
#[test]
fn a_prompt_that_fails_leaves_the_others_of_its_pack_alone() {
    let golden = Golden::of("llama2");
    let mut model = decoder("llama2");
    let bad = golden.tokens[2];
    let points = [lens_core::Point::Embed].into_iter().collect();
    let embedded = model.forward(&lens_core::Forward::new(&[bad], &points, &[0])).unwrap();
    let first = embedded[0].f_double_value(&[0, 0]).unwrap();
    model.set_edit(Some(Box::new(breaks(first))));
    let prompts = prompts(&golden.tokens);
    let unknown = [TokenId(1), TokenId(1_000_000)];
    let all: Vec<&[TokenId]> = prompts.iter().copied().chain([&unknown[..]]).collect();
    let readings = Lens::new(&mut model).read_many(&all, &Plan::default());
    for (prompt, reading) in all.iter().zip(&readings) {
        match prompt.iter().position(|token| *token == bad) {
            Some(place) => {
                let message = reading.as_ref().unwrap_err().to_string();
                assert!(message.contains(&NonFinite::Activation.to_string()), "{message}");
                assert!(message.contains(&format!("position {place}")), "{message}");
            }
            None if *prompt == unknown => assert!(matches!(reading, Err(LensError::Backend(_)))),
            None => assert!(reading.is_ok(), "{reading:?}"),
        }
    }
}

/// A pack leaves no sequence that could be continued by mistake.
#[test]
fn a_pack_is_not_continued() {
    let golden = Golden::of("lfm2");
    let mut model = decoder("lfm2");
    let prompts = prompts(&golden.tokens);
    let plan = Plan::default();
    let before = Lens::new(&mut model).read(&golden.tokens, &plan).unwrap();
    Lens::new(&mut model).read_many(&prompts, &plan);
    assert_eq!(Lens::new(&mut model).read(&golden.tokens, &plan).unwrap(), before);
    let points = Default::default();
    let step =
        lens_core::Forward::new(&golden.tokens[..1], &points, &[]).with_past(4).with_total(5).with_room(5);
    assert!(model.forward(&step).unwrap_err().to_string().contains("continues after 4 tokens"));
}

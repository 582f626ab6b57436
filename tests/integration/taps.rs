//! Hooks: every point fires once, in order, and what a tap returns is what the model goes on with.

use std::{cell::RefCell, rc::Rc};

use lens_core::{Backend, Forward, Point, PointSet, Site, TokenId};
use lens_models::{Decoder, ModelError, Request, Session};
use lens_tests::{Golden, checkpoint_names, decoder};
use tch::Tensor;

fn capture(model: &mut Decoder, tokens: &[TokenId], points: &[Point]) -> Vec<Vec<f32>> {
    let points: PointSet = points.iter().copied().collect();
    let rows: Vec<usize> = (0..tokens.len()).collect();
    let step = Forward::new(tokens, &points, &rows);
    let captured = model.forward(&step).expect("a run");
    captured
        .iter()
        .map(|hidden| {
            let mut values = Vec::new();
            model.rows(hidden, 0..tokens.len(), &mut values).expect("a copy");
            values
        })
        .collect()
}

#[test]
fn every_point_fires_once_in_order_of_execution() {
    for name in checkpoint_names() {
        let mut model = decoder(&name);
        let tokens = Golden::of(&name).tokens;
        let mut fired = Vec::new();
        let mut tap = |point: Point, value: Tensor| -> Result<Tensor, ModelError> {
            fired.push(point);
            Ok(value)
        };
        drop(model.run(&tokens, 0, tokens.len(), &mut tap).unwrap());
        let info = model.info().clone();
        let expected: Vec<Point> = std::iter::once(Point::Embed)
            .chain((0..info.n_layers).flat_map(|layer| Site::ALL.map(|site| Point::block(layer, site))))
            .filter(|point| info.has(*point))
            .collect();
        assert_eq!(fired, expected, "{name}");
    }
}

/// Removing what attention adds leaves the stream as it was before it, for the model and for the record.
#[test]
fn the_model_goes_on_with_what_a_tap_returns() {
    let mut model = decoder("llama31");
    let tokens = Golden::of("llama31").tokens;
    let here = |site| Point::block(1, site);
    let points = [here(Site::ResidPre), here(Site::AttnOut), here(Site::ResidMid), here(Site::ResidPost)];
    let before = capture(&mut model, &tokens, &points);
    let edit = move |point: Point, value: Tensor| -> Result<Tensor, ModelError> {
        if point == here(Site::AttnOut) { Ok(value.f_zeros_like()?) } else { Ok(value) }
    };
    assert!(model.set_edit(Some(Box::new(edit))).is_none());
    let after = capture(&mut model, &tokens, &points);
    assert_eq!(after[0], before[0], "an edit changed what came before it");
    assert!(after[1].iter().all(|value| *value == 0.0), "the record shows another value than the model used");
    assert_eq!(after[2], after[0], "resid_mid is not resid_pre without attention");
    assert_ne!(after[3], before[3]);
    assert!(model.set_edit(None).is_some());
    assert_eq!(capture(&mut model, &tokens, &points), before, "an edit outlived its removal");
}

/// z is per head: silencing one head takes exactly its part out of attention.
#[test]
fn z_can_be_edited_head_by_head() {
    let mut model = decoder("llama2");
    let tokens = Golden::of("llama2").tokens;
    let attn_out = Point::block(0, Site::AttnOut);
    let whole = capture(&mut model, &tokens, &[attn_out]).remove(0);
    let n_heads = model.spec().layers[0].attention().unwrap().n_heads as i64;
    let mut sum = vec![0.0; whole.len()];
    for kept in 0..n_heads {
        let edit = move |point: Point, value: Tensor| -> Result<Tensor, ModelError> {
            if point != Point::block(0, Site::Z) {
                return Ok(value);
            }
            let mask = Tensor::f_zeros([n_heads, 1], (value.kind(), value.device()))?;
            drop(mask.f_narrow(0, kept, 1)?.f_fill_(1.0)?);
            Ok(value.f_mul(&mask)?)
        };
        model.set_edit(Some(Box::new(edit)));
        let part = capture(&mut model, &tokens, &[attn_out]).remove(0);
        sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    let worst = sum.iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "the heads do not add up to attention: off by {worst}");
}

#[test]
fn a_tap_that_fails_or_changes_the_shape_is_an_error() {
    let mut model = decoder("llama2");
    let tokens = Golden::of("llama2").tokens;
    let points: PointSet = [Point::Embed].into_iter().collect();
    let step = Forward::new(&tokens, &points, &[0]);

    let narrower = |_: Point, value: Tensor| -> Result<Tensor, ModelError> { Ok(value.f_narrow(1, 0, 1)?) };
    model.set_edit(Some(Box::new(narrower)));
    let message = model.forward(&step).unwrap_err().to_string();
    assert!(message.contains("embed"), "{message}");

    let calls = Rc::new(RefCell::new(0));
    let counted = Rc::clone(&calls);
    let failing = move |_: Point, _: Tensor| -> Result<Tensor, ModelError> {
        *counted.borrow_mut() += 1;
        Err(ModelError::Tap("enough".into()))
    };
    model.set_edit(Some(Box::new(failing)));
    assert_eq!(model.forward(&step).unwrap_err().to_string(), "enough");
    assert_eq!(*calls.borrow(), 1, "the model ran on after a tap had failed");

    model.set_edit(None);
    model.forward(&step).unwrap();
}

#[test]
fn a_step_that_does_not_continue_is_refused() {
    let mut model = decoder("llama2");
    let tokens = Golden::of("llama2").tokens;
    let nothing = PointSet::default();
    let step =
        |past: usize| Forward::new(&tokens[..2], &nothing, &[]).with_past(past).with_total(10).with_room(10);
    model.forward(&step(0)).unwrap();
    model.forward(&step(2)).unwrap();
    let message = model.forward(&step(3)).unwrap_err().to_string();
    assert!(message.contains("after 3 tokens") && message.contains('4'), "{message}");
}

/// A sequence that was announced to end is in no cache; to continue it would be to attend to zeros.
#[test]
fn what_was_not_cached_is_not_continued() {
    for name in ["llama2", "gpt2", "falcon_rw"] {
        let mut model = decoder(name);
        let tokens = Golden::of(name).tokens;
        let nothing = PointSet::default();
        let mut step = |past: usize, n: usize, room: usize| {
            let tokens = &tokens[past..past + n];
            model.forward(
                &Forward::new(tokens, &nothing, &[]).with_past(past).with_total(past + n).with_room(room),
            )
        };
        step(0, 3, 3).unwrap();
        let message = step(3, 1, 4).unwrap_err().to_string();
        assert!(message.contains("after 3 tokens, but 0 are in the caches"), "{name}: {message}");
        step(0, 3, 4).unwrap();
        step(3, 1, 4).unwrap();
        // Buffers grow where a sequence becomes longer than was announced.
        step(4, 1, 5).unwrap();
    }
}

/// A run that is left at a point computes nothing deeper, and cannot be continued there.
#[test]
fn a_run_that_is_left_early_goes_no_deeper() {
    for name in ["llama2", "mixtral", "lfm2", "bloom_post_norm"] {
        let mut model = decoder(name);
        let tokens = Golden::of(name).tokens;
        let point = Point::block(0, Site::ResidPost);
        let whole = capture(&mut model, &tokens[..4], &[point]).remove(0);

        let fired = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&fired);
        let look = move |point: Point, value: Tensor| -> Result<Tensor, ModelError> {
            seen.borrow_mut().push(point);
            Ok(value)
        };
        model.set_edit(Some(Box::new(look)));
        let points: PointSet = [point].into_iter().collect();
        let mut step = |past: usize, through: Option<Point>| {
            let step = Forward::new(&tokens[past..past + 2], &points, &[0, 1]).with_past(past);
            let captured = model.forward(&step.with_total(4).with_room(4).with_through(through))?;
            let mut values = Vec::new();
            model.rows(&captured[0], 0..2, &mut values)?;
            Ok::<_, lens_core::BackendError>(values)
        };
        let parts = [step(0, Some(point)).unwrap(), step(2, Some(point)).unwrap()].concat();
        assert_eq!(parts.len(), whole.len(), "{name}");
        assert!(parts.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-4 * b.abs().max(1.0)), "{name}");
        assert!(fired.borrow().iter().all(|point| point.layer().unwrap_or(0) == 0), "{name}: {fired:?}");

        step(0, Some(point)).unwrap();
        let message = step(2, None).unwrap_err().to_string();
        assert!(message.contains("after 2 tokens, but 0 are in the caches"), "{name}: {message}");
    }
}

#[test]
fn a_sequence_ends_where_another_prompt_is_run_for_its_activations() {
    let mut model = decoder("llama2");
    let tokens = Golden::of("llama2").tokens;
    let nothing = PointSet::default();
    let step = |past: usize| {
        Forward::new(&tokens[past..past + 2], &nothing, &[]).with_past(past).with_total(8).with_room(8)
    };
    for change in ["L1.attn_out += @'a'", "L1.attn_out = mean", "L9.attn_out += @'a'"] {
        model.forward(&step(0)).unwrap();
        let encode = |_: &str| Ok(vec![TokenId(3), TokenId(5)]);
        drop(model.prepare_edits(&[change.parse().unwrap()], &tokens, &encode));
        let message = model.forward(&step(2)).unwrap_err().to_string();
        assert!(message.contains("start again with past = 0"), "{change}: {message}");
    }
}

#[test]
fn a_tap_survives_steered_runs_and_errors() {
    let fired = Rc::new(RefCell::new(0));
    let counted = Rc::clone(&fired);
    let tap = move |_: Point, value: Tensor| -> Result<Tensor, ModelError> {
        *counted.borrow_mut() += 1;
        Ok(value)
    };
    let mut session = Session::open("demo").unwrap();
    session.model().unwrap().set_edit(Some(Box::new(tap)));
    let plain = || Request::text("The capital of France is");
    let fires = |session: &mut Session| {
        *fired.borrow_mut() = 0;
        session.run(&plain()).unwrap();
        *fired.borrow() > 0
    };
    assert!(fires(&mut session));
    for (change, works) in [
        ("L4.mlp_out *= 2", true),
        ("L4.mlp_out += @'The capital of Italy is'", true),
        ("L99.mlp_out *= 2", false),
        ("L4.mlp_out -= proj(@'a' - @'a')", false),
        // The run itself fails, in the middle.
        ("L4.mlp_out *= 1e300", false),
    ] {
        let result = session.run(&plain().steer(change.parse().unwrap()));
        assert_eq!(result.is_ok(), works, "{change}");
        assert!(fires(&mut session), "the tap is gone after {change}");
    }

    let mut model = decoder("llama2");
    let failing =
        |_: Point, _: Tensor| -> Result<Tensor, ModelError> { Err(ModelError::Tap("enough".into())) };
    model.set_edit(Some(Box::new(failing)));
    for points in [vec![Point::Embed], vec![Point::block(99, Site::Z)]] {
        let points: PointSet = points.into_iter().collect();
        let step = Forward::new(&[TokenId(1)], &points, &[0]).with_total(1).with_room(1);
        assert_eq!(model.forward(&step).unwrap_err().to_string(), "enough");
    }
    assert!(model.set_edit(None).is_some());
}

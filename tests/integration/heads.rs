//! Heads are points: with the biases they add up to what attention adds, in every family.

use lens_core::{
    Backend, Forward, Lens, LensError, NormMode, Plan, Point, PointSet, Question, Selection, Site,
    attribution::AttributionRequest,
};
use lens_models::Decoder;
use lens_tests::{Golden, checkpoint_names, decoder, load};

fn captured(model: &mut Decoder, golden: &Golden, points: &[Point]) -> Vec<tch::Tensor> {
    let points: PointSet = points.iter().copied().collect();
    let rows: Vec<usize> = (0..golden.tokens.len()).collect();
    model.forward(&Forward::new(&golden.tokens, &points, &rows)).expect("a run")
}

fn values(model: &Decoder, hidden: &tch::Tensor) -> Vec<f32> {
    let mut values = Vec::new();
    model.rows(hidden, 0..hidden.size()[0] as usize, &mut values).expect("a copy");
    values
}

#[test]
fn heads_and_biases_add_up_to_what_attention_adds() {
    let (mut layers, mut normed) = (0, 0);
    for name in checkpoint_names() {
        let golden = Golden::of(&name);
        let mut model = decoder(&name);
        let info = model.info().clone();
        for layer in (0..info.n_layers).filter(|layer| info.heads_of(*layer).n > 0) {
            let heads = info.heads_of(layer);
            let [z, attn_out] = [Site::Z, Site::AttnOut].map(|site| Point::block(layer, site));
            let hidden = captured(&mut model, &golden, &[z, attn_out]);
            let expected = values(&model, &hidden[1]);
            let all: Vec<u16> = (0..heads.n).collect();
            let parts = model.split_heads(layer, &hidden[0], &all).unwrap();
            assert_eq!(parts.len(), all.len(), "{name}");
            let mut sum = vec![0.0f32; expected.len()];
            for part in parts {
                sum.iter_mut().zip(values(&model, &part)).for_each(|(sum, part)| *sum += part);
            }
            // What is left is the bias of the projection, the same at every position; a norm after attention would
            // divide it by its own statistics, but no family has both.
            let spec = &model.spec().layers[usize::from(layer)];
            let bias = &spec.mixer.output().unwrap().bias;
            assert!(bias.is_none() || spec.attn_post_norm.is_none(), "{name}");
            let rest: Vec<f32> = expected.iter().zip(&sum).map(|(all, sum)| all - sum).collect();
            let scale = expected.iter().fold(1.0f32, |most, value| most.max(value.abs()));
            let first = match bias {
                Some(_) => rest[..info.d_model].to_vec(),
                None => vec![0.0; info.d_model],
            };
            for (i, rest) in rest.iter().enumerate() {
                let off = (rest - first[i % info.d_model]).abs();
                assert!(off < 2e-6 * scale, "{name}: layer {layer}, value {i} is off by {off} of {scale}");
            }
            if bias.is_some() {
                assert!(first.iter().any(|value| value.abs() > 1e-3), "{name}: the bias is all zero");
            }
            layers += 1;
            normed += u32::from(heads.normed);
        }
    }
    assert!(layers > 60 && normed > 6, "{layers} layers, {normed} of them with a norm");
}

/// With the final norm's statistics given, the readout of a head is its contribution.
#[test]
fn readouts_of_heads_are_their_contributions() {
    for name in ["gpt2", "llama31", "gemma2", "olmo2", "cohere", "granite"] {
        let golden = Golden::of(name);
        let mut model = decoder(name);
        let target = golden.tokens[0];
        let position = golden.tokens.len() - 1;
        let question = Question::default().with_norm(NormMode::FinalScale).with_targets(vec![target]);
        let plan = Plan::default().with_components("heads".parse().unwrap()).with_question(question);
        let reading = Lens::new(&mut model).read(&golden.tokens, &plan).unwrap();
        assert!(reading.self_check.is_some_and(|check| check.passed), "{name}");
        let parts = lens_core::attribution::attribute(
            &mut model,
            &golden.tokens,
            &AttributionRequest::new(target, position),
        )
        .unwrap();
        let (post, bias) = (model.spec().readout.post, parts.bias.sum());
        let mut n = 0;
        for (point, readout) in reading.at(0) {
            let (layer, head) = (point.layer().unwrap(), point.component().head().unwrap());
            let share = parts.layers[usize::from(layer)].heads[usize::from(head)];
            // A readout has the norm's bias too, and the cap.
            let expected = match post.softcap {
                Some(cap) => f64::from(cap) * ((share + bias) / f64::from(cap)).tanh(),
                None => share + bias,
            };
            let got = f64::from(readout.targets[0].score.logit);
            assert!((got - expected).abs() < 1e-4, "{name}: {point}: {got} instead of {expected}");
            n += 1;
        }
        let heads: usize = parts.layers.iter().map(|layer| layer.heads.len()).sum();
        assert_eq!(n, heads, "{name}");
    }
}

#[test]
fn models_and_layers_without_heads_say_so() {
    let heads = || Plan::default().with_components("heads".parse().unwrap());
    let mut model = decoder("lfm2");
    let tokens = Golden::of("lfm2").tokens;
    let reading = Lens::new(&mut model).read(&tokens, &heads()).unwrap();
    assert!(reading.points.iter().all(|point| point.layer() == Some(1)));
    assert!(
        reading.notes.iter().any(|note| note.contains("layers 0, 2") && note.contains("no heads")),
        "{:?}",
        reading.notes
    );
    for (name, plan, expected) in [
        ("lfm2", heads().with_layers("0".parse().unwrap()), "no heads"),
        ("lfm2", Plan::default().with_components("head.0".parse().unwrap()), "layer 0 has no head 0"),
        ("opt_post_norm", heads(), "not a summand"),
        ("gpt2", Plan::default().with_components("head.99".parse().unwrap()), "it has heads 0 to"),
    ] {
        let mut model = decoder(name);
        let error: LensError = Lens::new(&mut model).read(&Golden::of(name).tokens, &plan).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    let reading = Lens::new(&mut decoder("gemma2")).read(&Golden::of("gemma2").tokens, &heads()).unwrap();
    assert!(
        reading.notes.iter().any(|note| note.contains("a norm stands between the heads")),
        "{:?}",
        reading.notes
    );
}

/// As models are stored, steps and packs read heads as a single run does.
#[test]
fn heads_are_read_in_steps_and_packs() {
    let tokens = Golden::of("qwen3").tokens;
    let mut model = load("qwen3", None);
    let plan =
        Plan::default().with_components("heads,attn_out".parse().unwrap()).with_positions(Selection::all());
    let whole = Lens::new(&mut model).read(&tokens, &plan).unwrap();
    let n_heads: usize = model.info().heads.iter().map(|heads| usize::from(heads.n)).sum();
    assert_eq!(whole.points.len(), n_heads + usize::from(model.info().n_layers));
    let steps = Lens::new(&mut model).read(&tokens, &plan.clone().with_memory_budget(Some(1))).unwrap();
    assert_eq!(whole.points, steps.points);
    assert_eq!(whole.readouts.len(), steps.readouts.len());
    let packed = Lens::new(&mut model).read_many(&[&tokens, &tokens[..2]], &plan);
    assert_eq!(packed[0].as_ref().unwrap().points, whole.points);
}

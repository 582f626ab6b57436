//! Interventions equal editing the activations by hand in transformers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{
    Backend, Component, Forward, Generate, Intervention, Lens, Plan, Point, PointSet, Question, Selection,
    Site, TokenId,
};
use lens_models::Decoder;
use lens_tests::{decoder, fixtures};
use serde::Deserialize;

/// What float32 may differ from float64 in a log-probability.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    tokens: Vec<TokenId>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    steer: String,
    logprobs: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_slice(&std::fs::read(fixtures().join("steering.json")).unwrap()).unwrap()
}

/// The fixtures' texts are ids.
fn encode(text: &str) -> Result<Vec<TokenId>, String> {
    text.split(' ').map(|id| id.parse().map(TokenId).map_err(|_| format!("{id} is not an id"))).collect()
}

/// Lets the model run with these interventions.
fn steer(model: &mut Decoder, interventions: &[&str], prompt: &[TokenId]) {
    let parsed: Vec<Intervention> = interventions.iter().map(|text| text.parse().unwrap()).collect();
    let edits = model.prepare_edits(&parsed, prompt, &encode).unwrap();
    assert_eq!(edits.traces().len(), interventions.len());
    model.set_edit(Some(Box::new(edits)));
}

/// Every token's log-probability after the last position.
fn log_probs(model: &mut Decoder, tokens: &[TokenId]) -> Vec<f64> {
    let n_vocab = model.info().n_vocab;
    let question = Question::default().with_top_k(n_vocab.try_into().unwrap());
    let reading = Lens::new(model).read(tokens, &Plan::default().with_question(question)).unwrap();
    assert!(reading.self_check.is_some_and(|check| check.passed), "{:?}", reading.self_check);
    let last = &reading.finals[0].readout;
    let mut log_probs = vec![f64::NAN; n_vocab];
    for top in &last.top {
        log_probs[top.id.index()] = f64::from(top.logit) - last.log_sum_exp;
    }
    log_probs
}

#[test]
fn every_kind_of_edit_equals_the_edit_by_hand() {
    let Golden { tokens, cases } = golden();
    assert!(cases.len() >= 40, "cases went missing");
    for case in cases {
        let mut model = decoder(&case.model);
        steer(&mut model, &[&case.steer], &tokens);
        let got = log_probs(&mut model, &tokens);
        for (id, (got, expected)) in got.iter().zip(&case.logprobs).enumerate() {
            let off = (got - expected).abs();
            assert!(off <= TOLERANCE, "{}: {}: token {id} is off by {off}", case.model, case.steer);
        }
    }
}

#[test]
fn what_changes_nothing_changes_no_bit() {
    let Golden { tokens, .. } = golden();
    for name in ["llama2", "gpt_neox"] {
        let mut model = decoder(name);
        let plain = log_probs(&mut model, &tokens);
        for nothing in ["L*.resid_post *= 1", "L1.z.h0 *= 1", "L0.attn_out += 0*@'5 6'"] {
            steer(&mut model, &[nothing], &tokens);
            assert_eq!(log_probs(&mut model, &tokens), plain, "{name}: {nothing}");
        }
        model.set_edit(None);
        assert_eq!(log_probs(&mut model, &tokens), plain, "{name}: an edit was left");
    }
}

#[test]
fn edits_at_one_point_follow_each_other() {
    let Golden { tokens, .. } = golden();
    let mut model = decoder("llama2");
    steer(&mut model, &["L0.mlp_out *= 2", "L0.mlp_out += @'5 6'", "L0.mlp_out *= 0.5"], &tokens);
    let several = log_probs(&mut model, &tokens);
    steer(&mut model, &["L0.mlp_out += 0.5*@'5 6'"], &tokens);
    for (a, b) in several.iter().zip(log_probs(&mut model, &tokens)) {
        assert!((a - b).abs() <= TOLERANCE, "{a} and {b}");
    }
}

/// An edit knows where it is, however the sequence is cut into steps.
#[test]
fn a_cached_continuation_is_steered_as_an_uncached_one() {
    let Golden { tokens, .. } = golden();
    let interventions = ["L0.resid_post += 0.6*@'13 4'", "L1.attn_out[2..4] = 0", "L1.z.h0[-1] *= 3"];
    for name in ["llama2", "gpt2", "gemma2"] {
        let mut model = decoder(name);
        steer(&mut model, &interventions, &tokens);
        let ask = Generate::greedy(5.try_into().unwrap());
        for budget in [None, Some(1)] {
            let plan = Plan::default().with_memory_budget(budget).with_positions(Selection::all());
            let generated = Lens::new(&mut model).generate(&tokens, &plan, &ask, |_| None).unwrap();
            let last = generated.tokens.len() - 2;
            let anew = Lens::new(&mut model).read(&generated.tokens[..=last], &Plan::default()).unwrap();
            let cached = generated.reading.finals.last().unwrap();
            assert_eq!(cached.readout.top1(), anew.finals[0].readout.top1(), "{name}");
            for (a, b) in cached.readout.top.iter().zip(&anew.finals[0].readout.top) {
                assert!((a.prob - b.prob).abs() <= TOLERANCE as f32, "{name}: {a:?} cached, {b:?} anew");
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_words() {
    let Golden { tokens, .. } = golden();
    let mut model = decoder("llama2");
    for (steer, part) in [
        ("L7.attn_out = 0", "there is no layer 7"),
        ("L0.z.h9 = 0", "there is no head 9"),
        ("L0.attn_out[20] = 0", "there is no position 20"),
        ("L0.attn_out += @'1 2'[5]", "has 2 tokens and no position 5"),
        ("L0.attn_out = @'1 2'[same]", "has 2 tokens and the prompt that is run has 8"),
        ("L0.attn_out += @'x'", "cannot be encoded: x is not an id"),
        ("L0.attn_out += file:'/nonexistent'", "L0.attn_out"),
    ] {
        let parsed = [steer.parse::<Intervention>().unwrap()];
        let error = model.prepare_edits(&parsed, &tokens, &encode).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(steer), "{error}");
    }
}

/// Squares beyond float32 are not a reason to distrust a readout: norms do not see how long a vector is.
#[test]
fn a_very_long_vector_passes_the_self_check() {
    for change in ["L7.resid_post *= 1e20", "L7.resid_post *= 1e30"] {
        let mut session = lens_models::Session::open("demo").unwrap();
        let request = lens_models::Request::text("The capital of France is").steer(change.parse().unwrap());
        let trace = session.run(&request).unwrap();
        assert!(trace.self_check.is_some_and(|check| check.passed), "{change}: {:?}", trace.self_check);
    }
}

/// The values of a point, `[pos, ..]` flat, as the model goes on with them.
fn values(model: &mut Decoder, tokens: &[TokenId], point: Point) -> Vec<Vec<f64>> {
    let points: PointSet = [point].into_iter().collect();
    let rows: Vec<usize> = (0..tokens.len()).collect();
    let n = tokens.len();
    let step = Forward::new(tokens, &points, &rows).with_total(n).with_room(n);
    let captured = model.forward(&step).unwrap();
    let mut values = Vec::new();
    let width = model.rows(&captured[0], 0..n, &mut values).unwrap();
    values.chunks(width).map(|row| row.iter().map(|x| f64::from(*x)).collect()).collect()
}

/// `h - v (v.h) / |v|^2`.
fn projected(h: &[f64], v: &[f64]) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let part = dot(v, h) / dot(v, v);
    h.iter().zip(v).map(|(h, v)| h - v * part).collect()
}

#[test]
fn projections_equal_the_formula_in_float64() {
    let Golden { tokens, .. } = golden();
    let mut other = tokens.clone();
    other.rotate_left(3);
    let ids = |tokens: &[TokenId]| tokens.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let (other_text, own_text) = (ids(&other), ids(&tokens));
    for name in ["llama2", "gpt_neox", "gemma2", "qwen3_moe", "falcon_rw"] {
        let mut model = decoder(name);
        let (n, d_head) = (tokens.len(), model.spec().layers[1].attention().unwrap().d_head);
        let folder = tempfile::tempdir().unwrap();
        let mut file = |point: Point| {
            let width = values(&mut model, &tokens, point)[0].len();
            let vector: Vec<f32> = (0..width).map(|i| (i as f32 * 0.7).sin()).collect();
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            let view =
                safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![width], &bytes).unwrap();
            let path = folder.path().join(format!("{point}.safetensors"));
            std::fs::write(&path, safetensors::serialize([("v", view)], None).unwrap()).unwrap();
            (path.display().to_string(), vector.into_iter().map(f64::from).collect::<Vec<f64>>())
        };
        let points = [
            Point::Embed,
            Point::block(1, Site::Z),
            Point::block(0, Site::MlpOut),
            Point::block(1, Site::ResidPost),
        ];
        let files = points.map(&mut file);
        for (point, (path, vector)) in points.into_iter().zip(files) {
            let clean = values(&mut model, &tokens, point);
            let theirs = values(&mut model, &other, point);
            let mean: Vec<f64> =
                (0..clean[0].len()).map(|i| clean.iter().map(|row| row[i]).sum::<f64>() / n as f64).collect();
            let sum = |a: f64, x: &[f64], b: f64, y: &[f64]| -> Vec<f64> {
                x.iter().zip(y).map(|(x, y)| a * x + b * y).collect()
            };
            // The direction at every position, as the intervention writes it.
            let last = &theirs[n - 1];
            let directions: [(String, Vec<Vec<f64>>); 5] = [
                (format!("@'{other_text}'"), vec![last.clone(); n]),
                ("mean".to_owned(), vec![mean.clone(); n]),
                (format!("file:'{path}'"), vec![vector.clone(); n]),
                (
                    format!("2*@'{other_text}' + -0.5*@'{own_text}'[1]"),
                    vec![sum(2.0, last, -0.5, &clean[1]); n],
                ),
                (
                    format!("@'{other_text}'[same] - 3*mean"),
                    theirs.iter().map(|row| sum(1.0, row, -3.0, &mean)).collect(),
                ),
            ];
            for (written, v) in directions {
                for (positions, chosen) in [("", 0..n), ("[2..5]", 2..5), ("[last]", n - 1..n)] {
                    let steered = format!("{point}{positions} -= proj({written})");
                    steer(&mut model, &[&steered], &tokens);
                    let got = values(&mut model, &tokens, point);
                    model.set_edit(None);
                    for (position, got) in got.iter().enumerate() {
                        let expected = match chosen.contains(&position) {
                            true => projected(&clean[position], &v[position]),
                            false => clean[position].clone(),
                        };
                        close(got, &expected, &format!("{name}: {steered}, position {position}"));
                    }
                }
            }
            if point.component() == Component::Site(Site::Z) {
                let steered = format!("{point}.h0,1 -= proj @'{other_text}'");
                steer(&mut model, &[&steered], &tokens);
                let got = values(&mut model, &tokens, point);
                model.set_edit(None);
                for (position, got) in got.iter().enumerate() {
                    let mut expected = clean[position].clone();
                    for head in [0..d_head, d_head..2 * d_head] {
                        let part = projected(&clean[position][head.clone()], &last[head.clone()]);
                        expected[head].copy_from_slice(&part);
                    }
                    close(got, &expected, &format!("{name}: {steered}, position {position}"));
                }
            }
        }
    }
}

fn close(got: &[f64], expected: &[f64], place: &str) {
    let scale = expected.iter().fold(1.0f64, |scale, x| scale.max(x.abs()));
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= 2e-6 * scale, "{place}: {got} instead of {expected}");
    }
}

#[test]
fn nothing_is_projected_on_a_vector_of_length_zero() {
    let Golden { tokens, .. } = golden();
    let mut model = decoder("llama2");
    for (steer, part) in [
        ("L1.mlp_out -= proj(@'5 6' - @'5 6')", "the vector at L1.mlp_out is zero"),
        ("L1.z.h1 -= proj(0*mean)", "the vector at L1.z, head 1 is zero"),
        ("L1.mlp_out -= proj(1e300*@'5 6')", "is not finite"),
        ("L1.mlp_out += 1e300*@'5 6'", "is not finite"),
    ] {
        let error = model.prepare_edits(&[steer.parse().unwrap()], &tokens, &encode).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(steer), "{error}");
    }
}

/// LFM2 has heads in its middle layer alone.
#[test]
fn heads_are_edited_where_there_are_heads() {
    let tokens = lens_tests::Golden::of("lfm2").tokens;
    let mut model = decoder("lfm2");
    for named in ["L0.z = 0", "L0..2.z.h1 = 0"] {
        let parsed = [named.parse::<Intervention>().unwrap()];
        let error = model.prepare_edits(&parsed, &tokens, &encode).unwrap_err().to_string();
        assert!(error.contains("there is no z in layer 0"), "{error}");
    }
    let parsed = ["L*.z = 0".parse::<Intervention>().unwrap()];
    let edits = model.prepare_edits(&parsed, &tokens, &encode).unwrap();
    assert_eq!(edits.notes(), ["L*.z = 0 leaves out layers 0, 2, where there is no z"]);
    model.set_edit(Some(Box::new(edits)));
    let added = |model: &mut Decoder, layer| values(model, &tokens, Point::block(layer, Site::AttnOut));
    assert!(added(&mut model, 1).iter().flatten().all(|value| *value == 0.0));
    assert!(added(&mut model, 0).iter().flatten().any(|value| *value != 0.0));
}

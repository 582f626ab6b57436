//! bfloat16: as close to the truth as transformers' own bfloat16.

use lens_core::{Lens, Plan, Question, Selection};
use lens_models::StoredDtype;
use lens_tests::{Golden, checkpoint_names, load};

/// The largest and the root-mean-square difference of two lists.
fn differences(a: &[f32], b: &[f32]) -> (f32, f32) {
    let all = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    let square: f32 = all.clone().map(|d| d * d).sum();
    (all.fold(0.0, f32::max), (square / a.len() as f32).sqrt())
}

/// Every activation is rounded to 8 bits, some thirty times on the way through these models. How far that takes
/// a log-probability from the float64 truth is measured on transformers' own bfloat16 run of the same weights;
/// another order of the same roundings lands as far away, but not in the same place. So: within twice its
/// largest error, and within 1.25 times its root mean square, which single elements cannot hide in. (Logits
/// that stay in float32 where transformers rounds them should even be closer.)
#[test]
fn bf16_is_no_further_from_float64_than_transformers_is() {
    let mut compared = 0;
    for name in checkpoint_names() {
        let Some(theirs) = Golden::bf16(&name) else { continue };
        let truth = Golden::of(&name);
        let (shape, truth_log_probs) = truth.floats("final_logprobs");
        let plan = Plan::default()
            .with_positions(Selection::all())
            .with_question(Question::default().with_top_k(shape[1].try_into().unwrap()));
        let mut model = load(&name, Some(StoredDtype::Bf16));
        let reading = Lens::new(&mut model).read(&truth.tokens, &plan).unwrap();
        let mut ours = vec![0.0; truth_log_probs.len()];
        for (position, last) in reading.finals.iter().enumerate() {
            for top in &last.readout.top {
                ours[position * shape[1] + top.id.index()] =
                    (f64::from(top.logit) - last.readout.log_sum_exp) as f32;
            }
        }
        let (their_worst, their_rms) = differences(theirs.floats("final_logprobs").1, truth_log_probs);
        let (our_worst, our_rms) = differences(&ours, truth_log_probs);
        assert!(our_worst <= 2.0 * their_worst, "{name}: off by {our_worst}, transformers by {their_worst}");
        assert!(our_rms <= 1.25 * their_rms, "{name}: rms {our_rms}, transformers {their_rms}");
        compared += 1;
    }
    assert!(compared >= 12, "only {compared} fixtures have a bfloat16 golden");
}

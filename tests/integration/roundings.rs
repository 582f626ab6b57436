//! The check passes sound models, however far their rounding spreads.

use lens_core::{Backend, Outcome, check_backend, toy::Random};
use lens_models::{Decoder, LoadOptions, StoredDtype};
use lens_tests::{Copied, Golden, checkpoint_names};

#[test]
fn more_than_a_hundred_random_checkpoints_pass_the_check() {
    let mut checked = 0;
    for (seed, name) in (1u64..).zip(checkpoint_names()) {
        let copied = Copied::of(&name);
        for (round, gain) in [1.0f32, 2.5].into_iter().enumerate() {
            let mut random = Random::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + round as u64);
            for tensor in copied.tensors.iter().filter(|tensor| tensor.shape.len() > 1) {
                drop(copied.change(tensor, |values| {
                    let square = values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32;
                    values.iter_mut().for_each(|value| {
                        *value = gain * (3.0 * square).sqrt() * (random.unit() * 2.0 - 1.0);
                    });
                }));
            }
            let options = LoadOptions::default().with_dtype(Some(StoredDtype::F32));
            let mut model = Decoder::load(copied.open(), &options).unwrap();
            let report = check_backend(&mut model, &Golden::of(&name).tokens).unwrap();
            let failed: Vec<_> = report.findings.iter().filter(|f| f.outcome == Outcome::Failed).collect();
            assert!(failed.is_empty() && report.passed(), "{name}, gain {gain}: {failed:?}");
            checked += usize::from(model.info().n_layers > 0);
        }
    }
    assert!(checked > 100, "only {checked} checkpoints were made");
}

//! The check passes sound models, however far their rounding spreads.

use lens_core::{Backend, Outcome, check_backend};
use lens_models::{Decoder, LoadOptions, StoredDtype};
use lens_tests::{Copied, Golden, checkpoint_names};

/// xorshift64* (Vigna 2016), uniform in `[-1, 1)`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

#[test]
fn more_than_a_hundred_random_checkpoints_pass_the_check() {
    let mut checked = 0;
    for (seed, name) in (1u64..).zip(checkpoint_names()) {
        let copied = Copied::of(&name);
        for (round, gain) in [1.0f32, 2.5].into_iter().enumerate() {
            let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + round as u64);
            for tensor in copied.tensors.iter().filter(|tensor| tensor.shape.len() > 1) {
                drop(copied.change(tensor, |values| {
                    let square = values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32;
                    values.iter_mut().for_each(|value| *value = gain * (3.0 * square).sqrt() * random.next());
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

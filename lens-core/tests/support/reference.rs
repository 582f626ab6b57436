//! The toy model written again, in float64 and without a cache.

use lens_core::{NormMode, Point, Site, TokenId, toy::Random};

/// The same weights as `ToyBackend::new` draws.
pub(crate) struct Reference {
    d: usize,
    layers: Vec<[Vec<f64>; 3]>,
    pub(crate) weight: Vec<f64>,
    embedding: Vec<f64>,
    pub(crate) unembedding: Vec<f64>,
}

/// Values of the toy's generator, exact in float64.
struct Wide(Random);

impl Wide {
    fn values(&mut self, n: usize, scale: f32) -> Vec<f64> {
        self.0.values(n, scale).into_iter().map(f64::from).collect()
    }
}

fn is_z(point: Point) -> bool {
    matches!(point, Point::Block { site: Site::Z, .. })
}

fn multiply(matrix: &[f64], x: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

impl Reference {
    pub(crate) fn new(n_layers: u16, d: usize, n_vocab: usize, seed: u64) -> Self {
        let mut random = Wide(Random::new(seed.wrapping_mul(2).wrapping_add(1)));
        let scale = 1.5 / (d as f32).sqrt();
        let layers = (0..n_layers).map(|_| [(); 3].map(|()| random.values(d * d, scale))).collect();
        let weight = random.values(d, 0.3).into_iter().map(|w| f64::from(1.0 + w as f32)).collect();
        let embedding = random.values(n_vocab * d, 1.0);
        Self { d, layers, weight, embedding, unembedding: random.values(n_vocab * d, scale) }
    }

    /// Every readable point of every position, in order of execution.
    pub(crate) fn run(&self, tokens: &[TokenId]) -> Vec<Vec<(Point, Vec<f64>)>> {
        let mut states = self.run_edited(tokens, &|_, _, _| {});
        states.iter_mut().for_each(|state| state.retain(|(point, _)| !is_z(*point)));
        states
    }

    /// The same with `z`, where `edit` changes what the model goes on with at a point and a position.
    pub(crate) fn run_edited(
        &self,
        tokens: &[TokenId],
        edit: &dyn Fn(Point, usize, &mut Vec<f64>),
    ) -> Vec<Vec<(Point, Vec<f64>)>> {
        let d = self.d;
        let mut states: Vec<Vec<(Point, Vec<f64>)>> = vec![Vec::new(); tokens.len()];
        let mut at = |point, position: usize, mut value: Vec<f64>| {
            edit(point, position, &mut value);
            states[position].push((point, value.clone()));
            value
        };
        let embedded = tokens.iter().map(|token| self.embedding[token.index() * d..][..d].to_vec());
        let mut stream: Vec<Vec<f64>> =
            embedded.enumerate().map(|(position, x)| at(Point::Embed, position, x)).collect();
        for (layer, [attention, mlp_in, mlp_out]) in self.layers.iter().enumerate() {
            let point = |site| Point::block(layer as u16, site);
            for (position, x) in stream.iter_mut().enumerate() {
                *x = at(point(Site::ResidPre), position, x.clone());
            }
            let inputs = stream.clone();
            for (position, x) in stream.iter_mut().enumerate() {
                let earlier = &inputs[..=position];
                let mean = (0..d)
                    .map(|i| earlier.iter().map(|x| x[i]).sum::<f64>() / earlier.len() as f64)
                    .collect();
                let z = at(point(Site::Z), position, mean);
                let attn_out = at(point(Site::AttnOut), position, multiply(attention, &z));
                let resid_mid = at(point(Site::ResidMid), position, sum(x, &attn_out));
                let inner: Vec<f64> = multiply(mlp_in, &resid_mid).into_iter().map(f64::tanh).collect();
                let mlp = at(point(Site::MlpOut), position, multiply(mlp_out, &inner));
                *x = at(point(Site::ResidPost), position, sum(&resid_mid, &mlp));
            }
        }
        states
    }

    /// The readout of `x`; `last` is the final residual of the same position.
    pub(crate) fn logits(&self, x: &[f64], mode: NormMode, last: &[f64]) -> Vec<f64> {
        let scale = |x: &[f64]| (x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64 + 1e-6).sqrt();
        let scale = match mode {
            NormMode::Recomputed => scale(x),
            NormMode::FinalScale => scale(last),
            NormMode::None => return multiply(&self.unembedding, x),
        };
        let normed: Vec<f64> = x.iter().zip(&self.weight).map(|(x, w)| x / scale * w).collect();
        multiply(&self.unembedding, &normed)
    }
}

/// Logits and what follows from them.
pub(crate) struct Distribution {
    pub(crate) logits: Vec<f64>,
    pub(crate) log_sum_exp: f64,
    /// The largest logit, which rounding is relative to.
    pub(crate) size: f64,
}

impl Distribution {
    pub(crate) fn new(logits: Vec<f64>) -> Self {
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum_exp = max + logits.iter().map(|z| (z - max).exp()).sum::<f64>().ln();
        let size = logits.iter().fold(0.0, |size: f64, z| size.max(z.abs()));
        Self { logits, log_sum_exp, size }
    }

    pub(crate) fn prob(&self, id: usize) -> f64 {
        (self.logits[id] - self.log_sum_exp).exp()
    }

    fn probs(&self) -> impl Iterator<Item = f64> {
        (0..self.logits.len()).map(|id| self.prob(id))
    }

    pub(crate) fn sorted(&self) -> Vec<usize> {
        let mut ids: Vec<usize> = (0..self.logits.len()).collect();
        ids.sort_by(|a, b| self.logits[*b].total_cmp(&self.logits[*a]));
        ids
    }

    pub(crate) fn entropy(&self) -> f64 {
        (0..self.logits.len()).map(|id| self.prob(id) * (self.log_sum_exp - self.logits[id])).sum()
    }

    /// `KL(last ‖ self)`.
    pub(crate) fn kl_of(&self, last: &Self) -> f64 {
        let log_ratio =
            |id: usize| (last.logits[id] - last.log_sum_exp) - (self.logits[id] - self.log_sum_exp);
        (0..self.logits.len()).map(|id| last.prob(id) * log_ratio(id)).sum()
    }

    pub(crate) fn js_of(&self, last: &Self) -> f64 {
        let part = |p: f64, middle: f64| if p > 0.0 { 0.5 * p * (p / middle).ln() } else { 0.0 };
        self.probs().zip(last.probs()).map(|(p, q)| part(p, 0.5 * (p + q)) + part(q, 0.5 * (p + q))).sum()
    }

    pub(crate) fn tv_of(&self, last: &Self) -> f64 {
        0.5 * self.probs().zip(last.probs()).map(|(p, q)| (p - q).abs()).sum::<f64>()
    }

    /// A rank is 1 + the number of strictly larger logits, but for those that rounding cannot tell apart.
    pub(crate) fn assert_rank(&self, rank: u32, id: TokenId, tolerance: f64, place: &str) {
        let (own, slack) = (self.logits[id.index()], tolerance * (1.0 + self.size));
        let surely = self.logits.iter().filter(|z| **z > own + slack).count();
        // Without slack this would be the rank; the token itself is within it.
        let perhaps = self.logits.iter().filter(|z| **z > own - slack).count() - 1;
        let larger = rank as usize - 1;
        assert!(
            (surely..=perhaps).contains(&larger),
            "rank {rank} of {id} at {place}: {surely} to {perhaps} are larger"
        );
    }
}

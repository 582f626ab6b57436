//! The decoder taken apart: what an attribution asks of it.

use lens_core::{
    BackendError, TokenId,
    attribution::{BlockParts, BlockValues, Dissect, EmbeddingParts, OutputMap, TokenReadout},
};
use tch::{Device, Kind, Tensor};

use super::{Decoder, ModelError, block::Block, weights::values};

/// Values of a projection that are widened to float64 at once.
const AT_ONCE: i64 = 1 << 22;

impl Dissect for Decoder {
    fn dissect(&self, layer: u16, at: &BlockValues<'_, Tensor>) -> Result<BlockParts, BackendError> {
        let _guard = tch::no_grad_guard();
        Ok(self.block(layer)?.dissect(at)?)
    }

    fn pull_back(&self, layer: u16, map: OutputMap, direction: &[f64]) -> Result<Vec<f64>, BackendError> {
        let _guard = tch::no_grad_guard();
        let output = self.block(layer)?.output(map);
        let output = output.ok_or_else(|| {
            BackendError::Other(format!("layer {layer} has no output projection {map:?}").into())
        })?;
        let mut direction = direction.to_vec();
        for linear in output.into_iter().rev() {
            direction = transposed_times(linear.weight(), &direction)?;
        }
        Ok(direction)
    }

    fn token_readout(&self, token: TokenId) -> Result<TokenReadout, BackendError> {
        let _guard = tch::no_grad_guard();
        Ok(self.readout.of_token(token)?)
    }

    fn embedding_parts(
        &self,
        token: TokenId,
        position: usize,
    ) -> Result<Option<EmbeddingParts>, BackendError> {
        let _guard = tch::no_grad_guard();
        let parts = self.embed.parts(token, position)?;
        let host = |[token, position]: [Tensor; 2]| -> Result<EmbeddingParts, ModelError> {
            Ok(EmbeddingParts::new(values(&token)?, values(&position)?))
        };
        Ok(parts.map(host).transpose()?)
    }
}

impl Decoder {
    pub(super) fn block(&self, layer: u16) -> Result<&Block, BackendError> {
        self.blocks
            .get(usize::from(layer))
            .map(|block| &**block)
            .ok_or_else(|| BackendError::Other(format!("there is no layer {layer}").into()))
    }
}

/// `Wᵀ g` for W, `[out, in]` in any dtype, and g, `[out]`: `[in]`, in float64, some rows of W at a time.
fn transposed_times(weight: &Tensor, direction: &[f64]) -> Result<Vec<f64>, ModelError> {
    let (rows, width) = (weight.size()[0], weight.size()[1]);
    // Metal has no float64.
    let device = if weight.device() == Device::Mps { Device::Cpu } else { weight.device() };
    let direction = Tensor::f_from_slice(direction)?.f_to_device(device)?;
    let mut sum = Tensor::f_zeros([width], (Kind::Double, device))?;
    let at_once = (AT_ONCE / width.max(1)).max(1);
    let mut start = 0;
    while start < rows {
        let n = at_once.min(rows - start);
        let some = weight.f_narrow(0, start, n)?.f_to_device(device)?.f_to_kind(Kind::Double)?;
        sum = sum.f_add(&some.f_transpose(0, 1)?.f_mv(&direction.f_narrow(0, start, n)?)?)?;
        start += n;
    }
    let sum = sum.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut out = vec![0.0f64; width as usize];
    sum.f_copy_data(&mut out, width as usize)?;
    Ok(out)
}

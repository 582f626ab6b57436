//! A card's readout in one pass: libtorch multiplies, and the kernels of [`lens_cuda`] do the rest.

use std::env;

use lens_core::{Next, Post, Question, TokenId};
use lens_cuda::{
    Ask, Cache, Call, Card, Compiler, CudaError, Launch, Logits, Machine, Narrow, Norms, Source, Vectors,
    Wanted, normed, read, readouts,
};
use tch::{Device, Kind, Tensor};

use super::{
    ModelError, Rows, numbers,
    product::{DeviceNorm, Product},
};
use crate::device::{DeviceError, Place, library_folders};

/// Names what decodes readouts on a card: `kernels` or `libtorch`. Without it: the kernels where they can be had.
pub(super) const VARIABLE: &str = "LENS_DEVICE_READOUT";

/// Kernels on tensors.
pub(super) struct OnePass {
    kernels: Box<dyn Launch + Send + Sync>,
    device: Device,
    post: Post,
}

/// Vectors with the tensor that they are in.
struct Held {
    of: Vectors,
    _x: Tensor,
}

fn address(tensor: &Tensor) -> u64 {
    tensor.data_ptr() as u64
}

impl std::fmt::Debug for OnePass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnePass")
            .field("device", &self.device)
            .field("post", &self.post)
            .finish_non_exhaustive()
    }
}

impl OnePass {
    /// The kernels for the card `device`, for a model that finishes its logits with `post`. `None` where they are not
    /// wanted or cannot be had, and on every other device; what is not as it should be is added to `notes`.
    ///
    /// # Errors
    /// When the environment insists on kernels that cannot be had, or says something else than it may.
    pub(super) fn open(
        device: Device,
        post: Post,
        bias: bool,
        notes: &mut Vec<String>,
    ) -> Result<Option<Self>, ModelError> {
        let Device::Cuda(n) = device else { return Ok(None) };
        let unavailable = |reason| DeviceError::Unavailable {
            place: Place::Cuda(u8::try_from(n).unwrap_or(u8::MAX)),
            reason,
        };
        let wanted = env::var_os(VARIABLE).filter(|value| !value.is_empty());
        let insists = match wanted.as_ref().map(|value| value.to_string_lossy()).as_deref() {
            None => false,
            Some("kernels") => true,
            Some("libtorch") => return Ok(None),
            Some(other) => {
                let reason = format!("{VARIABLE} is {other:?}, and it can be kernels or libtorch");
                return Err(unavailable(reason).into());
            }
        };
        match Self::proven(n, device, post, bias, notes) {
            Ok(kernels) => Ok(Some(kernels)),
            Err(error) if insists => {
                Err(unavailable(format!("its own kernels cannot be used: {error}")).into())
            }
            Err(error) => {
                notes.push(format!(
                    "readouts on {} are decoded by libtorch, which takes longer than the kernels made for it: {error}",
                    Place::Cuda(u8::try_from(n).unwrap_or(u8::MAX))
                ));
                Ok(None)
            }
        }
    }

    /// The kernels, once they have shown that they run and are right.
    fn proven(
        n: usize,
        device: Device,
        post: Post,
        bias: bool,
        notes: &mut Vec<String>,
    ) -> Result<Self, ModelError> {
        let compiler = || Compiler::find(&library_folders());
        let note = |error: CudaError| notes.push(error.to_string());
        let card = Card::open(n as u32, Source::of(post, bias), &Cache::of_user(), compiler, note)?;
        Self::new(Box::new(card), device, post, bias)
    }

    /// Kernels that run on a device, if they are right there.
    pub(super) fn new(
        kernels: Box<dyn Launch + Send + Sync>,
        device: Device,
        post: Post,
        bias: bool,
    ) -> Result<Self, ModelError> {
        let kernels = Self { kernels, device, post };
        if kernels.is_right(bias)? { Ok(kernels) } else { Err(ModelError::WrongKernels) }
    }

    /// The readouts of `[rows, points + 1, d_model]` captured vectors, whose last column is the final residual, with that
    /// one last in each row, and their products with the unembedding, `[rows, points + 1, n_vocab]` in float32. The former
    /// are `None` when some logit is NaN or infinite.
    pub(super) fn decode(
        &self,
        product: &Product,
        x: &Tensor,
        question: &Question,
        next: &[Next],
    ) -> Result<(Option<Rows>, Tensor), ModelError> {
        let kind = product.operand_kind();
        let (vectors, norms) = self.vectors(x, product.norm())?;
        let has_facts = question.statistics.needs().vector;
        let narrow = if kind == Kind::BFloat16 { Narrow::Yes } else { Narrow::No };
        let normed = normed(self, &vectors.of, &norms, question.norm, narrow, has_facts)?;
        let products = product.of_normed(&normed.vectors.f_view_dtype(kind)?.f_view(&x.size()[..])?)?;
        let logits = self.logits(&products, product.bias())?;
        let readouts = readouts(self, &logits, question, next, || normed.facts(self))?;
        Ok((readouts, products))
    }

    /// Captured vectors and the norm as the kernels take them.
    #[expect(unsafe_code, reason = "tensors go to kernels by their addresses")]
    fn vectors(&self, x: &Tensor, norm: &DeviceNorm) -> Result<(Held, Norms), ModelError> {
        let narrow = if x.kind() == Kind::BFloat16 { Narrow::Yes } else { Narrow::No };
        let x = if narrow == Narrow::Yes {
            x.f_contiguous()?
        } else {
            x.f_to_kind(Kind::Float)?.f_contiguous()?
        };
        let &[rows, width, d] = &x.size()[..] else { return Err(ModelError::Unfit("vectors")) };
        let mut of_norm = [&norm.weight, &norm.bias].into_iter().flatten();
        let is_there = |values: &Tensor| {
            values.kind() == Kind::Double && values.size() == [d] && values.device() == self.device
        };
        if !of_norm.all(is_there) || x.device() != self.device {
            return Err(ModelError::Unfit("vectors"));
        }
        let shape = [rows, width, d].map(|n| n as usize);
        let at = |values: &Option<Tensor>| values.as_ref().map(address);
        // SAFETY: all are on this card, of these types and as long as was checked above; the vectors are held beside their
        // address, weight and bias by the model.
        let (of, norms) = unsafe {
            (
                Vectors::new(address(&x), shape, narrow),
                Norms::new(norm.kind, norm.eps, at(&norm.weight), at(&norm.bias)),
            )
        };
        Ok((Held { of, _x: x }, norms))
    }

    #[expect(unsafe_code, reason = "tensors go to kernels by their addresses")]
    fn logits(&self, products: &Tensor, bias: Option<&Tensor>) -> Result<Logits, ModelError> {
        let &[rows, width, n_vocab] = &products.size()[..] else { return Err(ModelError::Unfit("logits")) };
        let is_there = |tensor: &Tensor| {
            tensor.kind() == Kind::Float && tensor.is_contiguous() && tensor.device() == self.device
        };
        if !is_there(products) || !bias.is_none_or(|bias| is_there(bias) && bias.size() == [n_vocab]) {
            return Err(ModelError::Unfit("logits"));
        }
        let shape = [rows, width, n_vocab].map(|n| n as usize);
        // SAFETY: both are on this card, and as long, in float32, as was checked above; the caller holds them until the
        // answers are there.
        Ok(unsafe { Logits::new(address(products), shape, bias.map(address), self.post) })
    }

    /// Reads a chunk whose answers are known: two rows of two readouts, of which one block is not full.
    fn is_right(&self, bias: bool) -> Result<bool, ModelError> {
        const N: usize = 1300;
        let products: Vec<f32> = (0..4 * N).map(|i| (i * 7919 % 4001) as f32 / 500.0).collect();
        let put = |values: &[f32]| Tensor::f_from_slice(values)?.f_to_device(self.device);
        let tensor = put(&products)?.f_view([2, 2, N as i64])?;
        let zeros = if bias { Some(put(&[0.0; N])?) } else { None };
        let tracked = vec![vec![Wanted::FinalTop, Wanted::Token(TokenId(5))]; 2];
        let ask = Ask { top_k: 3, distances: true, tracked: &tracked };
        let answers = read(self, &self.logits(&tensor, zeros.as_ref())?, &ask)?;
        let z = |i: usize, id: usize| self.post.apply(products[i * N + id]);
        let right = |i: usize| {
            let got = answers.projected(i);
            let mut ids: Vec<usize> = (0..N).collect();
            ids.sort_by(|a, b| z(i, *b).total_cmp(&z(i, *a)).then(a.cmp(b)));
            let max = f64::from(z(i, ids[0]));
            let sum: f64 = (0..N).map(|id| (f64::from(z(i, id)) - max).exp()).sum();
            let larger = (0..N).filter(|id| z(i, *id) > z(i, 5)).count();
            let close = |got: f64, right: f64| (got - right).abs() < 1e-5 * (1.0 + right.abs());
            // A cap is rounded differently on a card, so that ids may change places.
            let top =
                got.top.iter().zip(&ids).all(|((_, got), id)| close(f64::from(*got), f64::from(z(i, *id))));
            let rank = got.tracked[1].rank.abs_diff(1 + larger as u32) <= 2;
            top && rank && got.top.len() == 3 && close(got.log_sum_exp, max + sum.ln())
        };
        Ok(answers.are_finite() && (0..4).all(right))
    }
}

// SAFETY: buffers are tensors of bytes on this card, where libtorch aligns every one to far more than eight; libtorch gives
// the memory of a dropped one only to what is queued later on the same stream, which is the stream of the kernels.
#[expect(unsafe_code, reason = "tensors go to kernels by their addresses")]
unsafe impl Machine for OnePass {
    type Buffer = Tensor;
    type Error = ModelError;

    fn buffer(&self, bytes: usize) -> Result<Tensor, ModelError> {
        Ok(Tensor::f_empty([bytes as i64], (Kind::Uint8, self.device))?)
    }

    fn upload(&self, values: &[i32]) -> Result<Tensor, ModelError> {
        Ok(Tensor::f_from_slice(values)?.f_to_device(self.device)?)
    }

    fn address(&self, buffer: &Tensor) -> u64 {
        address(buffer)
    }

    fn download(&self, buffer: &Tensor) -> Result<Vec<u8>, ModelError> {
        numbers(buffer, Kind::Uint8)
    }

    fn launch(&self, call: Call<'_>, blocks: u32) -> Result<(), ModelError> {
        // SAFETY: only lens_cuda makes arguments, of this machine's buffers and of tensors that were checked above.
        Ok(unsafe { self.kernels.launch(call, blocks) }?)
    }
}

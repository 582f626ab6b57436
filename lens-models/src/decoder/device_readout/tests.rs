//! The cases that every readout has to answer, by every path.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use lens_core::conformance::{self, Case};
use lens_cuda::{HostKernels, Source};

use super::*;
use crate::device::{OnTorch as _, Place};

/// Where readouts are decoded, and by what.
#[derive(Debug, Clone, Copy)]
enum Path {
    /// libtorch's operations.
    Libtorch(Device),
    /// The kernels as the C++ compiler has made them, in host memory.
    Host,
    /// The kernels on a card.
    Card(Device),
}

impl Path {
    /// All that this machine has.
    fn all() -> Vec<Self> {
        let mut all = vec![Self::Libtorch(Device::Cpu)];
        if cfg!(target_os = "linux") {
            all.push(Self::Host);
        }
        if Place::Cuda(0).prepare().is_ok() {
            all.extend([Self::Libtorch(Device::Cuda(0)), Self::Card(Device::Cuda(0))]);
        }
        all
    }

    fn device(self) -> Device {
        match self {
            Self::Libtorch(device) | Self::Card(device) => device,
            Self::Host => Device::Cpu,
        }
    }

    fn one_pass(self, post: Post, bias: bool) -> Result<Option<OnePass>, ModelError> {
        match self {
            Self::Libtorch(_) => Ok(None),
            Self::Host => {
                let kernels = HostKernels::of(Source::of(post, bias))?;
                OnePass::new(Box::new(kernels), Device::Cpu, post, bias).map(Some)
            }
            Self::Card(device) => {
                let mut notes = Vec::new();
                let opened = OnePass::open(device, post, bias, &mut notes)?;
                assert!(opened.is_some(), "{notes:?}");
                Ok(opened)
            }
        }
    }

    fn read(self, case: &Case, kind: Kind, budget: usize) -> Result<Readings, BackendError> {
        self.read_with(case, kind, budget, DeviceReadout::read)
    }

    /// Reads without the tokens that positions track, and then adds those.
    fn read_in_two(self, case: &Case, kind: Kind, budget: usize) -> Result<Readings, BackendError> {
        self.read_with(case, kind, budget, |readout, request| {
            let bare = request.ask.clone().with_tracked(0);
            let ReadRequest { hidden, last, positions, next, .. } = *request;
            let mut readings = readout.read(&ReadRequest::new(hidden, last, positions, next, &bare))?;
            assert!(readings.points.iter().all(|readout| readout.tracked.is_empty()));
            readout.track(request, &mut readings)?;
            Ok(readings)
        })
    }

    fn read_with(
        self,
        case: &Case,
        kind: Kind,
        budget: usize,
        read: impl Fn(&DeviceReadout, &ReadRequest<'_, Tensor>) -> Result<Readings, BackendError>,
    ) -> Result<Readings, BackendError> {
        let shape = [case.n_vocab as i64, case.d_model as i64];
        let unembed = Tensor::from_slice(&case.rows).view(shape).to_kind(kind).to_device(self.device());
        let product = Product::new(&case.norm, &unembed, case.bias.as_deref(), case.post)?;
        let one_pass = self.one_pass(case.post, case.bias.is_some())?;
        let readout = DeviceReadout { product, one_pass, last: Point::last(case.n_layers), budget };
        let matrix = |values: &[f32]| Tensor::from_slice(values).view([-1, case.d_model as i64]);
        let captured: Vec<Tensor> = case.captured.iter().map(|values| matrix(values)).collect();
        let hidden = case.columns(&captured);
        assert_eq!(hidden.len(), case.points.len());
        let last = matrix(&case.last);
        read(&readout, &ReadRequest::new(&hidden, &last, &case.positions, &case.next, &case.ask))
    }
}

#[test]
fn every_path_conforms() {
    for path in Path::all() {
        for case in conformance::cases() {
            // In one chunk, in a few, and readout by readout.
            for budget in [BUDGET, 5 * BYTES_PER_LOGIT[1] * case.n_vocab, 1] {
                for read in [Path::read, Path::read_in_two] {
                    conformance::check(&case, read(path, &case, Kind::Float, budget))
                        .unwrap_or_else(|what| panic!("{path:?}: {what}"));
                }
            }
        }
    }
}

#[test]
fn narrow_weights_are_multiplied_as_on_the_host() {
    for path in Path::all() {
        for case in conformance::cases() {
            for (kind, host) in
                [(Kind::BFloat16, conformance::Weights::Bf16), (Kind::Half, conformance::Weights::F16)]
            {
                let case = case.rounded(host);
                conformance::check(&case, path.read(&case, kind, BUDGET))
                    .unwrap_or_else(|what| panic!("{path:?}: {what}"));
            }
        }
    }
}

#[test]
fn kernels_that_are_wrong_are_not_used() {
    /// Starts nothing, so that the answers are whatever memory holds.
    struct Idle;

    impl lens_cuda::Launch for Idle {
        #[expect(unsafe_code, reason = "the trait says so")]
        unsafe fn launch(&self, _: lens_cuda::Call<'_>, _: u32) -> Result<(), lens_cuda::CudaError> {
            Ok(())
        }
    }

    let refused = OnePass::new(Box::new(Idle), Device::Cpu, Post::default(), false).unwrap_err();
    assert!(matches!(refused, ModelError::WrongKernels), "{refused}");
}

#[test]
fn what_a_card_lacks_for_the_kernels_is_said() {
    if Place::Cuda(0).prepare().is_ok() {
        return; // every path is tested there
    }
    let mut notes = Vec::new();
    assert!(OnePass::open(Device::Cuda(0), Post::default(), false, &mut notes).unwrap().is_none());
    let [note] = &notes[..] else { panic!("{notes:?}") };
    assert!(note.starts_with("readouts on cuda:0 are decoded by libtorch"), "{note}");
    assert!(note.contains("libcuda.so.1 cannot be opened") || note.contains("cuInit"), "{note}");
    // Where there are none to be had, there is nothing to say.
    assert!(OnePass::open(Device::Cpu, Post::default(), false, &mut notes).unwrap().is_none());
    assert_eq!(notes.len(), 1);
}

#[test]
fn a_chunk_takes_a_share_of_what_is_free() {
    assert_eq!(budget(None), BUDGET);
    assert_eq!(budget(Some(8 << 30)), 1 << 29);
    assert_eq!(budget(Some(1 << 30)), 1 << 28, "a product of a few rows reads all weights for little");
    assert_eq!(budget(Some(1 << 40)), 1 << 32);
}

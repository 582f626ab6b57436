//! Which wheels make a libtorch, by name and hash, and which of their files it needs.

use super::SetupError;
use super::cuda::LINUX_X86_64_CUDA;

/// The one libtorch that tch 0.24 speaks to.
pub(crate) const VERSION: &str = "2.11.0";

/// Raise it when the unpacked tree changes without a new wheel, so that older trees are replaced.
const RECIPE: u32 = 1;

/// A fixed file of the package index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wheel {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    pub(crate) file: &'static str,
    /// The tag to ask pip for. pip is never left to choose for the user's own Python: one file for everyone can be
    /// pinned by one hash.
    pub(crate) platform: &'static str,
    pub(crate) sha256: &'static str,
    pub(crate) bytes: u64,
    pub(crate) rules: &'static [Rule],
}

/// Files of a wheel that are wanted: those whose name begins with `from` go under `into`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    from: &'static str,
    into: &'static str,
    except: &'static [&'static str],
}

impl Rule {
    pub(crate) const fn new(from: &'static str, into: &'static str) -> Self {
        Self { from, into, except: &[] }
    }

    pub(super) const fn except(mut self, words: &'static [&'static str]) -> Self {
        self.except = words;
        self
    }
}

impl Wheel {
    /// Where in the tree the file `name` of this wheel goes, or `None` if it is not needed.
    pub(crate) fn destination(&self, name: &str) -> Option<String> {
        self.rules.iter().find_map(|rule| {
            let rest = name.strip_prefix(rule.from)?;
            let wanted = !rule.except.iter().any(|word| rest.contains(word));
            wanted.then(|| format!("{}{rest}", rule.into))
        })
    }
}

/// The wheels that together make a libtorch for one platform.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    pub(crate) platform: &'static str,
    pub(crate) wheels: &'static [Wheel],
    /// Bytes on disk once unpacked.
    pub(crate) unpacked: u64,
    /// Whether the authors have run it; the others are pinned and unpacked the same way, no more.
    pub(crate) tried: bool,
}

impl Bundle {
    /// A name that changes with everything that decides the unpacked tree.
    pub(crate) fn id(&self) -> String {
        // Digits of every wheel's hash: another pin anywhere is another tree.
        let hash: String = self.wheels.iter().map(|wheel| &wheel.sha256[..4]).collect();
        format!("{VERSION}-{}-{hash}-r{RECIPE}", self.platform)
    }
}

/// The bundle for the machine that set-up runs on.
pub(crate) fn for_host() -> Result<&'static Bundle, SetupError> {
    let glibc = cfg!(target_env = "gnu");
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") if glibc => Ok(&LINUX_X86_64),
        ("linux", "aarch64") if glibc => Ok(&LINUX_AARCH64),
        ("macos", "aarch64") => Ok(&MACOS_ARM64),
        (os, arch) => {
            let libc = if os == "linux" { " without glibc" } else { "" };
            Err(SetupError::Platform { platform: format!("{os} {arch}{libc}"), wanted: VERSION })
        }
    }
}

/// The bundle with the CUDA half, for the machine that set-up runs on.
pub(crate) fn for_host_with_cuda() -> Result<&'static Bundle, SetupError> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") if cfg!(target_env = "gnu") => Ok(&LINUX_X86_64_CUDA),
        (os, arch) => Err(SetupError::NoCuda { platform: format!("{os} {arch}"), wanted: VERSION }),
    }
}

/// The CUDA half of the library and its Python half are left out: the CPU half runs without them. (A user's own
/// LIBTORCH may have them, and is then used whole.)
pub(super) const TORCH_CPU_FILES: [Rule; 3] = [
    Rule::new("torch/lib/", "lib/").except(&["cuda", "nvrtc", "nvshmem", "python", "/"]),
    Rule::new("torch/include/", "include/"),
    Rule::new("torch-2.11.0.dist-info/licenses/", "licenses/torch/"),
];
const TORCH: &[Rule] = &TORCH_CPU_FILES;

// libtorch_cpu of the Linux wheels is linked against these two, whether or not there is a GPU.
const CUDART: &[Rule] = &[
    Rule::new("nvidia/cu13/lib/libcudart.so.13", "lib/libcudart.so.13"),
    Rule::new("nvidia_cuda_runtime-13.0.96.dist-info/licenses/", "licenses/nvidia-cuda-runtime/"),
];
const CUPTI: &[Rule] = &[
    Rule::new("nvidia/cu13/lib/libcupti.so.13", "lib/libcupti.so.13"),
    Rule::new("nvidia_cuda_cupti-13.0.85.dist-info/licenses/", "licenses/nvidia-cuda-cupti/"),
];

pub(super) static LINUX_X86_64: Bundle = Bundle {
    platform: "linux-x86_64",
    unpacked: 525_000_000,
    tried: true,
    wheels: &[
        Wheel {
            package: "torch",
            version: VERSION,
            file: "torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl",
            platform: "manylinux_2_28_x86_64",
            sha256: "0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756",
            bytes: 530_712_279,
            rules: TORCH,
        },
        Wheel {
            package: "nvidia-cuda-runtime",
            version: "13.0.96",
            file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            platform: "manylinux_2_17_x86_64",
            sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            bytes: 2_243_632,
            rules: CUDART,
        },
        Wheel {
            package: "nvidia-cuda-cupti",
            version: "13.0.85",
            file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
            platform: "manylinux_2_25_x86_64",
            sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
            bytes: 10_715_597,
            rules: CUPTI,
        },
    ],
};

static LINUX_AARCH64: Bundle = Bundle {
    platform: "linux-aarch64",
    unpacked: 370_000_000,
    tried: false,
    wheels: &[
        Wheel {
            package: "torch",
            version: VERSION,
            file: "torch-2.11.0-cp312-cp312-manylinux_2_28_aarch64.whl",
            platform: "manylinux_2_28_aarch64",
            sha256: "f99924682ef0aa6a4ab3b1b76f40dc6e273fca09f367d15a524266db100a723f",
            bytes: 419_731_115,
            rules: TORCH,
        },
        Wheel {
            package: "nvidia-cuda-runtime",
            version: "13.0.96",
            file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
            platform: "manylinux_2_17_aarch64",
            sha256: "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
            bytes: 2_261_060,
            rules: CUDART,
        },
        Wheel {
            package: "nvidia-cuda-cupti",
            version: "13.0.85",
            file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_aarch64.whl",
            platform: "manylinux_2_25_aarch64",
            sha256: "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
            bytes: 10_310_827,
            rules: CUPTI,
        },
    ],
};

static MACOS_ARM64: Bundle = Bundle {
    platform: "macos-arm64",
    unpacked: 290_000_000,
    tried: false,
    wheels: &[Wheel {
        package: "torch",
        version: VERSION,
        file: "torch-2.11.0-cp312-cp312-macosx_11_0_arm64.whl",
        platform: "macosx_11_0_arm64",
        sha256: "4b5866312ee6e52ea625cd211dcb97d6a2cdc1131a5f15cc0d87eec948f6dd34",
        bytes: 80_606_338,
        rules: TORCH,
    }],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pin_is_complete_and_named_once() {
        for bundle in [&LINUX_X86_64, &LINUX_X86_64_CUDA, &LINUX_AARCH64, &MACOS_ARM64] {
            for wheel in bundle.wheels {
                assert_eq!(wheel.sha256.len(), 64, "{}", wheel.file);
                assert!(wheel.sha256.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
                assert!(
                    wheel.file.contains(wheel.platform) && wheel.file.contains(wheel.version),
                    "{}",
                    wheel.file
                );
                assert!(wheel.file.starts_with(&wheel.package.replace('-', "_")), "{}", wheel.file);
            }
        }
        assert_ne!(LINUX_X86_64.id(), LINUX_AARCH64.id());
    }

    #[test]
    fn only_the_cpu_half_of_torch_is_unpacked() {
        let torch = &LINUX_X86_64.wheels[0];
        let goes = |name: &str| torch.destination(name);
        assert_eq!(goes("torch/lib/libtorch_cpu.so").as_deref(), Some("lib/libtorch_cpu.so"));
        assert_eq!(goes("torch/lib/libgomp.so.1").as_deref(), Some("lib/libgomp.so.1"));
        assert_eq!(goes("torch/include/ATen/cuda/X.h").as_deref(), Some("include/ATen/cuda/X.h"));
        assert_eq!(goes("torch-2.11.0.dist-info/licenses/NOTICE").as_deref(), Some("licenses/torch/NOTICE"));
        for left in
            ["torch/lib/libtorch_cuda.so", "torch/lib/libtorch_python.so", "torch/lib/libcaffe2_nvrtc.so"]
        {
            assert_eq!(goes(left), None);
        }
        assert_eq!(goes("torch/nn/functional.py"), None);
        assert_eq!(goes("torch/lib/libshm/libshm.h"), None);
    }
}

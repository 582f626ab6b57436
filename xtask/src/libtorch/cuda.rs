//! The CUDA half of libtorch: NVIDIA's libraries, in the versions that the torch wheel is linked against.
//!
//! It lies in a folder of its own, `.libtorch/cuda`: what is built is the same with and without it, and a binary opens
//! it when it is asked for a card.

use super::pins::{Bundle, LINUX_X86_64, Rule, TORCH_CPU_FILES, Wheel};

/// Both halves of torch.
const TORCH: &[Rule] = &[
    TORCH_CPU_FILES[0],
    TORCH_CPU_FILES[1],
    TORCH_CPU_FILES[2],
    Rule::new("torch/lib/libtorch_cuda", "cuda/libtorch_cuda"),
    Rule::new("torch/lib/libc10_cuda", "cuda/libc10_cuda"),
    Rule::new("torch/lib/libcaffe2_nvrtc", "cuda/libcaffe2_nvrtc"),
    Rule::new("torch/lib/libtorch_nvshmem", "cuda/libtorch_nvshmem"),
];

/// What of the toolkit's libraries no kernel of torch opens: profilers, several cards at once, other interfaces.
const UNUSED: &[&str] = &["Mg.so", "cufftw", "nvblas", ".alt.so", "nvperf", "pcsampling", "checkpoint", "/"];

const TOOLKIT: &[Rule] = &[Rule::new("nvidia/cu13/lib/lib", "cuda/lib").except(UNUSED)];
const CUDNN: &[Rule] = &[Rule::new("nvidia/cudnn/lib/lib", "cuda/lib")];
const CUSPARSELT: &[Rule] = &[Rule::new("nvidia/cusparselt/lib/lib", "cuda/lib")];
const NCCL: &[Rule] = &[Rule::new("nvidia/nccl/lib/lib", "cuda/lib")];
const NVSHMEM: &[Rule] = &[Rule::new("nvidia/nvshmem/lib/libnvshmem_host", "cuda/libnvshmem_host")];

pub(super) static LINUX_X86_64_CUDA: Bundle = Bundle {
    platform: "linux-x86_64-cuda13",
    unpacked: 3_500_000_000,
    tried: true,
    wheels: &[
        Wheel { rules: TORCH, ..LINUX_X86_64.wheels[0] },
        LINUX_X86_64.wheels[1],
        LINUX_X86_64.wheels[2],
        Wheel {
            package: "nvidia-cublas",
            version: "13.1.0.3",
            file: "nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl",
            platform: "manylinux_2_27_x86_64",
            sha256: "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
            bytes: 423_133_236,
            rules: TOOLKIT,
        },
        Wheel {
            package: "nvidia-cuda-nvrtc",
            version: "13.0.88",
            file: "nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
            platform: "manylinux_2_12_x86_64",
            sha256: "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
            bytes: 90_215_200,
            rules: TOOLKIT,
        },
        Wheel {
            package: "nvidia-cudnn-cu13",
            version: "9.19.0.56",
            file: "nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_x86_64.whl",
            platform: "manylinux_2_27_x86_64",
            sha256: "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf",
            bytes: 366_066_321,
            rules: CUDNN,
        },
        Wheel {
            package: "nvidia-cufft",
            version: "12.0.0.61",
            file: "nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            platform: "manylinux_2_17_x86_64",
            sha256: "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
            bytes: 214_085_489,
            rules: TOOLKIT,
        },
        Wheel {
            package: "nvidia-cufile",
            version: "1.15.1.6",
            file: "nvidia_cufile-1.15.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            platform: "manylinux_2_17_x86_64",
            sha256: "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
            bytes: 1_223_672,
            rules: TOOLKIT,
        },
        Wheel {
            package: "nvidia-curand",
            version: "10.4.0.35",
            file: "nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl",
            platform: "manylinux_2_27_x86_64",
            sha256: "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
            bytes: 59_544_258,
            rules: TOOLKIT,
        },
        Wheel {
            package: "nvidia-cusolver",
            version: "12.0.4.66",
            file: "nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_x86_64.whl",
            platform: "manylinux_2_27_x86_64",
            sha256: "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
            bytes: 200_941_980,
            rules: TOOLKIT,
        },
        Wheel {
            package: "nvidia-cusparse",
            version: "12.6.3.3",
            file: "nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            platform: "manylinux_2_17_x86_64",
            sha256: "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
            bytes: 145_942_937,
            rules: TOOLKIT,
        },
        Wheel {
            package: "nvidia-cusparselt-cu13",
            version: "0.8.0",
            file: "nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_x86_64.whl",
            platform: "manylinux2014_x86_64",
            sha256: "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd",
            bytes: 169_884_119,
            rules: CUSPARSELT,
        },
        Wheel {
            package: "nvidia-nccl-cu13",
            version: "2.28.9",
            file: "nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_x86_64.whl",
            platform: "manylinux_2_18_x86_64",
            sha256: "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42",
            bytes: 196_493_177,
            rules: NCCL,
        },
        Wheel {
            package: "nvidia-nvjitlink",
            version: "13.0.88",
            file: "nvidia_nvjitlink-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
            platform: "manylinux_2_12_x86_64",
            sha256: "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
            bytes: 40_713_933,
            rules: TOOLKIT,
        },
        Wheel {
            package: "nvidia-nvshmem-cu13",
            version: "3.4.5",
            file: "nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            platform: "manylinux_2_17_x86_64",
            sha256: "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
            bytes: 60_412_546,
            rules: NVSHMEM,
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_torch_are_unpacked_apart() {
        let torch = &LINUX_X86_64_CUDA.wheels[0];
        assert_eq!(torch.destination("torch/lib/libtorch_cpu.so").as_deref(), Some("lib/libtorch_cpu.so"));
        assert_eq!(torch.destination("torch/lib/libtorch_cuda.so").as_deref(), Some("cuda/libtorch_cuda.so"));
        assert_eq!(torch.destination("torch/lib/libtorch_python.so"), None);
    }

    #[test]
    fn the_cuda_half_has_what_torch_is_linked_against() {
        let goes =
            |name: &str| LINUX_X86_64_CUDA.wheels.iter().any(|wheel| wheel.destination(name).is_some());
        for library in ["cublas.so.13", "cublasLt.so.13", "cusparse.so.12", "cufft.so.12", "nvJitLink.so.13"]
        {
            assert!(goes(&format!("nvidia/cu13/lib/lib{library}")), "{library}");
        }
        for library in
            ["cudnn/lib/libcudnn.so.9", "nccl/lib/libnccl.so.2", "cusparselt/lib/libcusparseLt.so.0"]
        {
            assert!(goes(&format!("nvidia/{library}")), "{library}");
        }
        assert!(!goes("nvidia/cu13/lib/libnvrtc.alt.so.13"));
        assert_eq!(LINUX_X86_64_CUDA.wheels[0].version, LINUX_X86_64.wheels[0].version);
        assert_ne!(LINUX_X86_64_CUDA.id(), LINUX_X86_64.id());
    }
}

//! Compiles the kernels for some cards, as the product does, on a machine that needs none of them:
//! `compile FOLDER ARCH…`, where FOLDER has libnvrtc and an ARCH is `sm_90`.

use std::{env, path::PathBuf, process::ExitCode, time::Instant};

use lens_cuda::{Arch, Cache, Compiler, CudaError, Source};

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let folder = PathBuf::from(words.next().unwrap_or_default());
    let archs: Option<Vec<Arch>> = words.map(|word| arch(&word)).collect();
    match archs.filter(|archs| !archs.is_empty()) {
        None => {
            eprintln!("error: give a folder with libnvrtc, and architectures such as sm_90");
            ExitCode::FAILURE
        }
        Some(archs) => match compile(folder, &archs) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

fn arch(word: &str) -> Option<Arch> {
    let number: u32 = word.strip_prefix("sm_")?.parse().ok()?;
    Some(Arch { major: number / 10, minor: number % 10 })
}

/// Compiles every source for every architecture, through the cache and again out of it.
fn compile(folder: PathBuf, archs: &[Arch]) -> Result<(), CudaError> {
    let kept = tempfile::tempdir()
        .map_err(|error| CudaError::Call { call: "tempdir", reason: error.to_string() })?;
    let cache = Cache::new(kept.path());
    let compiler = Compiler::find(&[folder])?;
    let (major, minor) = compiler.version();
    println!(
        "NVRTC {major}.{minor}\n\n{:<8} {:<6} {:<6} {:>8} {:>8} {:>8}",
        "", "bias", "cap", "bytes", "s", "again s"
    );
    for arch in archs {
        for source in Source::all() {
            let timed = || {
                let start = Instant::now();
                let make = || compiler.compile(source, *arch);
                let code =
                    cache.code(source, *arch, compiler.version(), make, |error| eprintln!("{error}"))?;
                Ok::<_, CudaError>((code, start.elapsed().as_secs_f64()))
            };
            let ((code, first), (again, second)) = (timed()?, timed()?);
            assert_eq!(code, again, "the cache gives what it was given");
            let Source { bias, cap } = source;
            println!(
                "{:<8} {bias:<6} {cap:<6} {:>8} {first:>8.2} {second:>8.4}",
                arch.to_string(),
                code.len()
            );
        }
    }
    Ok(())
}

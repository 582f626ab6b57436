//! `seeds FOLDER`: writes the seeds and the dictionary of every target into a folder, `FOLDER/TARGET/` and
//! `FOLDER/TARGET.dict`, for libFuzzer.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from).ok_or(io::ErrorKind::InvalidInput)?;
    for target in lens_fuzz::TARGETS {
        let own = folder.join(target.name);
        fs::create_dir_all(&own)?;
        for (i, seed) in lens_fuzz::seeds::of(target.name).iter().enumerate() {
            fs::write(own.join(format!("seed-{i:02}")), seed)?;
        }
        fs::write(folder.join(format!("{}.dict", target.name)), lens_fuzz::dictionary(target.words))?;
    }
    Ok(())
}

//! libFuzzer's way to [`lens_fuzz::quantised_blocks`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: lens_fuzz::panics_as_in_life(), |data: &[u8]| lens_fuzz::quantised_blocks(data));

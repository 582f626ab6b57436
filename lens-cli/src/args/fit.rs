//! Which options of `lens run` can be followed together, where clap's own rules do not reach.

use std::path::Path;

use super::run::{GenerateArgs, RunArgs};
use crate::format::{self, RunFormat};

impl RunArgs {
    /// The one file that the results go into, where --out names one.
    pub fn out_file(&self) -> Option<&Path> {
        self.out.as_deref().filter(|path| format::of_file(path).is_some() && !path.is_dir())
    }

    /// The folder that the results go into, where --out names one.
    pub fn out_folder(&self) -> Option<&Path> {
        self.out.as_deref().filter(|_| self.out_file().is_none())
    }

    /// With the form of results that the name of their file tells.
    pub(super) fn settle(&mut self) {
        if self.format == RunFormat::Table
            && let Some(named) = self.out_file().and_then(format::of_file)
        {
            self.format = named;
        }
    }

    /// Options that cannot both be followed, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        let chat = || self.chat.contradiction(self.input.messages.is_some());
        let wrong = chat()
            .or_else(|| self.generate.contradiction())
            .or_else(|| self.fits_many())
            .or_else(|| self.fits_name());
        let wrong = wrong.or_else(|| self.fits_pictures());
        if wrong.is_some() {
            return wrong;
        }
        let option = match (self.format, self.grid, self.tables) {
            (RunFormat::Table, _, _) | (_, None, false) => return self.machine.contradiction(),
            (_, Some(_), _) => "--grid",
            (_, None, true) => "--tables",
        };
        let instead =
            if self.out_file().is_some() { "name a folder with --out" } else { "write --format table" };
        Some(format!("{option} shows results to people: leave it out, or {instead}"))
    }

    /// A file whose name says something else than the form that was asked for, or nothing that results can be.
    fn fits_name(&self) -> Option<String> {
        let out = self.out.as_deref()?;
        if format::is_misnamed(out) {
            return Some(format!(
                "{}, and a further .gz or .zst packs them; lens render makes .html, .svg, .pdf, .png, .webp, .jpg and .txt of \
                 a trace (-o trace.json), and .gif, a film, of one whose model wrote tokens (-n); {}",
                format::not_results(out, &["json", "jsonl", "csv", "parquet", "arrow"]),
                format::as_folder(out)
            ));
        }
        let file = self.out_file()?;
        let fits = match (format::of_file(file)?, self.format) {
            (RunFormat::Json, RunFormat::LogitlenskitV2) | (RunFormat::Jsonl, RunFormat::Json) => true,
            (named, asked) => named == asked,
        };
        if fits {
            return None;
        }
        Some(format!(
            "{} is not the name of a file in the form that --format asks for: leave --format out, or give another name",
            file.display()
        ))
    }

    /// Options that show or compare one run, where there are several.
    fn fits_many(&self) -> Option<String> {
        // Clap does not ask for --prompts where another input is there.
        if self.many.compare_prompts && self.input.prompts.is_none() {
            return Some("--compare-prompts compares the prompts of --prompts FILE: give one".to_owned());
        }
        let several = self.generate.trials.get() > 1;
        if self.input.prompts.is_some() {
            let instead = match () {
                () if self.compare => {
                    "--compare shows one run with its changes and without, and --prompts makes many: run the file twice, \
                     with --steer and without"
                }
                () if self.grid.is_some() => {
                    "--grid shows one run, and --prompts a line for each of many: leave out --grid, or write --format \
                     json and have lens render draw the grid of one"
                }
                () if self.tables => {
                    "--tables shows one run, and --prompts a line for each of many: leave out --tables"
                }
                () if several => "--prompts runs every prompt once: leave out --trials",
                () if self.format == RunFormat::LogitlenskitV2 => {
                    "logitlenskit's files hold one run, and --prompts makes many: write --format json, and have lens \
                     render convert one with --format logitlenskit-v2"
                }
                () if self.pictures.is_some_and(|pictures| !pictures.is_none()) => {
                    "--prompts draws no pictures: leave out --pictures, and have lens render draw those of one prompt"
                }
                () => return None,
            };
            return Some(instead.to_owned());
        }
        let one_form = self.format.flat().is_some() || self.format == RunFormat::LogitlenskitV2;
        let option = match one_form {
            true if self.compare => "--compare makes two runs",
            true if several => "--trials makes several runs",
            _ => return None,
        };
        Some(format!("{option}, and this --format holds one: leave one of them out"))
    }

    /// Pictures that have nowhere to go.
    fn fits_pictures(&self) -> Option<String> {
        let asked = self.pictures.is_some_and(|pictures| !pictures.is_none());
        (asked && self.out_folder().is_none()).then(|| {
            "--pictures says how the pictures of a results folder are drawn: name a folder with --out"
                .to_owned()
        })
    }
}

impl GenerateArgs {
    /// Options that choose among tokens, where the most probable one is taken.
    fn contradiction(&self) -> Option<String> {
        let option = match (self.temperature.0 == 0.0, self.top_p.0 < 1.0, self.top_k_sampling) {
            (true, true, _) => "--top-p",
            (true, _, Some(_)) => "--top-k-sampling",
            _ => return None,
        };
        Some(format!(
            "{option} has no effect at temperature 0, which takes the most probable token: give a --temperature \
             above 0, or leave out {option}"
        ))
    }
}

//! Other forms of a trace: logitlenskit's JSON, and the trace itself.

use anyhow::{Result, bail};
use lens_core::{Component, ComponentSelection, Site};
use lens_viz::logitlenskit::to_v2;

use super::{
    input::{Input, Run},
    part, positions,
};
use crate::{
    args::{RenderArgs, RenderFormat},
    output,
    style::Console,
};

/// Writes what was given in another form.
pub(super) fn convert(
    mut input: Input,
    format: RenderFormat,
    args: &RenderArgs,
    console: &Console,
) -> Result<()> {
    if args.format.is_none() {
        console.note("a .json file gets logitlenskit's form, version 2; --format json keeps that of lens");
    }
    let runs = match format {
        RenderFormat::LogitlenskitV2 => vec![input.only("logitlenskit's form")?],
        RenderFormat::Json => input.runs,
    };
    let component = component(args, format)?;
    let mut text = Vec::new();
    for Run { trace, .. } in runs {
        let positions = match (&args.positions, args.step) {
            (None, None) => Vec::new(),
            _ => positions(&trace, args)?,
        };
        let trace = part(trace, args, positions)?;
        match format {
            RenderFormat::LogitlenskitV2 => output::json(&mut text, &to_v2(&trace, component)?)?,
            RenderFormat::Json => output::json(&mut text, &trace)?,
        }
    }
    match args.out.as_deref() {
        Some(path) => output::write_file(path, |out| out.write_all(&text)),
        None => output::print(|out| out.write_all(&text)),
    }
}

/// The component of a form that has one a layer.
fn component(args: &RenderArgs, format: RenderFormat) -> Result<Component> {
    let names = args.components.as_ref().filter(|names| !ComponentSelection::is_all(names));
    match names.map(ComponentSelection::as_slice) {
        Some([one]) => Ok(*one),
        Some(_) if format == RenderFormat::LogitlenskitV2 => {
            bail!("logitlenskit's form has one component a layer: choose one with --components")
        }
        _ => Ok(Component::Site(Site::ResidPost)),
    }
}

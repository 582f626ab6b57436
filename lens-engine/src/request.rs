//! From the command line to a request.

use lens_cli::{
    args::{GenerateArgs, ReadArgs, RunArgs, TuiArgs},
    values::Size,
};
use lens_core::{Intervention, LensSet, Sampling, Selection};
use lens_models::{Request, session::Input};

/// What to read and write, from what was asked.
pub(crate) fn of(args: &RunArgs, lenses: &LensSet, input: Input) -> Request {
    let request = reading(&args.read, lenses, input, Selection::last()).timing(args.timing);
    let n = args.generate.max_new_tokens.map(usize::from);
    running(writing(request, &args.generate, n), args.memory_budget, &args.steer)
}

/// The same for the screen, which shows all positions and says itself how many tokens are written.
pub(crate) fn of_screen(args: &TuiArgs, lenses: &LensSet, input: Input, tokens: Option<usize>) -> Request {
    let request = reading(&args.read, lenses, input, Selection::all());
    running(writing(request, &args.generate, tokens), args.memory_budget, &args.steer)
}

/// With what memory may be taken, and what is changed on the way.
fn running(request: Request, budget: Option<Size>, changes: &[Intervention]) -> Request {
    let request = match budget {
        Some(size) => request.memory_budget(size.0.get()),
        None => request,
    };
    changes.iter().cloned().fold(request, Request::steer)
}

/// What is read, at the usual positions unless others are asked for.
fn reading(args: &ReadArgs, lenses: &LensSet, input: Input, usual: Selection) -> Request {
    let mut request = Request::new(input)
        .positions(args.positions.clone().unwrap_or(usual))
        .layers(args.layers.clone())
        .components(args.components.clone())
        .norm(args.norm)
        .lenses(lenses.clone())
        .important_above(args.threshold.0);
    if let Some(names) = args.statistics {
        request = request.statistics(names.0);
    }
    request = request.distances(args.distances);
    if let Some(token) = &args.versus {
        request = request.versus(token.into());
    }
    if let Some(k) = args.top_k {
        request = request.top_k(k.get());
    }
    args.targets.iter().fold(request, |request, target| request.target(target.into()))
}

/// Up to `tokens` tokens are written after the prompt.
fn writing(request: Request, generate: &GenerateArgs, tokens: Option<usize>) -> Request {
    let sampling = Sampling::default()
        .with_temperature(generate.temperature.0)
        .with_top_p(generate.top_p.0)
        .with_top_k(generate.top_k_sampling)
        .with_seed(generate.seed);
    let request = request.sampling(sampling);
    let request = match tokens {
        Some(n) => request.max_new_tokens(n),
        None => request,
    };
    generate.stop.iter().fold(request, |request, stop| request.stop(&stop.0))
}

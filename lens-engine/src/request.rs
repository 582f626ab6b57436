//! From the command line to a request.

use lens_cli::args::RunArgs;
use lens_core::{LensSet, Sampling};
use lens_models::{Request, session::Input};

/// What to read and write, from what was asked.
pub(crate) fn of(args: &RunArgs, lenses: &LensSet, input: Input) -> Request {
    let mut request = Request::new(input)
        .layers(args.layers.clone())
        .components(args.components.clone())
        .positions(args.positions.clone())
        .norm(args.norm)
        .lenses(lenses.clone())
        .important_above(args.threshold.0)
        .timing(args.timing);
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
    if let Some(size) = args.memory_budget {
        request = request.memory_budget(size.0.get());
    }
    request = args.targets.iter().fold(request, |request, target| request.target(target.into()));
    let generate = &args.generate;
    let sampling = Sampling::default()
        .with_temperature(generate.temperature.0)
        .with_top_p(generate.top_p.0)
        .with_top_k(generate.top_k_sampling)
        .with_seed(generate.seed);
    request = request.sampling(sampling);
    if let Some(n) = generate.max_new_tokens {
        request = request.max_new_tokens(n.get());
    }
    request = generate.stop.iter().fold(request, |request, stop| request.stop(&stop.0));
    args.steer.iter().cloned().fold(request, Request::steer)
}

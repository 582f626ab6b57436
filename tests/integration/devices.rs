//! Where a model's parts are, and what decodes its readouts, changes nothing about what is read.
//!
//! The default run has no card. `cpu:1` is the processor under another name: every value that crosses is copied as
//! between two devices. libtorch's readout, which cards use, runs on the processor as well.

use std::num::NonZeroUsize;

use lens_core::{
    Backend as _, Column, Forward, Generate, Lens, LensChoice, LensMap, LensSet, Next, Plan, PointSet,
    Provenance, Question, ReadRequest, Reading, Readout, Selection, Site, Statistic, StatisticSet,
    Translator,
};
use lens_models::{
    Decoder, LoadOptions, ModelError, ReadoutPath, Request, Session, StoredDtype,
    device::{OnTorch as _, Place},
};
use lens_tests::{Golden, checkpoint, checkpoint_names, decoder, load};

/// A fixture in float32, its parts placed by `map`.
fn mapped(name: &str, map: &str) -> Result<Decoder, ModelError> {
    let map = map.parse().unwrap_or_else(|error| panic!("{map}: {error}"));
    let options = LoadOptions::default().with_dtype(Some(StoredDtype::F32)).with_map(map);
    Decoder::load(checkpoint(name, None), &options)
}

/// Every position, with all statistics.
fn everything() -> Plan {
    let mut plan = Plan::default().with_positions(Selection::all());
    plan.question.statistics = StatisticSet::all();
    plan
}

fn read(model: &mut Decoder, name: &str) -> Reading {
    Lens::new(model)
        .read(&Golden::of(name).tokens, &everything())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_model_in_two_places_reads_as_in_one() {
    for name in checkpoint_names() {
        let mut model = mapped(&name, "embed=cpu,0=cpu:1,unembed=cpu:2,rest=cpu").unwrap();
        assert!(model.placement().places().contains(&Place::Cpu(1)), "{name}");
        let placed = read(&mut model, &name);
        let together = read(&mut decoder(&name), &name);
        assert_eq!(placed.finals, together.finals, "{name}");
        assert_eq!(placed.readouts, together.readouts, "{name}");
    }
}

#[test]
fn a_model_in_two_places_writes_what_it_writes_in_one() {
    for name in ["llama31", "gemma2", "qwen3_moe", "falcon_rw", "gpt_neox"] {
        let tokens = &Golden::of(name).tokens[..6];
        let ask = Generate::greedy(NonZeroUsize::MIN.saturating_add(7));
        let write = |mut model: Decoder| {
            let generated = Lens::new(&mut model).generate(tokens, &Plan::default(), &ask, |_| None);
            generated.unwrap_or_else(|error| panic!("{name}: {error}")).continuation.steps
        };
        assert_eq!(write(mapped(name, "0=cpu,rest=cpu:1").unwrap()), write(decoder(name)), "{name}");
    }
}

#[test]
fn steering_reaches_every_place() {
    let steered = |map: &str| {
        let map = map.parse().unwrap();
        let options = LoadOptions::default().with_map(map);
        let mut session = Session::new(lens_models::demo::checkpoint().unwrap(), options).unwrap();
        let changes = ["L1.attn_out += 2*@'Italy'", "L5.z.h1 = 0", "L6.resid_post *= 1.5"];
        let request = Request::text("The capital of France is");
        let request = changes.iter().fold(request, |request, change| request.steer(change.parse().unwrap()));
        session.run(&request).unwrap()
    };
    let (placed, together) = (steered("0-3=cpu,4-7=cpu:1"), steered("rest=cpu"));
    assert_eq!(placed.readouts, together.readouts);
    assert_eq!(placed.model.device, "embed=cpu,0-3=cpu,4-7=cpu:1,unembed=cpu:1");
    assert_eq!(together.model.device, "cpu");
}

/// The worst difference of a statistic, and where.
fn compare(name: &str, device: &Readout, host: &Readout, place: &str) {
    let tolerance = 2e-4;
    let close = |what: &str, a: Option<f64>, b: Option<f64>| match (a, b) {
        (None, None) => {}
        (Some(a), Some(b)) => assert!((a - b).abs() <= tolerance, "{name}, {place}: {what} {a} and {b}"),
        _ => panic!("{name}, {place}: {what} {a:?} and {b:?}"),
    };
    close("log-sum-exp", Some(device.log_sum_exp), Some(host.log_sum_exp));
    // A rank may differ where two logits are equal up to rounding.
    for statistic in Statistic::ALL.into_iter().filter(|statistic| *statistic != Statistic::RankOfFinal) {
        close(statistic.name(), device.get(statistic), host.get(statistic));
    }
    assert_eq!(device.top.len(), host.top.len(), "{name}, {place}");
    for (a, b) in device.top.iter().zip(&host.top) {
        close("a logit", Some(a.logit.into()), Some(b.logit.into()));
    }
    for a in &device.tracked {
        // Equals up to rounding may be top-1 on one side only.
        let held = host.top.iter().chain(&host.tracked).find(|b| b.id == a.id);
        if let Some(b) = held {
            close("a tracked logit", Some(a.logit.into()), Some(b.logit.into()));
        }
    }
    assert_eq!(
        device.statistics.whole(Statistic::RankOfFinal).is_some(),
        host.statistics.whole(Statistic::RankOfFinal).is_some(),
        "{name}, {place}"
    );
}

#[test]
fn libtorch_decodes_as_the_host_does_on_every_family() {
    for name in checkpoint_names() {
        for dtype in [Some(StoredDtype::F32), None] {
            let options = LoadOptions::default().with_dtype(dtype).with_readout(ReadoutPath::Device);
            let mut on_device = Decoder::load(checkpoint(&name, None), &options).unwrap();
            let (device, host) = (read(&mut on_device, &name), read(&mut load(&name, dtype), &name));
            assert!(device.self_check.is_some_and(|check| check.passed), "{name}: {:?}", device.self_check);
            for (i, (a, b)) in device.readouts.iter().zip(&host.readouts).enumerate() {
                compare(&name, a, b, &format!("readout {i}"));
            }
            for (a, b) in device.finals.iter().zip(&host.finals) {
                compare(&name, &a.readout, &b.readout, &format!("final readout of position {}", a.position));
                assert_eq!(a.readout.top1(), b.readout.top1(), "{name}");
            }
        }
    }
}

/// A tuned and a Jacobian lens without a pattern for a model of this shape.
fn lenses(n_layers: u16, d_model: usize) -> LensSet {
    let values = |n: usize, seed: u32, size: f32| -> Vec<f32> {
        (0..n as u32).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 * size - size).collect()
    };
    let size = 1.0 / (d_model as f32).sqrt();
    let map = |layer: u16, bias: bool| {
        let seed = u32::from(layer) + 100 * u32::from(bias);
        let bias_values = bias.then(|| values(d_model, seed + 50, 0.1));
        (
            layer,
            LensMap::new(d_model, values(d_model * d_model, seed, size), bias_values, bias)
                .expect("the shapes fit"),
        )
    };
    let maps = |bias| (0..n_layers).map(move |layer| map(layer, bias));
    let tuned = Translator::tuned(d_model, maps(true), Provenance::default()).expect("the shapes fit");
    let jacobian = Translator::jacobian(d_model, Site::ResidPost, maps(false), Provenance::default())
        .expect("the shapes fit");
    let translated = [tuned, jacobian].map(|lens| LensChoice::Translated(lens.into()));
    LensSet::new([LensChoice::Logit].into_iter().chain(translated)).expect("the shapes fit")
}

/// Every point that each lens reads, and what its formula makes of the captured vector in float64.
#[test]
fn lenses_read_what_their_formulas_say_on_host_and_device() {
    for name in ["gpt2", "llama31", "gemma2"] {
        for (path, dtype) in [
            (ReadoutPath::ByPlace, StoredDtype::F32),
            (ReadoutPath::Device, StoredDtype::F32),
            (ReadoutPath::ByPlace, StoredDtype::Bf16),
        ] {
            let options = LoadOptions::default().with_dtype(Some(dtype)).with_readout(path);
            let mut model = Decoder::load(checkpoint(name, None), &options).unwrap();
            let (n_layers, d) = (model.info().n_layers, model.info().d_model);
            let set = lenses(n_layers, d);
            let mut plan = everything();
            plan.lenses = set.clone();
            let tokens = &Golden::of(name).tokens;
            let reading = Lens::new(&mut model).read(tokens, &plan).unwrap();
            let points: PointSet = reading.points.iter().copied().collect();
            let rows: Vec<usize> = (0..tokens.len()).collect();
            let step = Forward::new(tokens, &points, &rows);
            let captured = model.forward(&step).unwrap();
            let last = captured.last().unwrap();
            let mut compared = 0;
            for (lens, (_, choice)) in set.iter().enumerate() {
                let Some(translator) = choice.translator() else { continue };
                for point in translator.points() {
                    let mut values = Vec::new();
                    model
                        .rows(&captured[points.index_of(point).unwrap()], 0..tokens.len(), &mut values)
                        .unwrap();
                    let mapped = formula(translator.map(point).unwrap(), &values);
                    let mapped = tch::Tensor::from_slice(&mapped).view([-1, d as i64]);
                    let hidden = [Column::plain(point, &mapped).translated(Some("x"))];
                    let (next, ask) = (vec![Next::Nothing; rows.len()], Question::default().with_tracked(0));
                    let request = ReadRequest::new(&hidden, last, &rows, &next, &ask);
                    for (position, right) in model.read(&request).unwrap().points.iter().enumerate() {
                        let mut here = reading.all_at(position);
                        let (.., got) = here.find(|(l, p, _)| (*l, *p) == (lens, point)).unwrap();
                        let place =
                            format!("lens {lens} at {point}, position {position}, {path:?} {dtype:?}");
                        let length = |readout: &Readout| readout.log_sum_exp;
                        let tolerance = if dtype == StoredDtype::F32 { 2e-4 } else { 2e-2 };
                        assert!((length(got) - length(right)).abs() <= tolerance, "{name}, {place}");
                        for (a, b) in got.top.iter().zip(&right.top) {
                            assert!(
                                (a.logit - b.logit).abs() <= tolerance as f32,
                                "{name}, {place}: {a:?} {b:?}"
                            );
                        }
                        compared += 1;
                    }
                }
            }
            assert_eq!(compared, 2 * usize::from(n_layers) * tokens.len());
        }
    }
}

/// A lens's formula in float64, row by row, rounded to float32 at the end.
fn formula(map: &LensMap, rows: &[f32]) -> Vec<f32> {
    let d = map.d_model();
    let row = |x: &[f32]| -> Vec<f32> {
        (0..d)
            .map(|i| {
                let weights = &map.weight()[i * d..][..d];
                let product: f64 = weights.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                let bias = map.bias().map_or(0.0, |bias| f64::from(bias[i]));
                let own = if map.is_residual() { f64::from(x[i]) } else { 0.0 };
                (own + product + bias) as f32
            })
            .collect()
    };
    rows.chunks_exact(d).flat_map(row).collect()
}

#[test]
fn a_map_that_does_not_fit_is_refused_before_anything_is_loaded() {
    let refusal = |map: &str| mapped("llama2", map).err().expect("it does not fit").to_string();
    let n_layers = decoder("llama2").spec().layers.len();
    assert!(refusal(&format!("0-{n_layers}=cpu")).contains(&format!("names layer {n_layers}")));
    assert!(refusal("0=cpu").contains("does not say where layer 1 goes"));
}

#[test]
fn a_missing_card_is_said_with_what_to_do() {
    // On a machine with a card there is nothing to say.
    if let Err(error) = Place::Cuda(0).prepare() {
        let said = error.to_string();
        assert!(said.starts_with("the device cuda:0 cannot be used: "), "{said}");
        let helps = ["LENS_LIBTORCH", "NVIDIA driver", "driver of version"];
        assert!(helps.iter().any(|help| said.contains(help)), "{said}");
    }
    let error = mapped("llama2", "0=cuda:200,rest=cpu").err().expect("nobody has so many cards").to_string();
    assert!(error.contains("cuda:200 cannot be used"), "{error}");
}

//! From a statistic to a colour.

use lens_core::{Closer, Range};

use super::{
    PictureError, PictureOptions,
    axis::{decades, linear_ticks, round_down, round_up, short},
    spread::{Order, Spread, lowest, written},
};
use crate::{
    measure::Measure,
    models::number,
    ramp::{Ramp, Rgb, diverging},
};

/// A scale that ends below this has ticks that four decimals could not tell apart.
const SMALL: f64 = 0.002;

/// A statistic's values as colours. The light end is where the model is sure, or says what it says in the end.
#[derive(Clone)]
pub(crate) struct Scale {
    /// What the colours stand for, and the unit.
    pub(crate) name: String,
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Whether a small value is light.
    reversed: bool,
    /// A number of the statistic times this is what is written.
    unit: f64,
    colours: Colours,
    /// The values that are shown, where the colours follow their order.
    order: Option<Order>,
    /// How the colours are spread, where that is not as usual.
    spread: Spread,
}

/// The colours of a scale from its lower to its upper end.
#[derive(Clone, Copy)]
enum Colours {
    /// From dark to light.
    Sequential(Ramp),
    /// From one hue to another, with zero colourless in the middle.
    Diverging,
}

impl Scale {
    /// The scale of a statistic; `values` are those that will be shown. They matter for logits, which have no bounds
    /// of their own, and for ranks and entropies where the size of the vocabulary is not known (`n_vocab` is 0).
    pub(crate) fn new(
        measure: Measure,
        n_vocab: usize,
        values: impl Iterator<Item = f64>,
        options: &PictureOptions,
    ) -> Result<Self, PictureError> {
        let shown: Vec<f64> = values.collect();
        let values = shown.iter().copied();
        let known = (n_vocab > 0).then(|| n_vocab.max(2) as f64);
        let largest = |values| span(values).1;
        let (range, reversed) = match measure {
            Measure::Probability => (Range::Linear(0.0, 1.0), false),
            Measure::Logit => (Range::Observed, false),
            Measure::Of(statistic) => (statistic.range(), statistic.closer() == Closer::Smaller),
        };
        let ((low, high), logarithmic) = match range {
            Range::Linear(low, high) => ((low, high), false),
            Range::Logarithmic(low, high) => ((low, high), true),
            Range::VocabularyNats => ((0.0, known.map_or_else(|| largest(values), f64::ln)), false),
            Range::VocabularyRanks => ((1.0, known.unwrap_or_else(|| largest(values).max(2.0))), true),
            // A range of a later kind is at least what is there.
            _ => (span(values), false),
        };
        // Cells say probabilities in percent, and so does their legend.
        let unit = if measure == Measure::Probability { 100.0 } else { 1.0 };
        let (name, colours) = (measure.describe(None), Colours::Sequential(options.ramp));
        let (order, spread) = (None, options.spread);
        let mut scale = Self { name, low, high, logarithmic, reversed, unit, colours, order, spread };
        if let Some((low, high)) = options.range {
            if logarithmic && low <= 0.0 {
                return Err(PictureError::Range { low, high, least: Some(f32::MIN_POSITIVE) });
            }
            (scale.low, scale.high) = (f64::from(low), f64::from(high));
        }
        scale.spread_over(&shown, measure, options)
    }

    /// Spreads the colours as `options` ask for.
    fn spread_over(
        mut self,
        shown: &[f64],
        measure: Measure,
        options: &PictureOptions,
    ) -> Result<Self, PictureError> {
        match options.spread {
            Spread::Usual => {}
            Spread::Linear => self.logarithmic = false,
            Spread::Log if self.logarithmic => {}
            Spread::Log => {
                let negative = || PictureError::Logarithm { what: measure.describe(None) };
                let lowest = lowest(shown, self.high).ok_or_else(negative)?;
                self.logarithmic = true;
                if options.range.is_none() || self.low <= 0.0 {
                    self.low = lowest;
                }
            }
            Spread::Quantile => {
                if let Some((low, high)) = options.range {
                    return Err(PictureError::RangeOfOrder { low, high });
                }
                self.order = Some(Order::of(shown));
            }
        }
        let name = self.name.clone();
        Ok(self.named(&name))
    }

    /// The scale of differences: zero in the middle, and as far to both sides as the values or `options` reach.
    pub(crate) fn diverging(
        name: &str,
        values: impl Iterator<Item = f64>,
        options: &PictureOptions,
    ) -> Result<Self, PictureError> {
        let furthest =
            values.filter(|value| value.is_finite()).fold(0.0_f64, |most, value| most.max(value.abs()));
        let mut most = if furthest > 0.0 { round_up(furthest) } else { 1.0 };
        if let Some((low, high)) = options.range {
            if low != -high {
                return Err(PictureError::Uncentred { low, high });
            }
            most = f64::from(high);
        }
        Ok(Self {
            name: name.to_owned(),
            low: -most,
            high: most,
            logarithmic: false,
            reversed: false,
            unit: 1.0,
            colours: Colours::Diverging,
            order: None,
            spread: Spread::Usual,
        })
    }

    /// The scale of distances: zero is light, and the dark end as far as the values or `options` reach.
    pub(crate) fn from_zero(name: &str, values: impl Iterator<Item = f64>, options: &PictureOptions) -> Self {
        let furthest = values.filter(|value| value.is_finite()).fold(0.0_f64, f64::max);
        let (mut low, mut high) = (0.0, if furthest > 0.0 { round_up(furthest) } else { 1.0 });
        if let Some((asked_low, asked_high)) = options.range {
            (low, high) = (f64::from(asked_low), f64::from(asked_high));
        }
        let colours = Colours::Sequential(options.ramp);
        let name = name.to_owned();
        let (order, spread) = (None, Spread::Usual);
        Self { name, low, high, logarithmic: false, reversed: true, unit: 1.0, colours, order, spread }
    }

    /// Whether the colours stand for differences.
    pub(crate) fn is_diverging(&self) -> bool {
        matches!(self.colours, Colours::Diverging)
    }

    /// The same scale under another name.
    pub(crate) fn named(self, name: &str) -> Self {
        let how = match self.spread {
            Spread::Usual => "",
            Spread::Linear => ", linear",
            Spread::Log => ", logarithmic",
            Spread::Quantile => ", by order",
        };
        Self { name: format!("{name}{how}"), ..self }
    }

    /// Where a value lies between the ends of the scale, as it is drawn from dark to light.
    pub(crate) fn share(&self, value: f64) -> f64 {
        if let Some(order) = &self.order {
            let share = order.share(value);
            return if self.reversed { 1.0 - share } else { share };
        }
        let of = |value: f64| if self.logarithmic { value.max(f64::MIN_POSITIVE).ln() } else { value };
        let (low, high) = (of(self.low), of(self.high));
        let share = ((of(value) - low) / (high - low)).clamp(0.0, 1.0);
        if self.reversed { 1.0 - share } else { share }
    }

    pub(crate) fn colour(&self, value: f64) -> Rgb {
        self.at_share(self.share(value))
    }

    pub(crate) fn at_share(&self, share: f64) -> Rgb {
        match self.colours {
            Colours::Sequential(ramp) => ramp.at(share as f32),
            Colours::Diverging => diverging(2.0 * share as f32 - 1.0),
        }
    }

    /// The values at the dark and the light end of the colours, as text.
    pub(crate) fn ends(&self) -> (String, String) {
        let of_order = self.order.as_ref().map(Order::quarters).unwrap_or_default();
        let (low, high) = match of_order.as_slice() {
            [(_, low), .., (_, high)] => (*low, *high),
            _ => (self.low, self.high),
        };
        let (low, high) = (self.written(low), self.written(high));
        if self.reversed { (high, low) } else { (low, high) }
    }

    /// Numbers to write under the bar of colours, each with its place on the bar from 0 to 1.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        if let Some(order) = &self.order {
            let place = |share: f64| if self.reversed { 1.0 - share } else { share };
            let quarters = order.quarters().into_iter();
            return quarters.map(|(share, value)| (place(share), self.written(value))).collect();
        }
        let ticks = if self.logarithmic {
            decades(self.low, self.high)
        } else {
            linear_ticks(self.low, self.high, 5)
        };
        ticks.into_iter().map(|tick| (self.share(tick), self.written(tick))).collect()
    }

    /// A value as it is written at the bar of colours.
    fn written(&self, value: f64) -> String {
        let value = value * self.unit;
        if self.spread != Spread::Usual {
            return written(value);
        }
        // Where the whole scale is too small for a few decimals, all of it is written in powers of ten.
        if self.high.abs() * self.unit < SMALL && !self.logarithmic { number(value) } else { short(value) }
    }
}

/// Round numbers around the values.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let (low, high) = (round_down(low), round_up(high));
    if low < high { (low, high) } else { (low - 1.0, high + 1.0) }
}

#[cfg(test)]
mod tests {
    use lens_core::Statistic;

    use super::*;

    fn is_observed(measure: Measure) -> bool {
        match measure {
            Measure::Logit => true,
            Measure::Of(statistic) => statistic.range() == Range::Observed,
            _ => false,
        }
    }

    fn scale(measure: Measure, values: &[f64]) -> Scale {
        Scale::new(measure, 1000, values.iter().copied(), &PictureOptions::default()).unwrap()
    }

    #[test]
    fn the_light_end_is_where_the_model_is_sure() {
        let light = Ramp::Viridis.at(1.0);
        for (measure, value) in [
            (Measure::Probability, 1.0),
            (Measure::Of(Statistic::RankOfFinal), 1.0),
            (Measure::Of(Statistic::KlToFinal), 0.0),
            (Measure::Of(Statistic::Entropy), 0.0),
        ] {
            assert_eq!(scale(measure, &[]).colour(value), light, "{measure}");
        }
        assert_eq!(
            scale(Measure::Of(Statistic::KlToFinal), &[]).colour(-1e-9),
            light,
            "a rounding error below zero"
        );
    }

    #[test]
    fn scales_are_the_same_for_every_trace_but_for_logits() {
        let observed: Vec<Measure> =
            Measure::all().into_iter().filter(|measure| is_observed(*measure)).collect();
        for measure in Measure::all() {
            let same = scale(measure, &[0.2]).ticks() == scale(measure, &[7.0, 19.0]).ticks();
            assert_eq!(same, !observed.contains(&measure), "{measure}");
        }
    }

    #[test]
    fn what_is_no_number_has_a_colour_too() {
        for measure in Measure::all() {
            let scale = scale(measure, &[f64::NAN, f64::INFINITY, 3.0, 3.0]);
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0] {
                scale.colour(value);
            }
            assert!(scale.ticks().len() > 1, "{measure}");
        }
    }

    #[test]
    fn differences_are_centred_at_zero() {
        let scale = |values: &[f64]| {
            Scale::diverging("x", values.iter().copied(), &PictureOptions::default()).unwrap()
        };
        for values in [&[0.3, -0.017][..], &[-4.2], &[0.0], &[f64::NAN]] {
            let scale = scale(values);
            assert_eq!((scale.share(0.0), scale.colour(0.0)), (0.5, diverging(0.0)));
            assert!(scale.ticks().iter().any(|(share, tick)| *share == 0.5 && tick == "0"));
        }
        assert_eq!(scale(&[-4.2]).colour(-4.5), diverging(-1.0));
        let options = PictureOptions { range: Some((-1.0, 2.0)), ..PictureOptions::default() };
        let error = Scale::diverging("x", std::iter::empty(), &options).err().unwrap();
        assert!(error.to_string().contains("-2 to 2"), "{error}");
    }

    #[test]
    fn distances_are_light_at_zero_and_small_ones_have_ticks_that_differ() {
        for most in [3.0, 0.02, 0.00027, 1e-9] {
            let scale = Scale::from_zero("x", [most, 0.0].into_iter(), &PictureOptions::default());
            assert_eq!((scale.share(0.0), scale.colour(0.0)), (1.0, Ramp::Viridis.at(1.0)));
            assert!(scale.share(most) < 0.4, "{most}");
            let ticks: Vec<String> = scale.ticks().into_iter().map(|(_, tick)| tick).collect();
            let different: std::collections::BTreeSet<&String> = ticks.iter().collect();
            assert_eq!(ticks.len(), different.len(), "{ticks:?}");
        }
        let nothing = Scale::from_zero("x", [0.0].into_iter(), &PictureOptions::default());
        assert_eq!(nothing.share(0.0), 1.0);
    }

    #[test]
    fn colours_are_spread_as_asked() {
        let spread = |spread, measure, values: &[f64]| {
            let options = PictureOptions { spread, ..PictureOptions::default() };
            Scale::new(measure, 1000, values.iter().copied(), &options)
        };
        let values = [0.0, 0.0004, 0.02, 0.02, 1.0];
        let log = spread(Spread::Log, Measure::Probability, &values).unwrap();
        assert_eq!((log.share(0.0), log.share(1.0)), (0.0, 1.0));
        assert!((log.share(0.01) - 0.5).abs() < 1e-9, "{}", log.share(0.01));
        let ticks: Vec<String> = log.ticks().into_iter().map(|(_, tick)| tick).collect();
        assert_eq!(ticks, ["0.01", "0.1", "1", "10", "100"]);
        assert!(log.name.ends_with(", logarithmic") && log.named("x").name == "x, logarithmic");

        let order = spread(Spread::Quantile, Measure::Probability, &values).unwrap();
        assert_eq!(values.map(|value| order.share(value)), [0.0, 0.25, 0.625, 0.625, 1.0]);
        assert_eq!(order.ends(), ("0".to_owned(), "100".to_owned()));
        // The light end is where the model is sure, in whatever order.
        let entropy = spread(Spread::Quantile, Measure::Of(Statistic::Entropy), &[0.1, 2.0]).unwrap();
        assert_eq!((entropy.share(0.1), entropy.share(2.0)), (1.0, 0.0));
        assert_eq!(entropy.ticks().first().map(|(share, _)| *share), Some(1.0));

        let negative = spread(Spread::Log, Measure::Logit, &[-1.0, 2.0]).err().unwrap();
        assert!(negative.to_string().contains("no logarithmic colours"), "{negative}");
        for values in [&values[..], &[1.0, 1.0, 1.0, 0.2, 0.1, 1.0], &[0.3]] {
            let order = spread(Spread::Quantile, Measure::Probability, values).unwrap();
            for (place, tick) in order.ticks() {
                let value = tick.parse::<f64>().unwrap() / 100.0;
                assert!((order.share(value) - place).abs() < 1e-9, "{tick} at {place}");
            }
        }
        let usual = Measure::Of(Statistic::RankOfFinal);
        let linear = spread(Spread::Linear, usual, &[3.0]).unwrap();
        assert!((linear.share(500.5) - 0.5).abs() < 1e-9);
        let same = |how| spread(how, usual, &[3.0]).unwrap().ticks();
        assert_eq!(same(Spread::Log), same(Spread::Usual), "ranks have such a scale already");
        let range =
            PictureOptions { spread: Spread::Quantile, range: Some((0.0, 1.0)), ..Default::default() };
        assert!(Scale::new(Measure::Probability, 0, std::iter::empty(), &range).is_err());
        for how in [Spread::Log, Spread::Quantile] {
            for values in [&[][..], &[f64::NAN], &[0.0, 0.0], &[0.5]] {
                let scale = spread(how, Measure::Probability, values).unwrap();
                for value in [f64::NAN, f64::INFINITY, -1.0, 0.0, 0.5, 1.0] {
                    scale.colour(value);
                }
            }
        }
    }

    #[test]
    fn a_logarithmic_scale_does_not_begin_at_zero() {
        let options = PictureOptions { range: Some((0.0, 10.0)), ..PictureOptions::default() };
        let error =
            Scale::new(Measure::Of(Statistic::KlToFinal), 10, std::iter::empty(), &options).err().unwrap();
        assert!(error.to_string().contains("of at least"), "{error}");
        assert!(Scale::new(Measure::Of(Statistic::Entropy), 10, std::iter::empty(), &options).is_ok());
    }
}

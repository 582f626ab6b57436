//! Rotary embeddings in config.json: two generations of spelling, and each family's defaults.

use serde_json::Value;

use super::{Config, ConfigError};
use crate::spec::{Pairing, Rope, RopeScaling};

/// The usual names of the base and of the share that rotates.
const USUAL: [&str; 2] = ["rope_theta", "partial_rotary_factor"];

/// What a family knows of its rotary embedding before the config speaks.
#[derive(Debug, Clone, Copy)]
pub struct RopeQuery {
    /// Width of a head.
    pub d_head: usize,
    /// Base, where the config has none.
    pub theta: f64,
    /// Share of a head's dimensions that rotates, where the config says nothing; `None` in a family that rotates all
    /// of them whatever the config says.
    pub partial: Option<f64>,
    /// Names of base and share at the top of the config, where the family has its own: its class in transformers then
    /// overwrites the usual keys with these, whatever the config says there.
    pub names: [&'static str; 2],
    /// Whether an odd number of dimensions rotates as the next even one does, with the frequencies of the odd one.
    pub rounds_up: bool,
    /// Which dimensions turn together.
    pub pairing: Pairing,
    /// The kind of layer, where kinds rotate differently.
    pub layer_type: Option<&'static str>,
}

impl RopeQuery {
    /// Llama's rotary embedding: all of a head in half-split pairs.
    pub fn new(d_head: usize, theta: f64) -> Self {
        Self {
            d_head,
            theta,
            partial: None,
            names: USUAL,
            rounds_up: false,
            pairing: Pairing::HalfSplit,
            layer_type: None,
        }
    }

    /// This query, with the share of a head's dimensions, from 0 to 1, that rotates unless the config names another.
    pub fn partial(self, share: f64) -> Self {
        Self { partial: Some(share), ..self }
    }
}

impl Config<'_> {
    /// The rotary embedding, from either generation's spelling.
    ///
    /// # Errors
    /// When a key is missing or wrong, or the `rope_type` is unknown.
    pub fn rope(&self, query: &RopeQuery) -> Result<Rope, ConfigError> {
        let inner = self.rope_section(query.layer_type)?;
        let lookup = |which: usize, default: f64| -> Result<f64, ConfigError> {
            let (usual, own) = (USUAL[which], query.names[which]);
            let mut found = None;
            for (section, key) in inner.map(|inner| (inner, usual)).into_iter().chain([(*self, own)]) {
                // The same number in a second place says nothing new; another number is left unread.
                match found {
                    None => {
                        section.refuse_null(key, "a number above zero")?;
                        found = section.positive(key)?;
                    }
                    Some(found) => section.pass_over_number(key, found),
                }
            }
            let found = found.unwrap_or(default);
            self.pass_over_number(usual, found);
            Ok(found)
        };
        let theta = lookup(0, query.theta)?;
        self.is_base(query.names[0], theta)?;
        let partial = query.partial.map_or(Ok(1.0), |share| lookup(1, share))?;
        let dims = (query.d_head as f64 * partial) as usize;
        self.rotates(query, dims)?;
        let scaling = match inner {
            None => RopeScaling::Default,
            Some(inner) => self.rope_scaling(&inner, query, dims)?,
        };
        Ok(Rope { theta, dims, pairing: query.pairing, scaling })
    }

    /// The base of a rotation under a key of a family's own; silence is `default`, and null is an error.
    ///
    /// # Errors
    /// When it is no number from 1.
    pub fn rope_base_or(&self, key: &'static str, default: f64) -> Result<f64, ConfigError> {
        let base = self.positive_or(key, default)?;
        self.is_base(key, base)?;
        Ok(base)
    }

    /// From one: with a smaller base, rotations would grow faster and faster from one pair of dimensions to the next.
    fn is_base(&self, key: &str, base: f64) -> Result<(), ConfigError> {
        if base < 1.0 { Err(self.wrong(key, "a number from 1", &Value::from(base))) } else { Ok(()) }
    }

    /// The factor that YaRN's `mscale_all_dim` puts on attention scores, in families that read it there: the square of
    /// the temperature (DeepSeek-AI 2024; Peng et al. 2023, eq. 22). One where there is none.
    ///
    /// # Errors
    /// When a key is wrong, or `factor` is missing beside it.
    pub fn score_factor(&self) -> Result<f64, ConfigError> {
        let Some(inner) = self.rope_section(None)? else { return Ok(1.0) };
        if inner.rope_type()? == "default" {
            return Ok(1.0);
        }
        let Some(mscale) = nonzero(&inner, "mscale_all_dim")? else { return Ok(1.0) };
        let factor = inner.positive("factor")?.ok_or_else(|| inner.missing("factor"))?;
        Ok(temperature(factor, mscale).powi(2))
    }

    /// Whether `dims` dimensions of a head can rotate.
    fn rotates(&self, query: &RopeQuery, dims: usize) -> Result<(), ConfigError> {
        let fits = dims.checked_add(dims % 2).is_some_and(|even| even <= query.d_head);
        let why = if dims == 0 || !fits {
            "there must be at least one pair of them, and no more than the head has"
        } else if !query.rounds_up && !dims.is_multiple_of(2) {
            "they turn in pairs, so that their number must be even in this family"
        } else {
            return Ok(());
        };
        let what = format!("{dims} rotated dimensions of a head of {}: {why}", query.d_head);
        Err(ConfigError::Inconsistent { what })
    }

    /// The object that describes the rotation of a kind of layer. A non-empty `rope_scaling` wins over
    /// `rope_parameters`, as in transformers.
    fn rope_section(&self, layer_type: Option<&'static str>) -> Result<Option<Config<'_>>, ConfigError> {
        let newer = self.object("rope_parameters")?;
        if let (Some(kind), Some(newer)) = (layer_type, newer)
            && newer.keys.contains_key(kind)
        {
            return newer.object(kind);
        }
        Ok(self.object("rope_scaling")?.or(newer))
    }

    /// What kind of rotation a section describes. One with nothing but a base, or a share, needs no name.
    fn rope_type(&self) -> Result<&str, ConfigError> {
        const NAMELESS: [&str; 2] = ["rope_theta", "partial_rotary_factor"];
        let older = self.text("type")?;
        if let Some(kind) = self.text("rope_type")?.or(older) {
            return Ok(kind);
        }
        let told = |(key, value): (&String, &Value)| !NAMELESS.contains(&key.as_str()) && !value.is_null();
        if self.keys.iter().any(told) { Err(self.missing("rope_type")) } else { Ok("default") }
    }

    fn rope_scaling(
        &self,
        inner: &Config<'_>,
        query: &RopeQuery,
        dims: usize,
    ) -> Result<RopeScaling, ConfigError> {
        let kind = inner.rope_type()?;
        let required = |key| inner.positive(key)?.ok_or_else(|| inner.missing(key));
        let factor = || required("factor");
        match kind {
            // Positions in three dimensions are ordinary ones where there is only text.
            "default" | "mrope" => Ok(RopeScaling::Default),
            "yarn" | "longrope" | "su" if !dims.is_multiple_of(2) => Err(ConfigError::Inconsistent {
                what: format!("{kind} on {dims} rotated dimensions: their number must be even"),
            }),
            // A share of the dimensions turns here in a way that leaves the others among them.
            "proportional" if query.partial.is_none() => {
                let share = inner.positive("partial_rotary_factor")?.unwrap_or(1.0);
                let pairs = (share * dims as f64 / 2.0) as usize;
                if pairs > dims / 2 {
                    let what =
                        format!("partial_rotary_factor is {share}: more than all dimensions of a head");
                    return Err(ConfigError::Inconsistent { what });
                }
                let factor = inner.positive("factor")?.unwrap_or(1.0);
                Ok(RopeScaling::Proportional { pairs, factor })
            }
            "linear" => Ok(RopeScaling::Linear { factor: factor()? }),
            "dynamic" if dims > 2 => Ok(RopeScaling::Dynamic {
                factor: factor()?,
                max_positions: self.required_size("max_position_embeddings")?,
            }),
            "llama3" => Ok(RopeScaling::Llama3 {
                factor: factor()?,
                low_freq_factor: required("low_freq_factor")?,
                high_freq_factor: required("high_freq_factor")?,
                original: self.original_context(inner)?,
            }),
            // Early Phi-3 files say "su"; their "yarn" never meant YaRN.
            "longrope" | "su" => self.longrope(inner, dims),
            "yarn" if inner.get("short_factor").is_some() => self.longrope(inner, dims),
            // Sarvam's first files name it after where they have it from.
            "yarn" | "deepseek_yarn" => yarn(inner, factor()?, self.original_context(inner)?),
            _ => Err(ConfigError::Unsupported {
                key: inner.name("rope_type"),
                value: kind.to_owned(),
                supported: "default, linear, dynamic, llama3, yarn, longrope, proportional",
            }),
        }
    }

    /// The context length before stretching: at the top (Phi-3), inside, or that of the model.
    fn original_context(&self, inner: &Config<'_>) -> Result<usize, ConfigError> {
        const KEY: &str = "original_max_position_embeddings";
        match (self.size(KEY)?, inner.size(KEY)?) {
            (Some(original), _) | (None, Some(original)) => Ok(original),
            (None, None) => self.required_size("max_position_embeddings"),
        }
    }

    fn longrope(&self, inner: &Config<'_>, dims: usize) -> Result<RopeScaling, ConfigError> {
        let divisors = |key: &'static str| {
            let list = inner.numbers(key)?.ok_or_else(|| inner.missing(key))?;
            if list.len() != dims / 2 || list.iter().any(|divisor| *divisor <= 0.0) {
                let what = format!("{key} needs {} positive numbers, it has {}", dims / 2, list.len());
                return Err(ConfigError::Inconsistent { what });
            }
            Ok(list)
        };
        let original = self.original_context(inner)?;
        let attention_factor = match inner.positive("attention_factor")? {
            Some(given) => given,
            None => {
                let stretch = match inner.positive("factor")? {
                    Some(factor) => factor,
                    None => self.required_size("max_position_embeddings")? as f64 / original as f64,
                };
                // sqrt(1 + ln(s) / ln(L)): LongRoPE's temperature (Ding et al. 2024).
                if stretch <= 1.0 { 1.0 } else { (1.0 + stretch.ln() / (original as f64).ln()).sqrt() }
            }
        };
        Ok(RopeScaling::LongRope {
            short: divisors("short_factor")?,
            long: divisors("long_factor")?,
            original,
            attention_factors: [attention_factor; 2],
        })
    }
}

/// `0.1 m ln(s) + 1`: the temperature that YaRN's paper fits to a stretch of s (Peng et al. 2023, eq. 22).
fn temperature(factor: f64, mscale: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * mscale * factor.ln() + 1.0 }
}

/// A number above zero; zero counts as absent there.
fn nonzero(inner: &Config<'_>, key: &'static str) -> Result<Option<f64>, ConfigError> {
    if inner.number(key)? == Some(0.0) { Ok(None) } else { inner.positive(key) }
}

fn yarn(inner: &Config<'_>, factor: f64, original: usize) -> Result<RopeScaling, ConfigError> {
    let attention_factor = match inner.positive("attention_factor")? {
        Some(given) => given,
        None => match (nonzero(inner, "mscale")?, nonzero(inner, "mscale_all_dim")?) {
            (Some(mscale), Some(all)) => temperature(factor, mscale) / temperature(factor, all),
            _ => temperature(factor, 1.0),
        },
    };
    Ok(RopeScaling::Yarn {
        factor,
        beta_fast: nonzero(inner, "beta_fast")?.unwrap_or(32.0),
        beta_slow: nonzero(inner, "beta_slow")?.unwrap_or(1.0),
        attention_factor,
        original,
        truncate: inner.flag("truncate")?.unwrap_or(true),
    })
}

//! Strict parsers for the values of options.

use std::{fmt, num::NonZeroUsize, str::FromStr};

use lens_checkpoint::{
    chat::Json,
    device::{Place, UnknownDevice},
};
use lens_core::{Statistic, StatisticSet, TokenId, suggest::did_you_mean};
use lens_viz::{
    Measure,
    picture::{PaperWidth, PictureKind, Unit},
};

/// A value that an option does not take, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(String);

fn bad<T>(message: impl fmt::Display) -> Result<T, BadValue> {
    Err(BadValue(message.to_string()))
}

/// A whole number from 1.
pub fn from_one(written: &str) -> Result<NonZeroUsize, BadValue> {
    let number = written.bytes().all(|byte| byte.is_ascii_digit()).then(|| written.parse().ok()).flatten();
    number.ok_or_else(|| BadValue(format!("{written:?} is not a whole number from 1")))
}

/// A share above 0 and below 1.
pub fn share(written: &str) -> Result<f64, BadValue> {
    match written.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        Ok(_) => bad("it is not above 0 and below 1"),
        Err(_) => bad("it is not a number"),
    }
}

/// A number from 0 on that something may exceed.
pub fn threshold(written: &str) -> Result<f64, BadValue> {
    match written.parse::<f64>() {
        Ok(threshold) if threshold >= 0.0 && threshold.is_finite() => Ok(threshold),
        Ok(_) => bad("it is not a number from 0 on"),
        Err(_) => bad("it is not a number"),
    }
}

/// `--token-ids`: ids with commas between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIds(pub Vec<TokenId>);

impl FromStr for TokenIds {
    type Err = BadValue;

    fn from_str(written: &str) -> Result<Self, BadValue> {
        let id = |item: &str| match digits(item.trim()) {
            Some(id) => Ok(TokenId(id)),
            None => {
                bad(format_args!("{item:?} is not a token id: write numbers with commas between, like 1,2,3"))
            }
        };
        written.split(',').map(id).collect::<Result<_, _>>().map(Self)
    }
}

/// `--width` of a picture: pixels that it has at most, or the length that it has exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Width(pub PaperWidth);

impl FromStr for Width {
    type Err = BadValue;

    fn from_str(written: &str) -> Result<Self, BadValue> {
        let known =
            "write 700 for at most so many pixels, or a length such as 85mm, 8.5cm, 3.35in, 240pt or 700px";
        let short = written.trim().to_ascii_lowercase();
        let end = short.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(short.len());
        let (number, sign) = (&short[..end], short[end..].trim());
        let unit = Unit::ALL.into_iter().find(|(known, _)| *known == sign).map(|(_, unit)| unit);
        match (sign.is_empty(), number.parse::<u32>(), number.parse::<f64>(), unit) {
            (true, Ok(pixels), ..) => Ok(Self(PaperWidth::AtMost(pixels))),
            (false, _, Ok(length), Some(unit)) => Ok(Self(PaperWidth::Exactly(length, unit))),
            (false, _, Ok(_), None) => bad(format_args!("{sign:?} is no unit that is known: {known}")),
            _ => bad(format_args!("{written:?} is no width: {known}")),
        }
    }
}

/// `--font-size`: points of text.
pub fn font_size(written: &str) -> Result<f64, BadValue> {
    let number = written.trim().trim_end_matches("pt").trim_end();
    match number.parse::<f64>() {
        Ok(points) if points > 0.0 && points.is_finite() => Ok(points),
        _ => bad(format_args!("{written:?} is no size of text: write points, such as 7 or 7.5pt")),
    }
}

/// `--kind`: what to show of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Text.
    Table,
    /// HTML.
    Page,
    /// SVG or pixels.
    Picture(PictureKind),
    /// What differs between two traces: SVG, pixels or text.
    Difference(Measure),
    /// How each token that the model wrote was formed: GIF.
    Film,
}

impl Show {
    /// Into which files it can be written.
    pub fn endings(self) -> &'static str {
        match self {
            Self::Table => "a table is .txt",
            Self::Page => "a page is .html",
            Self::Film => "a film is .gif",
            Self::Picture(PictureKind::Grid(_)) => "a grid is .svg, .pdf, .png, .webp, .jpg or .txt",
            Self::Difference(_) => "a difference is .svg, .pdf, .png, .webp, .jpg or .txt",
            Self::Picture(_) => "a picture is .svg, .pdf, .png, .webp or .jpg",
        }
    }
}

impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => f.pad("table"),
            Self::Page => f.pad("page"),
            Self::Film => f.pad("film"),
            Self::Picture(kind) => kind.fmt(f),
            Self::Difference(measure) => f.pad(&difference_name(*measure)),
        }
    }
}

/// What differences are called, as grids are.
fn difference_name(measure: Measure) -> String {
    PictureKind::Grid(measure).name().replacen("grid", "difference", 1)
}

impl FromStr for Show {
    type Err = BadValue;

    fn from_str(written: &str) -> Result<Self, BadValue> {
        match written {
            "table" => Ok(Self::Table),
            "page" => Ok(Self::Page),
            "film" => Ok(Self::Film),
            _ => {
                let dashed = written.replace('_', "-");
                if let Some(rest) = dashed.strip_prefix("difference") {
                    let grid = format!("grid{rest}").parse();
                    if let Ok(PictureKind::Grid(measure)) = grid {
                        return Ok(Self::Difference(measure));
                    }
                }
                written.parse().map(Self::Picture).or_else(|_| {
                    let kinds: Vec<_> = PictureKind::all().into_iter().map(PictureKind::name).collect();
                    let kinds = kinds.iter().map(AsRef::as_ref);
                    let known: Vec<&str> = ["table", "page"]
                        .into_iter()
                        .chain(kinds)
                        .chain(["difference", "difference-kl", "film"])
                        .collect();
                    let hint = did_you_mean(written, known.iter().copied());
                    bad(format_args!("unknown kind {written:?} (known: {}){hint}", known.join(", ")))
                })
            }
        }
    }
}

/// `--pictures`: the forms in which the pictures of a folder of results are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pictures([bool; PICTURES.len()]);

/// What the names of files of pictures may end in, in a folder of results.
pub const PICTURES: [&str; 5] = ["svg", "png", "webp", "jpg", "pdf"];

impl Pictures {
    /// Where nothing was asked for, SVG: drawn in no time, sharp at every size, and small.
    pub const USUAL: Self = Self([true, false, false, false, false]);

    /// Whether none are drawn.
    pub fn is_none(self) -> bool {
        self.endings().next().is_none()
    }

    /// What the names of their files end in.
    pub fn endings(self) -> impl Iterator<Item = &'static str> {
        PICTURES.into_iter().zip(self.0).filter(|(_, wanted)| *wanted).map(|(ending, _)| ending)
    }
}

impl FromStr for Pictures {
    type Err = BadValue;

    fn from_str(written: &str) -> Result<Self, BadValue> {
        let mut pictures = Self([false; PICTURES.len()]);
        if written == "none" {
            return Ok(pictures);
        }
        for form in written.split(',') {
            let form = form.trim();
            if form == "none" {
                return bad("none stands alone: write none, or forms with commas between, like svg,png");
            }
            let known = if form == "jpeg" { "jpg" } else { form };
            match PICTURES.iter().position(|ending| *ending == known) {
                Some(at) => pictures.0[at] = true,
                None => {
                    let hint = did_you_mean(form, PICTURES.into_iter().chain(["none"]));
                    return bad(format_args!(
                        "pictures are drawn as {}, several with commas between, or not with none{hint}",
                        PICTURES.join(", ")
                    ));
                }
            }
        }
        Ok(pictures)
    }
}

/// `--template-var`: a variable of the chat template, and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateVar(pub String, pub Json);

impl FromStr for TemplateVar {
    type Err = BadValue;

    fn from_str(written: &str) -> Result<Self, BadValue> {
        let Some((name, value)) = written.split_once('=') else {
            return bad("a variable is written NAME=VALUE, such as enable_thinking=false");
        };
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_word) {
            return bad(format_args!("{name:?} is not the name of a variable: letters, digits and _"));
        }
        Ok(Self(name.to_owned(), Json::or_text(value)))
    }
}

/// `--target`: the token to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// All digits, or a number as messages and pictures write it: `#5`, `<id 5>`.
    Id(TokenId),
    /// Anything else, and what stands after `text:`.
    Text(String),
}

impl FromStr for Target {
    type Err = BadValue;

    fn from_str(written: &str) -> Result<Self, BadValue> {
        let text = written.strip_prefix("text:");
        if text.unwrap_or(written).is_empty() {
            return bad("a target is a token's text or its id");
        }
        if let Some(text) = text {
            return Ok(Self::Text(text.to_owned()));
        }
        match id_digits(written).map(digits) {
            None => Ok(Self::Text(written.to_owned())),
            Some(Some(id)) => Ok(Self::Id(TokenId(id))),
            Some(None) => {
                bad(format_args!("no vocabulary has an id {written}; for the text, write text:{written}"))
            }
        }
    }
}

/// The digits of an id in each of the forms that it is written in.
fn id_digits(written: &str) -> Option<&str> {
    let angled = || written.strip_prefix("<id ")?.strip_suffix('>');
    let inner = written.strip_prefix('#').or_else(angled).unwrap_or(written);
    (!inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit())).then_some(inner)
}

impl From<&Target> for lens_core::Target {
    fn from(target: &Target) -> Self {
        match target {
            Target::Id(id) => Self::Id(*id),
            Target::Text(text) => Self::Text(text.clone()),
        }
    }
}

/// A number in decimal digits and nothing else.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `--stop`: a text, in which a shell's user can write line feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopText(pub String);

impl FromStr for StopText {
    type Err = BadValue;

    fn from_str(written: &str) -> Result<Self, BadValue> {
        let mut text = String::new();
        let mut rest = written.chars();
        while let Some(c) = rest.next() {
            text.push(match c {
                '\\' => match rest.next() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some('\\') => '\\',
                    _ => return bad("a backslash is followed by n, r, t or another backslash"),
                },
                c => c,
            });
        }
        if text.is_empty() {
            return bad("every continuation ends before it begins with an empty text");
        }
        Ok(Self(text))
    }
}

/// A number of bytes such as `64MB` (millions) or `1GiB` (2^30).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub NonZeroUsize);

impl FromStr for Size {
    type Err = BadValue;

    fn from_str(written: &str) -> Result<Self, BadValue> {
        const UNITS: [(&str, u64); 9] = [
            ("", 1),
            ("b", 1),
            ("kb", 1000),
            ("mb", 1_000_000),
            ("gb", 1_000_000_000),
            ("kib", 1 << 10),
            ("mib", 1 << 20),
            ("gib", 1 << 30),
            ("tib", 1 << 40),
        ];
        let at = written.find(|c: char| !c.is_ascii_digit()).unwrap_or(written.len());
        let (number, unit) = written.split_at(at);
        let unit = unit.trim().to_ascii_lowercase();
        let bytes = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .and_then(|(_, factor)| number.parse::<u64>().ok()?.checked_mul(*factor))
            .and_then(|bytes| NonZeroUsize::new(usize::try_from(bytes).ok()?));
        match bytes {
            Some(bytes) => Ok(Self(bytes)),
            None => bad(format_args!("{written:?} is not a size: write bytes, or 64MB, 512MiB, 1GiB")),
        }
    }
}

/// A percentage, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(pub f32);

impl FromStr for Percent {
    type Err = BadValue;

    fn from_str(written: &str) -> Result<Self, BadValue> {
        let number = written.strip_suffix('%').unwrap_or(written).trim();
        match number.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent)) {
            Some(percent) => Ok(Self((percent / 100.0) as f32)),
            None => bad(format_args!("{written:?} is not a percentage from 0 to 100")),
        }
    }
}

/// `--statistics`: `all`, or names with commas between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatisticNames(pub StatisticSet);

impl FromStr for StatisticNames {
    type Err = BadValue;

    fn from_str(written: &str) -> Result<Self, BadValue> {
        if written == "all" {
            return Ok(Self(StatisticSet::all()));
        }
        let names = written.split(',').map(|name| name.trim().parse::<Statistic>());
        names.collect::<Result<_, _>>().map(Self).or_else(bad)
    }
}

/// `--temperature`: 0 or a positive number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature(pub f32);

impl FromStr for Temperature {
    type Err = BadValue;

    fn from_str(written: &str) -> Result<Self, BadValue> {
        match written.parse::<f32>().ok().filter(|t| *t >= 0.0 && t.is_finite()) {
            Some(temperature) => Ok(Self(temperature)),
            None => {
                bad(format_args!("{written:?} is not a temperature: give 0 (greedy) or a positive number"))
            }
        }
    }
}

/// `--top-p`: a probability above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopP(pub f32);

impl FromStr for TopP {
    type Err = BadValue;

    fn from_str(written: &str) -> Result<Self, BadValue> {
        match written.parse::<f32>().ok().filter(|p| *p > 0.0 && *p <= 1.0) {
            Some(p) => Ok(Self(p)),
            None => bad(format_args!("{written:?} is not a probability above 0 and at most 1")),
        }
    }
}

/// Where to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The best that there is.
    Auto,
    /// There.
    Place(Place),
}

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(written: &str) -> Result<Self, UnknownDevice> {
        if written == "auto" { Ok(Self::Auto) } else { written.parse().map(Self::Place) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_one_form_or_several_or_none() {
        let read = |written: &str| written.parse::<Pictures>();
        assert_eq!(read("svg"), Ok(Pictures::USUAL));
        let endings = |written| read(written).map(|pictures| pictures.endings().collect::<Vec<_>>());
        assert_eq!(endings("png, svg"), Ok(vec!["svg", "png"]));
        assert_eq!(endings("pdf,jpeg,webp,jpg"), Ok(vec!["webp", "jpg", "pdf"]));
        assert!(read("none").is_ok_and(Pictures::is_none));
        for wrong in ["", "none,svg", "svg,none", "gif", "svg,", "PNG"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read("pngg").unwrap_err().to_string().contains("did you mean"));
    }

    #[test]
    fn widths_are_pixels_at_most_or_lengths() {
        assert_eq!("700".parse(), Ok(Width(PaperWidth::AtMost(700))));
        for (written, width, unit) in [
            ("85mm", 85.0, Unit::Millimetre),
            ("8.5 cm", 8.5, Unit::Centimetre),
            ("3.35IN", 3.35, Unit::Inch),
            (".5in", 0.5, Unit::Inch),
            ("240pt", 240.0, Unit::Point),
            ("700px", 700.0, Unit::Pixel),
            ("0mm", 0.0, Unit::Millimetre),
        ] {
            assert_eq!(written.parse(), Ok(Width(PaperWidth::Exactly(width, unit))), "{written}");
        }
        for wrong in
            ["", "mm", "-5mm", "85 furlongs", "85mmm", "1.2.3cm", "85%", "7.5", "1e3mm", "99999999999"]
        {
            let message = wrong.parse::<Width>().unwrap_err().to_string();
            assert!(message.contains("85mm, 8.5cm, 3.35in, 240pt or 700px"), "{message}");
        }
    }

    #[test]
    fn text_has_some_points() {
        assert_eq!((font_size("7"), font_size("7.5pt"), font_size(" 6 pt ")), (Ok(7.0), Ok(7.5), Ok(6.0)));
        for wrong in ["", "0", "-3", "nan", "inf", "7px", "seven", "0pt"] {
            assert!(font_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_variable_of_a_template_is_json_or_a_text() {
        let read = |written: &str| written.parse::<TemplateVar>();
        let is = |name: &str, value| Ok(TemplateVar(name.to_owned(), value));
        assert_eq!(read("enable_thinking=false"), is("enable_thinking", Json::Bool(false)));
        assert_eq!(read("date=1 May = today"), is("date", Json::Text("1 May = today".to_owned())));
        assert_eq!(read("x="), is("x", Json::Text(String::new())));
        for wrong in ["", "x", "=1", "a b=1", "1x=1", "a.b=1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn token_ids_are_numbers_with_commas() {
        assert_eq!("1, 2,3".parse(), Ok(TokenIds([1, 2, 3].map(TokenId).to_vec())));
        for wrong in ["", "1,,2", "a", "-1", "+1", "1.0", "4294967296"] {
            assert!(wrong.parse::<TokenIds>().is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn a_target_of_digits_is_an_id_unless_it_is_marked_as_text() {
        assert_eq!("5".parse(), Ok(Target::Id(TokenId(5))));
        assert_eq!("text:5".parse(), Ok(Target::Text("5".to_owned())));
        assert_eq!(" 5".parse(), Ok(Target::Text(" 5".to_owned())));
        for id in ["#5", "<id 5>"] {
            assert_eq!(id.parse(), Ok(Target::Id(TokenId(5))), "{id}");
            assert_eq!(format!("text:{id}").parse(), Ok(Target::Text(id.to_owned())));
        }
        for text in ["#", "#x", "#5a", "<id >", "<id 5", "##5"] {
            assert_eq!(text.parse(), Ok(Target::Text(text.to_owned())), "{text}");
        }
        assert!("#99999999999".parse::<Target>().is_err() && "<id 99999999999>".parse::<Target>().is_err());
        assert!("".parse::<Target>().is_err() && "text:".parse::<Target>().is_err());
        assert!("99999999999".parse::<Target>().is_err());
    }

    #[test]
    fn counts_begin_at_one() {
        assert_eq!(from_one("7").map(usize::from), Ok(7));
        for wrong in ["0", "", "-1", "+1", "1.5", "abc", "99999999999999999999"] {
            assert_eq!(
                from_one(wrong).unwrap_err().to_string(),
                format!("{wrong:?} is not a whole number from 1")
            );
        }
    }

    #[test]
    fn stop_texts_may_hold_line_feeds() {
        let text = |written: &str| written.parse::<StopText>().map(|stop| stop.0).ok();
        assert_eq!(text(r"\n\n").as_deref(), Some("\n\n"));
        assert_eq!(text(r"a\\n").as_deref(), Some(r"a\n"));
        assert_eq!(text("\n").as_deref(), Some("\n"));
        for wrong in ["", r"\", r"\x"] {
            assert_eq!(text(wrong), None, "{wrong:?} was accepted");
        }
    }

    #[test]
    fn sizes_have_both_kinds_of_units() {
        let bytes = |written: &str| written.parse::<Size>().map(|size| size.0.get()).ok();
        assert_eq!(bytes("64MB"), Some(64_000_000));
        assert_eq!(bytes("1GiB"), Some(1 << 30));
        assert_eq!(bytes("4096"), Some(4096));
        assert_eq!(bytes("2 kib"), Some(2048));
        for wrong in ["", "0", "MB", "1.5GB", "-1", "64XB", "99999999TiB"] {
            assert_eq!(bytes(wrong), None, "{wrong:?} was accepted");
        }
    }

    #[test]
    fn percentages_are_finite_and_in_range() {
        assert_eq!("3".parse(), Ok(Percent(0.03)));
        assert_eq!("2.5%".parse(), Ok(Percent(0.025)));
        for wrong in ["", "nan", "inf", "-1", "101", "x"] {
            assert!(wrong.parse::<Percent>().is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn devices_are_known_by_name() {
        assert_eq!("auto".parse(), Ok(Device::Auto));
        assert_eq!("cuda:1".parse(), Ok(Device::Place(Place::Cuda(1))));
        let error = "cpuu".parse::<Device>().unwrap_err().to_string();
        assert!(error.contains("did you mean \"cpu\""), "{error}");
    }
}

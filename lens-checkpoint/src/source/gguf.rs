//! GGUF files among the files of a folder or a repository: which of them are one model.

use std::collections::{BTreeMap, BTreeSet};

use super::SourceError;
use crate::limits;

/// What the names of vision encoders begin with, which lie beside the models that they belong to.
const PROJECTOR: &str = "mmproj";

/// Whether a file is a GGUF file, by its name.
pub(super) fn is_gguf(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("gguf"))
}

/// The files of the model that `wanted` is a file of, or of the only one that there is; `None` where there is none.
///
/// # Errors
/// When there are several, or a part of one is missing, or not the one that is wanted.
pub(super) fn choose(
    names: &BTreeSet<String>,
    wanted: Option<&str>,
    place: &str,
) -> Result<Option<Vec<String>>, SourceError> {
    let mut models: BTreeMap<(String, usize), BTreeSet<String>> = BTreeMap::new();
    let is_model = |name: &&String| {
        let file = name.rsplit('/').next().unwrap_or(name);
        is_gguf(file) && (!file.starts_with(PROJECTOR) || wanted == Some(name.as_str()))
    };
    for name in names.iter().filter(is_model) {
        let key = part(name).map_or((name.clone(), 1), |(stem, _, n)| (stem.to_owned(), n));
        models.entry(key).or_default().insert(name.clone());
    }
    let mut several = models.iter();
    let found = match (wanted, several.next(), several.next()) {
        (Some(wanted), ..) => {
            let found = models.iter().find(|(_, files)| files.contains(wanted));
            found.ok_or_else(|| SourceError::NoSuchGguf {
                place: place.to_owned(),
                file: wanted.to_owned(),
                there: listed(&models),
            })?
        }
        (None, None, _) => return Ok(None),
        (None, Some(only), None) => only,
        (None, Some(_), Some(_)) => {
            return Err(SourceError::SeveralGguf { place: place.to_owned(), there: listed(&models) });
        }
    };
    let ((stem, n), files) = found;
    if files.len() == *n {
        return Ok(Some(files.iter().cloned().collect()));
    }
    let name = |i: usize| format!("{stem}-{i:05}-of-{n:05}.gguf");
    let missing = (1..=(*n).min(limits::gguf::MOST_PARTS)).map(name).find(|name| !files.contains(name));
    Err(SourceError::MissingShard { place: place.to_owned(), shard: missing.unwrap_or_else(|| name(1)) })
}

/// Stem, number and count of `stem-00001-of-00003.gguf`.
fn part(name: &str) -> Option<(&str, usize, usize)> {
    let (rest, n) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, i) = rest.rsplit_once('-')?;
    let number = |digits: &str| (digits.len() == 5).then(|| digits.parse::<usize>().ok()).flatten();
    let (i, n) = (number(i)?, number(n)?);
    (1..=n).contains(&i).then_some((stem, i, n))
}

/// The models by the name of the first file of each.
fn listed(models: &BTreeMap<(String, usize), BTreeSet<String>>) -> String {
    const SHOWN: usize = 12;
    let mut names: Vec<&str> = models.values().filter_map(|files| Some(files.first()?.as_str())).collect();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    if names.is_empty() { "none".to_owned() } else { format!("{}{more}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str], wanted: Option<&str>) -> Result<Option<Vec<String>>, String> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        choose(&names, wanted, "here").map_err(|error| error.to_string())
    }

    #[test]
    fn the_files_of_one_model_are_found() {
        let files = |names: &[&str]| Ok(Some(names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(chosen(&["README.md"], None), Ok(None));
        assert_eq!(chosen(&["m.gguf", "mmproj-m.gguf", "x.txt"], None), files(&["m.gguf"]));
        let parts = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"];
        assert_eq!(chosen(&parts, None), files(&parts));
        let both = [parts[0], parts[1], "q8/M.GGUF"];
        assert_eq!(chosen(&both, Some(parts[1])), files(&parts));
        assert_eq!(chosen(&both, Some("q8/M.GGUF")), files(&["q8/M.GGUF"]));
    }

    #[test]
    fn what_is_not_clear_is_refused_by_name() {
        let both = ["m-q4.gguf", "m-q8.gguf"];
        assert!(chosen(&both, None).unwrap_err().contains("m-q4.gguf, m-q8.gguf"));
        assert!(chosen(&both, Some("m.gguf")).unwrap_err().contains("no m.gguf"));
        let error = chosen(&["m-00001-of-00003.gguf", "m-00003-of-00003.gguf"], None).unwrap_err();
        assert!(error.contains("m-00002-of-00003.gguf"), "{error}");
        assert!(chosen(&["m-00001-of-99999.gguf"], None).unwrap_err().contains("m-00002-of-99999.gguf"));
    }
}

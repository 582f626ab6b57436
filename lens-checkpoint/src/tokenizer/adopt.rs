//! Makes of a tokenizer.json what transformers (4.57) makes of it together with the files beside it, and says so.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use tokenizers::{
    AddedToken, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer, normalizers::BertNormalizer,
};

use super::settings::{Named, Settings, TOKENIZER_CONFIG, Written};

/// Tokens that a note names.
const SHOWN: usize = 4;

type Fallible<T> = Result<T, String>;

/// Applies the settings; what was done, as sentences.
pub(super) fn adopt(inner: &mut Tokenizer, settings: &Settings) -> Fallible<Vec<String>> {
    let mut notes = Vec::new();
    if let Some(name) = &settings.unknown_class {
        notes.push(format!(
            "{TOKENIZER_CONFIG} names the class {name}, whose habits are not known here: tokenizer.json is taken as it is"
        ));
    }
    let invented = invented(inner, settings);
    notes.extend(add_tokens(inner, settings)?);
    inner.set_encode_special_tokens(settings.split_special);
    if settings.split_special {
        notes.push(format!(
            "{TOKENIZER_CONFIG} says split_special_tokens = true: special tokens inside a text are read as plain text"
        ));
    }
    notes.extend(set_prefix_space(inner, settings)?);
    notes.extend(set_bert(inner, settings)?);
    notes.extend(set_ends(inner, settings, &invented)?);
    Ok(notes)
}

/// The keys of tokens that only the class knows, not the files.
fn invented(inner: &Tokenizer, settings: &Settings) -> Vec<String> {
    let unknown = |named: &&Named| !named.stated && inner.token_to_id(named.token.text()).is_none();
    settings.named.iter().filter(unknown).map(|named| named.key.clone()).collect()
}

/// Drops the truncation and padding that training left in the file, as transformers does for texts.
pub(super) fn drop_training(inner: &mut Tokenizer) -> Fallible<Option<String>> {
    let truncation =
        inner.get_truncation().map(|truncation| format!("truncation to {} tokens", truncation.max_length));
    let padding = inner.get_padding().map(|_| "padding".to_owned());
    inner.with_truncation(None).map_err(|error| error.to_string())?;
    inner.with_padding(None);
    let found: Vec<String> = truncation.into_iter().chain(padding).collect();
    Ok((!found.is_empty()).then(|| {
        format!("tokenizer.json asks for {}, which is for training: it is not applied", found.join(" and "))
    }))
}

/// Adds the tokens that only the other files have, in the order that decides their ids.
fn add_tokens(inner: &mut Tokenizer, settings: &Settings) -> Fallible<Vec<String>> {
    let own = inner.get_added_tokens_decoder();
    let named = named_tokens(settings, &own.values().map(|token| (token.content.as_str(), token)).collect());
    let mut seen = HashSet::new();
    let special: Vec<&Written> =
        named.iter().chain(&settings.additional).filter(|token| seen.insert(token.text())).collect();
    let is_special = |token: &AddedToken| token.special || special.iter().any(|s| s.text() == token.content);
    let mut fresh: Vec<AddedToken> = Vec::new();
    let same: HashSet<Flags> = own.values().map(flags).collect();
    fresh.extend(settings.listed.values().filter(|token| !same.contains(&flags(token))).cloned());
    let mut known: HashSet<String> = own.values().chain(&fresh).map(|token| token.content.clone()).collect();
    for token in special.iter().copied() {
        match token {
            Written::Flagged(token) if !fresh.contains(token) => fresh.push(token.clone()),
            Written::Text(text) if known.insert(text.clone()) => {
                fresh.push(AddedToken::from(text.clone(), true));
            }
            _ => {}
        }
    }
    for token in &mut fresh {
        token.special = is_special(token);
    }
    fresh.retain(|token| !own.values().any(|other| flags(other) == flags(token)));
    if fresh.is_empty() {
        return Ok(Vec::new());
    }
    let before: HashMap<String, Option<u32>> =
        fresh.iter().map(|token| (token.content.clone(), inner.token_to_id(&token.content))).collect();
    inner.add_tokens(fresh.iter().cloned()).map_err(|error| error.to_string())?;
    Ok(notes_on_added(inner, settings, &fresh, &before))
}

/// Special tokens with the flags that the vocabulary or the listing has for their texts.
fn named_tokens(settings: &Settings, own: &HashMap<&str, &AddedToken>) -> Vec<Written> {
    let listed: HashMap<&str, &AddedToken> =
        settings.listed.values().map(|token| (token.content.as_str(), token)).collect();
    // A file that lists its added tokens is believed alone.
    let known = |text: &str| match settings.listed_in {
        TOKENIZER_CONFIG => listed.get(text).copied(),
        _ => own.get(text).or_else(|| listed.get(text)).copied(),
    };
    let literal = |key: &str| {
        settings.class.literal_specials && ["bos_token", "eos_token", "unk_token", "pad_token"].contains(&key)
    };
    let token = |named: &Named| match &named.token {
        token if named.stated && known(token.text()).is_some() => {
            known(token.text()).map_or_else(|| token.clone(), |known| Written::Flagged(known.clone()))
        }
        Written::Text(text) if literal(&named.key) => Written::Flagged(AddedToken::from(text.clone(), true)),
        token => token.clone(),
    };
    settings.named.iter().map(token).collect()
}

type Flags = (String, [bool; 5]);

/// All that makes two added tokens the same.
fn flags(token: &AddedToken) -> Flags {
    let flags = [token.single_word, token.lstrip, token.rstrip, token.normalized, token.special];
    (token.content.clone(), flags)
}

fn notes_on_added(
    inner: &Tokenizer,
    settings: &Settings,
    fresh: &[AddedToken],
    before: &HashMap<String, Option<u32>>,
) -> Vec<String> {
    let was = |token: &AddedToken| before.get(&token.content).copied().flatten();
    let id = |token: &AddedToken| inner.token_to_id(&token.content).unwrap_or_default();
    let name = |token: &&AddedToken| format!("{:?} (<id {}>)", token.content, id(token));
    let mut notes = Vec::new();
    let new: Vec<&AddedToken> = fresh.iter().filter(|token| was(token).is_none()).collect();
    if !new.is_empty() {
        notes.push(format!(
            "tokens that tokenizer.json lacks were added from the files beside it, as transformers does: {}",
            some(&new.iter().map(name).collect::<Vec<_>>())
        ));
    }
    let changed: Vec<&AddedToken> = fresh.iter().filter(|token| was(token).is_some()).collect();
    if !changed.is_empty() {
        notes.push(format!(
            "how these tokens are found in a text follows {}, not tokenizer.json, as in transformers: {}",
            settings.listed_in,
            some(&changed.iter().map(name).collect::<Vec<_>>())
        ));
    }
    let moved: Vec<String> = settings
        .listed
        .iter()
        .filter(|(listed, token)| inner.token_to_id(&token.content).is_some_and(|id| id != **listed))
        .map(|(listed, token)| format!("{:?} is <id {}>, not <id {listed}>", token.content, id(token)))
        .collect();
    if !moved.is_empty() {
        notes.push(format!(
            "{} gives tokens other ids than the vocabulary, which has the word, as in transformers: {}",
            settings.listed_in,
            some(&moved)
        ));
    }
    notes
}

fn some(items: &[String]) -> String {
    let mut text = items.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if items.len() > SHOWN {
        text.push_str(&format!(" and {} more", items.len() - SHOWN));
    }
    text
}

/// `add_prefix_space` of tokenizer_config.json, which overrules that of the pre-tokenizer.
fn set_prefix_space(inner: &mut Tokenizer, settings: &Settings) -> Fallible<Option<String>> {
    if !settings.class.sets_prefix_space {
        return Ok(settings.prefix_space.map(|_| {
            format!(
                "{TOKENIZER_CONFIG} has add_prefix_space, for which transformers makes the tokenizer anew from \
                 tokenizer.model: tokenizer.json is taken as it is"
            )
        }));
    }
    let Some(pre) = inner.get_pre_tokenizer() else { return Ok(None) };
    let mut value = serde_json::to_value(pre).map_err(|error| error.to_string())?;
    let wanted = settings.prefix_space.unwrap_or(false);
    let mut changed = set_key(&mut value, wanted);
    if settings.class.deep_prefix_space && wanted {
        for part in value["pretokenizers"].as_array_mut().into_iter().flatten() {
            changed |= set_key(part, true);
        }
    }
    if !changed {
        return Ok(None);
    }
    let pre: PreTokenizerWrapper = serde_json::from_value(value).map_err(|error| error.to_string())?;
    inner.with_pre_tokenizer(Some(pre));
    let what =
        if wanted { "a space is put before the first word" } else { "no space is put before the first word" };
    Ok(Some(match settings.prefix_space {
        Some(_) => {
            format!("{what}: {TOKENIZER_CONFIG} says add_prefix_space = {wanted}, and it has the word")
        }
        None => format!(
            "{what}, although tokenizer.json says so: without add_prefix_space in {TOKENIZER_CONFIG}, transformers \
             takes false"
        ),
    }))
}

/// Sets the key where it is there and is another.
fn set_key(part: &mut Value, wanted: bool) -> bool {
    match part.get_mut("add_prefix_space") {
        Some(key) if *key != wanted => {
            *key = Value::Bool(wanted);
            true
        }
        _ => false,
    }
}

/// BERT's classes set its normalizer from tokenizer_config.json.
fn set_bert(inner: &mut Tokenizer, settings: &Settings) -> Fallible<Option<String>> {
    if !settings.class.is_bert {
        return Ok(None);
    }
    let Some(normalizer) = inner.get_normalizer() else { return Ok(None) };
    let mut value = serde_json::to_value(normalizer).map_err(|error| error.to_string())?;
    if value["type"] != "BertNormalizer" {
        return Ok(None);
    }
    let before = value.clone();
    value["lowercase"] = json!(settings.lower_case);
    value["strip_accents"] = json!(settings.strip_accents);
    value["handle_chinese_chars"] = json!(settings.chinese_chars);
    if value == before {
        return Ok(None);
    }
    let normalizer: BertNormalizer = serde_json::from_value(value).map_err(|error| error.to_string())?;
    inner.with_normalizer(Some(normalizer)).map_err(|error| error.to_string())?;
    Ok(Some(format!(
        "lower case, accents and Chinese characters are treated as {TOKENIZER_CONFIG} and its class say, not as \
         tokenizer.json does, as in transformers"
    )))
}

/// Some classes put `bos_token` and `eos_token` around texts by two keys, whatever tokenizer.json does.
fn set_ends(inner: &mut Tokenizer, settings: &Settings, invented: &[String]) -> Fallible<Option<String>> {
    let Some(begins) = settings.class.begins else { return Ok(ignored_ends(inner, settings)) };
    let class = settings.class.name;
    let (begins, ends) = (settings.add_bos.unwrap_or(begins), settings.add_eos.unwrap_or(false));
    let end = |wanted: bool, key: &str| match wanted.then(|| settings.special(key)) {
        Some(Some(text)) if invented.iter().any(|known| known == key) => Err(format!(
            "{class} puts {text} around texts by default, a token that the vocabulary lacks: tokenizer.json is taken as \
             it is, where transformers gives it an id that the model may not have"
        )),
        Some(None) => Err(format!(
            "{TOKENIZER_CONFIG} asks for a {key} around texts and names none, which transformers refuses: \
             tokenizer.json is taken as it is"
        )),
        Some(Some(text)) => Ok(Some((text.to_owned(), inner.token_to_id(text)))),
        None => Ok(None),
    };
    let (bos, eos) = match (end(begins, "bos_token"), end(ends, "eos_token")) {
        (Ok(bos), Ok(eos)) => (bos, eos),
        (Err(note), _) | (_, Err(note)) => return Ok(Some(note)),
    };
    let before = around(inner);
    let piece = |end: &Option<(String, Option<u32>)>, kind: u8| {
        end.as_ref().map(|(text, _)| json!({"SpecialToken": {"id": text, "type_id": kind}}))
    };
    let sequence = |id: &str, kind: u8| json!({"Sequence": {"id": id, "type_id": kind}});
    let side = |id: &str, kind: u8| {
        piece(&bos, kind).into_iter().chain([sequence(id, kind)]).chain(piece(&eos, kind)).collect::<Vec<_>>()
    };
    let special = [&bos, &eos].into_iter().flatten().filter_map(|(text, id)| {
        Some((text.clone(), json!({"id": text, "ids": [(*id)?], "tokens": [text]})))
    });
    let pair = [side("A", 0), side("B", 1)].concat();
    let special: serde_json::Map<_, _> = special.collect();
    let template = json!({
        "type": "TemplateProcessing",
        "single": side("A", 0),
        "pair": pair,
        "special_tokens": special,
    });
    let template: PostProcessorWrapper =
        serde_json::from_value(template).map_err(|error| error.to_string())?;
    inner.with_post_processor(Some(template));
    let after = around(inner);
    if before == after {
        return Ok(None);
    }
    let say = |key: &str, given: Option<bool>, now: bool| match given {
        Some(given) => format!("{key} = {given}"),
        None => format!("{key} = {now} by default"),
    };
    Ok(Some(format!(
        "{class} says {} and {}: texts are {}, as in transformers 4 (tokenizer.json alone: {})",
        say("add_bos_token", settings.add_bos, begins),
        say("add_eos_token", settings.add_eos, ends),
        frame(inner, &after),
        frame(inner, &before),
    )))
}

/// A class that does not read the keys, and files that contradict them.
fn ignored_ends(inner: &Tokenizer, settings: &Settings) -> Option<String> {
    let found = around(inner)?;
    let has = |key: &str, ids: &[u32]| {
        settings.special(key).and_then(|text| inner.token_to_id(text)).is_some_and(|id| ids.contains(&id))
    };
    let wrong = [
        ("add_bos_token", settings.add_bos, has("bos_token", &found.0)),
        ("add_eos_token", settings.add_eos, has("eos_token", &found.1)),
    ];
    let wrong: Vec<String> = wrong
        .into_iter()
        .filter(|(_, said, is)| said.is_some_and(|said| said != *is))
        .map(|(key, _, is)| format!("{key} = {}", !is))
        .collect();
    (!wrong.is_empty()).then(|| {
        format!(
            "{TOKENIZER_CONFIG} says {}, which transformers does not read for {}: as tokenizer.json has it, texts are {}",
            wrong.join(" and "),
            settings.unknown_class.as_deref().unwrap_or(settings.class.name),
            frame(inner, &Some(found)),
        )
    })
}

/// The tokens that are put before and after a text.
fn around(inner: &Tokenizer) -> Option<(Vec<u32>, Vec<u32>)> {
    let ids = |special| Some(inner.encode_fast("a", special).ok()?.get_ids().to_vec());
    let (with, without): (Vec<u32>, Vec<u32>) = (ids(true)?, ids(false)?);
    let at = (0..=with.len()).find(|at| with[*at..].starts_with(&without))?;
    Some((with[..at].to_vec(), with[at + without.len()..].to_vec()))
}

fn frame(inner: &Tokenizer, around: &Option<(Vec<u32>, Vec<u32>)>) -> String {
    let name = |id: &u32| format!("{} (<id {id}>)", inner.id_to_token(*id).unwrap_or_default());
    let names = |ids: &[u32]| ids.iter().map(name).collect::<Vec<_>>().join(" ");
    match around {
        Some((before, after)) if before.is_empty() && after.is_empty() => "as they are".to_owned(),
        Some((before, after)) if after.is_empty() => format!("begun with {}", names(before)),
        Some((before, after)) if before.is_empty() => format!("ended with {}", names(after)),
        Some((before, after)) => format!("begun with {} and ended with {}", names(before), names(after)),
        None => "something else".to_owned(),
    }
}

//! `{% generation %}`, a tag of transformers that marks what an assistant says and writes nothing.

use std::ops::Range;

/// The template with every `generation` block made a `with` block: it writes the same and has a scope of its own,
/// too, as it has in transformers.
pub(super) fn without_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut done = 0;
    let mut at = 0;
    while let Some(tag) = next_tag(source, &mut at) {
        let body = &source[tag.clone()];
        let word = body.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        let instead = match word {
            "generation" => "with",
            "endgeneration" => "endwith",
            "raw" => {
                at = end_of_raw(source, at);
                continue;
            }
            _ => continue,
        };
        out.push_str(&source[done..tag.start]);
        out.push_str(&body.replacen(word, instead, 1));
        done = tag.end;
    }
    out.push_str(&source[done..]);
    out
}

/// What stands between the next `{%` and its `%}`; `at` moves past it. Comments and expressions are passed over.
fn next_tag(source: &str, at: &mut usize) -> Option<Range<usize>> {
    loop {
        let open = *at + source[*at..].find('{')?;
        let inside = open + 2;
        let close = match source.as_bytes().get(open + 1)? {
            b'%' => Some("%}"),
            b'{' => Some("}}"),
            b'#' => None,
            _ => {
                *at = open + 1;
                continue;
            }
        };
        let Some(close) = close else {
            *at = inside + source[inside..].find("#}")? + 2;
            continue;
        };
        let end = end_of_code(source, inside, close)?;
        *at = end + close.len();
        if close == "%}" {
            return Some(inside..end);
        }
    }
}

/// Where `close` is, outside of strings.
fn end_of_code(source: &str, from: usize, close: &str) -> Option<usize> {
    let bytes = source.as_bytes();
    let mut quote = None;
    let mut i = from;
    while i < bytes.len() {
        match (quote, bytes[i]) {
            (Some(_), b'\\') => i += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, _) if bytes[i..].starts_with(close.as_bytes()) => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}

/// Where the tag that ends a raw block begins.
fn end_of_raw(source: &str, from: usize) -> usize {
    let tags = source[from..].match_indices("{%").map(|(i, _)| from + i);
    let ends = |i: &usize| source[i + 2..].trim_start_matches(['-', '+']).trim_start().starts_with("endraw");
    tags.into_iter().find(ends).unwrap_or(source.len())
}

#[cfg(test)]
mod tests {
    use super::without_generation;

    #[test]
    fn the_tag_becomes_a_block_that_writes_the_same() {
        let cases = [
            ("a{% generation %}b{% endgeneration %}c", "a{% with %}b{% endwith %}c"),
            ("{%- generation -%}{{ x }}{%+endgeneration+%}", "{%- with -%}{{ x }}{%+endwith+%}"),
            ("{{ '{% generation %}' }}", "{{ '{% generation %}' }}"),
            ("{{ 'it\\'s {% generation %}' }}", "{{ 'it\\'s {% generation %}' }}"),
            ("{# {% generation %} #}{% generation %}", "{# {% generation %} #}{% with %}"),
            (
                "{% raw %}{% generation %}{% endraw %}{% generation %}",
                "{% raw %}{% generation %}{% endraw %}{% with %}",
            ),
            ("{% set generation = 1 %}{{ generation }}", "{% set generation = 1 %}{{ generation }}"),
            ("{", "{"),
            ("{%", "{%"),
            ("{% generation", "{% generation"),
            ("{{ '", "{{ '"),
            ("ä{ö{%generation%}ü", "ä{ö{%with%}ü"),
        ];
        for (source, expected) in cases {
            assert_eq!(without_generation(source), expected);
        }
    }
}

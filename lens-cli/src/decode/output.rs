//! Decoded directions on stdout or in a file: as a table, as JSON lines, or flat.

use std::{io::Write, sync::Arc};

use anyhow::Result;
use lens_checkpoint::directions::DirectionName;
use lens_core::{Decoded, TokenId, TokenTexts};
use lens_data::{DirectionRow, DirectionToken, Directions, TableWriter};
use lens_viz::terminal::{DirectionLine, DirectionsView};
use serde::Serialize;

use crate::{
    args::DecodeArgs,
    output::{self, Stdout},
    style::Console,
    tables,
};

/// Where decoded directions go.
pub(super) struct Output<'a> {
    out: &'a Stdout,
    texts: &'a dyn TokenTexts,
    mode: String,
    form: Form<'a>,
}

enum Form<'a> {
    Table(DirectionsView),
    Lines,
    Flat(Box<TableWriter<Directions, &'a Stdout>>),
}

/// A direction on a line of its own.
#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<u32>,
    row: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Token<'a>>,
    norm: f64,
    mode: &'a str,
    cosine: Option<f64>,
    top: &'a [DirectionToken<'a>],
    bottom: &'a [DirectionToken<'a>],
}

/// The token that a direction is about.
#[derive(Serialize)]
struct Token<'a> {
    id: u32,
    text: &'a str,
}

impl<'a> Output<'a> {
    /// Begins the output that the arguments ask for.
    pub(super) fn begin(
        args: &DecodeArgs,
        out: &'a Stdout,
        texts: &'a dyn TokenTexts,
        console: &Console,
    ) -> Result<Self> {
        let form = match args.format.flat() {
            Some(format) => Form::Flat(Box::new(TableWriter::new(out, format)?)),
            None if args.format == crate::args::DecodeFormat::Jsonl => Form::Lines,
            None => {
                let view = DirectionsView::new(&tables::options(console), args.heads_ov || args.embedding);
                let header = view.header();
                out.print(|out| out.write_all(header.as_bytes()));
                Form::Table(view)
            }
        };
        Ok(Self { out, texts, mode: args.norm.to_string(), form })
    }

    /// Writes one direction.
    pub(super) fn push(&mut self, name: &DirectionName, decoded: &Decoded) -> Result<()> {
        let texts = |end: &[(TokenId, f32)]| -> Vec<Arc<str>> {
            end.iter().map(|(id, _)| self.texts.text(*id).text).collect()
        };
        let (source, ends) = (name.to_string(), &decoded.ends);
        let (top, bottom) = (texts(&ends.top), texts(&ends.bottom));
        let about = name.token().map(|id| (id, self.texts.text(id).text));
        let row = DirectionRow {
            source: &source,
            layer: name.layer().map(u32::from),
            row: name.row as u64,
            token: about.as_ref().map(|(id, text)| (id.0, &**text)),
            norm: decoded.length,
            mode: &self.mode,
            cosine: decoded.cosine,
            top: &tokens(&ends.top, &top),
            bottom: &tokens(&ends.bottom, &bottom),
        };
        match &mut self.form {
            Form::Flat(table) => table.push(&row)?,
            Form::Lines => output::json(&mut self.out, &Line::of(&row))?,
            Form::Table(view) => {
                let text = view.line(&line(&row, &pairs(row.top), &pairs(row.bottom)));
                self.out.write_all(text.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Hands on what waits to be written.
    pub(super) fn hand_on(&self) {
        self.out.hand_on();
    }

    /// Ends the output.
    pub(super) fn finish(self) -> Result<()> {
        if let Form::Flat(table) = self.form {
            table.finish()?;
        }
        Ok(())
    }
}

impl<'a> Line<'a> {
    fn of(row: &DirectionRow<'a>) -> Self {
        Self {
            source: row.source,
            layer: row.layer,
            row: row.row,
            token: row.token.map(|(id, text)| Token { id, text }),
            norm: row.norm,
            mode: row.mode,
            cosine: row.cosine,
            top: row.top,
            bottom: row.bottom,
        }
    }
}

fn line<'a>(
    row: &DirectionRow<'a>,
    top: &'a [(&'a str, f32)],
    bottom: &'a [(&'a str, f32)],
) -> DirectionLine<'a> {
    let token = row.token.map(|(_, text)| text);
    DirectionLine { source: row.source, token, norm: row.norm, cosine: row.cosine, top, bottom }
}

fn tokens<'a>(end: &[(TokenId, f32)], texts: &'a [Arc<str>]) -> Vec<DirectionToken<'a>> {
    let token = |((id, logit), text): (&(TokenId, f32), &'a Arc<str>)| DirectionToken {
        id: id.0,
        text,
        logit: *logit,
    };
    end.iter().zip(texts).map(token).collect()
}

fn pairs<'a>(end: &[DirectionToken<'a>]) -> Vec<(&'a str, f32)> {
    end.iter().map(|token| (token.text, token.logit)).collect()
}

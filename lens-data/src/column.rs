//! The columns of a table, and the cells of a row.

use std::sync::Arc;

use arrow_array::{
    ArrayRef,
    builder::{
        ArrayBuilder, BooleanBuilder, Float32Builder, ListBuilder, StringBuilder, UInt32Builder,
        UInt64Builder,
    },
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

/// A table: its columns, and what a row is made from.
pub trait Table {
    /// What one row is made from.
    type Row<'a>;

    /// The name of its file, without an ending.
    const NAME: &'static str;

    /// Its columns, in order.
    fn columns() -> Vec<Column>;

    /// Adds a row: one cell to each of `cells`, in the order of the columns.
    fn append(row: &Self::Row<'_>, cells: &mut Cells);
}

/// A column: its name, type and meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// The type of its cells.
    pub kind: Kind,
    /// Whether cells may be empty.
    pub nullable: bool,
    /// What its cells mean, with their unit, for the reference page.
    pub meaning: String,
}

/// The type of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A whole number below 2^64.
    U64,
    /// A whole number below 2^32.
    U32,
    /// A number in single precision.
    F32,
    /// Yes or no.
    Bool,
    /// Text.
    Text,
    /// A list of whole numbers below 2^32.
    U32s,
    /// A list of numbers in single precision.
    F32s,
    /// A list of texts.
    Texts,
}

impl Column {
    pub(crate) fn new(name: &'static str, kind: Kind, meaning: impl Into<String>) -> Self {
        Self { name, kind, nullable: false, meaning: meaning.into() }
    }

    pub(crate) fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    /// All columns of a table.
    pub fn all<T: Table>() -> Vec<Self> {
        T::columns()
    }
}

impl Kind {
    fn data_type(self) -> DataType {
        let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
        match self {
            Self::U64 => DataType::UInt64,
            Self::U32 => DataType::UInt32,
            Self::F32 => DataType::Float32,
            Self::Bool => DataType::Boolean,
            Self::Text => DataType::Utf8,
            Self::U32s => list(DataType::UInt32),
            Self::F32s => list(DataType::Float32),
            Self::Texts => list(DataType::Utf8),
        }
    }

    /// The type's name on the reference page.
    pub fn name(self) -> &'static str {
        match self {
            Self::U64 => "uint64",
            Self::U32 => "uint32",
            Self::F32 => "float32",
            Self::Bool => "bool",
            Self::Text => "string",
            Self::U32s => "list of uint32",
            Self::F32s => "list of float32",
            Self::Texts => "list of string",
        }
    }
}

/// The schema of a table.
pub(crate) fn schema<T: Table>() -> SchemaRef {
    let field = |column: Column| Field::new(column.name, column.kind.data_type(), column.nullable);
    Arc::new(Schema::new(T::columns().into_iter().map(field).collect::<Vec<_>>()))
}

/// The cells of rows that are not written yet. Cells are added from the first column to the last, row by row.
#[derive(Debug)]
pub struct Cells {
    builders: Vec<Builder>,
    next: usize,
}

#[derive(Debug)]
enum Builder {
    U64(UInt64Builder),
    U32(UInt32Builder),
    F32(Float32Builder),
    Bool(BooleanBuilder),
    Text(StringBuilder),
    U32s(ListBuilder<UInt32Builder>),
    F32s(ListBuilder<Float32Builder>),
    Texts(ListBuilder<StringBuilder>),
}

impl Cells {
    pub(crate) fn new<T: Table>() -> Self {
        let builder = |column: Column| match column.kind {
            Kind::U64 => Builder::U64(UInt64Builder::new()),
            Kind::U32 => Builder::U32(UInt32Builder::new()),
            Kind::F32 => Builder::F32(Float32Builder::new()),
            Kind::Bool => Builder::Bool(BooleanBuilder::new()),
            Kind::Text => Builder::Text(StringBuilder::new()),
            Kind::U32s => Builder::U32s(ListBuilder::new(UInt32Builder::new())),
            Kind::F32s => Builder::F32s(ListBuilder::new(Float32Builder::new())),
            Kind::Texts => Builder::Texts(ListBuilder::new(StringBuilder::new())),
        };
        Self { builders: T::columns().into_iter().map(builder).collect(), next: 0 }
    }

    fn next(&mut self) -> &mut Builder {
        let at = self.next;
        self.next = (at + 1) % self.builders.len();
        &mut self.builders[at]
    }

    /// Adds the next cell of the row.
    ///
    /// # Panics
    /// When the column has cells of another type, which is a fault of the table.
    pub fn u64(&mut self, value: u64) {
        match self.next() {
            Builder::U64(cells) => cells.append_value(value),
            other => unreachable!("{other:?} is not a column of uint64"),
        }
    }

    /// Adds the next cell of the row; `None` leaves it empty.
    ///
    /// # Panics
    /// As [`Cells::u64`].
    pub fn u32(&mut self, value: Option<u32>) {
        match self.next() {
            Builder::U32(cells) => cells.append_option(value),
            other => unreachable!("{other:?} is not a column of uint32"),
        }
    }

    /// Adds the next cell of the row; `None` leaves it empty.
    ///
    /// # Panics
    /// As [`Cells::u64`].
    pub fn f32(&mut self, value: Option<f32>) {
        match self.next() {
            Builder::F32(cells) => cells.append_option(value),
            other => unreachable!("{other:?} is not a column of float32"),
        }
    }

    /// Adds the next cell of the row.
    ///
    /// # Panics
    /// As [`Cells::u64`].
    pub fn bool(&mut self, value: bool) {
        match self.next() {
            Builder::Bool(cells) => cells.append_value(value),
            other => unreachable!("{other:?} is not a column of bool"),
        }
    }

    /// Adds the next cell of the row; `None` leaves it empty.
    ///
    /// # Panics
    /// As [`Cells::u64`].
    pub fn text(&mut self, value: Option<&str>) {
        match self.next() {
            Builder::Text(cells) => cells.append_option(value),
            other => unreachable!("{other:?} is not a column of strings"),
        }
    }

    /// Adds the next cell of the row.
    ///
    /// # Panics
    /// As [`Cells::u64`].
    pub fn u32s(&mut self, values: impl IntoIterator<Item = Option<u32>>) {
        match self.next() {
            Builder::U32s(cells) => cells.append_value(values),
            other => unreachable!("{other:?} is not a column of lists of uint32"),
        }
    }

    /// Adds the next cell of the row.
    ///
    /// # Panics
    /// As [`Cells::u64`].
    pub fn f32s(&mut self, values: impl IntoIterator<Item = f32>) {
        match self.next() {
            Builder::F32s(cells) => cells.append_value(values.into_iter().map(Some)),
            other => unreachable!("{other:?} is not a column of lists of float32"),
        }
    }

    /// Adds the next cell of the row.
    ///
    /// # Panics
    /// As [`Cells::u64`].
    pub fn texts<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) {
        match self.next() {
            Builder::Texts(cells) => cells.append_value(values.into_iter().map(Some)),
            other => unreachable!("{other:?} is not a column of lists of strings"),
        }
    }

    /// Whole rows so far.
    pub(crate) fn len(&self) -> usize {
        self.builders.last().map_or(0, |builder| match builder {
            Builder::U64(cells) => cells.len(),
            Builder::U32(cells) => cells.len(),
            Builder::F32(cells) => cells.len(),
            Builder::Bool(cells) => cells.len(),
            Builder::Text(cells) => cells.len(),
            Builder::U32s(cells) => cells.len(),
            Builder::F32s(cells) => cells.len(),
            Builder::Texts(cells) => cells.len(),
        })
    }

    /// Takes the columns out.
    pub(crate) fn take(&mut self) -> Vec<ArrayRef> {
        let finish = |builder: &mut Builder| -> ArrayRef {
            match builder {
                Builder::U64(cells) => Arc::new(cells.finish()),
                Builder::U32(cells) => Arc::new(cells.finish()),
                Builder::F32(cells) => Arc::new(cells.finish()),
                Builder::Bool(cells) => Arc::new(cells.finish()),
                Builder::Text(cells) => Arc::new(cells.finish()),
                Builder::U32s(cells) => Arc::new(cells.finish()),
                Builder::F32s(cells) => Arc::new(cells.finish()),
                Builder::Texts(cells) => Arc::new(cells.finish()),
            }
        };
        self.builders.iter_mut().map(finish).collect()
    }
}

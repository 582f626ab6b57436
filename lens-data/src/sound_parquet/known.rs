//! What the library reads of the structures that describe a Parquet file.
//!
//! It goes by the numbers of fields, and reads what it expects there whatever the file says it is: were that something else, it
//! would go on in the middle of a value, and take what lies there for lists without an end. The source is
//! [parquet.thrift](https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift), as far as version 60.1 of
//! the library reads it. Fields that it does not know it steps over by what the file says they are.

use std::fmt;

/// What stands in a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known {
    Truth,
    Byte,
    /// Of any width, enumerations among them.
    Integer,
    Double,
    /// Bytes or a text.
    Bytes,
    List(&'static Known),
    Structure(Fields),
}

/// The fields of a structure or a union, by their numbers.
pub(super) type Fields = &'static [(i16, Known)];

impl Known {
    /// Whether a type of the protocol is this one.
    pub(super) fn is(self, kind: u8) -> bool {
        match self {
            Self::Truth => matches!(kind, 1 | 2),
            Self::Byte => kind == 3,
            Self::Integer => matches!(kind, 4..=6),
            Self::Double => kind == 7,
            Self::Bytes => kind == 8,
            Self::List(_) => matches!(kind, 9 | 10),
            Self::Structure(_) => kind == 12,
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truth => "a truth value",
            Self::Byte => "a byte",
            Self::Integer => "an integer",
            Self::Double => "a double",
            Self::Bytes => "bytes",
            Self::List(_) => "a list",
            Self::Structure(_) => "a structure",
        })
    }
}

use Known::{Byte, Bytes, Double, Integer, List, Structure, Truth};

const EMPTY: Known = Structure(&[]);

/// `FileMetaData`, which stands at the end of a file.
pub(super) const FILE: Fields = &[
    (1, Integer),
    (2, List(&Structure(SCHEMA_ELEMENT))),
    (3, Integer),
    (4, List(&Structure(ROW_GROUP))),
    (5, List(&Structure(KEY_VALUE))),
    (6, Bytes),
    (7, List(&Structure(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]))), // ColumnOrder
    (9, Bytes),
];

/// `PageHeader`.
pub(super) const PAGE: Fields = &[
    (1, Integer),
    (2, Integer),
    (3, Integer),
    (4, Integer),
    (5, Structure(&[(1, Integer), (2, Integer), (3, Integer), (4, Integer), (5, Structure(STATISTICS))])),
    (6, EMPTY),
    (7, Structure(&[(1, Integer), (2, Integer), (3, Truth)])),
    (8, Structure(DATA_PAGE_2)),
];

const DATA_PAGE_2: Fields = &[
    (1, Integer),
    (2, Integer),
    (3, Integer),
    (4, Integer),
    (5, Integer),
    (6, Integer),
    (7, Truth),
    (8, Structure(STATISTICS)),
];

const STATISTICS: Fields = &[
    (1, Bytes),
    (2, Bytes),
    (3, Integer),
    (4, Integer),
    (5, Bytes),
    (6, Bytes),
    (7, Truth),
    (8, Truth),
    (9, Integer),
];

const SCHEMA_ELEMENT: Fields = &[
    (1, Integer),
    (2, Integer),
    (3, Integer),
    (4, Bytes),
    (5, Integer),
    (6, Integer),
    (7, Integer),
    (8, Integer),
    (9, Integer),
    (10, Structure(LOGICAL_TYPE)),
];

const LOGICAL_TYPE: Fields = &[
    (1, EMPTY),
    (2, EMPTY),
    (3, EMPTY),
    (4, EMPTY),
    (5, Structure(&[(1, Integer), (2, Integer)])),
    (6, EMPTY),
    (7, Structure(TIME)),
    (8, Structure(TIME)),
    (10, Structure(&[(1, Byte), (2, Truth)])),
    (11, EMPTY),
    (12, EMPTY),
    (13, EMPTY),
    (14, EMPTY),
    (15, EMPTY),
    (16, Structure(&[(1, Byte)])),
    (17, Structure(&[(1, Bytes)])),
    (18, Structure(&[(1, Bytes), (2, Integer)])),
    (19, EMPTY),
];

/// `TimeType` and `TimestampType`, with a `TimeUnit`.
const TIME: Fields = &[(1, Truth), (2, Structure(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]))];

const ROW_GROUP: Fields = &[
    (1, List(&Structure(COLUMN_CHUNK))),
    (2, Integer),
    (3, Integer),
    (4, List(&Structure(&[(1, Integer), (2, Truth), (3, Truth)]))), // SortingColumn
    (5, Integer),
    (6, Integer),
    (7, Integer),
];

const COLUMN_CHUNK: Fields = &[
    (1, Bytes),
    (2, Integer),
    (3, Structure(COLUMN)),
    (4, Integer),
    (5, Integer),
    (6, Integer),
    (7, Integer),
    (9, Bytes),
];

/// `ColumnMetaData`.
const COLUMN: Fields = &[
    (1, Integer),
    (2, List(&Integer)),
    (3, List(&Bytes)),
    (4, Integer),
    (5, Integer),
    (6, Integer),
    (7, Integer),
    (8, List(&Structure(KEY_VALUE))),
    (9, Integer),
    (10, Integer),
    (11, Integer),
    (12, Structure(STATISTICS)),
    (13, List(&Structure(&[(1, Integer), (2, Integer), (3, Integer)]))), // PageEncodingStats
    (14, Integer),
    (15, Integer),
    (16, Structure(&[(1, Integer), (2, List(&Integer)), (3, List(&Integer))])), // SizeStatistics
    (17, Structure(&[(1, Structure(BOUNDING_BOX)), (2, List(&Integer))])),      // GeospatialStatistics
];

const BOUNDING_BOX: Fields =
    &[(1, Double), (2, Double), (3, Double), (4, Double), (5, Double), (6, Double), (7, Double), (8, Double)];

const KEY_VALUE: Fields = &[(1, Bytes), (2, Bytes)];

//! Setters of plain fields, for structs that may gain fields: outside their crate no literal makes one.

/// Writes methods that set a field and hand the value on, each with the doc comment given to it:
/// `setters! { /// Which blocks. with_layers => layers: Selection, }`.
#[doc(hidden)]
#[macro_export]
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident => $field:ident: $of:ty,)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $field: $of) -> Self {
                self.$field = $field;
                self
            }
        )*
    };
}

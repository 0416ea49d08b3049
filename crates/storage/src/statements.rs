//! SQL as constants that one test can list.

/// Declares SQL constants and `STATEMENTS`, the list of them with their names.
macro_rules! statements {
    ($($(#[$meta:meta])* $vis:vis $name:ident = $sql:expr;)*) => {
        $($(#[$meta])* $vis const $name: &str = $sql;)*

        /// Every statement of this module, by name.
        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

pub(crate) use statements;

#[cfg(test)]
mod tests;

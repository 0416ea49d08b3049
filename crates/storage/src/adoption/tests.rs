//! Adoption as a whole, on real files.

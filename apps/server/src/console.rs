//! The files of the web console. They are part of the program; a build for development reads them from the checkout, so
//! that a new console needs no new program.

use pilotdeck_api::{ConsoleFile, ConsoleFiles};
use rust_embed::Embed;

/// What the frontend's build wrote. Without it there is no console, and everything else works.
#[derive(Embed)]
#[folder = "../../frontend/dist"]
#[allow_missing = true]
struct Dist;

/// The console that this program was built with.
pub(crate) struct Embedded;

impl ConsoleFiles for Embedded {
    fn file(&self, name: &str) -> Option<ConsoleFile> {
        let file = Dist::get(name)?;
        Some(ConsoleFile { content: file.data, digest: file.metadata.sha256_hash() })
    }
}

//! Has the program built anew when the web console changed. The compiler knows of the files that it put into the program, but
//! not of those that were added since.

use std::path::Path;

#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts this way")]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let dist = Path::new("../../frontend/dist");
    // Where the folder is, is found out when the program is compiled: one that comes later would be taken for missing. A
    // folder that is not there counts as changed, too, at every build. Where none can be made, that is the price.
    let _ = std::fs::create_dir_all(dist);
    if std::env::var_os("PROFILE").is_some_and(|profile| profile == "debug") {
        // Such a program reads the files when it is asked for them.
        return;
    }
    println!("cargo:rerun-if-changed={}", dist.display());
}

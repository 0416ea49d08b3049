//! The committed OpenAPI document: written from the server, compared with it.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use xtask::programs;
use xtask::workspace::{Profile, Workspace};

const DOCUMENT: &str = "openapi/openapi.json";

/// Writes the document.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    let generated = generate(workspace)?;
    let path = workspace.root().join(DOCUMENT);
    fs::write(&path, generated).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {DOCUMENT}");
    Ok(())
}

/// Fails when the committed document is not what the server prints.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let generated = generate(workspace)?;
    let path = workspace.root().join(DOCUMENT);
    let committed =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if committed == generated {
        return Ok(());
    }
    let difference = first_difference(&committed, &generated)
        .unwrap_or_else(|| "only the ends of lines differ".to_owned());
    bail!("{DOCUMENT} is not current, run `cargo xtask openapi` and commit it: {difference}")
}

fn generate(workspace: &Workspace) -> Result<String> {
    programs::read(Command::new(workspace.build_server(Profile::Dev)?).arg("openapi"))
}

fn first_difference(committed: &str, generated: &str) -> Option<String> {
    let mut generated_lines = generated.lines();
    for (index, old) in committed.lines().enumerate() {
        let new = generated_lines.next().unwrap_or("(the end)");
        if old != new {
            return Some(format!("line {}:\n  committed  {old}\n  generated  {new}", index + 1));
        }
    }
    generated_lines
        .next()
        .map(|line| format!("after the last committed line:\n  generated  {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_names_its_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert!(first_difference("a\nb\n", "a\nc\n").unwrap().starts_with("line 2:"));
        assert!(first_difference("a\n", "a\nb\n").unwrap().contains("generated  b"));
        assert!(first_difference("a\nb\n", "a\n").unwrap().contains("(the end)"));
    }
}

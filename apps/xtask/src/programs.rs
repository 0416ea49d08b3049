//! Running other programs, with errors that name what failed.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};

/// Runs a program with its output shown.
///
/// # Errors
///
/// If it cannot be started or does not succeed.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    ensure!(status.success(), "`{}` failed ({status})", line(command));
    Ok(())
}

/// Runs a program and returns what it printed on its standard output.
///
/// # Errors
///
/// If it cannot be started, does not succeed, or prints something that is no text.
pub fn read(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| cannot_start(command))?;
    ensure!(output.status.success(), "`{}` failed ({})", line(command), output.status);
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed something that is no text", line(command)))
}

/// Keeps a program from the settings of PilotDeck that whoever calls has made.
pub fn without_settings(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PM_") {
            command.env_remove(name);
        }
    }
    command
}

/// Whether a program can be started and succeeds; what it prints is thrown away.
#[must_use]
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What a program that was watched did.
#[derive(Debug)]
pub struct Watched {
    /// Whether it succeeded.
    pub success: bool,
    /// The lines of both of its outputs, without colours.
    pub lines: Vec<String>,
}

/// Runs a program, showing its output line by line and keeping it.
///
/// # Errors
///
/// If it cannot be started.
pub fn watch(command: &mut Command) -> Result<Watched> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(command))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        bail!("`{}` has no output to read", line(command));
    };
    let lines = Mutex::new(Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| show(stderr, &mut std::io::stderr(), &lines));
        show(stdout, &mut std::io::stdout(), &lines);
    });
    let status = child.wait()?;
    let lines = lines.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Watched { success: status.success(), lines })
}

/// A text without the escape sequences that colour it.
#[must_use]
pub fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // A colour is `ESC [ … m`: it ends with its first letter.
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

fn show(from: impl Read, to: &mut impl Write, lines: &Mutex<Vec<String>>) {
    for raw in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let text = String::from_utf8_lossy(&raw);
        // A closed terminal must not stop the program that is being watched.
        let _ = writeln!(to, "{text}");
        lines
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(without_colours(&text));
    }
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`; is it installed?", line(command))
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_out() {
        let plain = without_colours("\u{1b}[32;1m    Summary\u{1b}[0m [ 0.1s]");

        assert_eq!(plain, "    Summary [ 0.1s]");
    }

    #[test]
    fn a_watched_program_keeps_the_lines_of_both_outputs() {
        let watched =
            watch(Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"])).unwrap();

        assert!(!watched.success);
        assert!(watched.lines.contains(&"one".to_owned()));
        assert!(watched.lines.contains(&"two".to_owned()));
    }
}

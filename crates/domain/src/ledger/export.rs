//! The ledger as a file: how it is written, and how it is proven without a database.
//!
//! A line of the file is a line of the ledger, as the very text that is hashed with its hash before it, or a checkpoint
//! right behind the line that it signs. No byte stands outside of these, and none of them can change unnoticed:
//! `docs/ledger.md` is the specification.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::checkpoint::{Checkpoint, PublicKey, SignedCheckpoint, unhex};
use super::{Line, hex};

/// The longest line of a file that is looked at. Both states of the largest document fit into it, however many of
/// their characters must be escaped.
pub const MAX_LINE_BYTES: usize = 256 << 20;

/// What a line of the ledger begins with, what stands behind the digits of its hash, and what ends it.
const BEFORE_HASH: &str = r#"{"hash":""#;
const BEFORE_TEXT: &str = r#"","line":"#;
const END: &str = "}";
/// Where the digits of the hash end, and where the hashed text begins.
const HASH_END: usize = BEFORE_HASH.len() + 64;
const TEXT_START: usize = HASH_END + BEFORE_TEXT.len();
/// What a checkpoint begins with.
const BEFORE_CHECKPOINT: &str = r#"{"checkpoint":"#;

/// Appends `line` to `file`.
pub fn write_line(file: &mut String, line: &Line) {
    let texts = [
        (r#"{"actorId":"#, line.actor_id.as_deref()),
        (r#","actorKind":"#, Some(line.actor_kind.as_str())),
    ];
    file.push_str(BEFORE_HASH);
    file.push_str(&line.hash);
    file.push_str(BEFORE_TEXT);
    for (name, text) in texts {
        write_member(file, name, text);
    }
    file.push_str(r#","change":"#);
    file.push_str(&line.change);
    for (name, text) in [
        (r#","operation":"#, Some(line.operation.as_str())),
        (r#","prevHash":"#, Some(line.prev_hash.as_str())),
        (r#","projectId":"#, line.project_id.as_deref()),
        (r#","requestId":"#, line.request_id.as_deref()),
        (r#","runId":"#, line.run_id.as_deref()),
    ] {
        write_member(file, name, text);
    }
    file.push_str(r#","seq":"#);
    file.push_str(&line.seq.to_string());
    for (name, text) in [
        (r#","subjectId":"#, line.subject_id.as_deref()),
        (r#","subjectKind":"#, Some(line.subject_kind.as_str())),
        (r#","ts":"#, Some(line.ts.as_str())),
    ] {
        write_member(file, name, text);
    }
    file.push('}');
    file.push_str(END);
    file.push('\n');
}

/// Appends `checkpoint` to `file`.
pub fn write_checkpoint(file: &mut String, checkpoint: &SignedCheckpoint) {
    file.push_str(&checkpoint.text());
    file.push('\n');
}

fn write_member(file: &mut String, name: &str, text: Option<&str>) {
    file.push_str(name);
    // The escapes of this library are those of RFC 8785.
    file.push_str(&serde_json::to_string(&text).expect("a text is JSON"));
}

/// A line of a file, looked at for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A line of the ledger whose content has the hash that it carries.
    Line(Link),
    /// A checkpoint, whose signature was not looked at.
    Checkpoint(Box<SignedCheckpoint>),
    /// Neither; why, for a person.
    Fault(String),
}

/// How a line of the ledger is tied to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its place.
    pub seq: i64,
    /// The hash of the line before.
    pub prev_hash: [u8; 32],
    /// Its hash.
    pub hash: [u8; 32],
}

/// The members of a line that tie it to others; the hash covers all of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tied<'a> {
    prev_hash: &'a str,
    seq: i64,
}

impl Item {
    /// Looks at a line without its line break.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        if text.starts_with(BEFORE_CHECKPOINT.as_bytes()) {
            return match SignedCheckpoint::read(text) {
                Ok(checkpoint) => Self::Checkpoint(Box::new(checkpoint)),
                Err(reason) => Self::Fault(format!("altered: {reason}")),
            };
        }
        read_line(text).map_or_else(|reason| Self::Fault(reason.to_owned()), Self::Line)
    }
}

fn read_line(text: &[u8]) -> Result<Link, &'static str> {
    const NO_LINE: &str = "altered: it is neither a line of a ledger nor a checkpoint";
    let has_form = text.len() > TEXT_START
        && text.starts_with(BEFORE_HASH.as_bytes())
        && text[HASH_END..].starts_with(BEFORE_TEXT.as_bytes())
        && text.ends_with(END.as_bytes());
    if !has_form {
        return Err(NO_LINE);
    }
    let hashed = &text[TEXT_START..text.len() - END.len()];
    let hash: [u8; 32] = Sha256::digest(hashed).into();
    if unhex(&text[BEFORE_HASH.len()..HASH_END]) != Some(hash) {
        return Err("altered: its content does not have the hash that it carries");
    }
    let tied: Tied<'_> = serde_json::from_slice(hashed).map_err(|_| NO_LINE)?;
    let prev_hash = unhex(tied.prev_hash.as_bytes()).ok_or(NO_LINE)?;
    Ok(Link { seq: tied.seq, prev_hash, hash })
}

/// What a file proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The place of its last line, which is the number of its lines, too.
    pub seq: i64,
    /// The hash of its last line.
    pub hash: String,
    /// How many checkpoints it has.
    pub checkpoints: u64,
    /// The last one: lines after it are not proven.
    pub last: Option<Checkpoint>,
}

impl Proof {
    /// The place up to which lines are proven.
    #[must_use]
    pub fn proven(&self) -> i64 {
        self.last.as_ref().map_or(0, |last| last.seq)
    }
}

/// Where a file stops being an export of the ledger that the key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The line of the file, counted from 1.
    pub line: u64,
    /// The place in the ledger that belongs there.
    pub seq: i64,
    /// What is wrong, for a person.
    pub reason: String,
}

/// Looks at the lines of a file in order, and remembers the first that does not belong where it stands.
#[derive(Debug)]
pub struct Audit<'a> {
    keys: &'a [PublicKey],
    /// The lines of the file so far.
    lines: u64,
    /// The last line of the ledger, and its line in the file.
    seq: i64,
    hash: [u8; 32],
    line: u64,
    checkpoints: u64,
    last: Option<Checkpoint>,
    state: State,
}

/// What was found so far. Some findings take a look at what comes later before they can be named.
#[derive(Debug)]
enum State {
    Sound,
    /// Another line stands where this place belongs: was it removed, or will it come?
    Missing {
        found: Break,
        instead: String,
    },
    /// A line does not carry the hash of the one before it: which of the two is the wrong one?
    Unlinked {
        found: Break,
        hash: [u8; 32],
        /// The line of the line before, if that one is not proven.
        before: Option<u64>,
    },
    Broken(Break),
}

impl<'a> Audit<'a> {
    /// Nothing was looked at yet; `keys` are the ones that may have signed checkpoints.
    #[must_use]
    pub const fn new(keys: &'a [PublicKey]) -> Self {
        Self {
            keys,
            lines: 0,
            seq: 0,
            hash: [0; 32],
            line: 0,
            checkpoints: 0,
            last: None,
            state: State::Sound,
        }
    }

    /// Takes the next line. Returns whether there is any use in taking more.
    pub fn take(&mut self, item: Item) -> bool {
        self.lines += 1;
        match &mut self.state {
            State::Sound => {
                if let Err(state) = self.follow(item) {
                    self.state = state;
                }
            }
            State::Missing { found, .. } => {
                if let Item::Line(link) = item
                    && link.seq == found.seq
                {
                    let reason =
                        format!("reordered: seq {} stands at line {}", link.seq, self.lines);
                    self.state = State::Broken(Break { reason, ..found.clone() });
                }
            }
            State::Unlinked { found, hash, before } => {
                if let Item::Line(link) = item {
                    let found = match *before {
                        Some(line) if link.prev_hash == *hash => Break {
                            line,
                            seq: found.seq - 1,
                            reason: "altered: its hash was computed anew, and the next line has another one".to_owned(),
                        },
                        _ => found.clone(),
                    };
                    self.state = State::Broken(found);
                }
            }
            State::Broken(_) => {}
        }
        !matches!(self.state, State::Broken(_))
    }

    /// Says that the file ends, or that what follows cannot be read as a line; why, for a person.
    ///
    /// # Errors
    ///
    /// The first line that does not belong where it stands.
    pub fn end(self, fault: Option<&str>) -> Result<Proof, Break> {
        match self.state {
            State::Broken(found) | State::Unlinked { found, .. } => Err(found),
            State::Missing { found, instead } => {
                let reason = format!("removed: seq {} is not in the file; {instead}", found.seq);
                Err(Break { reason, ..found })
            }
            State::Sound => match fault {
                Some(fault) => {
                    let reason = format!("altered: {fault}");
                    Err(Break { line: self.lines + 1, seq: self.seq + 1, reason })
                }
                None => Ok(Proof {
                    seq: self.seq,
                    hash: hex(&self.hash),
                    checkpoints: self.checkpoints,
                    last: self.last,
                }),
            },
        }
    }

    fn follow(&mut self, item: Item) -> Result<(), State> {
        match item {
            Item::Line(link) => self.follow_line(&link),
            Item::Checkpoint(signed) => self.follow_checkpoint(*signed),
            Item::Fault(reason) => Err(self.broken(reason)),
        }
    }

    fn follow_line(&mut self, link: &Link) -> Result<(), State> {
        let next = self.seq + 1;
        if link.seq > next {
            return Err(self.missing(format!("seq {} stands in its place", link.seq)));
        }
        if link.seq < next {
            let reason = format!("repeated: seq {} stood there before", link.seq);
            return Err(self.broken(reason));
        }
        if link.prev_hash != self.hash {
            let reason = "altered: its previous hash is not the hash of the line before it";
            let is_proven = self.seq == self.proven();
            return Err(State::Unlinked {
                found: Break { line: self.lines, seq: next, reason: reason.to_owned() },
                hash: link.hash,
                before: (!is_proven).then_some(self.line),
            });
        }
        (self.seq, self.hash, self.line) = (link.seq, link.hash, self.lines);
        Ok(())
    }

    fn follow_checkpoint(&mut self, signed: SignedCheckpoint) -> Result<(), State> {
        let proven = self.proven();
        signed.verify(self.keys).map_err(|reason| {
            State::Broken(Break {
                line: self.lines,
                seq: self.seq,
                reason: format!("altered: of the checkpoint, {reason}"),
            })
        })?;
        let Checkpoint { seq, previous, hash, .. } = &signed.checkpoint;
        let at = |seq: i64, line: u64, reason: String| State::Broken(Break { line, seq, reason });
        // Up to here every line has its place: that of a checkpoint follows from those before it.
        let line_behind = |seq: i64| seq.unsigned_abs() + self.checkpoints + 1;
        if *seq > self.seq {
            return Err(self.missing(format!("the checkpoint of seq {seq} stands in its place")));
        }
        if *seq <= proven {
            let reason = format!("repeated: the checkpoint of seq {seq} stood there before");
            return Err(at(*seq, self.lines, reason));
        }
        if *seq < self.seq {
            let reason = format!(
                "reordered: behind seq {seq} belongs its checkpoint, which stands at line {}",
                self.lines
            );
            return Err(at(*seq, line_behind(*seq), reason));
        }
        if unhex(hash.as_bytes()) != Some(self.hash) {
            let reason = format!(
                "altered: another hash was signed for seq {seq}; some line after seq {proven} was altered, and every \
                 hash since computed anew"
            );
            return Err(at(*seq, self.lines, reason));
        }
        if *previous > proven {
            let reason = format!("removed: the checkpoint of seq {previous} is not in the file");
            return Err(at(*previous, line_behind(*previous), reason));
        }
        if *previous < proven {
            let reason = format!(
                "altered: the checkpoint was signed when the one before it was that of seq {previous}, and here it is \
                 that of seq {proven}; two ledgers were signed with this key"
            );
            return Err(at(*seq, self.lines, reason));
        }
        self.checkpoints += 1;
        self.last = Some(signed.checkpoint);
        Ok(())
    }

    fn proven(&self) -> i64 {
        self.last.as_ref().map_or(0, |last| last.seq)
    }

    fn broken(&self, reason: String) -> State {
        State::Broken(Break { line: self.lines, seq: self.seq + 1, reason })
    }

    fn missing(&self, instead: String) -> State {
        let found = Break { line: self.lines, seq: self.seq + 1, reason: String::new() };
        State::Missing { found, instead }
    }
}

#[cfg(test)]
mod tests;

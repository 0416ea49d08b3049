use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::*;
use crate::identity::{ActorKind, Author};
use crate::ledger::checkpoint::SigningKey;
use crate::ledger::{Change, Entry, Head, Operation, SubjectKind};
use crate::times::WireTime;

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn sealed(head: &Head, note: &str) -> Line {
    let author = Author {
        kind: ActorKind::Agent,
        id: None,
        name: None,
        request_id: Some("req-\u{1}\u{7f}\"é".into()),
    };
    let change =
        Change::of(&json!({ "after": { "note": note, "hash": "x", "line": [1e21, 0.1] } }));
    let entry = Entry::new(Operation::EventAppended, SubjectKind::Event, "evt", change);
    Line::seal(head, &author, &WireTime::stored("2026-02-11T15:00:00.000000Z"), entry)
}

/// An export as lines with their line breaks: one line of the ledger for each of `signed`, and a checkpoint behind
/// those that it is true for.
fn an_export(signed: &[bool]) -> Vec<String> {
    let (mut head, mut previous, mut file) = (Head::default(), 0, Vec::new());
    for (place, &is_signed) in signed.iter().enumerate() {
        let line = sealed(&head, &format!("number {place}"));
        head = line.head();
        let mut text = String::new();
        write_line(&mut text, &line);
        file.push(text);
        if is_signed {
            let ts = WireTime::stored("2026-02-11T16:00:00.000000Z");
            let mut text = String::new();
            write_checkpoint(&mut text, &key().sign(&head, previous, &ts));
            file.push(text);
            previous = head.seq;
        }
    }
    file
}

/// What a verifier finds that reads the whole file.
fn audit(file: &[u8]) -> Result<Proof, Break> {
    let keys = [key().public()];
    let mut audit = Audit::new(&keys);
    let (lines, rest) =
        file.split_at(file.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        audit.take(Item::read(&line[..line.len() - 1]));
    }
    audit.end((!rest.is_empty()).then_some("cut off"))
}

/// How many lines end in `file`.
fn ends(file: &[u8]) -> usize {
    file.split(|byte| *byte == b'\n').count() - 1
}

fn is_checkpoint(line: &str) -> bool {
    line.starts_with(BEFORE_CHECKPOINT)
}

/// Which lines have a checkpoint behind them; the last one always has.
fn shapes() -> impl Strategy<Value = Vec<bool>> {
    prop::collection::vec(any::<bool>(), 2..12).prop_map(|mut signed| {
        signed.push(true);
        signed
    })
}

proptest! {
    #[test]
    fn a_whole_export_is_proven_to_its_last_checkpoint(mut signed in shapes(), more in 0..3_usize) {
        let seq = i64::try_from(signed.len()).unwrap();
        signed.extend(vec![false; more]);

        let proof = audit(an_export(&signed).concat().as_bytes()).unwrap();

        prop_assert_eq!(proof.proven(), seq);
        prop_assert_eq!(proof.seq, i64::try_from(signed.len()).unwrap());
        prop_assert_eq!(proof.checkpoints, signed.iter().filter(|signed| **signed).count() as u64);
    }

    #[test]
    fn a_flipped_byte_is_found_in_its_line(signed in shapes(), at in any::<Index>(), flip in 1..=255_u8) {
        let mut file = an_export(&signed).concat().into_bytes();
        let at = at.index(file.len());
        let line = ends(&file[..at]) as u64 + 1;

        file[at] ^= flip;

        let found = audit(&file).unwrap_err();
        prop_assert_eq!(found.line, line, "{:?}", found);
        prop_assert!(found.reason.starts_with("altered: "), "{:?}", found);
    }

    #[test]
    fn a_dropped_line_is_found_where_it_stood(signed in shapes(), at in any::<Index>()) {
        let mut file = an_export(&signed);
        // Without its end, an export is an older one.
        let at = at.index(file.len() - 1);
        let seq = file[..=at].iter().filter(|line| !is_checkpoint(line)).count();

        file.remove(at);

        let found = audit(file.concat().as_bytes()).unwrap_err();
        prop_assert_eq!((found.line, found.seq), (at as u64 + 1, i64::try_from(seq).unwrap()), "{:?}", found);
        prop_assert!(found.reason.starts_with("removed: "), "{:?}", found);
    }

    #[test]
    fn swapped_lines_are_found_where_the_first_stood(signed in shapes(), one in any::<Index>(), other in any::<Index>()) {
        let mut file = an_export(&signed);
        let (one, other) = (one.index(file.len()), other.index(file.len()));
        prop_assume!(one != other);

        file.swap(one, other);

        let found = audit(file.concat().as_bytes()).unwrap_err();
        prop_assert_eq!(found.line, one.min(other) as u64 + 1, "{:?}", found);
        prop_assert!(found.reason.starts_with("reordered: "), "{:?}", found);
    }

    #[test]
    fn a_repeated_line_is_found(signed in shapes(), from in any::<Index>(), to in any::<Index>()) {
        let mut file = an_export(&signed);
        let from = from.index(file.len());
        let to = from + 1 + to.index(file.len() - from);

        file.insert(to, file[from].clone());

        let found = audit(file.concat().as_bytes()).unwrap_err();
        prop_assert_eq!(found.line, to as u64 + 1, "{:?}", found);
        prop_assert!(found.reason.starts_with("repeated: "), "{:?}", found);
    }

    #[test]
    fn what_is_cut_off_is_not_called_proven(signed in shapes(), at in any::<Index>()) {
        let lines = an_export(&signed);
        let file = lines.concat();
        let at = at.index(file.len());
        let cut = &file.as_bytes()[..at];
        let kept = ends(cut);

        match audit(cut) {
            Ok(proof) => {
                prop_assert!(at == 0 || cut.ends_with(b"\n"));
                let proven = lines[..kept].iter().rposition(|line| is_checkpoint(line));
                let proven = lines[..proven.unwrap_or(0)].iter().filter(|line| !is_checkpoint(line)).count();
                prop_assert_eq!(proof.proven(), i64::try_from(proven).unwrap());
            }
            Err(found) => prop_assert_eq!(found.line, kept as u64 + 1),
        }
    }

    #[test]
    fn whatever_is_read_does_not_panic(file in any::<Vec<u8>>(), signed in shapes(), at in any::<Index>()) {
        let _ = audit(&file);
        let mut mixed = an_export(&signed).concat().into_bytes();
        let at = at.index(mixed.len());
        mixed.splice(at..at, file.iter().copied());
        let _ = audit(&mixed);
    }
}

/// The lines of a file of three lines, the second of which was altered and sealed anew.
fn sealed_anew(checkpoints: [bool; 3], whole_rest: bool) -> Vec<String> {
    let mut file = an_export(&checkpoints);
    let place = file.iter().enumerate().filter(|(_, line)| !is_checkpoint(line)).nth(1).unwrap().0;
    let head = |line: &str| match Item::read(line.trim_end().as_bytes()) {
        Item::Line(link) => Head { seq: link.seq, hash: hex(&link.hash) },
        other => panic!("{other:?}"),
    };
    let first = head(&file[0]);
    let forged = sealed(&first, "forged");
    file[place].clear();
    write_line(&mut file[place], &forged);
    if whole_rest {
        let last = file.iter().rposition(|line| !is_checkpoint(line)).unwrap();
        file[last].clear();
        write_line(&mut file[last], &sealed(&forged.head(), "forged, too"));
    }
    file
}

#[test]
fn a_line_that_was_altered_and_sealed_anew_is_named_if_the_next_ones_tell() {
    // The third line has the hash of the second as it was; only a fourth could say that the third is not the wrong one.
    let mut file = sealed_anew([false, false, false], false);
    let mut tail = an_export(&[false, false, false, true]).split_off(3);
    file.append(&mut tail);

    let found = audit(file.concat().as_bytes()).unwrap_err();

    assert_eq!((found.line, found.seq), (2, 2), "{found:?}");
}

#[test]
fn a_chain_that_was_sealed_anew_is_not_the_one_that_was_signed() {
    let found = audit(sealed_anew([false, false, true], true).concat().as_bytes()).unwrap_err();
    assert_eq!((found.line, found.seq), (4, 3), "{found:?}");
    assert!(found.reason.contains("some line after seq 0"), "{found:?}");

    let found = audit(sealed_anew([true, true, false], false).concat().as_bytes()).unwrap_err();
    assert_eq!((found.line, found.seq), (4, 2), "{found:?}");
    assert!(found.reason.contains("some line after seq 1"), "{found:?}");
}

#[test]
fn two_ledgers_that_one_key_signed_are_told_apart() {
    let mut file = an_export(&[true, true]);
    let ours = file.pop().unwrap();
    let Item::Checkpoint(ours) = Item::read(ours.trim_end().as_bytes()) else { panic!("{ours}") };
    let head = Head { seq: 2, hash: ours.checkpoint.hash };
    let mut text = String::new();
    write_checkpoint(&mut text, &key().sign(&head, 0, &WireTime::stored("2026")));
    file.push(text);

    let found = audit(file.concat().as_bytes()).unwrap_err();

    assert!(found.reason.contains("two ledgers"), "{found:?}");
}

#[test]
fn a_line_is_written_as_the_text_that_is_hashed() {
    let line = sealed(&Head::default(), "one");
    let mut text = String::new();

    write_line(&mut text, &line);

    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    let canonical = serde_json_canonicalizer::to_string(&read["line"]).unwrap();
    assert_eq!(text, format!("{{\"hash\":\"{}\",\"line\":{canonical}}}\n", line.hash));
    let Item::Line(tied) = Item::read(text.trim_end().as_bytes()) else { panic!("{text}") };
    assert_eq!((tied.seq, hex(&tied.hash)), (1, line.hash));
}

/// The export that the documentation shows.
fn the_example() -> String {
    let system = Author { kind: ActorKind::System, id: None, name: None, request_id: None };
    let agent =
        Author { kind: ActorKind::Agent, request_id: Some("req-1".to_owned()), ..system.clone() };
    let created = Entry::new(
        Operation::DatabaseCreated,
        SubjectKind::Database,
        "pm.db",
        Change::of(&json!({})),
    );
    let document = json!({ "id": "proj-a", "name": "Atl\u{e1}s \"1\"\n" });
    let change = Change::created(document.as_object().unwrap());
    let project = Entry::new(Operation::ProjectCreated, SubjectKind::Project, "proj-a", change);
    let ts = WireTime::stored("2026-02-11T15:00:00.000000Z");
    let first = Line::seal(&Head::default(), &system, &ts, created);
    let second = Line::seal(&first.head(), &agent, &ts, project.in_project(Some("proj-a")));
    let mut file = String::new();
    write_line(&mut file, &first);
    write_line(&mut file, &second);
    let ts = WireTime::stored("2026-02-11T15:30:00.000000Z");
    write_checkpoint(&mut file, &key().sign(&second.head(), 0, &ts));
    file
}

#[test]
fn the_example_of_the_documentation_is_what_is_written() {
    let documentation = include_str!("../../../../../docs/ledger.md");

    let example = the_example();

    assert!(documentation.contains(&format!("```jsonl\n{example}```")), "{example}");
    assert!(documentation.contains(&key().public().to_string()), "{}", key().public());
    assert_eq!(audit(example.as_bytes()).unwrap().proven(), 2);
}

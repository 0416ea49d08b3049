//! The append-only record of everything that changed, and the hash chain that makes a change to it noticeable.
//!
//! A line's hash is SHA-256 over the canonical JSON (RFC 8785) of all its other fields, the previous line's hash among
//! them. Whoever alters, drops or reorders a line must recompute every line after it.

use serde::Serialize;
use serde_json::{Map, Number, Value, json};
use sha2::{Digest as _, Sha256};

use crate::identity::Author;
use crate::times::WireTime;

pub mod checkpoint;
pub mod export;

/// The hash before the first line.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The largest integer that every reader of JSON keeps exactly (RFC 8785 prints numbers as IEEE 754 doubles).
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Where a change names the places of its texts that were integers.
const INTEGERS: &str = "integers";

macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What was done, as `subject.past_participle`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Operation { $($(#[$doc])* $variant,)* }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word in the ledger.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

operations! {
    /// An empty file became a database.
    DatabaseCreated = "database.created";
    /// A database of an older PilotDeck was taken over.
    DatabaseAdopted = "database.adopted";
    /// A copy of the database was made and handed out.
    DatabaseBackedUp = "database.backed_up";
    /// This database took the place of another one.
    DatabaseRestored = "database.restored";
    /// A backup was made and kept.
    BackupMade = "backup.made";
    /// A kept backup was restored to a file of its own, and held.
    BackupProved = "backup.proved";
    /// A backup could not be made, or one that was kept could not be restored.
    BackupFailed = "backup.failed";
    /// A backup was due and not made: the disk had no room for it.
    BackupSkipped = "backup.skipped";
    /// The bytes of a kept backup are not those that were written.
    BackupRotten = "backup.rotten";
    /// A kept backup was sent to somebody.
    BackupSent = "backup.sent";
    /// A kept backup is gone.
    BackupRemoved = "backup.removed";
    /// All rows of the database were handed out as an archive.
    DatabaseExported = "database.exported";
    /// This database was made of an archive.
    DatabaseImported = "database.imported";
    /// A deploy job began.
    DeployStarted = "deploy.started";
    /// A deploy job was told to stop.
    DeployCancelled = "deploy.cancelled";
    /// A deploy job ended.
    DeployFinished = "deploy.finished";
    /// A project came into being.
    ProjectCreated = "project.created";
    /// Fields of a project changed.
    ProjectUpdated = "project.updated";
    /// A project is gone.
    ProjectDeleted = "project.deleted";
    /// A person became a member of a project.
    MemberAdded = "member.added";
    /// A member of a project is something else there now.
    MemberChanged = "member.changed";
    /// A person is no member of a project any more.
    MemberRemoved = "member.removed";
    /// The projects stand in another order.
    ProjectsReordered = "projects.reordered";
    /// An agent run began.
    RunCreated = "run.created";
    /// Fields of a run changed.
    RunUpdated = "run.updated";
    /// An event was appended.
    EventAppended = "event.appended";
    /// A semantic action was applied, or recorded only.
    ActionApplied = "action.applied";
    /// An agent proposed an action for a person to decide.
    ProposalRecorded = "proposal.recorded";
    /// A person accepted a proposal, and it was applied.
    ProposalAccepted = "proposal.accepted";
    /// A person rejected a proposal.
    ProposalRejected = "proposal.rejected";
    /// An agent profile came into being.
    ProfileCreated = "profile.created";
    /// Fields of an agent profile changed.
    ProfileUpdated = "profile.updated";
    /// An agent profile is gone.
    ProfileDeleted = "profile.deleted";
    /// A capability came into being.
    CapabilityCreated = "capability.created";
    /// Fields of a capability changed.
    CapabilityUpdated = "capability.updated";
    /// A capability is gone.
    CapabilityDeleted = "capability.deleted";
    /// Token usage was recorded.
    UsageRecorded = "usage.recorded";
    /// A run reported another total than before; its usage record was replaced.
    UsageCorrected = "usage.corrected";
    /// A user came into being.
    UserCreated = "user.created";
    /// A person signed in.
    UserSignedIn = "user.signed_in";
    /// A person signed out.
    UserSignedOut = "user.signed_out";
    /// Someone could not sign in.
    SignInRefused = "user.sign_in_refused";
    /// A person's password was replaced.
    PasswordChanged = "user.password_changed";
    /// What is known of a user, their role, or whether they may sign in, changed.
    UserUpdated = "user.updated";
    /// A session was ended from another one, or by an administrator.
    SessionEnded = "session.ended";
    /// A person made a key.
    KeyCreated = "key.created";
    /// A key opens nothing any more.
    KeyRevoked = "key.revoked";
    /// Somebody was invited.
    InvitationCreated = "invitation.created";
    /// An invitation was taken back.
    InvitationRevoked = "invitation.revoked";
    /// Somebody who was invited joined.
    InvitationAccepted = "invitation.accepted";
    /// Someone came with a link that is none.
    InvitationRefused = "invitation.refused";
    /// A person was given the secret of a second factor, which is not asked for yet.
    SecondFactorBegun = "second_factor.begun";
    /// Signing in takes a second factor from now on.
    SecondFactorEnabled = "second_factor.enabled";
    /// Signing in takes the password alone from now on.
    SecondFactorDisabled = "second_factor.disabled";
    /// A person has new recovery codes; the old ones open nothing any more.
    RecoveryCodesReplaced = "second_factor.recovery_codes_replaced";
}

/// What kind of thing a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    /// The database as a whole.
    Database,
    /// A kept backup.
    Backup,
    /// A deploy job.
    Deploy,
    /// A project.
    Project,
    /// All projects together.
    Projects,
    /// A member of a project.
    Member,
    /// An agent run.
    Run,
    /// An event.
    Event,
    /// A semantic action.
    Action,
    /// A proposal.
    Proposal,
    /// An agent profile.
    Profile,
    /// A capability.
    Capability,
    /// A usage record.
    Usage,
    /// A user.
    User,
    /// A session.
    Session,
    /// A key.
    Key,
    /// An invitation.
    Invitation,
}

impl SubjectKind {
    /// The word in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Backup => "backup",
            Self::Deploy => "deploy",
            Self::Project => "project",
            Self::Projects => "projects",
            Self::Member => "member",
            Self::Run => "run",
            Self::Event => "event",
            Self::Action => "action",
            Self::Proposal => "proposal",
            Self::Profile => "profile",
            Self::Capability => "capability",
            Self::Usage => "usage",
            Self::User => "user",
            Self::Session => "session",
            Self::Key => "key",
            Self::Invitation => "invitation",
        }
    }
}

/// A change to be recorded, before it has its place in the ledger.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was done.
    pub operation: Operation,
    /// What kind of thing it was done to.
    pub subject_kind: SubjectKind,
    /// Which one.
    pub subject_id: Option<String>,
    /// The project it belongs to.
    pub project_id: Option<String>,
    /// The run it belongs to.
    pub run_id: Option<String>,
    /// What changed.
    pub change: Change,
}

impl Entry {
    /// An entry about one thing, outside any project and run.
    #[must_use]
    pub fn new(
        operation: Operation,
        subject_kind: SubjectKind,
        subject_id: &str,
        change: Change,
    ) -> Self {
        Self {
            operation,
            subject_kind,
            subject_id: Some(subject_id.to_owned()),
            project_id: None,
            run_id: None,
            change,
        }
    }

    /// The same entry as part of a project.
    #[must_use]
    pub fn in_project(mut self, project_id: Option<&str>) -> Self {
        self.project_id = project_id.map(str::to_owned);
        self
    }

    /// The same entry as part of a run.
    #[must_use]
    pub fn in_run(mut self, run_id: Option<&str>) -> Self {
        self.run_id = run_id.map(str::to_owned);
        self
    }
}

/// What changed: values before and after, or the digest of an immutable row.
#[derive(Clone, Debug, PartialEq)]
pub struct Change(Value);

impl Change {
    /// A thing came into being with this document.
    #[must_use]
    pub fn created(document: &Map<String, Value>) -> Self {
        Self::states(&json!({ "after": document }))
    }

    /// A thing with this document is gone.
    #[must_use]
    pub fn deleted(document: &Map<String, Value>) -> Self {
        Self::states(&json!({ "before": document }))
    }

    /// The top-level fields in which two states differ. A field that one state lacks is absent there.
    #[must_use]
    pub fn between(before: &Map<String, Value>, after: &Map<String, Value>) -> Self {
        let differing =
            |these: &Map<String, Value>, those: &Map<String, Value>| -> Map<String, Value> {
                these
                    .iter()
                    .filter(|(key, value)| those.get(*key) != Some(value))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect()
            };
        let (before, after) = (differing(before, after), differing(after, before));
        Self::states(&json!({ "before": before, "after": after }))
    }

    /// Documents, or parts of them. What is an integer that not every reader keeps exactly becomes a text, and the
    /// places of such texts are named in `integers`, so that the documents can be had back.
    fn states(states: &Value) -> Self {
        let mut integers = Vec::new();
        find_integers(states, &mut String::new(), &mut integers);
        let change = Self::of(states);
        if integers.is_empty() { change } else { change.with(INTEGERS, &json!(integers)) }
    }

    /// The digest of a row that never changes: SHA-256 over the stored document.
    #[must_use]
    pub fn digest(document: &str) -> Self {
        Self(json!({ "digest": digest(document) }))
    }

    /// Any other facts. Integers that not every reader keeps exactly become texts.
    #[must_use]
    pub fn of(facts: &Value) -> Self {
        Self(portable(facts))
    }

    /// The same change with another fact beside it.
    #[must_use]
    pub fn with(mut self, key: &str, fact: &Value) -> Self {
        if let Value::Object(facts) = &mut self.0 {
            facts.insert(key.to_owned(), portable(fact));
        }
        self
    }

    /// Replaces the value of `field` in every state by its digest: texts that may be erased elsewhere do not live on
    /// in the ledger.
    #[must_use]
    pub fn with_digest_of(mut self, field: &str) -> Self {
        for state in ["before", "after"] {
            if let Some(value) = self.0.get_mut(state).and_then(|state| state.get_mut(field)) {
                *value = json!({ "digest": digest(&value.to_string()) });
            }
        }
        if let Some(Value::Array(places)) = self.0.get_mut(INTEGERS) {
            let field = escaped(field);
            places.retain(|place| {
                let place = place.as_str().unwrap_or_default();
                !["before", "after"].iter().any(|state| {
                    place
                        .strip_prefix(&format!("/{state}/{field}"))
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                })
            });
        }
        self
    }

    /// The facts.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.0
    }

    /// The facts as canonical JSON.
    fn canonical(&self) -> String {
        match self.0.as_object() {
            // A digest, mostly: nothing to put in order, and texts have one form.
            Some(facts) if facts.len() == 1 && facts.values().all(Value::is_string) => {
                self.0.to_string()
            }
            _ => canonical(&self.0),
        }
    }
}

/// SHA-256 of a text, as `sha256:<hex>`.
#[must_use]
pub fn digest(text: &str) -> String {
    format!("sha256:{}", hex(&Sha256::digest(text.as_bytes())))
}

fn portable(value: &Value) -> Value {
    match value {
        Value::Number(number) if !is_portable(number) => Value::String(number.to_string()),
        Value::Array(items) => items.iter().map(portable).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), portable(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// The places, as JSON pointers, of the integers that [`portable`] makes texts of.
fn find_integers(value: &Value, place: &mut String, found: &mut Vec<String>) {
    let length = place.len();
    let mut step = |key: &str, item: &Value| {
        place.push('/');
        place.push_str(key);
        find_integers(item, place, found);
        place.truncate(length);
    };
    match value {
        Value::Number(number) if !is_portable(number) => found.push(place.clone()),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| step(&index.to_string(), item));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(key, item)| step(&escaped(key), item));
        }
        _ => {}
    }
}

/// A key as a part of a JSON pointer (RFC 6901).
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The facts of a stored change, with the integers that were made texts as integers again.
pub(crate) fn exact(change: &str) -> Result<Map<String, Value>, serde_json::Error> {
    let mut change: Value = serde_json::from_str(change)?;
    let places = change.as_object_mut().and_then(|facts| facts.shift_remove(INTEGERS));
    for place in places.as_ref().and_then(Value::as_array).into_iter().flatten() {
        if let Some(value) = place.as_str().and_then(|place| change.pointer_mut(place))
            && let Some(number) = value.as_str().and_then(|text| text.parse::<Number>().ok())
        {
            *value = Value::Number(number);
        }
    }
    serde_json::from_value(change)
}

fn is_portable(number: &Number) -> bool {
    match (number.as_u64(), number.as_i64()) {
        (Some(integer), _) => integer <= MAX_SAFE_INTEGER,
        (_, Some(integer)) => integer.unsigned_abs() <= MAX_SAFE_INTEGER,
        _ => true,
    }
}

/// Where the chain stands: the last line's place and hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The place of the last line; 0 before the first.
    pub seq: i64,
    /// Its hash; [`GENESIS`] before the first.
    pub hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, hash: GENESIS.to_owned() }
    }
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its place: gapless, ascending from 1.
    pub seq: i64,
    /// When it was written.
    pub ts: String,
    /// What kind of principal made the change.
    pub actor_kind: String,
    /// Which person.
    pub actor_id: Option<String>,
    /// What was done.
    pub operation: String,
    /// What kind of thing it was done to.
    pub subject_kind: String,
    /// Which one.
    pub subject_id: Option<String>,
    /// The project it belongs to.
    pub project_id: Option<String>,
    /// The run it belongs to.
    pub run_id: Option<String>,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// What changed, as canonical JSON.
    pub change: String,
    /// The hash of the line before.
    pub prev_hash: String,
    /// The hash of this line.
    pub hash: String,
}

impl Line {
    /// Gives `entry` its place after `head`.
    ///
    /// # Panics
    ///
    /// Never: a change is JSON, and all JSON has a canonical form.
    #[must_use]
    pub fn seal(head: &Head, author: &Author, ts: &WireTime, entry: Entry) -> Self {
        let line = Self {
            seq: 0,
            ts: ts.as_str().to_owned(),
            actor_kind: author.kind.as_str().to_owned(),
            actor_id: author.id.clone(),
            operation: entry.operation.as_str().to_owned(),
            subject_kind: entry.subject_kind.as_str().to_owned(),
            subject_id: entry.subject_id,
            project_id: entry.project_id,
            run_id: entry.run_id,
            request_id: author.request_id.clone(),
            change: entry.change.canonical(),
            prev_hash: String::new(),
            hash: String::new(),
        };
        line.after(head)
    }

    /// The same line in the place after `head`.
    #[must_use]
    pub fn after(mut self, head: &Head) -> Self {
        self.seq = head.seq + 1;
        self.prev_hash.clone_from(&head.hash);
        self.hash = self.hash_of();
        self
    }

    /// The chain's head after this line.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash.clone() }
    }

    /// Whether this line is the one that belongs after `head`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for a person.
    pub fn verify(&self, head: &Head) -> Result<(), String> {
        if self.seq != head.seq + 1 {
            return Err(format!(
                "line {} is missing: the next one that is there is {}",
                head.seq + 1,
                self.seq
            ));
        }
        if self.prev_hash != head.hash {
            return Err("its previous hash is not the hash of the line before it".to_owned());
        }
        let change: Value = serde_json::from_str(&self.change)
            .map_err(|error| format!("its change is not JSON: {error}"))?;
        if canonical(&change) != self.change {
            return Err("its change is not in canonical form".to_owned());
        }
        if self.hash_of() != self.hash {
            return Err("its content does not have the hash that it carries".to_owned());
        }
        Ok(())
    }

    /// The names are in their canonical order. Texts and places print the same in canonical JSON as in ours, and the
    /// change is canonical already.
    fn hash_of(&self) -> String {
        let mut text = Vec::with_capacity(640 + self.change.len());
        put(&mut text, "{\"actorId\":", &self.actor_id);
        put(&mut text, ",\"actorKind\":", &self.actor_kind);
        text.extend_from_slice(b",\"change\":");
        text.extend_from_slice(self.change.as_bytes());
        put(&mut text, ",\"operation\":", &self.operation);
        put(&mut text, ",\"prevHash\":", &self.prev_hash);
        put(&mut text, ",\"projectId\":", &self.project_id);
        put(&mut text, ",\"requestId\":", &self.request_id);
        put(&mut text, ",\"runId\":", &self.run_id);
        put(&mut text, ",\"seq\":", &self.seq);
        put(&mut text, ",\"subjectId\":", &self.subject_id);
        put(&mut text, ",\"subjectKind\":", &self.subject_kind);
        put(&mut text, ",\"ts\":", &self.ts);
        text.push(b'}');
        hex(&Sha256::digest(&text))
    }
}

fn put(text: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    text.extend_from_slice(name.as_bytes());
    serde_json::to_writer(text, value).expect("writing to memory cannot fail");
}

fn canonical(value: &impl Serialize) -> String {
    serde_json_canonicalizer::to_string(value).expect("JSON has a canonical form")
}

/// Bytes as lowercase hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;
    use crate::identity::ActorKind;

    fn author() -> Author {
        Author { kind: ActorKind::Agent, id: None, name: None, request_id: Some("req-1".into()) }
    }

    fn line(head: &Head, note: &str) -> Line {
        let change =
            Change::of(&json!({ "after": { "note": note, "tokens": u64::MAX, "cost": 0.1 } }));
        let entry = Entry::new(Operation::ProjectCreated, SubjectKind::Project, "proj-1", change);
        Line::seal(head, &author(), &WireTime::stored("2026-02-11T15:00:00.000000Z"), entry)
    }

    /// What the hash is made of, spelled out.
    fn hashed(line: &Line) -> Value {
        json!({
            "seq": line.seq, "ts": line.ts, "actorKind": line.actor_kind, "actorId": line.actor_id,
            "operation": line.operation, "subjectKind": line.subject_kind, "subjectId": line.subject_id,
            "projectId": line.project_id, "runId": line.run_id, "requestId": line.request_id,
            "change": serde_json::from_str::<Value>(&line.change).unwrap(), "prevHash": line.prev_hash,
        })
    }

    proptest! {
        #[test]
        fn a_hash_is_that_of_the_canonical_json_of_all_other_fields(
            texts in proptest::array::uniform4(any::<String>()),
            facts in arbitrary::json(),
            seq in 0..(1_i64 << 53) - 1,
        ) {
            let [subject, project, run, fact] = texts;
            for change in [Change::of(&facts), Change::of(&json!({ fact: subject })), Change::digest(&run)] {
                let entry = Entry::new(Operation::EventAppended, SubjectKind::Event, &subject, change.clone())
                    .in_project(Some(&project))
                    .in_run(Some(&run));
                let head = Head { seq, hash: digest(&project) };
                let line = Line::seal(&head, &author(), &WireTime::stored(&run), entry);
                prop_assert_eq!(&line.change, &canonical(change.value()));
                prop_assert_eq!(&line.hash, &hex(&Sha256::digest(canonical(&hashed(&line)))));
                prop_assert_eq!(line.verify(&head), Ok(()));
                let moved = Head { seq: 7, ..Head::default() };
                prop_assert_eq!(line.after(&moved).verify(&moved), Ok(()));
            }
        }
    }

    #[test]
    fn a_sealed_line_verifies_and_every_altered_field_is_noticed() {
        let genesis = Head::default();
        let good = line(&genesis, "one");
        assert_eq!(good.verify(&genesis), Ok(()));

        let alterations: [fn(&mut Line); 6] = [
            |line| line.ts.push('0'),
            |line| line.actor_id = Some("someone else".into()),
            |line| line.change = line.change.replace("one", "two"),
            |line| line.change.insert(1, ' '),
            |line| line.request_id = None,
            |line| line.hash.replace_range(0..1, "g"),
        ];
        for alter in alterations {
            let mut bad = good.clone();
            alter(&mut bad);
            assert!(bad.verify(&genesis).is_err());
        }
    }

    #[test]
    fn a_dropped_line_and_a_swapped_one_are_noticed() {
        let genesis = Head::default();
        let first = line(&genesis, "one");
        let second = line(&first.head(), "two");

        assert!(second.verify(&genesis).unwrap_err().contains("line 1 is missing"));
        assert_eq!(second.verify(&first.head()), Ok(()));
    }

    #[test]
    fn integers_that_a_double_cannot_hold_are_kept_as_texts() {
        let change =
            Change::of(&json!([9_007_199_254_740_991_u64, 9_007_199_254_740_993_u64, i64::MIN]));
        assert_eq!(
            change.value(),
            &json!([9_007_199_254_740_991_u64, "9007199254740993", "-9223372036854775808"])
        );
    }

    #[test]
    fn a_change_names_only_the_fields_that_differ() {
        let before = json!({ "a": 1, "b": [1], "c": null });
        let after = json!({ "a": 1, "b": [2], "d": true });
        let change = Change::between(before.as_object().unwrap(), after.as_object().unwrap());
        assert_eq!(
            change.value(),
            &json!({ "before": { "b": [1], "c": null }, "after": { "b": [2], "d": true } })
        );
    }

    #[test]
    fn integers_that_were_made_texts_can_be_had_back() {
        let document =
            json!({ "a/b": [{ "~": i64::MIN }, "9007199254740993"], "c": u64::MAX, "d": 1 });
        let change = Change::created(document.as_object().unwrap());

        let pointers = json!(["/after/a~1b/0/~0", "/after/c"]);
        assert_eq!(change.value()["integers"], pointers);
        let exact = exact(&canonical(change.value())).unwrap();
        assert_eq!(Value::Object(exact), json!({ "after": document }));
    }

    #[test]
    fn a_digest_leaves_no_trace_of_what_it_stands_for() {
        let document = json!({ "prompt": { "secret": u64::MAX }, "prompts": u64::MAX });
        let change = Change::created(document.as_object().unwrap()).with_digest_of("prompt");

        assert_eq!(change.value()["integers"], json!(["/after/prompts"]));
        assert!(!canonical(change.value()).contains("secret"));
    }

    #[test]
    fn operations_have_different_names() {
        for (place, operation) in Operation::ALL.iter().enumerate() {
            assert!(
                Operation::ALL[..place].iter().all(|other| other.as_str() != operation.as_str())
            );
        }
    }
}

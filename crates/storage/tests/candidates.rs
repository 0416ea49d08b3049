//! Files that are to become the database, from whoever made them.

use std::fs;
use std::path::{Path, PathBuf};

use pilotdeck_domain::clock::Clock;
use pilotdeck_storage::{
    Candidate, CandidateError, Claim, Durability, OpenOptions, Scratch, StoreError, Wanted, join,
    machine_time_zone, open,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

const OLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pilotdeck-v4.db");

async fn make(path: &Path) {
    let clock = Clock::default();
    let options = OpenOptions {
        path,
        durability: Durability::default(),
        clock: &clock,
        local_time: &machine_time_zone,
    };
    open(options).await.unwrap().0.close().await;
}

async fn execute(path: &Path, sql: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).foreign_keys(false);
    let mut conn = options.create_if_missing(true).connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

async fn examine(folder: &TempDir, file: &Path) -> Result<Candidate, CandidateError> {
    let (scratch, _) = Scratch::beside(&folder.path().join("pm.db"), "upload").unwrap();
    fs::write(scratch.path(), fs::read(file).unwrap()).unwrap();
    Candidate::examine(scratch, &machine_time_zone, Clock::default().now()).await
}

fn scratches(folder: &TempDir) -> usize {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().contains(".tmp-")).count()
}

#[tokio::test]
async fn what_would_act_by_itself_is_named_and_refused() {
    for (sql, named) in [
        (
            "CREATE TRIGGER backdoor AFTER INSERT ON ledger BEGIN UPDATE users SET role = 'admin'; END",
            "trigger backdoor",
        ),
        ("CREATE VIEW spy AS SELECT password_hash FROM users", "view spy"),
        (
            "DROP TRIGGER ledger_is_never_updated; CREATE TRIGGER ledger_is_never_updated BEFORE UPDATE ON ledger \
             BEGIN SELECT 1; END",
            "trigger ledger_is_never_updated",
        ),
        ("DROP TRIGGER ledger_is_never_deleted", "trigger ledger_is_never_deleted"),
        ("DROP INDEX usage_by_group", "usage_by_group"),
        (
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET type = 'view', rootpage = 0, \
             sql = 'CREATE VIEW receipts AS SELECT 1' WHERE name = 'receipts'",
            "",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hostile.db");
        make(&file).await;
        execute(&file, sql).await;

        let refused = examine(&folder, &file).await.err().expect(sql).to_string();

        assert!(refused.contains(named), "{sql}: {refused}");
        assert_eq!(scratches(&folder), 0, "{sql}");
    }
}

#[tokio::test]
async fn columns_that_compute_and_checks_that_never_end_are_no_way_in() {
    // The statement of a table, changed behind SQLite's back: its triggers stay.
    for (sql, named) in [
        (
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'role TEXT,', 'role TEXT,
             worth TEXT AS (hex(zeroblob(1000000))),') WHERE name = 'agent_profiles'",
            "agent_profiles",
        ),
        (
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'name TEXT NOT NULL',
             'name TEXT NOT NULL CHECK (name <> ''Apollo'')') WHERE name = 'agent_capabilities'",
            "agent_capabilities",
        ),
        ("CREATE UNIQUE INDEX one ON projects (status)", "one"),
        ("CREATE INDEX some ON projects (name) WHERE json(payload_json) IS NOT NULL", "some"),
        (
            "CREATE TABLE notes (project TEXT REFERENCES projects (id) ON DELETE RESTRICT)",
            "notes",
        ),
        ("CREATE INDEX slow ON projects (hex(zeroblob(1000000)))", "slow"),
        ("CREATE VIRTUAL TABLE words USING fts5 (text)", "words"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hostile.db");
        make(&file).await;
        execute(&file, sql).await;

        let refused = examine(&folder, &file).await.err().expect(sql).to_string();

        assert!(refused.contains(named), "{sql}: {refused}");
        assert_eq!(scratches(&folder), 0, "{sql}");
    }
}

#[tokio::test]
async fn a_file_of_the_older_pilotdeck_is_taken_as_it_made_it() {
    let folder = tempfile::tempdir().unwrap();

    let candidate = examine(&folder, Path::new(OLDER)).await.unwrap();

    assert_eq!(candidate.report().from_version, 4);
    drop(candidate.close().await);
}

#[tokio::test]
async fn the_triggers_of_an_older_file_never_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hostile.db");
    fs::write(&file, fs::read(OLDER).unwrap()).unwrap();
    execute(
        &file,
        "CREATE TRIGGER endless AFTER UPDATE ON projects BEGIN
             INSERT INTO meta WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x, x FROM n; END",
    )
    .await;

    let refused = examine(&folder, &file).await.err().unwrap();

    assert!(matches!(refused, CandidateError::Stranger { .. }), "{refused}");
}

#[tokio::test]
async fn tables_of_others_and_rows_that_are_not_right_are_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("odd.db");
    make(&file).await;
    execute(
        &file,
        "CREATE TABLE notes (text TEXT); CREATE INDEX notes_by_text ON notes (text);
         INSERT INTO projects (id, name, status, priority, created_at, updated_at, payload_json)
         VALUES ('p', 'P', 'planning', 'low', '2026-02-11T15:00:00.000000Z', '2026-02-11T15:00:00.000000Z',
                 '{\"id\":\"p\"},{\"id\":\"q\"}')",
    )
    .await;

    let candidate = examine(&folder, &file).await.unwrap();

    assert!(candidate.report().rewritten() > 0, "what is no JSON object is not served");
    let scratch = candidate.close().await;
    let database = join(scratch.path(), Durability::default()).await.unwrap();
    database.close().await;
    drop(scratch);
    assert_eq!(scratches(&folder), 0);
}

#[tokio::test]
async fn an_empty_file_and_foreign_ones_are_refused_by_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.db");
    execute(&empty, "PRAGMA journal_mode = WAL; VACUUM").await;
    let foreign = folder.path().join("foreign.db");
    execute(&foreign, "CREATE TABLE mail (text TEXT)").await;
    let newer = folder.path().join("newer.db");
    make(&newer).await;
    execute(&newer, "PRAGMA user_version = 7").await;
    let next = folder.path().join("next.db");
    make(&next).await;
    execute(&next, "UPDATE _sqlx_migrations SET version = 9999 WHERE version = 5").await;

    let empty = examine(&folder, &empty).await.err().unwrap().to_string();
    let foreign = examine(&folder, &foreign).await.err().unwrap().to_string();
    let newer = examine(&folder, &newer).await.err().unwrap().to_string();
    let next = examine(&folder, &next).await.err().unwrap().to_string();

    assert!(empty.contains("empty") || empty.contains("integrity_check"), "{empty}");
    assert!(foreign.contains("a table mail"), "{foreign}");
    assert!(newer.contains("user_version is 7"), "{newer}");
    assert!(next.contains("migration 9999"), "{next}");
}

async fn world() -> (TempDir, PathBuf, pilotdeck_storage::Database) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pm.db");
    let clock = Clock::default();
    let options = OpenOptions {
        path: &path,
        durability: Durability::default(),
        clock: &clock,
        local_time: &machine_time_zone,
    };
    let (database, _) = open(options).await.unwrap();
    (folder, path, database)
}

#[tokio::test]
async fn somebody_elses_connection_keeps_the_file_where_it_is() {
    let (folder, path, database) = world().await;
    let beside = join(&path, Durability::default()).await.unwrap();
    let scratch = database.copy(0).await.unwrap();
    let previous = database.name_for_previous(Clock::default().now());

    let refused = database.replace(scratch, &previous).await;

    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    assert!(!previous.exists() && !database.is_being_replaced());
    assert!(database.read().await.unwrap().ledger().head().await.unwrap().seq > 0);
    drop(database.write().await.unwrap());
    beside.close().await;
    let scratch = database.copy(0).await.unwrap();
    database.replace(scratch, &previous).await.unwrap();
    assert!(previous.exists());
    assert_eq!(scratches(&folder), 0);
    database.close().await;
    assert!(!folder.path().join("pm.db-wal").exists());
}

#[tokio::test]
async fn what_was_asked_of_the_file_before_is_not_written_to_the_next() {
    let (_folder, _, database) = world().await;
    let asked = database.generation();
    let holds = database.write().await.unwrap();
    let waits = tokio::spawn({
        let database = database.clone();
        async move { database.write().await.map(drop) }
    });
    let scratch = database.copy(0).await.unwrap();
    let previous = database.name_for_previous(Clock::default().now());
    let replaces = tokio::spawn({
        let database = database.clone();
        async move { database.replace(scratch, &previous).await }
    });
    while !database.is_being_replaced() {
        tokio::task::yield_now().await;
    }

    let refused = database.write().await.err();
    drop(holds);
    let waited = waits.await.unwrap();
    replaces.await.unwrap().unwrap();
    let late = database.next(asked).await.begin(&Wanted::default(), Clock::default().now()).await;

    assert!(matches!(refused, Some(StoreError::Replacing)), "{refused:?}");
    assert!(matches!(waited, Err(StoreError::Replacing)), "{waited:?}");
    assert!(matches!(late.err(), Some(StoreError::Replacing)));
    assert!(database.write().await.is_ok());
    assert!(database.generation() > asked);
}

#[tokio::test]
async fn a_file_that_is_served_is_claimed_by_nobody_else() {
    let (folder, path, database) = world().await;

    let refused = Claim::of(&path, false).err().map(|error| error.to_string());
    let insists = Claim::of(&path, true).unwrap();
    database.close().await;
    let claim = Claim::of(&path, false).unwrap();

    assert!(refused.unwrap().contains("already serves"));
    assert!(insists.is_served() && !claim.is_served());
    assert_eq!(claim.path(), folder.path().canonicalize().unwrap().join("pm.db"));
}

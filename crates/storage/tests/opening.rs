//! Which files open, what becomes of them, and that a refusal leaves them alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::times;
use pilotdeck_storage::{
    AdoptError, Database, Durability, LedgerFilter, OpenError, OpenOptions, Opened, join, open,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};
use tempfile::TempDir;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pilotdeck-v4.db");

fn noon() -> DateTime<Utc> {
    times::parse("2026-11-21T12:00:00Z").unwrap()
}

fn two_hours_ahead(naive: NaiveDateTime) -> DateTime<Utc> {
    naive.and_utc() - TimeDelta::hours(2)
}

async fn opened(path: &Path) -> Result<(Database, Opened), OpenError> {
    open(OpenOptions {
        path,
        durability: Durability::Process,
        clock: &Clock::fixed(noon()),
        local_time: &two_hours_ahead,
    })
    .await
}

async fn refusal(path: &Path) -> OpenError {
    match opened(path).await {
        Ok((_, opened)) => panic!("{opened:?}"),
        Err(refusal) => refusal,
    }
}

/// Opens the file and closes it again.
async fn prepared(path: &Path) -> Opened {
    let (database, opened) = opened(path).await.unwrap();
    database.close().await;
    opened
}

/// A folder of its own, and a place for a database in it.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap().join("pm.db");
    (folder, path)
}

fn old_file() -> (TempDir, PathBuf) {
    let (folder, path) = place();
    fs::copy(FIXTURE, &path).unwrap();
    make_writable(&path);
    (folder, path)
}

fn make_writable(path: &Path) {
    let mut permissions = fs::metadata(path).unwrap().permissions();
    #[expect(
        clippy::permissions_set_readonly_false,
        reason = "a file of a test, in its own folder"
    )]
    permissions.set_readonly(false);
    fs::set_permissions(path, permissions).unwrap();
}

/// A connection of somebody else.
async fn elsewhere(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
    options.create_if_missing(true).connect().await.unwrap()
}

async fn run(path: &Path, sql: &str) {
    let mut conn = elsewhere(path).await;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

async fn texts(path: &Path, sql: &str) -> Vec<String> {
    let mut conn = elsewhere(path).await;
    let texts =
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    texts
}

/// Each cell of each row of each table.
async fn rows(path: &Path) -> Vec<String> {
    let mut rows = Vec::new();
    for table in
        texts(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").await
    {
        let columns = format!(
            "SELECT group_concat('quote(\"' || name || '\")', ' || '';'' || ') FROM pragma_table_info('{table}')"
        );
        let cells = &texts(path, &columns).await[0];
        let without_rowid = [
            "api_keys",
            "invitations",
            "people",
            "project_members",
            "recovery_codes",
            "run_counts",
            "run_sessions",
            "second_factors",
            "usage_sums",
            "usage_totals",
        ];
        let place = if without_rowid.contains(&table.as_str()) { "''" } else { "rowid" };
        let sql = format!(
            "SELECT '{table};' || {place} || ';' || {cells} FROM \"{table}\" ORDER BY {place}, 1"
        );
        rows.extend(texts(path, &sql).await);
    }
    rows
}

async fn operations(path: &Path) -> Vec<String> {
    texts(path, "SELECT seq || ' ' || operation || ' ' || actor_kind FROM ledger ORDER BY seq")
        .await
}

#[tokio::test]
async fn a_new_file_is_for_its_owner_alone() {
    let (folder, _) = place();
    let path = folder.path().join("pm.db");

    let (database, _) = opened(&path).await.unwrap();

    for name in ["pm.db", "pm.db-wal"] {
        let metadata = std::fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
    database.close().await;
}

#[tokio::test]
async fn a_new_file_is_made_with_its_folders_and_its_ledger_begins() {
    let (folder, _) = place();
    let path = folder.path().join("some/where/pm.db");

    let (database, opened) = opened(&path).await.unwrap();
    let lines = database
        .snapshot()
        .await
        .unwrap()
        .ledger()
        .list(&LedgerFilter { limit: 10, ..LedgerFilter::default() })
        .await
        .unwrap();
    database.close().await;

    assert!(matches!(opened, Opened::Created));
    assert_eq!(
        texts(&path, "SELECT CAST(user_version AS TEXT) FROM pragma_user_version").await,
        ["4"]
    );
    let tables =
        texts(&path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1").await;
    for table in ["agent_events", "agent_runs", "ledger", "meta", "projects", "sessions", "users"] {
        assert!(tables.iter().any(|made| made == table), "{table}");
    }
    assert_eq!(
        (lines.len(), lines[0].seq, lines[0].operation.as_str()),
        (1, 1, "database.created")
    );
    assert_eq!(lines[0].ts, "2026-11-21T12:00:00.000000Z");
}

#[tokio::test]
async fn a_file_of_ours_opens_again_and_nothing_changes() {
    let (_folder, path) = place();
    prepared(&path).await;
    let before = rows(&path).await;

    let opened = prepared(&path).await;

    assert!(matches!(opened, Opened::Ready));
    assert_eq!(rows(&path).await, before);
    assert_eq!(texts(&path, "PRAGMA journal_mode").await, ["wal"]);
}

#[tokio::test]
async fn a_file_can_be_named_without_its_folder() {
    let (folder, path) = place();
    std::env::set_current_dir(folder.path()).unwrap();

    let (database, _) = opened(Path::new("pm.db")).await.unwrap();

    assert_eq!(database.path(), path);
    assert!(path.exists());
}

#[tokio::test]
async fn a_real_file_is_copied_and_taken_over_once() {
    let (_folder, path) = old_file();
    let original = rows(&path).await;

    let opened = prepared(&path).await;

    let Opened::Adopted { report, backup } = opened else { panic!("{opened:?}") };
    assert_eq!(backup, path.with_file_name("pm.db.bak.20261121T120000Z"));
    assert_eq!(rows(&backup).await, original);
    assert_eq!(texts(&backup, "SELECT integrity_check FROM pragma_integrity_check").await, ["ok"]);
    assert_eq!(report.seen(), 816);
    assert_eq!(operations(&path).await, ["1 database.adopted system"]);
    for column in [
        "updated_at FROM projects",
        "created_at FROM agent_runs",
        "ts FROM agent_events",
        "ts FROM token_usage_records",
        "value FROM meta WHERE key LIKE '%lastUpdated'",
    ] {
        let times = texts(&path, &format!("SELECT {column}")).await;
        assert!(times.iter().all(|time| time.len() == 27 && time.ends_with('Z')), "{column}");
    }
    let adopted = rows(&path).await;
    assert!(matches!(prepared(&path).await, Opened::Ready));
    assert_eq!(rows(&path).await, adopted);
    assert_eq!(texts(&path, "PRAGMA foreign_key_check").await, Vec::<String>::new());
}

#[tokio::test]
async fn indexes_that_ours_replace_are_gone_for_good() {
    let (_folder, path) = old_file();
    prepared(&path).await;
    run(&path, "UPDATE meta SET value = '2026-11-21T10:00:00' WHERE key = 'projects.lastUpdated'")
        .await;
    prepared(&path).await;

    let single = "
        SELECT name FROM sqlite_master m
         WHERE type = 'index' AND name <> 'events_that_propose' AND tbl_name IN ('agent_runs', 'agent_events', 'token_usage_records')
           AND EXISTS (SELECT 1 FROM pragma_index_info(m.name) one, sqlite_master o, pragma_index_info(o.name) other
                        WHERE o.type = 'index' AND o.tbl_name = m.tbl_name
                          AND o.name NOT IN (m.name, 'events_that_propose')
                          AND one.seqno = 0 AND other.seqno = 0 AND one.name = other.name
                          AND (SELECT count(*) FROM pragma_index_info(m.name)) = 1)";

    assert_eq!(texts(&path, single).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_an_older_server_writes_afterwards_is_adopted_at_the_next_start() {
    for (sql, found) in [
        (
            "INSERT INTO projects VALUES ('late', 99, 'n', 'planning', 'low', NULL, 0, '2026-11-21T15:00:00',
               '2026-11-21T15:00:00.5', '{\"id\":\"late\"}', 0, 0)",
            "SELECT updated_at || (payload_json ->> 'updatedAt') FROM projects WHERE id = 'late'",
        ),
        (
            "INSERT INTO agent_events VALUES ('late', '2026-11-21T15:00:00.5', 'note', 'info', NULL, NULL, NULL, NULL,
               NULL, '{\"id\":\"late\",\"ts\":\"2026-11-21T15:00:00.5\"}')",
            "SELECT ts || (payload_json ->> 'ts') FROM agent_events WHERE id = 'late'",
        ),
        (
            "UPDATE agent_runs SET updated_at = '2026-11-21T15:00:00.5'",
            "SELECT DISTINCT updated_at || (payload_json ->> 'updatedAt') FROM agent_runs",
        ),
        (
            "INSERT OR REPLACE INTO meta VALUES ('projects.lastUpdated', '2026-11-21T15:00:00.5')",
            "SELECT value || value FROM meta WHERE key = 'projects.lastUpdated'",
        ),
    ] {
        let (_folder, path) = old_file();
        prepared(&path).await;
        run(&path, sql).await;

        let again = prepared(&path).await;

        assert!(matches!(again, Opened::Adopted { .. }), "{sql}");
        assert_eq!(texts(&path, found).await, ["2026-11-21T13:00:00.500000Z".repeat(2)], "{sql}");
        assert_eq!(operations(&path).await.len(), 2);
        assert!(matches!(prepared(&path).await, Opened::Ready), "{sql}");
    }
}

#[tokio::test]
async fn the_guards_of_events_stand_again_after_a_second_adoption() {
    let (_folder, path) = old_file();
    prepared(&path).await;
    run(&path, "INSERT INTO agent_events (id, ts, payload_json) VALUES ('late', '2026-11-21T15:00:00', '{}')").await;
    prepared(&path).await;

    let mut conn = elsewhere(&path).await;
    for change in
        ["UPDATE agent_events SET title = 'x'", "DELETE FROM agent_events", "DELETE FROM ledger"]
    {
        let refused = sqlx::raw_sql(change).execute(&mut conn).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

#[tokio::test]
async fn a_second_server_is_refused_by_the_process_of_the_first_however_it_names_the_file() {
    let (folder, path) = place();
    let (database, _) = opened(&path).await.unwrap();
    let before = fs::read(&path).unwrap();
    let mut names = vec![path.clone(), folder.path().join("./pm.db")];
    #[cfg(unix)]
    {
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        names.push(link);
    }

    for name in names {
        let refusal = refusal(&name).await;

        assert!(matches!(refusal, OpenError::InUse { pid, .. } if pid == Some(std::process::id())));
        assert!(refusal.to_string().contains(&std::process::id().to_string()), "{refusal}");
    }

    assert_eq!(fs::read(&path).unwrap(), before);
    database.close().await;
    assert!(matches!(prepared(&path).await, Opened::Ready));
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_and_left_as_it_was() {
    let (folder, fixture) = old_file();
    let other = |name: &str| folder.path().join(name);
    run(&other("recipes.db"), "CREATE TABLE recipes (id INTEGER PRIMARY KEY)").await;
    fs::write(other("notes.txt"), "Buy milk.\n".repeat(100)).unwrap();
    fs::write(other("short.db"), "SQL").unwrap();
    fs::write(other("truncated.db"), &fs::read(&fixture).unwrap()[..100_000]).unwrap();
    fs::write(other("header.db"), &fs::read(&fixture).unwrap()[..60]).unwrap();
    fs::copy(&fixture, other("version.db")).unwrap();
    run(&other("version.db"), "PRAGMA user_version = 5").await;
    prepared(&other("migration.db")).await;
    run(
        &other("migration.db"),
        "INSERT INTO _sqlx_migrations VALUES (99, 'later', '2026-01-01', 1, x'00', 0)",
    )
    .await;

    for (name, says) in [
        ("recipes.db", "has a table recipes"),
        ("notes.txt", "not a SQLite database"),
        ("short.db", "not a SQLite database"),
        ("header.db", "damaged"),
        ("truncated.db", "damaged"),
        ("version.db", "user_version is 5"),
        ("migration.db", "migration 99; this program knows "),
    ] {
        let path = other(name);
        let before = fs::read(&path).unwrap();

        let refusal = refusal(&path).await.to_string();

        assert!(refusal.contains(says) && refusal.contains(name), "{name}: {refusal}");
        assert_eq!(fs::read(&path).unwrap(), before, "{name}");
    }
}

#[tokio::test]
async fn folders_and_devices_are_refused() {
    let (folder, _) = place();

    assert!(matches!(refusal(folder.path()).await, OpenError::IsFolder(_)));
    #[cfg(unix)]
    assert!(matches!(
        refusal(Path::new("/dev/null")).await,
        OpenError::Refused { source: AdoptError::NotSqlite, .. } | OpenError::ReadOnly { .. }
    ));
}

#[tokio::test]
async fn a_file_that_is_only_for_reading_is_refused() {
    let (_folder, path) = old_file();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let before = fs::read(&path).unwrap();

    let refusal = refusal(&path).await;

    assert!(matches!(refusal, OpenError::ReadOnly { .. }), "{refusal}");
    assert_eq!(fs::read(&path).unwrap(), before);
    make_writable(&path);
}

#[tokio::test]
async fn a_failure_on_the_way_leaves_the_file_and_its_copy_whole() {
    let (_folder, path) = old_file();
    run(&path, "CREATE TABLE sessions (id TEXT)").await;
    let before = rows(&path).await;

    let refusal = refusal(&path).await;

    assert!(matches!(refusal, OpenError::Migration { .. }), "{refusal}");
    assert_eq!(rows(&path).await, before);
    assert_eq!(rows(&path.with_file_name("pm.db.bak.20261121T120000Z")).await, before);
    assert!(texts(&path, "SELECT name FROM sqlite_master WHERE name = 'ledger'").await.is_empty());
}

#[tokio::test]
async fn copies_never_replace_each_other() {
    let (_folder, path) = old_file();
    let first = path.with_file_name("pm.db.bak.20261121T120000Z");
    fs::write(&first, "kept").unwrap();

    let opened = prepared(&path).await;

    let Opened::Adopted { backup, .. } = opened else { panic!("{opened:?}") };
    assert_eq!(backup, path.with_file_name("pm.db.bak.20261121T120000Z-2"));
    assert_eq!(fs::read(&first).unwrap(), b"kept");
}

#[cfg(unix)]
#[tokio::test]
async fn a_copy_is_as_private_as_the_file() {
    let (_folder, path) = old_file();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    let opened = prepared(&path).await;

    let Opened::Adopted { backup, .. } = opened else { panic!("{opened:?}") };
    assert_eq!(fs::metadata(backup).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn only_a_file_that_is_up_to_date_is_joined() {
    let (folder, old) = old_file();
    let missing = folder.path().join("missing.db");
    let empty = folder.path().join("empty.db");
    fs::write(&empty, "").unwrap();
    let newer = folder.path().join("newer.db");
    fs::copy(&old, &newer).unwrap();
    run(&newer, "PRAGMA user_version = 5").await;

    for (path, says) in [
        (&missing, "is not there: start `pilotdeck serve`"),
        (&empty, "is empty: start `pilotdeck serve`"),
        (&old, "older PilotDeck: start `pilotdeck serve`"),
        (&newer, "user_version is 5"),
    ] {
        let before = fs::read(path).ok();
        let refusal = join(path, Durability::Process).await.err().unwrap().to_string();
        assert!(refusal.contains(says), "{refusal}");
        assert_eq!(fs::read(path).ok(), before);
    }

    prepared(&old).await;
    run(&old, "UPDATE meta SET value = '2026-11-21T10:00:00' WHERE key = 'projects.lastUpdated'")
        .await;
    assert!(matches!(join(&old, Durability::Process).await, Err(OpenError::NotReady { .. })));
    prepared(&old).await;
    join(&old, Durability::Process).await.unwrap().close().await;
}

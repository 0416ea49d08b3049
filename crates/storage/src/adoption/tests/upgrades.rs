//! Every schema that was ever released, opened by this program: the rows stay, and the ledger holds.

use std::path::Path;

use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::{Change, Entry, Head, Line, Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
use serde_json::json;
use sqlx::Connection as _;

use super::{File, OLD_SCHEMA, now, two_hours_ahead};
use crate::adoption::create_schema;
use crate::{
    Candidate, Census, Database, Durability, LedgerFilter, OpenOptions, Opened, Scratch, ledger,
    migrations, open, previous_files,
};

/// Rows of each kind.
const ROWS: i64 = 25;

/// The rows that a database of each `user_version` can have, `$n` being the number of one.
const OLD_ROWS: [&[&str]; 4] = [
    &[
        "INSERT INTO projects (id, name, status, priority, progress, created_at, updated_at, payload_json) VALUES ('p$n',
         'P $n', 'planning', 'low', 7, '2026-02-11T15:00:00', '2026-02-11T15:00:00', '{\"id\":\"p$n\",\"name\":\"P $n\"}')",
        "INSERT INTO agent_runs (id, project_id, agent_id, status, created_at, updated_at, payload_json) VALUES ('r$n', 'p$n',
         'a', 'running', '2026-02-11T15:00:00', '2026-02-11T15:00:00', '{\"id\":\"r$n\",\"projectId\":\"p$n\"}')",
        "INSERT INTO agent_events (id, ts, type, level, project_id, payload_json) VALUES ('e$n', '2026-02-11T15:00:00',
         'note', 'info', 'p$n', '{\"id\":\"e$n\",\"title\":\"E $n\"}')",
    ],
    &[],
    &[
        "INSERT INTO agent_profiles (id, name, created_at, updated_at, payload_json) VALUES ('f$n', 'F $n',
         '2026-02-11T15:00:00', '2026-02-11T15:00:00', '{\"id\":\"f$n\",\"name\":\"F $n\"}')",
        "INSERT INTO agent_capabilities (id, name, created_at, updated_at, payload_json) VALUES ('c$n', 'C $n',
         '2026-02-11T15:00:00', '2026-02-11T15:00:00', '{\"id\":\"c$n\",\"name\":\"C $n\"}')",
        "INSERT INTO token_usage_records (id, ts, project_id, model, prompt_tokens, total_tokens, cost, payload_json) VALUES
         ('u$n', '2026-02-11T15:00:00', 'p$n', 'm', 3, 5, 0.25, '{\"id\":\"u$n\",\"totalTokens\":5}')",
    ],
    &["INSERT INTO users (id, username, password_hash, created_at, updated_at) VALUES ('w$n', 'w$n', 'x',
       '2026-02-11T15:00:00', '2026-02-11T15:00:00')"],
];

/// The tables with what people and agents wrote.
const TABLES: [&str; 7] = [
    "projects",
    "agent_runs",
    "agent_events",
    "agent_profiles",
    "agent_capabilities",
    "token_usage_records",
    "users",
];

impl File {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Fills the tables of a `user_version`.
    async fn fill(&mut self, version: usize) {
        self.run("BEGIN").await;
        for row in OLD_ROWS[..version].iter().copied().flatten() {
            for number in 0..ROWS {
                self.run(row.replace("$n", &number.to_string())).await;
            }
        }
        self.run("COMMIT").await;
    }

    /// What one of our own releases left behind: rows in the form that is served, each with its line in the ledger.
    async fn released(migration: i64) -> Self {
        let mut file = Self::empty().await;
        create_schema(&mut file.conn).await.unwrap();
        migrations::run_to(&mut file.conn, migration).await.unwrap();
        file.fill(4).await;
        // As it is served, which is how every release wrote them.
        let mut tx = file.conn.begin().await.unwrap();
        super::adopt(&mut tx, 4, &two_hours_ahead, now()).await.unwrap();
        let author = Actor::system().require(Permission::Administer).unwrap();
        let mut head = Head::default();
        for number in 0..ROWS {
            let change = Change::of(&json!({ "after": { "id": format!("p{number}") } }));
            let id = format!("p{number}");
            let entry = Entry::new(Operation::ProjectCreated, SubjectKind::Project, &id, change);
            let line = Line::seal(&head, &author, &WireTime::from(now()), entry);
            head = line.head();
            ledger::append(&mut tx, &[line]).await.unwrap();
        }
        // They were written by our own program, which does not leave this mark.
        sqlx::query("DELETE FROM meta WHERE key = 'pilotdeck.writtenElsewhere'")
            .execute(&mut *tx)
            .await
            .unwrap();
        crate::sums::compute(&mut tx).await.ok().or((migration < 5).then_some(())).unwrap();
        tx.commit().await.unwrap();
        file
    }

    /// What reads each cell of what people and agents wrote, in the columns that there are now.
    async fn reading(&mut self) -> Vec<String> {
        let mut reading = Vec::new();
        for table in TABLES {
            let columns = "SELECT group_concat('quote(\"' || name || '\")', ' || '';'' || ') FROM pragma_table_info";
            if let Some(cells) = self.text(format!("{columns}('{table}')")).await {
                reading.push(format!("SELECT '{table};' || {cells} FROM {table} ORDER BY id"));
            }
        }
        reading
    }

    async fn written(&mut self, reading: &[String]) -> Vec<String> {
        let mut written = Vec::new();
        for rows in reading {
            written.extend(self.texts(rows).await);
        }
        written
    }

    async fn ids(&mut self) -> Vec<String> {
        let mut ids = Vec::new();
        for table in TABLES {
            if self
                .text(format!("SELECT max(name) FROM sqlite_master WHERE name = '{table}'"))
                .await
                .is_some()
            {
                ids.extend(
                    self.texts(format!("SELECT '{table} ' || id FROM {table} ORDER BY id")).await,
                );
            }
        }
        ids
    }
}

async fn opened(folder: &Path) -> (Database, Opened) {
    let options = OpenOptions {
        path: &folder.join("pm.db"),
        durability: Durability::Process,
        clock: &Clock::fixed(now()),
        local_time: &two_hours_ahead,
    };
    open(options).await.unwrap()
}

/// Follows the ledger to its end; says how many lines it has.
async fn follow(database: &Database) -> usize {
    let filter = LedgerFilter { since: Some(0), limit: 10_000, ..LedgerFilter::default() };
    let lines = database.read().await.unwrap().ledger().list(&filter).await.unwrap();
    let mut head = Head::default();
    for line in &lines {
        line.verify(&head).unwrap();
        head = line.head();
    }
    lines.len()
}

#[tokio::test]
async fn every_release_of_ours_is_opened_with_the_same_rows_and_a_ledger_that_holds() {
    for migration in 1..=migrations::NEWEST {
        let mut file = File::released(migration).await;
        let (reading, folder) = (file.reading().await, file.folder().to_owned());
        let before = file.written(&reading).await;
        assert!(before.len() >= TABLES.len() * 25, "{migration}: {}", before.len());
        let census = Census::of_database(&folder.join("pm.db")).await.unwrap();
        assert_eq!(census.migration, migration);

        let (database, opened) = opened(&folder).await;

        assert_eq!(file.written(&reading).await, before, "{migration}");
        let is_due = migration < migrations::NEWEST;
        assert_eq!(matches!(opened, Opened::Adopted { .. }), is_due, "{migration}: {opened:?}");
        assert_eq!(follow(&database).await, 25 + usize::from(is_due), "{migration}");
        let after = database.census().await.unwrap();
        assert_eq!(after.migration, migrations::NEWEST);
        assert!(
            census.rows.iter().all(|(table, rows)| table == "ledger" || after.rows[table] == *rows)
        );
        assert_eq!(
            file.text("SELECT sum(records) || '' FROM usage_sums").await.as_deref(),
            Some("25")
        );
        // What it was is beside it, as it was.
        let copies = previous_files(&folder.join("pm.db")).unwrap();
        assert_eq!(copies.len(), usize::from(is_due), "{migration}");
        if let Some((copy, _)) = copies.first() {
            assert_eq!(Census::of_file(copy).await.unwrap(), census, "{migration}");
        }
        database.close().await;
    }
}

#[tokio::test]
async fn every_version_of_the_older_pilotdeck_is_opened_with_all_of_its_rows() {
    for version in 1..=OLD_SCHEMA.len() {
        let mut file = File::old(version).await;
        file.fill(version).await;
        let (before, folder) = (file.ids().await, file.folder().to_owned());
        let (scratch, _) = Scratch::beside(&folder.join("other.db"), "upload").unwrap();
        std::fs::copy(folder.join("pm.db"), scratch.path()).unwrap();

        let candidate = Candidate::examine(scratch, &two_hours_ahead, now()).await.unwrap();
        assert_eq!(candidate.database().census().await.unwrap().rows["projects"], ROWS);
        drop(candidate.close().await);
        let (database, opened) = opened(&folder).await;

        assert!(matches!(opened, Opened::Adopted { .. }), "{version}: {opened:?}");
        let after = file.ids().await;
        assert!(before.iter().all(|id| after.contains(id)), "{version}");
        // The account `admin` is new where there were no accounts.
        assert_eq!(after.len(), before.len() + usize::from(version < 4), "{version}");
        assert_eq!(file.payload("projects", "p7").await["name"], "P 7", "{version}");
        assert_eq!(follow(&database).await, 1);
        let copies = previous_files(&folder.join("pm.db")).unwrap();
        let copy = Census::of_file(&copies[0].0).await.unwrap();
        assert_eq!(
            (copy.user_version, copy.head, copy.rows["projects"]),
            (i64::try_from(version).unwrap(), None, 25)
        );
        database.close().await;
    }
}

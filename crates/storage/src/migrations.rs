//! Our migrations, after version 4 of the older PilotDeck. Numbered, forward only, never edited once released.

use sqlx::SqliteConnection;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr as _, query_scalar};

const APPLIED: &str = "SELECT max(version) FROM _sqlx_migrations WHERE success";

macro_rules! migrations {
    ($($version:literal $name:literal;)*) => {
        fn all() -> Vec<Migration> {
            vec![$(Migration::new(
                $version,
                $name.into(),
                MigrationType::Simple,
                include_str!(concat!("../../../migrations/sqlite/", $name, ".sql")).into_sql_str(),
                false,
            )),*]
        }

        /// The newest version.
        pub(crate) const NEWEST: i64 = { let mut newest = 0; $(if $version > newest { newest = $version; })* newest };
    };
}

migrations! {
    1 "0001_ledger";
    2 "0002_receipts";
    3 "0003_checkpoints";
    4 "0004_pages";
    5 "0005_statistics";
    6 "0006_members";
    7 "0007_people";
}

/// Brings the database to the newest version, inside the caller's transaction.
pub(crate) async fn run(conn: &mut SqliteConnection) -> Result<(), MigrateError> {
    run_up_to(conn, NEWEST).await
}

/// Brings the database to `version`, inside the caller's transaction.
pub(crate) async fn run_up_to(
    conn: &mut SqliteConnection,
    version: i64,
) -> Result<(), MigrateError> {
    let mut migrations = all();
    migrations.retain(|migration| migration.version <= version);
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.set_locking(false);
    migrator.run_direct(None, conn, false).await
}

/// Brings the database to an older version: what was released before.
#[cfg(test)]
pub(crate) async fn run_to(conn: &mut SqliteConnection, version: i64) -> Result<(), MigrateError> {
    let released = all().into_iter().filter(|migration| migration.version <= version).collect();
    let mut migrator = Migrator::with_migrations(released);
    migrator.set_locking(false);
    migrator.run_direct(None, conn, false).await
}

/// The version that an adopted database is at.
pub(crate) async fn applied(conn: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    Ok(query_scalar::<_, Option<i64>>(APPLIED).fetch_one(conn).await?.unwrap_or_default())
}

//! Which files are ours.

use super::super::{Found, create_schema, inspect};
use super::*;

#[tokio::test]
async fn an_empty_file_is_found_empty_and_becomes_one_of_version_4_without_users() {
    let mut file = File::empty().await;
    assert_eq!(inspect(&mut file.conn).await.unwrap(), Found::Empty);

    create_schema(&mut file.conn).await.unwrap();

    assert_eq!(inspect(&mut file.conn).await.unwrap(), Found::Legacy { version: 4 });
    assert_eq!(file.number("SELECT count(*) FROM users").await, 0);
}

#[tokio::test]
async fn the_schema_we_make_is_that_of_the_old_server() {
    let mut old = File::fixture().await;
    let mut ours = File::empty().await;
    create_schema(&mut ours.conn).await.unwrap();
    let columns = "
        SELECT m.type || ' ' || m.name || ' ' || group_concat(i.cid || i.name || i.type || i.\"notnull\" || ifnull(i.dflt_value, '') || i.pk)
          FROM sqlite_master m JOIN pragma_table_info(m.name) i WHERE m.type = 'table' GROUP BY m.name
         UNION ALL
        SELECT type || ' ' || name || ' ' || tbl_name || ' ' || ifnull(sql, '') FROM sqlite_master WHERE type <> 'table'
         ORDER BY 1";

    assert_eq!(ours.texts(columns).await, old.texts(columns).await);
    assert_eq!(ours.number("SELECT count(*) FROM pragma_foreign_key_list('agent_runs')").await, 1);
}

#[tokio::test]
async fn files_of_the_old_server_are_found_with_their_version() {
    for version in 1..=4 {
        let mut file = File::old(version).await;
        let before = file.dump().await;

        let found = inspect(&mut file.conn).await.unwrap();

        assert_eq!(found, Found::Legacy { version: i64::try_from(version).unwrap() });
        assert_eq!(file.dump().await, before);
    }
}

#[tokio::test]
async fn a_file_that_our_migrations_ran_on_is_found_adopted() {
    let mut file = File::fixture().await;
    file.run("CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY)").await;

    assert_eq!(inspect(&mut file.conn).await.unwrap(), Found::Adopted);
}

#[tokio::test]
async fn a_newer_file_is_refused_with_its_version() {
    let mut file = File::fixture().await;
    file.run("PRAGMA user_version = 5").await;

    let refusal = inspect(&mut file.conn).await.unwrap_err();

    assert!(matches!(refusal, AdoptError::Newer { version: 5 }), "{refusal}");
    assert!(matches!(file.adopt().await.unwrap_err(), AdoptError::Newer { version: 5 }));
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_by_what_is_in_it() {
    let mut file = File::empty().await;
    file.run("CREATE TABLE recipes (id INTEGER PRIMARY KEY)").await;
    let unversioned = inspect(&mut file.conn).await.unwrap_err();
    file.run("PRAGMA user_version = 3").await;
    let versioned = inspect(&mut file.conn).await.unwrap_err();
    file.run("PRAGMA user_version = -1").await;
    let negative = inspect(&mut file.conn).await.unwrap_err();

    assert!(
        unversioned.to_string().contains("a table recipes and user_version 0"),
        "{unversioned}"
    );
    assert!(versioned.to_string().contains("version 3, but it has no table meta"), "{versioned}");
    assert!(matches!(negative, AdoptError::Foreign { version: -1, .. }), "{negative}");
    assert!(create_schema(&mut file.conn).await.is_err());
}

#[tokio::test]
async fn a_file_that_lacks_a_part_of_its_version_is_refused_by_that_part() {
    for (version, change, missing) in [
        (1, "DROP TABLE agent_events", "no table agent_events"),
        (1, "ALTER TABLE projects RENAME COLUMN id TO key", "no column projects.id"),
        (2, "ALTER TABLE projects DROP COLUMN actual_cost", "no column projects.actual_cost"),
        (3, "DROP TABLE token_usage_records", "no table token_usage_records"),
        (4, "ALTER TABLE users DROP COLUMN last_login_at", "no column users.last_login_at"),
    ] {
        let mut file = File::old(version).await;
        file.run(change).await;

        let refusal = inspect(&mut file.conn).await.unwrap_err();

        assert!(refusal.to_string().contains(missing), "{change}: {refusal}");
        assert!(matches!(file.adopt().await.unwrap_err(), AdoptError::Incomplete { .. }));
    }
}

#[tokio::test]
async fn what_is_no_sqlite_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(
        &path,
        "not a database, but long enough to have a header of one hundred bytes. ".repeat(20),
    )
    .unwrap();
    let options = SqliteConnectOptions::new().filename(&path);

    let refusal = match options.connect().await {
        Ok(mut conn) => inspect(&mut conn).await.unwrap_err(),
        Err(error) => error.into(),
    };

    assert!(matches!(refusal, AdoptError::NotSqlite), "{refusal:?}");
}

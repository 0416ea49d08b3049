//! Asking the database whether it can write, by writing.

use sqlx::AssertSqlSafe;

use crate::adoption::USER_VERSION;
use crate::{Database, StoreError};

impl Database {
    /// Writes one page as it is, through everything that a change goes through: the writer's turn, the lock, the log.
    /// Nobody sees a difference.
    ///
    /// # Errors
    ///
    /// What a change would meet now.
    pub async fn try_write(&self) -> Result<(), StoreError> {
        let asked = self.generation();
        self.gate.admit(asked)?;
        let mut turn = self.turn(asked).await;
        turn.begin(&[], &[]).await?;
        let version: i64 = sqlx::query_scalar(USER_VERSION).fetch_one(turn.conn()?).await?;
        let again = AssertSqlSafe(format!("{USER_VERSION} = {version}; COMMIT"));
        sqlx::raw_sql(again).execute(turn.conn()?).await?;
        turn.ended();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn trying_to_write_changes_nothing_and_meets_what_a_change_would_meet() {
        let folder = tempfile::tempdir().unwrap();
        let database = testing::database(&folder).await;
        let before = database.read().await.unwrap().ledger().head().await.unwrap();

        database.try_write().await.unwrap();
        database.try_write().await.unwrap();

        assert_eq!(database.read().await.unwrap().ledger().head().await.unwrap(), before);
        assert_eq!(database.damage().await.unwrap(), None);
        database.close().await;
        assert!(matches!(database.try_write().await, Err(StoreError::Closed)));
    }
}

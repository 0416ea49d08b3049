//! Asking a server whether it answers.

use std::time::Duration;

use anyhow::{Context as _, Result};
use pilotdeck_load::Connection;
use tokio::time::timeout;

use crate::settings::HealthArgs;

/// What needs no database and no credential: who restarts what is not well must not do so while a restore runs.
const PATH: &str = "/health/live";
/// Those who watch give up after some seconds themselves, and say less.
const WITHIN: Duration = Duration::from_secs(4);

/// Asks once.
pub(crate) async fn ask(args: &HealthArgs) -> Result<()> {
    let url = args.url()?;
    let asking = async { Connection::open(&url).await?.get(PATH).await };
    let answered = timeout(WITHIN, asking).await.context("there is no answer in time");
    answered.and_then(|answered| Ok(answered?)).with_context(|| format!("{url} is not well"))?;
    println!("{url} answers");
    Ok(())
}

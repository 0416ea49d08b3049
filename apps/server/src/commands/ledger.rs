//! Commands about the ledger: verify, sign, export.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::Actor;
use pilotdeck_domain::ledger::checkpoint::{Checkpoint, PublicKey, SigningKey};
use pilotdeck_domain::ledger::export::Proof;
use pilotdeck_services::Services;
use pilotdeck_services::ledger::{Verdict, prove, verify_signed};

use super::{OF_BYTES, bar, open, write_to};
use crate::secret;
use crate::settings::{DatabaseArgs, OutputArgs, VerifyArgs, ledger_key};

const OF_LINES: &str = "[{bar:40}] {human_pos} of {human_len} lines, {eta} left";
/// What a public key in a file may have beside itself.
const MAX_KEY_FILE_BYTES: u64 = 64 << 10;

/// Checks the ledger and the file that it is in, or an export, and says where it stands or what is wrong.
pub(crate) async fn verify(args: &VerifyArgs) -> Result<()> {
    let keys: Vec<PublicKey> = args.key.iter().map(|key| public_key(key)).collect::<Result<_>>()?;
    match &args.export {
        Some(file) => verify_export(file, &keys),
        None => verify_database(&args.database, keys).await,
    }
}

async fn verify_database(args: &DatabaseArgs, mut keys: Vec<PublicKey>) -> Result<()> {
    let database = open(args).await?;
    if keys.is_empty() {
        let own = secret::ledger_key_if_any(&key_path(database.path()))?;
        keys.extend(own.map(|key| key.public()));
    }
    let bar = bar(0, OF_LINES);
    let keys = (!keys.is_empty()).then_some(keys.as_slice());
    let signed = verify_signed(database.snapshot().await?, keys, |seq, last| {
        bar.set_length(last.unsigned_abs());
        bar.set_position(seq.unsigned_abs());
    })
    .await;
    bar.finish_and_clear();
    let signed = signed?;
    let damage = database.damage().await?;
    database.close().await;
    match signed.verdict {
        Verdict::Holds(_) if let Some(damage) = damage => {
            bail!("the ledger holds, but the database file is damaged: {damage}")
        }
        Verdict::Holds(head) => {
            println!("the ledger holds: last seq {}, hash {}", head.seq, head.hash);
            say_what_is_proven(head.seq, signed.checkpoints, signed.last.as_ref());
            if keys.is_none() && signed.last.is_some() {
                println!(
                    "not proven: the signatures, because no key was given and this host has none"
                );
            }
            Ok(())
        }
        Verdict::Broken { seq, reason } => bail!("the ledger does not hold at seq {seq}: {reason}"),
    }
}

fn verify_export(path: &Path, keys: &[PublicKey]) -> Result<()> {
    let (file, bytes): (Box<dyn Read + Send>, u64) = if path == Path::new("-") {
        (Box::new(io::stdin()), 0)
    } else {
        let file =
            File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let bytes = file.metadata()?.len();
        (Box::new(file), bytes)
    };
    let bar = bar(bytes, OF_BYTES);
    let proven = prove(file, keys, |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    match proven.with_context(|| format!("{} cannot be read", path.display()))? {
        Ok(Proof { seq: 0, .. }) => bail!("{} is empty: it is no export", path.display()),
        Ok(Proof { last: None, seq, .. }) => {
            bail!(
                "nothing is proven: the {seq} lines fit to each other, but none of them was signed"
            )
        }
        Ok(Proof { seq, hash, checkpoints, last }) => {
            println!("the export holds: last seq {seq}, hash {hash}");
            say_what_is_proven(seq, checkpoints, last.as_ref());
            println!(
                "not proven: that this is all there is (an older export holds as well), and that whoever has the secret \
                 key did not write everything anew"
            );
            Ok(())
        }
        Err(found) => bail!("broken at line {} (seq {}): {}", found.line, found.seq, found.reason),
    }
}

/// What every verification says about checkpoints; `seq` is the last line.
fn say_what_is_proven(seq: i64, checkpoints: u64, last: Option<&Checkpoint>) {
    let Some(last) = last else {
        println!(
            "not proven: that nobody wrote it anew; no line was signed (`pilotdeck ledger checkpoint`)"
        );
        return;
    };
    let count = if checkpoints == 1 {
        "1 checkpoint".to_owned()
    } else {
        format!("{checkpoints} checkpoints")
    };
    println!("proven: seq 1 to {}, by {count}, the last one of {}", last.seq, last.ts);
    if seq > last.seq {
        println!("not proven: seq {} to {seq}, after the last checkpoint", last.seq + 1);
    }
}

/// Signs where the ledger stands.
pub(crate) async fn checkpoint(args: &DatabaseArgs) -> Result<()> {
    let database = open(args).await?;
    let key = secret::ledger_key(&key_path(database.path()))?;
    let services = Services::new(database, Clock::default()).with_ledger_key(key);
    let signed = services.ledger.checkpoint(&Actor::system()).await;
    services.close().await;
    let Checkpoint { seq, hash, ts, key, .. } = signed?.checkpoint;
    println!("signed: seq {seq}, hash {hash}, at {ts}, key {key}");
    Ok(())
}

/// Writes the whole ledger with its checkpoints.
pub(crate) async fn export(args: &OutputArgs) -> Result<()> {
    let services = Services::new(open(&args.database).await?, Clock::default());
    let written = write_to(args.output.as_deref(), async |file| {
        let mut export = services.ledger.export(&Actor::system()).await?;
        let bar = bar(export.seq().unsigned_abs(), OF_LINES);
        while let Some(piece) = export.next().await? {
            file.write_all(piece.as_bytes())?;
            bar.set_position(export.reached().unsigned_abs());
        }
        bar.finish_and_clear();
        Ok(())
    })
    .await;
    services.close().await;
    written
}

/// Prints the public key, making the pair if there is none yet.
pub(crate) fn print_key(args: &DatabaseArgs) -> Result<()> {
    let database = args.path();
    let database = database.canonicalize().unwrap_or(database);
    let key: SigningKey = secret::ledger_key(&key_path(&database))?;
    println!("{}", key.public());
    Ok(())
}

fn key_path(database: &Path) -> PathBuf {
    secret::ledger_key_path(database, ledger_key())
}

/// A public key, or the one in a file of that name.
fn public_key(given: &str) -> Result<PublicKey> {
    if let Ok(key) = given.parse() {
        return Ok(key);
    }
    let no_key = || format!("{given} is neither a public key nor a file with one");
    let mut text = String::new();
    let file = File::open(given).with_context(no_key)?;
    file.take(MAX_KEY_FILE_BYTES).read_to_string(&mut text).with_context(no_key)?;
    text.parse().with_context(no_key)
}

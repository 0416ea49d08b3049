//! Proving an export, without a database.
//!
//! One thread reads, others hash, and the calling one follows the chain: memory stays the same however long the file
//! is.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use memchr::{memchr_iter, memrchr};
use pilotdeck_domain::ledger::checkpoint::PublicKey;
use pilotdeck_domain::ledger::export::{Audit, Break, Item, MAX_LINE_BYTES, Proof};

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// The most threads that hash.
const MAX_WORKERS: usize = 8;
/// Chunks that wait for each of them, and results.
const WAITING: usize = 2;

const CUT_OFF: &str = "it has no line break: the file was cut off here";
const TOO_LONG: &str = "it is longer than any line of a ledger";

/// Whole lines, looked at.
struct Looked {
    items: Vec<Item>,
    bytes: usize,
}

/// Reads an export to its end, or to the first line that does not belong where it stands; `keys` are the ones that may
/// have signed its checkpoints, `progress` hears how many bytes were looked at.
///
/// # Errors
///
/// If the file cannot be read.
///
/// # Panics
///
/// If reading it panics.
pub fn prove(
    file: impl Read + Send,
    keys: &[PublicKey],
    mut progress: impl FnMut(u64),
) -> io::Result<Result<Proof, Break>> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    thread::scope(|scope| {
        let mut inputs = Vec::new();
        let mut outputs = Vec::new();
        for _ in 0..workers {
            let (input, chunks) = sync_channel(WAITING);
            let (results, output) = sync_channel(WAITING);
            scope.spawn(move || look(&chunks, &results));
            inputs.push(input);
            outputs.push(output);
        }
        let reader = scope.spawn(move || deal(file, &inputs));

        let mut audit = Audit::new(keys);
        let mut bytes = 0;
        'file: for output in outputs.iter().cycle() {
            // They are dealt in turns: the first that has no more has the end.
            let Ok(looked) = output.recv() else { break };
            for item in looked.items {
                if !audit.take(item) {
                    break 'file;
                }
            }
            bytes += looked.bytes as u64;
            progress(bytes);
        }
        // Who still has something to say finds nobody listening, and ends.
        drop(outputs);
        let fault = reader.join().expect("whoever hands in a reader that panics is told")?;
        Ok(audit.end(fault))
    })
}

/// Deals chunks of whole lines to `inputs` in turns. Returns what is wrong with what follows the last one.
fn deal(mut file: impl Read, inputs: &[SyncSender<Vec<u8>>]) -> io::Result<Option<&'static str>> {
    let mut chunk = Vec::new();
    let mut turns = inputs.iter().cycle();
    loop {
        let known = chunk.len();
        let read = file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        if read == 0 {
            return Ok((!chunk.is_empty()).then_some(CUT_OFF));
        }
        let Some(end) = memrchr(b'\n', &chunk[known..]) else {
            if chunk.len() > MAX_LINE_BYTES {
                return Ok(Some(TOO_LONG));
            }
            continue;
        };
        let rest = chunk.split_off(known + end + 1);
        let lines = std::mem::replace(&mut chunk, rest);
        let is_heard = turns.next().is_some_and(|input| input.send(lines).is_ok());
        if !is_heard {
            return Ok(None);
        }
    }
}

fn look(chunks: &Receiver<Vec<u8>>, results: &SyncSender<Looked>) {
    for chunk in chunks {
        let mut start = 0;
        let read = |end: usize| {
            let item = Item::read(&chunk[start..end]);
            start = end + 1;
            item
        };
        let items = memchr_iter(b'\n', &chunk).map(read).collect();
        if results.send(Looked { items, bytes: chunk.len() }).is_err() {
            return;
        }
    }
}

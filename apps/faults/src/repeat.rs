//! Sending again: what a client does that does not know what became of its request.

use std::collections::BTreeSet;
use std::sync::Mutex;

use anyhow::Result;
use pilotdeck_load::Connection;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::Value;

use crate::check::is_same;
use crate::load::{lock, send};
use crate::world::{Kind, Sent, ViolationKind, World};

/// Answered requests that are sent again after each restart.
const ANSWERED: usize = 12;
/// Requests with a key that are remembered over several restarts, and how many of them are sent again after each.
const KEPT: usize = 60;
const KEPT_AGAIN: usize = 4;

/// Requests whose key a client remembers.
#[derive(Debug, Default)]
pub(crate) struct Kept(Vec<Sent>);

/// How often something was sent again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Repeated {
    /// What had been answered.
    pub(crate) answered: u64,
    /// Of these, with a key: the same answer, byte for byte.
    pub(crate) with_key: u64,
    /// What had not been answered.
    pub(crate) unanswered: u64,
    /// Of these and of what is not sent again, what had been done.
    pub(crate) unanswered_and_done: u64,
}

/// Sends again all that was not answered and some of what was. `applied` are those of the former that were done.
pub(crate) async fn repeat(
    world: &Mutex<World>,
    connection: &mut Connection,
    kept: &mut Kept,
    applied: &BTreeSet<u64>,
    random: &mut StdRng,
) -> Result<Repeated> {
    let (unanswered, answered) = {
        let mut world = lock(world);
        let mut answered = std::mem::take(&mut world.answered);
        // The id of a project that was deleted is free again.
        answered.retain(|sent| {
            let is_there = || world.projects.contains_key(&sent.subjects[0].0);
            sent.kind != Kind::ProjectCreate || sent.key.is_some() || is_there()
        });
        (std::mem::take(&mut world.unanswered), answered)
    };
    let done = unanswered.iter().filter(|sent| applied.contains(&sent.number)).count() as u64;
    let mut repeated = Repeated { unanswered_and_done: done, ..Repeated::default() };
    let is_repeatable = |sent: &&Sent| sent.kind.has_own_ids() || sent.key.is_some();
    let answered: Vec<&Sent> = answered.iter().filter(is_repeatable).collect();
    let chosen = answered.choose_multiple(random, ANSWERED).copied();
    for sent in chosen.chain(kept.0.choose_multiple(random, KEPT_AGAIN)) {
        let answer = send(connection, sent).await;
        repeated.answered += 1;
        repeated.with_key += u64::from(sent.key.is_some());
        if let Some(text) = objection(sent, answer.as_ref()) {
            lock(world).violated(ViolationKind::Answer, text);
        }
    }
    for sent in answered.iter().filter(|sent| sent.key.is_some()) {
        if kept.0.len() < KEPT {
            kept.0.push((*sent).clone());
        } else if random.random_ratio(1, 10) {
            let place = random.random_range(0..KEPT);
            kept.0[place] = (*sent).clone();
        }
    }
    for sent in unanswered.iter().filter(is_repeatable) {
        repeated.unanswered += 1;
        let was_applied = applied.contains(&sent.number);
        // Its effect is known already; only the key makes its repetition harmless.
        let is_known =
            was_applied && (!sent.kind.has_own_ids() || sent.kind == Kind::ProjectCreate);
        if !is_known {
            lock(world).attempt(sent);
        }
        let Some((status, bytes)) = send(connection, sent).await else {
            anyhow::bail!("the server went away while nobody killed it");
        };
        if is_known {
            let is_taken = sent.kind == Kind::ProjectCreate && sent.key.is_none() && status == 409;
            if !is_taken && !(200..300).contains(&status) {
                let text = format!("{} sent again answered {status}", sent.kind.as_str());
                lock(world).violated(ViolationKind::Answer, text);
            }
        } else {
            lock(world).acknowledge(sent.clone(), status, bytes);
        }
    }
    // What was acknowledged just now is looked at after the next restart.
    lock(world).answered.clear();
    Ok(repeated)
}

/// What is wrong with the answer to a request that had been answered before, if anything.
fn objection(sent: &Sent, answer: Option<&(u16, Vec<u8>)>) -> Option<String> {
    let (Some((status, bytes)), Some((first_status, first))) = (answer, &sent.answer) else {
        return Some(format!("{} sent again was not answered", sent.kind.as_str()));
    };
    if (status, bytes) == (first_status, first) {
        return None;
    }
    let text = || {
        let (now, before) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(first));
        format!("{} sent again answered {status} {now}, not {before}", sent.kind.as_str())
    };
    if sent.key.is_some() {
        return Some(text());
    }
    let (answer, first) = (parsed(bytes), parsed(first));
    let is_harmless = match sent.kind {
        Kind::ProjectCreate => *status == 409,
        Kind::Event => {
            answer["created"] == false && is_same_document(&answer["data"], &first["data"])
        }
        Kind::RunStart => answer["created"] == false,
        Kind::UsageBatch => answer["data"]["created"] == 0,
        Kind::Actions => answer["data"]["results"].as_array().is_some_and(|results| {
            results.iter().all(|result| result["message"] == "action exists")
        }),
        _ => false,
    };
    (!is_harmless).then(text)
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

fn is_same_document(left: &Value, right: &Value) -> bool {
    is_same(&left.to_string(), &right.to_string())
}

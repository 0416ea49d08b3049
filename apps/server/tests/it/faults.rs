//! The fault campaign, in little: being killed in the middle of everything, and disks that take no more.

use std::path::Path;
use std::time::Duration;

use pilotdeck_faults::{
    DiskFault, Outcome, Plan, RestorePlan, kill_and_restart, kill_restores, try_fault,
};

const ROUNDS: u64 = 20;
/// Restores that are killed: each way of it a few times.
const RESTORES: u64 = 9;

fn server() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pilotdeck"))
}

#[tokio::test]
async fn what_was_acknowledged_survives_every_kill_exactly_once() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        server: server().to_owned(),
        folder: folder.path().to_owned(),
        rounds: ROUNDS,
        seed: rand::random(),
        longest: Duration::from_millis(400),
    };

    let summary = kill_and_restart(&plan, |_| ()).await.unwrap();

    println!("{summary}");
    assert!(summary.is_clean(), "{summary}");
    assert_eq!(summary.rounds(), ROUNDS);
    assert!(summary.acknowledged() > ROUNDS, "there was something to lose");
}

#[tokio::test]
async fn a_restore_that_is_killed_leaves_one_of_the_two_databases_whole_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (server, folder) = (server().to_owned(), folder.path().to_owned());
    let plan = RestorePlan { server, folder, rounds: RESTORES, seed: rand::random() };

    let summary = kill_restores(&plan, |_| ()).await.unwrap();

    println!("{summary}");
    assert!(summary.is_clean(), "{summary}");
    assert_eq!(summary.rounds(), RESTORES);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room_and_loses_nothing() {
    passes(DiskFault::Full).await;
}

#[tokio::test]
async fn a_server_on_a_full_disk_that_is_killed_starts_again() {
    passes(DiskFault::FullAndKilled).await;
}

#[tokio::test]
async fn a_limit_on_the_size_of_files_refuses_writes_until_it_is_lifted() {
    passes(DiskFault::Quota).await;
}

#[tokio::test]
async fn files_that_become_read_only_refuse_writes_until_they_are_writable() {
    passes(DiskFault::ReadOnly).await;
}

async fn passes(fault: DiskFault) {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();

    match try_fault(server(), &files, fault).await.unwrap() {
        Outcome::Passed(how) => println!("{}: {how}", fault.as_str()),
        Outcome::Skipped(why) => println!("skipped: {}: {why}", fault.as_str()),
    }
}

//! A full disk.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::process::{Server, answer, finish, pilotdeck, serve};

/// A small file system in memory. Dropping it unmounts it.
struct SmallDisk {
    /// Mounted here; also the name of the folder that goes last.
    folder: TempDir,
}

impl SmallDisk {
    /// None where mounting is not for us, or not possible.
    fn mounted() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(folder.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self { folder })
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room_and_loses_nothing() {
    let Some(disk) = SmallDisk::mounted() else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    let folder = disk.folder.path();
    fs::write(disk.ballast(), vec![0; 1 << 20]).unwrap();
    let server = Server::start(&mut serve(folder)).await;
    let event = |turn: usize| json!({ "id": format!("evt-{turn}"), "agentId": "disk", "message": "x".repeat(20_000) });

    let mut acknowledged = 0;
    let refused = loop {
        let (status, refused) =
            answer(server.post("/api/agent/events", &event(acknowledged))).await;
        if status != 201 {
            break (status, refused);
        }
        acknowledged += 1;
        assert!(acknowledged < 1_000, "the disk does not fill up");
    };
    assert_eq!(refused.0, 507, "{}", refused.1);
    assert_eq!(refused.1["code"], "storage_full");
    for _ in 0..3 {
        let (status, _) = answer(server.post("/api/agent/events", &event(acknowledged))).await;
        assert_eq!(status, 507);
        let events = server.read("/api/agent/events?agentId=disk&limit=2000").await;
        assert_eq!(events["total"], acknowledged);
    }

    fs::remove_file(disk.ballast()).unwrap();
    for _ in 0..3 {
        server.write("/api/agent/events", &event(acknowledged)).await;
        acknowledged += 1;
    }
    server.stop().await;

    let verified = finish(pilotdeck(folder).args(["ledger", "verify"]), "");
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let server = Server::start(&mut serve(folder)).await;
    let events = server.read("/api/agent/events?agentId=disk&limit=2000").await;
    assert_eq!(events["total"], acknowledged);
    println!("{acknowledged} events of 20 kB were kept");
}

#[tokio::test]
async fn a_server_on_a_full_disk_that_is_killed_starts_again() {
    let Some(disk) = SmallDisk::mounted() else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    let folder = disk.folder.path();
    let mut server = Server::start(&mut serve(folder)).await;
    server.write("/api/agent/events", &json!({ "id": "evt-kept" })).await;
    // As much as there is room for.
    let _ = fs::write(disk.ballast(), vec![0; 8 << 20]);
    let (status, _) =
        answer(server.post("/api/agent/events", &json!({ "message": "x".repeat(1 << 20) }))).await;
    assert_eq!(status, 507);

    server.kill();
    let server = Server::start(&mut serve(folder)).await;

    assert_eq!(server.read("/api/agent/events").await["data"][0]["id"], "evt-kept");
    fs::remove_file(disk.ballast()).unwrap();
    server.write("/api/agent/events", &json!({})).await;
    server.stop().await;
}

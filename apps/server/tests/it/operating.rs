//! Operating the installation with the real process: backup and restore from the command line, kept backups, going
//! back, and deploy jobs, which outlive the server.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{OLDER, Server, answer, finish, pilotdeck, serve};

const TOKEN: &str = "operating-token";

async fn start(folder: &Path) -> Server {
    Server::start(serve(folder).env("PM_ADMIN_TOKEN", TOKEN).env("PATH", "/usr/bin:/bin")).await
}

async fn projects(server: &Server) -> Vec<String> {
    let list = server.read("/api/projects").await;
    let list = list["data"].as_array().unwrap();
    list.iter().map(|project| project["id"].as_str().unwrap().to_owned()).collect()
}

async fn a_project(server: &Server, id: &str) {
    server.write("/api/projects", &json!({ "id": id, "name": id })).await;
}

fn leftovers(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).filter(|name| name.contains(".tmp-")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_beside_a_server_and_restored_when_it_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    a_project(&server, "before").await;
    let backup =
        |name: &str| finish(pilotdeck(folder.path()).args(["backup", "--output", name]), "");
    let restore =
        |arguments: &[&str]| finish(pilotdeck(folder.path()).arg("restore").args(arguments), "");

    let made = backup("copy.db");
    let twice = backup("copy.db");
    a_project(&server, "after").await;
    let refused = restore(&["copy.db"]);
    server.stop().await;
    let restored = restore(&["copy.db"]);

    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stdout.starts_with("copy.db: ") && made.stdout.contains("sha256 "), "{made:?}");
    let permissions = fs::metadata(folder.path().join("copy.db")).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
    assert!(twice.refusal().contains("copy.db is there already"));
    assert!(refused.refusal().contains("already serves"), "{refused:?}");
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert!(restored.stdout.contains("as it was before: "), "{restored:?}");
    let verified = finish(pilotdeck(folder.path()).args(["ledger", "verify"]), "");
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let server = start(folder.path()).await;
    assert_eq!(projects(&server).await, ["before"]);
    assert!(leftovers(folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_one_server_becomes_the_database_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    a_project(&server, "moved").await;

    let archive = ["export", "--output", "all.jsonl"];
    let exported = finish(pilotdeck(folder.path()).args(archive), "");
    let twice = finish(pilotdeck(folder.path()).args(archive), "");
    server.stop().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(folder.path().join("all.jsonl")).unwrap();
    let cut = &text[..text.len() / 2];
    let import = |text: &str| finish(pilotdeck(elsewhere.path()).args(["import", "-"]), text);
    let refused = import(cut);
    let is_there = elsewhere.path().join("pm.db").exists();
    let imported = import(&text);

    assert_eq!(exported.code, Some(0), "{exported:?}");
    let permissions = fs::metadata(folder.path().join("all.jsonl")).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
    assert!(twice.refusal().contains("all.jsonl cannot be made"), "{twice:?}");
    assert!(refused.refusal().contains("- was not imported; nothing changed"), "{refused:?}");
    assert!(!is_there, "a refusal makes nothing");
    assert_eq!(imported.code, Some(0), "{imported:?}");
    assert!(imported.stdout.contains(" rows, its ledger holds"), "{imported:?}");
    let server = start(elsewhere.path()).await;
    assert_eq!(projects(&server).await, ["moved"]);
    assert!(leftovers(elsewhere.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_restores_older_files_through_links_and_refuses_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    symlink(OLDER, folder.path().join("link.db")).unwrap();
    fs::write(folder.path().join("text.db"), "no database at all").unwrap();
    let restore = |file: &str| finish(pilotdeck(folder.path()).args(["restore", file]), "");

    let missing = restore("missing.db");
    let text = restore("text.db");
    let nothing = restore(".");
    let is_there = folder.path().join("pm.db").exists();
    let older = restore("link.db");
    let again = restore("text.db");

    assert!(missing.refusal().contains("missing.db was not restored; nothing changed"));
    assert!(text.refusal().contains("integrity_check failed"), "{text:?}");
    assert!(nothing.refusal().contains("it is no file"), "{nothing:?}");
    assert!(!is_there, "a refusal makes nothing");
    assert_eq!(older.code, Some(0), "{older:?}");
    assert!(older.stdout.contains("there was no database before"));
    assert!(again.refusal().contains("integrity_check failed"), "{again:?}");
    let server = start(folder.path()).await;
    assert!(!projects(&server).await.is_empty());
    assert!(leftovers(folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_insists_restores_beside_a_running_server_and_is_told_to_stop_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    a_project(&server, "before").await;
    finish(pilotdeck(folder.path()).args(["backup", "--output", "copy.db"]), "");
    a_project(&server, "after").await;

    let forced = finish(pilotdeck(folder.path()).args(["restore", "copy.db", "--force"]), "");
    server.stop().await;

    assert_eq!(forced.code, Some(0), "{forced:?}");
    assert!(forced.stderr.contains("stop it now"), "{forced:?}");
    let server = start(folder.path()).await;
    assert_eq!(projects(&server).await, ["before"]);
    server.stop().await;
    let (_, previous) = forced.stdout.trim().rsplit_once("as it was before: ").unwrap();
    let other = tempfile::tempdir().unwrap();
    fs::copy(previous, other.path().join("pm.db")).unwrap();
    let server = start(other.path()).await;
    assert_eq!(projects(&server).await, ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_takes_neither_pipes_nor_empty_files_and_waits_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.db");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    symlink("pipe.db", folder.path().join("link.db")).unwrap();
    symlink("nowhere.db", folder.path().join("dangling.db")).unwrap();
    symlink("loop.db", folder.path().join("loop.db")).unwrap();
    fs::write(folder.path().join("empty.db"), "").unwrap();

    for file in ["pipe.db", "link.db", "dangling.db", "loop.db", "empty.db", "/dev/zero"] {
        let refused = finish(pilotdeck(folder.path()).args(["restore", file]), "");

        assert!(refused.refusal().contains("was not restored"), "{file}: {refused:?}");
    }
    assert!(!folder.path().join("pm.db").exists() && leftovers(folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_are_kept_by_the_server_and_made_and_proven_by_the_command_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let mut command = serve(folder.path());
    let server = Server::start(command.env("PM_BACKUP_DIR", &kept)).await;
    server.line("proved the backup pm_backup_").await;
    a_project(&server, "p1").await;
    let backups = |arguments: &[&str]| {
        let mut command = pilotdeck(folder.path());
        finish(command.env("PM_BACKUP_DIR", &kept).arg("backups").args(arguments), "")
    };

    let made = backups(&["make"]);
    let proved = backups(&["prove"]);
    let list = backups(&["list"]);
    server.stop().await;
    let name = made.stdout.split(' ').next().unwrap();
    let file = kept.join(name);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let rotten = backups(&["prove", name]);
    let none = backups(&["prove", "../pm.db"]);
    let off = finish(pilotdeck(folder.path()).args(["backups", "list"]), "");

    assert_eq!(
        (made.code, proved.code, list.code),
        (Some(0), Some(0), Some(0)),
        "{made:?} {proved:?}"
    );
    assert!(made.stdout.contains("  proved ") && proved.stdout.starts_with(name), "{made:?}");
    let lines: Vec<_> = list.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with(name) && lines[2].starts_with("the next one is due at "));
    assert_eq!(rotten.code, Some(1));
    assert!(rotten.stderr.contains(" is rotten"), "{rotten:?}");
    assert!(none.refusal().contains("Backup not found"), "{none:?}");
    assert!(off.refusal().contains("PM_BACKUP_DIR"), "{off:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_goes_back_to_what_it_was_before_an_upgrade() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pm.db"), fs::read(OLDER).unwrap()).unwrap();
    let rollback =
        |arguments: &[&str]| finish(pilotdeck(folder.path()).arg("rollback").args(arguments), "");
    let nothing = rollback(&[]);
    let server = start(folder.path()).await;
    a_project(&server, "since").await;

    let refused = rollback(&[]);
    let list = rollback(&["--list"]);
    server.stop().await;
    let unknown = rollback(&["pm.db.secret"]);
    let copy = list.stdout.split("  ").next().unwrap().to_owned();
    let before = fs::read(folder.path().join(&copy)).unwrap();
    let back = rollback(&[]);

    assert!(nothing.refusal().contains("no copy from before an upgrade"), "{nothing:?}");
    assert!(refused.refusal().contains("already serves"), "{refused:?}");
    assert!(list.stdout.contains("before an upgrade, schema 4.0, "), "{list:?}");
    assert!(unknown.refusal().contains("is none of the copies"), "{unknown:?}");
    assert_eq!(back.code, Some(0), "{back:?}");
    assert!(back.stdout.contains("lines of the ledger\n"), "{back:?}");
    assert!(back.stdout.contains("  projects: "), "{back:?}");
    assert_eq!(fs::read(folder.path().join("pm.db")).unwrap(), before, "byte for byte");
    // And forth again.
    let (_, until_now) = back.stdout.split_once("as it was until now: ").unwrap();
    let until_now = until_now.lines().next().unwrap();
    let forth = rollback(&[until_now]);
    assert_eq!(forth.code, Some(0), "{forth:?}");
    let server = start(folder.path()).await;
    assert!(projects(&server).await.contains(&"since".to_owned()));
    assert!(leftovers(folder.path()).is_empty());
}

fn script(folder: &Path, text: &str) {
    let path = folder.join("deploy_pull_restart.sh");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

async fn deploy(server: &Server, what: &str) -> (u16, Value) {
    answer(server.client.post(server.url(what)).header("x-pm-token", TOKEN)).await
}

async fn admin(server: &Server, path: &str) -> Value {
    answer(server.get(path).header("x-pm-token", TOKEN)).await.1
}

async fn until(server: &Server, state: &str) -> Value {
    let began = Instant::now();
    loop {
        let status = admin(server, "/api/admin/deploy/status").await["data"].clone();
        if status["state"] == state {
            return status;
        }
        assert!(began.elapsed() < Duration::from_secs(40), "not {state}: {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_job_runs_once_at_a_time_and_its_end_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    script(
        folder.path(),
        "echo deploying in $(pwd); while [ ! -e go ]; do sleep 0.05; done; exit 3",
    );

    let (status, job) = deploy(&server, "/api/admin/deploy").await;
    let (second, refused) = deploy(&server, "/api/admin/deploy").await;
    let running = admin(&server, "/api/admin/deploy/status").await["data"].clone();
    fs::write(folder.path().join("go"), "").unwrap();
    let failed = until(&server, "failed").await;

    assert_eq!(status, 200, "{job}");
    assert_eq!(
        (job["method"].as_str(), job["logFile"].as_str()),
        (Some("popen"), Some("deploy_run.log"))
    );
    assert_eq!(job["unit"], format!("pilotdeck-deploy-{}", job["jobId"].as_str().unwrap()));
    assert_eq!((second, refused["code"].as_str()), (409, Some("under_way")));
    assert_eq!((running["state"].as_str(), &running["jobId"]), (Some("running"), &job["jobId"]));
    assert_eq!((&failed["exitCode"], &failed["jobId"]), (&json!(3), &job["jobId"]));
    let log = admin(&server, "/api/admin/deploy/log").await;
    let lines: Vec<&str> =
        log["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let mark = format!("Deploy finished jobId={} (exit=3)", job["jobId"].as_str().unwrap());
    assert!(
        lines.contains(&mark.as_str()) && lines.contains(&"=".repeat(60).as_str()),
        "{lines:?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("deploying in ")), "{lines:?}");

    script(folder.path(), "exit 0");
    deploy(&server, "/api/admin/deploy").await;
    assert_eq!(until(&server, "success").await["exitCode"], 0);
    let ledger = answer(server.get("/api/ledger?limit=50").header("x-pm-token", TOKEN)).await.1;
    let lines = ledger["data"].as_array().unwrap();
    let of = |operation: &str| lines.iter().filter(|line| line["operation"] == operation).count();
    assert_eq!((of("deploy.started"), of("deploy.finished")), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_job_outlives_the_server_that_started_it_and_is_recognised_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path()).await;
    script(folder.path(), "while [ ! -e go ]; do sleep 0.05; done; echo done");
    let (status, job) = deploy(&server, "/api/admin/deploy").await;
    assert_eq!(status, 200, "{job}");

    server.kill();
    let server = start(folder.path()).await;
    let running = until(&server, "running").await;
    let (second, _) = deploy(&server, "/api/admin/deploy").await;
    fs::write(folder.path().join("go"), "").unwrap();
    let ended = until(&server, "success").await;

    assert_eq!((&running["jobId"], second), (&job["jobId"], 409));
    assert_eq!(&ended["jobId"], &job["jobId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_job_is_cancelled_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    script(folder.path(), "sleep 600 & echo $! > child; wait");
    deploy(&server, "/api/admin/deploy").await;
    let began = Instant::now();
    while fs::read_to_string(folder.path().join("child")).unwrap_or_default().trim().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let (status, cancelled) = deploy(&server, "/api/admin/deploy/cancel").await;
    let ended = until(&server, "failed").await;
    let (again, _) = deploy(&server, "/api/admin/deploy/cancel").await;

    assert_eq!(status, 200, "{cancelled}");
    assert_eq!((&ended["exitCode"], &ended["message"]), (&json!(143), &json!("cancelled")));
    assert_eq!(again, 409);
    let child = fs::read_to_string(folder.path().join("child")).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "it still runs: {stat}");
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_runs_the_job_where_it_can() {
    let folder = tempfile::tempdir().unwrap();
    // What stands in for it starts the rest of its arguments in the background, as the real one does.
    let stand_in = folder.path().join("systemd-run");
    fs::write(
        &stand_in,
        "#!/bin/sh\necho \"$@\" > unit\nwhile [ \"$1\" != -- ]; do shift; done; shift\n\"$@\" >/dev/null 2>&1 &\n",
    )
    .unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let server =
        Server::start(serve(folder.path()).env("PM_ADMIN_TOKEN", TOKEN).env("PATH", path)).await;
    script(folder.path(), "echo deployed");

    let (status, job) = deploy(&server, "/api/admin/deploy").await;
    let ended = until(&server, "success").await;

    assert_eq!(status, 200, "{job}");
    assert_eq!((&job["method"], &job["pid"]), (&json!("systemd-run"), &Value::Null));
    assert_eq!(ended["exitCode"], 0);
    let unit = fs::read_to_string(folder.path().join("unit")).unwrap();
    assert!(unit.contains("--collect") && unit.contains("--unit=pilotdeck-deploy-"), "{unit}");
}

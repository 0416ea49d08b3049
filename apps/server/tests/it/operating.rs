//! Operating the installation with the real process: backup and restore from the command line, a restore that is killed,
//! and deploy jobs, which outlive the server.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::process::{OLDER, Server, answer, finish, pilotdeck, serve};

const TOKEN: &str = "operating-token";
/// Rounds of killing a restore.
const ROUNDS: u64 = 6;

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

fn form(file: &[u8]) -> Vec<u8> {
    let head =
        "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"pm.db\"\r\n\r\n";
    [head.as_bytes(), file, b"\r\n--limit--\r\n"].concat()
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
async fn a_restore_that_is_killed_leaves_one_of_the_two_databases_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path()).await;
    a_project(&server, "before").await;
    let file = server.get("/api/admin/backup").header("x-pm-token", TOKEN).send().await.unwrap();
    let form = form(&file.bytes().await.unwrap());
    a_project(&server, "after").await;
    let mut took = Duration::ZERO;
    let (mut olds, mut news) = (0, 0);

    for round in 0..=ROUNDS {
        let post = server
            .client
            .post(server.url("/api/admin/restore"))
            .header("x-pm-token", TOKEN)
            .header(CONTENT_TYPE, "multipart/form-data; boundary=limit")
            .body(form.clone());
        let began = Instant::now();
        let asked = tokio::spawn(post.send());
        if round == 0 {
            // How long it takes when nobody interferes.
            assert_eq!(asked.await.unwrap().unwrap().status(), 200);
            took = began.elapsed();
            assert_eq!(projects(&server).await, ["before"]);
            a_project(&server, "after").await;
            continue;
        }
        let noise = u64::from(began.elapsed().subsec_nanos() % 97);
        let share = (round * 100 + noise) * u64::try_from(took.as_millis()).unwrap();
        tokio::time::sleep(Duration::from_millis(share / (ROUNDS * 100))).await;
        server.kill();
        let _ = asked.await;

        let verified = finish(pilotdeck(folder.path()).args(["ledger", "verify"]), "");
        assert_eq!(verified.code, Some(0), "round {round}: {verified:?}");
        server = start(folder.path()).await;
        match projects(&server).await.len() {
            2 => olds += 1,
            1 => {
                news += 1;
                a_project(&server, "after").await;
            }
            other => panic!("round {round}: {other} projects"),
        }
        assert!(leftovers(folder.path()).is_empty(), "round {round}");
    }
    assert_eq!(olds + news, ROUNDS);
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

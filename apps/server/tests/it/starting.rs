//! Starting: what is served, what is refused, and what is said about it.

use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::process::{Finished, OLDER, Server, answer, client, finish, pilotdeck, serve};

const LONG_SECRET: &str = "a secret that is long enough to sign with";

/// What a call says that is refused with these variables.
fn refused_with(folder: &Path, variables: &[(&str, &str)]) -> String {
    let mut command = serve(folder);
    command.envs(variables.iter().copied());
    finish(&mut command, "").refusal().to_owned()
}

/// How a call ends that cannot serve. What it logged before is no part of the refusal.
fn ended(command: &mut Command) -> Finished {
    let mut ended = finish(command.env("PM_LOG", "off"), "");
    assert!(!ended.stderr.contains("backtrace"), "{ended:?}");
    ended.stderr.truncate(ended.stderr.trim_end().len());
    ended
}

#[tokio::test]
async fn a_page_answers_at_every_address_of_a_person_whether_the_console_was_built_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;

    for path in ["/", "/projects/proj-a"] {
        let page = server.get(path).send().await.unwrap();

        assert_eq!(page.status(), 200, "{path}");
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8", "{path}");
        let text = page.text().await.unwrap().to_ascii_lowercase();
        assert!(text.starts_with("<!doctype html>"), "{path}: {text}");
    }
}

#[test]
fn a_variable_that_cannot_be_read_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("PM_PORT", "http"),
        ("PM_PORT", "65536"),
        ("PM_PORT", "-1"),
        ("PM_BIND", "everywhere"),
        ("PM_DEBUG", "true"),
        ("PM_DB_SYNCHRONOUS", "OFF"),
        ("PM_LOG_FORMAT", "xml"),
        ("PM_LOG", "a=b=c"),
        ("PM_WORKERS", "0"),
        ("PM_WORKERS", "513"),
        ("PM_SECRET_KEY", "short"),
        ("PM_RATE_LIMIT", "-1"),
        ("PM_RATE_LIMIT_AGENTS", "many"),
        ("PM_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("PM_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/33"),
        ("SESSION_COOKIE_SECURE", "perhaps"),
    ] {
        let mut command = pilotdeck(folder.path());
        let refused = finish(command.env(name, value), "");
        assert!(refused.refusal().contains(name), "{refused:?}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing was begun");
}

#[test]
fn a_secret_that_is_no_text_does_not_count_as_none() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["PM_AGENT_TOKEN", "PM_ADMIN_TOKEN", "PM_SECRET_KEY"] {
        let mut command = serve(folder.path());
        let refused = finish(command.env(name, std::ffi::OsStr::from_bytes(b"\xff\xfe")), "");
        assert!(refused.refusal().contains(name), "{refused:?}");
    }
}

#[tokio::test]
async fn empty_variables_are_not_set_and_options_win() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = pilotdeck(folder.path());
    command.args(["--port", "0", "--bind", "localhost", "--db", "chosen.db"]);
    command.envs([("PM_PORT", "1"), ("PM_BIND", "192.0.2.1"), ("PM_DB_FILE", "other.db")]);
    for name in [
        "PM_AGENT_TOKEN",
        "PM_ADMIN_TOKEN",
        "PM_SECRET_KEY",
        "PM_DB_SYNCHRONOUS",
        "PM_ALLOWED_HOSTS",
        "PM_ALLOWED_ORIGINS",
        "PM_TRUSTED_PROXIES",
        "SESSION_COOKIE_SECURE",
        "PM_WORKERS",
        "PM_RATE_LIMIT",
        "PM_RATE_LIMIT_AGENTS",
        "PM_RATE_LIMIT_ANONYMOUS",
        "PM_LOG",
        "PM_LOG_FORMAT",
        "PM_DEBUG",
    ] {
        command.env(name, " ");
    }

    let server = Server::start(&mut command).await;

    assert!(server.base_url.starts_with("http://127.0.0.1:"));
    assert!(!server.base_url.ends_with(":1"));
    assert!(folder.path().join("chosen.db").exists());
    assert!(!folder.path().join("other.db").exists());
}

#[tokio::test]
async fn the_first_start_says_how_to_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;

    let line = server.line("WARN").await;
    let (status, _) = server.sign_in("admin", "admin").await;

    assert!(line.contains("`admin`") && line.contains("change it"), "{line}");
    assert_eq!(status, 200);
}

#[tokio::test]
async fn what_others_could_reach_is_refused_until_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let doors = [("PM_BIND", "0.0.0.0"), ("PM_BIND", "::"), ("PM_TRUSTED_PROXIES", "127.0.0.1")];
    let token = ("PM_AGENT_TOKEN", "agent-token");
    let quiet = ("PM_LOG", "off");
    for door in doors {
        let both = refused_with(folder.path(), &[door, quiet]);
        assert!(both.contains("set-password") && both.contains("PM_AGENT_TOKEN"), "{both}");
        let password = refused_with(folder.path(), &[door, token, quiet]);
        assert!(password.contains("set-password") && !password.contains("PM_AGENT"), "{password}");
    }
    let replaced = finish(pilotdeck(folder.path()).args(["user", "set-password"]), "long enough\n");
    assert_eq!(replaced.code, Some(0), "{replaced:?}");
    for door in doors {
        let open = refused_with(folder.path(), &[door, quiet]);
        assert!(!open.contains("set-password") && open.contains("PM_AGENT_TOKEN"), "{open}");
    }

    for (name, value) in [doors[0], doors[2]] {
        let server = Server::start(serve(folder.path()).env(name, value).envs([token])).await;
        let port = server.base_url.rsplit(':').next().unwrap().to_owned();
        let url = format!("http://127.0.0.1:{port}/api/projects");
        assert_eq!(answer(client(None).get(&url)).await.0, 401);
        assert_eq!(answer(client(Some("agent-token")).get(&url)).await.0, 200);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_port_and_a_file_that_are_in_use_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;
    let port = server.base_url.rsplit(':').next().unwrap();

    let same_file = ended(&mut serve(folder.path()));
    let same_port = ended(pilotdeck(folder.path()).args(["--port", port, "--db", "other.db"]));

    assert!(same_file.refusal().contains(&format!("process {}", server.id())), "{same_file:?}");
    assert!(same_port.refusal().contains(&format!("127.0.0.1:{port}")), "{same_port:?}");
    assert_eq!(server.read("/api/health").await["success"], true);
    server.stop().await;
    Server::start(&mut serve(folder.path())).await;
}

#[test]
fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("folder")).unwrap();
    fs::write(path("text"), "certainly not a database").unwrap();
    fs::write(path("damaged"), [b"SQLite format 3\0".as_slice(), &[7; 5_000]].concat()).unwrap();
    fs::write(path("read-only"), "").unwrap();
    fs::set_permissions(path("read-only"), Permissions::from_mode(0o400)).unwrap();
    let mut newer = fs::read(OLDER).unwrap();
    // Where SQLite keeps the `user_version` (<https://www.sqlite.org/fileformat.html>).
    newer[60..64].copy_from_slice(&9_u32.to_be_bytes());
    fs::write(path("newer"), newer).unwrap();
    for (name, why) in [
        ("newer", "is newer than this program: its user_version is 9"),
        ("folder", "is a folder"),
        ("text", "not a SQLite database"),
        ("damaged", "cannot be"),
        ("read-only", "cannot be written"),
        ("text/below", "cannot be written"),
    ] {
        let before = fs::read(path(name)).ok();

        let refused = ended(serve(folder.path()).args(["--db", name]));

        let line = refused.refusal();
        assert!(line.contains(name) && line.contains(why), "{line}");
        assert_eq!(line.matches(why).count(), 1, "{line}");
        assert_eq!(fs::read(path(name)).ok(), before);
    }
}

#[tokio::test]
async fn a_file_is_found_by_every_kind_of_name_and_its_folders_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let absolute = folder.path().join("absolute.db");
    for name in ["bare.db".as_ref(), "a/b/c.db".as_ref(), absolute.as_os_str()] {
        let server = Server::start(serve(folder.path()).env("PM_DB_FILE", name)).await;
        server.stop().await;

        let database = folder.path().join(name);
        let secret = database.with_added_extension("secret");
        assert!(database.is_file(), "{}", database.display());
        assert_eq!(fs::metadata(secret).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for key in ["", LONG_SECRET] {
        let again = || {
            let mut command = serve(folder.path());
            command.env("PM_SECRET_KEY", key);
            command
        };
        let server = Server::start(&mut again()).await;
        let (_, session) = server.sign_in("admin", "admin").await;
        let session = session.unwrap();
        server.stop().await;

        let server = Server::start(&mut again()).await;
        assert!(server.knows(&session).await);
        server.stop().await;

        let other = "another secret, as long as it must be";
        let server = Server::start(serve(folder.path()).env("PM_SECRET_KEY", other)).await;
        assert!(!server.knows(&session).await);
    }
}

#[tokio::test]
async fn an_older_database_is_taken_over_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(OLDER, folder.path().join("pm.db")).unwrap();

    let server = Server::start(&mut serve(folder.path())).await;

    assert!(server.line("took over").await.contains("pm.db.bak."));
    server.write("/api/agent/events", &json!({})).await;
}

#[tokio::test]
async fn a_service_manager_is_told_when_the_server_listens_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let told = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };

    let mut command = serve(folder.path());
    let server = Server::start(command.env("NOTIFY_SOCKET", folder.path().join("notify"))).await;
    let first = told();
    server.stop().await;

    assert_eq!(first.trim(), "READY=1");
    assert_eq!(told().trim(), "STOPPING=1");
}

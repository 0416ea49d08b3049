//! The web console: its files, and the one page behind every address that is neither a file nor the API's.
//!
//! It is a layer before the operations, and public: the page holds nothing but code, and what it shows comes from the API,
//! which asks who wants to know. An address of the API never gets here, however it is spelled.

use std::borrow::Cow;
use std::fmt::Write as _;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT_ENCODING, AcceptEncoding, CACHE_CONTROL, CONTENT_TYPE, ContentEncoding, ETag, Encoding,
    EntityTag, Header as _, IfNoneMatch, VARY,
};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, web};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

use crate::server::Surface;

/// What the page is while the console is not part of the program.
const NOT_BUILT: &str = include_str!("console/not-built.html");
const INDEX: &str = "index.html";
/// Where files may also be asked for, and only files.
const ALIAS: &str = "__static/";
/// The folder of files whose names say what they contain: a name never gets another content.
const HASHED: &str = "assets";
/// Compressed variants lie beside their file, under its name with one of these endings.
const VARIANTS: [(ContentEncoding, &str); 2] =
    [(ContentEncoding::Brotli, ".br"), (ContentEncoding::Gzip, ".gz")];
/// What programs talk to; they want to hear that something is not there, and not a page.
const FOR_PROGRAMS: [&str; 6] = ["api", "hooks", "mcp", "metrics", "otlp", "v1"];
const HEALTH: &str = "health";
const KEPT: &str = "public, max-age=31536000, immutable";
const ASKED_AGAIN: &str = "no-cache";

/// A file of the console.
#[derive(Clone, Debug)]
pub struct ConsoleFile {
    /// What is in it.
    pub content: Cow<'static, [u8]>,
    /// The SHA-256 of that.
    pub digest: [u8; 32],
}

impl ConsoleFile {
    /// A file with this content.
    #[must_use]
    pub fn new(content: impl Into<Cow<'static, [u8]>>) -> Self {
        let content = content.into();
        let digest = Sha256::digest(&content).into();
        Self { content, digest }
    }
}

/// Where the files of the console are.
pub trait ConsoleFiles: Send + Sync {
    /// The file with this name, such as `assets/index-Bx3f.js`: segments of letters, digits and `-_.@+~`, none of them
    /// beginning with a dot.
    fn file(&self, name: &str) -> Option<ConsoleFile>;
}

/// No console.
pub(crate) struct NoFiles;

impl ConsoleFiles for NoFiles {
    fn file(&self, _: &str) -> Option<ConsoleFile> {
        None
    }
}

/// Answers what people's browsers ask for; everything else goes on to the operations.
pub(crate) async fn console<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let surface = request.app_data::<web::Data<Surface>>().expect("the server has a surface");
    let found = match *request.method() {
        Method::GET => Found::at(request.path(), &*surface.setup.console),
        _ => None,
    };
    match found {
        Some(found) => {
            let response = found.respond(&request);
            Ok(request.into_response(response))
        }
        None => Ok(next.call(request).await?.map_into_boxed_body()),
    }
}

/// A file that was asked for, with its variants.
struct Found {
    name: String,
    plain: ConsoleFile,
    variants: Vec<(ContentEncoding, ConsoleFile)>,
}

impl Found {
    fn at(path: &str, files: &dyn ConsoleFiles) -> Option<Self> {
        if !is_for_people(path) {
            return None;
        }
        let path = path.strip_prefix('/')?;
        if let Some(name) = path.strip_prefix(ALIAS) {
            return Self::file(name, files);
        }
        Self::file(path, files).or_else(|| {
            // A program that waits for a script makes nothing of a page.
            let is_file = is_variant(path) || is_below(HASHED, path) || is_below(ALIAS, path);
            (!is_file).then(|| Self::page(files))
        })
    }

    fn file(name: &str, files: &dyn ConsoleFiles) -> Option<Self> {
        if !is_name(name) || is_variant(name) {
            return None;
        }
        let plain = files.file(name)?;
        let variant = |(coding, ending)| Some((coding, files.file(&format!("{name}{ending}"))?));
        let variants = VARIANTS.into_iter().filter_map(variant).collect();
        Some(Self { name: name.to_owned(), plain, variants })
    }

    fn page(files: &dyn ConsoleFiles) -> Self {
        Self::file(INDEX, files).unwrap_or_else(|| Self {
            name: INDEX.to_owned(),
            plain: ConsoleFile::new(NOT_BUILT.as_bytes()),
            variants: Vec::new(),
        })
    }

    fn respond(self, request: &ServiceRequest) -> HttpResponse {
        let Self { name, plain, variants } = self;
        let has_variants = !variants.is_empty();
        let (coding, file) = negotiate(request, plain, variants);

        let tag = EntityTag::new_strong(tag(&file.digest));
        let is_known = match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(seen)) => seen.iter().any(|seen| seen.weak_eq(&tag)),
            Err(_) => false,
        };
        let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response.insert_header(ETag(tag));
        response.insert_header((
            CACHE_CONTROL,
            if is_below(HASHED, &name) { KEPT } else { ASKED_AGAIN },
        ));
        if has_variants {
            response.insert_header((VARY, ACCEPT_ENCODING.as_str()));
        }
        if is_known {
            return response.finish();
        }
        response.insert_header((CONTENT_TYPE, content_type(&name)));
        if coding != ContentEncoding::Identity {
            response.insert_header(coding);
        }
        match file.content {
            Cow::Borrowed(content) => response.body(content),
            Cow::Owned(content) => response.body(content),
        }
    }
}

/// What the client likes best of what there is. Who takes nothing of it gets the file as it is, as RFC 9110 allows.
fn negotiate(
    request: &ServiceRequest,
    plain: ConsoleFile,
    variants: Vec<(ContentEncoding, ConsoleFile)>,
) -> (ContentEncoding, ConsoleFile) {
    let mut there = vec![Encoding::identity()];
    there.extend(variants.iter().map(|(coding, _)| Encoding::Known(*coding)));
    let accepted = AcceptEncoding::parse(request).ok();
    let chosen = accepted.and_then(|accepted| accepted.negotiate(there.iter()));
    variants
        .into_iter()
        .find(|(coding, _)| chosen == Some(Encoding::Known(*coding)))
        .unwrap_or((ContentEncoding::Identity, plain))
}

/// Whether a path may be one of a person's: nothing that a program would ask for, and nothing that plays tricks.
pub(crate) fn is_for_people(path: &str) -> bool {
    // Also what is spelled with escapes: the router reads them.
    let Ok(path) = percent_decode_str(path).decode_utf8() else { return false };
    let Some(inside) = path.strip_prefix('/') else { return false };
    let is_plain = !path.contains("//")
        && !path.contains(char::is_control)
        && path.split(['/', '\\']).all(|segment| !matches!(segment, "." | ".."));
    let first = inside.split(['/', '\\', ';']).next().unwrap_or_default();
    let first = first.to_ascii_lowercase();
    // What begins with a dot is hidden, or well known to programs (`/.well-known/…`).
    is_plain
        && !FOR_PROGRAMS.contains(&first.as_str())
        && !first.starts_with(HEALTH)
        && !first.starts_with('.')
}

/// Whether a file can have this name. Escapes are not resolved: no file has a name that needs them.
fn is_name(name: &str) -> bool {
    name.split('/').all(|segment| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@+~".contains(&byte))
    })
}

fn is_variant(name: &str) -> bool {
    VARIANTS.iter().any(|(_, ending)| name.ends_with(ending))
}

fn is_below(folder: &str, path: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn content_type(name: &str) -> String {
    let guessed = mime_guess::from_path(name).first_or_octet_stream();
    let guessed = guessed.essence_str();
    if guessed.starts_with("text/") {
        format!("{guessed}; charset=utf-8")
    } else {
        guessed.to_owned()
    }
}

fn tag(digest: &[u8; 32]) -> String {
    // Half of the digest tells files apart as well.
    digest[..16].iter().fold(String::with_capacity(32), |mut tag, byte| {
        write!(tag, "{byte:02x}").expect("a string takes what is written");
        tag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_where_no_program_asks() {
        for path in ["/", "/projects", "/projects/a%2Fb", "/runs/..a", "/apis", "/projects/api"] {
            assert!(is_for_people(path), "{path}");
        }
        for path in [
            "",
            "*",
            "/api",
            "/API/x",
            "/%61pi/projects",
            "/api%2Fprojects",
            "/api;x=1",
            "/api\\x",
            "/v1",
            "/mcp",
            "/hooks/x",
            "/otlp/v1/traces",
            "/metrics",
            "/health",
            "/healthz",
            "/.well-known/oauth",
            "/%2eenv",
            "//api",
            "/..",
            "/a/../b",
            "/%2e%2e/x",
            "/a/..%2f..",
            "/a%5c..%5cb",
            "/a%00",
            "/a%0d%0a",
            "/%ff",
        ] {
            assert!(!is_for_people(path), "{path}");
        }
    }

    #[test]
    fn types_are_those_that_browsers_insist_on() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("assets/a.js", "text/javascript; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("a.ico", "image/x-icon"),
            ("a.woff2", "font/woff2"),
            ("a.json", "application/json"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("LICENSE", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }
}

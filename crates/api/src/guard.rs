//! Who may call which operation: read from the OpenAPI document, asked before a handler runs.

use std::collections::{BTreeMap, HashMap};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ResourceDef, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpResponse, ResponseError as _, web};
use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_services::{Services, Unavailable};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use crate::error::{ApiError, ErrorCode};
use crate::server::Surface;
use crate::{client, receipts};

/// The extension of an operation that names its permission.
pub(crate) const PERMISSION: &str = "x-permission";
/// Pages that are no operations: the explorer of the document.
const PAGES: &[&str] = &["/api/docs", "/api/docs/{_:.*}"];

/// What programs on this machine may read without a credential, unless a proxy brought the request.
const LOCAL: &[&str] = &["/metrics"];

type Methods = BTreeMap<&'static str, Permission>;

/// The permission of every operation, by path and method.
#[derive(Debug, Default)]
pub(crate) struct Permissions(HashMap<String, (ResourceDef, Methods)>);

impl Permissions {
    /// Reads the permissions out of the document.
    ///
    /// # Errors
    ///
    /// The first operation that declares none, or one that there is not.
    pub(crate) fn of(document: &OpenApi) -> Result<Self, String> {
        let mut permissions = HashMap::new();
        for (path, item) in &document.paths.paths {
            let mut methods = BTreeMap::new();
            for (method, operation) in operations(item) {
                methods.insert(
                    method,
                    permission(operation).map_err(|error| format!("{method} {path} {error}"))?,
                );
            }
            permissions.insert(path.clone(), (ResourceDef::new(path.as_str()), methods));
        }
        Ok(Self(permissions))
    }

    /// The templates of all operations and pages.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).chain(PAGES.iter().copied())
    }

    /// What all patterns that fit `path` take: a project may be called as an address beside it is.
    fn fitting(&self, path: &str) -> Methods {
        let fitting = self.0.values().filter(|(pattern, _)| pattern.is_match(path));
        fitting.flat_map(|(_, methods)| methods.clone()).collect()
    }
}

/// The operations of a path, with their methods.
pub(crate) fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    [
        ("GET", &item.get),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("DELETE", &item.delete),
        ("PATCH", &item.patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.as_ref().map(|operation| (method, operation)))
}

/// The permission that an operation declares.
pub(crate) fn permission(operation: &Operation) -> Result<Permission, String> {
    operation
        .extensions
        .as_ref()
        .and_then(|extensions| extensions.get(PERMISSION)?.as_str())
        .ok_or("declares no permission")?
        .parse()
        .map_err(|_| "declares a permission that there is not".to_owned())
}

/// The template of the operation's address, left with a request for its log line.
pub(crate) struct Template(pub(crate) String);

/// Lets a request pass that its caller may make.
pub(crate) async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match decide(&request) {
        Pass::Yes { keeps_receipts } => {
            if keeps_receipts && let Err(error) = receipts::intend(&mut request).await {
                return Ok(request.into_response(error.error_response()));
            }
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Pass::Methods(allowed) => {
            let mut response = HttpResponse::NoContent().finish();
            if let Ok(value) = HeaderValue::from_str(&allowed) {
                response.headers_mut().insert(ALLOW, value);
            }
            Ok(request.into_response(response))
        }
        Pass::No(error) => Ok(request.into_response(error.error_response())),
    }
}

enum Pass {
    Yes {
        /// Whether a repetition is answered from memory: the body is read for that.
        keeps_receipts: bool,
    },
    /// The answer to `OPTIONS`.
    Methods(String),
    No(ApiError),
}

fn decide(request: &ServiceRequest) -> Pass {
    let Some(pattern) = request.match_pattern() else {
        return Pass::No(no_such_resource());
    };
    let pass = decide_on(request, &pattern);
    request.extensions_mut().insert(Template(pattern));
    pass
}

fn no_such_resource() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "there is no such resource")
}

fn decide_on(request: &ServiceRequest, pattern: &str) -> Pass {
    let surface = request.app_data::<web::Data<Surface>>().expect("the server has a surface");
    let method = request.method();
    let found = match surface.permissions.0.get(pattern) {
        Some((_, methods)) => methods.get(method.as_str()).copied(),
        None if PAGES.contains(&pattern) => match *method {
            Method::GET => return Pass::Yes { keeps_receipts: false },
            _ => None,
        },
        None => return Pass::No(no_such_resource()),
    };
    let fitting =
        if found.is_none() { surface.permissions.fitting(request.path()) } else { Methods::new() };
    let Some(permission) = found.or_else(|| fitting.get(method.as_str()).copied()) else {
        return refuse_method(method, &fitting);
    };
    tracing::debug!(path = pattern, permission = permission.as_str(), "guarded");
    let allowed = match request.extensions().get::<Actor>() {
        Some(actor) => {
            actor.require(permission).map_err(|denied| (denied, actor.on_behalf_of().is_some()))
        }
        None => Actor::default().require(permission).map_err(|denied| (denied, false)),
    };
    match allowed {
        // Uploads are larger than what is kept in memory.
        Ok(_) => Pass::Yes { keeps_receipts: permission != Permission::Administer },
        Err(_) if LOCAL.contains(&request.path()) && client::is_local(request) => {
            Pass::Yes { keeps_receipts: false }
        }
        // Sessions cannot be looked up at that moment.
        Err((_, false)) if is_restoring(request) => Pass::No(Unavailable::Restoring.into()),
        Err((_, false)) if permission == Permission::Administer => {
            Pass::No(ask_for_administrator(surface.setup.has_admin_token()))
        }
        Err((denied, _)) => Pass::No(denied.into()),
    }
}

fn is_restoring(request: &ServiceRequest) -> bool {
    let services = request.app_data::<web::Data<Services>>().expect("the server has services");
    services.operations.is_restoring()
}

/// Who lacks the administrator's token is asked for it, whatever else they hold.
fn ask_for_administrator(has_token: bool) -> ApiError {
    if has_token {
        let message =
            "send the administrator's token in X-PM-Token, or sign in as an administrator";
        return ApiError::new(ErrorCode::Unauthenticated, message);
    }
    let message = "Admin token not configured. Set PM_ADMIN_TOKEN, or sign in as an administrator, to use these operations.";
    ApiError::new(ErrorCode::AdministrationOff, message)
}

/// Names the methods that there are; those of a page that is no operation are the ones to read it.
fn refuse_method(method: &Method, methods: &Methods) -> Pass {
    let mut allowed: Vec<&str> = methods.keys().copied().collect();
    if allowed.is_empty() {
        allowed.push("GET");
    }
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    allowed.push("OPTIONS");
    let allowed = allowed.join(", ");
    match *method {
        Method::OPTIONS => Pass::Methods(allowed),
        _ => Pass::No(ApiError::method_not_allowed(&allowed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(extensions: &str) -> OpenApi {
        let text = format!(
            r#"{{"openapi":"3.1.0","info":{{"title":"","version":""}},
                "paths":{{"/api/things/{{id}}":{{"get":{{"responses":{{}}{extensions}}}}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn an_operation_without_a_permission_keeps_the_server_from_starting() {
        let error = Permissions::of(&document("")).unwrap_err();

        assert_eq!(error, "GET /api/things/{id} declares no permission");
    }

    #[test]
    fn an_operation_with_a_made_up_permission_keeps_the_server_from_starting() {
        for permission in [r#""everything""#, "5", "null"] {
            let error = Permissions::of(&document(&format!(r#","x-permission":{permission}"#)));

            assert!(error.unwrap_err().starts_with("GET /api/things/{id} declares"));
        }
    }

    #[test]
    fn permissions_are_read_by_path_and_method() {
        let permissions = Permissions::of(&document(r#","x-permission":"projects.read""#)).unwrap();

        assert_eq!(permissions.fitting("/api/things/x")["GET"], Permission::ReadProjects);
        assert!(permissions.fitting("/api/things").is_empty());
    }
}

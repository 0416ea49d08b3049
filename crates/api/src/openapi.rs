//! The OpenAPI document: generated from the routes that are mounted, completed with what is true of all of them.

use std::collections::BTreeMap;

use actix_web::App;
use serde_json::Value;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
};
use utoipa::{OpenApi as _, ToSchema};
use utoipa_actix_web::AppExt as _;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::error::ErrorCode;
use crate::guard::permission;
use crate::identify::{ADMIN_HEADER, AGENT_HEADER, KEY_HEADER};
use crate::receipts::{IDEMPOTENCY_KEY, PATTERN};
use crate::schemas::{
    No, OperationNames, QueryAt, QueryFlag, QueryLevel, QueryNumber, QueryPlace, QuerySeries,
    QueryTime,
};
use crate::sessions::COOKIE;
use crate::{
    actions, capabilities, events, history, identity, insights, ledger, limits, members, metrics,
    operations, profiles, projects, proposals, runs, stream, usage,
};
use pilotdeck_domain::identity::Permission;

/// The name of the idempotency key among the parameters.
const KEY_PARAMETER: &str = "IdempotencyKey";

/// Mounts every operation.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .configure(operations::routes)
        .configure(metrics::routes)
        .configure(identity::routes)
        .configure(projects::routes)
        .configure(members::routes)
        .configure(insights::routes)
        .configure(runs::routes)
        .configure(events::routes)
        .configure(actions::routes)
        .configure(proposals::routes)
        .configure(history::routes)
        .configure(profiles::routes)
        .configure(capabilities::routes)
        .configure(usage::routes)
        .configure(ledger::routes)
        .configure(stream::routes);
}

/// What a failed request is answered with.
#[derive(ToSchema)]
#[schema(example = json!({
    "success": false, "error": "Conflict: updatedAt mismatch", "code": "version_mismatch",
    "data": {
        "message": "expected=2026-02-11T15:00:00.000000Z, actual=2026-02-12T09:30:00.123456Z",
        "expectedUpdatedAt": "2026-02-11T15:00:00.000000Z", "actualUpdatedAt": "2026-02-12T09:30:00.123456Z",
        "current": { "id": "proj-a", "name": "Atlas API Gateway", "updatedAt": "2026-02-12T09:30:00.123456Z" }
    }
}))]
#[expect(dead_code, reason = "written field by field")]
pub(crate) struct Failure {
    /// Always false.
    success: No,
    /// What is wrong, for a person. The words may change.
    error: String,
    /// What is wrong, for a program.
    code: ErrorCode,
    /// Facts that help to go on.
    #[schema(nullable = false)]
    data: Option<BTreeMap<String, Value>>,
    /// The fields that are wrong.
    #[schema(nullable = false)]
    details: Option<Vec<FieldFailure>>,
}

/// What is wrong with a field.
#[derive(ToSchema)]
#[schema(example = json!({ "field": "name", "message": "Project name cannot be empty" }))]
#[expect(dead_code, reason = "written field by field")]
pub(crate) struct FieldFailure {
    /// The field, as the client named it.
    field: String,
    /// What is wrong with it, for a person.
    message: String,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "PilotDeck",
        description = "The ledger and control console for projects that agents work on. Every change is written to an \
            append-only, hash-chained ledger in the transaction that makes it.\n\nTimes are RFC 3339, UTC, with six \
            fraction digits; `updatedAt` is the version of a row and is compared as text. `x-permission` names what an \
            operation asks of its caller.\n\nSchemas say what to send. Clients that are not as strict are understood, \
            too: `x-lenient` beside a schema is the wider schema of what is taken in its place, and what it becomes is \
            said in words. Null is the same as absent, unless a change is to empty a field. U+0000 is refused in every \
            text.\n\nA change that carries an `Idempotency-Key` is made once: whoever repeats it gets the same answer for 24 \
            hours, also after a restart, and 422 `idempotency_key_reused` if anything of the request is different. Keys \
            belong to their principal; all agents are one. What was refused leaves no trace and may be tried again. \
            Operations on people and one's own account, and verifying the ledger, take the header and keep nothing of \
            their answers.\n\nAdministrators and agents see everything; other people the projects that they are members of. \
            What belongs to another project, or to none, does not exist for them: 404, and lists, totals and statistics \
            leave it out. Too small a role in a project that they see is 403. What they write names projects and runs that \
            are there. A chosen id that something has which they do not see is 409 `id_taken`.\n\nWhere requests are \
            limited, answers say so: `X-RateLimit-Limit` is how many a minute the caller may \
            make, `X-RateLimit-Remaining` how many of them are left now, `X-RateLimit-Reset` when all of them are back (in \
            seconds since 1970).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Failure, OperationNames, QueryAt, QueryFlag, QueryLevel, QueryNumber, QueryPlace, QuerySeries, QueryTime)),
    tags(
        (name = "operations", description = "Health, meta and this document"),
        (name = "auth", description = "Signing in and out, and one's own account"),
        (name = "people", description = "Users, invitations and keys"),
        (name = "projects", description = "Projects"),
        (name = "members", description = "Who sees a project, and what they may do there"),
        (name = "stats", description = "Statistics over projects and usage"),
        (name = "runs", description = "Stretches of work by agents"),
        (name = "events", description = "What happened, append-only"),
        (name = "actions", description = "Semantic changes of projects, and proposals of them"),
        (name = "profiles", description = "What agents are"),
        (name = "capabilities", description = "Prompts and skills that agents share"),
        (name = "usage", description = "Tokens and what they cost"),
        (name = "ledger", description = "Everything that changed"),
        (name = "administration", description = "Backup, restore, deploy"),
    ),
)]
struct Api;

/// The OpenAPI document of this server.
#[must_use]
pub fn document() -> OpenApi {
    let (_, mut document) =
        App::new().into_utoipa_app().openapi(Api::openapi()).configure(routes).split_for_parts();
    add_credentials(&mut document);
    let components = document.components.get_or_insert_default();
    components.parameters.insert(KEY_PARAMETER.to_owned(), idempotency_key().into());
    let components = document.components.iter_mut();
    components.flat_map(|components| components.schemas.values_mut()).for_each(describe);
    for (path, item) in &mut document.paths.paths {
        item.get.iter_mut().for_each(|operation| complete(path, operation, false));
        let changes = [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        changes.into_iter().flatten().for_each(|operation| complete(path, operation, true));
    }
    document
}

/// The document as it is served and committed.
///
/// # Panics
///
/// Never: the document is JSON.
#[must_use]
pub fn document_text() -> String {
    print(&document())
}

pub(crate) fn print(document: &OpenApi) -> String {
    let mut text = document.to_pretty_json().expect("the document is JSON");
    text.push('\n');
    text
}

/// Puts what is said of a field beside its schema, where readers look for it: of one that may be null, it comes inside.
fn describe(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    for field in object.properties.values_mut() {
        if let RefOr::T(Schema::OneOf(choice)) = field
            && let Some(RefOr::Ref(reference)) = choice.items.first_mut()
            && choice.description.is_none()
        {
            choice.description = Some(std::mem::take(&mut reference.description));
        }
    }
}

fn add_credentials(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    let header = |name: &str, words: &str| {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, words)))
    };
    components.add_security_scheme("agentToken", header(AGENT_HEADER, "The token in PM_AGENT_TOKEN. Without one, everybody on this machine may act as an agent."));
    components
        .add_security_scheme("adminToken", header(ADMIN_HEADER, "The token in PM_ADMIN_TOKEN."));
    components.add_security_scheme("apiKey", header(KEY_HEADER, "The key of a person, which may do what its owner may, what it is for, and in its project. It may be sent as `Authorization: Bearer`, too."));
    components.add_security_scheme(
        "session",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            COOKIE,
            "The cookie of a person who signed in.",
        ))),
    );
}

/// Adds what every operation has in common: its credentials and the failures that any request can meet.
fn complete(path: &str, operation: &mut Operation, changes: bool) {
    let permission = permission(operation).unwrap_or(Permission::Administer);
    operation.security = Some(credentials(permission));
    // A body that may be left out is still an object where there is one.
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content
                && let Some(RefOr::T(Schema::OneOf(choice))) = &content.schema
                && let Some(RefOr::Ref(reference)) = choice.items.first()
            {
                content.schema = Some(RefOr::Ref(reference.clone()));
            }
        }
    }
    let takes_body = operation.request_body.is_some();
    let is_filed = |tag: &str| operation.tags.iter().flatten().any(|filed| filed == tag);
    // Who may read and no more changes nothing, whatever the method.
    let reads = [Permission::ReadLedger, Permission::ProveLedger].contains(&permission);
    let writes = changes && !reads;
    let is_about_people = is_filed("auth") || is_filed("people");
    let keeps_receipts = writes && !is_about_people && permission != Permission::Administer;
    if keeps_receipts {
        let parameters = operation.parameters.get_or_insert_default();
        parameters.push(RefOr::Ref(Ref::new(format!("#/components/parameters/{KEY_PARAMETER}"))));
    }
    let takes_parameters =
        operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    let in_path = operation
        .parameters
        .iter()
        .flatten()
        .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Path));
    let is_public = permission == Permission::Public;
    let administers = is_filed("administration");

    let mut failures = vec![
        (
            "403",
            "The caller may not, or the request names another host or comes from another origin",
        ),
        ("500", "Our fault; the server's log has the details"),
        ("503", "The database, or the operation, is not available now"),
    ];
    if takes_body || takes_parameters || changes {
        failures.push(("400", "The input is not what it must be"));
    }
    let takes_json = takes_body && !administers;
    if takes_json || keeps_receipts {
        failures.push(("413", "The body is larger than 16 MiB"));
    }
    if takes_body {
        failures.push(("408", "The body came too slowly"));
    }
    if !limits::EXEMPT.contains(&path) {
        failures.push(("429", "Too many requests; the header Retry-After says when to come again"));
    }
    if takes_json {
        failures.push(("415", "The body is not declared as JSON"));
    }
    if writes {
        failures.push(("507", "The disk is full"));
    }
    if keeps_receipts {
        failures.push(("422", "The idempotency key was used for another request"));
    }
    if !is_public {
        failures.push(("401", "There is no credential that holds"));
    }
    if in_path {
        failures.push(("404", "There is no such thing"));
    }
    if administers {
        failures.retain(|(status, _)| !["400", "507"].contains(status));
    }
    for (status, description) in failures {
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(failure(description)));
    }
}

/// The key that may be sent with every change.
fn idempotency_key() -> Parameter {
    let key = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN));
    ParameterBuilder::new()
        .name(IDEMPOTENCY_KEY)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "A name that the client gives to this request, such as a UUID. Sent again with the same key within 24 hours, \
             the request is answered as it was and does nothing.",
        ))
        .schema(Some(key))
        .build()
}

fn failure(description: &str) -> Response {
    ResponseBuilder::new()
        .description(description)
        .content("application/json", Content::new(Some(Ref::from_schema_name("Failure"))))
        .build()
}

/// The credentials of which any one is enough.
fn credentials(permission: Permission) -> Vec<SecurityRequirement> {
    let any = |names: &[&str]| -> Vec<SecurityRequirement> {
        names.iter().map(|&name| SecurityRequirement::new(name, Vec::<String>::new())).collect()
    };
    match permission {
        Permission::Public => vec![SecurityRequirement::default()],
        Permission::OwnAccount => any(&["session"]),
        _ => {
            let mut names = Vec::new();
            if permission.is_for_agents() {
                names.push("agentToken");
            }
            if permission.is_for_the_administrator() {
                names.push("adminToken");
            }
            names.extend(["session", "apiKey"]);
            any(&names)
        }
    }
}

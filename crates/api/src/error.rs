//! Every failure: one table of codes, each with one status, and one shape.

use std::fmt;

use actix_web::http::header::{ALLOW, RETRY_AFTER};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use pilotdeck_domain::identity::Denied;
use pilotdeck_domain::{InputCode, InvalidInput};
use pilotdeck_services::Error;
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::envelope::{Json, Object};

macro_rules! error_codes {
    ($(#[doc = $meaning:literal] $variant:ident = $name:literal, $status:ident;)*) => {
        /// A stable code; each has one status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ErrorCode { $(#[doc = $meaning] $variant,)* }

        impl ErrorCode {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word on the wire.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, for a person.
            pub(crate) const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// The status that it is answered with.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }
        }
    };
}

error_codes! {
    /// The body is no JSON, or not the JSON that it must be.
    MalformedJson = "malformed_json", BAD_REQUEST;
    /// A field has a value that it cannot have.
    InvalidField = "invalid_field", BAD_REQUEST;
    /// A field that holds a time does not.
    InvalidTime = "invalid_time", BAD_REQUEST;
    /// An identifier cannot be one.
    InvalidId = "invalid_id", BAD_REQUEST;
    /// A project needs a name.
    NameMissing = "name_missing", BAD_REQUEST;
    /// A parameter of the address cannot be read.
    InvalidQuery = "invalid_query", BAD_REQUEST;
    /// An upload lacks the file, or ended early.
    MalformedUpload = "malformed_upload", BAD_REQUEST;
    /// An uploaded file cannot become the database.
    InvalidBackup = "invalid_backup", BAD_REQUEST;
    /// There is no credential that holds.
    Unauthenticated = "unauthenticated", UNAUTHORIZED;
    /// User name and password do not belong together.
    WrongCredentials = "wrong_credentials", UNAUTHORIZED;
    /// The password is right; a code of the second factor is missing.
    SecondFactorRequired = "second_factor_required", UNAUTHORIZED;
    /// The code of the second factor is wrong, or was used already.
    WrongCode = "wrong_code", UNAUTHORIZED;
    /// The invitation was used, taken back, or is too old.
    InvitationInvalid = "invitation_invalid", UNAUTHORIZED;
    /// The key that was sent is none, was revoked, or is too old.
    InvalidKey = "invalid_key", UNAUTHORIZED;
    /// The credential is not enough.
    Forbidden = "forbidden", FORBIDDEN;
    /// The request names a host that this server does not answer for.
    HostNotAllowed = "host_not_allowed", FORBIDDEN;
    /// A page of another origin tried to change something.
    CrossOrigin = "cross_origin", FORBIDDEN;
    /// The body came too slowly.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT;
    /// There is no such resource.
    NotFound = "not_found", NOT_FOUND;
    /// The resource does not have this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED;
    /// The thing changed since it was read.
    VersionMismatch = "version_mismatch", CONFLICT;
    /// The id belongs to another thing.
    IdTaken = "id_taken", CONFLICT;
    /// The project would have no owner any more.
    LastOwner = "last_owner", CONFLICT;
    /// Another user signs in with this name.
    UsernameTaken = "username_taken", CONFLICT;
    /// Another user has this address.
    EmailTaken = "email_taken", CONFLICT;
    /// Nobody else could do everything.
    LastAdmin = "last_admin", CONFLICT;
    /// There is a second factor already, or there is none.
    SecondFactorState = "second_factor_state", CONFLICT;
    /// The proposal was decided otherwise.
    AlreadyDecided = "already_decided", CONFLICT;
    /// The proposal belongs to no project.
    ProposalWithoutProject = "proposal_without_project", CONFLICT;
    /// What the proposal asks for is no action; it can only be rejected.
    ProposalNotDoable = "proposal_not_doable", CONFLICT;
    /// What is to be undone is no action.
    NotAnAction = "not_an_action", CONFLICT;
    /// What is to be undone changed nothing, or is as it was before already.
    NothingToUndo = "nothing_to_undo", CONFLICT;
    /// What is to be undone is no change that can be.
    NotUndoable = "not_undoable", CONFLICT;
    /// What is to be undone has been changed by others since.
    ChangedSince = "changed_since", CONFLICT;
    /// What can only be done once at a time is being done.
    UnderWay = "under_way", CONFLICT;
    /// With the restored database, anybody who reaches the server could sign in.
    WouldBeOpen = "would_be_open", CONFLICT;
    /// No backups are kept: there is no folder for them.
    BackupsOff = "backups_off", CONFLICT;
    /// No deploy job is running.
    NoDeployJob = "no_deploy_job", CONFLICT;
    /// What was then is not recorded: the ledger begins later, or something that writes none changed it.
    Unrecorded = "unrecorded", NOT_FOUND;
    /// The body is larger than 16 MiB.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE;
    /// An uploaded database is larger than may be.
    UploadTooLarge = "upload_too_large", PAYLOAD_TOO_LARGE;
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE;
    /// The idempotency key was used for another request.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY;
    /// Too many failed sign-ins.
    TooManyAttempts = "too_many_attempts", TOO_MANY_REQUESTS;
    /// The caller made more requests than one may in a minute.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS;
    /// The caller follows the ledger with as many streams as one may.
    TooManyStreams = "too_many_streams", TOO_MANY_REQUESTS;
    /// Our fault; the details are in the log.
    Internal = "internal", INTERNAL_SERVER_ERROR;
    /// A backup cannot be made or kept: the folder cannot be used, or the copy was not right.
    BackupFailed = "backup_failed", INTERNAL_SERVER_ERROR;
    /// No deploy job can be begun: there is no script, or it cannot be started.
    NotDeployable = "not_deployable", INTERNAL_SERVER_ERROR;
    /// The database is held by another process; try again.
    DatabaseBusy = "database_busy", SERVICE_UNAVAILABLE;
    /// The database is being replaced by a restored one; try again.
    Restoring = "restoring", SERVICE_UNAVAILABLE;
    /// The database can be read, but not written.
    DatabaseReadOnly = "database_read_only", SERVICE_UNAVAILABLE;
    /// More is being written than the disk takes; try again.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE;
    /// The administrator's operations are off: no token is set.
    AdministrationOff = "administration_off", SERVICE_UNAVAILABLE;
    /// The disk is full.
    StorageFull = "storage_full", INSUFFICIENT_STORAGE;
}

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        let codes = Self::ALL.iter().map(|code| {
            format!("- `{}` ({}): {}", code.as_str(), code.status().as_u16(), code.meaning().trim())
        });
        let codes = codes.collect::<Vec<_>>().join("\n");
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
            .description(Some(format!(
                "What is wrong, for a program. The codes stay, and each has one status; further ones may be \
                 added.\n\n{codes}"
            )))
            .into()
    }
}

impl ToSchema for ErrorCode {}

/// A failed request.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: ErrorCode,
    message: String,
    field: Option<String>,
    data: Option<Json>,
    header: Option<(actix_web::http::header::HeaderName, String)>,
}

pub(crate) type ApiResult<T = HttpResponse> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, data: None, header: None }
    }

    pub(crate) fn method_not_allowed(allowed: &str) -> Self {
        let message = format!("this resource answers {allowed}");
        Self {
            header: Some((ALLOW, allowed.to_owned())),
            ..Self::new(ErrorCode::MethodNotAllowed, message)
        }
    }

    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(ErrorCode::InvalidField, message) }
    }

    /// Says when to come again.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.header = Some((RETRY_AFTER, seconds.to_string()));
        self
    }

    fn with_data(mut self, data: Json) -> Self {
        self.data = Some(data);
        self
    }

    pub(crate) fn code(&self) -> ErrorCode {
        self.code
    }

    pub(crate) fn internal(cause: &dyn fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed on our side");
        Self::new(
            ErrorCode::Internal,
            "something went wrong on the server; its log has the details",
        )
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut object = Object::new()
            .with("success", &false)
            .with("error", &self.message)
            .with("code", &self.code.as_str());
        if let Some(field) = &self.field {
            object = object.with("details", &json!([{ "field": field, "message": self.message }]));
        }
        if let Some(data) = &self.data {
            object = object.with_json("data", data);
        }
        let mut response = object.respond(self.code.status());
        response.extensions_mut().insert(self.code);
        if self.code == ErrorCode::RequestTimeout {
            // What is still to come of the body is not waited for.
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        if let Some((name, value)) = &self.header
            && let Ok(value) = value.parse()
        {
            response.headers_mut().insert(name.clone(), value);
        }
        response
    }
}

impl From<InvalidInput> for ApiError {
    fn from(invalid: InvalidInput) -> Self {
        let code = match invalid.code {
            InputCode::Invalid => ErrorCode::InvalidField,
            InputCode::Time => ErrorCode::InvalidTime,
            InputCode::Id => ErrorCode::InvalidId,
            InputCode::Name => ErrorCode::NameMissing,
        };
        Self { field: Some(invalid.field.into_owned()), ..Self::new(code, invalid.reason) }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unauthenticated => Self::new(ErrorCode::Unauthenticated, denied.to_string()),
            Denied::Forbidden => Self::new(ErrorCode::Forbidden, denied.to_string()),
            Denied::Hidden => Self::new(ErrorCode::NotFound, denied.to_string()),
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Denied(denied) => denied.into(),
            Error::Invalid(invalid) => invalid.into(),
            Error::NotFound { .. } => Self::new(ErrorCode::NotFound, message),
            Error::KeyReused => Self::new(ErrorCode::IdempotencyKeyReused, message),
            Error::Taken { .. } => Self::new(ErrorCode::IdTaken, message),
            Error::Stale(stale) => {
                let facts = Object::new()
                    .with(
                        "message",
                        &format!("expected={}, actual={}", stale.expected, stale.actual),
                    )
                    .with("expectedUpdatedAt", &stale.expected)
                    .with("actualUpdatedAt", &stale.actual)
                    .with_json("current", &Json::document(&stale.current));
                Self::new(ErrorCode::VersionMismatch, message).with_data(facts.json())
            }
            Error::AlreadyDecided { decision, event } => {
                let facts = Object::new()
                    .with("decision", &decision)
                    .with_json("event", &Json::document(&event));
                Self::new(ErrorCode::AlreadyDecided, message).with_data(facts.json())
            }
            Error::LastOwner => Self::new(ErrorCode::LastOwner, message),
            Error::NoProject => Self::new(ErrorCode::ProposalWithoutProject, message),
            Error::NotDoable(_) => Self::new(ErrorCode::ProposalNotDoable, message),
            Error::NotAnAction { .. } => Self::new(ErrorCode::NotAnAction, message),
            Error::NothingToUndo => Self::new(ErrorCode::NothingToUndo, message),
            Error::NotUndoable(_) => Self::new(ErrorCode::NotUndoable, message),
            Error::ChangedSince(since) => Self::new(ErrorCode::ChangedSince, message)
                .with_data(crate::history::changed_since(&since)),
            Error::Unrecorded => Self::new(ErrorCode::Unrecorded, message),
            Error::WrongCredentials => Self::new(ErrorCode::WrongCredentials, message),
            Error::SecondFactorRequired => Self::new(ErrorCode::SecondFactorRequired, message),
            Error::WrongCode => Self::new(ErrorCode::WrongCode, message),
            Error::NotInvited => Self::new(ErrorCode::InvitationInvalid, message),
            Error::SecondFactorState(_) => Self::new(ErrorCode::SecondFactorState, message),
            Error::LastAdmin => Self::new(ErrorCode::LastAdmin, message),
            Error::Claimed { field } => {
                let code = match field {
                    "email" => ErrorCode::EmailTaken,
                    _ => ErrorCode::UsernameTaken,
                };
                Self { field: Some(field.to_owned()), ..Self::new(code, message) }
            }
            Error::Throttled { retry_after_seconds } => Self {
                header: Some((RETRY_AFTER, retry_after_seconds.to_string())),
                ..Self::new(ErrorCode::TooManyAttempts, message)
                    .with_data(Json::of(&json!({ "retryAfterSeconds": retry_after_seconds })))
            },
            Error::TooManyStreams { .. } => Self {
                header: Some((RETRY_AFTER, "15".to_owned())),
                ..Self::new(ErrorCode::TooManyStreams, message)
            },
            Error::NoDatabase(_) | Error::NoArchive(_) => {
                Self::new(ErrorCode::InvalidBackup, message)
            }
            Error::TooLarge { .. } => Self::new(ErrorCode::UploadTooLarge, message),
            Error::WouldBeOpen => Self::new(ErrorCode::WouldBeOpen, message),
            Error::UnderWay(_) => Self::new(ErrorCode::UnderWay, message),
            Error::BackupsOff => Self::new(ErrorCode::BackupsOff, message),
            Error::BackupFailed(_) => Self::new(ErrorCode::BackupFailed, message),
            Error::NoDeployJob => Self::new(ErrorCode::NoDeployJob, message),
            Error::NotDeployable(_) => Self::new(ErrorCode::NotDeployable, message),
            Error::Unavailable(unavailable) => unavailable.into(),
            Error::Tampered(_) | Error::NoLedgerKey | Error::Sealed => Self::internal(&message),
            Error::Store(cause) => Self::internal(&cause),
        }
    }
}

impl From<pilotdeck_services::Unavailable> for ApiError {
    fn from(unavailable: pilotdeck_services::Unavailable) -> Self {
        use pilotdeck_services::Unavailable;
        let message = unavailable.to_string();
        let code = match unavailable {
            Unavailable::Busy => ErrorCode::DatabaseBusy,
            Unavailable::ReadOnly => ErrorCode::DatabaseReadOnly,
            Unavailable::Overloaded => ErrorCode::Overloaded,
            Unavailable::Full => ErrorCode::StorageFull,
            Unavailable::Restoring => ErrorCode::Restoring,
        };
        Self { header: Some((RETRY_AFTER, "1".to_owned())), ..Self::new(code, message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_different_names() {
        for (place, code) in ErrorCode::ALL.iter().enumerate() {
            assert!(ErrorCode::ALL[..place].iter().all(|other| other.as_str() != code.as_str()));
        }
    }
}

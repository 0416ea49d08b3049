//! The browser's session cookie. The sign-in verb makes the session and its key; what is kept here only carries the key
//! to the browser and back, so that the row, the ledger line and the cookie have one origin.

use std::collections::{BTreeMap, HashMap};

use actix_session::config::{BrowserSession, CookieContentSecurity};
use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_session::{Session, SessionExt as _, SessionMiddleware};
use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Key, SameSite};
use pilotdeck_domain::identity::{Person, ProjectRole, Role};
use pilotdeck_domain::ids::UserId;
use pilotdeck_services::identity::Identity;
use pilotdeck_services::{Error, Unavailable};

/// The cookie's name.
pub(crate) const COOKIE: &str = "pilotdeck_session";
const KEY: &str = "key";
const USER: &str = "user";

/// Finds sessions by their keys.
pub(crate) struct Sessions(Identity);

/// The middleware that reads and writes the cookie.
pub(crate) fn middleware(
    identity: Identity,
    signing: Key,
    secure: bool,
) -> SessionMiddleware<Sessions> {
    SessionMiddleware::builder(Sessions(identity), signing)
        .cookie_name(COOKIE.to_owned())
        .cookie_secure(secure)
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".to_owned())
        .cookie_content_security(CookieContentSecurity::Signed)
        .session_lifecycle(BrowserSession::default())
        .build()
}

/// Hands a new session to the browser.
pub(crate) fn begin(session: &Session, key: &str) -> Result<(), serde_json::Error> {
    session.clear();
    session.insert(KEY, key).map_err(|_| serde::ser::Error::custom("the session cannot be written"))
}

/// The key that the browser sent, if its session is open.
pub(crate) fn key(session: &Session) -> Option<String> {
    session.get(KEY).ok().flatten()
}

/// The key that came with a request, if its session is open.
pub(crate) fn sent_key(request: &HttpRequest) -> Option<String> {
    key(&request.get_session())
}

/// The person whose session it is.
pub(crate) fn person(session: &Session) -> Option<Person> {
    let (id, username, role, memberships): (String, String, Role, BTreeMap<String, ProjectRole>) =
        session.get(USER).ok().flatten()?;
    Some(Person { id: UserId::stored(id), username, role, memberships: memberships.into() })
}

impl Sessions {
    fn state(key: &str, person: &Person) -> serde_json::Result<HashMap<String, String>> {
        let Person { id, username, role, memberships } = person;
        let person = (id.as_str(), username, role, memberships.as_ref());
        Ok(HashMap::from([
            (KEY.to_owned(), serde_json::to_string(key)?),
            (USER.to_owned(), serde_json::to_string(&person)?),
        ]))
    }

    /// The key that the sign-in put into the state.
    fn minted(state: &HashMap<String, String>) -> anyhow::Result<SessionKey> {
        let key =
            state.get(KEY).ok_or_else(|| anyhow::anyhow!("a session is begun by signing in"))?;
        Ok(serde_json::from_str::<String>(key)?.try_into()?)
    }
}

impl SessionStore for Sessions {
    async fn load(&self, key: &SessionKey) -> Result<Option<HashMap<String, String>>, LoadError> {
        let person = match self.0.session(key.as_ref()).await {
            // What needs a person says so; the console needs none.
            Err(Error::Unavailable(Unavailable::Restoring)) => None,
            found => found.map_err(|error| LoadError::Other(error.into()))?,
        };
        person
            .map(|person| Self::state(key.as_ref(), &person))
            .transpose()
            .map_err(|error| LoadError::Deserialization(error.into()))
    }

    async fn save(
        &self,
        state: HashMap<String, String>,
        _: &Duration,
    ) -> Result<SessionKey, SaveError> {
        Self::minted(&state).map_err(SaveError::Other)
    }

    async fn update(
        &self,
        _: SessionKey,
        state: HashMap<String, String>,
        _: &Duration,
    ) -> Result<SessionKey, UpdateError> {
        Self::minted(&state).map_err(UpdateError::Other)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &Duration) -> anyhow::Result<()> {
        Ok(())
    }

    async fn delete(&self, _: &SessionKey) -> anyhow::Result<()> {
        Ok(())
    }
}

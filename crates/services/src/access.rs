//! How far a request reaches with the permission that its verb takes.
//!
//! What belongs to a project that one may not see is answered as if it were not there; what belongs to no project is
//! there for those alone who reach everything. Verbs ask inside the transaction in which they read whose the thing is.

use pilotdeck_domain::identity::{Actor, Author, Denied, Permission, Reach};
use pilotdeck_storage::Document;
use serde_json::Value;

use crate::{Error, Kind};

/// What a request may do with one permission, and where.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    author: Author,
    /// None where nothing is out of reach.
    bounds: Option<Box<Bounds>>,
}

#[derive(Clone, Debug)]
struct Bounds {
    actor: Actor,
    permission: Permission,
    /// What exists for the actor.
    visible: Reach,
    /// Whether the permission itself reaches everything.
    is_everywhere: bool,
    /// The same as `visible`, as statements take it.
    within: Option<String>,
}

impl Access {
    /// # Errors
    ///
    /// [`Denied`] if the actor holds the permission nowhere.
    pub(crate) fn new(actor: &Actor, permission: Permission) -> Result<Self, Denied> {
        let author = actor.require(permission)?;
        // Another of the actor's principals may reach further than the one that is named first.
        if actor.require_in(permission, None).is_ok_and(|unbound| unbound == author) {
            return Ok(Self { author, bounds: None });
        }
        let read = actor.reach(Permission::ReadProjects).unwrap_or_default();
        let reach = actor.reach(permission)?;
        let is_everywhere = reach.is_everything();
        let visible = reach.or(read);
        let within = visible.to_json();
        let actor = actor.clone();
        let bounds = Bounds { actor, permission, visible, is_everywhere, within };
        Ok(Self { author, bounds: Some(Box::new(bounds)) })
    }

    /// In whose name the request is made. Receipts belong to them.
    pub(crate) const fn author(&self) -> &Author {
        &self.author
    }

    /// Whether nothing is out of reach of the permission.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.bounds.as_ref().is_none_or(|bounds| bounds.is_everywhere)
    }

    /// The projects that exist for the actor, as a JSON array; none: no project is left out.
    pub(crate) fn within(&self) -> Option<&str> {
        self.bounds.as_ref()?.within.as_deref()
    }

    /// Whether what belongs to `project` exists for the actor.
    pub(crate) fn sees(&self, project: Option<&str>) -> bool {
        self.bounds.as_ref().is_none_or(|bounds| bounds.visible.covers(project))
    }

    /// Whether a thing of a project, as it is stored, exists for the actor.
    pub(crate) fn sees_document(&self, document: &Document) -> bool {
        self.is_everywhere() || self.sees(project_of(document).as_deref())
    }

    /// The author of what is done to a thing that belongs to `project`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if it does not exist for the actor; [`Error::Denied`] if they may not.
    pub(crate) fn to(&self, kind: Kind, id: &str, project: Option<&str>) -> Result<Author, Error> {
        match self.in_project(project) {
            Ok(author) => Ok(author),
            Err(Denied::Hidden) => Err(Error::not_found(kind, id)),
            Err(denied) => Err(denied.into()),
        }
    }

    /// The author of what is done to a thing, as it is stored, of a project.
    ///
    /// # Errors
    ///
    /// As [`Self::to`].
    pub(crate) fn to_document(
        &self,
        kind: Kind,
        id: &str,
        document: &Document,
    ) -> Result<Author, Error> {
        if self.bounds.is_none() {
            return Ok(self.author.clone());
        }
        self.to(kind, id, project_of(document).as_deref())
    }

    /// The author of a change to a project.
    ///
    /// # Errors
    ///
    /// As [`Self::to`].
    pub(crate) fn to_project(&self, id: &str) -> Result<Author, Error> {
        self.to(Kind::Project, id, Some(id))
    }

    /// The author of what is put into `project`, which need not be there; none: into no project.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if the project does not exist for the actor; [`Error::Denied`] if they may not.
    pub(crate) fn put_into(&self, project: Option<&str>) -> Result<Author, Error> {
        match project {
            Some(id) => self.to_project(id),
            None => self.in_project(None).map_err(|denied| match denied {
                Denied::Hidden => Denied::Forbidden.into(),
                denied => denied.into(),
            }),
        }
    }

    fn in_project(&self, project: Option<&str>) -> Result<Author, Denied> {
        match &self.bounds {
            None => Ok(self.author.clone()),
            Some(bounds) => bounds.actor.require_in(bounds.permission, project),
        }
    }
}

/// The project that a stored thing belongs to.
pub(crate) fn project_of(document: &Document) -> Option<String> {
    let fields = document.fields().ok()?;
    fields.get("projectId").and_then(Value::as_str).map(str::to_owned)
}

//! Proposals: an agent records what it would do, a person decides.
//!
//! A proposal is an event, and so is its decision, whose id derives from the proposal's: that there is one decision at
//! most is the primary key's doing.

use pilotdeck_domain::actions::{
    acceptance_event, decision_event_id, proposed_action, rejection_event,
};
pub use pilotdeck_storage::StoredProposal;
use serde::{Deserialize, Serialize};

use super::{
    Access, ActionContext, Actions, Actor, Author, Collection, Document, Error, Kind, Map,
    Operation, Permission, Proposal, Tx, Value, append, take_effect, version, written_run,
};

/// A proposal that was sent, and whether this request recorded it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordedProposal {
    /// Identifies the proposal.
    pub id: String,
    /// The event that records it.
    pub event: Document,
    /// Whether it was not recorded before.
    pub created: bool,
}

/// What became of a proposal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// The event that records the decision.
    pub event: Document,
    /// The project after an acceptance.
    pub project: Option<Document>,
    /// Whether this request decided; false when the same was decided before.
    pub decided: bool,
}

/// Which proposals to list.
#[derive(Clone, Debug, Default)]
pub struct ProposalFilter {
    /// Only those about this project.
    pub project_id: Option<String>,
    /// Only those that wait, or only those that were decided.
    pub pending: Option<bool>,
    /// At most this many.
    pub limit: i64,
}

/// A decision that can be made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Rejected,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    fn of(event: &Document) -> Self {
        let fields = event.fields().unwrap_or_default();
        match fields.get("type").and_then(Value::as_str) {
            Some("proposal.rejected") => Self::Rejected,
            _ => Self::Accepted,
        }
    }
}

impl Actions {
    /// Records a proposal once, on the timeline of its run's project, and changes nothing else.
    ///
    /// # Errors
    ///
    /// [`Error::Taken`] if its id is that of an event which records no proposal, or which the actor does not see;
    /// [`Error::NotFound`] if its project, or its run, does not exist for an actor who does not reach everything;
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn propose(
        &self,
        actor: &Actor,
        proposal: &Proposal,
    ) -> Result<RecordedProposal, Error> {
        let access = Access::new(actor, Permission::WriteAgents)?;
        let (mut tx, before) = self.0.begin::<RecordedProposal>(actor, access.author()).await?;
        if let Some(before) = before {
            access.to_document(Kind::Proposal, &before.id, &before.event)?;
            return Ok(before);
        }
        let now = self.0.clock.now();
        let run = match &proposal.run_ref {
            Some(reference) => written_run(&mut tx, &access, reference).await?,
            None => None,
        };
        let run_id = run.as_ref().map(|run| run.id.as_str()).or(proposal.run_ref.as_deref());
        let of_run = run.as_ref().and_then(|run| run.project_id.as_deref());
        let event = proposal.event(proposal.project_id.as_deref().or(of_run), run_id, now);
        let author = access.put_into(event.project_id())?;
        let id = event.id().to_string();
        if let Some(event) = tx.events().find(&id).await? {
            if !access.sees_document(&event) || !is_proposal(&event.fields()?) {
                return Err(Error::Taken { kind: Kind::Proposal, id });
            }
            access.to_document(Kind::Proposal, &id, &event)?;
            let outcome = RecordedProposal { id, event, created: false };
            return self.0.finish_unchanged(tx, actor, access.author(), outcome).await;
        }
        let event =
            append(&mut tx, &author, now, Operation::ProposalRecorded, &event, None).await?;
        let recorded = RecordedProposal { id, event, created: true };
        self.0.finish(tx, actor, access.author(), recorded).await
    }

    /// The newest proposals that `filter` lets through, with what became of them.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn proposals(
        &self,
        actor: &Actor,
        filter: &ProposalFilter,
    ) -> Result<Vec<StoredProposal>, Error> {
        let access = Access::new(actor, Permission::ReadAgents)?;
        let ProposalFilter { project_id, pending, limit } = filter;
        let (project_id, within) = (project_id.as_deref(), access.within());
        let mut tx = self.0.db.read().await?;
        Ok(tx.events().proposals(project_id, *pending, *limit, within).await?)
    }

    /// Accepts a proposal: does what it proposes, as an action. Accepting it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::AlreadyDecided`] if it was rejected, [`Error::NoProject`], [`Error::NotDoable`]
    /// if what it proposes is no action, [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(proposal.id = id), err(level = "debug"))]
    pub async fn accept(
        &self,
        actor: &Actor,
        id: &str,
        reason: Option<&str>,
    ) -> Result<Decision, Error> {
        let access = Access::new(actor, Permission::DecideProposals)?;
        let (mut tx, before) = self.0.begin::<Decision>(actor, access.author()).await?;
        if let Some(before) = before {
            access.to_document(Kind::Proposal, id, &before.event)?;
            return Ok(before);
        }
        let now = self.0.clock.now();
        let (proposal, author) = match undecided(&mut tx, &access, id, Verdict::Accepted).await? {
            Undecided::Proposal(proposal, author) => (proposal, author),
            Undecided::Done(decision) => {
                return self.0.finish_unchanged(tx, actor, access.author(), decision).await;
            }
        };
        let action = proposed_action(&proposal).map_err(Error::NotDoable)?;
        let project_id =
            proposal.get("projectId").and_then(Value::as_str).ok_or(Error::NoProject)?.to_owned();
        let stored = tx
            .projects()
            .find(&project_id)
            .await?
            .ok_or_else(|| Error::not_found(Kind::Project, &project_id))?;
        let before = stored.fields()?;
        let effect = action.effect(&before, &proposer(&proposal), now);
        let changes = effect.patch.is_some();
        let project =
            take_effect(&mut tx, &author, now, &before, stored, effect.patch.clone()).await?;
        let fields = project.fields()?;
        let version = version(&fields);
        let event =
            acceptance_event(&proposal, &action, &effect, version, &decider(&author), reason, now);
        let gave = changes.then_some(version);
        let event =
            append(&mut tx, &author, now, Operation::ProposalAccepted, &event, gave).await?;
        if changes {
            tx.touch(Collection::Projects, now);
        }
        let decision = Decision { event, project: Some(project), decided: true };
        self.0.finish(tx, actor, access.author(), decision).await
    }

    /// Rejects a proposal. Rejecting it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::AlreadyDecided`] if it was accepted, [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(proposal.id = id), err(level = "debug"))]
    pub async fn reject(
        &self,
        actor: &Actor,
        id: &str,
        reason: Option<&str>,
    ) -> Result<Decision, Error> {
        let access = Access::new(actor, Permission::DecideProposals)?;
        let (mut tx, before) = self.0.begin::<Decision>(actor, access.author()).await?;
        if let Some(before) = before {
            access.to_document(Kind::Proposal, id, &before.event)?;
            return Ok(before);
        }
        let now = self.0.clock.now();
        let (proposal, author) = match undecided(&mut tx, &access, id, Verdict::Rejected).await? {
            Undecided::Proposal(proposal, author) => (proposal, author),
            Undecided::Done(decision) => {
                return self.0.finish_unchanged(tx, actor, access.author(), decision).await;
            }
        };
        let event = rejection_event(&proposal, &decider(&author), reason, now);
        let event =
            append(&mut tx, &author, now, Operation::ProposalRejected, &event, None).await?;
        let decision = Decision { event, project: None, decided: true };
        self.0.finish(tx, actor, access.author(), decision).await
    }
}

enum Undecided {
    /// It waits for a decision, in this name.
    Proposal(Map<String, Value>, Author),
    /// It was decided in the same way before.
    Done(Decision),
}

fn is_proposal(event: &Map<String, Value>) -> bool {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    kind.starts_with("proposal.") && kind != "proposal.rejected"
}

async fn undecided(
    tx: &mut Tx,
    access: &Access,
    id: &str,
    wanted: Verdict,
) -> Result<Undecided, Error> {
    let missing = || Error::not_found(Kind::Proposal, id);
    let stored = tx.events().find(id).await?.ok_or_else(missing)?;
    let proposal = stored.fields()?;
    if !access.sees_document(&stored) || !is_proposal(&proposal) {
        return Err(missing());
    }
    let author = access.to_document(Kind::Proposal, id, &stored)?;
    let Some(event) = tx.events().find(&decision_event_id(id)).await? else {
        return Ok(Undecided::Proposal(proposal, author));
    };
    let verdict = Verdict::of(&event);
    if verdict != wanted {
        return Err(Error::AlreadyDecided { decision: verdict.as_str(), event });
    }
    let project = match proposal.get("projectId").and_then(Value::as_str) {
        Some(project_id) if wanted == Verdict::Accepted => tx.projects().find(project_id).await?,
        _ => None,
    };
    Ok(Undecided::Done(Decision { event, project, decided: false }))
}

/// A note that is accepted is signed by the one who proposed it.
fn proposer(proposal: &Map<String, Value>) -> ActionContext {
    let text = |key: &str| proposal.get(key).and_then(Value::as_str).map(str::to_owned);
    ActionContext {
        agent_id: text("agentId"),
        run_id: text("runId"),
        project_id: text("projectId"),
    }
}

fn decider(author: &Author) -> String {
    author.name.clone().unwrap_or_else(|| author.kind.as_str().to_owned())
}

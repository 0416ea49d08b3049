//! Usage: what a call to a model took, in tokens and money.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{InvalidInput, coerce, draft::Draft, ids::UsageId, times::WireTime};

mod cache;

pub use cache::CacheTokens;

/// A usage record in its normal form. Stored, it is never changed, unless it is the total that a run reported and
/// reports anew.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageRecord {
    id: UsageId,
    ts: WireTime,
    project_id: Option<String>,
    run_id: Option<String>,
    agent_id: Option<String>,
    workspace: Option<String>,
    session_id: Option<String>,
    source: Option<String>,
    model: Option<String>,
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    cost: f64,
    cache: CacheTokens,
    document: Map<String, Value>,
}

impl UsageRecord {
    /// A new record from what a client sent.
    ///
    /// # Errors
    ///
    /// [`InputCode::Id`](crate::InputCode::Id) and [`InputCode::Time`](crate::InputCode::Time) if a chosen id or time
    /// is none, [`InputCode::Invalid`](crate::InputCode::Invalid) if a structure was sent where a text belongs or a
    /// count is beyond 64 bits.
    pub fn create(item: Map<String, Value>, now: DateTime<Utc>) -> Result<Self, InvalidInput> {
        let mut draft = Draft::sent(item);
        let id = match draft.chosen_id() {
            Some(id) => UsageId::parse("id", &id)?,
            None => UsageId::mint(),
        };
        Self::normal(draft, id, now)
    }

    /// A record that another entity implies: nobody is there to correct it, so that what is out of range is cut off.
    pub(crate) fn derived(item: Map<String, Value>, now: DateTime<Utc>) -> Self {
        let mut draft = Draft::trusted(item);
        let id = draft.chosen_id().map_or_else(UsageId::mint, UsageId::stored);
        Self::normal(draft, id, now).expect("what nobody sent is not judged")
    }

    fn normal(mut draft: Draft, id: UsageId, now: DateTime<Utc>) -> Result<Self, InvalidInput> {
        let ts = draft.time("ts")?.unwrap_or_else(|| now.into());
        let project_id = draft.reference("projectId")?;
        let run_id = draft.reference("runId")?;
        let agent_id = draft.reference("agentId")?;
        let workspace = draft.text("workspace")?;
        let session_id = draft.reference("sessionId")?;
        let source = draft.text("source")?.or_else(|| Some("opencode".to_owned()));
        let model = draft.text("model")?;
        let prompt_tokens = tokens(&mut draft, "promptTokens")?;
        let completion_tokens = tokens(&mut draft, "completionTokens")?;
        let total_tokens = tokens(&mut draft, "totalTokens")?;
        let cost = coerce::amount(&draft.any("cost"));
        let data = match draft.any("data") {
            Value::Null => json!({}),
            Value::Object(data) => Value::Object(data),
            raw => json!({ "raw": coerce::any_text(&raw) }),
        };
        let document = draft.document([
            ("id", json!(id)),
            ("ts", json!(ts)),
            ("projectId", json!(project_id)),
            ("runId", json!(run_id)),
            ("agentId", json!(agent_id)),
            ("workspace", json!(workspace)),
            ("sessionId", json!(session_id)),
            ("source", json!(source)),
            ("model", json!(model)),
            ("promptTokens", json!(prompt_tokens)),
            ("completionTokens", json!(completion_tokens)),
            ("totalTokens", json!(total_tokens)),
            ("cost", json!(cost)),
            ("data", data),
        ]);
        let record = Self {
            id,
            ts,
            project_id,
            run_id,
            agent_id,
            workspace,
            session_id,
            source,
            model,
            prompt_tokens,
            completion_tokens,
            total_tokens,
            cost,
            cache: CacheTokens::of(&document),
            document,
        };
        Ok(record)
    }

    /// The identifier.
    #[must_use]
    pub fn id(&self) -> &UsageId {
        &self.id
    }

    /// When it was used.
    #[must_use]
    pub fn ts(&self) -> &WireTime {
        &self.ts
    }

    /// The project that it counts for.
    #[must_use]
    pub fn project_id(&self) -> Option<&str> {
        self.project_id.as_deref()
    }

    /// The run that it counts for.
    #[must_use]
    pub fn run_id(&self) -> Option<&str> {
        self.run_id.as_deref()
    }

    /// Who used it.
    #[must_use]
    pub fn agent_id(&self) -> Option<&str> {
        self.agent_id.as_deref()
    }

    /// The folder that the agent worked in.
    #[must_use]
    pub fn workspace(&self) -> Option<&str> {
        self.workspace.as_deref()
    }

    /// The session of the program that the agent runs in.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// The program that reported it.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// The model that was called.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Tokens that went in.
    #[must_use]
    pub fn prompt_tokens(&self) -> i64 {
        self.prompt_tokens
    }

    /// Tokens that came out.
    #[must_use]
    pub fn completion_tokens(&self) -> i64 {
        self.completion_tokens
    }

    /// All tokens, as reported.
    #[must_use]
    pub fn total_tokens(&self) -> i64 {
        self.total_tokens
    }

    /// What it cost, in the reporter's currency.
    #[must_use]
    pub fn cost(&self) -> f64 {
        self.cost
    }

    /// How many of the tokens went through a cache. The document says it in the words in which it was sent.
    #[must_use]
    pub fn cache(&self) -> CacheTokens {
        self.cache
    }

    /// Its read form, which is also what is stored.
    #[must_use]
    pub fn document(&self) -> &Map<String, Value> {
        &self.document
    }

    /// Its read form.
    #[must_use]
    pub fn into_document(self) -> Map<String, Value> {
        self.document
    }
}

/// A count: what is no number, or negative, is 0.
fn tokens(draft: &mut Draft, field: &'static str) -> Result<i64, InvalidInput> {
    let count = coerce::int(&draft.any(field)).unwrap_or(0).max(0);
    match i64::try_from(count) {
        Ok(count) => Ok(count),
        Err(_) if draft.is_sent(field) => {
            Err(InvalidInput::new(field, format!("{field} must be below 2^63")))
        }
        Err(_) => Ok(i64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        InputCode,
        arbitrary::{self, fields, now},
    };

    const KNOWN: &[&str] = &[
        "id",
        "ts",
        "projectId",
        "runId",
        "agentId",
        "workspace",
        "sessionId",
        "source",
        "model",
        "promptTokens",
        "completionTokens",
        "totalTokens",
        "cost",
        "data",
    ];

    fn created(item: Value) -> Result<UsageRecord, InvalidInput> {
        UsageRecord::create(fields(item), now())
    }

    #[test]
    fn a_record_needs_nothing_at_all() {
        let record = created(json!({ "extra": [1] })).unwrap();

        let document = json!({
            "id": record.id(), "ts": "2026-02-11T15:00:00.000000Z", "projectId": null, "runId": null, "agentId": null,
            "workspace": null, "sessionId": null, "source": "opencode", "model": null, "promptTokens": 0,
            "completionTokens": 0, "totalTokens": 0, "cost": 0.0, "data": {}, "extra": [1],
        });
        assert!(record.id().as_str().starts_with("usage-"));
        assert_eq!(Value::Object(record.into_document()), document);
    }

    #[test]
    fn each_field_takes_its_normal_form() {
        for (field, sent, normal) in [
            ("ts", json!("2026-02-11"), json!("2026-02-11T00:00:00.000000Z")),
            ("ts", json!(5), json!("2026-02-11T15:00:00.000000Z")),
            ("source", json!(null), json!("opencode")),
            ("source", json!(""), json!("")),
            ("model", json!(5), json!("5")),
            ("promptTokens", json!("12"), json!(12)),
            ("promptTokens", json!(12.9), json!(12)),
            ("promptTokens", json!(-1), json!(0)),
            ("promptTokens", json!("-99999999999999999999"), json!(0)),
            ("promptTokens", json!("12.9"), json!(0)),
            ("promptTokens", json!([]), json!(0)),
            ("totalTokens", json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_993_i64)),
            ("totalTokens", json!(i64::MAX), json!(i64::MAX)),
            ("cost", json!("0.5"), json!(0.5)),
            ("cost", json!("nan"), json!(0.0)),
            ("cost", json!(-1), json!(0.0)),
            ("cost", json!({}), json!(0.0)),
            ("data", json!("raw text"), json!({ "raw": "raw text" })),
            ("data", json!([1]), json!({ "raw": "[1]" })),
            ("data", json!(true), json!({ "raw": "True" })),
            ("data", json!({ "a": null }), json!({ "a": null })),
        ] {
            let record = created(json!({ field: sent })).unwrap();
            assert_eq!(record.document()[field], normal, "{field}: {sent}");
        }
    }

    #[test]
    fn what_cannot_be_stored_is_refused_by_name() {
        for (field, sent, code) in [
            ("promptTokens", json!(u64::MAX), InputCode::Invalid),
            ("completionTokens", json!("99999999999999999999"), InputCode::Invalid),
            ("totalTokens", json!(1e30), InputCode::Invalid),
            ("model", json!({}), InputCode::Invalid),
            ("workspace", json!([]), InputCode::Invalid),
            ("projectId", json!({}), InputCode::Invalid),
            ("runId", json!("x".repeat(256)), InputCode::Invalid),
            ("sessionId", json!([1]), InputCode::Invalid),
            ("ts", json!("soon"), InputCode::Time),
            ("id", json!("a\tb"), InputCode::Id),
        ] {
            let error = created(json!({ field: sent })).unwrap_err();
            assert_eq!((error.field.as_ref(), error.code), (field, code), "{sent}");
        }
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(item in arbitrary::object(KNOWN)) {
            if let Ok(record) = UsageRecord::create(item, now()) {
                prop_assert_eq!(UsageRecord::create(record.document().clone(), now()).unwrap(), record);
            }
        }

        #[test]
        fn a_derived_record_is_never_refused(item in arbitrary::object(KNOWN)) {
            let record = UsageRecord::derived(item, now());
            prop_assert!(record.total_tokens() >= 0 && record.cost() >= 0.0);
        }
    }
}

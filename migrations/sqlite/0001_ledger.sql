-- What PilotDeck keeps beside the tables of version 4: the ledger, sessions, and what runs are found by.

-- The ledger: one line for every change, written in the transaction of the change.
CREATE TABLE ledger (
    seq          INTEGER PRIMARY KEY,
    ts           TEXT NOT NULL,
    actor_kind   TEXT NOT NULL,
    actor_id     TEXT,
    operation    TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id   TEXT,
    project_id   TEXT,
    run_id       TEXT,
    request_id   TEXT,
    change       TEXT NOT NULL,
    prev_hash    TEXT NOT NULL,
    hash         TEXT NOT NULL
) STRICT;

CREATE INDEX ledger_by_project ON ledger (project_id, seq) WHERE project_id IS NOT NULL;
CREATE INDEX ledger_by_subject ON ledger (subject_id, seq) WHERE subject_id IS NOT NULL;
CREATE INDEX ledger_by_operation ON ledger (operation, seq);

CREATE TRIGGER ledger_is_never_updated BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TRIGGER ledger_is_never_deleted BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

-- Sessions of people who signed in; only the hash of a session's key is kept.
CREATE TABLE sessions (
    key_hash   TEXT NOT NULL PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- The run that a client's session is: plugins know their session, not our run.
CREATE TABLE run_sessions (
    session_id TEXT NOT NULL,
    source     TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    PRIMARY KEY (session_id, source)
) STRICT, WITHOUT ROWID;

-- Runs may name a project that is not there (yet): the link is soft, and deleting a project clears it by hand.
CREATE TABLE agent_runs_soft (
    id TEXT PRIMARY KEY,
    project_id TEXT,
    agent_id TEXT,
    status TEXT,
    created_at TEXT,
    updated_at TEXT,
    started_at TEXT,
    finished_at TEXT,
    payload_json TEXT NOT NULL
);
INSERT INTO agent_runs_soft
      (rowid, id, project_id, agent_id, status, created_at, updated_at, started_at, finished_at, payload_json)
SELECT rowid, id, project_id, agent_id, status, created_at, updated_at, started_at, finished_at, payload_json
  FROM agent_runs
 ORDER BY rowid;
DROP TABLE agent_runs;
ALTER TABLE agent_runs_soft RENAME TO agent_runs;

INSERT OR REPLACE INTO run_sessions (session_id, source, run_id)
SELECT payload_json ->> '$.sessionId', coalesce(payload_json ->> '$.source', ''), id
  FROM agent_runs
 WHERE json_type(payload_json, '$.sessionId') = 'text'
   AND trim(payload_json ->> '$.sessionId') <> ''
 ORDER BY created_at, rowid;

-- Lists filter by one column and go by time: one index does both. They replace the single-column ones.
CREATE INDEX runs_by_time ON agent_runs (created_at);
CREATE INDEX runs_by_project ON agent_runs (project_id, created_at);
CREATE INDEX runs_by_agent ON agent_runs (agent_id, created_at);
CREATE INDEX runs_by_status ON agent_runs (status, created_at);

-- An event without a time is the oldest; an empty text sorts so and compares with a lower bound.
UPDATE agent_events SET ts = '' WHERE ts IS NULL;

DROP INDEX IF EXISTS idx_events_project_id;
DROP INDEX IF EXISTS idx_events_run_id;
DROP INDEX IF EXISTS idx_events_agent_id;
DROP INDEX IF EXISTS idx_events_type;
CREATE INDEX events_by_project ON agent_events (project_id, ts);
CREATE INDEX events_by_run ON agent_events (run_id, ts);
CREATE INDEX events_by_agent ON agent_events (agent_id, ts);
CREATE INDEX events_by_type ON agent_events (type, ts);
CREATE INDEX events_that_propose ON agent_events (ts)
    WHERE type >= 'proposal.' AND type < 'proposal/' AND type <> 'proposal.rejected';

DROP INDEX IF EXISTS idx_usage_project;
DROP INDEX IF EXISTS idx_usage_agent;
DROP INDEX IF EXISTS idx_usage_workspace;
DROP INDEX IF EXISTS idx_usage_source;
CREATE INDEX usage_by_project ON token_usage_records (project_id, ts);
CREATE INDEX usage_by_run ON token_usage_records (run_id);
CREATE INDEX usage_by_agent ON token_usage_records (agent_id, ts);
CREATE INDEX usage_by_workspace ON token_usage_records (workspace, ts);
CREATE INDEX usage_by_source ON token_usage_records (source, ts);
-- Statistics add up all records: these hold what they need, in the order of their groups.
CREATE INDEX usage_by_day ON token_usage_records
    (substr(ts, 1, 10), project_id, ts, agent_id, workspace, source, prompt_tokens, completion_tokens, total_tokens, cost);
CREATE INDEX usage_by_kind ON token_usage_records
    (agent_id, workspace, model, ts, project_id, source, prompt_tokens, completion_tokens, total_tokens, cost);

CREATE TRIGGER agent_events_are_never_updated BEFORE UPDATE ON agent_events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

CREATE TRIGGER agent_events_are_never_deleted BEFORE DELETE ON agent_events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

-- An older PilotDeck that opens this file again writes local times without `Z`. The mark makes the next start adopt
-- what it wrote.
CREATE TRIGGER projects_written_elsewhere AFTER INSERT ON projects WHEN substr(NEW.updated_at, -1) <> 'Z'
BEGIN INSERT OR REPLACE INTO meta (key, value) VALUES ('pilotdeck.writtenElsewhere', 'projects'); END;
CREATE TRIGGER projects_changed_elsewhere AFTER UPDATE OF updated_at ON projects WHEN substr(NEW.updated_at, -1) <> 'Z'
BEGIN INSERT OR REPLACE INTO meta (key, value) VALUES ('pilotdeck.writtenElsewhere', 'projects'); END;
CREATE TRIGGER runs_written_elsewhere AFTER INSERT ON agent_runs WHEN substr(NEW.updated_at, -1) <> 'Z'
BEGIN INSERT OR REPLACE INTO meta (key, value) VALUES ('pilotdeck.writtenElsewhere', 'agent_runs'); END;
CREATE TRIGGER runs_changed_elsewhere AFTER UPDATE OF updated_at ON agent_runs WHEN substr(NEW.updated_at, -1) <> 'Z'
BEGIN INSERT OR REPLACE INTO meta (key, value) VALUES ('pilotdeck.writtenElsewhere', 'agent_runs'); END;
CREATE TRIGGER events_written_elsewhere AFTER INSERT ON agent_events WHEN substr(NEW.ts, -1) <> 'Z'
BEGIN INSERT OR REPLACE INTO meta (key, value) VALUES ('pilotdeck.writtenElsewhere', 'agent_events'); END;
CREATE TRIGGER usage_written_elsewhere AFTER INSERT ON token_usage_records WHEN substr(NEW.ts, -1) <> 'Z'
BEGIN INSERT OR REPLACE INTO meta (key, value) VALUES ('pilotdeck.writtenElsewhere', 'token_usage_records'); END;
CREATE TRIGGER profiles_written_elsewhere AFTER INSERT ON agent_profiles WHEN substr(NEW.updated_at, -1) <> 'Z'
BEGIN INSERT OR REPLACE INTO meta (key, value) VALUES ('pilotdeck.writtenElsewhere', 'agent_profiles'); END;
CREATE TRIGGER profiles_changed_elsewhere AFTER UPDATE OF updated_at ON agent_profiles WHEN substr(NEW.updated_at, -1) <> 'Z'
BEGIN INSERT OR REPLACE INTO meta (key, value) VALUES ('pilotdeck.writtenElsewhere', 'agent_profiles'); END;
CREATE TRIGGER capabilities_written_elsewhere AFTER INSERT ON agent_capabilities WHEN substr(NEW.updated_at, -1) <> 'Z'
BEGIN INSERT OR REPLACE INTO meta (key, value) VALUES ('pilotdeck.writtenElsewhere', 'agent_capabilities'); END;
CREATE TRIGGER capabilities_changed_elsewhere AFTER UPDATE OF updated_at ON agent_capabilities WHEN substr(NEW.updated_at, -1) <> 'Z'
BEGIN INSERT OR REPLACE INTO meta (key, value) VALUES ('pilotdeck.writtenElsewhere', 'agent_capabilities'); END;
-- It writes these times where it deletes or reorders, too.
CREATE TRIGGER collections_written_elsewhere AFTER INSERT ON meta
WHEN NEW.key LIKE '%.lastUpdated' AND substr(NEW.value, -1) <> 'Z'
BEGIN INSERT OR REPLACE INTO meta (key, value) VALUES ('pilotdeck.writtenElsewhere', 'meta'); END;
CREATE TRIGGER collections_changed_elsewhere AFTER UPDATE OF value ON meta
WHEN NEW.key LIKE '%.lastUpdated' AND substr(NEW.value, -1) <> 'Z'
BEGIN INSERT OR REPLACE INTO meta (key, value) VALUES ('pilotdeck.writtenElsewhere', 'meta'); END;

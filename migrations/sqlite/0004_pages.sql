-- What lists and statistics are answered from: indexes for every filter, and counts and sums that triggers keep in the
-- transaction of whatever changes a row.

-- Runs: every filter has an index in the order of the list. A run without a time is the oldest.
DROP INDEX IF EXISTS runs_by_time;
DROP INDEX IF EXISTS runs_by_project;
DROP INDEX IF EXISTS runs_by_agent;
DROP INDEX IF EXISTS runs_by_status;
CREATE INDEX runs_by_time ON agent_runs (coalesce(created_at, ''));
CREATE INDEX runs_by_project ON agent_runs (project_id, coalesce(created_at, ''));
CREATE INDEX runs_by_agent ON agent_runs (agent_id, coalesce(created_at, ''));
CREATE INDEX runs_by_status ON agent_runs (status, coalesce(created_at, ''));
CREATE INDEX runs_by_project_agent ON agent_runs (project_id, agent_id, coalesce(created_at, ''));
CREATE INDEX runs_by_project_status ON agent_runs (project_id, status, coalesce(created_at, ''));
CREATE INDEX runs_by_agent_status ON agent_runs (agent_id, status, coalesce(created_at, ''));
CREATE INDEX runs_by_project_agent_status ON agent_runs (project_id, agent_id, status, coalesce(created_at, ''));

-- How many runs there are for every filter; 0 in place of a text lets everything through.
CREATE TABLE run_counts (
    project_id ANY NOT NULL,
    agent_id   ANY NOT NULL,
    status     ANY NOT NULL,
    runs       INTEGER NOT NULL,
    PRIMARY KEY (project_id, agent_id, status)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER runs_are_counted AFTER INSERT ON agent_runs
BEGIN
    INSERT INTO run_counts (project_id, agent_id, status, runs)
    SELECT iif(column1 & 1, NEW.project_id, 0), iif(column1 & 2, NEW.agent_id, 0), iif(column1 & 4, NEW.status, 0), 1
      FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7))
     WHERE (NOT column1 & 1 OR NEW.project_id IS NOT NULL) AND (NOT column1 & 2 OR NEW.agent_id IS NOT NULL)
       AND (NOT column1 & 4 OR NEW.status IS NOT NULL)
        ON CONFLICT (project_id, agent_id, status) DO UPDATE SET runs = runs + 1;
END;

CREATE TRIGGER deleted_runs_are_not_counted AFTER DELETE ON agent_runs
BEGIN
    UPDATE run_counts SET runs = runs - 1
     WHERE project_id IN (0, OLD.project_id) AND agent_id IN (0, OLD.agent_id) AND status IN (0, OLD.status);
    DELETE FROM run_counts
     WHERE project_id IN (0, OLD.project_id) AND agent_id IN (0, OLD.agent_id) AND status IN (0, OLD.status)
       AND runs = 0;
END;

CREATE TRIGGER changed_runs_are_counted_anew AFTER UPDATE OF project_id, agent_id, status ON agent_runs
WHEN OLD.project_id IS NOT NEW.project_id OR OLD.agent_id IS NOT NEW.agent_id OR OLD.status IS NOT NEW.status
BEGIN
    UPDATE run_counts SET runs = runs - 1
     WHERE project_id IN (0, OLD.project_id) AND agent_id IN (0, OLD.agent_id) AND status IN (0, OLD.status);
    DELETE FROM run_counts
     WHERE project_id IN (0, OLD.project_id) AND agent_id IN (0, OLD.agent_id) AND status IN (0, OLD.status)
       AND runs = 0;
    INSERT INTO run_counts (project_id, agent_id, status, runs)
    SELECT iif(column1 & 1, NEW.project_id, 0), iif(column1 & 2, NEW.agent_id, 0), iif(column1 & 4, NEW.status, 0), 1
      FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7))
     WHERE (NOT column1 & 1 OR NEW.project_id IS NOT NULL) AND (NOT column1 & 2 OR NEW.agent_id IS NOT NULL)
       AND (NOT column1 & 4 OR NEW.status IS NOT NULL)
        ON CONFLICT (project_id, agent_id, status) DO UPDATE SET runs = runs + 1;
END;

-- Events: two filters together have an index, too. That of a run, which is as good as one project's and one agent's, has
-- what the other filters ask, so that events which do not match are passed over without being read.
DROP INDEX IF EXISTS events_by_run;
CREATE INDEX events_by_run ON agent_events (run_id, ts, type, project_id, agent_id);
CREATE INDEX IF NOT EXISTS idx_events_ts ON agent_events (ts);
CREATE INDEX events_by_project_agent ON agent_events (project_id, agent_id, ts)
    WHERE project_id IS NOT NULL AND agent_id IS NOT NULL;
CREATE INDEX events_by_project_type ON agent_events (project_id, type, ts) WHERE project_id IS NOT NULL;
CREATE INDEX events_by_agent_type ON agent_events (agent_id, type, ts) WHERE agent_id IS NOT NULL;

-- Usage: what the records of a group have in common.
CREATE TABLE usage_groups (
    id         INTEGER PRIMARY KEY,
    project_id TEXT,
    agent_id   TEXT,
    workspace  TEXT,
    source     TEXT,
    model      TEXT
);
CREATE INDEX usage_groups_by_name ON usage_groups (project_id, agent_id, workspace, source, model);

-- What the records of one group and day add up to, in whole numbers alone: their sums are exact in any order, and what
-- was added can be taken back. Tokens are added up in two halves, for the sum of many 64-bit counts does not fit into
-- one; costs as the halves of their whole units, of which one record has no more than 64 bits hold, and as ten digits
-- after the point, which a double has none of from 2^53 on.
CREATE TABLE usage_sums (
    group_id        INTEGER NOT NULL,
    day             TEXT NOT NULL,
    records         INTEGER NOT NULL,
    prompt_high     INTEGER NOT NULL,
    prompt_low      INTEGER NOT NULL,
    completion_high INTEGER NOT NULL,
    completion_low  INTEGER NOT NULL,
    total_high      INTEGER NOT NULL,
    total_low       INTEGER NOT NULL,
    cost_high       INTEGER NOT NULL,
    cost_low        INTEGER NOT NULL,
    cost_rest       INTEGER NOT NULL,
    newest          TEXT NOT NULL,
    PRIMARY KEY (group_id, day)
) WITHOUT ROWID;

-- The records that are totals which a run reported. One does not count while there are records of single calls of its
-- run: records that name the run, or its client's session in place of it.
CREATE TABLE usage_totals (
    record_id  TEXT NOT NULL PRIMARY KEY,
    run_id     TEXT NOT NULL,
    session_id TEXT,
    is_counted INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_totals_by_run ON usage_totals (run_id);
CREATE INDEX usage_totals_by_session ON usage_totals (session_id) WHERE session_id IS NOT NULL;

DROP INDEX IF EXISTS usage_by_day;
DROP INDEX IF EXISTS usage_by_kind;
CREATE INDEX IF NOT EXISTS idx_usage_ts ON token_usage_records (ts);
CREATE INDEX usage_by_group ON token_usage_records (project_id, agent_id, workspace, source, model, ts);

-- A row that is put into this view is added to the sums (`sign` 1) or taken from them (-1).
CREATE VIEW usage_changes AS
SELECT 1 AS sign, id, ts, project_id, agent_id, workspace, source, model, prompt_tokens, completion_tokens,
       total_tokens, cost
  FROM token_usage_records;

CREATE TRIGGER usage_is_added INSTEAD OF INSERT ON usage_changes WHEN NEW.sign = 1
BEGIN
    INSERT INTO usage_groups (project_id, agent_id, workspace, source, model)
    SELECT NEW.project_id, NEW.agent_id, NEW.workspace, NEW.source, NEW.model
     WHERE NOT EXISTS (SELECT 1 FROM usage_groups
                        WHERE project_id IS NEW.project_id AND agent_id IS NEW.agent_id
                          AND workspace IS NEW.workspace AND source IS NEW.source AND model IS NEW.model);
    INSERT INTO usage_sums
          (group_id, day, records, prompt_high, prompt_low, completion_high, completion_low, total_high, total_low,
           cost_high, cost_low, cost_rest, newest)
    SELECT id, substr(NEW.ts, 1, 10), 1, NEW.prompt_tokens >> 32, NEW.prompt_tokens & 0xffffffff,
           NEW.completion_tokens >> 32, NEW.completion_tokens & 0xffffffff,
           NEW.total_tokens >> 32, NEW.total_tokens & 0xffffffff,
           CAST(NEW.cost AS INTEGER) >> 32, CAST(NEW.cost AS INTEGER) & 0xffffffff,
           iif(NEW.cost < 9007199254740992.0,
               CAST(round((NEW.cost - CAST(NEW.cost AS INTEGER)) * 1e10) AS INTEGER), 0), NEW.ts
      FROM usage_groups
     WHERE project_id IS NEW.project_id AND agent_id IS NEW.agent_id AND workspace IS NEW.workspace
       AND source IS NEW.source AND model IS NEW.model
        ON CONFLICT (group_id, day) DO UPDATE
       SET records = records + 1,
           prompt_high = prompt_high + excluded.prompt_high, prompt_low = prompt_low + excluded.prompt_low,
           completion_high = completion_high + excluded.completion_high,
           completion_low = completion_low + excluded.completion_low,
           total_high = total_high + excluded.total_high, total_low = total_low + excluded.total_low,
           cost_high = cost_high + excluded.cost_high, cost_low = cost_low + excluded.cost_low,
           cost_rest = cost_rest + excluded.cost_rest, newest = max(newest, excluded.newest);
END;

-- Where it was the newest record, the newest of those that are left is looked up.
CREATE TRIGGER usage_is_taken_back INSTEAD OF INSERT ON usage_changes WHEN NEW.sign = -1
BEGIN
    UPDATE usage_sums
       SET records = records - 1,
           prompt_high = prompt_high - (NEW.prompt_tokens >> 32),
           prompt_low = prompt_low - (NEW.prompt_tokens & 0xffffffff),
           completion_high = completion_high - (NEW.completion_tokens >> 32),
           completion_low = completion_low - (NEW.completion_tokens & 0xffffffff),
           total_high = total_high - (NEW.total_tokens >> 32),
           total_low = total_low - (NEW.total_tokens & 0xffffffff),
           cost_high = cost_high - (CAST(NEW.cost AS INTEGER) >> 32),
           cost_low = cost_low - (CAST(NEW.cost AS INTEGER) & 0xffffffff),
           cost_rest = cost_rest - iif(NEW.cost < 9007199254740992.0,
               CAST(round((NEW.cost - CAST(NEW.cost AS INTEGER)) * 1e10) AS INTEGER), 0),
           newest = CASE WHEN newest > NEW.ts THEN newest ELSE coalesce((
               SELECT u.ts FROM token_usage_records u
                WHERE u.project_id IS NEW.project_id AND u.agent_id IS NEW.agent_id AND u.workspace IS NEW.workspace
                  AND u.source IS NEW.source AND u.model IS NEW.model
                  AND u.ts >= substr(NEW.ts, 1, 10) AND u.ts < substr(NEW.ts, 1, 10) || char(1114111)
                  AND substr(u.ts, 1, 10) = substr(NEW.ts, 1, 10) AND u.id <> NEW.id
                  AND NOT EXISTS (SELECT 1 FROM usage_totals t WHERE t.record_id = u.id AND NOT t.is_counted)
                ORDER BY u.ts DESC LIMIT 1), '') END
     WHERE group_id = (SELECT id FROM usage_groups
                        WHERE project_id IS NEW.project_id AND agent_id IS NEW.agent_id
                          AND workspace IS NEW.workspace AND source IS NEW.source AND model IS NEW.model)
       AND day = substr(NEW.ts, 1, 10);
    DELETE FROM usage_sums
     WHERE group_id = (SELECT id FROM usage_groups
                        WHERE project_id IS NEW.project_id AND agent_id IS NEW.agent_id
                          AND workspace IS NEW.workspace AND source IS NEW.source AND model IS NEW.model)
       AND day = substr(NEW.ts, 1, 10) AND records = 0;
END;

CREATE TRIGGER usage_is_added_up AFTER INSERT ON token_usage_records
WHEN NOT EXISTS (SELECT 1 FROM usage_totals WHERE record_id = NEW.id AND NOT is_counted)
BEGIN
    INSERT INTO usage_changes
    VALUES (1, NEW.id, NEW.ts, NEW.project_id, NEW.agent_id, NEW.workspace, NEW.source, NEW.model, NEW.prompt_tokens,
            NEW.completion_tokens, NEW.total_tokens, NEW.cost);
END;

CREATE TRIGGER usage_before_its_change_is_taken_back BEFORE UPDATE OF
    ts, project_id, agent_id, workspace, source, model, prompt_tokens, completion_tokens, total_tokens, cost
ON token_usage_records
WHEN NOT EXISTS (SELECT 1 FROM usage_totals WHERE record_id = OLD.id AND NOT is_counted)
BEGIN
    INSERT INTO usage_changes
    VALUES (-1, OLD.id, OLD.ts, OLD.project_id, OLD.agent_id, OLD.workspace, OLD.source, OLD.model, OLD.prompt_tokens,
            OLD.completion_tokens, OLD.total_tokens, OLD.cost);
END;

CREATE TRIGGER usage_after_its_change_is_added_up AFTER UPDATE OF
    ts, project_id, agent_id, workspace, source, model, prompt_tokens, completion_tokens, total_tokens, cost
ON token_usage_records
WHEN NOT EXISTS (SELECT 1 FROM usage_totals WHERE record_id = NEW.id AND NOT is_counted)
BEGIN
    INSERT INTO usage_changes
    VALUES (1, NEW.id, NEW.ts, NEW.project_id, NEW.agent_id, NEW.workspace, NEW.source, NEW.model, NEW.prompt_tokens,
            NEW.completion_tokens, NEW.total_tokens, NEW.cost);
END;

CREATE TRIGGER deleted_usage_is_taken_back BEFORE DELETE ON token_usage_records
WHEN NOT EXISTS (SELECT 1 FROM usage_totals WHERE record_id = OLD.id AND NOT is_counted)
BEGIN
    INSERT INTO usage_changes
    VALUES (-1, OLD.id, OLD.ts, OLD.project_id, OLD.agent_id, OLD.workspace, OLD.source, OLD.model, OLD.prompt_tokens,
            OLD.completion_tokens, OLD.total_tokens, OLD.cost);
END;

-- A record of a single call takes the place of the total that its run reported, whichever came first.
CREATE TRIGGER usage_of_calls_replaces_totals AFTER INSERT ON token_usage_records
WHEN coalesce(NEW.run_id, NEW.session_id) IS NOT NULL
 AND NOT EXISTS (SELECT 1 FROM usage_totals WHERE record_id = NEW.id)
BEGIN
    UPDATE usage_totals SET is_counted = 0
     WHERE is_counted AND (run_id = NEW.run_id OR session_id = coalesce(nullif(NEW.run_id, ''), NEW.session_id));
END;

CREATE TRIGGER totals_begin_or_cease_to_count AFTER UPDATE OF is_counted ON usage_totals
WHEN OLD.is_counted <> NEW.is_counted
BEGIN
    INSERT INTO usage_changes
    SELECT iif(NEW.is_counted, 1, -1), id, ts, project_id, agent_id, workspace, source, model, prompt_tokens,
           completion_tokens, total_tokens, cost
      FROM token_usage_records
     WHERE id = NEW.record_id;
END;

CREATE TRIGGER deleted_usage_gives_totals_back AFTER DELETE ON token_usage_records
BEGIN
    DELETE FROM usage_totals WHERE record_id = OLD.id;
    UPDATE usage_totals SET is_counted = 1
     WHERE NOT is_counted
       AND (run_id = OLD.run_id OR session_id = coalesce(nullif(OLD.run_id, ''), OLD.session_id))
       AND NOT EXISTS (SELECT 1 FROM token_usage_records u
                        WHERE u.run_id IN (usage_totals.run_id, usage_totals.session_id)
                          AND u.id NOT IN (SELECT record_id FROM usage_totals))
       AND NOT EXISTS (SELECT 1 FROM token_usage_records u
                        WHERE u.session_id = usage_totals.session_id AND coalesce(u.run_id, '') = ''
                          AND u.id NOT IN (SELECT record_id FROM usage_totals));
END;

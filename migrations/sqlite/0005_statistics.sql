-- What statistics say besides: tokens that went through a cache, and what nobody put a price on.

-- What the document of a record says about the cache. An older PilotDeck leaves them 0; what its records say is read when
-- the file is taken over.
ALTER TABLE token_usage_records ADD COLUMN cache_read_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE token_usage_records ADD COLUMN cache_write_tokens INTEGER NOT NULL DEFAULT 0;

-- Records that used tokens and cost nothing, and their tokens; then the tokens of the cache.
ALTER TABLE usage_sums ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_sums ADD COLUMN unpriced_high INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_sums ADD COLUMN unpriced_low INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_sums ADD COLUMN cache_read_high INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_sums ADD COLUMN cache_read_low INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_sums ADD COLUMN cache_write_high INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_sums ADD COLUMN cache_write_low INTEGER NOT NULL DEFAULT 0;

DROP TRIGGER usage_is_added_up;
DROP TRIGGER usage_before_its_change_is_taken_back;
DROP TRIGGER usage_after_its_change_is_added_up;
DROP TRIGGER deleted_usage_is_taken_back;
DROP TRIGGER totals_begin_or_cease_to_count;
DROP VIEW usage_changes;

-- A row that is put into this view is added to the sums (`sign` 1) or taken from them (-1).
CREATE VIEW usage_changes AS
SELECT 1 AS sign, id, ts, project_id, agent_id, workspace, source, model, prompt_tokens, completion_tokens,
       total_tokens, cost, cache_read_tokens, cache_write_tokens
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
           cost_high, cost_low, cost_rest, newest, unpriced, unpriced_high, unpriced_low,
           cache_read_high, cache_read_low, cache_write_high, cache_write_low)
    SELECT id, substr(NEW.ts, 1, 10), 1, NEW.prompt_tokens >> 32, NEW.prompt_tokens & 0xffffffff,
           NEW.completion_tokens >> 32, NEW.completion_tokens & 0xffffffff,
           NEW.total_tokens >> 32, NEW.total_tokens & 0xffffffff,
           CAST(NEW.cost AS INTEGER) >> 32, CAST(NEW.cost AS INTEGER) & 0xffffffff,
           iif(NEW.cost < 9007199254740992.0,
               CAST(round((NEW.cost - CAST(NEW.cost AS INTEGER)) * 1e10) AS INTEGER), 0), NEW.ts,
           NEW.cost = 0 AND NEW.total_tokens > 0,
           iif(NEW.cost = 0 AND NEW.total_tokens > 0, NEW.total_tokens >> 32, 0),
           iif(NEW.cost = 0 AND NEW.total_tokens > 0, NEW.total_tokens & 0xffffffff, 0),
           NEW.cache_read_tokens >> 32, NEW.cache_read_tokens & 0xffffffff,
           NEW.cache_write_tokens >> 32, NEW.cache_write_tokens & 0xffffffff
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
           cost_rest = cost_rest + excluded.cost_rest, newest = max(newest, excluded.newest),
           unpriced = unpriced + excluded.unpriced, unpriced_high = unpriced_high + excluded.unpriced_high,
           unpriced_low = unpriced_low + excluded.unpriced_low,
           cache_read_high = cache_read_high + excluded.cache_read_high,
           cache_read_low = cache_read_low + excluded.cache_read_low,
           cache_write_high = cache_write_high + excluded.cache_write_high,
           cache_write_low = cache_write_low + excluded.cache_write_low;
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
           unpriced = unpriced - (NEW.cost = 0 AND NEW.total_tokens > 0),
           unpriced_high = unpriced_high - iif(NEW.cost = 0 AND NEW.total_tokens > 0, NEW.total_tokens >> 32, 0),
           unpriced_low = unpriced_low - iif(NEW.cost = 0 AND NEW.total_tokens > 0, NEW.total_tokens & 0xffffffff, 0),
           cache_read_high = cache_read_high - (NEW.cache_read_tokens >> 32),
           cache_read_low = cache_read_low - (NEW.cache_read_tokens & 0xffffffff),
           cache_write_high = cache_write_high - (NEW.cache_write_tokens >> 32),
           cache_write_low = cache_write_low - (NEW.cache_write_tokens & 0xffffffff),
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
            NEW.completion_tokens, NEW.total_tokens, NEW.cost, NEW.cache_read_tokens, NEW.cache_write_tokens);
END;

CREATE TRIGGER usage_before_its_change_is_taken_back BEFORE UPDATE OF
    ts, project_id, agent_id, workspace, source, model, prompt_tokens, completion_tokens, total_tokens, cost,
    cache_read_tokens, cache_write_tokens
ON token_usage_records
WHEN NOT EXISTS (SELECT 1 FROM usage_totals WHERE record_id = OLD.id AND NOT is_counted)
BEGIN
    INSERT INTO usage_changes
    VALUES (-1, OLD.id, OLD.ts, OLD.project_id, OLD.agent_id, OLD.workspace, OLD.source, OLD.model, OLD.prompt_tokens,
            OLD.completion_tokens, OLD.total_tokens, OLD.cost, OLD.cache_read_tokens, OLD.cache_write_tokens);
END;

CREATE TRIGGER usage_after_its_change_is_added_up AFTER UPDATE OF
    ts, project_id, agent_id, workspace, source, model, prompt_tokens, completion_tokens, total_tokens, cost,
    cache_read_tokens, cache_write_tokens
ON token_usage_records
WHEN NOT EXISTS (SELECT 1 FROM usage_totals WHERE record_id = NEW.id AND NOT is_counted)
BEGIN
    INSERT INTO usage_changes
    VALUES (1, NEW.id, NEW.ts, NEW.project_id, NEW.agent_id, NEW.workspace, NEW.source, NEW.model, NEW.prompt_tokens,
            NEW.completion_tokens, NEW.total_tokens, NEW.cost, NEW.cache_read_tokens, NEW.cache_write_tokens);
END;

CREATE TRIGGER deleted_usage_is_taken_back BEFORE DELETE ON token_usage_records
WHEN NOT EXISTS (SELECT 1 FROM usage_totals WHERE record_id = OLD.id AND NOT is_counted)
BEGIN
    INSERT INTO usage_changes
    VALUES (-1, OLD.id, OLD.ts, OLD.project_id, OLD.agent_id, OLD.workspace, OLD.source, OLD.model, OLD.prompt_tokens,
            OLD.completion_tokens, OLD.total_tokens, OLD.cost, OLD.cache_read_tokens, OLD.cache_write_tokens);
END;

CREATE TRIGGER totals_begin_or_cease_to_count AFTER UPDATE OF is_counted ON usage_totals
WHEN OLD.is_counted <> NEW.is_counted
BEGIN
    INSERT INTO usage_changes
    SELECT iif(NEW.is_counted, 1, -1), id, ts, project_id, agent_id, workspace, source, model, prompt_tokens,
           completion_tokens, total_tokens, cost, cache_read_tokens, cache_write_tokens
      FROM token_usage_records
     WHERE id = NEW.record_id;
END;

-- The newest record of a run is the last one of its index.
DROP INDEX IF EXISTS usage_by_run;
CREATE INDEX usage_by_run ON token_usage_records (run_id, ts);

-- Checkpoints: signed statements of where the ledger stood.
CREATE TABLE ledger_checkpoints (
    seq       INTEGER PRIMARY KEY,
    hash      TEXT NOT NULL,
    -- The place of the checkpoint before it; 0 if there is none.
    previous  INTEGER NOT NULL,
    ts        TEXT NOT NULL,
    key       TEXT NOT NULL,
    signature TEXT NOT NULL
) STRICT;

CREATE TRIGGER ledger_checkpoints_are_never_updated BEFORE UPDATE ON ledger_checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints of the ledger are append-only'); END;

CREATE TRIGGER ledger_checkpoints_are_never_deleted BEFORE DELETE ON ledger_checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints of the ledger are append-only'); END;

-- What was answered to requests that carried an idempotency key: whoever repeats one hears the same again.
CREATE TABLE receipts (
    key_hash    TEXT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    created_at  TEXT NOT NULL
) STRICT;

CREATE INDEX receipts_by_time ON receipts (created_at);

-- People, beside `users`, which stays as the older PilotDeck knows it, and what opens the door to them. Of everything that
-- opens it only a hash is kept; the secret of a second factor, which is needed to check a code, is sealed with a key that is
-- not in the database.
CREATE TABLE people (
    user_id     TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    full_name   TEXT,
    email       TEXT,
    disabled_at TEXT
) STRICT, WITHOUT ROWID;

-- What people see of their sessions. The id opens nothing.
ALTER TABLE sessions ADD COLUMN id TEXT;
ALTER TABLE sessions ADD COLUMN last_seen_at TEXT;
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN user_agent TEXT;
UPDATE sessions SET id = 'sess-' || lower(hex(randomblob(16))), last_seen_at = created_at;
CREATE UNIQUE INDEX sessions_by_id ON sessions (id);

CREATE TABLE api_keys (
    id           TEXT NOT NULL PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    key_hash     TEXT NOT NULL UNIQUE,
    prefix       TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    -- A key of a project that is gone is none: another project that gets the id begins without.
    project_id   TEXT REFERENCES projects (id) ON DELETE CASCADE,
    created_at   TEXT NOT NULL,
    expires_at   TEXT,
    last_used_at TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_by_user ON api_keys (user_id, created_at);
CREATE INDEX api_keys_by_project ON api_keys (project_id) WHERE project_id IS NOT NULL;

CREATE TABLE invitations (
    id         TEXT NOT NULL PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL CHECK (role IN ('viewer', 'member', 'admin')),
    full_name  TEXT,
    email      TEXT,
    projects   TEXT NOT NULL,
    invited_by TEXT REFERENCES users (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX invitations_by_time ON invitations (created_at, id);
CREATE INDEX invitations_by_person ON invitations (invited_by) WHERE invited_by IS NOT NULL;

CREATE TABLE second_factors (
    user_id      TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    sealed       BLOB NOT NULL,
    begun_at     TEXT NOT NULL,
    confirmed_at TEXT,
    -- The step of the last code that was taken: no code is taken twice.
    last_step    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery_codes (
    user_id   TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash TEXT NOT NULL,
    PRIMARY KEY (user_id, code_hash)
) STRICT, WITHOUT ROWID;

-- What people are in projects. Who is an administrator needs no row. A project that an older PilotDeck deletes takes
-- its members along: another one that gets its id begins with none.
CREATE TABLE project_members (
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    role       TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'owner')),
    added_at   TEXT NOT NULL,
    PRIMARY KEY (user_id, project_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX project_members_by_project ON project_members (project_id, added_at);

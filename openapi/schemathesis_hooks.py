"""What the generated requests start from: the schemas of what is taken, a person's session, and the things that the
examples in the document name.

The document says what to send, and in `x-lenient` what is taken. A request is only wrong when it is outside of that.
"""

import os

import requests
import schemathesis

BASE_URL = os.environ["BASE_URL"]
COOKIE = "pilotdeck_session"
LENIENT = "x-lenient"
IDEMPOTENCY_KEY = "#/components/parameters/IdempotencyKey"
# What is said in words or shown does not narrow a schema; everything else is replaced.
KEPT = ("description", "example", "examples")


def widened(node):
    """The same node with every schema replaced by what is taken in its place."""
    if isinstance(node, list):
        return [widened(item) for item in node]
    if not isinstance(node, dict):
        return node
    if LENIENT in node:
        return {key: node[key] for key in KEPT if key in node} | node[LENIENT]
    return {key: value if key in ("example", "examples") else widened(value) for key, value in node.items()}


def without_keys(schema):
    """The same document, of clients that send no idempotency keys. Generated keys are alike, and what is sent under the
    key of another request is refused or not done: `crates/api/tests/it/receipts.rs` sends them.
    """
    for operations in schema["paths"].values():
        for operation in operations.values():
            parameters = operation.get("parameters", [])
            parameters[:] = [one for one in parameters if one.get("$ref") != IDEMPOTENCY_KEY]
    return schema


def make(path, body):
    token = {"X-PM-Agent-Token": os.environ["AGENT_TOKEN"]}
    answer = requests.post(BASE_URL + path, json=body, headers=token, timeout=20)
    answer.raise_for_status()


@schemathesis.hook
def before_load_schema(context, raw_schema):
    wide = without_keys(widened(raw_schema))
    raw_schema.clear()
    raw_schema.update(wide)
    make("/api/projects", {"id": "proj-a", "name": "Atlas"})
    make("/api/projects", {"id": "proj-b", "name": "Borealis"})
    make("/api/agent/runs", {"id": "run-2026-02-11-login", "projectId": "proj-a"})
    make("/api/agent/events", {"id": "evt-login-works", "projectId": "proj-a"})
    make("/api/agent/profiles", {"id": "agent-reviewer"})
    make("/api/agent/capabilities", {"id": "cap-safety"})
    make("/api/agent/usage", {"id": "usage-login-1", "totalTokens": 1540})
    for name, word in (("prop-pause", "paused"), ("prop-archive", "cancelled")):
        proposal = {"id": name, "projectId": "proj-a", "type": "update_status", "status": "pending_review"}
        make("/api/agent/actions", proposal | {"payload": {"status": word}})


def sign_in():
    """A session of the account of the first start, whose password a generated request may have replaced by the example."""
    for password in ("admin", "correct horse battery staple"):
        account = {"username": "admin", "password": password}
        answer = requests.post(f"{BASE_URL}/api/auth/login", json=account, timeout=20)
        if answer.ok:
            return answer.cookies[COOKIE]
    return None


# Before everything else: a generated request may well change the password.
SESSION = sign_in()
assert SESSION, "the account of the first start cannot sign in"


def is_open(session):
    answer = requests.get(f"{BASE_URL}/api/auth/me", cookies={COOKIE: session}, timeout=20)
    return answer.ok


@schemathesis.auth(refresh_interval=None).skip_for(path=["/api/auth/login", "/api/auth/logout"])
class Session:
    """A person's session for every request but signing in and out, which would end it. Where a generated request ended
    it, there is another one.
    """

    def get(self, case, context):
        global SESSION
        if not is_open(SESSION):
            SESSION = sign_in() or SESSION
        return SESSION

    def set(self, case, data, context):
        case.cookies = {**(case.cookies or {}), COOKIE: data}

const header = (needsToken: boolean) => (needsToken ? ' \\\n  -H "X-PM-Agent-Token: $PM_AGENT_TOKEN"' : '')

/** What an agent's process finds in its environment. The token stays with whoever set it: the console never sees it. */
export function environment(address: string, needsToken: boolean): string {
  const token = needsToken ? '\nexport PM_AGENT_TOKEN=…' : ''
  return `export PILOTDECK_URL=${address}/api${token}`
}

/** A project, a run in it, and an event: the first calls of an agent. */
export function firstCall(address: string, needsToken: boolean): string {
  const post = (path: string, body: string) => `curl -s -X POST ${address}/api${path}${header(needsToken)} \\\n  -H 'Content-Type: application/json' \\\n  -d '${body}'`
  return [
    post('/projects', '{"id":"proj-first","name":"My first project"}'),
    post('/agent/runs', '{"id":"run-first","projectId":"proj-first","agentId":"my-agent","title":"First run"}'),
    post('/agent/events', '{"runId":"run-first","projectId":"proj-first","agentId":"my-agent","type":"milestone","title":"Hello"}'),
  ].join('\n')
}

/** How a run ends, with the variables of {@link environment}. */
export function finish(needsToken: boolean): string {
  return `curl -s -X PATCH "$PILOTDECK_URL/agent/runs/run-first"${header(needsToken)} \\\n  -H 'Content-Type: application/json' \\\n  -d '{"status":"success","summary":"Done"}'`
}

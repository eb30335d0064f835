// The clients of client-compatibility section 8, replayed on the wire: each goes from the URL alone to a tool call,
// then refresh, restart of the door, logging out. The name of a test says which rules it shows.
import { after, before, test } from 'node:test';
import { Door } from '../lib/door.mjs';
import * as chatgpt from '../personas/chatgpt.mjs';
import * as claudeCode from '../personas/claude_code.mjs';
import * as claudeHosted from '../personas/claude_hosted.mjs';
import * as codexOld from '../personas/codex_old.mjs';
import * as csharp from '../personas/csharp.mjs';
import * as cursor from '../personas/cursor.mjs';
import * as doubleLoad from '../personas/double_load.mjs';
import * as fastmcp from '../personas/fastmcp.mjs';
import * as gemini from '../personas/gemini.mjs';
import * as go from '../personas/go.mjs';
import * as gooseOld from '../personas/goose_old.mjs';
import * as headless from '../personas/headless.mjs';
import * as inspector from '../personas/inspector.mjs';
import * as librechat from '../personas/librechat.mjs';
import * as mcpRemote from '../personas/mcp_remote.mjs';
import * as n8n from '../personas/n8n.mjs';
import * as noPrm from '../personas/no_prm.mjs';
import * as openwebui from '../personas/openwebui.mjs';
import * as pythonV1 from '../personas/python_v1.mjs';
import * as pythonV2 from '../personas/python_v2.mjs';
import * as refreshStorm from '../personas/refresh_storm.mjs';
import * as rmcp from '../personas/rmcp.mjs';
import * as typescriptV1 from '../personas/typescript_v1.mjs';
import * as typescriptV2 from '../personas/typescript_v2.mjs';
import * as vscode from '../personas/vscode.mjs';

const PERSONAS = [
  claudeCode, claudeHosted, chatgpt, vscode, cursor, codexOld, gooseOld, rmcp, typescriptV1, typescriptV2,
  pythonV1, pythonV2, go, csharp, gemini, fastmcp, mcpRemote, inspector, librechat, n8n, openwebui, noPrm,
  doubleLoad, refreshStorm, headless,
];

// What some personas need the door to know beforehand: clients of the operator, documents of clients whose hosts
// do not answer, files with secrets and keys.
const clients = PERSONAS.map((persona) => persona.clients ?? '').join('');
const known = PERSONAS.flatMap((persona) => persona.knownClient ?? []);
const files = Object.assign({}, ...PERSONAS.map((persona) => persona.files));

const doors = {};
before(async () => {
  doors.door = await Door.open({
    config: `
known_clients_file: known-clients.json
allowed_origins: ["https://chatgpt.com"]
clients:${clients}`,
    files: { ...files, 'known-clients.json': JSON.stringify({ clients: known }) },
  });
  // Nothing is forgiven here: stands for a replay that comes too late.
  doors.strict = await Door.open({ config: 'refresh: { overlap: 0s }' });
  // Two servers, so that a client that names none leaves a choice.
  doors.several = await Door.open({
    servers: (upstream) => ['fixture', 'second'].map((name) => `
  ${name}:
    upstream: ${upstream}
    allow: [{ groups: [developers], tools: all }]
    credential: { headers: { Authorization: "Bearer \${file:credential}" } }`).join(''),
  });
});
after(() => Promise.all(Object.values(doors).map((door) => door.close())));

for (const persona of PERSONAS) {
  test(`${persona.name} (${persona.shows})`, () => persona.run(doors));
  // What is shown apart from its journey.
  for (const [what, show] of Object.entries(persona.alone ?? {})) {
    test(`${persona.name}: ${what}`, () => show(doors));
  }
}

// What the official suite starts as the client to judge: an official SDK that speaks through `vestibule bridge`, in a home
// of its own, with a browser that goes where it is sent. The server's URL is the last argument.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Program } from './process.mjs';

const url = process.argv.at(-1);
const vestibule = process.env.VESTIBULE_PROGRAM;
const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT || '{}');
const isModern = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION >= '2026-07-28';

const home = mkdtempSync(join(tmpdir(), 'vestibule-conformance-'));
const browser = join(home, 'xdg-open');
writeFileSync(browser, `#!/bin/sh\nexec '${process.execPath}' -e 'fetch(process.argv[1])' "$1"\n`);
chmodSync(browser, 0o755);
const env = {
  ...process.env, PATH: `${home}${delimiter}${process.env.PATH}`, BROWSER: browser, VESTIBULE_HOME: home, VESTIBULE_STORE: 'file',
};

function file(name, text) {
  const path = join(home, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

// A program signs itself in: there is no address to go to.
async function signInAlone(...words) {
  const login = new Program(vestibule, ['login', url, '--json', ...words], { env });
  if (await login.ended !== 0) throw new Error(login.output);
}

// What a person who was given something by the authorization server's operator says once, before the bridge is used.
async function signIn(...words) {
  const login = new Program(vestibule, ['login', url, '--json', '--no-browser', ...words], { env: { ...env, DISPLAY: ':0' } });
  const [address] = await login.says(/^http:\S+$/m);
  await fetch(address);
  if (await login.ended !== 0) throw new Error(login.output);
}

// The authorization server, which these scenarios do not name: where the server says it is.
async function issuer() {
  const { origin, pathname } = new URL(url);
  const metadata = await fetch(`${origin}/.well-known/oauth-protected-resource${pathname}`);
  return (await metadata.json()).authorization_servers[0];
}

async function prepare() {
  if (scenario === 'auth/basic-cimd') {
    await signIn('--client-metadata', 'https://conformance-test.local/client-metadata.json');
  }
  if (scenario === 'auth/pre-registration') {
    const secret = file('secret', context.client_secret);
    await signIn('--client-id', context.client_id, '--client-secret-file', secret, '--issuer', context.issuer);
  }
  if (scenario?.startsWith('auth/client-credentials-')) {
    const proof = context.private_key_pem
      ? ['--client-key-file', file('key.pem', context.private_key_pem)]
      : ['--client-secret-file', file('secret', context.client_secret)];
    await signInAlone('--client-credentials', '--client-id', context.client_id, ...proof, '--issuer', await issuer());
  }
  if (scenario === 'auth/wif-jwt-bearer') {
    await signInAlone(`--workload=${file('workload.jwt', context.valid_jwt)}`);
  }
}

async function sdk() {
  if (isModern) {
    return { ...await import('@modelcontextprotocol/client'), ...await import('@modelcontextprotocol/client/stdio') };
  }
  return {
    ...await import('@modelcontextprotocol/sdk/client/index.js'), ...await import('@modelcontextprotocol/sdk/client/stdio.js'),
    ...await import('@modelcontextprotocol/sdk/types.js'),
  };
}

// What the scenario wants to see called, of what the server has.
function calls(tools) {
  if (context.toolCalls) return context.toolCalls;
  const [first] = tools;
  const given = { add_numbers: { a: 2, b: 3 }, json_schema_echo: { schema: first?.inputSchema } };
  return tools.map(({ name }) => ({ name, arguments: given[name] ?? {} }));
}

const { Client, StdioClientTransport, ElicitRequestSchema } = await sdk();
const client = new Client({ name: 'conformance', version: '1' }, {
  capabilities: { elicitation: { form: { applyDefaults: true } }, roots: {}, sampling: {} },
  ...isModern && { versionNegotiation: { mode: 'auto' } },
});
client.setRequestHandler(isModern ? 'elicitation/create' : ElicitRequestSchema, () => ({ action: 'accept', content: {} }));
try {
  await prepare();
  await client.connect(new StdioClientTransport({ command: vestibule, args: ['bridge', url], env, stderr: 'inherit' }));
  const { tools } = await client.listTools();
  for (const call of calls(tools)) {
    const result = await client.callTool(call);
    if (result.isError) throw new Error(JSON.stringify(result.content));
  }
  const has = client.getServerCapabilities() ?? {};
  if (has.prompts) {
    const { prompts } = await client.listPrompts();
    for (const { name } of prompts) await client.getPrompt({ name });
  }
  if (has.resources) {
    const { resources } = await client.listResources();
    for (const { uri } of resources) await client.readResource({ uri });
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await client.close();
  rmSync(home, { recursive: true, force: true });
}

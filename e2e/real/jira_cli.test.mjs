// jira-cli itself, behind the recipe of docs/apis.md for Jira Data Center: set up and used with a token of the door's for each
// call, by two people, each as themselves (CC-105, CC-107, MA-51). Jira cannot be had here: what answers in its place is
// e2e/lib/jira.mjs, which knows its people's personal access tokens and nothing else.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Door, PASSWORD, vestibule } from '../lib/door.mjs';
import { Jira } from '../lib/jira.mjs';
import { Person } from '../lib/person.mjs';
import { Program, run } from '../lib/process.mjs';

const TOKENS = { ana: 'anas-own-token-at-jira', ben: 'bens-own-token-at-jira' };
let jira;
let door;
const machines = {};
before(async () => {
  jira = await Jira.start(Object.fromEntries(Object.entries(TOKENS).map(([name, token]) => [token, name])));
  door = await Door.open({
    config: `
connectors:
  jira:
    name: Jira
    personal_token: {}
    who_am_i: { url: "${jira.url}/rest/api/2/myself", id: /key, name: /name, email: /emailAddress }
    identity: { match: username }
`,
    servers: () => `  jira:
    kind: api
    title: Jira
    upstream: ${jira.url}
    allow:
      - groups: [developers]
        requests:
          - GET /rest/api/2/**
          - GET /rest/agile/1.0/**
          - POST /rest/api/2/search
          - POST /rest/api/2/issue
          - PUT /rest/api/2/issue/*
          - POST /rest/api/2/issue/*/comment
          - POST /rest/api/2/issue/*/transitions
    identity_headers: false
    credential: { connector: jira, recipe: jira-api }
`,
  });
  await door.cliWith(PASSWORD, 'user', 'add', 'ben', '--group', 'developers', '--password-stdin');
  for (const name of ['ana', 'ben']) machines[name] = await machine(name);
});
after(async () => {
  await door?.close();
  jira?.close();
  for (const { home } of Object.values(machines)) rmSync(home, { recursive: true, force: true });
});

// Somebody's machine, signed in to the API.
async function machine(name) {
  const home = mkdtempSync(join(tmpdir(), 'vestibule-home-'));
  const env = {
    PATH: process.env.PATH, HOME: home, VESTIBULE_HOME: join(home, 'vestibule'), VESTIBULE_STORE: 'file', NO_COLOR: '1',
    TERM: 'dumb',
  };
  const person = new Person(name);
  const login = new Program(vestibule, ['login', `${door.url}/api/jira`, '--json', '--no-browser'], { env });
  const [address] = await login.says(/^http:\S+$/m);
  await fetch(await person.approve(new URL(address)));
  assert.equal(await login.ended, 0, login.output);
  // With the token of this call in the variable that the recipe names.
  const cli = (...words) => new Program(
    vestibule, ['exec', 'jira', '--env', 'JIRA_API_TOKEN', '--', process.env.VESTIBULE_REAL_JIRA_CLI, ...words], { env, cwd: home },
  );
  const says = async (...words) => {
    const program = cli(...words);
    assert.equal(await program.ended, 0, program.output);
    return program.output;
  };
  const fails = async (...words) => {
    const program = cli(...words);
    assert.notEqual(await program.ended, 0, program.output);
    return program.output;
  };
  return { home, env, person, says, fails };
}

// Types a token at the page that a refusal names.
async function connect(person, credential) {
  const page = await (await person.request(`${door.url}/connect?to=jira`)).text();
  const form = page.match(/<form[^>]*action="\/connect"[\s\S]*?<\/form>/)?.[0];
  assert.ok(form, page);
  const hidden = [...form.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(([, name, value]) => [name, value]);
  const response = await person.request(`${door.url}/connect`, {
    method: 'POST', body: new URLSearchParams([...hidden, ['credential', credential]]),
    headers: { origin: door.url, 'sec-fetch-site': 'same-origin' },
  });
  assert.equal(response.status, 200, await response.text());
}

const setUp = (name) => [
  'init', '--installation', 'local', '--server', `${door.url}/api/jira`, '--login', name, '--auth-type', 'bearer', '--project', 'DIARY',
  '--board', 'Diary board',
];

// What arrived, each time as whose it is, and never with anything of the door's.
async function arrived(name) {
  const asked = jira.asked();
  assert.notEqual(asked.length, 0);
  const { env } = machines[name];
  const token = (await run(vestibule, ['token', 'jira'], { env })).trim();
  for (const { url, headers } of asked) {
    assert.equal(headers.authorization, `Bearer ${TOKENS[name]}`, url);
    assert.ok(!JSON.stringify([url, headers]).includes(token), url);
  }
  return asked.map(({ method, url }) => `${method} ${url.split('?')[0]}`);
}

test('who has not connected is told so before anything is asked', async () => {
  for (const [name, { fails, person }] of Object.entries(machines)) {
    assert.match(await fails(...setUp(name)), /403/);
    assert.deepEqual(jira.asked(), []);
    await connect(person, TOKENS[name]);
    assert.deepEqual(jira.asked().map(({ url }) => url), ['/rest/api/2/myself'], 'whose token it is');
  }
});

test('it is set up without a question, and keeps no token', async () => {
  for (const [name, { home, says }] of Object.entries(machines)) {
    assert.match(await says(...setUp(name)), /Configuration generated/);
    assert.deepEqual(await arrived(name), [
      'GET /rest/api/2/myself', 'GET /rest/api/2/serverInfo', 'GET /rest/api/2/project', 'GET /rest/agile/1.0/board',
      'GET /rest/api/2/issue/createmeta/DIARY/issuetypes', 'GET /rest/api/2/field',
    ]);
    const written = readFileSync(join(home, '.config/.jira/.config.yml'), 'utf8');
    assert.match(written, /auth_type: bearer/);
    assert.match(written, new RegExp(`server: ${door.url}/api/jira`));
    for (const file of readdirSync(home, { recursive: true, withFileTypes: true })) {
      const path = join(file.parentPath, file.name);
      if (!file.isFile() || path.includes('/vestibule/')) continue;
      assert.doesNotMatch(readFileSync(path, 'utf8'), /token/i, path);
    }
  }
});

test('everybody sees and is who they are at Jira', async () => {
  for (const [name, { says }] of Object.entries(machines)) {
    assert.match(await says('me'), new RegExp(name));
    jira.asked();
    assert.match(await says('issue', 'list', '--plain'), new RegExp(`DIARY-1.*The diary of ${name}`));
    assert.deepEqual(await arrived(name), ['GET /rest/api/2/search']);
    assert.match(await says('issue', 'view', 'DIARY-1', '--plain'), new RegExp(`The diary of ${name}`));
    assert.ok((await arrived(name)).includes('GET /rest/api/2/issue/DIARY-1'));
  }
});

test('what no rule allows does not arrive', async () => {
  const { fails } = machines.ana;
  assert.match(await fails('issue', 'delete', 'DIARY-1'), /403/);
  assert.match(await fails('issue', 'assign', 'DIARY-1', 'x'), /403/);
  assert.ok(jira.asked().every(({ method }) => method === 'GET'));
});

test('a token of the door is worth nothing at Jira itself', async () => {
  const { env } = machines.ana;
  const token = (await run(vestibule, ['token', 'jira'], { env })).trim();
  const answer = await fetch(`${jira.url}/rest/api/2/myself`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 401);
});

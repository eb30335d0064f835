// Gitea itself behind the door, as a plain HTTP API: its API with curl and with the library of its command line, and git over
// https, two people, each as themselves, and no credential of Gitea's on their machines (CC-105, CC-107, MA-51, MA-58).
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { context, launch } from '../lib/browser.mjs';
import { Door, PASSWORD, vestibule } from '../lib/door.mjs';
import { Gitea, secret } from '../lib/gitea.mjs';
import { Person } from '../lib/person.mjs';
import { Program, run } from '../lib/process.mjs';

let gitea;
let door;
let browser;
const machines = {};
before(async () => {
  gitea = await Gitea.start({
    binary: process.env.VESTIBULE_REAL_GITEA, files: process.env.VESTIBULE_REAL_GITEA_FILES, people: ['ana', 'ben'],
  });
  door = await Door.open({
    config: `
connectors:
  gitea:
    name: Gitea
    personal_token: {}
    who_am_i: { url: "${gitea.url}/api/v1/user", id: /id, name: /login, email: /email }
    identity: { match: username }
`,
    servers: () => `  gitea:
    kind: api
    title: Gitea
    upstream: ${gitea.url}
    basic: true
    token_scheme: true
    allow: [{ groups: [developers], requests: all }]
    identity_headers: false
    credential: { connector: gitea, recipe: gitea-api }
`,
  });
  await door.cliWith(PASSWORD, 'user', 'add', 'ben', '--group', 'developers', '--password-stdin');
  browser = await launch();
  for (const name of ['ana', 'ben']) machines[name] = await machine(name);
});
after(async () => {
  await browser?.close();
  await door?.close();
  await gitea?.close();
  for (const { home } of Object.values(machines)) rmSync(home, { recursive: true, force: true });
});

// Somebody's machine, signed in to the API and with the credential helper.
async function machine(name) {
  const home = mkdtempSync(join(tmpdir(), 'vestibule-home-'));
  const env = {
    PATH: process.env.PATH, HOME: home, VESTIBULE_HOME: home, VESTIBULE_STORE: 'file', GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1', GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: `${name}@example.com`, GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: `${name}@example.com`,
  };
  const login = new Program(vestibule, ['login', `${door.url}/api/gitea`, '--json', '--no-browser'], { env });
  const [address] = await login.says(/^http:\S+$/m);
  await fetch(await new Person(name).approve(new URL(address)));
  assert.equal(await login.ended, 0, login.output);
  const git = (...words) => run('git', words, { env, cwd: home });
  await git('config', '--global', `credential.${door.url}.helper`, `!${vestibule} git-credential`);
  await git('config', '--global', `credential.${door.url}.useHttpPath`, 'true');
  const curl = async (path, ...more) => {
    const words = ['exec', 'gitea', '--header', '--', 'curl', '-s', '-w', '\n%{http_code}', '-H', '@{}', ...more, `${door.url}/api/gitea${path}`];
    const said = await run(vestibule, words, { env });
    const at = said.trimEnd().lastIndexOf('\n');
    return { status: Number(said.slice(at + 1)), body: JSON.parse(said.slice(0, at) || 'null') };
  };
  // What stands for tea, with a token for this call alone.
  const tea = (at, ...words) => new Program(
    vestibule, ['exec', 'gitea', '--env', 'GITEA_TOKEN', '--', process.env.VESTIBULE_REAL_GITEA_SDK, ...words],
    { env: { ...env, GITEA_INSTANCE_URL: at }, cwd: home },
  );
  const fails = async (...words) => {
    const program = new Program('git', words, { env, cwd: home });
    assert.notEqual(await program.ended, 0, program.output);
    return program.output;
  };
  return { home, git, curl, tea, fails };
}

test('who has not connected is given a link, by git too, and types a token there once', async () => {
  for (const [name, { curl, fails }] of Object.entries(machines)) {
    const { status, body } = await curl('/api/v1/user');
    assert.deepEqual([status, body.error], [403, 'connection_needed']);
    assert.match(await fails('clone', `${door.url}/api/gitea/${name}/diary.git`), /Connect your Gitea account first, at http/);
    const page = await (await context(browser)).newPage();
    await page.goto(body.connect);
    await page.fill('#username', name);
    await page.fill('#password', PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#credential');
    await page.fill('#credential', await gitea.token(name, 'door', ['read:user', 'write:repository', 'write:issue']));
    await page.keyboard.press('Enter');
    await page.waitForSelector('a[href="/connections"].button');
    assert.equal((await curl('/api/v1/user')).body.login, name);
  }
});

test('the API is asked as whoever asks, and as nobody else', async () => {
  const { curl } = machines.ana;
  const made = await curl('/api/v1/repos/ana/diary/issues', '-H', 'content-type: application/json', '-d', '{"title":"One"}');
  assert.deepEqual([made.status, made.body.user.login], [201, 'ana']);
  assert.equal((await curl('/api/v1/repos/ben/diary')).status, 404);
  const asBen = await curl('/api/v1/user', '-H', 'Sudo: ben');
  assert.equal(asBen.body.login, 'ana', 'a header that would act for somebody else never arrives');
  assert.deepEqual([(await curl('/api/v1/user?sudo=ben')).body.error], ['refused_query']);
  const bens = await gitea.token('ben', 'stolen', ['read:user']);
  assert.deepEqual([(await curl(`/api/v1/user?token=${bens}`)).body.error], ['refused_query']);
  assert.equal((await curl('/api/v1/repos/ana/diary/../../ben/diary', '--path-as-is')).body.error, 'ambiguous_path');
});

test('Gitea\'s own library, which says token, works as whoever asks, with nothing written down', async () => {
  const { home, tea } = machines.ana;
  const says = async (...words) => {
    const program = tea(`${door.url}/api/gitea`, ...words);
    assert.equal(await program.ended, 0, program.output);
    return program.output;
  };
  const before = readdirSync(home, { recursive: true });
  assert.equal(await says('whoami'), 'ana\n');
  assert.equal(await says('issue', 'ana/diary', 'Two'), '2 Two (ana)\n');
  assert.equal(await says('issues', 'ana/diary'), '2 Two (ana)\n1 One (ana)\n');
  const bens = tea(`${door.url}/api/gitea`, 'issues', 'ben/diary');
  assert.notEqual(await bens.ended, 0, bens.output);
  const there = tea(gitea.url, 'whoami');
  assert.notEqual(await there.ended, 0, 'the token is worth nothing at Gitea');
  assert.deepEqual(readdirSync(home, { recursive: true }), before);
});

test('git clones and pushes as whoever asks', async () => {
  const { home, git, fails } = machines.ana;
  await git('clone', `${door.url}/api/gitea/ana/diary.git`);
  assert.equal(readFileSync(join(home, 'diary/today.txt'), 'utf8'), secret('ana'));
  writeFileSync(join(home, 'diary/tomorrow.txt'), 'more');
  await git('-C', 'diary', 'add', '.');
  await git('-C', 'diary', 'commit', '--quiet', '-m', 'Tomorrow');
  await git('-C', 'diary', 'push');
  const { content } = await gitea.ask('ana', 'GET', '/repos/ana/diary/contents/tomorrow.txt');
  assert.equal(Buffer.from(content, 'base64').toString(), 'more');
  assert.match(await fails('clone', `${door.url}/api/gitea/ben/diary.git`, 'bens'), /not found|404|403/i);
});

test('a credential that was taken back there is asked for again', async () => {
  await gitea.revoke('ana', 'door');
  const { status, body } = await machines.ana.curl('/api/v1/user');
  assert.deepEqual([status, body.error], [403, 'connection_needed'], JSON.stringify(body));
});

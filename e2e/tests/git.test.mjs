// git over https through the door: a real git against a real git server, with the credential helper, and nothing of the
// upstream's credential on this machine.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Door, vestibule } from '../lib/door.mjs';
import { GitBackend } from '../lib/git_backend.mjs';
import { Person } from '../lib/person.mjs';
import { Program, run } from '../lib/process.mjs';

const SECRET = Buffer.from('door:the-credential-of-the-git-server').toString('base64');

let door;
let backend;
let home;
let env;
let remote;
before(async () => {
  backend = await GitBackend.start(`Basic ${SECRET}`);
  backend.add('open/one.git');
  backend.add('closed/two.git');
  door = await Door.open({
    files: { basic: SECRET },
    servers: () => `  git:
    kind: api
    upstream: ${backend.url}
    basic: true
    allow:
      - groups: [developers]
        requests:
          - GET /*/*.git/info/refs
          - POST /*/*.git/git-upload-pack
          - POST /open/*.git/git-receive-pack
    credential: { headers: { Authorization: "Basic \${file:basic}" } }
`,
  });
  remote = `${door.url}/api/git`;
  home = mkdtempSync(join(tmpdir(), 'vestibule-home-'));
  env = {
    PATH: process.env.PATH, HOME: home, VESTIBULE_HOME: home, VESTIBULE_STORE: 'file', GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1', GIT_AUTHOR_NAME: 'Ana', GIT_AUTHOR_EMAIL: 'ana@example.com', GIT_COMMITTER_NAME: 'Ana',
    GIT_COMMITTER_EMAIL: 'ana@example.com',
  };
  await git('config', '--global', `credential.${door.url}.helper`, `!${vestibule} git-credential`);
  await git('config', '--global', `credential.${door.url}.useHttpPath`, 'true');
});
after(async () => {
  await door?.close();
  await backend?.close();
  if (home) rmSync(home, { recursive: true, force: true });
});

const git = (...words) => run('git', words, { env, cwd: home });

// How git ends, and what it says.
async function fails(...words) {
  const program = new Program('git', words, { env, cwd: home });
  assert.notEqual(await program.ended, 0, program.output);
  return program.output;
}

// What is kept of the sign-in, changed.
function change(edit) {
  const folder = join(home, 'profiles/default');
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.file'))) {
    const path = join(folder, name);
    const kept = JSON.parse(readFileSync(path));
    if (!kept.access_token) continue;
    edit(kept);
    writeFileSync(path, JSON.stringify(kept));
  }
}

test('whoever has not signed in is told nothing that could be typed', async () => {
  assert.match(await fails('clone', `${remote}/open/one.git`, 'none'), /could not read Username/);
});

test('git clones and pushes with tokens that it never keeps', async (t) => {
  const login = new Program(vestibule, ['login', remote, '--json', '--no-browser'], { env });
  t.after(() => login.stop());
  const [address] = await login.says(/^http:\S+$/m);
  await fetch(await new Person().approve(new URL(address)));
  assert.equal(await login.ended, 0, login.output);

  await git('clone', `${remote}/open/one.git`, 'one');
  // More than git sends in one piece (http.postBuffer), so that it comes in chunks; and nothing that could be compressed.
  const large = randomBytes(24 << 20);
  writeFileSync(join(home, 'one/large'), large);
  await git('-C', 'one', 'add', 'large');
  await git('-C', 'one', 'commit', '--quiet', '-m', 'A large file');
  await git('-C', 'one', 'push', 'origin', 'HEAD:main');

  // As if the access token had ended meanwhile: the helper renews it.
  change((kept) => { kept.expires_at = 0; });
  await git('clone', `${remote}/open/one.git`, 'again');
  assert.ok(large.equals(readFileSync(join(home, 'again/large'))));
  await git('clone', '--depth=1', '--filter=blob:none', '--no-checkout', `${remote}/open/one.git`, 'partial');

  const shown = backend.seen.map(({ headers }) => JSON.stringify(headers)).join();
  assert.ok(!shown.includes('eyJ'), 'no token of the door reached the server');
  const kept = readdirSync(home, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  for (const file of kept.filter(({ name }) => name !== 'large' && !name.endsWith('.pack'))) {
    const text = readFileSync(join(file.parentPath ?? file.path, file.name), 'latin1');
    assert.ok(!text.includes(SECRET) && !text.includes('credential-of-the-git-server'), file.name);
  }
  assert.ok(!readFileSync(join(home, '.gitconfig'), 'utf8').includes('eyJ'));
});

test('a token that is refused is renewed for the next time', async () => {
  change((kept) => { kept.access_token = `${kept.access_token.slice(0, -4)}AAAA`; });
  assert.match(await fails('-C', 'one', 'fetch'), /Authentication failed/);
  await git('-C', 'one', 'fetch');
});

test('what no rule allows does not reach the server, and git says why', async () => {
  backend.seen.length = 0;
  const said = await fails('clone', `${remote}/open/one`, 'other');
  assert.match(said, /no rule allows you GET \/open\/one\/info\/refs; if you need it, ask platform@example.com/);
  assert.equal(backend.seen.length, 0);
  // What may be read may not be written.
  await git('clone', `${remote}/closed/two.git`, 'two');
  writeFileSync(join(home, 'two/file'), 'text');
  await git('-C', 'two', 'add', 'file');
  await git('-C', 'two', 'commit', '--quiet', '-m', 'One');
  assert.match(await fails('-C', 'two', 'push', 'origin', 'HEAD:main'), /403/);
  assert.ok(!backend.seen.some(({ url }) => url.endsWith('/git-receive-pack')));
});

test('every request is on record, by its path', async () => {
  const calls = await door.json('audit', 'list', '--event', 'call', '--limit', '100');
  const pushed = calls.find(({ target }) => target === '/open/one.git/git-receive-pack');
  assert.equal(pushed.method, 'POST');
  assert.equal(pushed.username, 'ana');
  assert.ok(pushed.bytes_in > 24 << 20, `${pushed.bytes_in}`);
  assert.ok(!JSON.stringify(calls).includes('service='), 'nothing of the query');
});

test('after signing out git has nothing to show', async () => {
  await run(vestibule, ['logout', '--all'], { env });
  assert.match(await fails('-C', 'one', 'fetch'), /could not read Username|terminal prompts disabled/);
});

// kubectl at a real API server, with the door's sign-in and with nothing but what `vestibule kube setup` prints.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { Door, PASSWORD, freePort, vestibule } from '../lib/door.mjs';
import { Kubernetes } from '../lib/kubernetes.mjs';
import { Person } from '../lib/person.mjs';
import { Program, run } from '../lib/process.mjs';
import { until } from '../lib/until.mjs';

let folder;
let door;
let cluster;
let env;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vestibule-kube-'));
  const path = (name) => join(folder, name);
  await certificates(path);
  // For `fetch` of this process alone: the door's certificate is of an authority that was made a moment ago.
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  const port = await freePort();
  env = {
    VESTIBULE_HOME: join(folder, 'home'), VESTIBULE_STORE: 'file', SSL_CERT_FILE: path('authority.pem'),
    PATH: `${dirname(vestibule)}:${process.env.VESTIBULE_REAL_KUBERNETES}:${process.env.PATH}`,
  };
  door = await Door.open({
    port, host: 'localhost', tls: { certificate: path('door.pem'), key: path('door.key') },
    config: 'clients: { kubernetes: { name: Kubernetes, redirect_uris: ["http://127.0.0.1/callback"] } }\n',
  });
  await door.cliWith(PASSWORD, 'user', 'add', 'ben', '--password-stdin');
  cluster = await Kubernetes.start({
    programs: process.env.VESTIBULE_REAL_KUBERNETES,
    authentication: await setup('--only', 'authentication', '--certificate-authority', path('authority.pem')),
  });
  // What the test before may have told kubectl is not there.
  env = { ...cluster.env(env), HOME: folder };
  await cluster.admin(['apply', '-f', '-'], await setup('--only', 'role'));
  await aggregate();
});
after(async () => {
  await cluster?.close();
  await door?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

// An authority, and a certificate of it for the door.
async function certificates(path) {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await run('openssl', ['req', '-x509', ...curve, '-days', '2', '-subj', '/CN=An authority', '-keyout', path('authority.key'),
    '-out', path('authority.pem')]);
  writeFileSync(path('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  await run('openssl', ['req', ...curve, '-subj', '/CN=localhost', '-keyout', path('door.key'), '-out', path('door.csr')]);
  await run('openssl', ['x509', '-req', '-in', path('door.csr'), '-CA', path('authority.pem'), '-CAkey', path('authority.key'),
    '-CAcreateserial', '-days', '2', '-extfile', path('names'), '-out', path('door.pem')]);
}

// What the controller does, which is not here: the role `view` is put together from others.
async function aggregate() {
  const [view, part] = await Promise.all(['view', 'system:aggregate-to-view'].map(async (name) =>
    JSON.parse(await cluster.admin(['get', 'clusterrole', name, '-o', 'json']))));
  await cluster.admin(['replace', '-f', '-'], JSON.stringify({ ...view, rules: part.rules }));
}

const setup = (...words) => run(vestibule, ['kube', 'setup', door.url, ...words], { env: { ...process.env, ...env } });

const kubectl = (...words) => cluster.kubectl(words, { env });

// As if the ID token had ended: an hour is too long for a test.
function letExpire() {
  const profile = join(folder, 'home', 'profiles', 'default');
  for (const name of readdirSync(profile).filter((name) => name.endsWith('.file'))) {
    const kept = JSON.parse(readFileSync(join(profile, name), 'utf8'));
    if (!kept.id_token) continue;
    const parts = kept.id_token.split('.');
    const claims = JSON.parse(Buffer.from(parts[1], 'base64url'));
    parts[1] = Buffer.from(JSON.stringify({ ...claims, exp: 1 })).toString('base64url');
    writeFileSync(join(profile, name), JSON.stringify({ ...kept, id_token: parts.join('.') }));
  }
}

async function signIn(username) {
  const login = new Program(vestibule, ['login', `${door.url}#kubernetes`, '--as-other-user'], { env: { ...process.env, ...env } });
  const [address] = await login.says(/^https:\S+$/m);
  await fetch(await new Person(username).approve(new URL(address)));
  assert.equal(await login.ended, 0, login.output);
}

test('a person of the company uses the cluster, with one sign-in for all of it', async () => {
  assert.match(await setup('--write', '--context', 'e2e'), /context e2e uses it/);
  // Nobody answers here; so no browser, and a word what to do.
  await assert.rejects(kubectl('get', 'namespaces'), /vestibule login https:\/\/localhost:\d+\/#kubernetes/);

  await signIn('ana');
  // The API server learns the issuer's keys in its own time.
  await until('the API server knows the issuer', () => kubectl('get', 'namespaces').catch(() => undefined), 60);
  assert.match(await kubectl('get', 'namespaces'), /kube-system/);
  const whoami = JSON.parse(await kubectl('auth', 'whoami', '-o', 'json')).status.userInfo;
  assert.equal(whoami.username, 'vestibule:ana');
  assert.ok(whoami.groups.includes('vestibule:developers'), whoami.groups);
  assert.match(whoami.uid, /^[0-9a-f-]{36}$/);
  // The role is `view`: reading, and nothing else.
  await assert.rejects(kubectl('create', 'namespace', 'other'), /Forbidden/);

  letExpire();
  const many = await Promise.all(Array.from({ length: 10 }, () => kubectl('get', 'namespaces')));
  assert.ok(many.every((answer) => /kube-system/.test(answer)));
  const issued = await door.json('audit', 'search', '--event', 'tokens_issued');
  assert.equal(issued.filter((event) => event.by === 'refresh_token').length, 1, JSON.stringify(issued));

  // Out of the group: not later than with the next ID token.
  await door.cli('group', 'remove-member', 'developers', 'ana');
  letExpire();
  await assert.rejects(kubectl('get', 'namespaces'), /Forbidden/);
});

test('somebody without a group is known and may nothing, and after signing out nobody is', async () => {
  await signIn('ben');
  assert.equal(JSON.parse(await kubectl('auth', 'whoami', '-o', 'json')).status.userInfo.username, 'vestibule:ben');
  await assert.rejects(kubectl('get', 'namespaces'), /Forbidden/);
  assert.match(await run(vestibule, ['logout', '--all'], { env: { ...process.env, ...env } }), /taken back/);
  await assert.rejects(kubectl('get', 'namespaces'), /vestibule login/);
});

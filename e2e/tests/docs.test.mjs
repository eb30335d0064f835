// The documents do what they say: their commands run, their links lead somewhere, their configurations are
// accepted, and the lists in them are those of the code.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { documents, judge, knownCommands, Page, root } from '../lib/docs.mjs';
import { Person } from '../lib/person.mjs';
import { MemoryProvider } from '../lib/provider.mjs';

const all = documents();
const document = (path) => all.find((one) => one.path === path);
const source = (path) => readFileSync(join(root, path), 'utf8');

let folder;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'vestibule-docs-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function fresh(name) {
  const path = join(folder, name.replaceAll('/', '-'));
  mkdirSync(path);
  return path;
}

const FIRST = [
  /^cargo run --release -- demo( +#.*)?$/,
  /^cargo xtask test( +#.*)?$/,
];

test('the README begins with the two commands, and says what must be installed', () => {
  const readme = document('README.md');
  const [first] = readme.blocks;
  assert.equal(first.lang, 'sh');
  assert.equal(first.lines.length, FIRST.length);
  FIRST.forEach((command, at) => assert.match(first.lines[at], command));
  const before = readme.text.split('```')[0];
  for (const needed of ['Debian 12', 'Rust 1.95', 'Node.js with npm', 'build-essential']) {
    assert.ok(before.replace(/\s+/g, ' ').includes(needed), needed);
  }
  assert.ok(before.split('\n').length < 10, 'the commands come first');
});

test('`cargo run` has one program to run', () => {
  // Cargo gives up where there are several. With default-members it looks at those alone.
  const manifest = source('Cargo.toml');
  const list = (name) => manifest.match(new RegExp(`^${name} = \\[([^\\]]*)\\]`, 'm'))?.[1].match(/[^",\s]+/g);
  const expand = (member) => (member.endsWith('/*')
    ? readdirSync(join(root, member.slice(0, -2))).map((name) => `${member.slice(0, -1)}${name}`)
    : [member]);
  const members = (list('default-members') ?? list('members')).flatMap(expand);
  const programs = members.filter((member) => existsSync(join(root, member, 'src/main.rs')));
  assert.deepEqual(programs, ['crates/vestibule'], 'set default-members in Cargo.toml');
});

// Pages whose blocks run; the first block of the README is the commands that run this test.
for (const page of all.filter(({ blocks }) => blocks.some(({ lang }) => lang === 'sh'))) {
  test(`${page.path} runs`, async () => {
    const blocks = page.path === 'README.md' ? page.blocks.slice(1) : page.blocks;
    const running = await Page.open(page, fresh(page.path));
    try {
      for (const block of blocks) await running.run(block);
    } finally {
      await running.stop();
    }
  });
}

// The demo as a person meets it: printed, added to a client, signed in to, called.
test('the demo prints its endpoint, an account and lines, and a client calls its tools', async () => {
  const running = await Page.open(document('README.md'), fresh('demo'));
  try {
    await running.run({ lang: 'sh', info: 'background', text: 'vestibule demo' });
    const [said] = await running.server.says(/Look at it from inside.*/);
    assert.ok(said);
    const { output } = running.server;
    const [, endpoint] = output.match(/MCP endpoint +(\S+)/);
    assert.equal(endpoint, `http://127.0.0.1:${running.port}/mcp/sample`);
    const [, username] = output.match(/account +(\S+)/);
    const [, password] = output.match(/password +(\S+)/);

    const provider = new MemoryProvider({ client_name: 'Documents' });
    const transport = () => new StreamableHTTPClientTransport(new URL(endpoint), { authProvider: provider });
    const client = () => new Client({ name: 'docs', version: '1' });
    const first = transport();
    await assert.rejects(client().connect(first), UnauthorizedError);
    const callback = new URL(await new Person(username, password).approve(provider.opened.at(-1)));
    await first.finishAuth(callback.searchParams);
    const connected = client();
    await connected.connect(transport());
    for (const name of ['whoami', 'vault_check', 'gallery']) {
      const result = await connected.callTool({ name, arguments: {} });
      assert.ok(!result.isError, `${name}: ${JSON.stringify(result)}`);
    }
    await connected.close();

    // The lines are those of the document, with another name and address.
    const shown = document('docs/connecting-clients.md').text;
    const theirs = output.split('Add it to a client')[1].split('Look at it')[0]
      .replaceAll(endpoint, 'https://mcp.example.com/mcp/gitea').replaceAll('sample', 'gitea');
    const lines = theirs.split('\n').filter((line) => line.startsWith('    ')).map((line) => line.slice(4));
    assert.ok(lines.length >= 5);
    for (const line of lines) assert.ok(shown.includes(line), `docs/connecting-clients.md lacks: ${line}`);
  } finally {
    await running.stop();
  }
});

test('every link leads to a file that is there, and to a heading in it', () => {
  const wrong = all.flatMap((page) => page.links().filter(({ file, anchor }) => {
    if (!existsSync(join(root, file))) return true;
    return anchor && !document(file)?.anchors().includes(anchor);
  }).map(({ shown }) => `${page.path}: ${shown}`));
  assert.deepEqual(wrong, []);
});

test('every configuration is accepted', async () => {
  const wrong = [];
  const isOne = ({ lang }) => lang === 'yaml';
  const blocks = all.flatMap((page) => page.blocks.filter(isOne).map((block) => ({ page, block })));
  assert.ok(blocks.length > 5);
  for (const { page, block } of blocks) {
    const problems = await judge(block.text, fresh(`${page.path}-${block.line}`));
    wrong.push(...problems.map((problem) => `${page.at(block)}: ${problem}`));
  }
  assert.deepEqual(wrong, []);
  // And the judge is one.
  assert.match((await judge('titel: x\n', fresh('misspelt'))).join(), /unknown key `titel`; did you mean `title`\?/);
});

test('every command that is mentioned exists', () => {
  const known = knownCommands();
  assert.ok(known.has('serve') && known.has('user add'));
  const groups = new Set([...known].filter((name) => [...known].some((other) => other.startsWith(`${name} `))));
  // `token SERVER` stands beside `token create`, and `bridge SERVER` beside `bridge install`.
  groups.delete('token');
  groups.delete('bridge');
  const isSub = (command, sub) => !groups.has(command) || !sub || known.has(`${command} ${sub}`);
  const exists = ([command, sub]) => known.has(command) && isSub(command, sub);
  // Made for `cargo xtask docs` alone, and shown in no help.
  const hidden = new Set(['reference', 'help']);
  const wrong = all.flatMap((page) => page.commands()
    .filter((words) => !hidden.has(words[0]) && !exists(words))
    .map((words) => `${page.path}: vestibule ${words.join(' ')}`));
  assert.deepEqual([...new Set(wrong)], []);
});

test('every file and test that the documents name is there', () => {
  const rust = readdirSync(join(root, 'crates'), { recursive: true }).filter((path) => path.endsWith('.rs'));
  const functions = new Map(rust.map((path) => [path, source(`crates/${path}`).match(/fn \w+/g)?.join(' ') ?? '']));
  const security = document('docs/security.md').text.split('\n').filter((line) => line.startsWith('|'));
  const wrong = [];
  for (const row of security) {
    const cells = row.split(' | ');
    for (const [, path] of (cells[2] ?? '').matchAll(/`([\w/-]+\.rs)`/g)) {
      if (!functions.has(path)) wrong.push(path);
    }
    for (const [, file, name] of (cells[3] ?? '').matchAll(/`(?:(\w+)::)?([a-z]\w+)`/g)) {
      const places = file ? rust.filter((path) => path.endsWith(`/${file}.rs`)) : rust;
      if (!places.some((path) => functions.get(path).split(' ').includes(name))) wrong.push(`${file ?? ''}::${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('lists in the documents are those of the code', () => {
  const operating = document('docs/operating.md').text;
  const migration = source('crates/store-sqlite/migrations/0001_start.sql');
  const tables = [...migration.matchAll(/^CREATE TABLE (\w+)/gm)].map(([, name]) => name);
  const deleted = operating.split('## What is deleted when')[1].split('\n## ')[0];
  assert.deepEqual(tables.filter((name) => !deleted.includes(`\`${name}\``)), [], 'tables without a line');

  const [, events] = source('crates/audit/src/event.rs').match(/pub enum What \{([\s\S]*?)^\}/m);
  const snake = (name) => name.replace(/(?<!^)[A-Z]/g, '_$&').toLowerCase();
  const names = [...events.matchAll(/^ {4}([A-Z]\w+)/gm)].map(([, name]) => snake(name));
  const recorded = operating.split('## The audit record')[1].split('\n## ')[0];
  assert.deepEqual(names.filter((name) => !recorded.includes(`\`${name}\``)), [], 'events without a line');

  const [, keys] = source('crates/vestibule/src/reload.rs').match(/^ {4}keep!\(([\s\S]*?)\);/m);
  const restart = [...keys.matchAll(/\w+/g)].map(([key]) => key);
  const changing = operating.split('## Changing the configuration')[1].split('\n## ')[0];
  assert.ok(restart.length > 5);
  assert.deepEqual(restart.filter((key) => !changing.includes(`\`${key}\``)), [], 'keys without a line');

  const folders = [['providers', 'preset', 'docs/providers.md'], ['servers', 'recipe', 'docs/servers.md'], ['sign-in', 'preset', 'docs/sign-in.md']];
  for (const [folder, key, path] of folders) {
    const presets = readdirSync(join(root, 'crates/vestibule/presets', folder)).map((name) => name.replace('.yaml', ''));
    assert.ok(presets.length > 5);
    const { text } = document(path);
    assert.deepEqual(presets.filter((name) => !text.includes(`\`${key}: ${name}\``)), [], `not in ${path}`);
  }

  const files = ['authorize', 'company_trouble', 'connecting', 'connecting_away', 'consent', 'invitation', 'page', 'step_up'];
  const pages = files.map((name) => source(`crates/web/src/${name}.rs`)).join('\n');
  const shown = document('docs/connecting-clients.md').text.split('## Error pages')[1].split('\n## ')[0];
  const documented = [...shown.matchAll(/^\| `(\w+)` \| \d{3}/gm)].map(([, slug]) => slug);
  assert.ok(documented.length > 10);
  assert.deepEqual(documented.filter((slug) => !pages.includes(`"${slug}"`)), [], 'problem codes that no page has');
});

// What waiting costs: 200 programs that wait for a person's answer, each a process, and as many that ask by the standard
// interval (CC-99). Everything goes through a proxy that counts, and that stands for many networks.
import assert from 'node:assert/strict';
import http from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Door, freePort, vestibule } from '../lib/door.mjs';
import { Person } from '../lib/person.mjs';
import { Program } from '../lib/process.mjs';

const WAITING = 200;
const SECONDS = 20;

class Front {
  static async open(port, upstream) {
    const front = new Front();
    Object.assign(front, { upstream, asked: 0, count: 0, agent: new http.Agent({ keepAlive: true }) });
    front.server = http.createServer((request, answer) => front.forward(request, answer));
    await new Promise((resolve) => front.server.listen(port, '127.0.0.1', resolve));
    return front;
  }

  forward(request, answer) {
    const { pathname } = new URL(request.url, 'http://front');
    if (pathname === '/token') this.asked += 1;
    // One network may begin so much and no more.
    const begins = ['/register', '/device_authorization'].includes(pathname);
    const network = begins ? (this.count += 1) % 200 : 0;
    const headers = { ...request.headers, 'x-forwarded-for': `198.51.${network}.7` };
    const { method, url: path } = request;
    const onward = http.request({ host: '127.0.0.1', port: this.upstream, method, path, headers, agent: this.agent });
    onward.on('response', (response) => {
      answer.writeHead(response.statusCode, response.rawHeaders);
      response.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
    this.agent.destroy();
  }
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

let door;
let front;
let home;
before(async () => {
  const [outside, port] = [await freePort(), await freePort()];
  front = await Front.open(outside, port);
  const client = `
    redirect_uris: ["http://127.0.0.1/callback"]
    device: true`;
  const config = `
trusted_proxies: ["127.0.0.1/32"]
clients:
  waiting:
    name: A program that waits${client}
  asking:
    name: A program that asks${client}
`;
  door = await Door.open({ front: outside, port, config });
  home = mkdtempSync(join(tmpdir(), 'vestibule-home-'));
});
after(async () => {
  front?.close();
  await door?.close();
  if (home) rmSync(home, { recursive: true, force: true });
});

// Requests per second at the token endpoint meanwhile.
async function rate(t, what) {
  const before = front.asked;
  await pause(SECONDS);
  const perSecond = (front.asked - before) / SECONDS;
  t.diagnostic(`${WAITING} ${what}: ${perSecond.toFixed(1)} requests a second`);
  return perSecond;
}

// One that asks as RFC 8628 section 3.5 says, and no better.
async function asksByTheInterval(until) {
  const form = (fields) => ({ method: 'POST', body: new URLSearchParams({ client_id: 'asking', ...fields }) });
  const begun = await fetch(`${door.url}/device_authorization`, form({ resource: door.endpoint }));
  assert.equal(begun.status, 200, await begun.clone().text());
  const { device_code, interval } = await begun.json();
  while (!until.aborted) {
    await pause(interval);
    const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code, resource: door.endpoint };
    const answer = await (await fetch(`${door.url}/token`, form(grant))).json();
    assert.equal(answer.error, 'authorization_pending');
  }
}

test('who waits asks a quarter as often as who asks by the interval, and hears within a second', async (t) => {
  const programs = [];
  t.after(() => Promise.all(programs.map(({ program }) => program.stop('SIGKILL'))));
  for (let number = 0; number < WAITING; number += 1) {
    const env = {
      ...process.env, VESTIBULE_HOME: join(home, String(number)), VESTIBULE_STORE: 'file',
      SSH_CONNECTION: '10.0.0.9 1 10.0.0.1 22',
    };
    const words = ['login', door.endpoint, '--device', '--client-id', 'waiting', '--issuer', door.url, '--timeout', '15m', '--json'];
    const program = new Program(vestibule, words, { env });
    programs.push({ program });
    // A few at once: here they all are on one machine.
    if (number % 8 === 7) await Promise.all(programs.slice(-8).map(({ program }) => program.says(/user_code=\S+/)));
  }
  const waiting = await rate(t, 'that wait');

  const person = new Person();
  const late = [];
  for (const { program } of programs) {
    const [complete] = program.output.match(/^http\S+user_code=\S+$/m);
    await person.approve(complete);
    const approved = Date.now();
    assert.equal(await program.ended, 0, program.output);
    late.push(Date.now() - approved);
  }
  late.sort((one, other) => one - other);
  t.diagnostic(`heard after ${late[WAITING / 2]} ms, the last after ${late.at(-1)} ms`);
  assert.ok(late.at(-1) < 1000, `${late.at(-1)} ms`);

  const enough = new AbortController();
  const asking = Array.from({ length: WAITING }, () => asksByTheInterval(enough.signal));
  await pause(6);
  const standard = await rate(t, 'that ask every 5 seconds');
  enough.abort();
  await Promise.all(asking);
  assert.ok(waiting <= 12, `${waiting} requests a second`);
  assert.ok(waiting * 3 < standard, `${waiting} beside ${standard} requests a second`);
});

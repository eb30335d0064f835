// The real program with a real upstream behind it, in a folder of its own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Program, run } from './process.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const built = process.env.VESTIBULE_E2E_BIN ?? join(root, 'target', 'debug');
export const vestibule = join(built, 'vestibule');
export const fixture = join(built, 'fixture');

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const CREDENTIAL = 'the-credential-of-the-upstream-itself';
export const PASSWORD = 'correct horse battery staple';

export class Door {
  // Starts an upstream and the door before it, with the people ana (allowed) and eve (not). `files` are what the
  // configuration names, by name; `port` is for tests that have to name the door somewhere before it is there; `front` is the
  // port of a proxy before it; `tls` has the files of a certificate and its key.
  static async open({
    config = '', upstreamArgs = ['--extra-tools'], servers, files = {}, host = '127.0.0.1', port, front, tls,
  } = {}) {
    const door = new Door();
    door.folder = mkdtempSync(join(tmpdir(), 'vestibule-e2e-'));
    door.port = port ?? await freePort();
    door.url = `http${tls ? 's' : ''}://${host}:${front ?? door.port}`;
    door.upstream = new Program(fixture, ['--bearer', CREDENTIAL, ...upstreamArgs]);
    const [, upstream] = await door.upstream.says(/^(http:\/\/\S+)$/m);
    door.upstreamUrl = upstream;
    door.credential = CREDENTIAL;
    writeFileSync(join(door.folder, 'credential'), CREDENTIAL);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(door.folder, name), text);
    door.configFile = join(door.folder, 'vestibule.yaml');
    door.endpoint = `${door.url}/mcp/fixture`;
    door.configuration = `
public_url: ${door.url}
listen: 127.0.0.1:${door.port}
title: Example Corp MCP
contact: platform@example.com
data_dir: data
${tls ? `tls: { certificate_file: ${tls.certificate}, key_file: ${tls.key} }` : ''}
${config}
servers:
${servers?.(upstream) ?? `  fixture:
    title: Test fixture
    upstream: ${upstream}
    allow:
      - groups: [developers]
        tools: all
    credential: { headers: { Authorization: "Bearer \${file:credential}" } }
`}`;
    writeFileSync(door.configFile, door.configuration);
    try {
      await door.prepare();
    } catch (error) {
      // What was started would keep the test from ending.
      await door.close();
      throw error;
    }
    return door;
  }

  async prepare() {
    await this.cli('group', 'add', 'developers');
    await this.cliWith(PASSWORD, 'user', 'add', 'ana', '--name', 'Ana Lee', '--group', 'developers', '--password-stdin');
    await this.cliWith(PASSWORD, 'user', 'add', 'eve', '--password-stdin');
    await this.start();
  }

  async start() {
    this.server = new Program(vestibule, ['serve', '--config', this.configFile]);
    await this.server.says(/ready/);
  }

  async restart() {
    await this.server.stop();
    await this.start();
  }

  cli(...args) {
    return run(vestibule, [...args, '--config', this.configFile]);
  }

  cliWith(input, ...args) {
    return run(vestibule, [...args, '--config', this.configFile], { input });
  }

  async json(...args) {
    return JSON.parse(await this.cli(...args, '--json'));
  }

  async close() {
    await this.server?.stop();
    await this.upstream.stop('SIGINT');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

// The documents as programs. README.md and docs/**.md are read for their fenced blocks:
//
//   ```sh                  run by bash, in order, in a folder of the page's own; must exit 0
//   ```sh background       started, waited for until it says that it is ready, stopped with the page or by the
//                          next block of this kind; must end well
//   ```sh alone            run after what is in the background was stopped, as the text before it says
//   ```yaml                a configuration, whole (with public_url) or a fragment; must be accepted
//   ```yaml NAME           the same, and written to NAME in the page's folder for the blocks after it
//   ```console, ```text    not run: an HTML comment before it says why where it is not obvious
//
// The documents say port 8080 everywhere. A page that is run gets a free port instead, in its commands by
// replacing the number and in `listen` by the environment, which counts more than the file.
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, vestibule } from './door.mjs';
import { Program } from './process.mjs';

export const root = fileURLToPath(new URL('../..', import.meta.url));

const PORT = /\b8080\b/g;

// All documents that people wrote or that are made from the code, by their path from the root.
export function documents() {
  const files = readdirSync(join(root, 'docs'), { recursive: true });
  const below = files.filter((file) => file.endsWith('.md')).map((file) => `docs/${file}`);
  return ['README.md', 'skills/vestibule/SKILL.md', ...below.sort()].map((path) => new Document(path));
}

export class Document {
  constructor(path) {
    this.path = path;
    this.text = readFileSync(join(root, path), 'utf8');
    this.blocks = [];
    this.prose = '';
    let block;
    for (const [index, line] of this.text.split('\n').entries()) {
      const fence = line.match(/^(\s*)```(.*)$/);
      if (fence && !block) {
        const [lang, ...rest] = fence[2].trim().split(/\s+/);
        block = { lang, info: rest.join(' '), indent: fence[1].length, line: index + 1, lines: [] };
      } else if (fence) {
        this.blocks.push({ ...block, text: `${block.lines.join('\n')}\n` });
        block = undefined;
      } else if (block) {
        block.lines.push(line.slice(Math.min(block.indent, line.search(/\S|$/))));
      } else {
        this.prose += `${line}\n`;
      }
    }
    if (block) throw new Error(`${path}:${block.line}: a block is not closed`);
  }

  at(block) {
    return `${this.path}:${block.line}`;
  }

  // Headings as the addresses that link to them.
  anchors() {
    const seen = new Map();
    return [...this.prose.matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading]) => {
      const plain = heading.replace(/`/g, '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');
      const slug = plain.trim().toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
      const count = seen.get(slug) ?? 0;
      seen.set(slug, count + 1);
      return count ? `${slug}-${count}` : slug;
    });
  }

  // Links that stay in the repository, as { file, anchor, shown }.
  links() {
    const targets = [...this.prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
    return targets.filter((target) => !/^[a-z]+:/.test(target)).map((target) => {
      const [path, anchor] = target.split('#');
      const file = path ? relative(root, join(root, dirname(this.path), path)) : this.path;
      return { file, anchor, shown: target };
    });
  }

  // `vestibule COMMAND` wherever it is mentioned as code, as the words behind the program's name.
  commands() {
    const spans = [...this.prose.matchAll(/`([^`]+)`/g)].map(([, span]) => span);
    const code = [...spans, ...this.blocks.flatMap(({ lang, lines }) => (/^(sh|console)$/.test(lang) ? lines : []))];
    return code.flatMap((text) => {
      const bare = text.replace(/#.*$/, '');
      const calls = bare.matchAll(/(?:^|[\s(])vestibule ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)/g);
      return [...calls].map(([, words]) => words.split(' '));
    });
  }
}

// The commands that docs/commands.md lists, as `user add`.
export function knownCommands() {
  const { prose } = new Document('docs/commands.md');
  return new Set([...prose.matchAll(/^#{2,3} `vestibule ([^`]+)`$/gm)].map(([, name]) => name));
}

// A page that is being run.
export class Page {
  constructor(document, folder) {
    this.document = document;
    this.folder = folder;
  }

  static async open(document, folder) {
    const page = new Page(document, folder);
    page.port = await freePort();
    page.bin = join(folder, '.bin');
    mkdirSync(page.bin);
    symlinkSync(vestibule, join(page.bin, 'vestibule'));
    return page;
  }

  get environment() {
    const others = Object.entries(process.env).filter(([name]) => !name.startsWith('VESTIBULE_'));
    return {
      ...Object.fromEntries(others),
      HOME: this.folder,
      PATH: `${this.bin}:${process.env.PATH}`,
      VESTIBULE_LISTEN: `127.0.0.1:${this.port}`,
    };
  }

  script(text) {
    return text.replace(PORT, this.port).replace(/\bvestibule demo\b/g, `vestibule demo --port ${this.port}`);
  }

  bash(script) {
    return new Program('bash', ['-euo', 'pipefail', '-c', script], { cwd: this.folder, env: this.environment });
  }

  async run(block) {
    const fail = (what, program) => {
      throw new Error(`${this.document.at(block)}: ${what}\n${block.text}\n${program.output}`);
    };
    if (block.lang === 'yaml' && block.info) {
      writeFileSync(join(this.folder, block.info), block.text);
    } else if (block.lang === 'sh' && block.info === 'background') {
      await this.stop();
      this.server = this.bash(this.script(`exec ${block.text}`));
      // In the log of `serve`, and what `demo` says.
      await this.server.says(/\bready\b|is open\./).catch(() => fail('did not start', this.server));
    } else if (block.lang === 'sh') {
      if (block.info === 'alone') await this.stop();
      const program = this.bash(this.script(block.text));
      program.child.stdin.end();
      if ((await program.ended) !== 0) fail(`ended with ${program.code}`, program);
    }
  }

  async stop() {
    const server = this.server;
    this.server = undefined;
    if (server && (await server.stop()) !== 0) throw new Error(`ended with ${server.code}:\n${server.output}`);
  }
}

// Whether a configuration from a document would be taken, as the list of what is wrong with it. Nothing outside is
// asked: upstreams, databases and the way to providers are put at an address where nobody listens.
export async function judge(text, folder) {
  const whole = /^public_url:/m.test(text) ? text : `public_url: https://mcp.example.com\n${text}`;
  const inside = whole
    .replace(/^(\s*(?:upstream|proxy): *)\S+/gm, '$1http://127.0.0.1:9/mcp')
    .replace(/^( *)(preset: \S+)$/gm, '$1$2\n$1proxy: http://127.0.0.1:9')
    .replace(/\$\{env:\w+\}/g, '${env:HOME}');
  const file = join(folder, 'vestibule.yaml');
  writeFileSync(file, inside);
  const environment = { PATH: process.env.PATH, HOME: folder, VESTIBULE_DATA_DIR: join(folder, 'data') };
  const program = new Program(vestibule, ['check', '--json', '--config', file], { env: environment });
  program.child.stdin.end();
  await program.ended;
  // The findings come first; if there are problems, a second object says how many.
  const findings = JSON.parse(program.output.match(/^\[[\s\S]*?^\]$/m)?.[0] ?? 'null');
  if (!findings) throw new Error(`check said no findings:\n${program.output}`);
  // Files of the document's reader, their ports and their servers are not here.
  const absent = /No such file|cannot connect|Permission denied|Address already in use/;
  return findings
    .filter(({ grade, text: what }) => grade === 'problem' && !absent.test(what))
    .map(({ about, text: what }) => `${about}: ${what}`);
}

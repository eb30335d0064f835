// The official conformance suite as a program.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Program, run } from './process.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const suite = join(here, 'node_modules', '@modelcontextprotocol', 'conformance', 'dist', 'index.js');

// The version that package.json pins, and the one that is there (CF-2).
export async function versions() {
  const { dependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
  const installed = await run(process.execPath, [suite, '--version']);
  return { pinned: dependencies['@modelcontextprotocol/conformance'], installed: installed.trim() };
}

// An empty folder for the results of a run; it stays, to be looked at.
export function resultsFolder(...names) {
  const folder = join(here, 'artifacts', 'conformance', ...names);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

// Starts the suite. It writes its results into `folder`.
export function start(mode, options, folder, more) {
  return new Program(process.execPath, [suite, mode, ...options, '-o', folder], more);
}

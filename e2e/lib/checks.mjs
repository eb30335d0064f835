// What the official suite wrote down about a run, and how two runs differ (CF-15).
import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

// Scenario by scenario: its checks as `id / name: STATUS`, sorted. A check may be recorded several times, and
// those that only describe traffic may come in another order.
export function readChecks(folder, prefix) {
  const scenarios = new Map();
  const files = readdirSync(folder, { recursive: true }).filter((name) => basename(name) === 'checks.json');
  for (const name of files.sort()) {
    const scenario = dirname(name).replace(prefix, '').replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '');
    const checks = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    if (scenarios.has(scenario)) throw new Error(`${scenario} was run twice in ${folder}`);
    scenarios.set(scenario, checks.map((check) => `${check.id} / ${check.name}: ${check.status}`).sort());
  }
  return scenarios;
}

// Every check that has not the wanted status, as `scenario: check`.
export function notGood(scenarios) {
  return [...scenarios].flatMap(([scenario, checks]) =>
    checks.filter((check) => !/: (SUCCESS|INFO)$/.test(check)).map((check) => `${scenario}: ${check}`));
}

// How many checks passed.
export function passed(scenarios) {
  return [...scenarios.values()].flat().filter((check) => check.endsWith(': SUCCESS')).length;
}

// What one run has and the other has not.
export function difference(direct, through) {
  const lines = (scenarios) =>
    [...scenarios].flatMap(([scenario, checks]) => checks.map((check) => `${scenario}: ${check}`));
  const missing = (from, other) => {
    const rest = lines(other);
    return lines(from).filter((line) => {
      const at = rest.indexOf(line);
      if (at >= 0) rest.splice(at, 1);
      return at < 0;
    });
  };
  return { onlyDirect: missing(direct, through), onlyThrough: missing(through, direct) };
}

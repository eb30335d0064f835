// Child processes: started, watched for a line, stopped, never left behind.
import { spawn } from 'node:child_process';

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Program {
  constructor(command, args, options = {}) {
    this.name = command.split('/').pop();
    this.output = '';
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    running.add(this.child);
    this.waiting = new Set();
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        this.output += text;
        this.waiting.forEach((look) => look());
      });
    }
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => {
        running.delete(this.child);
        this.code = code ?? signal;
        this.waiting.forEach((look) => look());
        resolve(this.code);
      });
    });
    this.ended.catch(() => {});
  }

  // Resolves with the match once the output has it.
  async says(pattern, seconds = 60) {
    return new Promise((resolve, reject) => {
      const give = (settle, value) => {
        clearTimeout(timer);
        this.waiting.delete(look);
        settle(value);
      };
      const look = () => {
        const match = this.output.match(pattern);
        if (match) give(resolve, match);
        else if (this.code !== undefined) {
          give(reject, new Error(`${this.name} ended with ${this.code} before ${pattern}:\n${this.output}`));
        }
      };
      const timer = setTimeout(() => {
        give(reject, new Error(`${this.name} did not say ${pattern} within ${seconds} s:\n${this.output}`));
      }, seconds * 1000);
      this.waiting.add(look);
      look();
    });
  }

  async stop(signal = 'SIGTERM') {
    if (this.code === undefined) this.child.kill(signal);
    return this.ended;
  }
}

// Runs a program to its end and gives what it printed; fails if it fails.
export async function run(command, args, options = {}) {
  const { input, ...rest } = options;
  const program = new Program(command, args, rest);
  program.child.stdin.end(input);
  const code = await program.ended;
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${program.output}`);
  return program.output;
}

/** What a soak has measured, kept in test/.artifacts/soak/ and shown in test/hardening/REPORT.md. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Identity, rightOf } from './identities.js';
import { trendOf } from './memory-trend.js';
import type { Sample, SoakReport } from './soak-run.js';

export const SOAK_RECORD = path.resolve(import.meta.dirname, '../../../test/.artifacts/soak/soak.json');
/** Of the section in the report. */
export const SOAK_TITLE = '## Soak';
const MIB = 2 ** 20;
const MOST_SAMPLES = 12;

export interface SoakRecord {
  readonly date: string;
  readonly node: string;
  readonly cpu: string;
  readonly seed: string;
  readonly minutes: number;
  readonly rounds: number;
  readonly serverCpu: number;
  readonly clientsCpu: number;
  readonly opened: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly sent: Readonly<Record<string, number>>;
  readonly arrived: Readonly<Record<string, number>>;
  readonly closed: Readonly<Record<string, number>>;
  readonly figures: Readonly<Record<string, number>>;
  readonly identities: readonly Identity[];
  readonly samples: readonly Sample[];
  readonly objects: readonly (readonly [name: string, before: number | string, after: number])[];
  readonly listeners: readonly [empty: number, end: number];
  readonly violations: number;
}

export function recordOf(report: SoakReport): SoakRecord {
  const { seed, tookMs, rounds, serverCpu, clientsCpu, faults, identities, samples, looks, counts } = report;
  const { ledger, world, historians, operator } = report;
  const { stats } = counts;
  const { empty, end } = looks;
  const total = (listeners: Readonly<Record<string, number>>): number => sum(Object.values(listeners));
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    cpu: `${os.cpus().length} × ${os.cpus()[0]?.model ?? 'unknown'}`,
    seed,
    minutes: tookMs / 60_000,
    rounds,
    serverCpu,
    clientsCpu,
    opened: world.opened,
    faults,
    sent: ledger.sent,
    arrived: ledger.arrived,
    closed: stats.closed,
    figures: {
      'frames in': stats.framesIn,
      'frames out': stats.framesOut,
      'messages taken on': stats.messagesIn,
      'deliveries seen by clients': ledger.delivered,
      redelivered: stats.redelivered,
      'acknowledged by clients': ledger.acks,
      'dead letters': ledger.letters,
      'duplicates by message-key': stats.duplicates,
      'kept for absent users': stats.inbox.kept,
      'histories resumed without a hole': sum(historians.map(({ recovered }) => recovered)),
      'histories resumed with recovered:false': sum(historians.map(({ unrecovered }) => unrecovered)),
      'gave way by policy': sum(Object.values(stats.givenWay)),
      'admin requests': sum(Object.values(operator.answers)),
      'sessions ended by the operator': operator.ended,
      'ERRORs sent': stats.errorsSent,
      ...Object.fromEntries(Object.entries(world.totals.errors).map(([code, count]) => [`ERROR ${code} seen`, count])),
    },
    identities,
    samples,
    objects: Object.entries(end.objects).map(([name, count]) => [name, empty.objects[name] ?? '', count]),
    listeners: [total(empty.listeners), total(end.listeners)],
    violations: ledger.faultCount,
  };
}

export function writeSoakRecord(record: SoakRecord): void {
  mkdirSync(path.dirname(SOAK_RECORD), { recursive: true });
  writeFileSync(SOAK_RECORD, `${JSON.stringify(record, null, 1)}\n`);
}

/** Null: there was no run here. */
export function readSoakRecord(): SoakRecord | null {
  try {
    return JSON.parse(readFileSync(SOAK_RECORD, 'utf8')) as SoakRecord;
  } catch {
    return null;
  }
}

/** The section of the report, its title included. */
export function soakSection(record: SoakRecord): string {
  const { date, node, cpu, seed, minutes, rounds, serverCpu, clientsCpu, violations, samples, listeners } = record;
  const trend = trendOf(samples);
  const { heapBytes: _, ...last } = samples.at(-1) ?? { rssBytes: 0, externalBytes: 0, heapBytes: 0 };
  const connections = sum(Object.values(record.opened));
  return [
    SOAK_TITLE,
    `Written by \`npm run soak\`: ${minutes.toFixed(1)} minutes, ${rounds} rounds, seed ${seed}. Node ${node}, ${cpu}. ${date}. What it does is in test/soak/DESIGN.md.`,
    `- ${connections.toLocaleString('en')} connections came and went, ${sum(Object.values(record.sent)).toLocaleString('en')} messages were sent, ${(record.figures['deliveries seen by clients'] ?? 0).toLocaleString('en')} deliveries checked; ${violations} were not as promised.
- Heap after a collection, in the calms: ${mib(trend.firstBytes)} MiB at the beginning (median, behind ${trend.warmUp} rounds of warm-up), ${mib(trend.lastBytes)} MiB at the end: ${(100 * trend.growth).toFixed(2)} %. The line through all of it: ${mib(trend.bytesPerHour, 3)} MiB an hour.
- At the end: resident ${mib(last.rssBytes)} MiB, outside the heap ${mib(last.externalBytes)} MiB. Listeners ${listeners[0]} before and ${listeners[1]} after.
- The server took ${(100 * serverCpu).toFixed(1)} % of a processor, the clients and the proxy ${(100 * clientsCpu).toFixed(1)} %.`,
    pairTable(['Connections by kind', 'Opened'], record.opened),
    pairTable(['Faults, by TCP connection', 'Met'], record.faults),
    pairTable(['Ends of sessions, as the server counts them', 'Count'], onlyAbove(record.closed)),
    table(
      ['Messages by kind', 'Sent', 'Arrived'],
      Object.entries(record.sent)
        .filter(([, count]) => count > 0)
        .map(([kind, count]) => [kind, count, record.arrived[kind] ?? 0]),
    ),
    pairTable(['What else was counted', 'Count'], record.figures),
    table(
      ['What adds up', 'Is', 'Wants'],
      record.identities.map((identity) => [identity.name, identity.left, rightOf(identity)]),
    ),
    table(['Objects alive', 'Before', 'After'], record.objects),
    table(
      ['Minute', 'Heap MiB', 'Outside MiB', 'Resident MiB'],
      thin(samples).map(({ atMs, heapBytes, externalBytes, rssBytes }) => [
        (atMs / 60_000).toFixed(1),
        mib(heapBytes),
        mib(externalBytes),
        mib(rssBytes),
      ]),
    ),
  ].join('\n\n');
}

/** The report with another section of that title, which is new at the end. */
export function withSection(report: string, section: string): string {
  const [title = ''] = section.split('\n', 1);
  const parts = report.trimEnd().split(/\n(?=## )/);
  const others = parts.map((part) => part.trimEnd()).filter((part) => part.split('\n', 1)[0] !== title);
  return `${[...others, section].join('\n\n')}\n`;
}

/** What the report says under that title; null where it does not. */
export function sectionOf(report: string, title: string): string | null {
  const parts = report.trimEnd().split(/\n(?=## )/);
  return parts.find((part) => part.split('\n', 1)[0] === title)?.trimEnd() ?? null;
}

function thin(samples: readonly Sample[]): readonly Sample[] {
  const every = Math.max(1, Math.ceil(samples.length / MOST_SAMPLES));
  return samples.filter((_, k) => k % every === 0 || k === samples.length - 1);
}

function onlyAbove(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

function pairTable(head: readonly string[], counts: Readonly<Record<string, number>>): string {
  return table(head, Object.entries(counts));
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string =>
    `| ${cells.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en') : cell)).join(' | ')} |`;
  return [line(head), line(head.map((_, k) => (k === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n');
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mib(bytes: number, digits = 2): string {
  return (bytes / MIB).toFixed(digits);
}

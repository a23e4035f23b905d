/** Sections of REPORT.md (`## …`): what a run has not measured stays as the run before has left it. */

interface Section {
  readonly title: string;
  readonly text: string;
}

function sectionsOf(report: string): Section[] {
  return report.split(/\n(?=## )/).map((text) => ({ title: /^## (.*)/.exec(text)?.[1] ?? '', text: text.trimEnd() }));
}

/** Whether there is a table with something in it. */
function hasRows({ text }: Section): boolean {
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  const heads = lines.filter((line) => /^\|( *:?-+:? *\|)+$/.test(line)).length;
  return lines.length > 2 * heads;
}

/**
 * @param fresh as this run would write it
 * @param previous as it stands in the file
 * @param hasAttacks false: introduction and sections of attacks are the previous ones
 */
export function keepUnmeasured(fresh: string, previous: string, hasAttacks: boolean): string {
  const before = sectionsOf(previous);
  const now = sectionsOf(fresh);
  const kept = (section: Section): Section => {
    const isMeasured = section.title === '' ? hasAttacks : hasRows(section);
    return isMeasured ? section : (before.find(({ title }) => title === section.title) ?? section);
  };
  const attacks = before.filter(({ title }) => title !== '' && !now.some((section) => section.title === title));
  const [intro, ...rest] = now.map(kept);
  const all = [...(intro === undefined ? [] : [intro]), ...(hasAttacks ? [] : attacks), ...rest];
  return `${all.map(({ text }) => text).join('\n\n')}\n`;
}

/** STOMP frames as tests write and read them. */

export interface TextFrame {
  readonly command: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A frame as text, NUL included; headers are not escaped. */
export function frame(command: string, headers: Readonly<Record<string, string>> = {}, body = ''): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  return `${command}\n${lines.join('')}\n${body}\0`;
}

export const CONNECT = frame('CONNECT', { 'accept-version': '1.2', host: 'test', 'heart-beat': '0,0' });

/** Reads exactly one frame; throws when the text is anything else. */
export function parseFrame(text: string): TextFrame {
  const match = /^([A-Z]+)\n((?:[^\n]+\n)*)\n([^]*)\0$/.exec(text);
  if (match === null || (match[3] ?? '').includes('\0')) throw new Error(`not one frame: ${JSON.stringify(text)}`);
  const [, command = '', head = '', body = ''] = match;
  const headers: Record<string, string> = {};
  for (const line of head.split('\n').filter((each) => each !== '')) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon)] ??= line.slice(colon + 1);
  }
  return { command, headers, body };
}

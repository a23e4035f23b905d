/** CONNECT and STOMP: version, virtual host, authentication, heart-beat (STOMP 1.2, Connecting). */
import { negotiateVersion, parseHeartBeat, quoteInput, type Frame } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { Principal } from '../ports.js';
import type { CommandContext, Welcome } from './command-context.js';

/** @throws ProtocolError `version-unsupported`, `heart-beat-invalid`; BrokerError `host-unknown`, `authentication-failed` */
export function handleConnect(context: CommandContext, frame: Frame): void | Promise<void> {
  const headers = frame.headers.toMap();
  const version = negotiateVersion(headers.get('accept-version'));
  // 1.0 pads header values with blanks; from 1.1 on every octet counts, those of a passcode too.
  if (version === '1.0') for (const [name, value] of headers) headers.set(name, value.trim());
  // 1.0 has no heart-beats in either direction, whatever the frame says.
  const clientHeartBeat = parseHeartBeat(version === '1.0' ? undefined : headers.get('heart-beat'));
  checkHost(context, headers.get('host'));
  const welcome: Omit<Welcome, 'principal'> = {
    headers,
    version,
    clientHeartBeat,
    clientId: headers.get('client-id'),
    requestId: headers.get('request-id'),
  };
  const principal = context.authenticate({ login: headers.get('login'), passcode: headers.get('passcode'), headers });
  const enter = (verified: Principal): void | Promise<void> => context.connected({ ...welcome, principal: verified });
  return principal instanceof Promise ? principal.then(enter) : enter(principal);
}

function checkHost(context: CommandContext, host: string | undefined): void {
  const { virtualHosts } = context.options;
  if (virtualHosts === false || host === undefined || virtualHosts.includes(host)) return;
  throw new BrokerError('host-unknown', `Unknown virtual host ${quoteInput(host)}`);
}

/** The relay to an external STOMP broker. */
export { socketDial, type Dial, type DialOptions, type Pipe, type PipeEvents } from './pipe.js';
export { StompRelay, type StompRelayOptions, type StompRelayPorts } from './stomp-relay.js';

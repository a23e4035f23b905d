/**
 * What a client or an application of Spring's STOMP over WebSocket visibly depends on, as ids by section. The sections:
 * endpoint and handshake, CONNECT, routing, destinations that match nothing, the simple broker, annotated methods, the
 * template and the user registry, application events, interceptors and errors, transport limits, the broker relay,
 * security, statistics.
 */

export const SECTIONS: Readonly<Record<string, readonly string[]>> = {
  S1: ['1', '2', '3', '4', '5', '7', '10', '11', '13', '14', '20', '21', '22', '23', '24', '26', '32'],
  S2: ['1', '2', '4', '5', '6', '7', '11', '12', '13', '16', '17', '18', '19', '20', '22'],
  S3: ['1', '2', '3', '4', '6', '7', '20', '21', '22', '24', '26', '29', '31', '32', '40'],
  S4: ['1'],
  S5: ['1', '2', '6', '7', '30', '32', '33', '35', '36', '50', '51'],
  S6: '1 2 3 5 6 8 9 10 11 12 13 14 15 17 18 20 21 22 23'.split(' '),
  S7: ['1', '2', '5', '6', '7', '8'],
  S8: ['1', '2', '3', '4', '5', '6'],
  S9: ['1', '2', '3', '4', '5', '6', '8'],
  S10: ['1', '3', '7', '10'],
  S11: ['1', '2', '3', '5', '7', '8', '8a', '11', '12'],
  S12: ['1', '2', '3', '4', '6', '7', '9'],
  S13: ['1', '2'],
};

/** Every id, in order. */
export const SPRING_IDS: readonly string[] = Object.entries(SECTIONS).flatMap(([section, numbers]) =>
  numbers.map((number) => `${section}.${number}`),
);

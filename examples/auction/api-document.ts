/** The OpenAPI document of the WebSocket API: what travels on `/topic/auctions/updates`, for people and for generators. */
import { AUCTION_STATUSES } from './auction-house.js';

const ref = (name: string): { readonly $ref: string } => ({ $ref: `#/components/schemas/${name}` });

export const API_DOCUMENT = {
  openapi: '3.0.3',
  info: {
    title: 'Auction WebSocket API',
    version: '1.0.0',
    description:
      'STOMP over SockJS or WebSocket. SEND to /app/auctions/subscribe is answered with the active auctions on ' +
      '/topic/auctions/updates, where every change follows. SEND {"amount": 12.5} to /app/auctions/{id}/bid bids.',
  },
  servers: [{ url: 'ws://localhost:8080/ws' }],
  paths: {},
  components: {
    securitySchemes: { WebSocketAuth: { type: 'apiKey', in: 'header', name: 'X-User-ID' } },
    schemas: {
      WebSocketConnectionRequest: {
        type: 'object',
        required: ['userId'],
        properties: { userId: { type: 'integer', format: 'int64' } },
      },
      AuctionItem: {
        type: 'object',
        properties: {
          id: { type: 'integer', format: 'int64' },
          name: { type: 'string' },
          description: { type: 'string' },
          status: { type: 'string', enum: [...AUCTION_STATUSES] },
          currentPrice: { type: 'number', format: 'decimal' },
          auctionStartTime: { type: 'string', format: 'date-time' },
          auctionEndTime: { type: 'string', format: 'date-time' },
        },
      },
      AuctionListMessage: {
        type: 'object',
        properties: {
          type: { type: 'string', enum: ['AUCTION_LIST'] },
          data: { type: 'array', items: ref('AuctionItem') },
        },
      },
      ErrorMessage: {
        type: 'object',
        properties: { type: { type: 'string', enum: ['ERROR'] }, message: { type: 'string' } },
      },
      WebSocketMessage: { oneOf: [ref('AuctionListMessage'), ref('ErrorMessage')] },
    },
  },
  security: [{ WebSocketAuth: [] }],
};

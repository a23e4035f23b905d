/** The engine without transports: for those who bring their own composition root. */
export type {
  BrokerCluster,
  ClusterAnswer,
  EndOptions,
  NodeInfo,
  PageOptions,
  SubscriptionFilter,
} from './cluster/broker-cluster.js';
export type { AskOptions, NodeAnswer } from './cluster/node-questions.js';
export type {
  ClusterSession,
  ClusterSubscription,
  ClusterUser,
  SessionFilter,
  SessionPage,
  UserPage,
} from './cluster/node-views.js';
export { Broker } from './broker.js';
export type { BrokerPorts } from './broker-ports.js';
export type { StatsSnapshot } from './stats-snapshot.js';
export type {
  ErrorHandler,
  Handler,
  HandlerContext,
  HandlerGroup,
  HandlerOptions,
  ReplyOptions,
} from './application/handler-registry.js';
export type {
  BrokerInterceptor,
  BrokerMessage,
  InboundInterceptor,
  OutboundInterceptor,
} from './application/interceptors.js';
export type { MessageHeaders } from './application/messaging-template.js';
export type { Reply, RequestOptions } from './application/requests.js';
export type { PathVariables } from './application/path-variables.js';
export type { SessionEvent, SessionEventMap, SessionEvents } from './application/session-events.js';
export type { BrokerOperations } from './operations/broker-operations.js';
export type { DeliveryObserver } from './operations/delivery-sampler.js';
export type * from './operations/details.js';
export type { DrainState } from './operations/drain.js';
export type { TapFilter, TapListener, TappedFrame } from './operations/frame-tap.js';
export type { BrowsePlace, MoveOptions, MoveResult, QueueOperations } from './operations/queue-operations.js';
export type { SessionHandle, SubscriptionHandle } from './application/session-handle.js';
export type { StandardSchema } from './application/standard-schema.js';
export type { UserHandle, UserRegistry } from './application/user-registry.js';
export { CLOSE_CODES, closeReason, type CloseCode, type CloseReason } from './close-reason.js';
export { BROKER_ERROR_CODES, BrokerError, type BrokerErrorCode } from './errors.js';
export {
  DEFAULT_BROKER_OPTIONS,
  resolveBrokerOptions,
  type BrokerOptions,
  type DestinationOptions,
  type HeartBeatOptions,
  type LimitOptions,
  type OutboxOptions,
  type Partially,
} from './options.js';
export type { HistoryOptions, HistoryRule } from './history/history-options.js';
export type { PresenceOptions } from './presence/presence-options.js';
export type { PresenceSnapshot } from './presence/watched-topic.js';
export type { BrokerEvent } from './feed/broker-feed.js';
export type { FeedCounts } from './feed/feed-counts.js';
export type { FeedOptions } from './feed/feed-options.js';
export type { BackoffOptions, QueueOptions, QueueRule } from './queue-options.js';
export type * from './ports.js';

/** What back-end code calls: updates of jobs to those who watch them, results to their owners, notices to everybody. */
import { type Broker, encodeSegment, type Logger } from '../../adapters/index.js';

export const SYSTEM = '/topic/system';
/** Behind `/user/{userId}`. */
export const OWN_JOBS = '/queue/jobs';

export class JobNotifier {
  readonly #broker: Broker;
  readonly #logger: Logger;

  constructor(broker: Broker, logger: Logger) {
    this.#broker = broker;
    this.#logger = logger;
  }

  /** To everybody who subscribed to the job. @param data e.g. `{ progress: 40, message: 'Rendering' }` */
  async sendJobStatusUpdate(jobId: string, status: string, data: Readonly<Record<string, unknown>>): Promise<void> {
    const message = { type: 'job_status_update', jobId, timestamp: Date.now(), data: { status, ...data } };
    this.#logger.debug({ jobId, status }, 'job status update');
    // The header is for filters.
    await this.#broker.convertAndSend(jobTopic(jobId), message, { status });
  }

  /** To the owner, wherever connected; kept while the owner is away. @param data e.g. `{ contentId: 'c1', title: 'Song' }` */
  async sendJobCompletionNotification(
    userId: string,
    jobId: string,
    success: boolean,
    data: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const message = { type: 'job_completed', jobId, timestamp: Date.now(), result: { success, ...data } };
    await this.#broker.convertAndSendToUser(userId, OWN_JOBS, message);
  }

  /** As `sendJobCompletionNotification`, for a job that failed. */
  async sendJobErrorNotification(
    userId: string,
    jobId: string,
    message: string,
    data: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const body = { type: 'job_error', jobId, timestamp: Date.now(), error: { message, ...data } };
    await this.#broker.convertAndSendToUser(userId, OWN_JOBS, body);
  }

  async broadcastSystemNotification(message: string, level: string): Promise<void> {
    const notice = { type: 'system_notification', message, level, timestamp: Date.now() };
    await this.#broker.convertAndSend(SYSTEM, notice);
  }

  async broadcastMaintenance(message: string, scheduledTime?: string): Promise<void> {
    const notice = {
      type: 'maintenance_notification',
      message,
      level: 'warning',
      scheduledTime,
      timestamp: Date.now(),
    };
    await this.#broker.convertAndSend(SYSTEM, notice);
  }
}

/** Ids are any text, and a destination has segments. */
export function jobTopic(jobId: string): string {
  return `/topic/jobs/${encodeSegment(jobId)}`;
}

export function channelTopic(channel: string): string {
  return `/topic/channels/${encodeSegment(channel)}`;
}

/** What back-end code calls: news of tasks and projects to their rooms, messages to single users, and to all. */
import type { Broker } from '../../adapters/index.js';
import { type Envelope, envelope } from './envelope.js';
import { projectTopic } from './message-processors.js';

export const EVERYBODY = '/topic/everybody';
/** Behind `/user/{userId}`. */
export const DIRECT = '/queue/direct';

export type Changes = Readonly<Record<string, { readonly old: unknown; readonly new: unknown }>>;

export class ProjectNotifier {
  readonly #broker: Broker;
  /** Messages to rooms and to everybody since start. */
  broadcastsSent = 0;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  notifyTaskCreated(task: unknown, projectId: string): Promise<void> {
    return this.sendProjectMessage(projectId, 'task_created', { task, project_id: projectId });
  }

  notifyTaskUpdated(taskId: string, projectId: string, changes: Changes, task: unknown): Promise<void> {
    return this.sendProjectMessage(projectId, 'task_updated', {
      task_id: taskId,
      project_id: projectId,
      changes,
      task,
    });
  }

  notifyTaskDeleted(taskId: string, projectId: string): Promise<void> {
    return this.sendProjectMessage(projectId, 'task_deleted', { task_id: taskId, project_id: projectId });
  }

  /** To the user's connections, or kept for the next one. */
  sendDirectMessage(userId: string, type: string, data: unknown): Promise<void> {
    return this.#broker.convertAndSendToUser(userId, DIRECT, envelope(type, data));
  }

  sendProjectMessage(projectId: string, type: string, data: unknown): Promise<void> {
    return this.#broadcast(projectTopic(projectId), envelope(type, data));
  }

  broadcast(type: string, data: unknown): Promise<void> {
    return this.#broadcast(EVERYBODY, envelope(type, data));
  }

  #broadcast(destination: string, message: Envelope): Promise<void> {
    this.broadcastsSent++;
    return this.#broker.convertAndSend(destination, message);
  }
}

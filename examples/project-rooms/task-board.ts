/** Tasks in memory; each change is told to the room of its project. */
import type { ProjectNotifier } from './project-notifier.js';

export interface Task {
  readonly id: string;
  readonly title: string;
  readonly status: 'todo' | 'doing' | 'done';
}

export class TaskBoard {
  readonly #projects = new Map<string, Map<string, Task>>();
  readonly #notifier: ProjectNotifier;
  #last = 0;

  constructor(notifier: ProjectNotifier) {
    this.#notifier = notifier;
  }

  tasks(projectId: string): Task[] {
    return [...(this.#projects.get(projectId)?.values() ?? [])];
  }

  async create(projectId: string, title: string): Promise<Task> {
    const task: Task = { id: String(++this.#last), title, status: 'todo' };
    const tasks = this.#projects.get(projectId) ?? new Map<string, Task>();
    this.#projects.set(projectId, tasks.set(task.id, task));
    await this.#notifier.notifyTaskCreated(task, projectId);
    return task;
  }

  /** Null when there is no such task. */
  async update(projectId: string, taskId: string, change: Partial<Omit<Task, 'id'>>): Promise<Task | null> {
    const old = this.#projects.get(projectId)?.get(taskId);
    if (old === undefined) return null;
    const task: Task = { ...old, ...change };
    this.#projects.get(projectId)?.set(taskId, task);
    const names = (['title', 'status'] as const).filter((name) => old[name] !== task[name]);
    const changes = Object.fromEntries(names.map((name) => [name, { old: old[name], new: task[name] }]));
    await this.#notifier.notifyTaskUpdated(taskId, projectId, changes, task);
    return task;
  }

  async delete(projectId: string, taskId: string): Promise<void> {
    if (this.#projects.get(projectId)?.delete(taskId) === true) {
      await this.#notifier.notifyTaskDeleted(taskId, projectId);
    }
  }
}

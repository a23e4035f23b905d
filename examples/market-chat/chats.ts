/** Chats between a buyer and a seller, in memory: who may see them, and what was said. */
export interface ChatMessage {
  readonly id: number;
  readonly chatId: string;
  readonly sender: string;
  readonly text: string;
  /** RFC 3339. */
  readonly sentAt: string;
}

export interface Chat {
  readonly id: string;
  readonly title: string;
  readonly members: readonly string[];
}

/** Older ones are gone. */
const MAX_MESSAGES = 200;

export class Chats {
  readonly #chats = new Map<string, Chat>();
  readonly #messages = new Map<string, ChatMessage[]>();
  #last = 0;

  add(chat: Chat): void {
    this.#chats.set(chat.id, chat);
  }

  of(user: string): Chat[] {
    return [...this.#chats.values()].filter(({ members }) => members.includes(user));
  }

  maySee(user: string, chatId: string): boolean {
    return this.#chats.get(chatId)?.members.includes(user) === true;
  }

  messages(chatId: string): readonly ChatMessage[] {
    return this.#messages.get(chatId) ?? [];
  }

  post(chatId: string, sender: string, text: string): ChatMessage {
    const message = { id: ++this.#last, chatId, sender, text, sentAt: new Date().toISOString() };
    this.#messages.set(chatId, [...this.messages(chatId), message].slice(-MAX_MESSAGES));
    return message;
  }
}

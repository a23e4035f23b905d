/** Tasks for people who look. */
import type { TaskBoard } from './task-board.js';

export async function fillBoard(board: TaskBoard): Promise<void> {
  for (const title of ['Fence the paddock', 'Order hay', 'Mend the gate', 'Shoe the grey'])
    await board.create('stable', title);
  await board.update('stable', '2', { status: 'doing' });
  await board.update('stable', '4', { status: 'done' });
}

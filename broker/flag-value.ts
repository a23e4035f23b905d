/** What a header says that is a yes or no: `true` and `false`, and `True` and `False` as Python writes them. */

/** Whether the header is there and says yes; whatever else it says is no. Blanks around the value do not count. */
export function isTrue(value: string | undefined): boolean {
  const trimmed = value?.trim();
  return trimmed === 'true' || trimmed === 'True';
}

/** What INFO of a server says of whether it can be used now. */

/**
 * @param info what INFO answered
 * @param wantsMaster a replica is no use
 * @returns why not, in one line; null: it can
 */
export function whyUnusable(info: string, wantsMaster: boolean): string | null {
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const [role, percent, leftSeconds] = [field('role'), field('loading_loaded_perc'), field('loading_eta_seconds')];
  if (field('loading') === '1') {
    const done = percent === '' ? '' : `: ${Number(percent).toFixed(0)} % are done`;
    return `it loads its data (LOADING)${done}${leftSeconds === '' ? '' : `, about ${leftSeconds} s are left`}`;
  }
  return wantsMaster && role !== '' && role !== 'master' ? `it is a ${role}, wants the master` : null;
}

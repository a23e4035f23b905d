/** Light, dark, or as the system has it; remembered in this browser. */
import { State } from './state.js';

export type Theme = 'auto' | 'light' | 'dark';

const KEY = 'hoofbeat-theme';
const THEMES: readonly Theme[] = ['auto', 'light', 'dark'];
const system = matchMedia('(prefers-color-scheme: dark)');

export const theme = new State<Theme>(THEMES.find((each) => each === localStorage.getItem(KEY)) ?? 'auto');
/** What that comes to. */
export const isDark = new State(false);

theme.subscribe(apply);
system.addEventListener('change', apply);
apply();

export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'auto';
  localStorage.setItem(KEY, theme.value);
}

function apply(): void {
  document.documentElement.dataset['theme'] = theme.value;
  isDark.value = theme.value === 'dark' || (theme.value === 'auto' && system.matches);
}

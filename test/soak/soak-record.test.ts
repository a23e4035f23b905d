import t from 'tap';
import { sectionOf, withSection } from './soak-record.js';

const REPORT = '# Title\n\nwords\n\n## One\n\n| a |\n\n## Soak\n\nold\n\n## Two\n\nlast\n';

t.test('a section takes the place of the one with its title, and of no other', async (t) => {
  const renewed = withSection(REPORT, '## Soak\n\nnew');
  t.equal(sectionOf(renewed, '## Soak'), '## Soak\n\nnew');
  t.equal(sectionOf(renewed, '## Two'), '## Two\n\nlast');
  t.equal(withSection(renewed, '## Soak\n\nnew'), renewed);
  t.equal(sectionOf('# Title\n', '## Soak'), null);
  t.equal(withSection('# Title\n', '## Soak\n\nnew'), '# Title\n\n## Soak\n\nnew\n');
});

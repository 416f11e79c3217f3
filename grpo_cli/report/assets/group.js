// One group, opened: its prompt, and all its completions side by side, each with what it earned and what changed.
'use strict';
report.count = (number, word) => `${number.toLocaleString('en')} ${word}${number === 1 ? '' : 's'}`;
report.signed = (value) => (value === null ? '–' : `${value > 0 ? '+' : ''}${report.show(value)}`);

// What changed in one completion since the same prompt was first asked; worked out when somebody opens it.
report.compared = (first, text, reward) => {
  const { node, signed } = report;
  const soft = (words) => node('span', { class: 'soft' }, words);
  const gain = first.reward === null || reward === null ? null : reward - first.reward;
  const title = `Since step ${first.step.toLocaleString('en')}: ${signed(gain)}`;
  const details = node('details', {}, node('summary', {}, title));
  details.addEventListener('toggle', () => {
    if (!details.open || details.children.length > 1) return;
    const pieces = first.text === text ? [] : report.difference(first.text, text);
    let body = [soft('the same, word for word')];
    if (pieces === null) body = [soft('too long to compare; then it was:\n'), first.text];
    else if (pieces.length) body = pieces.map((p) => (p.kind === 'same' ? p.text : node(p.kind, {}, p.text)));
    details.append(node('p', { class: 'text', tabindex: '0' }, ...body));
  });
  return details;
};

// One completion as a card; `first` is the one of the first time, or null.
report.sample = (index, group, i, text, first) => {
  const { node, show, signed, count } = report;
  const at = group.start + i;
  const reward = index.reward[at];
  const advantage = index.advantage[at];
  const scores = index.rewards
    .map((name, r) => [name, index.scores[r][at]])
    .filter(([, score]) => score !== null && score !== undefined);
  const facts = [];
  // A single reward of weight 1 is the sum, and told once.
  if (scores.length > 1 || (scores.length && scores[0][1] !== reward)) {
    facts.push(scores.map(([name, score]) => `${name} ${show(score)}`).join(' · '));
  }
  if (index.length[at] !== null) facts.push(count(index.length[at], 'token'));
  const line = node('p', { class: 'facts-line' }, facts.join(' · '));
  if (advantage !== null && advantage !== undefined) {
    const direction = advantage > 0 ? 'up' : advantage < 0 ? 'down' : '';
    line.append(node('span', { class: direction }, `${facts.length ? ' · ' : ''}advantage ${signed(advantage)}`));
  }
  const header = node(
    'header',
    {},
    node('span', { class: 'soft small' }, `#${i + 1}`),
    index.truncated[at] ? node('span', { class: 'tag' }, 'truncated') : null,
    node('span', { class: 'score' }, reward === null ? 'no reward' : `reward ${show(reward)}`),
  );
  const words = text === '' ? node('span', { class: 'soft' }, '(empty)') : text;
  const body = node('p', { class: 'text', tabindex: '0' }, words);
  return node('li', { class: 'sample' }, header, line, body, first ? report.compared(first, text, reward) : null);
};

// Fill an opened group; `follow` shows its prompt over all steps, or is null where that is what is shown.
report.openGroup = async (index, group, details, follow) => {
  const { node, show, signed, count, data } = report;
  const body = node('div', { class: 'group' }, node('p', { class: 'soft' }, 'Loading …'));
  details.append(body);
  const held = (await data.part(group.part))[group.place];
  const { first } = group;
  const before = first ? (await data.part(first.part))[first.place] : null;

  const prompt = node('div', { class: 'prompt' });
  for (const [role, text] of held.prompt) {
    if (role) prompt.append(node('p', { class: 'role' }, role));
    prompt.append(node('p', { class: 'text' }, text));
  }
  for (const [name, value] of Object.entries(held.columns)) {
    const words = typeof value === 'string' ? value : JSON.stringify(value);
    prompt.append(node('p', { class: 'facts-line' }, `${name}: ${words}`));
  }

  const then = first ? `it was ${show(first.mean)} at step ${first.step.toLocaleString('en')}` : '';
  const since = first
    ? `Mean reward ${show(group.mean)}; ${then} (${signed(group.gain)}).`
    : 'The first time this prompt was asked.';
  const times = index.groups.filter((o) => o.prompt === group.prompt && o.split === group.split).length;
  const over = `This prompt over ${count(times, 'step')}`;
  const button = follow && times > 1 ? node('button', { type: 'button', onclick: follow }, over) : null;

  const cards = held.completions.map((text, i) => {
    if (!before) return report.sample(index, group, i, text, null);
    const same = i < first.size ? i : 0;
    const earlier = { step: first.step, text: before.completions[same] ?? '', reward: index.reward[first.start + same] };
    return report.sample(index, group, i, text, earlier);
  });
  const told = node('p', { class: 'told' }, node('span', {}, since), button);
  body.replaceChildren(prompt, told, node('ol', { class: 'samples' }, ...cards));
};

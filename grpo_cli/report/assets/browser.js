// The completion browser: groups by step or by prompt, filtered, sorted, searched; a group opens to all its completions.
'use strict';
report.browser = async (place) => {
  const { node, show, data } = report;
  const PAGE = 25;
  const index = await data.index();
  const signed = (value) => (value === null ? '–' : `${value > 0 ? '+' : ''}${show(value)}`);
  const count = (number, word) => `${number.toLocaleString('en')} ${word}${number === 1 ? '' : 's'}`;
  const splitName = (name) => (name === 'train' ? 'Training' : name === 'held_out' ? 'Held-out' : name);

  const FILTERS = {
    all: ['All groups', () => true],
    mixed: ['Rewards differ', (g) => g.spread > 0],
    same: ['All rewards equal (no signal)', (g) => g.spread === 0 && g.size > 1],
    low: ['Lowest mean reward', (g) => g.mean !== null && g.mean <= index.low],
    high: ['Highest mean reward', (g) => g.mean !== null && g.mean >= index.high],
    truncated: ['With a truncated completion', (g) => g.truncated > 0],
    better: ['Better than the first time', (g) => g.gain !== null && g.gain > 0],
    worse: ['Worse than the first time', (g) => g.gain !== null && g.gain < 0],
  };
  const by = (key, sign) => (a, b) => sign * ((a[key] ?? 0) - (b[key] ?? 0)) || a.number - b.number;
  const SORTS = {
    order: ['In the order of the run', (a, b) => a.step - b.step || a.number - b.number],
    latest: ['Latest first', (a, b) => b.step - a.step || a.number - b.number],
    best: ['Highest mean reward first', by('mean', -1)],
    worst: ['Lowest mean reward first', by('mean', 1)],
    spread: ['Widest spread of rewards first', by('spread', -1)],
    longest: ['Longest completion first', by('longest', -1)],
    gained: ['Most gained since the first time', by('gain', -1)],
    lost: ['Most lost since the first time', by('gain', 1)],
  };

  const present = [...new Set(index.groups.map((g) => g.split))];
  const state = { split: present.find((s) => index.splits[s] === 'train') ?? present[0], step: null, filter: 'all', sort: 'order', search: '', prompt: null, shown: PAGE };
  const steps = () => [...new Set(index.groups.filter((g) => g.split === state.split).map((g) => g.step))].sort((a, b) => a - b);

  // Controls.
  const choice = (name, label, options, change) => {
    const select = node('select', { id: `browse-${name}`, onchange: () => change(select.value) }, ...options.map(([value, text]) => node('option', { value }, text)));
    return [node('div', {}, node('label', { for: select.id }, label), select), select];
  };
  const update = (changes) => { Object.assign(state, { shown: PAGE }, changes); render(); };
  const [splitBox, splitSelect] = choice('split', 'Completions of', present.map((s) => [s, splitName(index.splits[s])]), (value) => { state.split = Number(value); state.prompt = null; fillSteps(); update({ step: steps()[steps().length - 1] ?? null }); stepSelect.value = String(state.step); });
  const [filterBox, filterSelect] = choice('filter', 'Show', Object.entries(FILTERS).map(([key, [text]]) => [key, text]), (value) => update({ filter: value }));
  const [sortBox, sortSelect] = choice('sort', 'Sort', Object.entries(SORTS).map(([key, [text]]) => [key, text]), (value) => update({ sort: value }));
  const stepSelect = node('select', { id: 'browse-step', onchange: () => update({ step: stepSelect.value === '' ? null : Number(stepSelect.value) }) });
  const move = (by) => {
    const all = steps();
    const now = state.step === null ? (by > 0 ? -1 : all.length) : all.indexOf(state.step);
    const next = all[Math.min(all.length - 1, Math.max(0, now + by))];
    stepSelect.value = String(next);
    update({ step: next });
  };
  const stepBox = node('div', {}, node('label', { for: 'browse-step' }, 'Step'), node('div', { class: 'stepper' },
    node('button', { type: 'button', 'aria-label': 'previous step', onclick: () => move(-1) }, '‹'), stepSelect,
    node('button', { type: 'button', 'aria-label': 'next step', onclick: () => move(1) }, '›')));
  const fillSteps = () => stepSelect.replaceChildren(node('option', { value: '' }, 'every step'), ...steps().map((s) => node('option', { value: s }, s.toLocaleString('en'))));
  let typing = 0;
  const searchInput = node('input', { type: 'search', id: 'browse-search', placeholder: 'words in prompt or completion', oninput: () => { clearTimeout(typing); typing = setTimeout(() => update({ search: searchInput.value.trim().toLowerCase() }), 250); } });
  const searchBox = node('div', { class: 'search' }, node('label', { for: 'browse-search' }, 'Search'), searchInput);

  const told = node('span', { role: 'status' });
  const chip = node('span', {});
  const list = node('ol', { class: 'groups' });
  const more = node('button', { type: 'button', onclick: () => { state.shown += PAGE; draw(); } }, 'Show more');
  place.replaceChildren(node('div', { class: 'controls' }, splitBox, stepBox, filterBox, sortBox, searchBox), node('p', { class: 'told' }, told, chip), list, node('p', { class: 'told' }, more));

  // One completion.
  const compared = (first, text, reward) => {
    const details = node('details', {}, node('summary', {}, `Since step ${first.step.toLocaleString('en')}: ${signed(first.reward === null || reward === null ? null : reward - first.reward)}`));
    details.addEventListener('toggle', () => {
      if (!details.open || details.children.length > 1) return;
      const pieces = first.text === text ? [] : report.difference(first.text, text);
      const body = pieces === null ? [node('span', { class: 'soft' }, 'too long to compare; then it was:\n'), first.text]
        : pieces.length ? pieces.map((p) => (p.kind === 'same' ? p.text : node(p.kind, {}, p.text))) : [node('span', { class: 'soft' }, 'the same, word for word')];
      details.append(node('p', { class: 'text', tabindex: '0' }, ...body));
    });
    return details;
  };
  const sample = (g, i, text, first) => {
    const at = g.start + i;
    const reward = index.reward[at];
    const advantage = index.advantage[at];
    const scores = index.rewards.map((name, r) => [name, index.scores[r][at]]).filter(([, score]) => score !== null && score !== undefined);
    const single = scores.length === 1 && scores[0][1] === reward;
    const facts = [
      single ? null : scores.map(([name, score]) => `${name} ${show(score)}`).join(' · '),
      index.length[at] === null ? null : count(index.length[at], 'token'),
    ].filter(Boolean);
    return node('li', { class: 'sample' },
      node('header', {}, node('span', { class: 'soft small' }, `#${i + 1}`), index.truncated[at] ? node('span', { class: 'tag' }, 'truncated') : null,
        node('span', { class: 'score' }, reward === null ? 'no reward' : `reward ${show(reward)}`)),
      node('p', { class: 'facts-line' }, facts.join(' · '), advantage === null || advantage === undefined ? null
        : node('span', { class: advantage > 0 ? 'up' : advantage < 0 ? 'down' : '' }, `${facts.length ? ' · ' : ''}advantage ${signed(advantage)}`)),
      node('p', { class: 'text', tabindex: '0' }, text === '' ? node('span', { class: 'soft' }, '(empty)') : text),
      first ? compared(first, text, reward) : null);
  };

  // One group.
  const open = async (g, details) => {
    const body = node('div', { class: 'group' }, node('p', { class: 'soft' }, 'Loading …'));
    details.append(body);
    const group = (await data.part(g.part))[g.place];
    const before = g.first ? (await data.part(g.first.part))[g.first.place] : null;
    const prompt = node('div', { class: 'prompt' }, ...group.prompt.flatMap(([role, text]) => [role ? node('p', { class: 'role' }, role) : null, node('p', { class: 'text' }, text)]),
      ...Object.entries(group.columns).map(([name, value]) => node('p', { class: 'facts-line' }, `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)));
    const history = index.groups.filter((o) => o.prompt === g.prompt && o.split === g.split).length;
    const since = g.first ? `Mean reward ${show(g.mean)}; it was ${show(g.first.mean)} at step ${g.first.step.toLocaleString('en')} (${signed(g.gain)}).` : 'The first time this prompt was asked.';
    const line = node('p', { class: 'told' }, node('span', {}, since), history > 1 && state.prompt === null
      ? node('button', { type: 'button', onclick: () => { stepSelect.value = ''; update({ prompt: g.prompt, step: null, sort: 'order', filter: 'all' }); filterSelect.value = 'all'; sortSelect.value = 'order'; place.scrollIntoView(); } }, `This prompt over ${count(history, 'step')}`) : null);
    const cards = group.completions.map((text, i) => {
      const first = before ? { step: g.first.step, text: before.completions[i] ?? before.completions[0] ?? '', reward: index.reward[g.first.start + (i < g.first.size ? i : 0)] } : null;
      return sample(g, i, text, first);
    });
    body.replaceChildren(prompt, line, node('ol', { class: 'samples' }, ...cards));
  };
  const level = (reward) => (typeof reward !== 'number' || index.high <= index.low ? (reward > 0 ? 4 : 0) : Math.round((4 * (reward - index.low)) / (index.high - index.low)));
  const row = (g) => {
    const cells = index.reward.slice(g.start, g.start + Math.min(g.size, 32)).map((reward) => node('span', { class: `cell q${level(reward)}` }));
    const details = node('details', {}, node('summary', {}, node('span', { class: 'soft small' }, `step ${g.step.toLocaleString('en')}`), node('span', { class: 'asked' }, index.prompts[g.prompt] || '(empty prompt)'),
      node('span', { class: 'cells', 'aria-hidden': 'true' }, ...cells), node('span', { class: 'mean' }, node('span', { class: 'hidden' }, `${count(g.size, 'completion')}, `), node('span', { class: 'soft small' }, 'mean '), show(g.mean), g.gain === null ? null : node('span', { class: 'soft small' }, ` ${signed(g.gain)}`))));
    details.addEventListener('toggle', () => { if (details.open && details.children.length === 1) open(g, details); });
    return node('li', {}, details);
  };

  // The list.
  let found = [];
  let turn = 0;
  const draw = () => {
    list.replaceChildren(...found.slice(0, state.shown).map(row));
    more.hidden = found.length <= state.shown;
  };
  const tell = (searching) => {
    const completions = found.reduce((sum, g) => sum + g.size, 0);
    told.textContent = `${count(found.length, 'group')}, ${count(completions, 'completion')}${searching ? `; searching … ${searching}` : ''}`;
  };
  const render = async () => {
    const mine = ++turn;
    const keep = FILTERS[state.filter][1];
    const fits = index.groups.filter((g) => g.split === state.split && (state.step === null || g.step === state.step) && (state.prompt === null || g.prompt === state.prompt) && keep(g));
    chip.replaceChildren(...(state.prompt === null ? [] : [node('button', { type: 'button', onclick: () => update({ prompt: null }) }, `Only “${index.prompts[state.prompt]}” ✕`)]));
    fits.sort(SORTS[state.sort][1]);
    if (state.search === '') {
      found = fits;
      draw();
      tell('');
      return;
    }
    // Part after part, so that what is found shows at once; a newer search ends this one.
    const hits = new Set();
    const wanted = [...new Set(fits.map((g) => g.part))];
    let drawn = 0;
    for (const [done, number] of wanted.entries()) {
      const part = await data.part(number);
      if (mine !== turn) return;
      for (const g of fits) {
        if (g.part !== number) continue;
        const { prompt, completions } = part[g.place];
        if (prompt.some(([, text]) => text.toLowerCase().includes(state.search)) || completions.some((text) => text.toLowerCase().includes(state.search))) hits.add(g);
      }
      found = fits.filter((g) => hits.has(g));
      if (Date.now() - drawn > 300) { draw(); drawn = Date.now(); }
      tell(`${Math.round((100 * (done + 1)) / wanted.length)}\u202f%`);
    }
    found = fits.filter((g) => hits.has(g));
    draw();
    tell('');
  };

  fillSteps();
  const all = steps();
  state.step = all[all.length - 1] ?? null;
  stepSelect.value = state.step === null ? '' : String(state.step);
  splitSelect.value = String(state.split);
  await render();
  const first = list.querySelector('details');
  if (first) first.open = true; // what one gets is seen without a click
  place.dataset.ready = 'yes';
  report.news = () => chip.replaceChildren(node('button', { type: 'button', onclick: () => { data.forget(); report.browser(place); } }, 'There are new completions: show them'));
  report.browse = (changes) => { update(changes); return { found, state }; };
};

// The index is unpacked when the browser comes near the screen: the page is there before.
report.startBrowser = () => {
  const place = document.getElementById('browser');
  if (!place) return;
  const start = () => report.browser(place).catch((error) => { place.textContent = `The completions cannot be shown: ${error.message}`; });
  if (!('DecompressionStream' in window)) place.textContent = 'This browser cannot unpack the completions (it has no DecompressionStream); one of 2023 or later can.';
  else new IntersectionObserver((entries, observer) => { if (entries.some((e) => e.isIntersecting)) { observer.disconnect(); start(); } }, { rootMargin: '400px' }).observe(place);
};
if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', report.startBrowser);
else report.startBrowser();

// The completion browser: groups by step or by prompt, filtered, sorted, searched; a group opens to all its completions.
'use strict';
report.browser = async (place) => {
  const { node, show, signed, count, data } = report;
  const PAGE = 25; // groups drawn at once
  const CELLS = 32; // completions of a group shown as squares
  const index = await data.index();

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

  const splits = [...new Set(index.groups.map((g) => g.split))];
  const stepsOf = (split) => {
    const steps = new Set(index.groups.filter((g) => g.split === split).map((g) => g.step));
    return [...steps].sort((a, b) => a - b);
  };
  const state = {
    split: splits.find((s) => index.splits[s] === 'train') ?? splits[0],
    step: null, // null: every step
    filter: 'all',
    sort: 'order',
    search: '',
    prompt: null, // null: every prompt
    shown: PAGE,
  };
  state.step = stepsOf(state.split).at(-1) ?? null;

  // Controls. They change the state; `sync` shows the state in them.
  const update = (changes) => {
    Object.assign(state, { shown: PAGE }, changes);
    sync();
    return render();
  };
  const select = (name, change) => {
    const box = node('select', { id: `browse-${name}` });
    box.addEventListener('change', () => change(box.value));
    return box;
  };
  const labelled = (name, text, ...controls) =>
    node('div', {}, node('label', { for: `browse-${name}` }, text), ...controls);
  const options = (pairs) => pairs.map(([value, text]) => node('option', { value }, text));
  const named = (table) => options(Object.entries(table).map(([key, [text]]) => [key, text]));

  const splitName = (name) => ({ train: 'Training', held_out: 'Held-out' })[name] ?? name;
  const splitBox = select('split', (value) => {
    const split = Number(value);
    update({ split, prompt: null, step: stepsOf(split).at(-1) ?? null });
  });
  splitBox.append(...options(splits.map((s) => [s, splitName(index.splits[s])])));
  const stepBox = select('step', (value) => update({ step: value === '' ? null : Number(value) }));
  const filterBox = select('filter', (filter) => update({ filter }));
  filterBox.append(...named(FILTERS));
  const sortBox = select('sort', (sort) => update({ sort }));
  sortBox.append(...named(SORTS));
  const searchBox = node('input', { type: 'search', id: 'browse-search', placeholder: 'words in prompt or completion' });
  let typing = 0;
  searchBox.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => update({ search: searchBox.value.trim().toLowerCase() }), 250);
  });
  const move = (way) => {
    const steps = stepsOf(state.split);
    const none = way > 0 ? -1 : steps.length;
    const next = (state.step === null ? none : steps.indexOf(state.step)) + way;
    update({ step: steps[Math.min(steps.length - 1, Math.max(0, next))] });
  };
  const arrow = (way, sign, name) =>
    node('button', { type: 'button', 'aria-label': `${name} step`, onclick: () => move(way) }, sign);
  const stepper = node('div', { class: 'stepper' }, arrow(-1, '‹', 'previous'), stepBox, arrow(1, '›', 'next'));
  const searching = labelled('search', 'Search', searchBox);
  searching.className = 'search';
  const controls = node(
    'div',
    { class: 'controls' },
    labelled('split', 'Completions of', splitBox),
    labelled('step', 'Step', stepper),
    labelled('filter', 'Show', filterBox),
    labelled('sort', 'Sort', sortBox),
    searching,
  );
  let stepsShown = null;
  const sync = () => {
    if (stepsShown !== state.split) {
      const steps = stepsOf(state.split).map((s) => [s, s.toLocaleString('en')]);
      stepBox.replaceChildren(...options([['', 'every step'], ...steps]));
      stepsShown = state.split;
    }
    splitBox.value = String(state.split);
    stepBox.value = state.step === null ? '' : String(state.step);
    filterBox.value = state.filter;
    sortBox.value = state.sort;
  };

  // The list.
  const told = node('span', { role: 'status' });
  const chip = node('span', {});
  const list = node('ol', { class: 'groups' });
  const more = node('button', { type: 'button' }, 'Show more');
  more.addEventListener('click', () => {
    state.shown += PAGE;
    draw();
  });
  const level = (reward) => {
    if (typeof reward !== 'number') return 0;
    if (index.high <= index.low) return reward > 0 ? 4 : 0;
    return Math.round((4 * (reward - index.low)) / (index.high - index.low));
  };
  const row = (g) => {
    const rewards = index.reward.slice(g.start, g.start + Math.min(g.size, CELLS));
    const mean = node(
      'span',
      { class: 'mean' },
      node('span', { class: 'hidden' }, `${count(g.size, 'completion')}, `),
      node('span', { class: 'soft small' }, 'mean '),
      show(g.mean),
      g.gain === null ? null : node('span', { class: 'soft small' }, ` ${signed(g.gain)}`),
    );
    const summary = node(
      'summary',
      {},
      node('span', { class: 'soft small' }, `step ${g.step.toLocaleString('en')}`),
      node('span', { class: 'asked' }, index.prompts[g.prompt] || '(empty prompt)'),
      node('span', { class: 'cells', 'aria-hidden': 'true' }, ...rewards.map((r) => node('span', { class: `cell q${level(r)}` }))),
      mean,
    );
    const details = node('details', {}, summary);
    const follow = () => {
      update({ prompt: g.prompt, step: null, sort: 'order', filter: 'all' });
      place.scrollIntoView();
    };
    details.addEventListener('toggle', () => {
      if (!details.open || details.children.length > 1) return;
      report.openGroup(index, g, details, state.prompt === null ? follow : null);
    });
    return node('li', {}, details);
  };
  let found = [];
  let turn = 0;
  const draw = () => {
    list.replaceChildren(...found.slice(0, state.shown).map(row));
    more.hidden = found.length <= state.shown;
  };
  const tell = (progress) => {
    const completions = found.reduce((sum, g) => sum + g.size, 0);
    const going = progress ? `; searching … ${progress}` : '';
    told.textContent = `${count(found.length, 'group')}, ${count(completions, 'completion')}${going}`;
  };
  const only = () => {
    if (state.prompt === null) return [];
    const text = `Only “${index.prompts[state.prompt]}” ✕`;
    return [node('button', { type: 'button', onclick: () => update({ prompt: null }) }, text)];
  };
  const holds = ({ prompt, completions }) =>
    prompt.some(([, text]) => text.toLowerCase().includes(state.search)) ||
    completions.some((text) => text.toLowerCase().includes(state.search));
  const render = async () => {
    turn += 1;
    const mine = turn;
    const keep = FILTERS[state.filter][1];
    const fits = index.groups
      .filter((g) => g.split === state.split && (state.step === null || g.step === state.step))
      .filter((g) => (state.prompt === null || g.prompt === state.prompt) && keep(g))
      .sort(SORTS[state.sort][1]);
    chip.replaceChildren(...only());
    found = fits;
    if (state.search !== '') {
      // Part after part, so that what is found shows at once; a newer search ends this one.
      const hits = new Set();
      const wanted = [...new Set(fits.map((g) => g.part))];
      let drawn = 0;
      for (const [done, number] of wanted.entries()) {
        const part = await data.part(number);
        if (mine !== turn) return;
        for (const g of fits) if (g.part === number && holds(part[g.place])) hits.add(g);
        found = fits.filter((g) => hits.has(g));
        if (Date.now() - drawn > 300) {
          draw();
          drawn = Date.now();
        }
        tell(`${Math.round((100 * (done + 1)) / wanted.length)}\u202f%`);
      }
      found = fits.filter((g) => hits.has(g));
    }
    draw();
    tell('');
  };

  place.replaceChildren(
    controls,
    node('p', { class: 'told' }, told, chip),
    list,
    node('p', { class: 'told' }, more),
  );
  sync();
  await render();
  const first = list.querySelector('details');
  if (first) first.open = true; // what one gets is seen without a click
  place.dataset.ready = 'yes';
  report.news = () => {
    const again = () => {
      data.forget();
      report.browser(place);
    };
    chip.replaceChildren(node('button', { type: 'button', onclick: again }, 'There are new completions: show them'));
  };
  report.browse = (changes) => {
    update(changes);
    return { found, state };
  };
};

// The index is unpacked when the browser comes near the screen: the page is there before.
report.startBrowser = () => {
  const place = document.getElementById('browser');
  if (!place) return;
  if (!('DecompressionStream' in window)) {
    place.textContent = 'This browser cannot unpack the completions (no DecompressionStream); one of 2023 or later can.';
    return;
  }
  const start = () =>
    report.browser(place).catch((error) => {
      place.textContent = `The completions cannot be shown: ${error.message}`;
    });
  const watch = (entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    start();
  };
  new IntersectionObserver(watch, { rootMargin: '400px' }).observe(place);
};
if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', report.startBrowser);
else report.startBrowser();

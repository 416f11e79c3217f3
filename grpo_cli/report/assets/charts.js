// Values under the pointer, or under the arrow keys; each chart's legend tells them. Text goes in as text only.
'use strict';
const report = {};

// As grpo_cli/report/formats.py.
report.show = (value, kind = 'number') => {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'string') return value;
  const minus = (text) => text.replace('-', '−');
  const fixed = (number, places) => {
    const text = number.toFixed(places);
    return minus(text.includes('.') ? text.replace(/\.?0+$/, '') : text).replace(/^−0$/, '0');
  };
  const small = (number, places) => {
    const [mantissa, exponent] = number.toExponential(places).split('e');
    const digits = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
    return `${minus(digits)}e${minus(exponent.replace('+', ''))}`;
  };
  const plain = (number) => {
    const size = Math.abs(number);
    if (size >= 1000) return minus(Math.round(number).toLocaleString('en'));
    if (size && size < 0.001) return small(number, 1);
    return fixed(number, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
  };
  if (kind === 'count') {
    if (Math.abs(value) < 1e4) return minus(Math.round(value).toLocaleString('en'));
    const [limit, unit] = [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'k']].find(([least]) => Math.abs(value) >= least);
    return `${minus(String(Number((value / limit).toPrecision(3))))}\u202f${unit}`;
  }
  if (kind === 'percent') return `${fixed(100 * value, 1)}\u202f%`;
  if (kind === 'scientific' && value) return small(value, 2);
  if (kind === 'seconds') return `${plain(value)}\u202fs`;
  return plain(value);
};

report.node = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

report.charts = (root) => {
  const drawn = (name, attributes) => {
    const node = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };

  const stepsOf = (plot) => {
    const steps = new Set(plot.curves.flatMap((curve) => curve.points.map((p) => p[0])));
    return [...steps].sort((a, b) => a - b);
  };

  const lively = (svg) => {
    const plot = JSON.parse(svg.dataset.plot);
    const figure = svg.closest('figure');
    const [left, top, right, bottom] = plot.box;
    const steps = stepsOf(plot);
    const [start, end] = plot.x;
    const across = (step) => left + (end > start ? (step - start) / (end - start) : 0.5) * (right - left);
    const up = (value) => bottom - ((value - plot.y[0]) / (plot.y[1] - plot.y[0])) * (bottom - top);
    const values = figure.querySelectorAll('.legend b');
    const at = figure.querySelector('.legend .at');
    const rest = [[...values].map((node) => node.textContent), at.textContent];
    const layer = drawn('g', { 'aria-hidden': 'true' });
    svg.append(layer);
    let place = steps.length - 1;

    const words = (point) => {
      if (!point) return '–';
      const [, value, low, high] = point.map((number) => report.show(number, plot.kind));
      return point.length > 2 ? `${value} (${low} to ${high})` : value;
    };
    const tell = () => {
      const step = steps[place];
      layer.replaceChildren(drawn('path', { d: `M${across(step)} ${top}V${bottom}`, class: 'cross' }));
      const told = plot.curves.map((curve, i) => {
        const point = curve.points.find((p) => p[0] === step);
        if (point) {
          const place = { cx: across(step), cy: up(point[1]) };
          layer.append(drawn('circle', { ...place, r: 4, class: `mark s${curve.colour}` }));
        }
        if (values[i]) values[i].textContent = words(point);
        return `${plot.curves.length > 1 ? `${curve.name} ` : ''}${words(point)}`;
      });
      at.textContent = `step ${step.toLocaleString('en')}`;
      svg.setAttribute('aria-valuenow', step);
      svg.setAttribute('aria-valuetext', `step ${step}: ${told.join(', ')}`);
    };
    const leave = () => {
      layer.replaceChildren();
      rest[0].forEach((text, i) => { values[i].textContent = text; });
      at.textContent = rest[1];
    };
    const follow = (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
      let best = 0;
      for (let i = 1; i < steps.length; i += 1) {
        if (Math.abs(across(steps[i]) - x) < Math.abs(across(steps[best]) - x)) best = i;
      }
      place = best;
      tell();
    };
    svg.addEventListener('pointermove', follow);
    svg.addEventListener('pointerdown', follow);
    svg.addEventListener('pointerleave', leave);
    svg.addEventListener('blur', leave);
    svg.addEventListener('focus', tell);
    svg.addEventListener('keydown', (event) => {
      const far = steps.length;
      const arrows = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
      const moves = { ...arrows, PageDown: -10, PageUp: 10, Home: -far, End: far };
      if (!(event.key in moves)) return;
      event.preventDefault();
      place = Math.min(steps.length - 1, Math.max(0, place + moves[event.key]));
      tell();
    });
    // A slider over the steps is what it is to a screen reader, too.
    svg.setAttribute('role', 'slider');
    svg.setAttribute('tabindex', '0');
    svg.setAttribute('aria-valuemin', steps[0]);
    svg.setAttribute('aria-valuemax', steps[steps.length - 1]);
    svg.setAttribute('aria-valuenow', steps[place]);
  };

  const fill = (details) => {
    const figure = details.closest('figure');
    const plot = JSON.parse(figure.querySelector('svg[data-plot]').dataset.plot);
    const { node, show } = report;
    const names = ['step', ...plot.curves.map((c) => c.name)];
    const head = node('tr', {}, ...names.map((name) => node('th', { scope: 'col' }, name)));
    const steps = stepsOf(plot);
    const maps = plot.curves.map((c) => new Map(c.points.map((p) => [p[0], p[1]])));
    const rows = steps.map((step) => {
      const values = maps.map((map) => node('td', {}, show(map.get(step), plot.kind)));
      return node('tr', {}, node('th', { scope: 'row' }, String(step)), ...values);
    });
    const caption = node('caption', { class: 'hidden' }, plot.title);
    const table = node('table', {}, caption, node('thead', {}, head), node('tbody', {}, ...rows));
    details.append(node('div', { class: 'scroll', tabindex: '0' }, table));
  };

  for (const svg of root.querySelectorAll('svg[data-plot]')) {
    // What is hidden on this screen need not be prepared; it is when it is first pointed at.
    const once = () => { if (!svg.dataset.ready) { svg.dataset.ready = 'yes'; lively(svg); } };
    svg.setAttribute('tabindex', '0');
    svg.addEventListener('pointerenter', once, { once: true });
    const focused = () => {
      const fresh = !svg.dataset.ready;
      once();
      if (fresh) svg.dispatchEvent(new Event('focus')); // now that somebody listens
    };
    svg.addEventListener('focus', focused, { once: true });
  }
  for (const details of root.querySelectorAll('details.values')) {
    details.addEventListener('toggle', () => { if (details.open && details.children.length === 1) fill(details); });
  }
};
report.charts(document);

// The data of the completion browser: unpacked from the page when it is first needed (or fetched, under --serve).
'use strict';
report.data = (() => {
  const KEPT = 48; // parts in memory at once
  const parts = new Map();
  let index = null;

  const bytes = async (name) => {
    const holder = document.getElementById(`data-${name}`);
    if (!holder) return new Uint8Array(await (await fetch(`data/${name}`, { cache: 'no-store' })).arrayBuffer());
    const text = holder.textContent.trim();
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  };
  const unpack = async (name) => {
    const stream = new Blob([await bytes(name)]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Response(stream).json();
  };

  // Rows of the index as objects, with what lists and filters go by; completions of a group lie at [start, start + size).
  const prepare = (raw) => {
    let start = 0;
    const firsts = new Map();
    const groups = raw.groups.map(([split, step, group, prompt, part, place, size], number) => {
      const g = { number, split, step, group, prompt, part, place, size, start };
      let sum = 0;
      let counted = 0;
      g.low = Infinity;
      g.high = -Infinity;
      g.longest = 0;
      g.truncated = 0;
      for (let i = start; i < start + size; i += 1) {
        const reward = raw.reward[i];
        if (typeof reward === 'number') {
          sum += reward;
          counted += 1;
          g.low = Math.min(g.low, reward);
          g.high = Math.max(g.high, reward);
        }
        g.longest = Math.max(g.longest, raw.length[i] || 0);
        g.truncated += raw.truncated[i];
      }
      g.mean = counted ? sum / counted : null;
      g.spread = counted ? g.high - g.low : 0;
      start += size;
      const key = `${split} ${prompt}`;
      if (!firsts.has(key) || firsts.get(key).step > step) firsts.set(key, g);
      return g;
    });
    let low = Infinity;
    let high = -Infinity;
    for (const g of groups) {
      low = Math.min(low, g.low);
      high = Math.max(high, g.high);
      const first = firsts.get(`${g.split} ${g.prompt}`);
      g.first = first !== g && first.step < g.step ? first : null;
      g.gain = g.first && g.mean !== null && g.first.mean !== null ? g.mean - g.first.mean : null;
    }
    return { ...raw, groups, low, high };
  };

  return {
    index: () => { index = index || unpack('index').then(prepare); return index; },
    part: (number) => {
      if (!parts.has(number)) {
        if (parts.size >= KEPT) parts.delete(parts.keys().next().value);
        parts.set(number, unpack(`part-${number}`));
      }
      return parts.get(number);
    },
    forget: () => { index = null; parts.clear(); },
  };
})();

// Words that came and went between two texts: a longest common subsequence, over whole words.
report.difference = (before, after) => {
  const MOST = 1200;
  const split = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) || [];
  const a = split(before);
  const b = split(after);
  if (a.length > MOST || b.length > MOST) return null;
  const width = b.length + 1;
  const table = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = a[i] === b[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
  }
  const pieces = [];
  const push = (kind, text) => {
    const last = pieces[pieces.length - 1];
    if (last && last.kind === kind) last.text += text;
    else pieces.push({ kind, text });
  };
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { push('same', a[i]); i += 1; j += 1; }
    else if (i < a.length && (j === b.length || table[(i + 1) * width + j] >= table[i * width + j + 1])) { push('del', a[i]); i += 1; }
    else { push('ins', b[j]); j += 1; }
  }
  return pieces;
};

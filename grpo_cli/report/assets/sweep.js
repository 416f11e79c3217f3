// Pointing at a job in any plot or table of a sweep shows it in all of them; a line below the plot says which it is.
'use strict';
report.jobs = (root) => {
  const show = (number) => {
    for (const node of document.querySelectorAll('.on')) node.classList.remove('on');
    if (number === null) return;
    for (const node of document.querySelectorAll(`[data-job="${number}"]`)) {
      node.classList.add('on');
      if (node.tagName === 'g') node.parentNode.append(node); // over the others
    }
  };

  const cornersOf = (job) => {
    const circle = job.querySelector('circle');
    if (circle) return [[Number(circle.getAttribute('cx')), Number(circle.getAttribute('cy'))]];
    return job.querySelector('path').getAttribute('d').slice(1).split('L').map((pair) => pair.split(' ').map(Number));
  };

  const distance = ([px, py], corners) => {
    let best = Math.hypot(corners[0][0] - px, corners[0][1] - py);
    for (let i = 1; i < corners.length; i += 1) {
      const [[ax, ay], [bx, by]] = [corners[i - 1], corners[i]];
      const length = (bx - ax) ** 2 + (by - ay) ** 2;
      const t = length ? Math.max(0, Math.min(1, ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length)) : 0;
      best = Math.min(best, Math.hypot(ax + t * (bx - ax) - px, ay + t * (by - ay) - py));
    }
    return best;
  };

  for (const svg of root.querySelectorAll('svg[data-jobs]')) {
    const jobs = [...svg.querySelectorAll('.job')].map((node) => (
      { node, number: Number(node.dataset.job), told: node.querySelector('title').textContent, corners: cornersOf(node) }));
    if (!jobs.length) continue;
    for (const { node } of jobs) node.querySelector('title').remove(); // the line below tells it, and at once
    const inOrder = [...jobs].sort((a, b) => a.number - b.number);
    const line = svg.closest('figure').querySelector('.told-job');
    const rest = line.textContent;
    let place = -1;
    const tell = (job) => {
      place = inOrder.indexOf(job);
      show(job.number);
      line.textContent = job.told;
      svg.setAttribute('aria-valuenow', job.number);
      svg.setAttribute('aria-valuetext', job.told);
    };
    const leave = () => { show(null); line.textContent = rest; };
    const follow = (event) => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      const at = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
      let [best, nearest] = [null, 40];
      for (const job of jobs) {
        const far = distance(at, job.corners);
        if (far < nearest) [best, nearest] = [job, far];
      }
      if (best) tell(best); else leave();
    };
    for (const kind of ['pointermove', 'pointerdown']) svg.addEventListener(kind, follow);
    for (const kind of ['pointerleave', 'blur']) svg.addEventListener(kind, leave);
    svg.addEventListener('keydown', (event) => {
      const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -jobs.length, End: jobs.length };
      if (!(event.key in moves)) return;
      event.preventDefault();
      tell(inOrder[Math.min(jobs.length - 1, Math.max(0, place + moves[event.key]))]);
    });
    svg.setAttribute('role', 'slider');
    svg.setAttribute('tabindex', '0');
    svg.setAttribute('aria-valuemin', inOrder[0].number);
    svg.setAttribute('aria-valuemax', inOrder[jobs.length - 1].number);
    svg.setAttribute('aria-valuenow', inOrder[0].number);
  }
  for (const row of root.querySelectorAll('tr[data-job]')) {
    row.addEventListener('pointerenter', () => show(Number(row.dataset.job)));
    row.addEventListener('pointerleave', () => show(null));
  }
};
report.jobs(document);

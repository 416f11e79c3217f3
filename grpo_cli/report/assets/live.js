// Under --serve: looks for news every two seconds and puts them in place, leaving what is open and scrolled as it is.
'use strict';
report.live = (() => {
  let version = document.documentElement.dataset.version;
  const look = async () => {
    try {
      const answer = await fetch('version', { cache: 'no-store' });
      const now = await answer.text();
      if (now !== version) {
        version = now;
        const page = new DOMParser().parseFromString(await (await fetch('./', { cache: 'no-store' })).text(), 'text/html');
        for (const part of document.querySelectorAll('[data-live]')) {
          const fresh = page.getElementById(part.id);
          // A chart somebody is reading stays until they look elsewhere.
          if (!fresh || part.contains(document.activeElement)) continue;
          part.replaceChildren(...document.importNode(fresh, true).childNodes);
          report.charts(part);
          if (report.jobs) report.jobs(part);
        }
        const state = document.getElementById('live');
        if (state) state.textContent = `live, ${new Date().toLocaleTimeString()}`;
        if (report.news) report.news();
      }
    } catch (error) {
      const state = document.getElementById('live');
      if (state) state.textContent = 'no longer live: the server has ended';
    }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
})();

// The board: state, the leaderboard with its filters, what is not done. No request leaves the page: data come as
// scripts beside it, since a page that was opened as a file may fetch nothing.
'use strict';
const astridBoard = (() => {
  const live = document.currentScript.dataset.live === 'yes';
  const waiting = new Map();
  const held = new Map();
  const FIRST = 60; // rows that are drawn at once; more at a click or at the end of the table
  const COLUMNS = {
    rank: 'rank', v: 'validation', t: 'test', status: 'status', data: 'dataset', set: 'samples', model: 'network',
    seed: 'seed', split: 'split', sweep: 'sweep', started: 'began', wall_seconds: 'seconds', fit_seconds: 'seconds of fit',
    cpu_seconds: 'processor seconds', peak_anonymous_mb: 'memory (MB)', energy_wh: 'energy (Wh, estimate)',
  };
  const COSTS = ['wall_seconds', 'fit_seconds', 'cpu_seconds', 'peak_anonymous_mb', 'energy_wh'];
  const TEXTS = new Set(['status', 'data', 'set', 'model', 'split', 'sweep', 'started', 'name']);
  const state = { task: 0, search: '', filters: {}, seeds: false, sort: 'rank', up: true, shown: FIRST, picked: new Set(),
    columns: null };
  let board = null;

  const el = (name, set = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(set)) {
      if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
      else if (value === true) made.setAttribute(key, '');
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  };
  const at = (id) => document.getElementById(id);
  const number = (x, digits = 4) => x === null || x === undefined ? '' : Math.abs(x) >= 1000 ? Math.round(x).toLocaleString('en')
    : String(Number(x.toPrecision(digits)));
  const three = (x) => x === null || x === undefined ? '' : x !== 0 && Math.abs(x) < 0.0005 ? x.toExponential(1) : x.toFixed(3);
  const name = (row) => row.folder && row.folder !== row.name ? `${row.folder} · ${row.name}` : row.name;

  const put = (key, value) => {
    held.set(key, value);
    if (key === 'board') start(value);
    if (key === 'stamp' && board && value !== board.stamp) location.reload();
    (waiting.get(key) || []).forEach((done) => done(value));
    waiting.delete(key);
  };
  // A script beside the page, once; it hands over its data by its own name.
  const load = (key, path) => new Promise((done, failed) => {
    if (held.has(key)) { done(held.get(key)); return; }
    waiting.set(key, [...(waiting.get(key) || []), done]);
    if (waiting.get(key).length > 1) return;
    document.head.append(el('script', { src: path, onerror: () => { waiting.delete(key); failed(new Error(`${path} cannot be read`)); } }));
  });
  const vega = () => held.has('vega') ? Promise.resolve() : new Promise((done, failed) => {
    if (window.vegaEmbed) { done(); return; }
    document.head.append(el('script', { src: 'vega.js', onload: () => { held.set('vega', true); done(); },
      onerror: () => failed(new Error('vega.js cannot be read')) }));
  });
  const trouble = (error) => { at('trouble').hidden = false; at('trouble').textContent = String(error.message || error); console.error(error.stack); };

  const task = () => board.tasks[state.task];
  const mine = () => board.runs.filter((row) => row.task === state.task);

  // The value of a column: a number, a text, or null where there is none.
  const value = (row, column) => {
    if (column === 'v' || column === 't') return row[column][0];
    if (column === 'name') return name(row);
    if (COSTS.includes(column)) return row.cost[column];
    if (column === 'rank') return row.rank ? row.place + row.rank / 1e6 : null; // set by set, those of many runs first
    if (column.startsWith('k:')) return row.k[task().keys.indexOf(column.slice(2))];
    if (column.startsWith('m:')) {
      const [, fold, metric] = column.match(/^m:(val|test)\/(.*)$/);
      const pair = row.m[task().metrics.indexOf(metric)];
      return pair ? pair[fold === 'val' ? 0 : 1] : null;
    }
    const found = row[column];
    return found === undefined || found === '' ? null : found;
  };
  const title = (column) => column.startsWith('k:') || column.startsWith('m:') ? column.slice(2)
    : column === 'v' || column === 't' ? `${task().headline.replace('aucpr', 'AUCPR')}, ${COLUMNS[column]}` : COLUMNS[column] || 'run';
  // Numbers as numbers, texts after them, what is missing last whichever way it is sorted.
  const compare = (a, b, up) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const both = typeof a === 'number' && typeof b === 'number';
    const order = both ? a - b : typeof a === 'number' ? -1 : typeof b === 'number' ? 1
      : String(a).localeCompare(String(b), 'en', { numeric: true });
    return up ? order : -order;
  };

  const passes = (row) => {
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    const text = [row.name, row.path, row.data, row.model, row.split, row.status, row.sweep, row.missions.join(' '),
      ...task().keys.map((key, place) => `${key}=${row.k[place]}`)].join(' ').toLowerCase();
    return words.every((word) => text.includes(word)) && Object.entries(state.filters).every(([key, wanted]) => {
      if (!wanted) return true;
      const got = row[key];
      return Array.isArray(got) ? got.includes(wanted) : String(got) === wanted;
    });
  };
  const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;
  // Runs that differ in seeds alone as one row: the mean, and the spread between seeds beside it.
  const grouped = (rows) => {
    const parts = new Map();
    rows.forEach((row) => {
      const key = row.group && row.status === 'done' ? `${row.group}|${row.kind}` : row.id;
      parts.set(key, [...(parts.get(key) || []), row]);
    });
    return [...parts.values()].map((some) => {
      if (some.length === 1) return some[0];
      const out = { ...some[0], some, seed: null, report: null };
      for (const fold of ['v', 't']) {
        const known = some.map((row) => row[fold][0]).filter((x) => x !== null);
        const middle = known.length ? mean(known) : null;
        const spread = known.length > 1 ? Math.sqrt(known.reduce((sum, x) => sum + (x - middle) ** 2, 0) / (known.length - 1)) : null;
        out[fold] = [middle, null, null];
        out[`${fold}s`] = [spread, known.length];
      }
      out.m = out.m.map((_, place) => [0, 1].map((fold) => {
        const known = some.map((row) => row.m[place][fold]).filter((x) => x !== null);
        return known.length ? mean(known) : null;
      }));
      out.cost = Object.fromEntries(COSTS.map((cost) => {
        const known = some.map((row) => row.cost[cost]).filter((x) => x !== null);
        return [cost, known.length ? mean(known) : null];
      }));
      const sets = new Set(some.map((row) => row.set));
      out.rank = null;
      out.set = [...sets].sort().join(' ');
      return out;
    });
  };
  const filtered = () => {
    const rows = mine().filter(passes);
    const kept = state.seeds ? grouped(rows) : rows;
    return kept.sort((a, b) => compare(value(a, state.sort), value(b, state.sort), state.up)
      || compare(value(a, 'v'), value(b, 'v'), task().lower) || compare(a.path, b.path, true));
  };

  const columns = () => {
    if (state.columns) return state.columns;
    const some = mine();
    const differ = (column) => new Set(some.map((row) => value(row, column))).size > 1;
    return state.columns = ['rank', 'v', 't', ...['status', 'data', 'model'].filter(differ),
      ...task().keys.filter((key) => !key.endsWith('seed') && !key.endsWith('_target_')).slice(0, 3).map((key) => `k:${key}`), 'seed', 'wall_seconds'];
  };
  const spanned = (row, fold) => {
    const [middle, low, high] = row[fold];
    const spread = row[`${fold}s`];
    if (middle === null) return '';
    const beside = spread ? `± ${three(spread[0])} over ${spread[1]} seeds` : low !== null && high !== null ? `${three(low)} to ${three(high)}` : '';
    return beside ? [three(middle), el('br'), el('small', {}, beside)] : [three(middle)];
  };
  const cell = (row, column) => { const made = cellOf(row, column); made.dataset.name = title(column); return made; }; // for print
  const cellOf = (row, column) => {
    if (column === 'v' || column === 't') return el('td', { class: 'n' }, ...spanned(row, column));
    if (column === 'rank') return el('td', { class: 'n' }, ...row.rank ? [`${row.set} ${row.rank}`, el('small', {}, ` of ${row.of}`)] : []);
    if (column === 'status') return el('td', { title: row.reason }, ...progress(row));
    const found = value(row, column);
    return typeof found === 'number' ? el('td', { class: 'n' }, number(found)) : el('td', { class: 't' }, found === null ? '' : String(found));
  };
  const progress = (row) => {
    if (row.status !== 'running') return [row.status];
    const words = row.epoch && row.epochs ? `${row.stage} ${row.epoch} of ${row.epochs}` : row.stage || 'running';
    return row.epoch && row.epochs ? [el('progress', { max: row.epochs, value: row.epoch, 'aria-label': words }), ' ', words] : [words];
  };
  const line = (row) => {
    const ids = (row.some || [row]).map((one) => one.id);
    const all = ids.every((id) => state.picked.has(id));
    const tick = el('input', { type: 'checkbox', 'aria-label': `choose ${name(row)}`, onchange: (event) => {
      ids.forEach((id) => event.target.checked ? state.picked.add(id) : state.picked.delete(id));
      event.target.closest('tr').classList.toggle('picked', event.target.checked);
      chosen();
    } });
    tick.checked = all;
    const label = row.report ? el('a', { href: row.report, title: row.path }, name(row)) : el('span', { class: 'name', title: row.path }, name(row));
    return el('tr', { class: `${row.status}${all ? ' picked' : ''}` }, el('th', { scope: 'row' }, tick, label),
      ...columns().map((column) => cell(row, column)));
  };
  const sorter = (column) => el('button', { type: 'button', onclick: () => {
    state.up = state.sort === column ? !state.up : TEXTS.has(column) || column === 'rank' || !['v', 't'].includes(column) || task().lower;
    state.sort = column;
    draw();
    document.querySelector(`#table [data-column="${CSS.escape(column)}"] button`).focus();
  } }, title(column));
  const drawTable = () => {
    const rows = filtered();
    const heads = ['name', ...columns()].map((column) => {
      const plain = !TEXTS.has(column) && !column.startsWith('k:') ? 'n' : '';
      return el('th', { scope: 'col', class: plain, 'data-column': column,
        'aria-sort': state.sort === column ? (state.up ? 'ascending' : 'descending') : null }, sorter(column));
    });
    const body = el('tbody', {}, ...rows.slice(0, state.shown).map(line));
    const box = el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Leaderboard' },
      el('table', { class: 'sortable wide' }, el('thead', {}, el('tr', {}, ...heads)), body));
    const add = () => { const from = state.shown; state.shown += 200; body.append(...rows.slice(from, state.shown).map(line)); tell(rows); };
    box.addEventListener('scroll', () => { if (state.shown < rows.length && box.scrollTop + box.clientHeight > box.scrollHeight - 300) add(); });
    const more = el('button', { type: 'button', id: 'more', onclick: add }, 'Show 200 more');
    at('table').replaceChildren(box, more);
    tell(rows);
  };
  const tell = (rows) => {
    const all = mine().length;
    const sets = new Set(rows.filter((row) => row.v[0] !== null).map((row) => row.set));
    const shown = Math.min(state.shown, rows.length);
    at('said').textContent = `${rows.length} of ${all} ${state.seeds ? 'runs and configurations' : 'runs'}${shown < rows.length ? `, the first ${shown} drawn` : ''}. `
      + `Ordered by ${state.sort === 'rank' ? 'validation' : title(state.sort)}; what the test says stands beside it and is nothing to choose by. `
      + (sets.size > 1 ? `They were validated on ${sets.size} different sets of samples (A, B, ...): a rank counts within its own set.` : '');
    at('more').hidden = state.shown >= rows.length;
  };

  const choice = (label, key, options, blank = 'all') => el('label', {}, label, el('select', { 'data-filter': key, onchange: (event) => {
    state.filters[key] = event.target.value; state.shown = FIRST; draw();
  } }, el('option', { value: '' }, blank), ...options.map((text) => el('option', { value: text, selected: state.filters[key] === text }, text))));
  const drawFilters = () => {
    const some = mine();
    const values = (key) => [...new Set(some.flatMap((row) => row[key]).filter((x) => x !== '' && x !== null && x !== undefined).map(String))]
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    const menus = [['status', 'status'], ['dataset', 'data'], ['samples', 'set'], ['mission', 'missions'], ['network', 'model'], ['kind', 'kind'], ['sweep', 'sweep']]
      .map(([label, key]) => [label, key, values(key)]).filter(([, , options]) => options.length > 1);
    const possible = [...Object.keys(COLUMNS).filter((c) => c !== 'energy_wh' || some.some((row) => row.cost.energy_wh !== null)),
      ...task().keys.map((key) => `k:${key}`), ...task().metrics.flatMap((metric) => [`m:val/${metric}`, `m:test/${metric}`])];
    const checks = possible.map((column) => {
      const box = el('input', { type: 'checkbox', value: column, onchange: (event) => {
        state.columns = event.target.checked ? [...columns(), column] : columns().filter((other) => other !== column);
        drawTable();
      } });
      box.checked = columns().includes(column);
      return el('label', {}, box, title(column));
    });
    const seeds = el('input', { type: 'checkbox', id: 'seeds', onchange: (event) => { state.seeds = event.target.checked; draw(); } });
    seeds.checked = state.seeds;
    const find = el('input', { type: 'search', placeholder: 'search: words, lr=0.001', 'aria-label': 'search', value: state.search,
      oninput: (event) => { state.search = event.target.value; state.shown = FIRST; draw(); } });
    at('filters').replaceChildren(find, ...menus.map(([label, key, options]) => choice(label, key, options)),
      el('label', {}, seeds, 'seeds together: mean and spread'),
      el('details', {}, el('summary', {}, 'Columns'), el('div', { class: 'checks', id: 'columns' }, ...checks)));
  };
  const drawTasks = () => {
    at('tasks').replaceChildren(...board.tasks.map((one, place) => el('button', { type: 'button', role: 'tab', 'aria-selected': String(place === state.task),
      onclick: () => { Object.assign(state, { task: place, filters: {}, columns: null, sort: 'rank', up: true, shown: FIRST }); drawAll(); } },
      `${one.title}, ${one.headline.replace('aucpr', 'AUCPR')} (${board.runs.filter((row) => row.task === place).length})`)));
  };
  const drawBroken = () => {
    const lines = [...board.broken.map((row) => [row, 'broken', row.reason]),
      ...board.runs.filter((row) => !['done', 'running'].includes(row.status)).map((row) => [row, row.status, row.reason || ''])];
    at('broken').replaceChildren(lines.length ? el('div', { class: 'scroll', tabindex: '0' }, el('table', {},
      el('caption', {}, el('span', {}, `${lines.length} folders hold runs that are broken, failed, were stopped or are copies.`)),
      el('thead', {}, el('tr', {}, ...['run', 'state', 'reason', 'folder'].map((text) => el('th', { scope: 'col' }, text)))),
      el('tbody', {}, ...lines.map(([row, status, reason]) => el('tr', { class: status === 'stopped' ? 'stopped' : 'failed' },
        el('th', { scope: 'row' }, row.name), el('td', {}, status), el('td', {}, reason), el('td', {}, el('code', {}, row.path))))))) : 'Every run is done or on its way, and none is a copy.');
  };
  const drawFolders = () => {
    at('homes').replaceChildren(board.folders.length ? el('ul', {}, ...board.folders.map((one) => el('li', {}, `${one.kind}: `,
      one.page ? el('a', { href: one.page }, one.name) : one.name, ' ', el('code', {}, one.path)))) : 'None was found.');
  };
  const draw = () => { drawTable(); plots(); };
  const drawAll = () => { drawTasks(); drawFilters(); draw(); chosen(); };
  const later = { plots: () => {}, chosen: () => {} };
  const plots = () => later.plots();
  const chosen = () => { remember(); later.chosen(); };
  // The chosen runs stand in the address: a link shows the same ones.
  const remember = () => {
    try { history.replaceState(null, '', state.picked.size ? `#runs=${[...state.picked].join(',')}` : location.pathname + location.search); } catch { /* a file: no history */ }
  };
  const start = (data) => {
    board = data;
    const said = location.hash.match(/^#runs=(.+)$/);
    const known = new Set(board.runs.map((row) => row.id));
    if (said) said[1].split(',').filter((id) => known.has(id)).forEach((id) => state.picked.add(id));
    const first = board.runs.find((row) => state.picked.has(row.id));
    if (first) state.task = first.task;
    if (board.tasks.length) drawAll();
    else at('said').textContent = 'No run has left anything to rank yet.';
    drawBroken();
    drawFolders();
    document.documentElement.dataset.ready = String(Math.round(performance.now())); // ms since the page was asked for
    if (live) setInterval(() => document.head.append(el('script', { src: `data/stamp.js?${Date.now()}`, onload: (event) => event.target.remove() })), 3000);
  };
  const pick = (id) => { if (state.picked.has(id)) state.picked.delete(id); else state.picked.add(id); drawTable(); chosen(); };
  const api = { put, load, vega, el, at, number, three, name, value, title, trouble, state, later, filtered, mine, task, pick, COSTS, COLUMNS };
  Object.defineProperty(api, 'board', { get: () => board });
  return api;
})();

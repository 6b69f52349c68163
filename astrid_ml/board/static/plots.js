// Plots over the runs that the leaderboard shows, drawn by Vega-Lite when they come into view.
(() => {
  const B = astridBoard;
  const { el, at } = B;
  const PICKED = { key: null, cost: null, axes: null };
  const dark = matchMedia('(prefers-color-scheme: dark)'); // the best is what stands out from the paper
  const AXES = 7; // of the parallel coordinates at first
  const CONFIG = { background: null, font: 'ui-sans-serif, system-ui, "Segoe UI", sans-serif', view: { stroke: null },
    axis: { labelColor: 'var(--soft)', titleColor: 'var(--ink)', titleFontWeight: 'normal', gridColor: 'var(--rule)', domainColor: 'var(--soft)', tickColor: 'var(--soft)', labelFontSize: 12, titleFontSize: 13 },
    legend: { labelColor: 'var(--ink)', titleColor: 'var(--soft)', labelFontSize: 12, labelLimit: 260, titleFontWeight: 'normal' }, header: { labelColor: 'var(--ink)', titleColor: 'var(--soft)' }, text: { color: 'var(--ink)' } };
  const COLOURS = ['var(--a)', 'var(--b)', 'var(--c)', 'var(--d)', '#8a8f1e', '#1f8f8a', '#b03a6b', '#7a6450'];
  // Draw a specification: no expression is made a program (the page forbids it), nothing is fetched, no menus.
  const show = async (id, spec) => {
    const place = at(id);
    try {
      await B.vega();
      const made = await vegaEmbed(place, { $schema: 'https://vega.github.io/schema/vega-lite/v6.json', config: CONFIG, ...spec },
        { ast: true, actions: false, renderer: 'svg', mode: 'vega-lite', loader: { load: () => Promise.reject(new Error('nothing is fetched')) }, tooltip: { theme: 'custom', disableDefaultStyle: true } });
      made.view.addEventListener('click', (event, item) => { if (item && item.datum && item.datum.id) B.pick(item.datum.id); });
      return made;
    } catch (error) { B.trouble(error); return null; }
  };
  const width = (id, most) => Math.max(220, Math.min(at(id).clientWidth - 70, most));
  const known = (rows) => rows.filter((row) => row.v[0] !== null || row.t[0] !== null);
  const fold = (rows) => rows.some((row) => row.v[0] !== null) ? 'v' : 't';
  const metric = (which) => B.title(which);
  const span = (values) => { const low = Math.min(...values); const high = Math.max(...values); return low === high ? [low - 0.5, high + 0.5] : [low, high]; };
  const logarithmic = (values) => values.every((x) => typeof x === 'number' && x > 0) && Math.max(...values) / Math.min(...values) >= 20;
  const differing = (rows, key) => new Set(rows.map((row) => B.value(row, `k:${key}`)).filter((x) => x !== null)).size;
  // Keys of which runs took several values; those with the fewest missing first, seeds and parts of lists last.
  const keys = (rows) => B.task().keys.filter((key) => { const n = differing(rows, key); return n > 1 && (n <= 20 || rows.every((row) => typeof B.value(row, `k:${key}`) !== 'string')); });

  // Where a value lies on its axis, 0 to 1, and what stands beside the axis.
  const axis = (title, values) => {
    const there = values.filter((x) => x !== null);
    if (there.some((x) => typeof x !== 'number')) {
      const names = [...new Set(there.map(String))].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
      const place = new Map(names.map((name, k) => [name, names.length > 1 ? k / (names.length - 1) : 0.5]));
      return { title, of: (x) => x === null ? null : place.get(String(x)), marks: names.map((name) => [place.get(name), name.length > 16 ? `${name.slice(0, 15)}…` : name]) };
    }
    const log = logarithmic(there);
    const scale = (x) => log ? Math.log10(x) : x;
    const [low, high] = span(there.map(scale));
    const of = (x) => x === null ? null : (scale(x) - low) / (high - low);
    const distinct = [...new Set(there)].sort((a, b) => a - b);
    const shown = distinct.length <= 6 ? distinct : [distinct[0], distinct[distinct.length - 1]];
    return { title: log ? `${title} (log)` : title, of, marks: shown.map((x) => [of(x), B.number(x, 3)]) };
  };
  const parallel = (rows) => {
    const which = fold(rows);
    const possible = keys(rows);
    const chosen = (PICKED.axes || possible.filter((key) => !key.endsWith('seed')).slice(0, AXES)).filter((key) => possible.includes(key));
    at('axes').replaceChildren(el('details', {}, el('summary', {}, `Axes: ${chosen.length} of ${possible.length} keys that vary`), el('div', { class: 'checks' }, ...possible.map((key) => {
      const box = el('input', { type: 'checkbox', onchange: (event) => { PICKED.axes = event.target.checked ? [...chosen, key] : chosen.filter((other) => other !== key); draw(); at('axes').querySelector('details').open = true; } });
      box.checked = chosen.includes(key);
      return el('label', {}, box, key);
    }))));
    const some = rows.filter((row) => row[which][0] !== null);
    if (!some.length || !chosen.length) { at('parallel').replaceChildren(); return; }
    const columns = [...chosen.map((key) => `k:${key}`), which];
    const axes = columns.map((column) => axis(column === which ? metric(which) : B.title(column), some.map((row) => B.value(row, column))));
    const across = Math.max(axes.length * 78, Math.min(at('parallel').clientWidth - 70, 1180));
    const most = Math.max(8, Math.min(19, Math.floor(across / axes.length / 7))); // letters that fit above an axis
    const short = (text) => { const last = text.replace(/\._target_$/, '').split('.').slice(-2).join('.'); return last.length > most ? `…${last.slice(1 - most)}` : last; };
    const lines = some.flatMap((row) => axes.map((one, place) => ({ id: row.id, run: B.name(row), x: place, y: one.of(B.value(row, columns[place])), m: row[which][0],
      picked: B.state.picked.has(row.id) })).filter((point) => point.y !== null && point.y !== undefined));
    const marks = axes.flatMap((one, place) => one.marks.map(([y, text]) => ({ x: place, y, text })));
    const heads = axes.map((one, place) => ({ x: place, y: 1, text: short(one.title) }));
    const x = { field: 'x', type: 'quantitative', title: null, axis: null, scale: { domain: [-0.15, axes.length - 0.85], nice: false } };
    const y = { field: 'y', type: 'quantitative', title: null, axis: null, scale: { domain: [-0.02, 1.14], nice: false } };
    show('parallel', { width: across, height: 330, layer: [
      { data: { values: axes.map((_, place) => ({ x: place, low: 0, high: 1 })) }, mark: { type: 'rule', color: 'var(--soft)' }, encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } } },
      { data: { values: lines }, mark: { type: 'line', interpolate: 'monotone', cursor: 'pointer' }, params: [{ name: 'over', select: { type: 'point', on: 'pointerover', clear: 'pointerout', fields: ['id'] } }],
        encoding: { x, y, detail: { field: 'id' }, tooltip: [{ field: 'run' }, { field: 'm', title: metric(which), format: '.3f' }],
          color: { field: 'm', type: 'quantitative', title: metric(which), scale: { scheme: { name: 'viridis', extent: dark.matches ? [0.25, 1] : [0, 0.92] }, reverse: B.task().lower === dark.matches }, legend: { gradientLength: 160, orient: 'bottom', direction: 'horizontal', titleOrient: 'left' } },
          strokeWidth: { condition: [{ param: 'over', empty: false, value: 4 }, { test: 'datum.picked', value: 3.5 }], value: 1.4 },
          opacity: { condition: [{ param: 'over', empty: false, value: 1 }, { test: 'datum.picked', value: 1 }], value: some.length > 150 ? 0.3 : 0.65 } } },
      { data: { values: marks }, mark: { type: 'text', align: 'left', dx: 5, fontSize: 11.5, stroke: 'var(--paper)', strokeWidth: 3, color: 'var(--paper)', aria: false }, encoding: { x, y, text: { field: 'text' } } },
      { data: { values: marks }, mark: { type: 'text', align: 'left', dx: 5, fontSize: 11.5, color: 'var(--ink)' }, encoding: { x, y, text: { field: 'text' } } },
      { data: { values: heads }, mark: { type: 'text', dy: -16, fontSize: 12, color: 'var(--ink)' }, encoding: { x, y, text: { field: 'text' } } },
    ] });
  };

  const select = (id, label, options, chosen, then) => at(id).replaceChildren(el('label', {}, label, el('select', { onchange: (event) => then(event.target.value) },
    ...options.map(([name, text]) => el('option', { value: name, selected: name === chosen }, text)))));
  const scatter = (id, rows, column, title) => {
    const which = fold(rows);
    const some = rows.filter((row) => row[which][0] !== null && B.value(row, column) !== null);
    if (!some.length) { at(id).replaceChildren(); return; }
    const values = some.map((row) => B.value(row, column));
    const numbers = values.every((x) => typeof x === 'number');
    const whole = numbers && values.every(Number.isInteger) && new Set(values).size <= 12;
    const few = numbers && new Set(values).size === 1;
    const points = some.map((row, k) => ({ id: row.id, run: B.name(row), x: values[k], m: row[which][0], low: row[which][1], high: row[which][2], set: row.set || '', picked: B.state.picked.has(row.id) }));
    const sets = [...new Set(points.map((point) => point.set))].sort();
    const x = { field: 'x', type: numbers ? 'quantitative' : 'nominal', title, axis: whole ? { values: [...new Set(values)], format: 'd' } : numbers ? { tickCount: 5, labelFlush: false } : { labelAngle: values.some((text) => String(text).length > 9) ? -35 : 0, labelLimit: 130 },
      ...(numbers ? { scale: logarithmic(values) ? { type: 'log', nice: false, padding: 14 } : { zero: false, nice: true, padding: few ? 60 : 10 } } : {}) };
    const y = { field: 'm', type: 'quantitative', title: metric(which), scale: { zero: false, padding: 10 } };
    const colour = { field: 'set', type: 'nominal', title: 'samples', scale: { domain: sets.slice(0, 8), range: COLOURS }, legend: sets.length > 1 ? { orient: 'top' } : null };
    const layer = [{ mark: { type: 'point', filled: true, size: 55, opacity: 0.75, cursor: 'pointer' }, encoding: { x, y, color: colour,
      stroke: { condition: { test: 'datum.picked', value: 'var(--ink)' }, value: null }, strokeWidth: { value: 2.2 }, size: { condition: { test: 'datum.picked', value: 130 }, value: 55 },
      tooltip: [{ field: 'run' }, { field: 'x', title }, { field: 'm', title: metric(which), format: '.3f' }] } }];
    if (points.length <= 40) layer.unshift({ transform: [{ filter: 'isValid(datum.low) && isValid(datum.high)' }], mark: { type: 'rule', opacity: 0.35 },
      encoding: { x, y: { field: 'low', type: 'quantitative', title: metric(which) }, y2: { field: 'high' }, color: colour } });
    show(id, { width: width(id, 460), height: 270, data: { values: points }, layer });
  };
  const drawParameter = (rows) => {
    const possible = keys(rows);
    if (!possible.length) { at('pick-key').replaceChildren(); at('parameter').replaceChildren(); return; }
    const key = possible.includes(PICKED.key) ? PICKED.key : possible.find((one) => !one.endsWith('seed')) || possible[0];
    select('pick-key', 'key', possible.map((one) => [one, one]), key, (value) => { PICKED.key = value; drawParameter(rows); });
    scatter('parameter', rows, `k:${key}`, key);
  };
  const drawCost = (rows) => {
    const possible = B.COSTS.filter((cost) => rows.some((row) => row.cost[cost] !== null));
    if (!possible.length) { at('pick-cost').replaceChildren(); at('cost').replaceChildren(); return; }
    const cost = possible.includes(PICKED.cost) ? PICKED.cost : possible[0];
    select('pick-cost', 'cost', possible.map((one) => [one, B.COLUMNS[one]]), cost, (value) => { PICKED.cost = value; drawCost(rows); });
    scatter('cost', rows, cost, B.COLUMNS[cost]);
  };
  // A heat map as Vega draws it: the darker, the higher, with its number on it.
  const heat = (id, cells, title) => {
    const there = cells.filter((cell) => cell.v !== null);
    if (!there.length) { at(id).replaceChildren(); return; }
    const columns = [...new Set(cells.map((cell) => cell.x))];
    const rows = [...new Set(cells.map((cell) => cell.y))];
    const x = { field: 'x', type: 'nominal', sort: columns, title: null, axis: { orient: 'top', labelAngle: 0, domain: false, ticks: false } };
    const y = { field: 'y', type: 'nominal', sort: rows, title: null, axis: { domain: false, ticks: false, labelLimit: Math.min(330, at(id).clientWidth * 0.45) } };
    show(id, { title: title ? { text: title, anchor: 'start', color: 'var(--soft)', fontWeight: 'normal', fontSize: 13 } : undefined, width: { step: 84 }, height: { step: 30 }, data: { values: there }, layer: [
      { mark: { type: 'rect', color: 'var(--a)', stroke: 'var(--paper)', strokeWidth: 2, cursor: 'pointer' }, encoding: { x, y, fillOpacity: { field: 'v', type: 'quantitative', legend: null, scale: { domain: span(there.map((cell) => cell.v)), range: [0.06, 0.6] } },
        tooltip: [{ field: 'y', title: 'run' }, { field: 'x', title: 'tested on' }, { field: 'v', title: 'AUCPR', format: '.3f' }, { field: 'ends', title: '95 % interval' }] } },
      { mark: { type: 'text', fontSize: 12, color: 'var(--ink)', tooltip: false }, encoding: { x, y, text: { field: 'v', format: '.3f' } } },
    ] });
  };
  const LINES = 15;
  const drawMissions = (rows) => {
    const some = rows.filter((row) => Object.keys(row.by).length && (!B.state.picked.size || B.state.picked.has(row.id)));
    const seen = (some.length ? some : rows.filter((row) => Object.keys(row.by).length)).slice(0, LINES);
    const missions = [...new Set(seen.flatMap((row) => Object.keys(row.by)))].sort();
    const names = new Map();
    seen.forEach((row) => { const held = B.value(row, 'k:split.held_out'); const text = `${row.rank ? `${row.set}${row.rank} ` : ''}${B.name(row)}${held && held !== 'none' ? `, without ${held}` : ''}`; names.set(row.id, [...names.values()].includes(text) ? `${text} ${row.id.slice(0, 4)}` : text); });
    const cells = seen.flatMap((row) => missions.map((mission) => { const [v, low, high] = row.by[mission] || [null, null, null];
      return { id: row.id, y: names.get(row.id), x: mission, v, ends: low === null ? 'none: too few groups' : `${B.three(low)} to ${B.three(high)}` }; }));
    heat('by-mission', cells, cells.length ? `AUCPR on the test samples of each mission; ${some.length && B.state.picked.size ? 'the chosen runs' : `the first ${seen.length} of the leaderboard`}` : '');
    if (!cells.length) at('by-mission').replaceChildren(el('p', { class: 'soft' }, 'No run that is shown was tested by mission.'));
  };
  const drawMatrices = () => {
    if (at('matrices').childElementCount) return;
    B.board.matrices.forEach((matrix, k) => { at('matrices').append(el('div', { class: 'plot', id: `matrix-${k}` })); heat(`matrix-${k}`, matrix.cells, matrix.title); });
  };
  const PARTS = { parallel: parallel, parameter: drawParameter, cost: drawCost, 'by-mission': (rows) => { drawMissions(rows); drawMatrices(); } };
  const dirty = new Set(Object.keys(PARTS));
  const visible = new Set();
  const now = () => { if (!B.board || !B.board.tasks.length) return; const rows = known(B.filtered()); for (const id of visible) if (dirty.delete(id)) PARTS[id](rows); };
  const watcher = new IntersectionObserver((entries) => { entries.forEach(({ target, isIntersecting }) => isIntersecting ? visible.add(target.id) : visible.delete(target.id)); now(); }, { rootMargin: '250px' });
  let timer = 0;
  const draw = () => { Object.keys(PARTS).forEach((id) => dirty.add(id)); clearTimeout(timer); timer = setTimeout(now, 60); };
  Object.keys(PARTS).forEach((id) => watcher.observe(at(id)));
  dark.addEventListener('change', draw);
  let wide = innerWidth; // a phone that is turned; its bars that come and go change the height alone
  addEventListener('resize', () => { if (innerWidth !== wide) { wide = innerWidth; draw(); } });
  addEventListener('beforeprint', () => { Object.keys(PARTS).forEach((id) => visible.add(id)); now(); });
  B.later.plots = draw;
  Object.assign(B, { show, width, COLOURS });
})();

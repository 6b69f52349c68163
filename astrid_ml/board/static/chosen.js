// The chosen runs side by side: curves, paired differences, what differs, where they come from, where they disagree.
(() => {
  const B = astridBoard;
  const { el, at } = B;
  const MOST = 8; // runs side by side
  const CURVES = [
    ['pr', 'Precision against recall', 'recall', 'precision', 'step-before', {}],
    ['roc', 'ROC', 'false positive rate', 'recall', 'linear', { type: 'log', domain: [1e-4, 1], clamp: true, nice: false }],
    ['reliability', 'Reliability', 'predicted probability', 'observed share', 'linear', {}],
  ];
  const tableOf = (caption, heads, lines) => el('div', { class: 'scroll', tabindex: '0' }, el('table', { class: heads.length > 5 ? 'wide' : '' }, el('caption', {}, el('span', {}, caption)),
    el('thead', {}, el('tr', {}, ...heads.map((head) => el('th', { scope: 'col' }, head)))),
    el('tbody', {}, ...lines.map((line) => el('tr', {}, ...line.map((cell, k) => {
      const made = cell instanceof HTMLElement && cell.tagName === 'TD' ? cell : el(k ? 'td' : 'th', k ? {} : { scope: 'row' }, cell);
      if (k) made.dataset.name = heads[k] instanceof HTMLElement ? heads[k].textContent : heads[k]; // for print
      return made;
    }))))));
  let turn = 0;

  const overlay = (id, [kind, , xTitle, yTitle, interpolate, scale], runs, details) => {
    const floor = kind === 'roc' ? 1e-4 : 0;
    const values = runs.flatMap((row, k) => { const curve = (details[k].curves || {})[kind]; return curve ? curve[0].map((x, i) => ({ run: B.label(row), x: Math.max(x, floor), y: curve[1][i], i })) : []; });
    if (!values.length) { at(id).replaceChildren(el('p', { class: 'soft' }, kind === 'reliability' ? 'None of these runs gives calibrated probabilities of two classes.' : 'None of these runs leaves two-class predictions of test samples.')); return; }
    const x = { field: 'x', type: 'quantitative', title: xTitle, scale: { domain: [0, 1], nice: false, ...scale }, axis: { tickCount: 5, format: kind === 'roc' ? '~g' : undefined, values: kind === 'roc' ? [1e-4, 1e-3, 0.01, 0.1, 1] : undefined } };
    const y = { field: 'y', type: 'quantitative', title: yTitle, scale: { domain: [0, 1], nice: false }, axis: { tickCount: 5 } };
    const color = { field: 'run', type: 'nominal', legend: null, scale: { domain: runs.map(B.label), range: B.COLOURS } };
    const layer = [{ mark: { type: 'line', interpolate, strokeWidth: 2, point: kind === 'reliability' ? { size: 40 } : false }, encoding: { x, y, color, order: { field: 'i' }, tooltip: [{ field: 'run' }, { field: 'x', title: xTitle, format: '.3g' }, { field: 'y', title: yTitle, format: '.3g' }] } }];
    if (kind === 'reliability') layer.unshift({ data: { values: [{ x: 0, y: 0 }, { x: 1, y: 1 }] }, mark: { type: 'line', color: 'var(--soft)', strokeDash: [5, 4] }, encoding: { x, y } });
    B.show(id, { width: B.width(id, 400), height: 260, data: { values }, layer });
  };
  // First less second of two chosen runs, from what was computed when the board was built.
  const difference = (a, b) => {
    const part = (B.board.pairs || {})[`${a.task}-${a.set}`];
    if (a.task !== b.task) return ['another task: no metric in common', null];
    if (!a.set || a.set !== b.set) return ['other samples: not comparable', null];
    if (!part) return ['not computed', null];
    for (const [key, sign] of [[`${a.id}|${b.id}`, 1], [`${b.id}|${a.id}`, -1]]) {
      const found = part.differences[key];
      if (found) return [null, sign > 0 ? found : [-found[0], -found[2], -found[1]]];
      if (part.why[key]) return [part.why[key], null];
    }
    return [part.why[a.id] || part.why[b.id] || part.why[''] || 'not computed: not among the best of these samples', null];
  };
  const signed = (x) => `${x >= 0 ? '+' : '−'}${Math.abs(x).toFixed(3)}`;
  const differences = (runs) => {
    const part = runs.map((row) => (B.board.pairs || {})[`${row.task}-${row.set}`]).find(Boolean);
    const pairs = runs.flatMap((a) => runs.filter((b) => b !== a).map((b) => difference(a, b)));
    const lines = runs.map((a) => [B.tagged(a), ...runs.map((b) => {
      if (a === b) return el('td', { class: 'diff' }, '–');
      const [why, found] = difference(a, b);
      if (why) return el('td', { class: 'diff' }, el('small', { title: why }, why.length > 44 ? `${why.slice(0, 43)}…` : why));
      const sure = found[1] > 0 || found[2] < 0;
      return el('td', { class: `diff${sure ? ' sure' : ''}` }, signed(found[0]), el('br'), el('small', {}, `${signed(found[1])} to ${signed(found[2])}`));
    })]);
    const title = part && part.title ? `${part.title} of the row less that of the column, on the ${part.samples.toLocaleString('en')} test samples that both have, with paired 95 % intervals by group. Bold: the interval leaves 0 out. Nothing is corrected for the number of pairs.`
      : 'No pair of these runs was compared.';
    const out = [tableOf(title, ['', ...runs.map((row) => B.tagged(row))], lines)];
    if (B.board.tasks[runs[0].task].headline === 'aucpr' && pairs.some(([why]) => why && why.startsWith('not computed'))) {
      out.push(el('p', { class: 'soft' }, 'The board compares the best runs of each set of samples. These too are compared by: '), el('pre', {}, `astrid compare runs='[${runs.map((row) => `"${row.path}"`).join(',')}]' output_dir=compare`));
    }
    return out;
  };
  const changed = (runs, details) => {
    const keys = [...new Set(details.flatMap((one) => Object.keys(one.config)))].filter((key) => !key.startsWith('paths.'));
    const text = (x) => x === undefined ? '(absent)' : x === null ? 'null' : String(x);
    const lines = keys.map((key) => [key, ...details.map((one) => text(one.config[key]))]).filter(([, ...cells]) => new Set(cells).size > 1);
    if (!lines.length) return [el('p', { class: 'soft' }, runs.length > 1 ? 'Their configurations are the same.' : 'Choose a second run to see what changed between them.')];
    return [tableOf(`${lines.length} of ${keys.length} keys of the configurations differ.`, ['key', ...runs.map((row) => B.tagged(row))], lines)];
  };
  const origins = (runs, details) => {
    const names = [...new Set(details.flatMap((one) => Object.keys(one.lineage)))];
    return [tableOf('Where they come from.', ['', ...runs.map((row) => B.tagged(row))], names.map((name) => [name, ...details.map((one) => one.lineage[name] || '')]))];
  };
  const numbers = (runs) => {
    const metrics = B.board.tasks[runs[0].task].metrics;
    if (runs.some((row) => row.task !== runs[0].task)) return [el('p', { class: 'soft' }, 'They are of several tasks, which share no metric.')];
    const lines = metrics.flatMap((metric, k) => ['val', 'test'].map((fold, f) => [`${fold}/${metric}`, ...runs.map((row) => B.number(row.m[k][f]))])).filter(([, ...cells]) => cells.some(Boolean));
    const head = B.board.tasks[runs[0].task].headline;
    const spanned = (triple) => triple[0] === null ? '' : `${B.three(triple[0])}${triple[1] === null ? '' : ` (${B.three(triple[1])} to ${B.three(triple[2])})`}`;
    const heads = () => ['', ...runs.map((row) => B.tagged(row))];
    return [tableOf('The metric that orders, with 95 % intervals.', heads(), [[`val/${head}`, ...runs.map((row) => spanned(row.v))], [`test/${head}`, ...runs.map((row) => spanned(row.t))]]),
      el('details', {}, el('summary', {}, `${lines.length} more metrics`), tableOf('Without intervals, which stand in the reports.', heads(), lines))];
  };
  const samples = async (runs) => {
    const place = at('disagreed');
    const key = runs.map((row) => `${row.task}-${row.set}`).find((name) => B.board.pairs[name]);
    if (!key) { place.replaceChildren(el('p', { class: 'soft' }, 'Samples are set side by side where at least two runs were tested on the same ones.')); return; }
    const part = await B.load(`pairs/${key}`, `data/pairs/${key}.js`);
    const ids = new Set(runs.map((row) => row.id));
    const names = new Map(B.board.runs.map((row) => [row.id, row]));
    const shown = part.disagreed.map((one) => el('figure', {}, one.png ? el('img', { src: one.png, alt: `sample ${one.id}` }) : null,
      el('figcaption', {}, el('b', {}, one.id), `label ${one.label}`, ...Object.entries(one.p).filter(([id]) => runs.length < 2 || ids.has(id) || ![...ids].some((own) => own in one.p))
        .flatMap(([id, p]) => [el('br'), `${B.three(p)} ${names.has(id) ? B.label(names.get(id)) : id}`]))));
    place.replaceChildren(el('p', { class: 'soft' }, part.words), el('div', { class: 'samples' }, ...shown));
  };
  const draw = async () => {
    const mineTurn = ++turn;
    const place = (row) => row.rank ? row.place + row.rank / 1e6 : Infinity; // by validation, as in the leaderboard
    const all = B.board.runs.filter((row) => B.state.picked.has(row.id)).sort((a, b) => a.task - b.task || (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : 0));
    const runs = all.slice(0, MOST);
    if (!runs.length) { at('picked').replaceChildren(el('p', { class: 'soft' }, 'Tick runs in the leaderboard, or click a mark of a plot: their curves, differences, configurations and origins stand here.')); return; }
    let details;
    try { details = await Promise.all(runs.map((row) => B.load(`run/${row.id}`, `data/runs/${row.id}.js`))); } catch (error) { B.trouble(error); return; }
    if (mineTurn !== turn) return;
    const taken = new Map();
    B.board.runs.forEach((row) => taken.set(row.folder, (taken.get(row.folder) || 0) + 1));
    B.label = (row) => taken.get(row.folder) > 1 ? `${row.path.split('/').slice(-2).join('/')} (${row.id.slice(0, 4)})` : row.folder;
    B.tagged = (row) => el('span', {}, el('i', { class: 'swatch', style: `background:${B.COLOURS[runs.indexOf(row)]}` }), B.label(row));
    const list = el('ul', { style: 'list-style:none;padding-left:0' }, ...runs.map((row) => el('li', {}, B.tagged(row), ' ', row.report ? el('a', { href: row.report }, 'report') : null, ' ',
      el('button', { type: 'button', onclick: () => B.pick(row.id), 'aria-label': `leave out ${B.name(row)}` }, 'leave out'))));
    const some = details.some((one) => Object.keys(one.curves).length);
    const why = [...new Set(details.map((one) => one.why).filter(Boolean))];
    at('picked').replaceChildren(
      all.length > MOST ? el('p', { class: 'soft' }, `${all.length} are chosen; the first ${MOST} stand side by side.`) : '', list,
      some ? el('div', { class: 'grid2' }, ...CURVES.map(([kind, title]) => el('div', {}, el('h3', {}, title), el('div', { class: 'plot', id: `curve-${kind}` })))) : '',
      why.length ? el('p', { class: 'soft' }, `${some ? 'Some have no curves' : 'None has curves'}: ${why.join('; ')}.`) : '',
      el('h3', {}, 'Differences'), ...differences(runs), el('h3', {}, 'What changed between them'), ...changed(runs, details), el('h3', {}, 'Metrics'), ...numbers(runs),
      el('h3', {}, 'Origins'), ...origins(runs, details), el('h3', {}, 'Samples that runs disagree on'), el('div', { id: 'disagreed' }));
    if (some) CURVES.forEach((curve) => overlay(`curve-${curve[0]}`, curve, runs, details));
    samples(runs).catch(B.trouble);
  };
  B.later.chosen = draw;
})();

// Sort a table by a click on the head of a column: numbers as numbers, empty cells last.
document.querySelectorAll('table.sortable').forEach((table) => {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((th, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = th.textContent;
    th.replaceChildren(button);
    const key = (row) => {
      const cell = row.cells[column];
      const text = (cell.dataset.sort ?? cell.textContent).replace(/,/g, '').trim();
      const number = Number(text);
      return text === '' ? null : Number.isNaN(number) ? text : number;
    };
    button.addEventListener('click', () => {
      const up = th.getAttribute('aria-sort') !== 'ascending';
      const order = (p, q) => {
        const [a, b] = [key(p), key(q)];
        if (a === null || b === null) return (a === null) - (b === null);
        const numbers = typeof a === 'number' && typeof b === 'number';
        const difference = numbers ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });
        return up ? difference : -difference;
      };
      const body = table.tBodies[0];
      [...body.rows].sort(order).forEach((row) => body.appendChild(row));
      heads.forEach((other) => other.removeAttribute('aria-sort'));
      th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    });
  });
});

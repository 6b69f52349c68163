// Sort a table by a click on the head of a column; numbers as numbers.
document.querySelectorAll('table.sortable th').forEach((th, column) => {
  const button = document.createElement('button');
  button.textContent = th.textContent;
  th.replaceChildren(button);
  let up = false;
  const key = (row) => {
    const text = row.cells[column].textContent.replace(/,/g, '');
    const number = parseFloat(text);
    return Number.isNaN(number) ? text : number;
  };
  button.onclick = () => {
    const body = th.closest('table').tBodies[0];
    up = !up;
    const order = (p, q) => (key(p) > key(q) ? 1 : key(p) < key(q) ? -1 : 0) * (up ? 1 : -1);
    [...body.rows].sort(order).forEach((row) => body.appendChild(row));
    th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
  };
});

/** Comma-separated values: read as RFC 4180 has them, and written so that spreadsheets run nothing. */

/**
 * Read CSV.
 *
 * @param {string} content
 * @returns {{line: number, cells: string[], open: boolean}[]} records with the line that each begins on, empty lines
 *   left out; `open`: its last quote is never closed.
 */
export function readCsv(content) {
  const records = [];
  let [cells, cell, quoted, line, begun, place] = [[], "", false, 1, 1, 0];
  const end = (open = false) => {
    cells.push(cell);
    if (cells.length > 1 || cell !== "" || open) records.push({ line: begun, cells, open });
    [cells, cell] = [[], ""];
  };
  while (place < content.length) {
    const sign = content[place];
    place += 1;
    if (sign === "\n") line += 1;
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (content[place] === '"') {
        cell += '"';
        place += 1;
      } else quoted = false;
    } else if (sign === '"' && cell === "") quoted = true;
    else if (sign === ",") {
      cells.push(cell);
      cell = "";
    } else if (sign === "\n") {
      end();
      begun = line;
    } else if (sign !== "\r" || content[place] !== "\n") cell += sign;
  }
  if (cell !== "" || cells.length > 0 || quoted) end(quoted);
  return records;
}

// What makes a spreadsheet take a cell for a formula, also in the wide forms of Chinese input.
const FORMULA = /^[\s\u0000]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;

/**
 * Write CSV: RFC 4180, with the mark by which Excel knows UTF-8.
 *
 * A text that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay numbers.
 *
 * @param {(string|number|null)[][]} records
 * @returns {string}
 */
export function writeCsv(records) {
  return `\ufeff${records.map((record) => record.map(written).join(",")).join("\r\n")}\r\n`;
}

function written(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Reads and writes CSV (RFC 4180); spreadsheets do not run formulas in the output. */

/**
 * Read CSV.
 *
 * @param {string} content
 * @returns {{line: number, cells: string[], unclosed: boolean}[]} records with the line where each starts, without
 *   empty lines; `unclosed`: its last quote is not closed.
 */
export function readCsv(content) {
  const records = [];
  let [cells, cell, quoted, line, firstLine, index] = [[], "", false, 1, 1, 0];
  const end = (unclosed = false) => {
    cells.push(cell);
    if (cells.length > 1 || cell !== "" || unclosed) records.push({ line: firstLine, cells, unclosed });
    [cells, cell] = [[], ""];
  };
  while (index < content.length) {
    const character = content[index];
    index += 1;
    if (character === "\n") line += 1;
    if (quoted) {
      if (character !== '"') cell += character;
      else if (content[index] === '"') {
        cell += '"';
        index += 1;
      } else quoted = false;
    } else if (character === '"' && cell === "") quoted = true;
    else if (character === ",") {
      cells.push(cell);
      cell = "";
    } else if (character === "\n") {
      end();
      firstLine = line;
    } else if (character !== "\r" || content[index] !== "\n") cell += character;
  }
  if (cell !== "" || cells.length > 0 || quoted) end(quoted);
  return records;
}

// A cell that starts like this is a formula for spreadsheets, also with full-width characters.
const FORMULA = /^[\s\u0000]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;

/**
 * Write CSV with a byte order mark, by which Excel detects UTF-8.
 *
 * A text that looks like a formula gets an apostrophe in front; numbers stay numbers.
 *
 * @param {(string|number|null)[][]} records
 * @returns {string}
 */
export function writeCsv(records) {
  return `\ufeff${records.map((record) => record.map(format).join(",")).join("\r\n")}\r\n`;
}

function format(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Reads files of many texts; a bad row has a problem and does not affect the others. */

import { readCsv } from "./csv.js";
import { findProblem } from "./validation.js";

const MAX_SIZE = 50; // MB: the whole file is in memory
const TEXT_FIELDS = ["content", "text", "内容", "正文", "文本", "文字"]; // the first one present is the text
const ID_FIELDS = ["id", "编号"];
const KINDS = { json: readJson, jsonl: readLines, ndjson: readLines, csv: readTable, txt: readPlain };

/** A file that cannot be read: the name of the message, and its values. */
export class FileError extends Error {
  constructor(name, values) {
    super(name);
    this.values = values;
  }
}

/**
 * Read a file.
 *
 * @param {File} file
 * @param {number} limit - maximum characters of a text.
 * @returns {Promise<Object[]>} rows: `number` (of the row from 1, or of its line), `text`, `id`, `state` (`pending` or
 *   `bad`), and `problem` of a bad one: the name of its message, and values.
 * @throws {FileError}
 */
export async function readRows(file, limit) {
  const kind = file.name.toLowerCase().split(".").pop();
  if (!Object.hasOwn(KINDS, kind)) throw new FileError("file.kind", { name: file.name });
  if (file.size > MAX_SIZE * 1e6) {
    throw new FileError("file.large", { name: file.name, size: Math.ceil(file.size / 1e6), limit: MAX_SIZE });
  }
  const bytes = await file.arrayBuffer().catch((error) => {
    throw new FileError("file.unreadable", { name: file.name, reason: error.message });
  });
  const rows = KINDS[kind](decode(bytes), file.name).map((row) => validate(row, limit));
  if (rows.length === 0) throw new FileError("file.empty", { name: file.name });
  return rows;
}

/** Decode bytes: UTF-8, UTF-16 with a byte order mark, or else GB18030, which Chinese spreadsheets write. */
function decode(bytes) {
  const [first, second] = new Uint8Array(bytes.slice(0, 2));
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("gb18030").decode(bytes);
  }
}

function readJson(content, name) {
  let parsed;
  try {
    parsed = JSON.parse(content);
  } catch (error) {
    throw new FileError("file.json", { name, reason: error.message });
  }
  const list = Array.isArray(parsed) ? parsed : parsed?.texts;
  if (!Array.isArray(list)) throw new FileError("file.list", { name });
  return list.map((value, index) => rowOf(value, index + 1));
}

function readLines(content) {
  return numberedLines(content).map(({ line, number }) => {
    let value;
    try {
      value = JSON.parse(line);
    } catch {
      return { number, text: line, id: null, problem: { name: "row.json", values: {} } };
    }
    return rowOf(value, number);
  });
}

function readPlain(content) {
  return numberedLines(content).map(({ line, number }) => ({ number, text: line, id: null }));
}

function readTable(content, name) {
  const [head, ...records] = readCsv(content);
  const names = (head?.cells ?? []).map((cell) => cell.trim().toLowerCase());
  const column = (fields) => names.indexOf(fields.find((field) => names.includes(field)));
  const [textColumn, idColumn] = [column(TEXT_FIELDS), column(ID_FIELDS)];
  if (textColumn < 0) throw new FileError("file.column", { name, found: names.join(", ").slice(0, 200) });
  return records.map(({ line, cells, unclosed }) => {
    const row = { number: line, text: cells[textColumn] ?? "", id: cells[idColumn] || null };
    if (unclosed) row.problem = { name: "row.quote", values: {} };
    else if (cells[textColumn] === undefined) row.problem = { name: "row.missing", values: {} };
    return row;
  });
}

function numberedLines(content) {
  const lines = content.split(/\r\n|\n|\r/).map((line, index) => ({ line, number: index + 1 }));
  return lines.filter(({ line }) => line.trim() !== "");
}

/** Return the row of a JSON value: a text, or an object with a text. */
function rowOf(value, number) {
  if (typeof value === "string") return { number, text: value, id: null };
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return { number, text: "", id: null, problem: { name: "row.object", values: {} } };
  }
  const field = TEXT_FIELDS.find((name) => Object.hasOwn(value, name));
  const id = ID_FIELDS.map((name) => value[name]).find((each) => typeof each === "string" || typeof each === "number");
  const row = { number, text: "", id: id === undefined ? null : String(id) };
  if (field === undefined) row.problem = { name: "row.missing", values: {} };
  else if (typeof value[field] !== "string") row.problem = { name: "row.type", values: {} };
  else row.text = value[field];
  return row;
}

function validate(row, limit) {
  const invalid = row.problem ? null : findProblem(row.text, limit);
  const problem = row.problem ?? (invalid && { name: `row.${invalid.kind}`, values: invalid.values });
  return { ...row, problem, state: problem ? "bad" : "pending", prediction: null };
}

/** Files of many texts to rows; a bad row is told by its number and keeps no other from being read. */

import { readCsv } from "./csv.js";
import { trouble } from "./texts.js";

const LARGEST = 50; // MB: the page holds all of it
const CONTENT = ["content", "text", "内容", "正文", "文本", "文字"]; // fields that hold the text, the first that is there
const ID = ["id", "编号"];
const KINDS = { json: readJson, jsonl: readLines, ndjson: readLines, csv: readTable, txt: readPlain };

/** A file that cannot be read at all: the name of the sentence that says why, and its values. */
export class Unreadable extends Error {
  constructor(name, values) {
    super(name);
    this.values = values;
  }
}

/**
 * Read a file.
 *
 * @param {File} file
 * @param {number} limit - characters of a text that the service takes.
 * @returns {Promise<Object[]>} rows: `number` (of the row, from 1, or of its line), `text`, `id`, `state` (`pending` or
 *   `bad`), and `problem` of a bad one: the name of its sentence, and values.
 * @throws {Unreadable}
 */
export async function readRows(file, limit) {
  const kind = file.name.toLowerCase().split(".").pop();
  if (!Object.hasOwn(KINDS, kind)) throw new Unreadable("file.kind", { name: file.name });
  if (file.size > LARGEST * 1e6) {
    throw new Unreadable("file.large", { name: file.name, size: Math.ceil(file.size / 1e6), limit: LARGEST });
  }
  const bytes = await file.arrayBuffer().catch((error) => {
    throw new Unreadable("file.unreadable", { name: file.name, reason: error.message });
  });
  const rows = KINDS[kind](decoded(bytes), file.name).map((row) => checked(row, limit));
  if (rows.length === 0) throw new Unreadable("file.empty", { name: file.name });
  return rows;
}

/** Bytes to text: UTF-8, UTF-16 with its mark, or else GB18030, as Chinese spreadsheets write it. */
function decoded(bytes) {
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
    throw new Unreadable("file.json", { name, reason: error.message });
  }
  const list = Array.isArray(parsed) ? parsed : parsed?.texts;
  if (!Array.isArray(list)) throw new Unreadable("file.list", { name });
  return list.map((value, place) => ofValue(value, place + 1));
}

function readLines(content) {
  return numbered(content).map(({ line, number }) => {
    let value;
    try {
      value = JSON.parse(line);
    } catch {
      return { number, text: line, id: null, problem: { name: "row.json", values: {} } };
    }
    return ofValue(value, number);
  });
}

function readPlain(content) {
  return numbered(content).map(({ line, number }) => ({ number, text: line, id: null }));
}

function readTable(content, name) {
  const [head, ...records] = readCsv(content);
  const names = (head?.cells ?? []).map((cell) => cell.trim().toLowerCase());
  const column = (among) => names.indexOf(among.find((each) => names.includes(each)));
  const [ofText, ofId] = [column(CONTENT), column(ID)];
  if (ofText < 0) throw new Unreadable("file.column", { name, found: names.join(", ").slice(0, 200) });
  return records.map(({ line, cells, open }) => {
    const row = { number: line, text: cells[ofText] ?? "", id: cells[ofId] || null };
    if (open) row.problem = { name: "row.quote", values: {} };
    else if (cells[ofText] === undefined) row.problem = { name: "row.missing", values: {} };
    return row;
  });
}

function numbered(content) {
  const lines = content.split(/\r\n|\n|\r/).map((line, place) => ({ line, number: place + 1 }));
  return lines.filter(({ line }) => line.trim() !== "");
}

/** A row of a JSON value: a text, or an object that holds one. */
function ofValue(value, number) {
  if (typeof value === "string") return { number, text: value, id: null };
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return { number, text: "", id: null, problem: { name: "row.object", values: {} } };
  }
  const field = CONTENT.find((name) => Object.hasOwn(value, name));
  const id = ID.map((name) => value[name]).find((each) => typeof each === "string" || typeof each === "number");
  const row = { number, text: "", id: id === undefined ? null : String(id) };
  if (field === undefined) row.problem = { name: "row.missing", values: {} };
  else if (typeof value[field] !== "string") row.problem = { name: "row.type", values: {} };
  else row.text = value[field];
  return row;
}

function checked(row, limit) {
  const found = row.problem ? null : trouble(row.text, limit);
  const problem = row.problem ?? (found && { name: `row.${found.kind}`, values: found.values });
  return { ...row, problem, state: problem ? "bad" : "pending", prediction: null };
}

/** A file of many texts: chosen or dropped, predicted row by row, and downloaded as CSV. */

import { writeCsv } from "./csv.js";
import { byId, show } from "./elements.js";
import { count, onLanguageChange, translate } from "./language.js";
import { FileError, readRows } from "./file_reader.js";
import { predictRows } from "./batch.js";
import { RowTable, kindOf, problemMessage } from "./table.js";
import { errorNodes, errorMessage } from "./messages.js";

const CSV_COLUMNS = ["row", "id", "verdict", "probability", "threshold", "reasons", "warnings", "problem", "text", "detector"];
const REDRAW_INTERVAL = 200; // milliseconds between two updates while rows come in

let about = null;
let table = null;
let file = null; // its name, its rows, and its state: `wait`, `failure`, `finished`
let running = null; // the AbortController of the running predictions
let drawing = null;

/**
 * Start, with the features and limits of the service.
 *
 * @param {Object} response - of `/v1/about`.
 * @param {function} showPanel - shows the panel of files.
 * @param {function(string)} open - called with a text to show by itself.
 */
export function startFiles(response, showPanel, open) {
  about = response;
  table = new RowTable(byId("table"), ({ text }) => open(text));
  byId("file").addEventListener("change", (event) => {
    if (event.target.files.length > 0) load(event.target.files[0]);
    event.target.value = ""; // so that the same file can be chosen again
  });
  byId("stop").addEventListener("click", () => running?.abort());
  byId("resume").addEventListener("click", () => {
    run();
    byId("stop").focus();
  });
  byId("download").addEventListener("click", download);
  for (const event of ["dragover", "drop"]) {
    document.addEventListener(event, (dragged) => {
      if (!dragged.dataTransfer?.types.includes("Files")) return;
      dragged.preventDefault();
      byId("drop").classList.toggle("over", event === "dragover");
      if (event === "dragover") return;
      showPanel();
      if (dragged.dataTransfer.files.length > 0) load(dragged.dataTransfer.files[0]);
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) byId("drop").classList.remove("over");
  });
  onLanguageChange(() => {
    byId("file-announcement").textContent = byId("file-error").textContent = "";
    if (file === null) return;
    table.drawTools();
    draw();
  });
}

async function load(chosen) {
  running?.abort();
  const message = byId("file-error");
  message.textContent = "";
  byId("file-title").textContent = translate("file.reading", { name: chosen.name });
  try {
    const rows = await readRows(chosen, about.limits.characters);
    file = { name: chosen.name, rows };
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    message.textContent = translate(error.message, error.values);
    return;
  } finally {
    byId("file-title").textContent = translate("file.drop");
  }
  table.load(file.rows);
  run();
  byId("file-name").focus();
}

async function run() {
  const [own, started] = [new AbortController(), file];
  running = own;
  Object.assign(started, { wait: null, failure: null, finished: false });
  draw();
  try {
    await predictRows(started.rows, about.limits, own.signal, (progress) => {
      started.wait = progress.waiting === undefined ? null : progress;
      drawSoon();
    });
    started.finished = true;
  } catch (error) {
    if (!own.signal.aborted) started.failure = error;
  }
  started.wait = null;
  if (running === own) running = null;
  if (file !== started) return;
  draw();
  byId("file-announcement").textContent = started.finished ? doneMessage() : progressMessage();
  if (document.activeElement === document.body) byId(started.finished ? "download" : "resume").focus();
}

function drawSoon() {
  drawing ??= setTimeout(draw, REDRAW_INTERVAL);
}

function draw() {
  clearTimeout(drawing);
  drawing = null;
  show(byId("scoring"), file !== null);
  byId("file-name").textContent = file.name;
  const progress = byId("progress");
  progress.max = file.rows.length;
  progress.value = file.rows.filter(({ state }) => state !== "pending").length;
  show(byId("stop"), running !== null);
  show(byId("resume"), running === null && !file.finished);
  byId("progress-text").replaceChildren(progressMessage(), ...(file.failure ? [" ", ...errorNodes(file.failure).slice(1)] : []));
  table.draw();
}

function progressMessage() {
  const total = file.rows.length;
  const done = file.rows.filter(({ state }) => state === "done").length;
  const bad = file.rows.filter(({ state }) => state === "bad").length;
  const parts = [file.finished ? doneMessage() : translate("file.progress", { done: count(done), total: count(total) })];
  if (!file.finished && bad > 0) parts.push(translate("file.bad", { count: count(bad) }));
  if (file.wait !== null) parts.push(translate(file.wait.offline ? "file.offline" : "file.waiting", { seconds: Math.ceil(file.wait.waiting) }));
  else if (file.failure !== null) parts.push(translate("file.broken", { reason: errorMessage(file.failure) }));
  else if (running === null && !file.finished) parts.push(translate("file.stopped"));
  return parts.join(" · ");
}

function doneMessage() {
  const tally = { fake: 0, real: 0, unsure: 0, bad: 0, pending: 0 };
  for (const row of file.rows) tally[kindOf(row)] += 1;
  const summary = translate("file.summary", { fake: count(tally.fake), real: count(tally.real), unsure: count(tally.unsure), bad: count(tally.bad) });
  return `${translate("file.done")} · ${summary}`;
}

function download() {
  const records = file.rows.map(({ number, id, prediction, problem, text, bundle }) => [
    number, id, prediction?.verdict, prediction?.probability, prediction?.threshold,
    prediction?.reasons.map(({ code }) => code).join("; "), prediction?.warnings.join("; "),
    problem ? problemMessage(problem) : null, text, bundle?.version.slice(0, 12),
  ]);
  const address = URL.createObjectURL(new Blob([writeCsv([CSV_COLUMNS, ...records])], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${file.name.replace(/\.[^.]*$/, "")}-zhenwei.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // after the browser has read it
}

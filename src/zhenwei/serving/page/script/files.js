/** A file of many texts: chosen or dropped, judged row by row, and taken away as CSV. */

import { writeCsv } from "./csv.js";
import { byId, show } from "./elements.js";
import { count, onLanguage, say } from "./language.js";
import { Unreadable, readRows } from "./reading.js";
import { judgeRows } from "./scoring.js";
import { RowTable, kindOf, problemWords } from "./table.js";
import { reasonNodes, reasonWords } from "./wording.js";

const HEADINGS = ["row", "id", "verdict", "probability", "threshold", "warnings", "problem", "text", "detector"];
const REDRAW = 200; // milliseconds between two drawings while rows come in

let about = null;
let table = null;
let file = null; // name of the file, its rows, and how it stands: `wait`, `failure`, `finished`
let running = null; // the AbortController of the judging that is under way
let drawing = null;

/**
 * Begin, once it is known what the service can do.
 *
 * @param {Object} facts - what `/v1/about` answered.
 * @param {function} front - brings the file's panel to the front.
 * @param {function(string)} open - judges a text by itself.
 */
export function startFiles(facts, front, open) {
  about = facts;
  table = new RowTable(byId("table"), ({ text }) => open(text));
  byId("file").addEventListener("change", (event) => {
    if (event.target.files.length > 0) take(event.target.files[0]);
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
      front();
      if (dragged.dataTransfer.files.length > 0) take(dragged.dataTransfer.files[0]);
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) byId("drop").classList.remove("over");
  });
  onLanguage(() => {
    byId("file-announcement").textContent = byId("file-error").textContent = "";
    if (file === null) return;
    table.drawTools();
    draw();
  });
}

async function take(chosen) {
  running?.abort();
  const mistake = byId("file-error");
  mistake.textContent = "";
  byId("file-title").textContent = say("file.reading", { name: chosen.name });
  try {
    const rows = await readRows(chosen, about.limits.characters);
    file = { name: chosen.name, rows };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    mistake.textContent = say(error.message, error.values);
    return;
  } finally {
    byId("file-title").textContent = say("file.drop");
  }
  table.take(file.rows);
  run();
  byId("file-name").focus();
}

async function run() {
  const [own, judged] = [new AbortController(), file];
  running = own;
  Object.assign(judged, { wait: null, failure: null, finished: false });
  draw();
  try {
    await judgeRows(judged.rows, about.limits, own.signal, (told) => {
      judged.wait = told.waiting === undefined ? null : told;
      drawSoon();
    });
    judged.finished = true;
  } catch (error) {
    if (!own.signal.aborted) judged.failure = error;
  }
  judged.wait = null;
  if (running === own) running = null;
  if (file !== judged) return;
  draw();
  byId("file-announcement").textContent = judged.finished ? doneWords() : progressWords();
  if (document.activeElement === document.body) byId(judged.finished ? "download" : "resume").focus();
}

function drawSoon() {
  drawing ??= setTimeout(draw, REDRAW);
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
  byId("progress-words").replaceChildren(progressWords(), ...(file.failure ? [" ", ...reasonNodes(file.failure).slice(1)] : []));
  table.draw();
}

function progressWords() {
  const whole = file.rows.length;
  const done = file.rows.filter(({ state }) => state === "done").length;
  const bad = file.rows.filter(({ state }) => state === "bad").length;
  const parts = [file.finished ? doneWords() : say("file.progress", { done: count(done), whole: count(whole) })];
  if (!file.finished && bad > 0) parts.push(say("file.bad", { count: count(bad) }));
  if (file.wait !== null) parts.push(say(file.wait.offline ? "file.offline" : "file.waiting", { seconds: Math.ceil(file.wait.waiting) }));
  else if (file.failure !== null) parts.push(say("file.broken", { reason: reasonWords(file.failure) }));
  else if (running === null && !file.finished) parts.push(say("file.stopped"));
  return parts.join(" · ");
}

function doneWords() {
  const tally = { fake: 0, real: 0, bad: 0, pending: 0 };
  for (const row of file.rows) tally[kindOf(row)] += 1;
  const summary = say("file.summary", { fake: count(tally.fake), real: count(tally.real), bad: count(tally.bad) });
  return `${say("file.done")} · ${summary}`;
}

function download() {
  const records = file.rows.map(({ number, id, prediction, problem, text, bundle }) => [
    number, id, prediction?.verdict, prediction?.probability, prediction?.threshold, prediction?.warnings.join("; "),
    problem ? problemWords(problem) : null, text, bundle?.version.slice(0, 12),
  ]);
  const address = URL.createObjectURL(new Blob([writeCsv([HEADINGS, ...records])], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${file.name.replace(/\.[^.]*$/, "")}-zhenwei.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // after the browser has taken it
}

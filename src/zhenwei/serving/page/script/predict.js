/** One text: predicted, explained, compared with known cases, and reviewed. */

import { EXAMPLES } from "./examples.js";
import { byId, el, show } from "./elements.js";
import { saveHistory, remember } from "./history.js";
import { neighbourNodes } from "./neighbours.js";
import { count, onLanguageChange, translate } from "./language.js";
import { reviewNode } from "./review.js";
import { request } from "./api.js";
import { highlightedNodes } from "./highlight.js";
import { characters, findProblem } from "./validation.js";
import { verdictAnnouncement, verdictNodes } from "./verdict.js";
import { errorNodes } from "./messages.js";

const NEIGHBOURS = 5;

let about = null; // features and limits of the service
let current = null; // the visible text: text, prediction, bundle, explanation, neighbours, review; or their errors
let running = null; // the AbortController of the running prediction
let failure = null; // the error of the last prediction
let explaining = null; // the AbortController of the running explanation
let problem = null; // the problem of the text in the box
let retrySeconds = 0; // until the next retry, if the service is busy

/** Start, with the response of `/v1/about`. */
export function startPredict(response) {
  about = response;
  const text = byId("text");
  text.addEventListener("input", () => {
    showProblem(null);
    drawCount();
    drawStale();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      predict();
    }
  });
  byId("predict-form").addEventListener("submit", (event) => {
    event.preventDefault();
    predict();
  });
  byId("clear").addEventListener("click", clear);
  document.addEventListener("paste", pasted);
  onLanguageChange(() => {
    byId("announcement").textContent = "";
    showProblem(problem);
    draw();
  });
  draw();
}

/** Predict the text in the box, and move the focus to the result if `focus` is set. */
export async function predict({ focus = false } = {}) {
  const text = byId("text").value;
  const found = findProblem(text, about.limits.characters);
  if (found !== null) {
    showProblem(found);
    byId("text").focus();
    return;
  }
  running?.abort();
  const own = (running = new AbortController());
  failure = null;
  retrySeconds = 0;
  draw();
  try {
    const response = await request("predict", { body: { text }, signal: own.signal, onWait });
    current = { text, prediction: response.predictions[0], bundle: response.bundle };
    remember(current);
    byId("announcement").textContent = verdictAnnouncement(current.prediction);
  } catch (error) {
    if (own.signal.aborted) return;
    failure = error;
  }
  if (running === own) running = null;
  draw();
  if (failure === null) explain(current);
  if (focus) byId("outcome-title").focus();
  // On a phone the result is below the visible area.
  if (byId("outcome").getBoundingClientRect().top > innerHeight * 0.7) byId("outcome").scrollIntoView();
}

/** Put a text into the box, and predict it. */
export function predictText(text) {
  byId("text").value = text;
  showProblem(null);
  return predict({ focus: true });
}

/** Show an earlier result again. */
export function showAgain(earlier) {
  running?.abort();
  running = failure = null;
  byId("text").value = earlier.text;
  showProblem(null);
  current = earlier;
  draw();
  explain(current);
  byId("outcome-title").focus();
  byId("outcome").scrollIntoView({ block: "nearest" });
}

/** Fetch the explanation of a result, except the parts that it has already. */
async function explain(result) {
  explaining?.abort();
  const { signal } = (explaining = new AbortController());
  const get = async (part, path, body) => {
    if (result[part] && !(result[part] instanceof Error)) return;
    result[part] = null;
    try {
      result[part] = await request(path, { body, signal });
    } catch (error) {
      if (signal.aborted) return;
      result[part] = error;
    }
    if (current === result) drawSections();
  };
  const requests = [get("explanation", "explain", { text: result.text })];
  if (about.neighbours) requests.push(get("neighbours", "neighbours", { text: result.text, k: NEIGHBOURS }));
  drawSections();
  await Promise.all(requests);
}

/** Accept a text that is pasted anywhere on the page. */
function pasted(event) {
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (text === "" || byId("panel-text").hidden || event.target.closest?.("input, textarea, dialog")) return;
  event.preventDefault();
  byId("text").value = text;
  byId("text").focus();
  byId("text").dispatchEvent(new Event("input"));
}

function clear() {
  running?.abort();
  running = current = failure = null;
  byId("text").value = "";
  showProblem(null);
  draw();
  byId("text").focus();
}

function onWait(seconds) {
  retrySeconds = seconds;
  drawOutcome();
}

function showProblem(found) {
  problem = found;
  byId("text-error").textContent = problem === null ? "" : translate(`text.${problem.kind}`, problem.values);
  byId("text").setAttribute("aria-invalid", problem !== null);
}

function draw() {
  const chip = ({ name, text }) => el("li", {}, el("button", { type: "button", class: "chip", on: { click: () => predictText(text) } }, translate(name)));
  byId("examples").replaceChildren(...EXAMPLES.map(chip));
  drawCount();
  drawOutcome();
  drawSections();
}

function drawCount() {
  const [length, limit] = [characters(byId("text").value), about.limits.characters];
  const name = length > 0.8 * limit ? "text.limit" : "text.count";
  byId("text-count").textContent = length === 0 ? "" : translate(name, { count: count(length), limit: count(limit) });
}

function drawOutcome() {
  const container = byId("verdict");
  container.setAttribute("aria-busy", String(running !== null));
  if (running !== null) {
    const message = retrySeconds > 0 ? translate("wait.busy", { seconds: Math.ceil(retrySeconds) }) : translate("outcome.busy");
    container.replaceChildren(el("p", { class: "pending", role: "status" }, message));
  } else if (failure !== null) {
    container.replaceChildren(el("p", { class: "error", role: "alert" }, errorNodes(failure)));
  } else if (current === null) {
    container.replaceChildren(el("div", { class: "empty" }, el("p", {}, translate("outcome.empty")), el("p", { class: "small" }, translate("outcome.empty.more"))));
  } else {
    const stale = el("p", { class: "small muted", id: "stale" }, translate("outcome.stale"));
    container.replaceChildren(stale, ...verdictNodes(current.prediction, about.calibrated).filter(Boolean));
    if (about.feedback) container.append(reviewNode(current, reviewed));
    drawStale();
  }
}

function drawStale() {
  const stale = byId("stale");
  if (stale !== null) show(stale, byId("text").value !== current.text);
}

function reviewed(focus) {
  saveHistory();
  drawOutcome();
  byId(focus)?.focus();
}

function drawSections() {
  const visible = current !== null && running === null && failure === null;
  drawSection("words", visible, current?.explanation, highlightedNodes);
  drawSection("neighbours", visible && about.neighbours, current?.neighbours, neighbourNodes);
}

function drawSection(name, visible, part, nodes) {
  const body = byId(`${name}-body`);
  show(byId(name), visible);
  if (!visible) return;
  body.setAttribute("aria-busy", String(!part));
  if (!part) body.replaceChildren(el("p", { class: "pending" }, translate(`${name}.busy`)));
  else if (part instanceof Error) {
    const retry = el("button", { type: "button", on: { click: () => explain(current) } }, translate("words.again"));
    body.replaceChildren(el("p", { class: "error" }, errorNodes(part, `${name}.failed`)), retry);
  } else body.replaceChildren(...nodes(part).filter(Boolean));
}

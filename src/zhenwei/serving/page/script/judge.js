/** One text: asked for, judged, explained, compared with known cases, and reviewed. */

import { EXAMPLES } from "./examples.js";
import { byId, el, show } from "./elements.js";
import { keepHistory, remember } from "./history.js";
import { knownNodes } from "./known.js";
import { count, onLanguage, say } from "./language.js";
import { reviewNode } from "./review.js";
import { ask } from "./service.js";
import { highlightedNodes } from "./highlight.js";
import { characters, trouble } from "./texts.js";
import { spokenVerdict, verdictNodes } from "./verdict.js";
import { reasonNodes } from "./wording.js";

const NEIGHBOURS = 5;

let about = null; // what the service can do
let seen = null; // what was judged: text, prediction, bundle, explanation, neighbours, and what went wrong
let under = null; // the AbortController of the judging that is under way
let failure = null; // why the last judging gave no verdict
let looking = null; // that of what is fetched to explain a verdict
let mistaken = null; // what is wrong with the text in the box
let busyFor = 0; // seconds that a busy service asked us to wait

/** Begin, once it is known what the service can do. */
export function startJudge(facts) {
  about = facts;
  const text = byId("text");
  text.addEventListener("input", () => {
    complain(null);
    drawCount();
    drawStale();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      judge();
    }
  });
  byId("judge").addEventListener("submit", (event) => {
    event.preventDefault();
    judge();
  });
  byId("clear").addEventListener("click", clear);
  document.addEventListener("paste", pasted);
  onLanguage(() => {
    byId("announcement").textContent = "";
    complain(mistaken);
    draw();
  });
  draw();
}

/** Judge the text in the box; `focus`: and go to the result. */
export async function judge({ focus = false } = {}) {
  const text = byId("text").value;
  const wrong = trouble(text, about.limits.characters);
  if (wrong !== null) {
    complain(wrong);
    byId("text").focus();
    return;
  }
  under?.abort();
  const own = (under = new AbortController());
  failure = null;
  busyFor = 0;
  draw();
  try {
    const found = await ask("predict", { body: { text }, signal: own.signal, onWait });
    seen = { text, prediction: found.predictions[0], bundle: found.bundle };
    remember(seen);
    byId("announcement").textContent = spokenVerdict(seen.prediction);
  } catch (error) {
    if (own.signal.aborted) return;
    failure = error;
  }
  if (under === own) under = null;
  draw();
  if (failure === null) lookCloser(seen);
  if (focus) byId("outcome-title").focus();
  // On a phone the result lies below the fold.
  if (byId("outcome").getBoundingClientRect().top > innerHeight * 0.7) byId("outcome").scrollIntoView();
}

/** Put a text into the box, and judge it. */
export function judgeText(text) {
  byId("text").value = text;
  complain(null);
  return judge({ focus: true });
}

/** Look again at something that was judged before. */
export function lookAgain(earlier) {
  under?.abort();
  under = failure = null;
  byId("text").value = earlier.text;
  complain(null);
  seen = earlier;
  draw();
  lookCloser(seen);
  byId("outcome-title").focus();
  byId("outcome").scrollIntoView({ block: "nearest" });
}

/** Fetch what explains a verdict; what is there already is not asked for again. */
async function lookCloser(judged) {
  looking?.abort();
  const { signal } = (looking = new AbortController());
  const get = async (part, path, body) => {
    if (judged[part] && !(judged[part] instanceof Error)) return;
    judged[part] = null;
    try {
      judged[part] = await ask(path, { body, signal });
    } catch (error) {
      if (signal.aborted) return;
      judged[part] = error;
    }
    if (seen === judged) drawParts();
  };
  const asked = [get("explanation", "explain", { text: judged.text })];
  if (about.neighbours) asked.push(get("neighbours", "neighbours", { text: judged.text, k: NEIGHBOURS }));
  drawParts();
  await Promise.all(asked);
}

/** Let a text be pasted anywhere on the page. */
function pasted(event) {
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (text === "" || byId("panel-text").hidden || event.target.closest?.("input, textarea, dialog")) return;
  event.preventDefault();
  byId("text").value = text;
  byId("text").focus();
  byId("text").dispatchEvent(new Event("input"));
}

function clear() {
  under?.abort();
  under = seen = failure = null;
  byId("text").value = "";
  complain(null);
  draw();
  byId("text").focus();
}

function onWait(seconds) {
  busyFor = seconds;
  drawOutcome();
}

function complain(wrong) {
  mistaken = wrong;
  const place = byId("text-error");
  place.textContent = wrong === null ? "" : say(`text.${wrong.kind}`, wrong.values);
  byId("text").setAttribute("aria-invalid", wrong !== null);
}

function draw() {
  const chip = ({ name, text }) => el("li", {}, el("button", { type: "button", class: "chip", on: { click: () => judgeText(text) } }, say(name)));
  byId("examples").replaceChildren(...EXAMPLES.map(chip));
  drawCount();
  drawOutcome();
  drawParts();
}

function drawCount() {
  const [found, limit] = [characters(byId("text").value), about.limits.characters];
  const name = found > 0.8 * limit ? "text.limit" : "text.count";
  byId("text-count").textContent = found === 0 ? "" : say(name, { count: count(found), limit: count(limit) });
}

function drawOutcome() {
  const place = byId("verdict");
  place.setAttribute("aria-busy", String(under !== null));
  if (under !== null) {
    const words = busyFor > 0 ? say("wait.busy", { seconds: Math.ceil(busyFor) }) : say("outcome.busy");
    place.replaceChildren(el("p", { class: "pending", role: "status" }, words));
  } else if (failure !== null) {
    place.replaceChildren(el("p", { class: "mistake", role: "alert" }, reasonNodes(failure)));
  } else if (seen === null) {
    place.replaceChildren(el("div", { class: "empty" }, el("p", {}, say("outcome.empty")), el("p", { class: "small" }, say("outcome.empty.more"))));
  } else {
    const stale = el("p", { class: "small muted", id: "stale" }, say("outcome.stale"));
    place.replaceChildren(stale, ...verdictNodes(seen.prediction, about.calibrated).filter(Boolean));
    if (about.feedback) place.append(reviewNode(seen, reviewed));
    drawStale();
  }
}

function drawStale() {
  const stale = byId("stale");
  if (stale !== null) show(stale, byId("text").value !== seen.text);
}

function reviewed(focus) {
  keepHistory();
  drawOutcome();
  byId(focus)?.focus();
}

function drawParts() {
  const shown = seen !== null && under === null && failure === null;
  drawPart("words", shown, seen?.explanation, highlightedNodes);
  drawPart("known", shown && about.neighbours, seen?.neighbours, knownNodes);
}

function drawPart(name, shown, part, nodes) {
  const body = byId(`${name}-body`);
  show(byId(name), shown);
  if (!shown) return;
  body.setAttribute("aria-busy", String(!part));
  if (!part) body.replaceChildren(el("p", { class: "pending" }, say(`${name}.busy`)));
  else if (part instanceof Error) {
    const again = el("button", { type: "button", on: { click: () => lookCloser(seen) } }, say("words.again"));
    body.replaceChildren(el("p", { class: "mistake" }, reasonNodes(part, `${name}.failed`)), again);
  } else body.replaceChildren(...nodes(part).filter(Boolean));
}

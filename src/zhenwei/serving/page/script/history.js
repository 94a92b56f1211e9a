/** What was judged in this tab, newest first; gone when it is closed. */

import { byId, el, show, sign } from "./elements.js";
import { onLanguage, percent, say } from "./language.js";

const KEPT = "zhenwei.history";
const MOST = 50; // texts
const EXCERPT = 80; // characters
const FIELDS = ["text", "prediction", "bundle", "review"];

let seen = load();
let reopen = () => {};

/**
 * Begin to show the history.
 *
 * @param {function(Object)} open - called with what is to be looked at again.
 */
export function startHistory(open) {
  reopen = open;
  byId("forget").addEventListener("click", () => {
    seen = [];
    keepHistory();
    byId("text").focus();
  });
  onLanguage(draw);
  draw();
}

/** Put what was judged on top; an earlier one of the same text goes. */
export function remember(latest) {
  seen = [latest, ...seen.filter(({ text }) => text !== latest.text)].slice(0, MOST);
  keepHistory();
}

/** Keep and draw the history after something in it has changed. */
export function keepHistory() {
  draw();
  const plain = seen.map((each) => Object.fromEntries(FIELDS.map((field) => [field, each[field]])));
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(plain));
  } catch {
    // full or not allowed: it lasts as long as the page
  }
}

function load() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    return kept.filter(({ text, prediction, bundle }) => typeof text === "string" && prediction && bundle);
  } catch {
    return [];
  }
}

function draw() {
  show(byId("history"), seen.length > 0);
  byId("history-list").replaceChildren(...seen.map(item));
}

function item(each) {
  const { text, prediction, review } = each;
  const excerpt = [...text.trim().slice(0, 4 * EXCERPT).replace(/\s+/g, " ")];
  const shown = excerpt.length > EXCERPT ? `${excerpt.slice(0, EXCERPT).join("")}…` : excerpt.join("");
  return el("li", {},
    el("span", { class: `told ${prediction.verdict}` }, sign(prediction.verdict), percent(prediction.probability),
      el("span", { class: "unseen" }, say(`outcome.${prediction.verdict}`))),
    el("button", { type: "button", class: "text-link", on: { click: () => reopen(each) } },
      el("span", { class: "unseen" }, `${say("history.open")}: `), el("span", { lang: "zh" }, shown)),
    review ? el("span", { class: "small muted" }, say("history.reviewed", { verdict: say(`review.${review}`) })) : null);
}

/** The texts checked in this tab, newest first; deleted when it is closed. */

import { byId, el, show, sign } from "./elements.js";
import { onLanguageChange, percent, translate } from "./language.js";

const STORAGE_KEY = "zhenwei.history";
const MAX_TEXTS = 50;
const EXCERPT = 80; // characters
const FIELDS = ["text", "prediction", "bundle", "review"];

let entries = load();
let reopen = () => {};

/**
 * Start to show the history.
 *
 * @param {function(Object)} open - called with an entry to show again.
 */
export function startHistory(open) {
  reopen = open;
  byId("clear-history").addEventListener("click", () => {
    entries = [];
    saveHistory();
    byId("text").focus();
  });
  onLanguageChange(draw);
  draw();
}

/** Add an entry at the top; it replaces an earlier one of the same text. */
export function remember(latest) {
  entries = [latest, ...entries.filter(({ text }) => text !== latest.text)].slice(0, MAX_TEXTS);
  saveHistory();
}

/** Store and draw the history after a change. */
export function saveHistory() {
  draw();
  const plain = entries.map((each) => Object.fromEntries(FIELDS.map((field) => [field, each[field]])));
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(plain));
  } catch {
    // storage is full or not available: the history lasts until the page is closed
  }
}

function load() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "[]");
    return stored.filter(({ text, prediction, bundle }) => typeof text === "string" && prediction && bundle);
  } catch {
    return [];
  }
}

function draw() {
  show(byId("history"), entries.length > 0);
  byId("history-list").replaceChildren(...entries.map(item));
}

function item(each) {
  const { text, prediction, review } = each;
  const excerpt = [...text.trim().slice(0, 4 * EXCERPT).replace(/\s+/g, " ")];
  const shortened = excerpt.length > EXCERPT ? `${excerpt.slice(0, EXCERPT).join("")}…` : excerpt.join("");
  return el("li", {},
    el("span", { class: `verdict-label ${prediction.verdict}` }, sign(prediction.verdict), prediction.verdict === "unsure" ? null : percent(prediction.probability),
      el("span", { class: "visually-hidden" }, translate(`outcome.${prediction.verdict}`))),
    el("button", { type: "button", class: "text-link", on: { click: () => reopen(each) } },
      el("span", { class: "visually-hidden" }, `${translate("history.open")}: `), el("span", { lang: "zh" }, shortened)),
    review ? el("span", { class: "small muted" }, translate("history.reviewed", { verdict: translate(`review.${review}`) })) : null);
}

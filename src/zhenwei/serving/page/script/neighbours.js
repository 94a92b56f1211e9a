/** Known cases that are similar to a text. */

import { el, sign } from "./elements.js";
import { percent, translate } from "./language.js";

const MIN_SIMILARITY = 0.15; // below it, even the closest case is not really similar

/**
 * Create a list of known cases.
 *
 * @param {Object} response - of `/v1/neighbours`.
 */
export function neighbourNodes({ neighbours }) {
  if (neighbours.length === 0) return [el("p", { class: "muted" }, translate("neighbours.none"))];
  const note = neighbours[0].similarity < MIN_SIMILARITY ? "neighbours.far" : "neighbours.note";
  return [el("p", { class: "small muted" }, translate(note)), el("ol", { class: "cases" }, neighbours.map(caseItem))];
}

function caseItem({ label, similarity, text, id }) {
  const bar = el("span", { class: "bar-length neutral" });
  bar.style.width = `${100 * similarity}%`;
  return el("li", {},
    el("p", { class: "case-header small" },
      label === null ? el("span", { class: "muted" }, translate("label.none")) : el("span", { class: `verdict-label ${label}` }, sign(label), translate(`label.${label}`)),
      el("span", { class: "bar-track" }, bar),
      el("span", { class: "muted number" }, translate("neighbours.similarity", { value: percent(similarity) })),
      id === null ? null : el("span", { class: "muted mono" }, id)),
    text === null ? el("p", { class: "muted small" }, translate("neighbours.hidden")) : el("p", { class: "case-text", lang: "zh" }, text));
}

/** Known cases that are like a text. */

import { el, sign } from "./elements.js";
import { percent, say } from "./language.js";

const FAR = 0.15; // similarity below which even the nearest case is about something else

/**
 * Draw known cases.
 *
 * @param {Object} answer - as `/v1/neighbours` gives it.
 */
export function knownNodes({ neighbours }) {
  if (neighbours.length === 0) return [el("p", { class: "muted" }, say("known.none"))];
  const note = neighbours[0].similarity < FAR ? "known.far" : "known.note";
  return [el("p", { class: "small muted" }, say(note)), el("ol", { class: "cases" }, neighbours.map(caseItem))];
}

function caseItem({ label, similarity, text, id }) {
  const length = el("span", { class: "length past" });
  length.style.width = `${100 * similarity}%`;
  return el("li", {},
    el("p", { class: "case-head small" },
      label === null ? el("span", { class: "muted" }, say("label.none")) : el("span", { class: `told ${label}` }, sign(label), say(`label.${label}`)),
      el("span", { class: "run" }, length),
      el("span", { class: "muted number" }, say("known.similarity", { value: percent(similarity) })),
      id === null ? null : el("span", { class: "muted mono" }, id)),
    text === null ? el("p", { class: "muted small" }, say("known.hidden")) : el("p", { class: "case-text", lang: "zh" }, text));
}

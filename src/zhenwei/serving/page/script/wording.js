/** The service's and the detector's English sentences, as the page says them. */

import { el } from "./elements.js";
import { language, percent, say, count } from "./language.js";
import { Refused, Unreachable } from "./service.js";

const TOLD = new Set([401, 403, 404, 408, 409, 413, 415, 422, 500, 503, 504]);

// The detector's warnings; what is not among them is shown as it came.
const WARNINGS = [
  [/^only the first (\d+) tokens were read/, "warning.long", (found) => ({ count: count(Number(found[1])) })],
  [/^most of the text is unknown to this detector/, "warning.unknown", () => ({})],
  [/^the text is hardly in Chinese/, "warning.foreign", () => ({})],
  [/^the text is in Chinese, in which hardly any/, "warning.chinese", () => ({})],
  [
    /^nearly the same text as the known article(?: '([^]*)')?, (?:labelled (real|fake)|which has no label) \(similarity ([\d.]+)\)$/,
    "warning.known",
    (found) => ({
      name: found[1] === undefined ? "" : ` “${found[1]}”`,
      label: say(`label.${found[2] ?? "none"}`),
      similarity: percent(Number(found[3])),
    }),
  ],
];

/** Say a warning of the detector in the page's language. */
export function warningWords(warning) {
  for (const [pattern, name, values] of WARNINGS) {
    const found = pattern.exec(warning);
    if (found !== null) return say(name, values(found));
  }
  return warning;
}

/** Say in one sentence why something did not work. */
export function reasonWords(error) {
  if (error instanceof Unreachable) return say("error.offline");
  if (!(error instanceof Refused)) throw error; // a mistake of this page: the console tells of it
  if (language() === "en" && error.detail && error.status !== 401) return error.detail;
  return TOLD.has(error.status) ? say(`error.${error.status}`) : say("error.other", { status: error.status });
}

/** What did not work, with the service's own words where they say more. */
export function reasonNodes(error, name = null) {
  const reason = reasonWords(error);
  const nodes = [name === null ? reason : say(name, { reason })];
  if (error instanceof Refused && error.detail && error.detail !== reason) {
    nodes.push(" ", el("span", { class: "detail" }, say("error.detail"), " ", el("span", { lang: "en" }, error.detail)));
  }
  return nodes;
}

/** Translates warnings of the detector and errors of the service. */

import { el } from "./elements.js";
import { language, percent, translate, count } from "./language.js";
import { ApiError, NetworkError } from "./api.js";

const TRANSLATED_STATUSES = new Set([401, 403, 404, 408, 409, 413, 415, 422, 500, 503, 504]);

// The detector's warnings; others are shown in English.
const WARNINGS = [
  [/^only the first (\d+) tokens were read/, "warning.long", (match) => ({ count: count(Number(match[1])) })],
  [
    /^nearly the same text as the known article(?: '([^]*)')?, (?:labell?ed (real|fake)|which has no label) \(similarity ([\d.]+)\)$/,
    "warning.known",
    (match) => ({
      name: match[1] === undefined ? "" : ` “${match[1]}”`,
      label: translate(`label.${match[2] ?? "none"}`),
      similarity: percent(Number(match[3])),
    }),
  ],
];

/** Return a reason for no verdict in the language of the page. */
export const reasonMessage = (reason) => reason[language()] ?? reason.en;

/** Translate a warning of the detector. */
export function warningMessage(warning) {
  for (const [pattern, name, values] of WARNINGS) {
    const match = pattern.exec(warning);
    if (match !== null) return translate(name, values(match));
  }
  return warning;
}

/** Describe an error in one sentence. */
export function errorMessage(error) {
  if (error instanceof NetworkError) return translate("error.offline");
  if (!(error instanceof ApiError)) throw error; // a bug of this page: the console shows it
  if (language() === "en" && error.detail && error.status !== 401) return error.detail;
  return TRANSLATED_STATUSES.has(error.status) ? translate(`error.${error.status}`) : translate("error.other", { status: error.status });
}

/** Describe an error, with the service's own message if it has more details. */
export function errorNodes(error, name = null) {
  const reason = errorMessage(error);
  const nodes = [name === null ? reason : translate(name, { reason })];
  if (error instanceof ApiError && error.detail && error.detail !== reason) {
    nodes.push(" ", el("span", { class: "detail" }, translate("error.detail"), " ", el("span", { lang: "en" }, error.detail)));
  }
  return nodes;
}

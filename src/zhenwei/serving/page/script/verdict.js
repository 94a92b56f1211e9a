/** A verdict: its name and icon, a bar with the probability and the threshold, and the warnings. */

import { el, sign } from "./elements.js";
import { language, percent, translate } from "./language.js";
import { reasonMessage, warningMessage } from "./messages.js";

const CLOSE = 0.1; // distance to the threshold below which the text counts as undecided

/**
 * Create the elements of a verdict.
 *
 * @param {Object} prediction - of `/v1/predict`.
 * @param {boolean} calibrated - whether the probability is calibrated.
 */
export function verdictNodes(prediction, calibrated) {
  const { verdict, probability, reasons, warnings } = prediction;
  if (verdict === "unsure") return unsureNodes(reasons, warnings);
  const close = isClose(prediction);
  return [
    el("p", { class: `verdict ${verdict}` }, sign(verdict), el("strong", {}, translate(`outcome.${verdict}`))),
    bar(prediction),
    el("p", { class: "probability-line" },
      el("span", { class: "probability" }, percent(probability)),
      el("span", { class: "muted" }, `${translate("outcome.probability")} · ${translate(calibrated ? "outcome.calibrated" : "outcome.raw")}`)),
    close ? el("p", { class: "close-call" }, translate("outcome.close")) : null,
    warningNodes(warnings),
  ];
}

/** Without a verdict there is no percentage: it would mean nothing. */
function unsureNodes(reasons, warnings) {
  return [
    el("p", { class: "verdict unsure" }, sign("unsure"), el("strong", {}, translate("outcome.unsure"))),
    el("ul", { class: "reasons" }, reasons.map((reason) => el("li", {}, reasonMessage(reason)))),
    warningNodes(warnings),
  ];
}

const warningNodes = (warnings) => (warnings.length === 0 ? null : el("div", { class: "notice small" },
  el("h3", {}, translate("warnings.title")),
  el("ul", {}, warnings.map(warningItem))));

/** Create a list item of a warning; without a translation it is in English. */
export function warningItem(warning) {
  const message = warningMessage(warning);
  return el("li", { lang: message === warning && language() !== "en" ? "en" : null }, message);
}

/** Describe a verdict in a sentence, for screen readers. */
export function verdictAnnouncement({ verdict, probability, threshold, reasons, warnings }) {
  if (verdict === "unsure") return [translate("outcome.unsure"), ...reasons.map(reasonMessage)].join(": ");
  const sentence = translate("outcome.announce", {
    verdict: translate(`outcome.${verdict}`), probability: percent(probability), threshold: percent(threshold),
  });
  return warnings.length === 0 ? sentence : `${sentence} ${translate("outcome.warnings", { count: warnings.length })}`;
}

const isClose = ({ probability, threshold }) => Math.abs(probability - threshold) < CLOSE * Math.min(1, 2 * threshold, 2 - 2 * threshold);

function bar({ verdict, probability, threshold }) {
  const fill = el("span", { class: `fill ${verdict}` });
  const mark = el("span", { class: "threshold" });
  const flag = el("span", { class: "flag" }, translate("outcome.threshold", { threshold: percent(threshold) }));
  fill.style.width = `${100 * probability}%`;
  mark.style.left = flag.style.left = `${100 * threshold}%`;
  flag.style.transform = `translateX(${-100 * threshold}%)`; // stays within the bar for any threshold
  const label = translate("outcome.bar", { probability: percent(probability), threshold: percent(threshold) });
  return el("div", { class: "gauge", role: "img", "aria-label": label },
    el("div", { class: "flags" }, flag),
    el("div", { class: "track" }, fill, mark),
    el("div", { class: "ends" }, el("span", {}, `0% ${translate("outcome.towards.real")}`), el("span", {}, `${translate("outcome.towards.fake")} 100%`)));
}

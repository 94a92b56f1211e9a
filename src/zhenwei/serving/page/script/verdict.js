/** A verdict: in a word and a sign, its probability as a bar with the threshold on it, and its warnings. */

import { el, sign } from "./elements.js";
import { language, percent, say } from "./language.js";
import { warningWords } from "./wording.js";

const CLOSE = 0.1; // of the threshold: no verdict to lean on

/**
 * Draw a verdict.
 *
 * @param {Object} prediction - as `/v1/predict` gives it.
 * @param {boolean} calibrated - whether its probability is.
 */
export function verdictNodes(prediction, calibrated) {
  const { verdict, probability, warnings } = prediction;
  const close = isClose(prediction);
  return [
    el("p", { class: `verdict ${verdict}` }, sign(verdict), el("strong", {}, say(`outcome.${verdict}`))),
    bar(prediction),
    el("p", { class: "figure-line" },
      el("span", { class: "figure" }, percent(probability)),
      el("span", { class: "muted" }, `${say("outcome.probability")} · ${say(calibrated ? "outcome.calibrated" : "outcome.raw")}`)),
    close ? el("p", { class: "close-call" }, say("outcome.close")) : null,
    warnings.length === 0 ? null : el("div", { class: "notice small" },
      el("h3", {}, say("warnings.title")),
      el("ul", {}, warnings.map(warningItem))),
  ];
}

/** A warning as an item; what the page has no words for stands there as it came. */
export function warningItem(warning) {
  const words = warningWords(warning);
  return el("li", { lang: words === warning && language() !== "en" ? "en" : null }, words);
}

/** Say a verdict in a sentence, for those who listen. */
export function spokenVerdict({ verdict, probability, threshold, warnings }) {
  const sentence = say("outcome.announce", {
    verdict: say(`outcome.${verdict}`), probability: percent(probability), threshold: percent(threshold),
  });
  return warnings.length === 0 ? sentence : `${sentence} ${say("outcome.warnings", { count: warnings.length })}`;
}

const isClose = ({ probability, threshold }) => Math.abs(probability - threshold) < CLOSE * Math.min(1, 2 * threshold, 2 - 2 * threshold);

function bar({ verdict, probability, threshold }) {
  const fill = el("span", { class: `fill ${verdict}` });
  const mark = el("span", { class: "threshold" });
  const flag = el("span", { class: "flag" }, say("outcome.threshold", { threshold: percent(threshold) }));
  fill.style.width = `${100 * probability}%`;
  mark.style.left = flag.style.left = `${100 * threshold}%`;
  flag.style.transform = `translateX(${-100 * threshold}%)`; // stays within the bar, wherever the threshold is
  const label = say("outcome.bar", { probability: percent(probability), threshold: percent(threshold) });
  return el("div", { class: "gauge", role: "img", "aria-label": label },
    el("div", { class: "flags" }, flag),
    el("div", { class: "track" }, fill, mark),
    el("div", { class: "ends" }, el("span", {}, `0% ${say("outcome.towards.real")}`), el("span", {}, `${say("outcome.towards.fake")} 100%`)));
}

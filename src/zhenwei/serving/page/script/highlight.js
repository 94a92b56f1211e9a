/** The words that influenced a score: highlighted in the text, and listed by direction. */

import { el, sign } from "./elements.js";
import { language, translate } from "./language.js";

const MARKED = 0.15; // share of the strongest attribution from which a word is marked
const STRONG = 0.55; // and from which it is marked strongly
const LISTED = 6; // words per direction
const SHADES = 5; // of attention

/**
 * Create the elements of an explanation.
 *
 * @param {Object} explanation - of `/v1/explain`: `words` of `word` and `attribution`, and `attention`.
 */
export function highlightedNodes({ words, attention }) {
  const strongest = Math.max(0, ...words.map(({ attribution }) => Math.abs(attribution)));
  if (strongest === 0) return [el("p", { class: "muted" }, translate("words.none")), attentionNode(attention)];
  return [
    el("ul", { class: "legend" },
      el("li", {}, mark(translate("words.fake"), "fake")),
      el("li", {}, mark(translate("words.real"), "real")),
      el("li", { class: "muted" }, translate("words.strong"))),
    el("p", { class: "highlighted", lang: "zh" }, words.map(({ word, attribution }) => marked(word, attribution, strongest))),
    el("div", { class: "ranked" }, ranking(words, strongest, "fake"), ranking(words, strongest, "real")),
    el("p", { class: "small muted" }, translate("words.note")),
    attentionNode(attention),
  ];
}

function marked(word, attribution, strongest) {
  if (word.trim() === "" || Math.abs(attribution) < MARKED * strongest) return word;
  const direction = attribution > 0 ? "fake" : "real";
  return mark(word, direction, Math.abs(attribution) >= STRONG * strongest);
}

function mark(word, direction, strong = false) {
  return el("mark", { class: strong ? `${direction} strong` : direction, title: translate(`words.${direction}`) }, word);
}

/** Create a list of the strongest words of a direction, each once, with bars. */
function ranking(words, strongest, direction) {
  const strengths = new Map();
  for (const { word, attribution } of words) {
    const strength = direction === "fake" ? attribution : -attribution;
    const plain = word.trim();
    if (plain !== "" && strength >= MARKED * strongest && strength > (strengths.get(plain) ?? 0)) strengths.set(plain, strength);
  }
  const ranked = [...strengths].sort((a, b) => b[1] - a[1]).slice(0, LISTED);
  return el("div", {},
    el("h3", { class: direction }, sign(direction), translate(`words.top.${direction}`)),
    ranked.length === 0 ? el("p", { class: "muted small" }, translate("words.nothing"))
      : el("ol", {}, ranked.map(([word, strength]) => rankedWord(word, strength, strongest, direction))));
}

function rankedWord(word, strength, strongest, direction) {
  const bar = el("span", { class: `bar-length ${direction}` });
  bar.style.width = `${(100 * strength) / strongest}%`;
  const attribution = `${direction === "fake" ? "+" : "−"}${strength.toFixed(2)}`;
  return el("li", {}, el("span", { class: "word", lang: "zh" }, word), el("span", { class: "bar-track" }, bar), el("span", { class: "number" }, attribution));
}

/** Create the view of the attention; it starts collapsed, because it does not explain the result. */
function attentionNode(attention) {
  if (!attention) return null;
  const strongest = Math.max(...attention.map(({ weight }) => weight)) || 1;
  const shaded = attention.map(({ word, weight }) => {
    const shade = Math.round((SHADES * weight) / strongest);
    return shade === 0 || word.trim() === "" ? word : el("span", { class: `shade-${shade}` }, word);
  });
  return el("details", { class: "attention" },
    el("summary", {}, translate("attention.title")),
    el("p", { class: "highlighted", lang: "zh" }, shaded),
    el("p", { class: "small muted", lang: language() === "zh" ? null : "en" }, translate("attention.note")));
}

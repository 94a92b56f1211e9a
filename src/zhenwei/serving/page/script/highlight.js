/** The words that swayed a verdict: marked in the text, both ways, and listed. */

import { el, sign } from "./elements.js";
import { language, say } from "./language.js";

const LEAST = 0.15; // shares of the strongest attribution from which a word is marked,
const STRONG = 0.55; // and marked strongly
const LISTED = 6; // words that are listed, each way
const SHADES = 5; // of attention

/**
 * Draw an explanation.
 *
 * @param {Object} explanation - as `/v1/explain` gives it: `words` of `word` and `attribution`, and `attention`.
 */
export function highlightedNodes({ words, attention }) {
  const most = Math.max(0, ...words.map(({ attribution }) => Math.abs(attribution)));
  if (most === 0) return [el("p", { class: "muted" }, say("words.none")), attentionNode(attention)];
  return [
    el("ul", { class: "legend" },
      el("li", {}, mark(say("words.fake"), "fake")),
      el("li", {}, mark(say("words.real"), "real")),
      el("li", { class: "muted" }, say("words.strong"))),
    el("p", { class: "highlighted", lang: "zh" }, words.map(({ word, attribution }) => marked(word, attribution, most))),
    el("div", { class: "ranked" }, ranking(words, most, "fake"), ranking(words, most, "real")),
    el("p", { class: "small muted" }, say("words.note")),
    attentionNode(attention),
  ];
}

function marked(word, attribution, most) {
  if (word.trim() === "" || Math.abs(attribution) < LEAST * most) return word;
  const way = attribution > 0 ? "fake" : "real";
  return mark(word, way, Math.abs(attribution) >= STRONG * most);
}

function mark(word, way, strong = false) {
  return el("mark", { class: strong ? `${way} strong` : way, title: say(`words.${way}`) }, word);
}

/** The strongest words one way, each once, with bars. */
function ranking(words, most, way) {
  const found = new Map();
  for (const { word, attribution } of words) {
    const strength = way === "fake" ? attribution : -attribution;
    const plain = word.trim();
    if (plain !== "" && strength >= LEAST * most && strength > (found.get(plain) ?? 0)) found.set(plain, strength);
  }
  const ranked = [...found].sort((a, b) => b[1] - a[1]).slice(0, LISTED);
  return el("div", {},
    el("h3", { class: way }, sign(way), say(`words.top.${way}`)),
    ranked.length === 0 ? el("p", { class: "muted small" }, say("words.nothing"))
      : el("ol", {}, ranked.map(([word, strength]) => rankedWord(word, strength, most, way))));
}

function rankedWord(word, strength, most, way) {
  const length = el("span", { class: `length ${way}` });
  length.style.width = `${(100 * strength) / most}%`;
  const attribution = `${way === "fake" ? "+" : "−"}${strength.toFixed(2)}`;
  return el("li", {}, el("span", { class: "word", lang: "zh" }, word), el("span", { class: "run" }, length), el("span", { class: "number" }, attribution));
}

/** Where the network looked: folded, for it is easily taken for more than it is. */
function attentionNode(attention) {
  if (!attention) return null;
  const most = Math.max(...attention.map(({ weight }) => weight)) || 1;
  const shaded = attention.map(({ word, weight }) => {
    const shade = Math.round((SHADES * weight) / most);
    return shade === 0 || word.trim() === "" ? word : el("span", { class: `shade-${shade}` }, word);
  });
  return el("details", { class: "attention" },
    el("summary", {}, say("attention.title")),
    el("p", { class: "highlighted", lang: "zh" }, shaded),
    el("p", { class: "small muted", lang: language() === "zh" ? null : "en" }, say("attention.note")));
}

/** The words that swayed a verdict: marked in the text, both ways, and listed. */

import { el, sign } from "./elements.js";
import { language, say } from "./language.js";

const LEAST = 0.15; // shares of the strongest sway from which a word is marked,
const STRONG = 0.55; // and marked strongly
const LISTED = 6; // words that are listed, each way
const SHADES = 5; // of attention

/**
 * Draw an explanation.
 *
 * @param {Object} explanation - as `/v1/explain` gives it: `words` of `word` and `sway`, and `attention`.
 */
export function swayedNodes({ words, attention }) {
  const most = Math.max(0, ...words.map(({ sway }) => Math.abs(sway)));
  if (most === 0) return [el("p", { class: "muted" }, say("words.none")), attentionNode(attention)];
  return [
    el("ul", { class: "legend" },
      el("li", {}, mark(say("words.fake"), "fake")),
      el("li", {}, mark(say("words.real"), "real")),
      el("li", { class: "muted" }, say("words.strong"))),
    el("p", { class: "swayed", lang: "zh" }, words.map(({ word, sway }) => marked(word, sway, most))),
    el("div", { class: "ranked" }, ranking(words, most, "fake"), ranking(words, most, "real")),
    el("p", { class: "small muted" }, say("words.note")),
    attentionNode(attention),
  ];
}

function marked(word, sway, most) {
  if (word.trim() === "" || Math.abs(sway) < LEAST * most) return word;
  const way = sway > 0 ? "fake" : "real";
  return mark(word, way, Math.abs(sway) >= STRONG * most);
}

function mark(word, way, strong = false) {
  return el("mark", { class: strong ? `${way} strong` : way, title: say(`words.${way}`) }, word);
}

/** The strongest words one way, each once, with bars. */
function ranking(words, most, way) {
  const found = new Map();
  for (const { word, sway } of words) {
    const strength = way === "fake" ? sway : -sway;
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
  const sway = `${way === "fake" ? "+" : "−"}${strength.toFixed(2)}`;
  return el("li", {}, el("span", { class: "word", lang: "zh" }, word), el("span", { class: "run" }, length), el("span", { class: "number" }, sway));
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
    el("p", { class: "swayed", lang: "zh" }, shaded),
    el("p", { class: "small muted", lang: language() === "zh" ? null : "en" }, say("attention.note")));
}

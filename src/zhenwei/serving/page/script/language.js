/** The page's two languages: which one is spoken, and how to say something in it. */

import { en } from "./words.en.js";
import { zh } from "./words.zh.js";

const WORDS = { zh, en };
const TAGS = { zh: "zh-CN", en: "en" };
const KEPT = "zhenwei.language";
const listeners = [];

let current = remembered() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

/** Return the sentence of a name, with values in place of {names}. */
export function say(name, values = {}) {
  const sentence = WORDS[current][name];
  if (sentence === undefined) throw new Error(`no words for ${name}`);
  return sentence.replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}

/** Return the language that is spoken: zh or en. */
export const language = () => current;

/** Return the tag of that language, as `lang` wants it. */
export const tag = () => TAGS[current];

/** Call a function whenever the language changes. */
export function onLanguage(heed) {
  listeners.push(heed);
}

/** Speak the other language, and remember it. */
export function switchLanguage() {
  current = current === "zh" ? "en" : "zh";
  try {
    localStorage.setItem(KEPT, current);
  } catch {
    // not allowed here: the choice lasts as long as the page
  }
  speak();
  for (const heed of listeners) heed();
}

/** Put the words of the language into the page's elements. */
export function speak() {
  document.documentElement.lang = tag();
  document.title = say(document.documentElement.dataset.title);
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  for (const element of document.querySelectorAll("[data-say-label]")) {
    element.setAttribute("aria-label", say(element.dataset.sayLabel));
  }
  for (const element of document.querySelectorAll("[data-say-hint]")) element.placeholder = say(element.dataset.sayHint);
  const button = document.getElementById("language");
  button.textContent = say("language.other");
  button.lang = TAGS[current === "zh" ? "en" : "zh"];
}

/** A share as a percentage; what is not quite nothing or all is not called so. */
export function percent(share, digits = 0) {
  const least = 0.5 / 100 / 10 ** digits;
  const format = new Intl.NumberFormat(tag(), { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
  if (share > 0 && share < least) return `<${format.format(2 * least)}`;
  if (share < 1 && share > 1 - least) return `>${format.format(1 - 2 * least)}`;
  return format.format(share);
}

/** A whole number. */
export const count = (number) => new Intl.NumberFormat(tag()).format(number);

function remembered() {
  try {
    const kept = localStorage.getItem(KEPT);
    return kept in WORDS ? kept : null;
  } catch {
    return null;
  }
}

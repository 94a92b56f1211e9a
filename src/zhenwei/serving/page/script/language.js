/** The page's two languages: the current one, translations and number formats. */

import { en } from "./strings.en.js";
import { zh } from "./strings.zh.js";

const STRINGS = { zh, en };
const TAGS = { zh: "zh-CN", en: "en" };
const STORAGE_KEY = "zhenwei.language";
const listeners = [];

let current = storedLanguage() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

/** Return a string of the current language, with its {placeholders} replaced by values. */
export function translate(name, values = {}) {
  const string = STRINGS[current][name];
  if (string === undefined) throw new Error(`no string for ${name}`);
  return string.replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}

/** Return the current language: zh or en. */
export const language = () => current;

/** Return the language tag for the attribute `lang`. */
export const tag = () => TAGS[current];

/** Call a function when the language changes. */
export function onLanguageChange(listener) {
  listeners.push(listener);
}

/** Switch to the other language, and store it. */
export function switchLanguage() {
  current = current === "zh" ? "en" : "zh";
  try {
    localStorage.setItem(STORAGE_KEY, current);
  } catch {
    // storage is not available: the choice lasts until the page is closed
  }
  applyLanguage();
  for (const listener of listeners) listener();
}

/** Fill the page's elements with strings of the current language. */
export function applyLanguage() {
  document.documentElement.lang = tag();
  document.title = translate(document.documentElement.dataset.title);
  for (const element of document.querySelectorAll("[data-i18n]")) element.textContent = translate(element.dataset.i18n);
  for (const element of document.querySelectorAll("[data-i18n-label]")) {
    element.setAttribute("aria-label", translate(element.dataset.i18nLabel));
  }
  for (const element of document.querySelectorAll("[data-i18n-placeholder]")) element.placeholder = translate(element.dataset.i18nPlaceholder);
  const button = document.getElementById("language");
  button.textContent = translate("language.other");
  button.lang = TAGS[current === "zh" ? "en" : "zh"];
}

/** Format a share as a percentage; only exact 0 and 1 become 0% and 100%. */
export function percent(share, digits = 0) {
  const smallest = 0.5 / 100 / 10 ** digits;
  const format = new Intl.NumberFormat(tag(), { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
  if (share > 0 && share < smallest) return `<${format.format(2 * smallest)}`;
  if (share < 1 && share > 1 - smallest) return `>${format.format(1 - 2 * smallest)}`;
  return format.format(share);
}

/** Format a whole number. */
export const count = (number) => new Intl.NumberFormat(tag()).format(number);

function storedLanguage() {
  try {
    const stored = localStorage.getItem(STORAGE_KEY);
    return stored in STRINGS ? stored : null;
  } catch {
    return null;
  }
}

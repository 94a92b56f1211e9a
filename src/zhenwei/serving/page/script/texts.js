/** What the service would refuse of a text, found before it is sent. */

// As in the service: line breaks and tabs belong to texts, other controls come from broken software.
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/u;
const HALF = /\p{Surrogate}/u;
const BLANK = /^[\p{Z}\p{Cc}\p{Cf}]*$/u; // nothing that can be seen

/** Return how many characters a text has, as the service counts them. */
export function characters(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/**
 * Return what is wrong with a text.
 *
 * @param {string} text
 * @param {number} limit - characters that are taken.
 * @returns {{kind: string, values: Object}|null} `kind` is blank, long, control or surrogate.
 */
export function trouble(text, limit) {
  if (BLANK.test(text)) return { kind: "blank", values: {} };
  const count = characters(text);
  if (count > limit) return { kind: "long", values: { count, limit } };
  for (const [kind, pattern] of [["control", CONTROL], ["surrogate", HALF]]) {
    const found = pattern.exec(text);
    if (found === null) continue;
    const code = `U+${found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    return { kind, values: { place: characters(text.slice(0, found.index)) + 1, code } };
  }
  return null;
}

/** Finds texts that the service would reject, before they are sent. */

// As in the service: texts have line breaks and tabs; other controls come from broken software.
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/u;
const HALF = /\p{Surrogate}/u;
const BLANK = /^[\p{Z}\p{Cc}\p{Cf}]*$/u; // nothing visible

/** Count the characters of a text, as the service does. */
export function characters(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/**
 * Return the problem of a text.
 *
 * @param {string} text
 * @param {number} limit - maximum characters.
 * @returns {{kind: string, values: Object}|null} `kind` is blank, long, control or surrogate.
 */
export function findProblem(text, limit) {
  if (BLANK.test(text)) return { kind: "blank", values: {} };
  const count = characters(text);
  if (count > limit) return { kind: "long", values: { count, limit } };
  for (const [kind, pattern] of [["control", CONTROL], ["surrogate", HALF]]) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const code = `U+${match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    return { kind, values: { position: characters(text.slice(0, match.index)) + 1, code } };
  }
  return null;
}

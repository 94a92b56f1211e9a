/** Elements of the page. Whatever comes from outside becomes text, never markup. */

/**
 * Make an HTML element.
 *
 * @param {string} tag
 * @param {Object} attributes - attributes; `class`, `on` ({event: function}) and booleans are understood.
 * @param {...(Node|string|null)} children
 */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Make an SVG element; see `el`. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const [event, heed] of Object.entries(on)) element.addEventListener(event, heed);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return the element of an id. */
export const byId = (id) => document.getElementById(id);

/** Show an element only where a condition holds. */
export function show(element, condition) {
  element.hidden = !condition;
}

/** A verdict's sign: full for fake, hollow for real, so that it does not rest on colour. */
export function sign(verdict) {
  const shape = verdict === "fake" ? "M10 2 19 18H1Z" : "M10 17 2.5 3.5h15Z";
  return svg("svg", { class: `sign ${verdict}`, viewBox: "0 0 20 20", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: shape }));
}

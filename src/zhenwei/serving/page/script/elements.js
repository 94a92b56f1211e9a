/** Create and find elements. Data becomes text, never markup. */

/**
 * Create an HTML element.
 *
 * @param {string} tag
 * @param {Object} attributes - attributes, with `on` for listeners ({event: function}); booleans set or omit an attribute.
 * @param {...(Node|string|null)} children
 */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Create an SVG element; see `el`. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return the element with an id. */
export const byId = (id) => document.getElementById(id);

/** Show an element only if a condition holds. */
export function show(element, condition) {
  element.hidden = !condition;
}

const SHAPES = { fake: "M10 2 19 18H1Z", real: "M10 17 2.5 3.5h15Z", unsure: "M3 10a7 7 0 1 0 14 0a7 7 0 1 0-14 0Z" };

/** Return the icon of a verdict: filled for fake, outlined for real, a circle for unsure, so that it does not depend on color. */
export function sign(verdict) {
  return svg("svg", { class: `sign ${verdict}`, viewBox: "0 0 20 20", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: SHAPES[verdict] }));
}

/** Charts of figures per week, drawn at the size that there is, so that their words stay readable. */

import { svg } from "./elements.js";
import { weekNumber } from "./weeks.js";

const HEIGHT = 190;
const MARGIN = { top: 12, right: 32, bottom: 26, left: 44 }; // half of a week's name sticks out to the right
const LABEL_WIDTH = 74; // of a week's name, and air

/**
 * Draw a chart.
 *
 * @param {Object} chart
 * @param {number} chart.width - pixels.
 * @param {string} chart.label - what it shows, in a sentence.
 * @param {{week: string, value: number|null, range: number[]|null, changed: boolean}[]} chart.points - oldest first.
 * @param {number} chart.most - the upper end of the scale.
 * @param {function(number): string} chart.name - of a value.
 * @param {boolean} chart.bars - bars, else a line.
 * @param {number|null} chart.guide - a value to draw a thin line at.
 */
export function drawChart({ width, label, points, most, name, bars = false, guide = null }) {
  const places = points.map(({ week }) => weekNumber(week));
  const [first, last] = [places[0], places.at(-1)];
  const room = width - MARGIN.left - MARGIN.right;
  const step = room / (last - first + 1);
  const x = (place) => MARGIN.left + (place - first + 0.5) * step;
  const y = (value) => MARGIN.top + (1 - value / most) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const shown = points.map((point, number) => ({ ...point, x: x(places[number]), place: places[number] }));
  const known = shown.filter(({ value }) => value !== null);
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": label },
    [0, 0.5, 1].map((share) => gridLine(share * most, y(share * most), width, name)),
    guide === null ? null : svg("line", { class: "guide", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(guide), y2: y(guide) }),
    shown.filter(({ changed }) => changed).map((point) => svg("line", {
      class: "change", x1: point.x - step / 2, x2: point.x - step / 2, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom,
    })),
    bars ? known.map((point) => bar(point, Math.min(step * 0.6, 28), y)) : [whiskers(known, y), line(known, y), dots(known, y, name)],
    weekNames(shown));
}

function gridLine(value, y, width, name) {
  return svg("g", {},
    svg("line", { class: value === 0 ? "axis" : "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }),
    svg("text", { class: "scale", x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, name(value)));
}

function bar({ x, value }, width, y) {
  const height = Math.max(y(0) - y(value), value > 0 ? 1 : 0);
  return svg("rect", { class: "bar", x: x - width / 2, y: y(0) - height, width, height });
}

function whiskers(known, y) {
  const ranged = known.filter(({ range }) => range !== null);
  return ranged.map(({ x, range }) => svg("line", { class: "whisker", x1: x, x2: x, y1: y(range[0]), y2: y(range[1]) }));
}

/** A line through the weeks; interrupted where a week is missing. */
function line(known, y) {
  const path = known.map(({ x, value, place }, number) => {
    const follows = number > 0 && place === known[number - 1].place + 1;
    return `${follows ? "L" : "M"}${x.toFixed(1)} ${y(value).toFixed(1)}`;
  });
  return svg("path", { class: "series", d: path.join("") });
}

function dots(known, y, name) {
  return known.map(({ x, value, week }) => svg("circle", { class: "dot", cx: x, cy: y(value), r: 3.5 }, svg("title", {}, `${week} ${name(value)}`)));
}

/** Names of as many weeks as there is room for, the last one always. */
function weekNames(shown) {
  const named = [];
  for (const point of [...shown].reverse()) {
    if (named.length === 0 || named.at(-1).x - point.x >= LABEL_WIDTH) named.push(point);
  }
  return named.map(({ x, week }) => svg("text", { class: "scale", x, y: HEIGHT - 6, "text-anchor": "middle" }, week));
}

/** Charts of figures per week, drawn at the size that there is, so that their words stay readable. */

import { svg } from "./elements.js";
import { weekNumber } from "./weeks.js";

const HEIGHT = 190;
const MARGIN = { top: 12, right: 14, bottom: 26, left: 44 };
const LABEL_WIDTH = 74; // of a week's name

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
    weekNames(shown, room));
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
function weekNames(shown, room) {
  const most = Math.max(2, Math.floor(room / LABEL_WIDTH));
  const every = Math.ceil(shown.length / most);
  const end = shown.length - 1;
  return shown.filter((_, number) => (end - number) % every === 0).map(({ x, week }, number, all) => {
    const anchor = all.length > 1 && number === 0 && x < MARGIN.left + 30 ? "start" : number === all.length - 1 && all.length > 1 ? "end" : "middle";
    return svg("text", { class: "scale", x: anchor === "end" ? x + MARGIN.right : anchor === "start" ? x - 10 : x, y: HEIGHT - 6, "text-anchor": anchor }, week);
  });
}

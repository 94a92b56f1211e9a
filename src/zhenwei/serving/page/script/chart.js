/** Charts of weekly figures, drawn at the available width so that labels stay readable. */

import { svg } from "./elements.js";
import { weekNumber } from "./weeks.js";

const HEIGHT = 190;
const MARGIN = { top: 12, right: 32, bottom: 26, left: 44 }; // half of the last label is to the right of the axis
const LABEL_WIDTH = 74; // a week's label with space

/**
 * Create a chart.
 *
 * @param {Object} chart
 * @param {number} chart.width - pixels.
 * @param {string} chart.label - a description in a sentence.
 * @param {{week: string, value: number|null, range: number[]|null, changed: boolean}[]} chart.points - oldest first.
 * @param {number} chart.max - the upper end of the scale.
 * @param {function(number): string} chart.format - formats a value.
 * @param {boolean} chart.bars - bars instead of a line.
 * @param {number|null} chart.guide - the value of a dotted line.
 */
export function drawChart({ width, label, points, max, format, bars = false, guide = null }) {
  const positions = points.map(({ week }) => weekNumber(week));
  const [first, last] = [positions[0], positions.at(-1)];
  const plotWidth = width - MARGIN.left - MARGIN.right;
  const step = plotWidth / (last - first + 1);
  const x = (position) => MARGIN.left + (position - first + 0.5) * step;
  const y = (value) => MARGIN.top + (1 - value / max) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const placed = points.map((point, number) => ({ ...point, x: x(positions[number]), position: positions[number] }));
  const present = placed.filter(({ value }) => value !== null);
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": label },
    [0, 0.5, 1].map((share) => gridLine(share * max, y(share * max), width, format)),
    guide === null ? null : svg("line", { class: "guide", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(guide), y2: y(guide) }),
    placed.filter(({ changed }) => changed).map((point) => svg("line", {
      class: "change", x1: point.x - step / 2, x2: point.x - step / 2, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom,
    })),
    bars ? present.map((point) => bar(point, Math.min(step * 0.6, 28), y)) : [whiskers(present, y), line(present, y), dots(present, y, format)],
    weekLabels(placed));
}

function gridLine(value, y, width, format) {
  return svg("g", {},
    svg("line", { class: value === 0 ? "axis" : "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }),
    svg("text", { class: "scale", x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, format(value)));
}

function bar({ x, value }, width, y) {
  const height = Math.max(y(0) - y(value), value > 0 ? 1 : 0);
  return svg("rect", { class: "bar", x: x - width / 2, y: y(0) - height, width, height });
}

function whiskers(present, y) {
  const ranged = present.filter(({ range }) => range !== null);
  return ranged.map(({ x, range }) => svg("line", { class: "whisker", x1: x, x2: x, y1: y(range[0]), y2: y(range[1]) }));
}

/** Create a line through the weeks, with gaps at missing weeks. */
function line(present, y) {
  const path = present.map(({ x, value, position }, number) => {
    const follows = number > 0 && position === present[number - 1].position + 1;
    return `${follows ? "L" : "M"}${x.toFixed(1)} ${y(value).toFixed(1)}`;
  });
  return svg("path", { class: "series", d: path.join("") });
}

function dots(present, y, format) {
  return present.map(({ x, value, week }) => svg("circle", { class: "dot", cx: x, cy: y(value), r: 3.5 }, svg("title", {}, `${week} ${format(value)}`)));
}

/** Create the labels of as many weeks as fit, always with the last one. */
function weekLabels(placed) {
  const labeled = [];
  for (const point of [...placed].reverse()) {
    if (labeled.length === 0 || labeled.at(-1).x - point.x >= LABEL_WIDTH) labeled.push(point);
  }
  return labeled.map(({ x, week }) => svg("text", { class: "scale", x, y: HEIGHT - 6, "text-anchor": "middle" }, week));
}

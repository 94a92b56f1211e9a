/** The page at /drift/: predictions and reviews per week. */

import { drawChart } from "./chart.js";
import { byId, el, show } from "./elements.js";
import { count, onLanguageChange, percent, translate, applyLanguage, switchLanguage } from "./language.js";
import { ApiError, request } from "./api.js";
import { interval } from "./weeks.js";
import { errorNodes } from "./messages.js";

const CHOICES = [8, 26, 52, 156]; // weeks
const DEFAULT_WEEKS = 26;
const share = (value) => percent(value);

// The field of each chart, and the counts of its confidence interval.
const CHARTS = [
  { name: "share", value: "fake_share", part: "fakes", total: "predictions" },
  { name: "agreement", value: "agreement", part: "agreed", total: "compared" },
  { name: "confidence", value: "confidence", guide: 0.5 },
  { name: "volume", value: "predictions", bars: true },
];
const COLUMNS = [
  ["predictions", count], ["fakes", count], ["unsure", count], ["share", share, "fake_share"], ["confidence", share, "confidence"],
  ["reviews", count], ["reviewed.fakes", count, "reviewed_fakes"], ["compared", count], ["agreed", count],
  ["agreement", share, "agreement"],
];

let weeks = null;
let failure = null;

async function load() {
  try {
    weeks = (await request(`drift?weeks=${byId("weeks").value}`)).weeks;
    failure = null;
  } catch (error) {
    failure = error;
  }
  draw();
}

function draw() {
  const notice = byId("error-notice");
  show(notice, failure !== null);
  if (failure !== null) {
    const off = failure instanceof ApiError && failure.status === 404;
    notice.replaceChildren(...(off ? [translate("drift.off")] : errorNodes(failure, "drift.failed")));
  }
  const hasData = failure === null && weeks !== null && weeks.length > 0;
  show(byId("week-choice"), failure === null && weeks !== null);
  show(byId("empty"), failure === null && weeks !== null && weeks.length === 0);
  show(byId("figures"), hasData);
  const chosen = byId("weeks").value || DEFAULT_WEEKS;
  byId("weeks").replaceChildren(...CHOICES.map((each) => el("option", { value: each }, translate("drift.weeks.count", { count: each }))));
  byId("weeks").value = chosen;
  byId("charts").replaceChildren(...(hasData ? CHARTS.map(figure) : []));
  if (hasData) {
    drawCharts();
    byId("figures-table").replaceChildren(table());
  }
}

function figure(chart) {
  const last = weeks.findLast((week) => week[chart.value] !== null);
  const latest = last === undefined ? null : translate("drift.latest", { week: last.week, value: formatter(chart)(last[chart.value]) });
  const changes = points(chart).some(({ changed }) => changed);
  const legend = [chart.total ? translate("drift.interval") : null, changes ? translate("drift.change") : null].filter(Boolean);
  return el("figure", {},
    el("figcaption", {}, el("strong", {}, translate(`drift.${chart.name}`)), el("span", { class: "muted small" }, `${translate(`drift.${chart.name}.note`)}${latest ? ` · ${latest}` : ""}`)),
    el("div", { class: "chart-area", "data-chart": chart.name }),
    legend.length === 0 ? null : el("p", { class: "small muted" }, legend.join(" · ")));
}

function drawCharts() {
  for (const chart of CHARTS) {
    const area = document.querySelector(`[data-chart=${chart.name}]`);
    if (area === null) continue;
    const drawn = points(chart);
    const max = chart.bars ? roundUp(Math.max(...drawn.map(({ value }) => value ?? 0))) : 1;
    area.replaceChildren(drawChart({
      width: Math.max(240, Math.floor(area.clientWidth)), label: chartDescription(chart, drawn), points: drawn, max, format: formatter(chart),
      bars: chart.bars, guide: chart.guide ?? null,
    }));
  }
}

function points({ value, part, total }) {
  return weeks.map((week, number) => ({
    week: week.week,
    value: week[value],
    range: total && week[total] > 0 ? interval(week[part], week[total]) : null,
    changed: number > 0 && week.bundles.length > 0 && week.bundles.some((version) => !weeks[number - 1].bundles.includes(version)),
  }));
}

function chartDescription(chart, drawn) {
  const title = translate(`drift.${chart.name}`);
  const known = drawn.filter(({ value }) => value !== null);
  if (known.length === 0) return translate("drift.picture.none", { title });
  const values = known.map(({ value }) => value);
  const format = formatter(chart);
  return translate("drift.picture", {
    title, from: known[0].week, to: known.at(-1).week, first: format(values[0]), last: format(values.at(-1)),
    least: format(Math.min(...values)), most: format(Math.max(...values)),
  });
}

function table() {
  const cell = (week) => ([field, format, key = field]) => el("td", { class: "number" }, week[key] === null ? "–" : format(week[key]));
  return el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, translate("drift.week")),
      COLUMNS.map(([field]) => el("th", { scope: "col", class: "number" }, translate(`drift.${field}`))),
      el("th", { scope: "col" }, translate("drift.bundles")))),
    el("tbody", {}, [...weeks].reverse().map((week) => el("tr", {}, el("th", { scope: "row", class: "number" }, week.week),
      COLUMNS.map(cell(week)),
      el("td", { class: "mono" }, week.bundles.map((version) => version.slice(0, 8)).join(" "))))));
}

const formatter = (chart) => (chart.bars ? count : share);

/** Round up to one digit and zeros, so that the scale ends on a round number and its half is whole. */
function roundUp(max) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(max, 1)));
  return Math.max(2, [1, 2, 4, 6, 8, 10].find((each) => each * unit >= max) * unit);
}

async function start() {
  applyLanguage();
  byId("language").addEventListener("click", switchLanguage);
  byId("weeks").append(el("option", { value: DEFAULT_WEEKS }, ""));
  byId("weeks").addEventListener("change", load);
  onLanguageChange(draw);
  let drawn = 0;
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width === drawn) return; // drawing changes the height only
    drawn = contentRect.width;
    if (weeks !== null) drawCharts();
  }).observe(byId("charts"));
  await load();
  document.documentElement.dataset.ready = "yes";
}

start();

/** The page at /drift/: what changed from week to week. */

import { drawChart } from "./chart.js";
import { byId, el, show } from "./elements.js";
import { count, onLanguage, percent, say, speak, switchLanguage } from "./language.js";
import { Refused, ask } from "./service.js";
import { interval } from "./weeks.js";
import { reasonNodes } from "./wording.js";

const CHOICES = [8, 26, 52, 156]; // weeks
const USUAL = 26;
const share = (value) => percent(value);

// What is drawn: a figure of a week, and of how many it is a part, where that says how sure it is.
const CHARTS = [
  { name: "share", value: "fake_share", part: "fakes", whole: "predictions" },
  { name: "agreement", value: "agreement", part: "agreed", whole: "compared" },
  { name: "confidence", value: "confidence", guide: 0.5 },
  { name: "volume", value: "predictions", bars: true },
];
const COLUMNS = [
  ["predictions", count], ["fakes", count], ["share", share, "fake_share"], ["confidence", share, "confidence"],
  ["reviews", count], ["reviewed.fakes", count, "reviewed_fakes"], ["compared", count], ["agreed", count],
  ["agreement", share, "agreement"],
];

let weeks = null;
let failure = null;

async function load() {
  try {
    weeks = (await ask(`drift?weeks=${byId("weeks").value}`)).weeks;
    failure = null;
  } catch (error) {
    failure = error;
  }
  draw();
}

function draw() {
  const trouble = byId("trouble");
  show(trouble, failure !== null);
  if (failure !== null) {
    const off = failure instanceof Refused && failure.status === 404;
    trouble.replaceChildren(...(off ? [say("drift.off")] : reasonNodes(failure, "drift.failed")));
  }
  const full = failure === null && weeks !== null && weeks.length > 0;
  show(byId("choice"), failure === null && weeks !== null);
  show(byId("nothing"), failure === null && weeks !== null && weeks.length === 0);
  show(byId("figures"), full);
  const chosen = byId("weeks").value || USUAL;
  byId("weeks").replaceChildren(...CHOICES.map((each) => el("option", { value: each }, say("drift.weeks.count", { count: each }))));
  byId("weeks").value = chosen;
  byId("charts").replaceChildren(...(full ? CHARTS.map(figure) : []));
  if (full) {
    drawPictures();
    byId("figures-table").replaceChildren(table());
  }
}

function figure(chart) {
  const last = weeks.findLast((week) => week[chart.value] !== null);
  const latest = last === undefined ? null : say("drift.latest", { week: last.week, value: namer(chart)(last[chart.value]) });
  const changes = points(chart).some(({ changed }) => changed);
  const legend = [chart.whole ? say("drift.interval") : null, changes ? say("drift.change") : null].filter(Boolean);
  return el("figure", {},
    el("figcaption", {}, el("strong", {}, say(`drift.${chart.name}`)), el("span", { class: "muted small" }, `${say(`drift.${chart.name}.note`)}${latest ? ` · ${latest}` : ""}`)),
    el("div", { class: "picture", "data-chart": chart.name }),
    legend.length === 0 ? null : el("p", { class: "small muted" }, legend.join(" · ")));
}

function drawPictures() {
  for (const chart of CHARTS) {
    const place = document.querySelector(`[data-chart=${chart.name}]`);
    if (place === null) continue;
    const drawn = points(chart);
    const most = chart.bars ? roundUp(Math.max(...drawn.map(({ value }) => value ?? 0))) : 1;
    place.replaceChildren(drawChart({
      width: Math.max(240, Math.floor(place.clientWidth)), label: pictureWords(chart, drawn), points: drawn, most, name: namer(chart),
      bars: chart.bars, guide: chart.guide ?? null,
    }));
  }
}

function points({ value, part, whole }) {
  return weeks.map((week, number) => ({
    week: week.week,
    value: week[value],
    range: whole && week[whole] > 0 ? interval(week[part], week[whole]) : null,
    changed: number > 0 && week.bundles.length > 0 && week.bundles.some((version) => !weeks[number - 1].bundles.includes(version)),
  }));
}

function pictureWords(chart, drawn) {
  const title = say(`drift.${chart.name}`);
  const known = drawn.filter(({ value }) => value !== null);
  if (known.length === 0) return say("drift.picture.none", { title });
  const values = known.map(({ value }) => value);
  const name = namer(chart);
  return say("drift.picture", {
    title, from: known[0].week, to: known.at(-1).week, first: name(values[0]), last: name(values.at(-1)),
    least: name(Math.min(...values)), most: name(Math.max(...values)),
  });
}

function table() {
  const cell = (week) => ([field, name, key = field]) => el("td", { class: "number" }, week[key] === null ? "–" : name(week[key]));
  return el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, say("drift.week")),
      COLUMNS.map(([field]) => el("th", { scope: "col", class: "number" }, say(`drift.${field}`))),
      el("th", { scope: "col" }, say("drift.bundles")))),
    el("tbody", {}, [...weeks].reverse().map((week) => el("tr", {}, el("th", { scope: "row", class: "number" }, week.week),
      COLUMNS.map(cell(week)),
      el("td", { class: "mono" }, week.bundles.map((version) => version.slice(0, 8)).join(" "))))));
}

const namer = (chart) => (chart.bars ? count : share);

/** The next number of one digit and noughts, so that a scale ends on a round figure, and its half is whole. */
function roundUp(most) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return Math.max(2, [1, 2, 4, 6, 8, 10].find((each) => each * unit >= most) * unit);
}

async function begin() {
  speak();
  byId("language").addEventListener("click", switchLanguage);
  byId("weeks").append(el("option", { value: USUAL }, ""));
  byId("weeks").addEventListener("change", load);
  onLanguage(draw);
  let drawn = 0;
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width === drawn) return; // drawing changes the height alone
    drawn = contentRect.width;
    if (weeks !== null) drawPictures();
  }).observe(byId("charts"));
  await load();
  document.documentElement.dataset.ready = "yes";
}

begin();

/** The table of a file's rows: sorted, filtered, searched, a page at a time. */

import { el, sign } from "./elements.js";
import { count, percent, say } from "./language.js";
import { reasonWords, warningWords } from "./wording.js";

const PAGE = 50; // rows
const COLUMNS = ["row", "verdict", "probability", "text"];
const KINDS = ["all", "fake", "real", "bad"];
const ORDER = { fake: 0, real: 1, pending: 2, bad: 3 };

/** What kind a row is: fake, real, bad or pending. */
export const kindOf = ({ state, prediction }) => (state === "done" ? prediction.verdict : state);

/** Say what is wrong with a bad row. */
export function problemWords({ name, values, error }) {
  return say(name, error ? { reason: reasonWords(error) } : values);
}

/** A table over rows that change; `draw` after they have. */
export class RowTable {
  /**
   * @param {HTMLElement} place - where it is drawn.
   * @param {function(Object)} open - called with a row to look closer at.
   */
  constructor(place, open) {
    Object.assign(this, { place, open, rows: [], sort: "row", down: false, kind: "all", search: "", page: 0 });
    this.tools = el("div", { class: "tools" });
    this.body = el("div", {});
    place.replaceChildren(this.tools, this.body);
  }

  /** Show other rows. */
  take(rows) {
    Object.assign(this, { rows, kind: "all", search: "", page: 0, sort: "row", down: false });
    this.drawTools();
    this.draw();
  }

  /** Draw the rows as they are now. */
  draw() {
    const tally = { all: this.rows.length, fake: 0, real: 0, bad: 0, pending: 0 };
    for (const row of this.rows) tally[kindOf(row)] += 1;
    for (const kind of KINDS) {
      const button = this.tools.querySelector(`[data-kind=${kind}]`);
      button.textContent = say(`table.${kind}`, { count: count(tally[kind]) });
      button.setAttribute("aria-pressed", String(this.kind === kind));
    }
    const found = this.found();
    const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
    this.page = Math.min(this.page, last);
    const shown = found.slice(this.page * PAGE, (this.page + 1) * PAGE);
    const focused = document.activeElement?.dataset?.focus;
    this.body.replaceChildren(
      el("div", { class: "scroller" }, el("table", { class: "rows" },
        el("caption", { class: "unseen" }, say("table.caption")),
        el("thead", {}, el("tr", {}, COLUMNS.map((column) => this.heading(column)))),
        el("tbody", {}, shown.map((row) => this.line(row))))),
      found.length === 0 ? el("p", { class: "muted" }, say("table.none")) : this.pager(found.length, last),
    );
    if (focused) this.body.querySelector(`[data-focus="${focused}"]`)?.focus();
  }

  /** Draw what chooses rows; apart from the rows, so that a search is not interrupted by progress. */
  drawTools() {
    const choose = (kind) => el("button", {
      type: "button", class: "chip", "data-kind": kind,
      on: { click: () => this.change({ kind, page: 0 }) },
    });
    const search = el("input", {
      type: "search", id: "find", placeholder: say("table.find"), "aria-label": say("table.find"), value: this.search,
      on: { input: (event) => this.change({ search: event.target.value, page: 0 }) },
    });
    this.tools.replaceChildren(
      el("div", { class: "chips", role: "group", "aria-label": say("table.show") }, KINDS.map(choose)), search);
  }

  change(what) {
    Object.assign(this, what);
    this.draw();
  }

  found() {
    const wanted = this.search.trim().toLowerCase();
    const found = this.rows.filter((row) => (this.kind === "all" || kindOf(row) === this.kind)
      && (wanted === "" || row.text.toLowerCase().includes(wanted) || row.id?.toLowerCase().includes(wanted)));
    const value = {
      row: ({ number }) => number,
      verdict: (row) => ORDER[kindOf(row)],
      probability: ({ prediction }) => (prediction ? -prediction.probability : 1),
      text: ({ text }) => text,
    }[this.sort];
    const turn = this.down ? -1 : 1;
    return found.sort((a, b) => turn * (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) || a.number - b.number);
  }

  heading(column) {
    const sorted = this.sort !== column ? null : this.down ? "descending" : "ascending";
    return el("th", { scope: "col", class: `of-${column}`, "aria-sort": sorted },
      el("button", {
        type: "button", "data-focus": `sort-${column}`,
        on: { click: () => this.change({ sort: column, down: this.sort === column && !this.down, page: 0 }) },
      }, say(`table.${column}`), el("span", { class: "arrow", "aria-hidden": "true" }, sorted === null ? "" : this.down ? " ↓" : " ↑")));
  }

  line(row) {
    const kind = kindOf(row);
    const { prediction, number, text, id, problem } = row;
    const notes = prediction ? prediction.warnings.map(warningWords) : problem ? [problemWords(problem)] : [];
    return el("tr", { class: kind },
      el("th", { scope: "row", class: "of-row number" }, String(number)),
      el("td", { class: "of-verdict" }, el("span", { class: `told ${kind}` },
        prediction ? sign(kind) : null, say(`table.${kind}${kind === "pending" ? "" : ".short"}`))),
      el("td", { class: "of-probability number" }, prediction ? percent(prediction.probability, 1) : ""),
      el("td", { class: "of-text" },
        row.state === "bad" ? el("span", { class: "excerpt muted", lang: "zh" }, text)
          : el("button", { type: "button", class: "text-link excerpt", title: say("table.open"), lang: "zh", on: { click: () => this.open(row) } }, text),
        id === null ? null : el("span", { class: "small muted mono" }, id),
        notes.map((note) => el("span", { class: row.state === "bad" ? "note mistake" : "note muted" }, note))));
  }

  pager(whole, last) {
    const from = this.page * PAGE;
    const step = (by, name) => el("button", {
      type: "button", "data-focus": `page-${name}`, disabled: by < 0 ? this.page === 0 : this.page === last,
      on: { click: () => this.change({ page: this.page + by }) },
    }, say(`table.${name}`));
    const place = el("span", { class: "small muted" }, say("table.page", {
      from: count(from + 1), to: count(Math.min(from + PAGE, whole)), whole: count(whole),
    }));
    return el("div", { class: "pager" }, place, ...(last > 0 ? [step(-1, "before"), step(1, "after")] : []));
  }
}

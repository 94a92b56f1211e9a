/** The table of a file's rows, with sorting, filters, search and pages. */

import { el, sign } from "./elements.js";
import { count, percent, translate } from "./language.js";
import { errorMessage, reasonMessage, warningMessage } from "./messages.js";

const PAGE_SIZE = 50; // rows
const COLUMNS = ["row", "verdict", "probability", "text"];
const KINDS = ["all", "fake", "real", "unsure", "bad"];
const ORDER = { fake: 0, unsure: 1, real: 2, pending: 3, bad: 4 };

/** Return the kind of a row: fake, real, unsure, bad or pending. */
export const kindOf = ({ state, prediction }) => (state === "done" ? prediction.verdict : state);

/** Describe the problem of a bad row. */
export function problemMessage({ name, values, error }) {
  return translate(name, error ? { reason: errorMessage(error) } : values);
}

/** A table of rows that change; call `draw` after a change. */
export class RowTable {
  /**
   * @param {HTMLElement} container - the parent of the table.
   * @param {function(Object)} open - called with a row to show in detail.
   */
  constructor(container, open) {
    Object.assign(this, { open, rows: [], sort: "row", descending: false, kind: "all", search: "", page: 0 });
    this.tools = el("div", { class: "tools" });
    this.body = el("div", {});
    container.replaceChildren(this.tools, this.body);
  }

  /** Show other rows. */
  load(rows) {
    Object.assign(this, { rows, kind: "all", search: "", page: 0, sort: "row", descending: false });
    this.drawTools();
    this.draw();
  }

  /** Draw the rows as they are now. */
  draw() {
    const tally = { all: this.rows.length, fake: 0, real: 0, unsure: 0, bad: 0, pending: 0 };
    for (const row of this.rows) tally[kindOf(row)] += 1;
    for (const kind of KINDS) {
      const button = this.tools.querySelector(`[data-kind=${kind}]`);
      button.textContent = translate(`table.${kind}`, { count: count(tally[kind]) });
      button.setAttribute("aria-pressed", String(this.kind === kind));
    }
    const rows = this.matchingRows();
    const last = Math.max(0, Math.ceil(rows.length / PAGE_SIZE) - 1);
    this.page = Math.min(this.page, last);
    const pageRows = rows.slice(this.page * PAGE_SIZE, (this.page + 1) * PAGE_SIZE);
    const focused = document.activeElement?.dataset?.focus;
    this.body.replaceChildren(
      el("div", { class: "scroller" }, el("table", { class: "rows" },
        el("caption", { class: "visually-hidden" }, translate("table.caption")),
        el("thead", {}, el("tr", {}, COLUMNS.map((column) => this.heading(column)))),
        el("tbody", {}, pageRows.map((row) => this.line(row))))),
      rows.length === 0 ? el("p", { class: "muted" }, translate("table.none")) : this.pager(rows.length, last),
    );
    if (focused) this.body.querySelector(`[data-focus="${focused}"]`)?.focus();
  }

  /** Draw filters and search; apart from the rows, so that progress does not interrupt typing. */
  drawTools() {
    const filter = (kind) => el("button", {
      type: "button", class: "chip", "data-kind": kind,
      on: { click: () => this.change({ kind, page: 0 }) },
    });
    const search = el("input", {
      type: "search", id: "find", placeholder: translate("table.find"), "aria-label": translate("table.find"), value: this.search,
      on: { input: (event) => this.change({ search: event.target.value, page: 0 }) },
    });
    this.tools.replaceChildren(
      el("div", { class: "chips", role: "group", "aria-label": translate("table.show") }, KINDS.map(filter)), search);
  }

  change(state) {
    Object.assign(this, state);
    this.draw();
  }

  matchingRows() {
    const query = this.search.trim().toLowerCase();
    const found = this.rows.filter((row) => (this.kind === "all" || kindOf(row) === this.kind)
      && (query === "" || row.text.toLowerCase().includes(query) || row.id?.toLowerCase().includes(query)));
    const value = {
      row: ({ number }) => number,
      verdict: (row) => ORDER[kindOf(row)],
      probability: ({ prediction }) => (prediction && prediction.verdict !== "unsure" ? -prediction.probability : 1),
      text: ({ text }) => text,
    }[this.sort];
    const turn = this.descending ? -1 : 1;
    return found.sort((a, b) => turn * (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) || a.number - b.number);
  }

  heading(column) {
    const sorted = this.sort !== column ? null : this.descending ? "descending" : "ascending";
    return el("th", { scope: "col", class: `of-${column}`, "aria-sort": sorted },
      el("button", {
        type: "button", "data-focus": `sort-${column}`,
        on: { click: () => this.change({ sort: column, descending: this.sort === column && !this.descending, page: 0 }) },
      }, translate(`table.${column}`), el("span", { class: "arrow", "aria-hidden": "true" }, sorted === null ? "" : this.descending ? " ↓" : " ↑")));
  }

  line(row) {
    const kind = kindOf(row);
    const { prediction, number, text, id, problem } = row;
    const notes = prediction ? [...prediction.reasons.map(reasonMessage), ...prediction.warnings.map(warningMessage)] : problem ? [problemMessage(problem)] : [];
    return el("tr", { class: kind },
      el("th", { scope: "row", class: "of-row number" }, String(number)),
      el("td", { class: "of-verdict" }, el("span", { class: `verdict-label ${kind}` },
        prediction ? sign(kind) : null, translate(`table.${kind}${kind === "pending" ? "" : ".short"}`))),
      el("td", { class: "of-probability number" }, prediction && kind !== "unsure" ? percent(prediction.probability, 1) : ""),
      el("td", { class: "of-text" },
        row.state === "bad" ? el("span", { class: "excerpt muted", lang: "zh" }, text)
          : el("button", { type: "button", class: "text-link excerpt", title: translate("table.open"), lang: "zh", on: { click: () => this.open(row) } }, text),
        id === null ? null : el("span", { class: "small muted mono" }, id),
        notes.map((note) => el("span", { class: row.state === "bad" ? "note error" : "note muted" }, note))));
  }

  pager(total, last) {
    const from = this.page * PAGE_SIZE;
    const step = (by, name) => el("button", {
      type: "button", "data-focus": `page-${name}`, disabled: by < 0 ? this.page === 0 : this.page === last,
      on: { click: () => this.change({ page: this.page + by }) },
    }, translate(`table.${name}`));
    const position = el("span", { class: "small muted" }, translate("table.page", {
      from: count(from + 1), to: count(Math.min(from + PAGE_SIZE, total)), total: count(total),
    }));
    return el("div", { class: "pager" }, position, ...(last > 0 ? [step(-1, "before"), step(1, "after")] : []));
  }
}

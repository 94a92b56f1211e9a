/** The reviewer's verdict on a prediction. */

import { el, sign } from "./elements.js";
import { translate } from "./language.js";
import { request } from "./api.js";
import { errorMessage } from "./messages.js";

const STORAGE_KEY = "zhenwei.reviewer";

/**
 * Create the reviewer's buttons.
 *
 * @param {Object} entry - the checked text: `text`, `prediction`, `bundle`, and the state of its review: `review`,
 *   `comment`, `error`, `sending`. The buttons change it.
 * @param {function} changed - called after a change, to draw it again.
 */
export function reviewNode(entry, changed) {
  const send = (verdict) => submit(entry, verdict, changed);
  const comment = el("textarea", { id: "comment", rows: "2", maxlength: "2000" });
  const reviewer = el("input", { id: "reviewer", maxlength: "200", autocomplete: "name", value: reviewerName() });
  comment.value = entry.comment ?? "";
  comment.addEventListener("input", () => { entry.comment = comment.value; });
  reviewer.addEventListener("input", () => saveReviewer(reviewer.value));
  const more = el("details", { open: Boolean(entry.expanded), on: { toggle: (event) => { entry.expanded = event.target.open; } } },
    el("summary", {}, translate("review.more")),
    el("label", { for: "comment" }, translate("review.comment")), comment,
    el("label", { for: "reviewer" }, translate("review.reviewer")), reviewer,
    entry.review ? el("button", { type: "button", on: { click: () => send(entry.review) } }, translate("review.send")) : null);
  return el("div", { class: "review", role: "group", "aria-labelledby": "review-title" },
    el("h3", { id: "review-title" }, translate("review.title")),
    el("div", { class: "buttons" }, ["real", "fake"].map((verdict) => button(verdict, entry, send))),
    el("p", { class: "small", role: "status", id: "review-status" }, status(entry)),
    more);
}

function button(verdict, entry, send) {
  return el("button", {
    type: "button", id: `review-${verdict}`, class: `choice ${verdict}`, "aria-pressed": String(entry.review === verdict),
    on: { click: () => send(verdict) },
  }, sign(verdict), translate(`review.${verdict}`));
}

function status(entry) {
  if (entry.sending) return translate("review.sending");
  if (entry.error) return el("span", { class: "error" }, translate("review.failed", { reason: errorMessage(entry.error) }));
  return entry.review ? translate("review.saved", { verdict: translate(`review.${entry.review}`) }) : translate("review.note");
}

async function submit(entry, verdict, changed) {
  if (entry.sending) return;
  entry.sending = true;
  entry.error = null;
  changed(`review-${verdict}`);
  const { text, prediction, bundle } = entry;
  const body = {
    text, verdict, predicted_verdict: prediction.verdict, predicted_probability: prediction.probability,
    bundle_version: bundle.version,
  };
  if (entry.comment?.trim()) body.comment = entry.comment.trim();
  if (reviewerName().trim()) body.reviewer = reviewerName().trim();
  try {
    await request("feedback", { body });
    entry.review = verdict;
  } catch (error) {
    entry.error = error;
  }
  entry.sending = false;
  changed(`review-${verdict}`);
}

let name = null;

function reviewerName() {
  try {
    return (name ??= sessionStorage.getItem(STORAGE_KEY) ?? "");
  } catch {
    return (name ??= "");
  }
}

function saveReviewer(value) {
  name = value;
  try {
    sessionStorage.setItem(STORAGE_KEY, value);
  } catch {
    // stored until the page is closed
  }
}

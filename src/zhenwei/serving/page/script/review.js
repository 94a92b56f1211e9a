/** The reviewer's verdict on a prediction. */

import { el, sign } from "./elements.js";
import { say } from "./language.js";
import { ask } from "./service.js";
import { reasonWords } from "./wording.js";

const KEPT = "zhenwei.reviewer";

/**
 * Draw the reviewer's buttons.
 *
 * @param {Object} seen - what was judged: `text`, `prediction`, `bundle`, and what was answered so far: `review`,
 *   `comment`, `trouble`, `sending`. It is changed by the buttons.
 * @param {function} changed - called when it has changed, to draw anew.
 */
export function reviewNode(seen, changed) {
  const send = (verdict) => keep(seen, verdict, changed);
  const comment = el("textarea", { id: "comment", rows: "2", maxlength: "2000" });
  const reviewer = el("input", { id: "reviewer", maxlength: "200", autocomplete: "name", value: reviewerName() });
  comment.value = seen.comment ?? "";
  comment.addEventListener("input", () => { seen.comment = comment.value; });
  reviewer.addEventListener("input", () => rememberReviewer(reviewer.value));
  const more = el("details", { open: Boolean(seen.unfolded), on: { toggle: (event) => { seen.unfolded = event.target.open; } } },
    el("summary", {}, say("review.more")),
    el("label", { for: "comment" }, say("review.comment")), comment,
    el("label", { for: "reviewer" }, say("review.reviewer")), reviewer,
    seen.review ? el("button", { type: "button", on: { click: () => send(seen.review) } }, say("review.send")) : null);
  return el("div", { class: "review", role: "group", "aria-labelledby": "review-title" },
    el("h3", { id: "review-title" }, say("review.title")),
    el("div", { class: "buttons" }, ["real", "fake"].map((verdict) => button(verdict, seen, send))),
    el("p", { class: "small", role: "status", id: "review-status" }, status(seen)),
    more);
}

function button(verdict, seen, send) {
  return el("button", {
    type: "button", id: `review-${verdict}`, class: `choice ${verdict}`, "aria-pressed": String(seen.review === verdict),
    on: { click: () => send(verdict) },
  }, sign(verdict), say(`review.${verdict}`));
}

function status(seen) {
  if (seen.sending) return say("review.sending");
  if (seen.trouble) return el("span", { class: "mistake" }, say("review.failed", { reason: reasonWords(seen.trouble) }));
  return seen.review ? say("review.kept", { verdict: say(`review.${seen.review}`) }) : say("review.note");
}

async function keep(seen, verdict, changed) {
  if (seen.sending) return;
  seen.sending = true;
  seen.trouble = null;
  changed(`review-${verdict}`);
  const { text, prediction, bundle } = seen;
  const body = {
    text, verdict, predicted_verdict: prediction.verdict, predicted_probability: prediction.probability,
    bundle_version: bundle.version,
  };
  if (seen.comment?.trim()) body.comment = seen.comment.trim();
  if (reviewerName().trim()) body.reviewer = reviewerName().trim();
  try {
    await ask("feedback", { body });
    seen.review = verdict;
  } catch (error) {
    seen.trouble = error;
  }
  seen.sending = false;
  changed(`review-${verdict}`);
}

let name = null;

function reviewerName() {
  try {
    return (name ??= sessionStorage.getItem(KEPT) ?? "");
  } catch {
    return (name ??= "");
  }
}

function rememberReviewer(value) {
  name = value;
  try {
    sessionStorage.setItem(KEPT, value);
  } catch {
    // remembered as long as the page
  }
}

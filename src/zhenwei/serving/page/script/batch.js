/** Predicts the rows of a file in parts; can be stopped and resumed. */

import { ApiError, NetworkError, request, wait } from "./api.js";

const MAX_ROWS = 32; // per request: few enough to show progress
const TEXT_SHARE = 0.5; // of a request's bytes: the rest is for escapes and JSON
const OFFLINE_WAITS = [1, 2, 5, 10, 20, 30]; // seconds between retries without a response

/**
 * Predict all pending rows.
 *
 * @param {Object[]} rows - see `readRows`; their `state` becomes `done` or `bad`.
 * @param {Object} limits - of the service: `texts`, `characters`, `body`.
 * @param {AbortSignal} signal - stops the requests.
 * @param {function(Object)} report - called after each part with {}, and during waits with `{waiting, offline}`, in seconds.
 * @throws errors that a retry does not solve, and an AbortError; the remaining rows stay pending.
 */
export async function predictRows(rows, limits, signal, report) {
  for (const part of parts(rows.filter(({ state }) => state === "pending"), limits)) {
    await predictPart(part, signal, report);
    report({});
  }
}

/** Predict some rows; if the service rejects one of them, that one is bad and the others are predicted. */
async function predictPart(rows, signal, report) {
  if (rows.length === 0) return;
  let response;
  try {
    response = await requestPatiently(rows, signal, report);
  } catch (error) {
    if (!(error instanceof ApiError) || ![413, 422, 504].includes(error.status)) throw error;
    const named = error.status === 422 ? Number(/^texts\[(\d+)\]$/.exec(error.field ?? "")?.[1] ?? NaN) : NaN;
    if (rows.length === 1 || named < rows.length) {
      const [bad] = rows.splice(rows.length === 1 ? 0 : named, 1);
      bad.state = "bad";
      bad.problem = { name: "row.refused", error };
      await predictPart(rows, signal, report);
    } else { // too large, or too slow: split it
      const middle = Math.ceil(rows.length / 2);
      await predictPart(rows.slice(0, middle), signal, report);
      await predictPart(rows.slice(middle), signal, report);
    }
    return;
  }
  rows.forEach((row, index) => {
    row.state = "done";
    row.prediction = response.predictions[index];
    row.bundle = response.bundle;
  });
}

/** Send a request until the service responds: a file can wait as long as the page is open. */
async function requestPatiently(rows, signal, report) {
  const body = { texts: rows.map(({ text }) => text) };
  for (let retries = 0; ; retries += 1) {
    try {
      return await request("predict", { body, signal, maxRetries: Infinity, onWait: (waiting) => report({ waiting }) });
    } catch (error) {
      if (!(error instanceof NetworkError) || retries >= OFFLINE_WAITS.length) throw error;
      await wait(OFFLINE_WAITS[retries], signal, (waiting) => report({ waiting, offline: true }));
    }
  }
}

function* parts(rows, limits) {
  const encoder = new TextEncoder();
  const maxRows = Math.min(MAX_ROWS, limits.texts);
  let [part, bytes] = [[], 0];
  for (const row of rows) {
    const size = encoder.encode(row.text).length;
    if (part.length > 0 && (part.length >= maxRows || bytes + size > TEXT_SHARE * limits.body)) {
      yield part;
      [part, bytes] = [[], 0];
    }
    part.push(row);
    bytes += size;
  }
  yield part;
}

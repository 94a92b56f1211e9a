/** Judges the rows of a file, a part at a time; can be stopped and goes on where it stopped. */

import { Refused, Unreachable, ask, wait } from "./service.js";

const AT_ONCE = 32; // rows of a request: few enough to show progress
const ROOM = 0.5; // of a request's bytes that the texts may fill: the rest is for escapes and JSON
const OFFLINE_WAITS = [1, 2, 5, 10, 20, 30]; // seconds between tries where nobody answers

/**
 * Judge all pending rows.
 *
 * @param {Object[]} rows - see `readRows`; their `state` becomes `done` or `bad`.
 * @param {Object} limits - the service's: `texts`, `characters`, `body`.
 * @param {AbortSignal} signal - stops it.
 * @param {function(Object)} tell - told of each part that is done, and of waits: `{waiting, offline}` in seconds.
 * @throws what cannot be helped by trying again, and an AbortError; the rows left are pending then.
 */
export async function judgeRows(rows, limits, signal, tell) {
  for (const part of parts(rows.filter(({ state }) => state === "pending"), limits)) {
    await judgePart(part, signal, tell);
    tell({});
  }
}

/** Judge some rows; where the service refuses one of them, that one is bad and the others are judged. */
async function judgePart(rows, signal, tell) {
  if (rows.length === 0) return;
  let found;
  try {
    found = await askPatiently(rows, signal, tell);
  } catch (error) {
    if (!(error instanceof Refused) || ![413, 422, 504].includes(error.status)) throw error;
    const named = error.status === 422 ? Number(/^texts\[(\d+)\]$/.exec(error.field ?? "")?.[1] ?? NaN) : NaN;
    if (rows.length === 1 || named < rows.length) {
      const [bad] = rows.splice(rows.length === 1 ? 0 : named, 1);
      bad.state = "bad";
      bad.problem = { name: "row.refused", error };
      await judgePart(rows, signal, tell);
    } else { // too much, or too slow: by halves
      const middle = Math.ceil(rows.length / 2);
      await judgePart(rows.slice(0, middle), signal, tell);
      await judgePart(rows.slice(middle), signal, tell);
    }
    return;
  }
  rows.forEach((row, place) => {
    row.state = "done";
    row.prediction = found.predictions[place];
    row.bundle = found.bundle;
  });
}

/** Ask until the service has time: a file may wait as long as somebody looks on. */
async function askPatiently(rows, signal, tell) {
  const body = { texts: rows.map(({ text }) => text) };
  for (let tries = 0; ; tries += 1) {
    try {
      return await ask("predict", { body, signal, patience: Infinity, onWait: (waiting) => tell({ waiting }) });
    } catch (error) {
      if (!(error instanceof Unreachable) || tries >= OFFLINE_WAITS.length) throw error;
      await wait(OFFLINE_WAITS[tries], signal, (waiting) => tell({ waiting, offline: true }));
    }
  }
}

function* parts(rows, limits) {
  const encoder = new TextEncoder();
  const most = Math.min(AT_ONCE, limits.texts);
  let [part, bytes] = [[], 0];
  for (const row of rows) {
    const size = encoder.encode(row.text).length;
    if (part.length > 0 && (part.length >= most || bytes + size > ROOM * limits.body)) {
      yield part;
      [part, bytes] = [[], 0];
    }
    part.push(row);
    bytes += size;
  }
  yield part;
}

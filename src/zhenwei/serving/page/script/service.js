/** Asks the service, with the key where it wants one; a busy service is asked again when it says so. */

import { newKey, currentKey, forgetKey } from "./key.js";

const ROOT = new URL("../v1/", import.meta.url); // also where a proxy serves the page below another path
const PATIENCE = 5; // times that a busy service is asked again
const USUAL_WAIT = 2; // seconds, where a busy service does not say

/** The service refused: `status`, its `detail` in English, and the `field` that it is about. */
export class Refused extends Error {
  constructor(status, { error = "", field = null } = {}) {
    super(error || `status ${status}`);
    this.status = status;
    this.detail = error;
    this.field = field;
  }
}

/** The service did not answer at all. */
export class Unreachable extends Error {}

/**
 * Ask the service.
 *
 * @param {string} path - as in `predict`, below /v1.
 * @param {Object} options
 * @param {Object} [options.body] - sent as JSON, by POST; without it, GET.
 * @param {AbortSignal} [options.signal] - ends the asking, also while it waits.
 * @param {function(number)} [options.onWait] - told the seconds that are left to the next try, each second.
 * @param {number} [options.patience] - how often a busy service is asked again.
 * @returns {Promise<Object>} what it answered.
 * @throws {Refused} any other status than 2xx; {Unreachable} no answer; an AbortError.
 */
export async function ask(path, { body, signal, onWait, patience = PATIENCE } = {}) {
  for (let tries = 0; ; ) {
    const key = currentKey();
    const answer = await send(path, body, signal, key);
    if (answer.ok) return parsed(answer);
    const refusal = new Refused(answer.status, await parsed(answer).catch(() => ({})));
    if (answer.status === 401) {
      if (key === currentKey()) await anotherKey(key, refusal);
    } else if (answer.status === 503 && tries < patience) {
      tries += 1;
      await wait(retryAfter(answer), signal, onWait);
    } else {
      throw refusal;
    }
  }
}

/** Wait some seconds, telling how many are left. */
export async function wait(seconds, signal, onWait) {
  for (let left = seconds; left > 0; left -= 1) {
    onWait?.(left);
    await pause(1000 * Math.min(left, 1), signal);
  }
}

async function send(path, body, signal, key) {
  const headers = key === null ? {} : { authorization: `Bearer ${key}` };
  const options = { headers, signal, cache: "no-store", credentials: "same-origin" };
  if (body !== undefined) {
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
    headers["content-type"] = "application/json";
  }
  try {
    return await fetch(new URL(path, ROOT), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable(error.message);
  }
}

async function parsed(answer) {
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable(error.message);
  }
}

async function anotherKey(refused, refusal) {
  if (refused !== null) forgetKey();
  if (!(await newKey(refused !== null))) throw refusal;
}

function retryAfter(answer) {
  const seconds = Number(answer.headers.get("retry-after") ?? USUAL_WAIT);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 60) : USUAL_WAIT;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
